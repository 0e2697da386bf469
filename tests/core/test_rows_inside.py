"""Rows of a crossing under way, and of its end, that an ordinary day does not take; each test fails without its row."""

from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import CheckOutcome, Device, Door, DoorPosition, Modality, Occupancy, Outcome, TriState


def ended(lane):
    return lane.record().outcome, lane.record().reason


def notes(lane):
    return [command.kind for command in lane.ordered(c.NoteEvent)]


def now(lane):
    return lane.state, lane.controller.reason


def counted_but_in_the_beam(lane):
    """One inside by the counter, the entry closing: nobody has been counted in yet."""
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.ONE)
    lane.wait(0.5)
    assert lane.state is State.OCCUPANCY_CHECK
    return lane


def in_the_check(lane):
    return lane.admit().enter()


def refused_face(lane):
    in_the_check(lane).tell(e.CheckEnded("x", Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH))
    assert lane.state is State.OFFICER_REFERRAL
    return lane


def out_through_the_exit(lane):
    """Past the beam and counted out; the exit has not closed yet."""
    in_the_check(lane).verify()
    lane.see(exit_door=DoorPosition.OPEN, exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    assert lane.state is State.CLEARING
    return lane


INSIDE = pytest.mark.parametrize("bring", [counted_but_in_the_beam, in_the_check])


@INSIDE
def test_an_exit_forced_beside_somebody_inside_latches(lane, bring):
    bring(lane).see(exit_door=DoorPosition.OPEN)
    lane.wait(0.4)
    assert now(lane) == (State.OFFICER_REFERRAL, Reason.DOOR_FORCED)
    assert "latched" in notes(lane)


@INSIDE
def test_a_housing_opened_beside_somebody_inside_calls_an_officer(lane, bring):
    bring(lane).see(tamper=TriState.ACTIVE)
    assert now(lane) == (State.OFFICER_REFERRAL, Reason.TAMPER)


@INSIDE
def test_a_device_lost_beside_somebody_inside_calls_an_officer_at_once(lane, bring):
    bring(lane).tell(e.DeviceLost(Device.JOURNAL, "disk full"))
    assert now(lane) == (State.OFFICER_REFERRAL, Reason.JOURNAL_LOST)


@INSIDE
def test_a_second_person_beside_somebody_inside_sends_both_back(lane, bring):
    bring(lane).see(occupancy=Occupancy.MANY)
    lane.wait(0.5)
    assert now(lane) == (State.RETURN_PATH, Reason.TAILGATING)


@INSIDE
def test_whoever_watches_takes_over_whoever_is_inside(lane, bring):
    bring(lane).tell(e.AssistanceRequested("officer 7"))
    assert now(lane) == (State.OFFICER_REFERRAL, Reason.ASSISTANCE_REQUESTED)
    assert notes(lane)[-1] == "assistance_requested"


def test_a_chamber_that_empties_behind_closed_doors_latches(lane):
    in_the_check(lane).see(occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    assert ended(lane) == (Outcome.ABORTED, Reason.LEFT_UNSEEN)
    assert now(lane) == (State.OUT_OF_SERVICE, Reason.LEFT_UNSEEN)
    assert "latched" in notes(lane)


def test_the_display_tells_what_a_running_check_tells_and_nothing_of_another_crossing(lane):
    in_the_check(lane)
    assert lane.tell(e.CheckProgressed("other", Modality.FINGERPRINT, Prompt.LIFT_FINGER)) == []
    assert lane.tell(e.CheckProgressed("x", Modality.FINGERPRINT, Prompt.LIFT_FINGER)) == [c.ShowPrompt(Prompt.LIFT_FINGER)]
    assert lane.state is State.IDENTITY_CHECK


def test_a_lane_that_is_empty_again_invites_the_next_without_closing_in_between(lane):
    out_through_the_exit(lane)
    out = lane.see(exit_door=DoorPosition.CLOSED)
    assert lane.state is State.READY
    assert [command.prompt for command in out if isinstance(command, c.ShowPrompt)] == [Prompt.SHOW_CODE]


def test_a_lane_that_is_empty_again_and_may_not_open_closes_with_the_crossing_complete(lane):
    out_through_the_exit(lane).tell(e.DeviceLost(Device.QR_CAMERA, "absent"))
    lane.see(exit_door=DoorPosition.CLOSED)
    assert ended(lane) == (Outcome.COMPLETED, None)
    assert now(lane) == (State.OUT_OF_SERVICE, Reason.QR_CAMERA_LOST)


def test_a_door_forced_while_the_chamber_is_cleared_completes_nothing(lane):
    out_through_the_exit(lane).see(entry_door=DoorPosition.OPEN)
    lane.wait(0.4)
    assert now(lane) == (State.OFFICER_REFERRAL, Reason.DOOR_FORCED)
    lane.see(entry_door=DoorPosition.CLOSED, exit_door=DoorPosition.CLOSED)
    assert ended(lane)[0] is Outcome.ABORTED
    assert lane.state is State.OUT_OF_SERVICE, "latched"


def test_somebody_in_the_chamber_after_the_exit_was_open_completes_nothing(lane):
    out_through_the_exit(lane).see(exit_door=DoorPosition.CLOSED, occupancy=Occupancy.ONE)
    lane.wait(lane.policy.clearing_s)
    assert now(lane) == (State.OFFICER_REFERRAL, Reason.REVERSE_ENTRY)
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    assert ended(lane) == (Outcome.ABORTED, Reason.LEFT_UNSEEN)


def test_a_board_lost_on_the_way_back_is_named(lane):
    refused_face(lane).tell(e.OfficerReturned("y", "officer 7", "wrong pass"))
    assert lane.state is State.RETURN_PATH
    lane.tell(e.DeviceLost(Device.IO_BOARD, "timeout"))
    assert now(lane) == (State.OFFICER_REFERRAL, Reason.IO_BOARD_LOST)


def test_a_rearm_for_a_chamber_the_counter_does_not_answer_for_keeps_the_outcome(lane):
    refused_face(lane).tell(e.OfficerReturned("y", "officer 7", "wrong pass"))
    lane.see(entry_door=DoorPosition.OPEN)
    lane.wait(lane.policy.return_path_s)
    assert now(lane) == (State.OFFICER_REFERRAL, Reason.STAYED_INSIDE)
    lane.see(entry_door=DoorPosition.CLOSED, occupancy=Occupancy.UNKNOWN)
    lane.tell(e.Rearmed("officer 7"))
    assert ended(lane) == (Outcome.RETURNED, Reason.FACE_MISMATCH)
    assert notes(lane)[-1] == "rearmed"


def test_a_rearm_with_somebody_inside_is_refused_by_name(lane):
    refused_face(lane).tell(e.Rearmed("officer 7"))
    assert (lane.state, notes(lane)[-1]) == (State.OFFICER_REFERRAL, "rearm_refused")


def test_whoever_backs_out_of_an_entry_that_closes_late_has_backed_out(lane):
    counted_but_in_the_beam(lane)
    lane.wait(lane.policy.entry_close_s)
    assert now(lane) == (State.OFFICER_REFERRAL, Reason.ENTRY_DOOR_DID_NOT_CLOSE)
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    lane.see(entry_door=DoorPosition.CLOSED)
    assert ended(lane) == (Outcome.ABANDONED, Reason.BACKED_OUT)
    assert lane.state is State.READY


def test_whoever_an_officer_let_through_and_who_goes_late_is_recorded_as_that(lane):
    refused_face(lane).tell(e.OfficerReleased("y", "officer 7", "compared by hand"))
    lane.see(exit_door=DoorPosition.OPEN)
    lane.wait(lane.policy.exit_open_s + 0.1)
    assert now(lane) == (State.OFFICER_REFERRAL, Reason.NEVER_EXITED)
    lane.see(exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO, exit_door=DoorPosition.CLOSED)
    lane.wait(0.5)
    assert ended(lane) == (Outcome.RELEASED_BY_OFFICER, Reason.OFFICER_RELEASED)
    assert lane.record().exited


def test_a_board_that_comes_back_in_an_emergency_gets_the_doors_again(lane):
    lane.see(emergency=TriState.ACTIVE)
    lane.tell(e.DeviceLost(Device.IO_BOARD, "timeout"))
    out = lane.tell(e.DeviceReady(Device.IO_BOARD))
    assert out == [c.CloseDoor(Door.EXIT), c.OpenDoor(Door.ENTRY, 11.0, emergency=True)]
    assert lane.tell(e.DeviceReady(Device.QR_CAMERA)) == []


def test_an_engineer_may_take_a_lane_that_is_out_of_service(lane):
    lane.tell(e.DeviceLost(Device.QR_CAMERA, "absent"))
    lane.tell(e.MaintenanceSwitched(on=True, identity="engineer 3"))
    assert now(lane) == (State.MAINTENANCE, Reason.MAINTENANCE)


def test_an_emergency_before_a_restart_is_not_rearmed_over_a_chamber_that_is_not_counted_empty(new_lane):
    lane = new_lane()
    lane.tell(e.Started(latched=Reason.EMERGENCY))
    for device in Device:
        lane.tell(e.DeviceReady(device))
    lane.see(occupancy=Occupancy.UNKNOWN)
    lane.tell(e.Rearmed("officer 7"))
    assert notes(lane)[-1] == "rearm_refused"
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    assert lane.state is State.OUT_OF_SERVICE
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.READY


def test_an_officer_sends_back_whoever_is_in_a_lane_out_of_service(lane):
    lane.tell(e.StopRequested())
    lane.see(occupancy=Occupancy.ONE)
    lane.wait(0.5)
    out = lane.tell(e.OfficerReturned("y", "officer 7", "was inside at the stop"))
    assert lane.state is State.RETURN_PATH
    assert [command.door for command in out if isinstance(command, c.OpenDoor)] == [Door.ENTRY]
