"""People before a toy controller, in virtual time: they do what people do, with a display to look at and without.

The toy gate below is scripted and simple: it knows texts, faces and fingers by equality. It is here to move doors and lamps, not to
be a gate.
"""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from gate_controller.core.prompts import Prompt
from gate_controller.core.values import Door, Outcome, Region
from simulators.lane.hardware import CoilChange
from simulators.lane.simulation import LaneSimulation
from simulators.travellers.behaviours import HELD_S, Person, cross, never_enter
from simulators.travellers.cast import CastMember, Expected, Kind
from simulators.travellers.officer import Decision, OfficerHabits
from simulators.travellers.perception import ReaderLight
from simulators.travellers.phones import Copy, Screenshot, WatchedPhone
from simulators.world import INPUTS

STEP_S = 0.02


class VirtualClock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def wall(self):
        return 1.8e9 + self.now


@dataclass
class PlainPhone:
    text: str = "good"

    def text_at(self, _now):
        return self.text


class ToyGate:
    """LaneHardware and controller in one. Accepts the text "good", the face "person01", the finger "f1"."""

    def __init__(self, clock):
        self.clock = clock
        self.inputs = {}
        self.phone = self.finger = None
        self.faces = ()
        self.light = ReaderLight.NONE
        self.changes = []
        self.prompt = None
        self.state = self.enter("ready")
        self.attempts = []
        self.finger_was_lifted = True
        self.acts = []
        self.broken = False
        self.checked = None

    # LaneHardware
    def set_inputs(self, levels):
        assert set(levels) == set(INPUTS)
        self.inputs = dict(levels)

    def coil_changes(self):
        changes, self.changes = self.changes, []
        return changes

    def show_phone(self, text):
        self.phone = text

    def show_faces(self, people):
        self.faces = tuple(people)

    def set_finger(self, finger):
        self.finger = finger
        self.finger_was_lifted |= finger is None

    def reader_light(self):
        return self.light

    # OfficerDesk
    def acknowledge(self, identity):
        self.acts.append(("acknowledge", identity))

    def return_traveller(self, identity, _reason):
        self.acts.append(("return", identity))
        self.state = self.enter("return")

    def release(self, identity, _reason):
        self.acts.append(("release", identity))
        self.state = self.enter("exit")

    # The controller
    def enter(self, state):
        on = {
            "ready": {"entry_green"},
            "refused": {"entry_green"},
            "entry": {"entry_door", "entry_green"},
            "exit": {"exit_door", "exit_green"},
            "return": {"entry_door", "entry_red"},
            "officer": {"entry_red", "officer_call"},
        }.get(state, {"entry_red"})
        for coil in ("entry_door", "exit_door", "entry_green", "entry_red", "exit_green", "officer_call"):
            self.changes.append(CoilChange(self.clock.now, coil, coil in on))
        prompts = {
            "ready": Prompt.SHOW_CODE,
            "checking": Prompt.CHECKING_CODE,
            "refused": Prompt.CODE_EXPIRED,
            "entry": Prompt.STEP_IN,
            "many": Prompt.ONE_AT_A_TIME,
            "return": Prompt.GO_BACK,
            "check": Prompt.FINGER_AND_FACE,
            "officer": Prompt.WAIT_FOR_OFFICER,
            "exit": Prompt.STEP_OUT,
            "closed": Prompt.LANE_CLOSED,
        }
        self.prompt = prompts.get(state, self.prompt)
        self.since = self.clock.now
        if state == "check":
            self.attempts, self.finger_was_lifted, self.light = [], True, ReaderLight.NONE
        return state

    def think(self):
        i, past = self.inputs, self.clock.now - self.since
        if self.phone is None:
            self.checked = None  # a code is looked at again only after it was out of sight
        empty, shut = i.get("occupancy_zero"), i.get("entry_door_closed") and i.get("exit_door_closed")
        clear = i.get("entry_beam_clear") and i.get("exit_beam_clear")
        match self.state:
            case "ready" | "refused" if self.phone is not None and self.phone != self.checked and shut and empty:
                self.checked = self.phone
                self.state = self.enter("checking")
            case "checking" if past > 0.2:
                self.state = self.enter("entry" if self.checked == "good" else "refused")
            case "refused" if past > 3:
                self.state = self.enter("ready")
            case "entry" if i["occupancy_many"]:
                self.changes.append(CoilChange(self.clock.now, "entry_green", False))
                self.prompt, self.state = Prompt.ONE_AT_A_TIME, "return"
            case "entry" if (i["occupancy_one"] and clear and past > 1.5) or past > 8:
                self.state = self.enter("closing")
            case "closing" if i["occupancy_many"]:
                self.state = self.enter("return")
            case "closing" if shut:
                self.state = self.enter("ready" if empty else "check")
            case "check":
                self.check()
            case "exit" | "return" if empty and clear and past > 1.0 and not shut:
                self.state = self.enter("clearing")
            case "clearing" if shut and empty:
                self.state = self.enter("ready")

    def check(self):
        if self.broken or self.finger is None or not self.finger_was_lifted:
            return
        self.finger_was_lifted = False
        self.attempts.append(self.finger)
        if (self.finger, self.faces) == ("f1", ("person01",)):
            self.light = ReaderLight.GOOD
            self.state = self.enter("exit")
        elif len(self.attempts) < 3:
            self.light = ReaderLight.BAD
        else:
            self.state = self.enter("officer")


