"""A whole simulated checkpoint around an ordinary daemon: authorities, keys, enrolments, wire simulators, travellers, an officer.

The daemon is a process of its own with a configuration of its own; it gets nothing from here but serial ports, camera URLs and files, and it cannot tell
the difference. What a crossing was is read from its control socket. Nothing here decides or corrects an outcome.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from gate_controller.cli.simulated_enrolment import SimulatedEnrolments
from gate_controller.cli.simulated_trust import SimulatedTrust
from gate_controller.cli.simulation_watch import GateWatcher, SocketDesk, WorldEvents
from gate_controller.control.client import GateClient
from gate_controller.core.policy import LaneKind
from gate_controller.core.values import Door, Region
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.control import JsonObject
from gate_controller.ports.devices import Family
from gate_controller.ports.errors import ConfigurationError, GateError
from gate_controller.settings.render import derive
from simulators.authority import Authorities
from simulators.lane.simulation import GroundTruth, LaneSimulation, LaneThread
from simulators.lane.wire import Endpoints, WireLane
from simulators.travellers.cast import Cast, CastMember, Override, build_cast
from simulators.travellers.enrolment import PortraitEncoder, enrol
from simulators.travellers.officer import OfficerHabits
from simulators.world import BOTH_DOORS, CounterErrors, Lock, Pace, Violation

START_WITHIN_S = 60.0
RECORD_WITHIN_S = 15.0
STOP_WITHIN_S = 20.0
RESTART_S = 4.0
"""From a crash to the new start: longer than the 3 s after which the kiosk page closes the lane by itself."""
SEED = "simulated checkpoint"
STANDARD_ERROR = Path("-")
PAD_REQUIRED = {"pad_rule": "required", "pad_decide_within_s": 20.0}
"""A laptop may take longer to come to a judgement than a checkpoint's policy allows. Below 11 frames a second there is none, however long it takes."""
TEMPLATE = Path(__file__).parents[2] / "config" / "simulated.toml"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate.

    Attributes:
        region: Region of the lane.
        travellers: How many come.
        seed: Decides who comes, in which order, and how.
        family: Family of the fingerprint module.
        kiosk_port: Port of the kiosk page on 127.0.0.1; 0 takes a free one.
        models: Directory of the model files.
        overrides: Parts of travellers to swap.
        log: Where the daemon's log goes; `-` is standard error, None keeps it with the run's files.
        officer: How the officer works.
        counter_errors: How the people counter errs: by default it gives no answer for a moment after some changes.
        doors: The lane's doors and their locks; without an entry door it is a single-door lane.
        pad: Whether presentation attack detection is required; else nothing is judged, and every crossing says so.
        hurry: How many times faster than people usually are doors and people move; at most 3.
    """

    region: Region = Region.MO
    travellers: int = 10
    seed: int = 1
    family: Family = Family.R503
    kiosk_port: int = 8787
    models: Path = Path("var/models")
    overrides: tuple[Override, ...] = ()
    log: Path | None = None
    officer: OfficerHabits = field(default_factory=OfficerHabits)
    doors: Mapping[Door, Lock] = field(default_factory=lambda: BOTH_DOORS)
    pad: bool = True
    hurry: float = 1.0
    counter_errors: CounterErrors = field(default_factory=lambda: CounterErrors(blind_rate=0.3, duration_s=0.2))


@dataclass(slots=True)
class Visit:
    """One traveller's visit: what the gate recorded, and what really happened."""

    number: int
    member: CastMember
    records: list[JsonObject] = field(default_factory=list)
    truth: GroundTruth | None = None

    @property
    def as_expected(self) -> bool:
        """Whether the gate recorded exactly one crossing, and the one that was to be expected."""
        wanted = (self.member.expected.outcome.value, self.member.expected.reason.code if self.member.expected.reason else None)
        return [(record["outcome"], record["reason"]) for record in self.records] == [wanted]

    def as_json(self) -> JsonObject:
        """One object a crossing; without a record, outcome and reason are null."""
        record = self.records[0] if self.records else {}
        expected = self.member.expected
        return {
            "number": self.number,
            "traveller": self.member.name,
            "kind": self.member.kind.value,
            "issuer": self.member.region.value,
            "outcome": record.get("outcome"),
            "reason": record.get("reason"),
            "as_expected": self.as_expected,
            "expected": {"outcome": expected.outcome.value, "reason": expected.reason.code if expected.reason else None},
            "truth": record.get("truth"),
            "checks": record.get("checks"),
            "steps": record.get("steps"),
            "by_officer": record.get("by_officer"),
            "further_records": self.records[1:],
            "left_by": self.truth.left_by.value if self.truth and self.truth.left_by else None,
            "visit_s": round(self.truth.left_at - self.truth.began_at, 2) if self.truth else None,
        }


