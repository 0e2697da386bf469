"""Arbitrary event sequences against the monitor: INV-1, 2, 3, 4, 6, 8 hold whatever happens in whatever order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import (
    CheckOutcome,
    Device,
    DoorPosition,
    EnrolmentFacts,
    LaneInputs,
    Modality,
    Occupancy,
    PassFacts,
    Region,
    TriState,
)

ADULT = EnrolmentFacts(30, frozenset({Region.MO}), 1e6, suspended=False, fingers=1, face=True)
TEENAGER = replace(ADULT, age_years=16)
CHILD = replace(ADULT, age_years=9)
PASS = PassFacts(b"p" * 16, b"e" * 16, Region.HK, 1, 1_800_000_000, 1_799_990_000, 1_800_090_000)
DEGRADED_PASS = replace(PASS, degraded=True)

CALM = LaneInputs(DoorPosition.CLOSED, DoorPosition.CLOSED, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, Occupancy.ZERO)

mostly = st.sampled_from
doors = mostly([DoorPosition.CLOSED] * 4 + list(DoorPosition))
beams = mostly([TriState.INACTIVE] * 4 + list(TriState))
calm = mostly([TriState.INACTIVE] * 30 + [TriState.UNKNOWN, TriState.ACTIVE])
inputs = st.builds(LaneInputs, doors, doors, beams, beams, calm, calm, mostly([Occupancy.ONE, Occupancy.ZERO, *Occupancy]))
one_input = st.one_of(
    st.fixed_dictionaries({"entry_door": doors}),
    st.fixed_dictionaries({"exit_door": doors}),
    st.fixed_dictionaries({"entry_beam": beams}),
    st.fixed_dictionaries({"exit_beam": beams}),
    st.fixed_dictionaries({"emergency": calm}),
    st.fixed_dictionaries({"occupancy": mostly(list(Occupancy))}),
)
WHOLE = {
    "whole": ["read", "verified", "adult", "recorded"],
    "low risk": ["read", "degraded", "adult", "recorded"],
    "not low risk": ["read", "degraded", "teenager", "recorded"],
}
"""The events of a pass check from the reading to the admission."""
STAGES = ("admit", "enter", "verify", "leave", "calm")
steps = st.one_of(
    st.tuples(st.just("stage"), mostly(STAGES)),
    st.tuples(st.just("stage"), mostly(STAGES)),
    st.tuples(st.just("input"), one_input),
    st.tuples(st.just("inputs"), inputs),
    st.tuples(st.just("wait"), mostly([0.1, 0.4, 0.4, 1.0, 3.0, 9.0, 70.0])),
    st.tuples(st.just("pass"), mostly(["read", "verified", "degraded", "adult", "teenager", "child", "recorded", "refused", "missing", *WHOLE])),
    st.tuples(st.just("check"), st.tuples(mostly(list(Modality)), mostly([CheckOutcome.SUCCESSFUL] * 6 + list(CheckOutcome)))),
    st.tuples(st.just("verified"), st.none()),
    st.tuples(st.just("device"), st.tuples(mostly(list(Device)), mostly([True, True, False]))),
    st.tuples(st.just("officer"), mostly(["acknowledge", "assist", "return", "release", "rearm"])),
    st.tuples(st.just("stop"), mostly([True, False])),
)

COUNTS = [
    (Occupancy.ONE,),
    (Occupancy.MANY,),
    (Occupancy.UNKNOWN,),
    (Occupancy.ONE, Occupancy.MANY),
    (Occupancy.ONE, Occupancy.ZERO),
    (Occupancy.ONE, Occupancy.UNKNOWN),
]
"""What the counter shows while somebody is inside: steadily, or by turns."""

walks = mostly([0, 1, 1, 2, 2, 2, 3, 3]).map(lambda count: [("stage", stage) for stage in STAGES[:count]])
"""How far a traveller has come before things become arbitrary."""


def play(lane, script):
    number = 0
    for kind, what in script:
        name = f"x{number}"
        match kind:
            case "stage":
                number += what == "admit"
                walk(lane, what, f"x{number}")
            case "input":
                lane.see(**what)
            case "inputs":
                lane.tell(e.InputsRead(what))
            case "wait":
                lane.wait(what)
            case "pass":
                number += what == "read" or what in WHOLE
                name = f"x{number}"
                chain = WHOLE.get(what, [what])
                for link in chain:
                    lane.tell(pass_event(name, link))
            case "check":
                lane.tell(e.CheckEnded(name, what[0], what[1], None if what[1] is CheckOutcome.SUCCESSFUL else Reason.FACE_MISMATCH))
            case "verified":
                for modality in Modality:
                    lane.tell(e.CheckEnded(name, modality, CheckOutcome.SUCCESSFUL))
            case "device":
                lane.tell(e.DeviceReady(what[0]) if what[1] else e.DeviceLost(what[0], "x"))
            case "officer":
                acts = {
                    "acknowledge": e.OfficerAcknowledged("o"),
                    "assist": e.AssistanceRequested("o"),
                    "return": e.OfficerReturned(f"o{number}-{len(lane.out)}", "o", "r"),
                    "release": e.OfficerReleased(f"o{number}-{len(lane.out)}", "o", "r"),
                    "rearm": e.Rearmed("o"),
                }
                lane.tell(acts[what])
            case "stop" if what:
                lane.tell(e.StopRequested())


def walk(lane, stage, name):
    """What an ordinary traveller does next, whether the lane is ready for it or not."""
    match stage:
        case "admit":
            for link in ("read", "verified", "adult", "recorded"):
                lane.tell(pass_event(name, link))
            lane.see(entry_door=DoorPosition.OPEN)
        case "enter":
            lane.see(entry_beam=TriState.ACTIVE)
            lane.see(entry_beam=TriState.INACTIVE, occupancy=Occupancy.ONE)
            lane.wait(0.4)
            lane.see(entry_door=DoorPosition.CLOSED)
            lane.wait(0.1)
        case "verify":
            for modality in Modality:
                lane.tell(e.CheckEnded(name, modality, CheckOutcome.SUCCESSFUL))
            lane.see(exit_door=DoorPosition.OPEN)
        case "leave":
            lane.see(exit_beam=TriState.ACTIVE)
            lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
            lane.wait(0.4)
            lane.see(exit_door=DoorPosition.CLOSED)
        case "calm":
            for device in Device:
                lane.tell(e.DeviceReady(device))
            lane.see(**{name: getattr(CALM, name) for name in ("entry_door", "exit_door", "entry_beam", "exit_beam", "emergency", "tamper", "occupancy")})
            lane.wait(0.4)


def pass_event(name, link):
    return {
        "read": e.PassRead(name, "T"),
        "verified": e.PassVerified(name, PASS),
        "degraded": e.PassVerified(name, DEGRADED_PASS),
        "teenager": e.EnrolmentFound(name, TEENAGER),
        "adult": e.EnrolmentFound(name, ADULT),
        "child": e.EnrolmentFound(name, CHILD),
        "recorded": e.AdmissionRecorded(name),
        "refused": e.PassRefused(name, Reason.PASS_EXPIRED),
        "missing": e.EnrolmentNotFound(name),
    }[link]


@pytest.mark.invariant("INV-1")
@pytest.mark.invariant("INV-2")
@pytest.mark.invariant("INV-6")
@pytest.mark.invariant("INV-8")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walked=walks, script=st.lists(steps, max_size=60))
def test_no_sequence_of_events_breaks_an_invariant(new_lane, walked, script):
    lane = new_lane().start()
    play(lane, walked + script)
    admitted = set(lane.monitor.entry_openings)
    lane.tell(e.StopRequested(now=True))
    if lane.state is State.EMERGENCY:
        assert not lane.controller.crossing_id
    assert admitted <= set(lane.monitor.records), "INV-6: an admitted traveller without a record"


@pytest.mark.invariant("INV-4")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walked=walks, script=st.lists(steps, max_size=40), counts=mostly(COUNTS))
def test_whoever_is_inside_reaches_a_way_back_or_an_officer_within_bounded_time(new_lane, walked, script, counts):
    lane = new_lane().start()
    play(lane, walked + [step for step in script if step[0] != "stop"])  # a stopped controller is gone; see test_crossing
    # From here on a person stands in the closed chamber, the board works, the counter sees what it sees, and nothing else happens.
    lane.tell(e.DeviceReady(Device.IO_BOARD))
    policy = lane.policy
    lasts = policy.entry_open_s + policy.entry_close_s + policy.identity_s + policy.exit_open_s + policy.clearing_s + policy.return_path_s
    for _ in range(1 if len(counts) == 1 else 25):
        for count in counts:
            lane.tell(e.InputsRead(replace(CALM, occupancy=count)))
            lane.wait(0.2 if len(counts) > 1 else lasts)
    called = lane.controller.officer_call is not None
    assert called or lane.state in {State.RETURN_PATH, State.EMERGENCY, State.MAINTENANCE}


def test_a_bug_in_the_core_ends_fail_secure_and_names_itself(new_lane):
    lane = new_lane().start().admit()

    def broken(*_args: object) -> None:
        msg = "boom"
        raise ZeroDivisionError(msg)

    lane.controller._lane.one_inside = broken  # a bug planted on purpose
    out = lane.controller.handle(e.InputsRead(lane.inputs), lane.now)
    assert lane.controller.state is State.OUT_OF_SERVICE
    assert lane.controller.reason is Reason.INTERNAL_ERROR
    assert [command.record.reason for command in out if isinstance(command, c.RecordCrossing)] == [Reason.INTERNAL_ERROR]
    assert not any(isinstance(command, c.OpenDoor) for command in out)
    assert any(isinstance(command, c.CallOfficer) for command in out)
    assert lane.controller.handle(e.PassRead("y", "T"), lane.now) == []
