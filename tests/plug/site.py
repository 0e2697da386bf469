"""One lane whose controller can be killed and started again: wire simulators that outlive it, its files, its people.

The simulators are processes of their own (simulators/lane); the world of doors and people is stepped in this process. Every controller comes from the
launcher. Each *life* of a scenario gets a journal and a replay memory of its own; enrolment and trust are shared, nothing here changes them.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gate_controller.cli.simulated_trust import SimulatedTrust
from gate_controller.cli.simulation import TEMPLATE
from gate_controller.control.client import GateClient
from gate_controller.core.values import Region
from gate_controller.enrolment import MasterKey, import_records
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.control import JsonObject
from gate_controller.ports.devices import Family
from gate_controller.ports.errors import GateError
from gate_controller.settings.render import derive
from simulators.authority import Authorities
from simulators.lane.hardware import CoilChange
from simulators.lane.wire import IO_BOARD, WireLane
from simulators.travellers.cast import CastMember, Kind, build_cast
from simulators.travellers.enrolment import PortraitEncoder, enrol
from simulators.travellers.phones import Screenshot

MODELS = Path(__file__).parents[2] / "var" / "models"
AUDIENCE = "MO-SIM"
GENEROUS_S = 60.0
TIMES = {
    # short where a run waits for them to end, long where a busy machine needs them
    "pass_check_s": 10.0,
    "refusal_shown_s": 0.5,
    "entry_open_s": 5.0,
    "door_open_s": 4.0,
    "occupancy_settle_s": 1.0,
    "identity_s": 30.0,
    "exit_open_s": 8.0,
    "return_path_s": 6.0,
}
HOLD_S = 1.0 + max(TIMES["entry_open_s"], TIMES["return_path_s"], TIMES["exit_open_s"])
"""The longest that this lane's board is told to hold a door (core/actions.py, HOLD_MARGIN_S)."""


class Controller:
    """One controller process, alive or dead.

    Args:
        launcher: Where it comes from.
        site: Its files.
        die_at: The point at which it dies, or None.
        armed: Whether points count from its start.
        trail: Whether it writes its points down; a restarted one does not.
        slow: Points at which a thread is held up, and for how many seconds.
        realtime: Whether it runs before all other programs of the machine (SCHED_RR; needs the right to).
    """

    def __init__(
        self,
        launcher: subprocess.Popen[str],
        files: Files,
        die_at: str | None,
        *,
        armed: bool,
        trail: bool,
        slow: dict[str, float] | None,
        realtime: bool,
    ) -> None:
        self._launcher = launcher
        self.client = GateClient(files.socket)
        self.started_at = time.monotonic()
        self._status: int | None = None
        order = {
            "config": str(files.config),
            "log": str(files.log),
            "trail": str(files.trail) if trail else None,
            "die_at": die_at,
            "armed": armed,
            "slow": slow or {},
            "realtime": realtime,
        }
        assert launcher.stdin is not None
        assert launcher.stdout is not None
        launcher.stdin.write(json.dumps(order) + "\n")
        launcher.stdin.flush()
        self.pid = int(launcher.stdout.readline())

    def ended(self) -> bool:
        """Whether it has ended; reaps nothing: the launcher does."""
        if self._status is not None:
            return True
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        return state == "Z"

    def wait(self) -> int:
        """Its wait status, once it has ended."""
        if self._status is None:
            assert self._launcher.stdout is not None
            self._status = int(self._launcher.stdout.readline())
        return self._status

    def stop(self, number: int) -> int:
        """Send a signal and wait for the end."""
        if self._status is None and not self.ended():
            os.kill(self.pid, number)
        return self.wait()

    def status(self) -> JsonObject | None:
        """The gate's status; None while it does not answer."""
        with contextlib.suppress(GateError):
            return self.client.status()
        return None


@dataclass(frozen=True)
class Files:
    """What one life of the gate leaves on disk."""

    directory: Path
    config: Path

    @property
    def journal(self) -> Path:
        return self.directory / "journal.db"

    @property
    def replay(self) -> Path:
        return self.directory / "replay.db"

    @property
    def socket(self) -> Path:
        return self.directory / "c.sock"

    @property
    def log(self) -> Path:
        return self.directory / "daemon.log"

    @property
    def trail(self) -> Path:
        return self.directory / "trail.jsonl"

    def points(self) -> list[dict[str, Any]]:
        """The points that passed, in their order."""
        return [json.loads(line) for line in self.trail.read_text().splitlines()] if self.trail.exists() else []