class Watcher:
    def __init__(self):
        self.started, self.truths, self.violations = [], [], []

    def traveller_started(self, name):
        self.started.append(name)

    def traveller_left(self, name, truth):
        assert truth.name == name
        self.truths.append(truth)

    def invariant_violated(self, violation):
        self.violations.append(violation)


def member(**changes):
    plain = CastMember(
        name="t",
        kind=Kind.GOOD,
        region=Region.HK,
        behaviour=cross,
        phone=PlainPhone(),
        face="person01",
        finger="f1",
        companion=None,
        speed=1.0,
        expected=Expected(Outcome.COMPLETED),
    )
    return replace(plain, **changes)


class Lane:
    def __init__(self, cast, *, display=True, **options):
        self.clock = VirtualClock()
        self.gate = ToyGate(self.clock)
        self.events = Watcher()
        self.display = display
        self.simulation = LaneSimulation(hardware=self.gate, clock=self.clock, cast=cast, events=self.events, desk=self.gate, **options)
        self.simulation.open_queue()

    def step(self):
        self.clock.now += STEP_S
        self.gate.think()
        if self.display:
            self.simulation.show_prompt(self.gate.prompt)
        self.simulation.step()

    def run_until(self, condition, limit_s=300.0):
        end = self.clock.now + limit_s
        while not condition():
            assert self.clock.now < end, f"still {self.gate.state}, {self.simulation.current}"
            self.step()

    def run(self):
        self.run_until(lambda: self.simulation.finished)
        assert self.events.violations == []
        return self.events.truths


both = pytest.mark.parametrize("display", [True, False], ids=["display", "no display"])


@both
def test_a_good_traveller_goes_through(display):
    (truth,) = Lane([member()], display=display).run()
    assert [(passage.door, passage.inward) for passage in truth.passages] == [(Door.ENTRY, True), (Door.EXIT, False)]
    assert (truth.entered, truth.left_by) == (True, Door.EXIT)


@both
def test_who_is_refused_walks_away_and_the_next_one_is_not_taken_in_by_the_old_message(display):
    lane = Lane([member(name="a", phone=PlainPhone("bad")), member(name="b")], display=display)
    refused, good = lane.run()
    assert (refused.entered, refused.left_by, refused.passages) == (False, None, ())
    assert refused.left_at - refused.began_at < 8, "did not understand the answer"
    assert good.left_by is Door.EXIT
    assert lane.events.started == ["a", "b"]


@both
def test_who_never_enters_waits_for_the_door_to_shut_and_leaves(display):
    (truth,) = Lane([member(behaviour=never_enter)], display=display).run()
    assert not truth.entered
    assert truth.left_at - truth.began_at > 8


@both
@pytest.mark.parametrize("changes", [{"face": "person02"}, {"finger": "f2"}])
def test_the_wrong_person_tries_three_times_and_is_sent_back_by_the_officer(changes, display):
    lane = Lane([member(**changes)], display=display)
    (truth,) = lane.run()
    assert truth.left_by is Door.ENTRY
    assert len(lane.gate.attempts) == 3
    assert lane.gate.acts == [("acknowledge", "officer-7"), ("return", "officer-7")]


def test_an_officer_may_let_people_through():
    lane = Lane([member(finger="f2")], habits=OfficerHabits(identity="officer-9", decision=Decision.RELEASE))
    (truth,) = lane.run()
    assert truth.left_by is Door.EXIT
    assert lane.gate.acts == [("acknowledge", "officer-9"), ("release", "officer-9")]


@both
def test_tailgaters_come_in_together_and_go_back_together(display):
    lane = Lane([member(companion="person05"), member(name="next")], display=display)
    truth, after = lane.run()
    inside = [passage.body for passage in truth.passages if passage.inward]
    assert inside == ["t", "t/companion"]
    outside = [(passage.body, passage.door) for passage in truth.passages if not passage.inward]
    assert sorted(outside) == [("t", Door.ENTRY), ("t/companion", Door.ENTRY)]
    assert after.left_by is Door.EXIT


