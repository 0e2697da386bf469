"""What the exploration leaves out of a state changes nothing: a core that forgets it after every event acts like one that never forgets."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.actions import Actions
from gate_controller.core.facts import Crossing
from gate_controller.core.machine import Controller
from gate_controller.core.policy import BiometricRule, CrossingPolicy, LaneKind, PadRule
from gate_controller.core.states import State
from gate_controller.core.table import TABLE
from gate_controller.core.values import BIOMETRICS, CheckOutcome, Device, Direction, Door, DoorPosition, Modality, Outcome, Region
from tests.exploration.abstraction import KEPT_IN, NOW, TOLD_APART, restore
from tests.exploration.direct import DirectController
from tests.exploration.reads import OF_A_DOORLESS_ENTRY, decided_by, reads
from tests.exploration.search import Search
from tests.exploration.steps import Steps
from tests.exploration.unread import SERVICE
from tests.exploration.world import ALIKE, BACK, CALM, TIMER, Told

POLICY = CrossingPolicy(Region.MO, Direction.HK_TO_MO)
SINGLE_DOOR = replace(POLICY, lane=LaneKind.SINGLE_DOOR)
SIGNALLED = replace(POLICY, biometric_rule=BiometricRule.EITHER, pad_rule=PadRule.SIGNALLED)
ONWARD = {
    State.OUT_OF_SERVICE: ("re-armed", "occupancy zero", "io_board works", "trust works", "maintenance off"),
    State.READY: ("pass read",),
    State.PASS_CHECK: ("pass verified", "enrolment found", "admission recorded"),
    State.ENTRY_OPEN: ("entry_door open", "entry_beam inactive, occupancy one", "occupancy one"),
    State.OCCUPANCY_CHECK: ("entry_door closed", "occupancy one", "exit_door closed"),
    State.IDENTITY_CHECK: ("fingerprint check successful", "face check successful", "pad check successful"),
    State.EXIT_OPEN: ("exit_door open", "exit_beam active", "exit_beam inactive, occupancy zero"),
    State.CLEARING: ("entry_door closed, exit_door closed", "occupancy zero", "entry_door closed", "exit_door closed"),
    State.EMERGENCY: ("emergency inactive", "occupancy zero", "re-armed"),
    State.OFFICER_REFERRAL: ("officer released", "officer returned", "entry_door closed", "exit_door closed"),
    State.RETURN_PATH: ("entry_door open", "occupancy zero"),
    State.MAINTENANCE: ("maintenance off",),
}
"""Events that lead on, so that walks come everywhere."""


def told_world(out: list[c.Command], opened: set[Door]) -> list[object]:
    """Commands without what only a display, a journal or the wording of a call would show, and without closing what is closed.

    Whether a call ends in `out_of_service`, and there is one to acknowledge, depends on how long the counter has been restless, of which the exploration
    takes the worse (the call ends).
    """
    seen: list[object] = []
    for command in out:
        match command:
            case c.RecordCrossing(record):
                completed = record.outcome is Outcome.COMPLETED
                seen.append((completed, record.reason is None, record.admitted, record.chamber_empty, completed and (record.verified, record.exited)))
            case c.NoteEvent("officer_acknowledged") | c.NoteEvent("act_refused", (("act", "officer_acknowledged"), *_)):
                pass
            case c.NoteEvent(kind):
                seen.append(kind)
            case c.ShowPrompt() | c.CallOfficer() | c.EndOfficerCall():
                pass
            case c.OpenDoor(door):
                opened.add(door)
                seen.append(command)
            case c.CloseDoor(door):
                seen += [command] if door in opened else []
                opened.discard(door)
            case _:
                seen.append(command)
    return seen


class Walk:
    """The same events for a core as it is and for one that is rebuilt from its key after each."""

    def __init__(self, seed: int, policy: CrossingPolicy = POLICY) -> None:
        self.policy = policy
        self.random = random.Random(seed)
        self.steps = Steps(policy)
        self.codec = self.steps.codec
        self.states: set[State] = set()

    def go(self, steps: int) -> None:
        self.whole, self.forgetful = Controller(self.policy), DirectController(self.policy)
        self.opened: tuple[set[Door], set[Door]] = (set(), set())
        self.tell(Told("", e.Started()))
        for device in (*ALIKE[Device.FINGERPRINT], *ALIKE[Device.TRUST], Device.FINGERPRINT, Device.IO_BOARD, Device.TRUST):
            self.tell(BACK[device])
        self.tell(Told("", e.InputsRead(CALM)))
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        key = self.forget()
        facts = self.codec.decode(key)
        pending = self.codec.waits(key)
        steady = [("occupancy_since",)] * 3 if "occupancy_since" in pending else []
        names = self.random.choice([(), (), (), (), *steady, *[(name,) for name in pending], pending])
        self.pass_time(names)
        if names and self.random.random() < 0.8:
            self.tell(TIMER)
            return
        # A stop is forgotten where nothing asks for it, and may be told again: more can happen in the exploration than in a lane.
        events = [told for told in self.steps.events(key, facts) if not isinstance(told[-1].event, e.StopRequested)]
        onward = [told for told in events if told[-1].label in ONWARD.get(key[0], ())]
        for told in self.random.choice(onward if onward and self.random.random() < 0.7 else events):
            self.tell(told)

    def tell(self, told: Told) -> None:
        out = [told_world(core.handle(told.event, NOW), opened) for core, opened in zip((self.whole, self.forgetful), self.opened, strict=True)]
        assert self.whole.failure is None
        assert out[0] == out[1], f"{told.label} in {self.whole.state.value}"
        assert self.whole.state is self.forgetful.state
        assert self.policy.lane is LaneKind.SINGLE_DOOR or not any(getattr(self.whole._lane, name)() for name in OF_A_DOORLESS_ENTRY)
        self.states.add(self.whole.state)

    def forget(self) -> tuple:
        for told in list(self.steps.unread.calmed(self.forgetful.lane)):
            self.tell(told)
        key = self.codec.encode(self.forgetful.lane)
        restore(self.forgetful.lane, self.codec.decode(key))
        if self.forgetful.lane.many_seen_at is None:
            self.whole._lane.many_seen_at = None  # so much time has passed
        if self.whole._lane.unknown_since is not None:
            self.whole._lane.unknown_since = self.forgetful.lane.unknown_since  # so little
        self.whole._lane.now = NOW
        return key

    def pass_time(self, names: tuple[str, ...]) -> None:
        for core in (self.whole, self.forgetful):
            core._lane.__dict__.update(self.codec.age(core._lane.__dict__, names))


@pytest.mark.parametrize("policy", [POLICY, SINGLE_DOOR, SIGNALLED], ids=["two_door", "single_door", "signalled"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_forgotten_makes_no_difference(seed, policy):
    walk = Walk(seed, policy)
    for _ in range(8):
        walk.go(120)
    assert len(walk.states) >= 8


def test_walks_come_into_every_state():
    walk = Walk(3)
    for _ in range(500):
        walk.go(40)
        if walk.states == set(State):
            break
    assert walk.states == set(State)


@pytest.mark.parametrize("state", State)
def test_no_guard_tells_an_open_door_from_a_moving_one(state):
    """The exploration knows doors closed, open and unknown."""
    for changes in ({"entry_door": DoorPosition.MOVING}, {"exit_door": DoorPosition.MOVING}):
        answers = []
        for position in (DoorPosition.OPEN, DoorPosition.MOVING):
            lane = Actions(POLICY)
            lane.state = state
            lane.absorb(e.InputsRead(CALM.__class__(**{name: getattr(CALM, name) for name in CALM.__slots__} | dict.fromkeys(changes, position))), NOW)
            answers.append([bool(getattr(lane, name)()) for name in guards()])
        assert answers[0] == answers[1]


@pytest.mark.parametrize("stands_for", ALIKE)
def test_no_guard_tells_devices_of_a_kind_apart(stands_for):
    answers = []
    for device in (stands_for, *ALIKE[stands_for]):
        lane = Actions(POLICY)
        for each in Device:
            lane.absorb(e.DeviceReady(each), NOW)
        lane.absorb(e.DeviceLost(device, "absent"), NOW)
        answers.append([bool(getattr(lane, name)()) for name in guards()])
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("rule", BiometricRule)
@pytest.mark.parametrize("pad_rule", PadRule)
@pytest.mark.parametrize("checks", [(Modality.FACE,), (Modality.FINGERPRINT,), BIOMETRICS, (Modality.PAD,), tuple(Modality)])
def test_no_guard_tells_failed_checks_apart(rule, pad_rule, checks):
    """But for a judgement that was not made, where the policy lets that pass."""
    answers = []
    passes = {CheckOutcome.NOT_SUPPORTED} if Modality.PAD in checks and pad_rule is PadRule.SIGNALLED else set()
    for outcome in set(CheckOutcome) - {CheckOutcome.SUCCESSFUL} - passes:
        lane = Actions(replace(POLICY, biometric_rule=rule, pad_rule=pad_rule))
        lane.crossing = Crossing("x", NOW, checks=dict.fromkeys(checks, outcome))
        answers.append([bool(getattr(lane, name)()) for name in guards(State.IDENTITY_CHECK)])
    assert len(answers) >= 3
    assert all(answer == answers[0] for answer in answers)


def test_no_guard_tells_reasons_apart_that_are_kept_as_one():
    answers = []
    for reason in TOLD_APART:
        lane = Actions(POLICY)
        lane.reason, lane.exit_seen_ajar, lane.exit_beam_broken = reason, True, True
        answers.append([bool(getattr(lane, name)()) for name in guards(State.OFFICER_REFERRAL)])
    assert len(answers) >= 2
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("state", [state for state in State if state not in KEPT_IN["unknown_since"]])
def test_where_it_is_not_kept_since_when_something_is_unknown_no_guard_asks(state):
    assert "unknown_since" not in decided_by(state)


def test_clearing_ends_as_soon_as_it_matters_whether_a_device_is_lost():
    clearing = [row for row in TABLE if State.CLEARING in row.sources]
    asking = [row for row in clearing if any(SERVICE & reads(name.removeprefix("!")) for name in row.when)]
    assert asking
    assert all("chamber_clear" in frozenset().union(*map(reads, row.when)) for row in asking)
    assert any(row.when == ("chamber_clear",) and row.target is not None for row in clearing)


def guards(state: State | None = None) -> list[str]:
    """Names of the guards of the table, or of one state's rows."""
    return sorted({name.removeprefix("!") for row in TABLE if state is None or state in row.sources for name in row.when})


def test_a_key_is_a_state_and_a_state_a_key():
    """What is decoded encodes to the same key: nothing creeps from key to key by itself."""
    search = Search(POLICY)
    search.begin()
    search.round()
    search.round()
    lane, codec = search.steps.lane, search.steps.codec
    for key in search.nodes.own_keys():
        restore(lane, codec.decode(key))
        assert codec.encode(lane) == key