@dataclass
class LoggedHardware:
    """A LaneHardware that remembers what the relays did. Everything else is the lane's."""

    lane: WireLane
    history: list[CoilChange] = field(default_factory=list)

    def coil_changes(self) -> list[CoilChange]:
        changes = self.lane.coil_changes()
        self.history += changes
        return changes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lane, name)


class Site:
    """A context manager: leaving it leaves no process and no file."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._lives = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plug-")))
            clock, authorities = SystemClock(), Authorities("plug")
            cast = build_cast(seed=4, count=12, region=Region.MO, now=clock.wall(), authorities=authorities, audience=AUDIENCE)
            self._members = {member.kind: member for member in cast.members if member.companion is not None or member.kind is not Kind.TAILGATER}
            self._trust = SimulatedTrust(self.directory, authorities, clock)
            self._trust.publish(cast.statuses)
            key = self.directory / "master.key"
            key.touch(mode=0o600)
            key.write_text("5a" * 32 + "\n")
            encoder = PortraitEncoder(MODELS)
            for region in Region:
                records = enrol((each for each in cast.identities if each.region is region), encoder.template, Family.R503)
                import_records(self.directory / "enrolment.db", MasterKey.from_file(key), records, region)
            self.lane = WireLane(paced=False)
            self.endpoints = self.lane.start()
            stack.callback(self.lane.stop)
            self._trust.install(self.new_files({}).config)
            log = stack.enter_context((self.directory / "launcher.log").open("wb"))
            self._launcher = subprocess.Popen(
                [sys.executable, "-m", "tests.plug.launcher"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=Path(__file__).parents[2],
                start_new_session=True,
            )
            stack.callback(self._end_launcher)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _end_launcher(self) -> None:
        self._launcher.kill()  # its children get PR_SET_PDEATHSIG
        self._launcher.communicate()

    def new_files(self, changes: dict[str, Any]) -> Files:
        """A new journal and a new replay memory; `changes` go into the configuration."""
        self._lives += 1
        directory = self.directory / f"{self._lives}"
        directory.mkdir()
        files = Files(directory, directory / "gate.toml")
        ends = self.endpoints
        settings: dict[str, Any] = {
            "gate": {"region": "MO", "checkpoint": AUDIENCE, "id": f"{AUDIENCE}-1", "stop_drain_s": 0.0},
            "devices": {
                "qr_camera": {"source": ends.qr_camera},
                "face_camera": {"source": ends.face_camera},
                "fingerprint": {"port": str(ends.fingerprint), "family": Family.R503.value},
                "io_board": {"port": str(ends.io_board)},
            },
            "keys": self._trust.settings,
            "enrolment": {"store": str(self.directory / "enrolment.db"), "master_key_file": str(self.directory / "master.key")},
            "journal": {"path": str(files.journal)},
            "replay": {"path": str(files.replay)},
            "models": {"directory": str(MODELS)},
            "control": {"socket": str(files.socket)},
            "kiosk": {"enabled": False},
            "policy": {"times": TIMES, "emergency": {"emergency_hold_s": 4.0}},
        }
        for section, keys in changes.items():
            settings[section] = {**settings.get(section, {}), **keys}
        files.config.write_text(derive(TEMPLATE, settings))
        return files

    def member(self, kind: Kind) -> CastMember:
        """Somebody of that kind; whoever shows a screenshot has just taken it."""
        member = self._members[kind]
        phone = member.phone
        return replace(member, phone=Screenshot(phone._phone, phone._age_s)) if isinstance(phone, Screenshot) else member

    def start(
        self,
        files: Files,
        die_at: str | None = None,
        *,
        armed: bool = False,
        trail: bool = True,
        slow: dict[str, float] | None = None,
        realtime: bool = False,
    ) -> Controller:
        """Start a controller on these files."""
        return Controller(self._launcher, files, die_at, armed=armed, trail=trail, slow=slow, realtime=realtime)

    def fresh_hardware(self) -> LoggedHardware:
        """The lane as it is when nobody was ever there: relays dropped, nothing before the cameras."""
        self.lane.ask(IO_BOARD, "clear")
        self.lane.ask(IO_BOARD, "power_cycle")
        time.sleep(0.1)  # the watcher of the coils hears of it
        self.lane.coil_changes()
        self.lane.show_phone(None)
        self.lane.show_faces([])
        self.lane.set_finger(None)
        return LoggedHardware(self.lane)

    def coils(self) -> dict[str, bool]:
        """The relays, as the board has them at this moment."""
        coils: dict[str, bool] = self.lane.ask(IO_BOARD, "state")["coils"]
        return coils
