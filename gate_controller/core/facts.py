"""What the core knows: the latest inputs and since when, which devices are missing, and the crossing under way.

Takes events in (`absorb`) and answers questions of time; decides nothing. Guards and actions build on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gate_controller.core import events as e
from gate_controller.core.commands import Step
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.reasons import Reason
from gate_controller.core.states import DEADLINES, State
from gate_controller.core.values import (
    UNKNOWN_INPUTS,
    CheckOutcome,
    Device,
    Door,
    DoorPosition,
    LaneInputs,
    Modality,
    Occupancy,
    Outcome,
    PassFacts,
    TriState,
)

DEVICE_LOST: dict[Device, Reason] = {
    # in the order in which a status names them
    Device.IO_BOARD: Reason.IO_BOARD_LOST,
    Device.JOURNAL: Reason.JOURNAL_LOST,
    Device.PASS_VERIFIER: Reason.PASS_VERIFIER_LOST,
    Device.TRUST: Reason.TRUST_LOST,
    Device.ENROLMENT: Reason.ENROLMENT_LOST,
    Device.FINGERPRINT: Reason.FINGERPRINT_LOST,
    Device.FACE_CAMERA: Reason.FACE_CAMERA_LOST,
    Device.QR_CAMERA: Reason.QR_CAMERA_LOST,
}

AJAR = frozenset({DoorPosition.OPEN, DoorPosition.MOVING})
"""Known to be away from closed."""
TAKES_BACK = frozenset({CheckOutcome.FAILED, CheckOutcome.UNDETERMINED})
"""What attack detection may end with after all, once it ended well."""


@dataclass(slots=True)
class Crossing:
    """The crossing under way; every fact of the passage truth has evidence of its own."""

    crossing_id: str
    began_at: float
    pass_facts: PassFacts | None = None
    admitted: bool = False
    authorised: bool = False
    entered: bool = False
    verified: bool = False
    exited: bool = False
    exit_commanded: bool = False
    biometrics_running: bool = False
    way_back_offered: bool = False
    officer: str | None = None
    officer_reason: str | None = None
    steps: list[Step] = field(default_factory=list)
    checks: dict[Modality, CheckOutcome] = field(default_factory=dict)
    check_reasons: dict[Modality, Reason] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the crossing will be recorded once it ends."""

    outcome: Outcome
    reason: Reason | None


