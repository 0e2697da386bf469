"""What a run leaves to the next one: notes that are on the disk before what they excuse, and a lane that waits for an officer when it must."""

from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import Device, DoorPosition, Occupancy, TriState


def started(lane, latched):
    """A new run on an empty and shut lane with a whole loop."""
    lane.tell(e.Started(latched))
    for device in Device:
        lane.tell(e.DeviceReady(device))
    lane.see()
    lane.wait(2)
    return lane


def written(lane):
    """What goes to the journal, in its order."""
    return [command.kind if isinstance(command, c.NoteEvent) else command.record.outcome.value for command in lane.ordered((c.NoteEvent, c.RecordCrossing))]


def test_after_a_power_cut_an_idle_lane_comes_back_by_itself(new_lane):
    lane = started(new_lane(), None)
    assert lane.state is State.READY
    assert lane.controller.officer_call is None


def test_a_crossing_cut_short_waits_for_an_officer(new_lane):
    lane = started(new_lane(), Reason.RESTARTED)
    assert (lane.state, lane.controller.reason) == (State.OUT_OF_SERVICE, Reason.RESTARTED)
    assert lane.controller.officer_call == (Reason.RESTARTED, 0, None)
    lane.tell(e.PassRead("x", "T"))
    assert lane.ordered(c.VerifyPass) == []
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.READY
    assert lane.controller.officer_call is None


def test_and_names_the_traveller_who_is_still_inside(new_lane):
    lane = new_lane()
    lane.inputs = lane.inputs.__class__(**{name: getattr(lane.inputs, name) for name in lane.inputs.__slots__} | {"occupancy": Occupancy.ONE})
    started(lane, Reason.RESTARTED)
    assert lane.state is State.OFFICER_REFERRAL
    lane.tell(e.OfficerReturned("officer-1", "officer 7", "lights were out"))
    assert lane.state is State.RETURN_PATH


@pytest.mark.invariant("INV-5")
def test_an_emergency_is_written_before_the_crossing_it_ends(lane):
    lane.admit().enter()
    lane.see(emergency=TriState.ACTIVE)
    assert written(lane) == ["emergency", "emergency"], "the event, then the outcome: killed between them, the admission is still open"
    first, _ = lane.ordered((c.NoteEvent, c.RecordCrossing))
    assert isinstance(first, c.NoteEvent)


def test_a_latch_is_written_before_the_crossing_it_follows_from(lane):
    lane.admit()
    lane.wait(lane.policy.door_open_s + 0.1)
    assert written(lane) == ["latched", "aborted"]


@pytest.mark.invariant("INV-5")
def test_a_forced_door_does_not_take_the_place_of_an_emergency(new_lane):
    lane = started(new_lane(), Reason.EMERGENCY)
    lane.see(occupancy=Occupancy.ONE)
    lane.wait(1)
    lane.see(exit_door=DoorPosition.OPEN)
    lane.wait(1)
    assert ("reason", "door_forced") in lane.ordered(c.NoteEvent)[-1].fields
    lane.see(exit_door=DoorPosition.CLOSED)
    lane.see(occupancy=Occupancy.UNKNOWN)
    lane.wait(1)
    lane.tell(e.Rearmed("officer 7"))
    assert written(lane)[-1] == "rearm_refused", "not verified empty"
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(1)
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.READY
