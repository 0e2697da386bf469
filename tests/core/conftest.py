"""A lane played by hand: events in, commands out, in virtual time, with a monitor that keeps its own record of the world."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.machine import Controller
from gate_controller.core.policy import BiometricRule, CrossingPolicy, PadRule
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import (
    BIOMETRICS,
    CheckOutcome,
    Device,
    Direction,
    Door,
    DoorPosition,
    EnrolmentFacts,
    LaneInputs,
    Modality,
    Occupancy,
    PassFacts,
    Region,
    TriState,
)

EMPTY = LaneInputs(DoorPosition.CLOSED, DoorPosition.CLOSED, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, Occupancy.ZERO)
PASS = PassFacts(b"p" * 16, b"e" * 16, Region.HK, 1, 1_800_000_000, 1_799_990_000, 1_800_090_000)
DEGRADED_PASS = replace(PASS, degraded=True)
ADULT = EnrolmentFacts(30, frozenset({Region.MO}), 1e6, suspended=False, fingers=1, face=True)
TEENAGER = replace(ADULT, age_years=16)


class BrokenInvariantError(AssertionError):
    """The monitor saw what must never be."""


@dataclass
class Monitor:
    """Judges commands by the events alone; never looks into the controller."""

    both_checks: bool = True
    pad_passes: frozenset[CheckOutcome] = frozenset({CheckOutcome.SUCCESSFUL})
    inputs: LaneInputs = field(default_factory=LaneInputs)
    emergency: bool = False
    verified: set[str] = field(default_factory=set)
    degraded: set[str] = field(default_factory=set)
    admitted_degraded: set[str] = field(default_factory=set)
    enrolled: set[str] = field(default_factory=set)
    claimed: set[str] = field(default_factory=set)
    checks: dict[str, dict[Modality, CheckOutcome]] = field(default_factory=dict)
    lost: set[Device] = field(default_factory=lambda: set(Device))
    current: str = ""
    started: set[str] = field(default_factory=set)
    records: dict[str, c.CrossingRecord] = field(default_factory=dict)
    entry_openings: list[str] = field(default_factory=list)

    def saw_event(self, event: e.Event) -> None:
        match event:
            case e.InputsRead(inputs):
                self.inputs = inputs
                self.emergency |= inputs.emergency is TriState.ACTIVE
            case e.DeviceLost(device):
                self.lost.add(device)
                self.inputs = LaneInputs() if device is Device.IO_BOARD else self.inputs
            case e.DeviceReady(device):
                self.lost.discard(device)
            case e.PassVerified(crossing_id, facts):
                if facts.degraded and crossing_id not in self.verified:
                    self.degraded.add(crossing_id)
                self.verified.add(crossing_id)
            case e.EnrolmentFound(crossing_id, facts):
                if facts == ADULT or (facts == TEENAGER and crossing_id not in self.degraded):
                    self.enrolled.add(crossing_id)
            case e.AdmissionRecorded(crossing_id):
                self.claimed.add(crossing_id)
            case e.CheckEnded(crossing_id, modality, outcome, _):
                if crossing_id in self.started:
                    self.checks.setdefault(crossing_id, {}).setdefault(modality, outcome)

    def saw_command(self, event: e.Event, command: c.Command) -> None:
        match command:
            case c.VerifyPass(crossing_id, _):
                self.current = crossing_id
            case c.RecordAdmission(crossing_id, degraded=degraded):
                self._must(degraded == (crossing_id in self.degraded), "a degraded decision was not journalled as one")
                self.admitted_degraded |= {crossing_id} if degraded else set()
            case c.StartCheck(crossing_id):
                self.started.add(crossing_id)
            case c.OpenDoor(Door.ENTRY):
                self._interlock(DoorPosition.CLOSED, self.inputs.exit_door)
                if not self.emergency and isinstance(event, e.AdmissionRecorded):
                    self.entry_openings.append(self.current)
                    self._must(self.current in self.verified & self.enrolled & self.claimed, "INV-8: entry opened before the admission was recorded")
            case c.OpenDoor(Door.EXIT):
                self._interlock(DoorPosition.CLOSED, self.inputs.entry_door)
                self._exit_release(event)
            case c.NoteEvent("rearmed"):
                self.emergency = self.inputs.emergency is TriState.ACTIVE
            case c.RecordCrossing(record):
                self._must(record.crossing_id not in self.records, "INV-6: a crossing was recorded twice")
                self._must(record.degraded or record.crossing_id not in self.admitted_degraded, "a degraded decision was not recorded as one")
                self.records[record.crossing_id] = record

    def _interlock(self, wanted: DoorPosition, other: DoorPosition) -> None:
        self._must(self.emergency or other is wanted, "INV-1: a door was ordered open while the other is not confirmed closed")

    def _exit_release(self, event: e.Event) -> None:
        if self.emergency or isinstance(event, e.OfficerReleased):
            return
        ended = self.checks.get(self.current, {})
        positive = (
            self.current in self.verified & self.enrolled & self.claimed
            and (
                all(ended.get(modality) is CheckOutcome.SUCCESSFUL for modality in BIOMETRICS)
                if self.both_checks
                else any(ended.get(modality) is CheckOutcome.SUCCESSFUL for modality in BIOMETRICS)
            )
            and ended.get(Modality.PAD) in self.pad_passes
            and self.inputs.occupancy is Occupancy.ONE
            and not self.lost & {Device.IO_BOARD, Device.FINGERPRINT, Device.FACE_CAMERA, Device.JOURNAL}
        )
        self._must(positive, "INV-2: the exit was released without a complete positive decision")

    @staticmethod
    def _must(holds: bool, what: str) -> None:
        if not holds:
            raise BrokenInvariantError(what)


class Lane:
    """A controller with its monitor and a clock that only `wait()` moves."""

    def __init__(self, **policy: object) -> None:
        self.policy = replace(CrossingPolicy(Region.MO, Direction.HK_TO_MO), **policy)
        self.controller = Controller(self.policy)
        self.monitor = Monitor(both_checks=self.policy.biometric_rule is not BiometricRule.EITHER)
        if self.policy.pad_rule is PadRule.SIGNALLED:
            self.monitor.pad_passes |= {CheckOutcome.NOT_SUPPORTED}
        self.now = 100.0
        self.out: list[c.Command] = []
        self.inputs = EMPTY

    def tell(self, event: e.Event) -> list[c.Command]:
        self.monitor.saw_event(event)
        out = self.controller.handle(event, self.now)
        if self.controller.failure is not None:
            raise BrokenInvariantError("the core failed") from self.controller.failure
        for command in out:
            self.monitor.saw_command(event, command)
        self.out += out
        return out

    def wait(self, seconds: float) -> list[c.Command]:
        """Let time pass, waking the core exactly when it asked to be woken."""
        out: list[c.Command] = []
        until = self.now + seconds
        while (due := self.controller.next_deadline()) is not None and due <= until:
            assert due > self.now or out == [], "a deadline that is already over would spin the loop"
            self.now = max(self.now, due)
            out += self.tell(e.TimerExpired())
        self.now = until
        return out

    def see(self, **changes: object) -> list[c.Command]:
        self.inputs = replace(self.inputs, **changes)
        return self.tell(e.InputsRead(self.inputs))

    def start(self) -> Lane:
        self.tell(e.Started())
        for device in Device:
            self.tell(e.DeviceReady(device))
        self.see()
        self.wait(0.5)
        assert self.state is State.READY
        return self

    def admit(self, crossing_id: str = "x", facts: PassFacts = PASS) -> Lane:
        self.tell(e.PassRead(crossing_id, "ECH1:..."))
        self.tell(e.PassVerified(crossing_id, facts))
        self.tell(e.EnrolmentFound(crossing_id, ADULT))
        self.tell(e.AdmissionRecorded(crossing_id))
        assert self.state is State.ENTRY_OPEN
        return self

    def enter(self, judged: CheckOutcome | None = CheckOutcome.SUCCESSFUL) -> Lane:
        """Walk in. The face was watched meanwhile, so the judge answers as soon as it is asked, unless `judged` is None."""
        self.see(entry_door=DoorPosition.OPEN)
        self.see(entry_beam=TriState.ACTIVE, occupancy=Occupancy.ONE)
        self.see(entry_beam=TriState.INACTIVE)
        self.wait(0.5)
        assert self.state is State.OCCUPANCY_CHECK
        self.see(entry_door=DoorPosition.CLOSED)
        assert self.state is State.IDENTITY_CHECK
        if judged is not None:
            self.tell(e.CheckEnded(self.controller.crossing_id, Modality.PAD, judged, None if judged is CheckOutcome.SUCCESSFUL else Reason.PAD_NOT_PERFORMED))
        return self

    def verify(self, crossing_id: str = "x") -> Lane:
        for modality in BIOMETRICS:
            self.tell(e.CheckEnded(crossing_id, modality, CheckOutcome.SUCCESSFUL))
        return self

    def leave(self) -> Lane:
        self.see(exit_door=DoorPosition.OPEN)
        self.see(exit_beam=TriState.ACTIVE)
        self.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
        self.wait(0.5)
        self.see(exit_door=DoorPosition.CLOSED)
        return self

    @property
    def state(self) -> State:
        return self.controller.state

    def record(self, crossing_id: str = "x") -> c.CrossingRecord:
        return self.monitor.records[crossing_id]

    def ordered(self, kind: type) -> list[c.Command]:
        return [command for command in self.out if isinstance(command, kind)]


@pytest.fixture
def new_lane() -> type[Lane]:
    return Lane


@pytest.fixture
def adult() -> EnrolmentFacts:
    return ADULT


@pytest.fixture
def verified_pass() -> PassFacts:
    return PASS


@pytest.fixture
def lane() -> Lane:
    return Lane().start()
