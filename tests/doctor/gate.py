"""A healthy simulated gate that can be broken and mended again. Knows nothing of doctor's code: it runs the command and reads its JSON."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gate_controller.cli.simulated_site import SimulatedFiles, models
from gate_controller.journal import SqliteJournal
from gate_controller.journal.key_file import origin_of, signer_beside
from gate_controller.passes.replay import SqliteReplayMemory
from simulators.lane.wire import DEVICES, FINGERPRINT, IO_BOARD, WireLane
from simulators.wiring import IDLE_INPUTS, Input

ROOT = Path(__file__).parents[2]
NOBODY = 65534
START = "import runpy, sys; sys.argv[0] = 'gatectl'; runpy.run_module('gate_controller.cli.main', run_name='__main__')"


class NoReportError(AssertionError):
    """Doctor did not come to its end."""


class BrokenGate:
    """Files and devices of one gate.

    Args:
        directory: Where everything lies; readable by everybody, so that a run as nobody can reach it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "gate"
        self.pristine = directory / "pristine"
        self.models = directory / "models"
        shutil.copytree(models(), self.models)
        self.lane = WireLane(paced=False)
        self.cleanup = ExitStack()
        self.start = START
        self.prefix: list[str] = []
        endpoints = self.lane.start()
        self.directory.mkdir()
        self.files = SimulatedFiles(self.directory, endpoints)
        self.files.changes["models"] = {"directory": str(self.models)}
        self.files.changes["kiosk"] = {"enabled": True, "port": free_port()}
        self.files.changes["gate"] = {"policy": str(self.directory / "policy.toml")}
        shutil.copy(ROOT / "config/policy.toml", self.directory)
        self._stores()
        self.files.write()
        shutil.copytree(self.directory, self.pristine, symlinks=True)
        shutil.copytree(self.models, directory / "pristine-models")
        self.healthy = json.dumps(self.files.changes)

    @property
    def config(self) -> Path:
        return self.files.config

    def change(self, table: str, **keys: Any) -> None:
        """Change keys of the configuration."""
        target: dict[str, Any] = self.files.changes
        for part in table.split("."):
            target = target.setdefault(part, {})
        target.update(keys)
        self.files.write()

    def mend(self) -> None:
        """As before any fault."""
        self.cleanup.close()
        self.start, self.prefix = START, []
        for path, good in ((self.directory, self.pristine), (self.models, self.models.with_name("pristine-models"))):
            shutil.rmtree(path)
            shutil.copytree(good, path, symlinks=True)
        self.files.changes = json.loads(self.healthy)
        for name in DEVICES:
            if not self.lane.alive(name):
                self.lane.restart(name)
            self.lane.ask(name, "clear")
        self.lane.ask(FINGERPRINT, "reset")
        self.inputs()

    def inputs(self, **changes: bool) -> None:
        """The contacts of an empty lane, but for these."""
        levels = {each.name.lower(): each in IDLE_INPUTS for each in Input}
        self.lane.ask(IO_BOARD, "set", inputs=levels | changes)

    def doctor(self, *arguments: str, limit_s: float = 300.0) -> tuple[int, dict[str, Any]]:
        """Run gatectl doctor as a process of its own; exit code and report."""
        command = [*self.prefix, sys.executable, "-c", self.start, "doctor", "--config", str(self.config), "--json", *arguments]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=limit_s, cwd="/", env=environment)
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError as error:
            message = f"doctor said no JSON, exit code {done.returncode}: {done.stdout[-500:]} {done.stderr[-2000:]}"
            raise NoReportError(message) from error

    def close(self) -> None:
        self.cleanup.close()
        self.lane.stop()

    def _stores(self) -> None:
        journal = self.directory / "journal.db"
        signer = signer_beside(journal, origin_of("MO-SIM-1"))
        written = SqliteJournal(journal, signer)
        for number in range(200):
            written.event("device_lost", {"device": "qr_camera", "number": str(number)}, time.time())
        written.tend(time.time() + 120)
        written.close()
        replay = SqliteReplayMemory(self.directory / "replay.db", blind_until=None)
        now = int(time.time())
        for number in range(50):
            replay.claim(number.to_bytes(16, "big"), now + number, now + number + 150)
        replay.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