class Facts:
    """The core's memory. Every device is missing until it reports itself ready."""

    def __init__(self, policy: CrossingPolicy) -> None:
        self.policy = policy
        self.now = 0.0
        self.state = State.OUT_OF_SERVICE
        self.inputs: LaneInputs = UNKNOWN_INPUTS
        self.occupancy_since = 0.0
        self.occupied_since: float | None = None
        self.settled_at = 0.0
        self.many_seen_at: float | None = None
        self.ajar_since: dict[Door, float] = {}
        self.unconfirmed_since: dict[Door, float] = dict.fromkeys(Door, 0.0)
        self.exit_beam_since: float | None = None
        self.unknown_since: float | None = 0.0
        self.missing: dict[Device, Reason] = dict.fromkeys(DEVICE_LOST, Reason.STARTING)
        self.latched: Reason | None = None
        self.stopping = False
        self.stop_forced = False
        self.crossing: Crossing | None = None
        self.verdict: Verdict | None = None
        self.reason: Reason | None = Reason.STARTING
        self.refusal: Reason | None = None
        self.deadlines: dict[str, float] = {}
        self.armed_for: State | None = None
        self.seen_shut: set[Door] = set()
        self.entry_seen_ajar = False
        self.exit_seen_ajar = False
        self.exit_doubted = False
        self.exit_beam_broken = False
        self.entry_passed = True
        self.acknowledged_by: str | None = None
        self.escalation = 0
        self.call_number = 0
        self.event: e.Event = e.TimerExpired()

    def absorb(self, event: e.Event, now: float) -> None:
        """Take an event into the facts. Events of another crossing than the one under way are dropped by the guards."""
        self.now = max(self.now, now)
        self.event = event
        match event:
            case e.InputsRead(inputs):
                self._absorb_inputs(inputs)
            case e.DeviceLost(device):
                self.missing[device] = DEVICE_LOST[device]
                if device is Device.IO_BOARD:
                    self._absorb_inputs(UNKNOWN_INPUTS)
            case e.DeviceReady(device):
                self.missing.pop(device, None)
            case e.Started(latched):
                self.latched = latched
            case e.StopRequested(now=forced):
                self.stopping = True
                self.stop_forced |= forced
            case e.CheckEnded(crossing_id, modality, outcome, reason) if self.crossing and self.crossing.crossing_id == crossing_id:
                self._absorb_check(self.crossing, modality, outcome, reason)
            case _:
                pass
        self.exit_doubted |= self.unconfirmed(Door.EXIT)

    def arm(self, state: State) -> None:
        """Start the deadlines of `state` and what is watched from its entry on."""
        before, again = self.deadlines, self.armed_for is state
        self.deadlines = {name: self.now + self._total(times) for name, times in DEADLINES[state].items()}
        if again and "officer" in before:
            self.deadlines["officer"] = before["officer"]  # another reason for the same call is no new patience
        # What was seen of the exit while it was open still tells how the chamber became empty afterwards.
        late = self.armed_for is State.EXIT_OPEN and state is State.OFFICER_REFERRAL
        self.armed_for = state
        self.entry_seen_ajar = self.inputs.entry_door in AJAR or Door.ENTRY not in self.policy.doors
        self.exit_seen_ajar = self.inputs.exit_door in AJAR or (late and self.exit_seen_ajar)
        self.exit_doubted = self.unconfirmed(Door.EXIT)
        self.exit_beam_broken = self.inputs.exit_beam is TriState.ACTIVE or (late and self.exit_beam_broken)
        if state in {State.ENTRY_OPEN, State.CLEARING} and not again:
            self.entry_passed = self.inputs.entry_beam is not TriState.INACTIVE or Door.ENTRY in self.policy.doors
        self.seen_shut = {door for door in Door if self.inputs.door(door) is DoorPosition.CLOSED}

    def rearm(self, name: str) -> None:
        """Start one deadline of the current state again."""
        self.deadlines[name] = self.now + self._total(DEADLINES[self.state][name])

    def expired(self, name: str) -> bool:
        """Whether the named deadline is armed and has passed."""
        at = self.deadlines.get(name)
        return at is not None and self.now >= at

    def next_deadline(self) -> float | None:
        """The next time at which something may change without an event; None when there is none."""
        now, stable_s, grace_s = self.now, self.policy.stable_s, self.policy.unknown_grace_s
        times = [*self.deadlines.values(), self.occupancy_since + stable_s]
        if self.ajar_since:
            times += [since + stable_s for since in self.ajar_since.values()]
        if self.unconfirmed_since:
            times += [since + grace_s for since in self.unconfirmed_since.values()]
        if self.exit_beam_since is not None:
            times.append(self.exit_beam_since + grace_s)
        if self.occupied_since is not None:
            times.append(self.occupied_since + stable_s)
        if self.many_seen_at is not None:
            times.append(self.many_seen_at + self.policy.occupancy_settle_s)
        if self.unknown_since is not None:
            times.append(self.unknown_since + grace_s)
        return min([at for at in times if at > now], default=None)

    def stable(self, *values: Occupancy) -> bool:
        """Whether the counter has shown one of `values` for long enough to count."""
        return self.inputs.occupancy in values and self.now >= self.occupancy_since + self.policy.stable_s

    def unconfirmed(self, door: Door) -> bool:
        """Whether `door` has not been confirmed closed for longer than the policy's grace: open, moving, unknown, or each by turns."""
        since = self.unconfirmed_since.get(door)
        return since is not None and self.now >= since + self.policy.unknown_grace_s

    def _total(self, times: tuple[str, ...]) -> float:
        return float(sum(getattr(self.policy, name) for name in times))

    def _absorb_inputs(self, inputs: LaneInputs) -> None:
        self._absorb_occupancy(inputs.occupancy)
        for door in Door:
            position = inputs.door(door)
            if position in AJAR:
                self.ajar_since.setdefault(door, self.now)
            else:
                self.ajar_since.pop(door, None)
            if position is DoorPosition.CLOSED:
                self.seen_shut.add(door)
                self.unconfirmed_since.pop(door, None)
            else:
                self.unconfirmed_since.setdefault(door, self.now)
        if inputs.exit_beam is not TriState.ACTIVE:
            self.exit_beam_since = None
        elif self.exit_beam_since is None:
            self.exit_beam_since = self.now
        self.inputs = inputs
        self.entry_seen_ajar |= inputs.entry_door in AJAR
        self.exit_seen_ajar |= inputs.exit_door in AJAR
        self.exit_beam_broken |= inputs.exit_beam is TriState.ACTIVE
        self.entry_passed |= inputs.entry_beam is not TriState.INACTIVE
        if _anything_unknown(inputs):
            self.unknown_since = self.now if self.unknown_since is None else self.unknown_since
        else:
            self.unknown_since = None

    def _absorb_occupancy(self, occupancy: Occupancy) -> None:
        if occupancy is not self.inputs.occupancy:
            if self.now >= self.occupancy_since + self.policy.stable_s:
                self.settled_at = self.now
            self.occupancy_since = self.now
        if occupancy not in {Occupancy.ONE, Occupancy.MANY}:
            self.occupied_since = None
        elif self.occupied_since is None:
            self.occupied_since = self.now
        if occupancy is Occupancy.MANY:
            self.many_seen_at = self.now

    def _absorb_check(self, crossing: Crossing, modality: Modality, outcome: CheckOutcome, reason: Reason | None) -> None:
        # The first end of a check stands: a late or second answer never turns a failure into a success. But the face is watched until the exit opens, and
        # what was judged live is taken back by an alarm.
        taken_back = modality is Modality.PAD and outcome in TAKES_BACK and crossing.checks.get(modality) not in TAKES_BACK
        if self.state is not State.IDENTITY_CHECK or (modality in crossing.checks and not taken_back):
            return
        crossing.checks[modality] = outcome
        if reason is not None:
            crossing.check_reasons[modality] = reason
        crossing.steps.append(Step(f"{modality.value}_{outcome.value}", self.now - crossing.began_at))


def _anything_unknown(inputs: LaneInputs) -> bool:
    return (  # one by one: asked at every reading, and a set of enumeration members costs ten times as much
        inputs.entry_door is DoorPosition.UNKNOWN
        or inputs.exit_door is DoorPosition.UNKNOWN
        or inputs.entry_beam is TriState.UNKNOWN
        or inputs.exit_beam is TriState.UNKNOWN
        or inputs.emergency is TriState.UNKNOWN
        or inputs.tamper is TriState.UNKNOWN
        or inputs.occupancy is Occupancy.UNKNOWN
    )