def _wiring(doors: Mapping[Door, Lock]) -> JsonObject:
    """What the I/O board's configuration says of the doors: their locks, and that an entry door is not there."""
    locks: JsonObject = {"locks": {door.value: lock.value for door, lock in doors.items()}}
    if Door.ENTRY in doors:
        return locks
    absent = {"inputs": {"entry_door_closed": "not_wired", "entry_door_open": "not_wired"}, "outputs": {"entry_door": "not_wired"}}
    return locks | absent


class SimulatedGate:
    """The checkpoint. A context manager: leaving it leaves no process, socket or file.

    Args:
        plan: What to simulate.
        say: Told in one line what is being set up.

    Raises:
        GateError: Something could not be set up; what and the remedy.
    """

    def __init__(self, plan: Plan, say: Callable[[str], None] = lambda _line: None) -> None:
        self.plan = plan
        self._say = say
        self._stack = contextlib.ExitStack()
        self._daemon: subprocess.Popen[bytes] | None = None
        self._seen: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
        self._visits: dict[str, Visit] = {}
        self._restart_at: float | None = None
        self.violations: list[Violation] = []

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything. Further requests to stop are not heard meanwhile: they would leave half of it behind."""
        with _deaf():
            self._stack.close()

    @property
    def control_socket(self) -> Path:
        """The daemon's control socket."""
        return self.directory / "control.sock"

    # -- set-up ----------------------------------------------------------------------------------------------------------

    def _set_up(self) -> None:
        plan = self.plan
        self.directory = Path(tempfile.mkdtemp(prefix="gate-"))
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        authorities, clock = Authorities(SEED), SystemClock()
        audience = f"{plan.region.value}-SIM"
        self.cast: Cast = build_cast(
            seed=plan.seed, count=plan.travellers, region=plan.region, now=clock.wall(), authorities=authorities, audience=audience
        ).with_overrides(plan.overrides)
        self._say("authorities: two regions publish their keys and status lists")
        self.trust = SimulatedTrust(self.directory, authorities, clock)
        self.enrolments = SimulatedEnrolments(self.directory, self.trust.repository, clock)
        self.trust.publish(self.cast.statuses)
        self._say(f"enrolment: {len(self.cast.identities)} people, face and finger")
        self._enrol()
        self._say("wire simulators: fingerprint module, I/O board, two cameras")
        self.lane = WireLane(family=plan.family)
        self._stack.callback(self.lane.stop)
        endpoints = self.lane.start()
        self.config = self._configure(endpoints, audience)
        self._say("trust and enrolments: imported, as from a stick")
        self.trust.install(self.config)
        self.enrolments.install(self.config)
        self._say("daemon: gatectl run with the simulated configuration")
        self._start_daemon(self.config)
        self.simulation = LaneSimulation(
            hardware=self.lane,
            clock=clock,
            cast=self.cast.members,
            events=WorldEvents(self._put),
            desk=SocketDesk(self.client),
            habits=plan.officer,
            pace=Pace().hurried(plan.hurry),
            counter_errors=plan.counter_errors,
            seed=plan.seed,
            doors=plan.doors,
        )
        self._watch_gate()
        thread = LaneThread(self.simulation, lambda error: self._put("bug", error))
        thread.start()
        self._stack.callback(thread.stop)
        self._await_ready()

    def _enrol(self) -> None:
        encoder = PortraitEncoder(self.plan.models)
        for region in Region:
            enrolled = [identity for identity in self.cast.identities if identity.region is region]
            self.enrolments.publish(region, enrol(enrolled, encoder.template, self.plan.family))

    def _configure(self, endpoints: Endpoints, audience: str) -> Path:
        plan = self.plan
        direction = "hk_to_mo" if plan.region is Region.MO else "mo_to_hk"
        config = self.directory / "gate.toml"
        text = derive(
            TEMPLATE,
            {
                "gate": {
                    "region": plan.region.value,
                    "checkpoint": audience,
                    "id": f"{audience}-1",
                    "direction": direction,
                    "lane": (LaneKind.TWO_DOOR if Door.ENTRY in plan.doors else LaneKind.SINGLE_DOOR).value,
                    "stop_drain_s": 0.0,
                },
                "devices": {
                    "qr_camera": {"source": endpoints.qr_camera},
                    "face_camera": {"source": endpoints.face_camera},
                    "fingerprint": {"port": str(endpoints.fingerprint), "family": plan.family.value},
                    "io_board": {"port": str(endpoints.io_board)} | _wiring(plan.doors),
                }
                | ({"pad": {"driver": "passive"}} if plan.pad else {}),
                "policy": {"biometrics": PAD_REQUIRED if plan.pad else {}},
                "keys": self.trust.settings,
                "enrolment": self.enrolments.settings,
                "journal": {"path": str(self.directory / "journal.db")},
                "replay": {"path": str(self.directory / "replay.db")},
                "models": {"directory": str(plan.models.resolve())},
                "control": {"socket": str(self.directory / "control.sock")},
                "kiosk": {"enabled": True, "port": plan.kiosk_port},
            },
        )
        config.write_text(text, encoding="utf-8")
        return config

    def _start_daemon(self, config: Path) -> None:
        self.log_path = self.directory / "daemon.log" if self.plan.log in {None, STANDARD_ERROR} else Path(str(self.plan.log))
        command = [sys.executable, "-m", "gate_controller.daemon", "--config", str(config), "--with-parent", str(os.getpid())]
        try:
            log = sys.stderr.buffer if self.plan.log == STANDARD_ERROR else self._stack.enter_context(self.log_path.open("ab"))
        except OSError as error:
            raise ConfigurationError(f"--log {self.log_path}: {error.strerror}", "name a file in a directory that exists") from error  # noqa: EM102
        self._daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - our own command
        self._stack.callback(self._stop_daemon)
        self.client = GateClient(self.control_socket)

    def _stop_daemon(self) -> None:
        daemon = self._daemon
        if daemon is None:
            return
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):  # the second SIGTERM ends an open crossing
            if daemon.poll() is None:
                daemon.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    daemon.wait(STOP_WITHIN_S if number == signal.SIGTERM else None)

    def _await_ready(self) -> None:
        limit = time.monotonic() + START_WITHIN_S
        state = "not answering"
        while time.monotonic() < limit:
            if self._daemon is not None and self._daemon.poll() is not None:
                raise ConfigurationError(self._last_words(), "if it is the kiosk's port: choose another with --kiosk-port")
            with contextlib.suppress(GateError):
                status = self.client.status()
                state = f"{status['state']}, {status['reason']}"
                if status["state"] == "ready":
                    return
            time.sleep(0.05)
        raise GateError(f"the gate did not become ready in {START_WITHIN_S:g} s: {state}", "run again with --log - and look at its log")  # noqa: EM102

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self.log_path.read_text(errors="replace").strip().splitlines()
            return "; ".join(line.removeprefix("gate: ") for line in lines[-2:])
        return "it said nothing; run again with --log -"

    # -- watching --------------------------------------------------------------------------------------------------------

    def _watch_gate(self) -> None:
        watcher = GateWatcher(self.client, self.simulation, self._put)
        watcher.start()
        self._stack.callback(watcher.stop)

    def _put(self, kind: str, what: object) -> None:
        self._seen.put((kind, what))

    def visits(self) -> Iterator[Visit]:
        """Let the cast come, and give each visit when the traveller is gone and the gate has recorded what it was.

        Raises:
            GateError: The daemon ended.
        """
        self.simulation.open_queue()
        members: Iterable[CastMember] = self.cast.members
        for number, member in enumerate(members, 1):
            yield self._await_visit(self._visits.setdefault(member.name, Visit(number, member)))

    def happenings(self) -> Iterator[tuple[str, object]]:
        """What is seen of gate and world, without end: "event" (kind, fields), "record" (name, record), "truth", "violation".

        Belongs to the thread that set the checkpoint up: it starts a daemon again that was crashed, as systemd would.

        Raises:
            GateError: The daemon ended by itself.
        """
        while True:
            if self._restart_at is not None and time.monotonic() >= self._restart_at:
                self._restart_at = None
                self._stop_daemon()  # it was killed; now it is buried
                self._start_daemon(self.config)
            if self._restart_at is None and self._daemon is not None and self._daemon.poll() is not None:
                raise GateError(f"the daemon ended: {self._last_words()}", "run again with --log - and look at its log")  # noqa: EM102
            with contextlib.suppress(queue.Empty):
                kind, what = self._seen.get(timeout=0.2)
                self._note_violation(kind, what)
                yield kind, what

    def crash(self) -> None:
        """Kill the daemon as a bug would (kill -9); `happenings` starts it again."""
        if self._daemon is not None and self._restart_at is None:
            self._restart_at = time.monotonic() + RESTART_S
            self._daemon.kill()

    def _await_visit(self, visit: Visit) -> Visit:
        gone_since: float | None = None
        while True:
            if visit.truth is not None:
                gone_since = gone_since or time.monotonic()
                if visit.records or time.monotonic() > gone_since + RECORD_WITHIN_S:
                    return visit
            if self._daemon is None or self._daemon.poll() is not None:
                raise GateError(f"the daemon ended: {self._last_words()}", "run again with --log - and look at its log")  # noqa: EM102
            with contextlib.suppress(queue.Empty):
                self._note(*self._seen.get(timeout=0.2))

    def _note(self, kind: str, what: object) -> None:
        self._note_violation(kind, what)
        if kind == "truth" and isinstance(what, GroundTruth):
            self._visit(what.name).truth = what
        elif kind == "record" and isinstance(what, tuple):
            name, record = what
            self._visit(name).records.append(record)

    def _note_violation(self, kind: str, what: object) -> None:
        if kind == "bug" and isinstance(what, BaseException):
            raise what
        if kind == "violation" and isinstance(what, Violation):
            self.violations.append(what)

    def _visit(self, name: str) -> Visit:
        if name not in self._visits:
            number = next(number for number, member in enumerate(self.cast.members, 1) if member.name == name)
            self._visits[name] = Visit(number, self.cast.member(name))
        return self._visits[name]


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Ignore requests to stop while the block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
