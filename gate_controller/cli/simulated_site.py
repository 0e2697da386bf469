"""The files and devices of a gate that is all simulated, without a daemon and without travellers: for `gatectl doctor --simulated` and for tests.

The devices are wire simulators, the drivers that open them the real ones. `gatectl simulate` has travellers, too.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gate_controller.cli.simulated_enrolment import SimulatedEnrolments
from gate_controller.cli.simulated_trust import SimulatedTrust
from gate_controller.core.values import Region
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import GateError
from gate_controller.settings.render import derive
from simulators.authority import Authorities
from simulators.control import ControlError
from simulators.lane.wire import IO_BOARD, Endpoints, WireLane
from simulators.wiring import IDLE_INPUTS, Input

Changes = dict[str, dict[str, Any]]


def template() -> Path:
    """The configuration that simulations start from: in the source tree, or in the installed version."""
    here = Path(__file__).parents[2] / "config" / "simulated.toml"
    return here if here.is_file() else Path(sys.prefix) / "share" / "config" / "simulated.toml"


def models() -> Path:
    """The face models of this version, or of the source tree."""
    installed = Path(sys.prefix) / "models"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "var" / "models"


class SimulatedFiles:
    """Configuration and stores of one gate, healthy.

    Args:
        directory: Where they are made; it exists.

    Attributes:
        config: The gate's configuration.
        changes: What it changes in the template; write() after changing it.
    """

    def __init__(self, directory: Path, endpoints: Endpoints) -> None:
        clock = SystemClock()
        self.directory = directory
        self.config = directory / "gate.toml"
        trust = SimulatedTrust(directory, Authorities("simulated gate"), clock)
        enrolments = SimulatedEnrolments(directory, trust.repository, clock)
        trust.publish(())
        for region in Region:
            enrolments.publish(region, ())
        self.changes: Changes = {
            "devices": {
                "qr_camera": {"source": endpoints.qr_camera, "width": 1280, "height": 720},
                "face_camera": {"source": endpoints.face_camera},
                "fingerprint": {"port": str(endpoints.fingerprint)},
                "io_board": {"port": str(endpoints.io_board)},
            },
            "keys": dict(trust.settings),
            "enrolment": dict(enrolments.settings),
            "journal": {"path": str(directory / "journal.db")},
            "replay": {"path": str(directory / "replay.db")},
            "models": {"directory": str(models().resolve())},
            "control": {"socket": str(directory / "control.sock")},
            "kiosk": {"enabled": False},
        }
        self.trust = trust
        self.write()
        trust.install(self.config)
        enrolments.install(self.config)

    def write(self) -> None:
        """Write the configuration with the changes as they are now."""
        self.config.write_text(derive(template(), self.changes), encoding="utf-8")


@contextlib.contextmanager
def simulated_gate() -> Iterator[tuple[SimulatedFiles, WireLane]]:
    """A healthy gate: its files, and its devices with the inputs of an empty lane. Leaves no process and no file.

    Raises:
        GateError: It cannot be set up.
    """
    with contextlib.ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="gate-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        lane = WireLane(paced=False)
        stack.callback(lane.stop)
        try:
            endpoints = lane.start()
            lane.ask(IO_BOARD, "set", inputs={each.name.lower(): each in IDLE_INPUTS for each in Input})
        except (ControlError, OSError) as error:
            what = f"the simulated devices do not start: {error}"
            raise GateError(what, "is there room in the temporary directory, and does this machine have pseudo-terminals?") from error
        yield SimulatedFiles(directory, endpoints), lane
