"""What an operator is told apart: which input is in doubt, and that somebody inside needs help rather than failed."""

from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import UNKNOWN_INPUTS, Door, DoorPosition, Occupancy, Outcome, TriState


@pytest.mark.parametrize(
    ("unknown", "reason"),
    [
        ({"entry_door": DoorPosition.UNKNOWN}, Reason.DOOR_SENSORS_DISAGREE),
        ({"exit_door": DoorPosition.UNKNOWN, "occupancy": Occupancy.UNKNOWN}, Reason.DOOR_SENSORS_DISAGREE),
        ({"occupancy": Occupancy.UNKNOWN}, Reason.OCCUPANCY_UNKNOWN),
        ({"emergency": TriState.UNKNOWN}, Reason.INPUTS_UNKNOWN),
        ({"tamper": TriState.UNKNOWN}, Reason.INPUTS_UNKNOWN),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_what_is_unknown_is_named(lane, unknown, reason, inside):
    if inside:
        lane.admit().enter()
    lane.see(**unknown)
    lane.wait(lane.policy.unknown_grace_s + 0.1)
    assert lane.state is (State.OFFICER_REFERRAL if inside else State.OUT_OF_SERVICE)
    assert lane.controller.reason is reason


@pytest.mark.parametrize("waiting", [False, True])
def test_a_reading_that_fails_as_a_whole_names_no_single_contact(lane, waiting):
    if waiting:
        lane.admit()
        lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.MANY)
        lane.wait(0.5)
        assert lane.state is State.RETURN_PATH
    lane.tell(e.InputsRead(UNKNOWN_INPUTS))
    lane.wait(lane.policy.unknown_grace_s + 0.1)
    assert lane.controller.reason is Reason.INPUTS_UNKNOWN


@pytest.mark.parametrize("stage", ["counting", "checking"])
def test_whoever_watches_the_lane_takes_over_a_traveller_who_needs_help(lane, stage):
    lane.admit()
    if stage == "checking":
        lane.enter()
    else:
        lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.ONE)
        lane.wait(0.5)
    lane.tell(e.AssistanceRequested("supervisor 2"))
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.ASSISTANCE_REQUESTED)
    assert lane.controller.officer_call == (Reason.ASSISTANCE_REQUESTED, 0, None), "whoever asks is not yet there"
    assert c.NoteEvent("assistance_requested", (("identity", "supervisor 2"),)) in lane.out
    lane.verify()
    assert all(command.door is Door.ENTRY for command in lane.ordered(c.OpenDoor)), "the checks no longer decide"
    lane.see(entry_door=DoorPosition.CLOSED)
    lane.tell(e.OfficerReleased("y", "officer 7", "wheelchair, looked at by hand"))
    lane.leave()
    assert (lane.record().outcome, lane.record().reason) == (Outcome.RELEASED_BY_OFFICER, Reason.OFFICER_RELEASED)


def test_where_nobody_is_inside_there_is_nobody_to_take_over(lane):
    out = lane.tell(e.AssistanceRequested("supervisor 2"))
    assert [command.kind for command in out if isinstance(command, c.NoteEvent)] == ["act_refused"]
    assert lane.state is State.READY
