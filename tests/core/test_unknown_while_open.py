"""A door is open and the lane no longer knows what it must know: the opening ends, an officer is called, nobody is trapped (INV-1, INV-3, INV-4)."""

from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import Door, DoorPosition, Occupancy, Outcome, TriState


def returning(lane):
    """A refused traveller on the way back: the entry is open, the exit never was."""
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.MANY)
    lane.wait(0.5)
    assert lane.state is State.RETURN_PATH
    return lane


def entering(lane):
    """The entry is open and somebody stands in it."""
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN, entry_beam=TriState.ACTIVE, occupancy=Occupancy.ONE)
    return lane


def leaving(lane):
    """The exit is open and the verified traveller has not gone yet."""
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN)
    assert lane.state is State.EXIT_OPEN
    return lane


OTHER_DOOR = [(entering, "exit_door", Door.ENTRY), (leaving, "entry_door", Door.EXIT), (returning, "exit_door", Door.ENTRY)]
"""What is open, and the door that must stay confirmed closed beside it."""


def closed(out, door):
    return c.CloseDoor(door) in out


@pytest.mark.invariant("INV-1")
@pytest.mark.parametrize(("begin", "other", "door"), OTHER_DOOR)
def test_a_door_does_not_stay_open_beside_one_whose_contacts_disagree(lane, begin, other, door):
    begin(lane)
    lane.see(**{other: DoorPosition.UNKNOWN})
    assert not closed(lane.wait(lane.policy.unknown_grace_s - 0.1), door), "a moment is no fault"
    assert closed(lane.wait(0.2), door)
    assert lane.state is State.OFFICER_REFERRAL
    assert lane.controller.reason is Reason.DOOR_SENSORS_DISAGREE
    assert lane.controller.officer_call == (Reason.DOOR_SENSORS_DISAGREE, 0, None)


@pytest.mark.invariant("INV-1")
@pytest.mark.parametrize(("begin", "other", "door"), OTHER_DOOR)
def test_nor_beside_one_that_is_unknown_and_moving_by_turns(lane, begin, other, door):
    begin(lane)
    out = []
    for _ in range(4):
        out += lane.see(**{other: DoorPosition.UNKNOWN}) + lane.wait(0.2)
        out += lane.see(**{other: DoorPosition.MOVING}) + lane.wait(0.2)
    assert closed(out, door)
    assert lane.state is State.OFFICER_REFERRAL
    assert lane.controller.officer_call is not None


@pytest.mark.parametrize(("begin", "other", "door"), OTHER_DOOR)
def test_a_contact_that_comes_back_within_the_grace_ends_nothing(lane, begin, other, door):
    begin(lane)
    state = lane.state
    for _ in range(3):
        lane.see(**{other: DoorPosition.UNKNOWN})
        lane.wait(0.8)
        lane.see(**{other: DoorPosition.CLOSED})
        lane.wait(0.1)
    assert lane.state is state


@pytest.mark.invariant("INV-3")
@pytest.mark.parametrize("begin", [entering, leaving])
@pytest.mark.parametrize("unknown", [{"occupancy": Occupancy.UNKNOWN}, {"exit_beam": TriState.UNKNOWN}, {"tamper": TriState.UNKNOWN}])
def test_a_lane_that_lost_sight_admits_and_releases_nobody_any_longer(lane, begin, unknown):
    begin(lane)
    out = lane.see(**unknown) + lane.wait(lane.policy.unknown_grace_s + 0.1)
    assert lane.state is (State.OFFICER_REFERRAL if begin is leaving or "occupancy" in unknown else State.RETURN_PATH)
    assert closed(out, Door.EXIT) or begin is not leaving
    assert c.OpenDoor(Door.EXIT, lane.policy.exit_open_s + 1.0) not in out


def test_a_crowd_that_walks_in_past_a_blind_counter_is_stopped_by_the_grace(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.UNKNOWN)
    assert closed(lane.wait(lane.policy.unknown_grace_s + 0.1), Door.ENTRY)
    assert lane.state is State.OFFICER_REFERRAL


@pytest.mark.invariant("INV-4")
def test_the_way_back_stays_open_when_only_the_counter_is_blind(lane):
    returning(lane)
    lane.see(occupancy=Occupancy.UNKNOWN)
    assert lane.wait(3 * lane.policy.unknown_grace_s) == []
    assert lane.state is State.RETURN_PATH


@pytest.mark.invariant("INV-2")
def test_whoever_left_while_the_entry_was_unknown_did_not_complete_by_the_lanes_word(lane):
    leaving(lane)
    lane.see(entry_door=DoorPosition.UNKNOWN)
    lane.wait(lane.policy.unknown_grace_s + 0.1)
    lane.see(exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO, entry_door=DoorPosition.CLOSED, exit_door=DoorPosition.CLOSED)
    lane.wait(1)
    assert (lane.record().outcome, lane.record().reason) == (Outcome.ABORTED, Reason.LEFT_UNSEEN)
    assert lane.state is State.OUT_OF_SERVICE


@pytest.mark.parametrize("begin", [entering, returning])
def test_nobody_is_said_to_have_gone_back_while_the_exit_was_in_doubt(lane, begin):
    begin(lane)
    lane.see(exit_door=DoorPosition.UNKNOWN)
    lane.wait(lane.policy.unknown_grace_s + 0.1)
    lane.see(entry_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO, entry_door=DoorPosition.CLOSED, exit_door=DoorPosition.CLOSED)
    lane.wait(1)
    assert (lane.record().outcome, lane.record().reason) == (Outcome.ABORTED, Reason.LEFT_UNSEEN)


@pytest.mark.invariant("INV-4")
def test_when_the_contact_is_mended_and_nobody_came_the_way_back_opens(lane):
    returning(lane)
    lane.see(exit_door=DoorPosition.UNKNOWN)
    lane.wait(lane.policy.unknown_grace_s + 0.1)
    lane.see(exit_door=DoorPosition.CLOSED, entry_door=DoorPosition.CLOSED, occupancy=Occupancy.ONE)
    out = lane.wait(lane.policy.officer_acknowledge_s + 0.1)
    assert lane.state is State.RETURN_PATH
    assert [command.door for command in out if isinstance(command, c.OpenDoor)] == [Door.ENTRY]


@pytest.mark.invariant("INV-1")
def test_an_officer_opens_nothing_beside_a_door_in_doubt(lane):
    leaving(lane)
    lane.see(entry_door=DoorPosition.UNKNOWN)
    lane.wait(lane.policy.unknown_grace_s + 0.1)
    lane.see(exit_door=DoorPosition.CLOSED)
    for act in (e.OfficerReleased("y", "officer 7", "r"), e.OfficerReturned("y", "officer 7", "r")):
        assert not any(isinstance(command, c.OpenDoor) for command in lane.tell(act))