def test_a_copy_shows_what_the_victim_showed_first_and_a_screenshot_is_old():
    @dataclass
    class Ticking:
        def text_at(self, now):
            return f"{now:.0f}"

    victim = WatchedPhone(Ticking())
    copy, screenshot = Copy(victim), Screenshot(Ticking(), age_s=300.0)
    assert copy.text_at(5.0) == ""
    assert (victim.text_at(1000.0), victim.text_at(1015.0)) == ("1000", "1015")
    assert (copy.text_at(1020.0), screenshot.text_at(1020.0), screenshot.text_at(1090.0)) == ("1000", "720", "720")


def test_reports_know_whose_code_was_checked_last_also_after_they_left():
    lane = Lane([member(name="a", phone=PlainPhone("bad")), member(name="b")])
    lane.run_until(lambda: lane.simulation.presenter == "a")
    lane.run_until(lambda: lane.simulation.current == "b")
    assert lane.simulation.presenter == "a"
    lane.run_until(lambda: lane.simulation.presenter == "b")


class Counting:
    """A phone that counts how often its holder looks."""

    asked = 0

    def text_at(self, _now):
        self.asked += 1
        return "good"


def test_the_phone_is_lowered_as_soon_as_the_door_opens():
    lane = Lane([member(phone=Counting())])
    lane.run_until(lambda: lane.gate.phone is not None)
    lane.run_until(lambda: lane.simulation.world.leaf(Door.ENTRY).passable)
    lane.step()
    lane.step()
    assert lane.gate.phone is None


def test_a_phone_that_is_held_for_long_shows_fresh_text():
    phone, eyes = Counting(), SimpleNamespace(now=100.0, wall=1_800_000_000.0)
    person = Person(SimpleNamespace(phone_text=None), eyes, None, None, phone)
    asked = []
    for now in (100.0, 100.1, 100.0 + HELD_S - 0.1, 100.0 + HELD_S, 100.1 + HELD_S):
        eyes.now = now
        person.hold_up_phone()
        asked.append(phone.asked)
    assert asked == [1, 1, 1, 2, 2]
    person.lower_phone()
    person.hold_up_phone()
    assert phone.asked == 3


def test_people_wait_while_the_lane_is_closed_and_come_when_it_opens():
    lane = Lane([member()])
    lane.gate.state = lane.gate.enter("closed")
    for _ in range(500):
        lane.step()
    assert lane.gate.phone is None
    lane.gate.state = lane.gate.enter("ready")
    assert [truth.left_by for truth in lane.run()] == [Door.EXIT]


def test_people_lose_patience_with_a_lane_that_stays_closed():
    lane = Lane([member()])
    lane.gate.state = lane.gate.enter("closed")
    (truth,) = lane.run()
    assert (truth.entered, truth.left_at - truth.began_at > 60) == (False, True)


def test_without_an_answer_of_the_reader_people_lift_the_finger_and_try_again():
    lane = Lane([member()])
    lane.gate.broken = True
    lane.run_until(lambda: lane.gate.finger == "f1")
    lane.run_until(lambda: lane.gate.finger is None)
    lane.run_until(lambda: lane.gate.finger == "f1")
    lane.gate.broken = False
    assert [truth.left_by for truth in lane.run()] == [Door.EXIT]


def test_in_an_emergency_people_leave_by_the_door_that_opens():
    lane = Lane([member()])
    lane.gate.broken = True
    lane.run_until(lambda: lane.gate.finger == "f1")
    lane.gate.state, lane.gate.prompt = lane.gate.enter("return"), Prompt.EMERGENCY_EXIT
    (truth,) = lane.run()
    assert truth.left_by is Door.ENTRY


def test_a_bell_for_an_empty_lane_is_acknowledged_once():
    lane = Lane([])
    lane.gate.state = lane.gate.enter("officer")
    for _ in range(1000):
        lane.step()
    assert lane.gate.acts == [("acknowledge", "officer-7")]


def test_nobody_comes_before_the_queue_is_open_or_after_it_is_closed():
    lane = Lane([member(name="a"), member(name="b")])
    lane.simulation.close_queue()
    for _ in range(100):
        lane.step()
    assert lane.events.started == []
    lane.simulation.open_queue()
    lane.run_until(lambda: lane.simulation.current == "a")
    lane.simulation.close_queue()
    lane.run_until(lambda: lane.simulation.current is None)
    for _ in range(100):
        lane.step()
    assert (lane.events.started, lane.simulation.finished) == (["a"], False)


def test_a_gate_that_opens_both_doors_on_a_traveller_is_reported():
    lane = Lane([member()])
    lane.run_until(lambda: lane.gate.state == "entry")
    lane.gate.changes.append(CoilChange(lane.clock.now, "exit_door", True))
    lane.run_until(lambda: lane.events.violations)
    assert lane.events.violations[0].door is Door.EXIT
