"""Rows that an ordinary day does not take; each test fails without its row."""

from __future__ import annotations

from dataclasses import replace

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import Device, Door, DoorPosition, Occupancy, Outcome, TriState


def ended(lane):
    return lane.record().outcome, lane.record().reason


def notes(lane):
    return [command.kind for command in lane.ordered(c.NoteEvent)]


def opened(out):
    return [command.door for command in out if isinstance(command, c.OpenDoor)]


def test_a_rearm_in_an_emergency_is_refused_by_name(lane):
    lane.see(emergency=TriState.ACTIVE)
    lane.tell(e.Rearmed("officer 7"))
    assert notes(lane)[-1] == "rearm_refused"


def test_a_stopped_lane_still_calls_for_somebody_inside_and_an_officer_lets_them_out(lane):
    lane.tell(e.StopRequested())
    assert (lane.state, lane.controller.officer_call) == (State.OUT_OF_SERVICE, None)
    lane.see(occupancy=Occupancy.ONE)
    lane.wait(0.5)
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.controller.officer_call is not None
    assert opened(lane.tell(e.OfficerReleased("y", "officer 7", "was inside at the stop"))) == [Door.EXIT]
    assert lane.state is State.EXIT_OPEN


def test_nobody_is_let_out_of_an_empty_lane(lane):
    lane.tell(e.DeviceLost(Device.QR_CAMERA, "absent"))
    assert opened(lane.tell(e.OfficerReleased("y", "officer 7", "by mistake"))) == []
    assert notes(lane)[-1] == "act_refused"


def test_a_door_forced_during_the_pass_check_refuses_and_latches(lane):
    lane.tell(e.PassRead("x", "T"))
    lane.see(exit_door=DoorPosition.OPEN)
    lane.wait(0.5)
    assert ended(lane) == (Outcome.REFUSED, Reason.DOOR_FORCED)
    lane.see(exit_door=DoorPosition.CLOSED)
    lane.wait(5)
    assert (lane.state, lane.controller.reason) == (State.OUT_OF_SERVICE, Reason.DOOR_FORCED)


def test_a_pass_without_an_enrolment_is_refused_at_once(lane, verified_pass):
    lane.tell(e.PassRead("x", "T"))
    lane.tell(e.PassVerified("x", verified_pass))
    lane.tell(e.EnrolmentNotFound("x"))
    assert ended(lane) == (Outcome.REFUSED, Reason.NOT_ENROLLED)
    assert lane.state is State.READY


def test_an_admission_is_not_carried_out_while_a_door_is_not_confirmed_closed(lane, verified_pass, adult):
    lane.tell(e.PassRead("x", "T"))
    lane.tell(e.PassVerified("x", verified_pass))
    lane.tell(e.EnrolmentFound("x", adult))
    lane.see(exit_door=DoorPosition.MOVING)
    assert opened(lane.tell(e.AdmissionRecorded("x"))) == []
    assert ended(lane) == (Outcome.REFUSED, Reason.INPUTS_UNKNOWN)


def test_a_board_lost_while_the_entry_is_open_is_named(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN)
    lane.tell(e.DeviceLost(Device.IO_BOARD, "timeout"))
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.IO_BOARD_LOST)


def test_an_exit_forced_while_the_entry_is_open_shuts_the_entry_and_latches(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN)
    lane.see(exit_door=DoorPosition.OPEN)
    out = lane.wait(0.4)
    assert c.CloseDoor(Door.ENTRY) in out
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.BOTH_DOORS_OPEN)
    assert notes(lane)[-1] == "latched"


def test_a_device_lost_before_anybody_came_in_ends_the_admission(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN)
    assert c.CloseDoor(Door.ENTRY) in lane.tell(e.DeviceLost(Device.FACE_CAMERA, "absent"))
    lane.see(entry_door=DoorPosition.CLOSED)
    assert ended(lane) == (Outcome.ABORTED, Reason.FACE_CAMERA_LOST)


def test_somebody_who_stays_in_the_entry_does_not_hold_it_open(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN, entry_beam=TriState.ACTIVE, occupancy=Occupancy.ONE)
    out = lane.wait(lane.policy.entry_open_s + 0.1)
    assert c.CloseDoor(Door.ENTRY) in out
    assert lane.state is State.OCCUPANCY_CHECK
    lane.see(entry_door=DoorPosition.CLOSED)
    lane.wait(lane.policy.entry_close_s + lane.policy.occupancy_settle_s)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.OCCUPANCY_UNKNOWN)


def test_an_entry_forced_during_the_check_latches(lane):
    lane.admit().enter()
    lane.see(entry_door=DoorPosition.OPEN)
    lane.wait(0.5)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.DOOR_FORCED)


def test_a_board_lost_while_the_exit_is_open_leaves_nothing_completed(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.tell(e.DeviceLost(Device.IO_BOARD, "timeout"))
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.IO_BOARD_LOST)


def test_an_entry_forced_while_the_exit_is_open_shuts_the_exit_and_latches(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.see(entry_door=DoorPosition.OPEN)
    assert c.CloseDoor(Door.EXIT) in lane.wait(0.4)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.BOTH_DOORS_OPEN)


def test_a_board_lost_while_clearing_ends_the_crossing_as_aborted(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN)
    lane.wait(lane.policy.entry_open_s + 0.1)
    assert lane.state is State.CLEARING
    lane.tell(e.DeviceLost(Device.IO_BOARD, "timeout"))
    assert ended(lane) == (Outcome.ABORTED, Reason.IO_BOARD_LOST)
    assert lane.state is State.OUT_OF_SERVICE


def test_whoever_vanishes_past_an_unbroken_exit_beam_has_not_completed(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN, occupancy=Occupancy.ZERO)
    lane.wait(lane.policy.exit_open_s + 0.1)
    assert lane.state is State.CLEARING, "nothing is left inside to wait for"
    lane.see(exit_door=DoorPosition.CLOSED)
    assert ended(lane) == (Outcome.ABORTED, Reason.LEFT_UNSEEN)


def test_a_second_answer_of_the_enrolment_store_changes_nothing(lane, verified_pass, adult):
    lane.tell(e.PassRead("x", "T"))
    lane.tell(e.PassVerified("x", verified_pass))
    lane.tell(e.EnrolmentFound("x", adult))
    assert lane.tell(e.EnrolmentFound("x", adult)) == []
    assert lane.tell(e.EnrolmentFound("x", replace(adult, suspended=True))) == []
    assert len(lane.ordered(c.RecordAdmission)) == 1


def test_an_enrolment_that_is_suddenly_not_found_changes_nothing_after_the_admission_was_ordered(lane, verified_pass, adult):
    lane.tell(e.PassRead("x", "T"))
    lane.tell(e.PassVerified("x", verified_pass))
    lane.tell(e.EnrolmentFound("x", adult))
    assert lane.tell(e.EnrolmentNotFound("x")) == []
    lane.tell(e.AdmissionRecorded("x"))
    assert lane.state is State.ENTRY_OPEN


def test_an_officer_who_lets_somebody_out_after_a_forced_stop_takes_the_way_back_away_first(lane):
    lane.admit()
    lane.see(occupancy=Occupancy.ONE)
    assert opened(lane.tell(e.StopRequested(now=True))) == [Door.ENTRY]
    out = lane.tell(e.OfficerReleased("y", "officer 7", "was inside at the stop"))
    moved = [command for command in out if isinstance(command, c.OpenDoor | c.CloseDoor)]
    assert moved == [c.CloseDoor(Door.ENTRY), c.OpenDoor(Door.EXIT, 9.0)]


def test_a_rearm_with_an_unanswered_counter_completes_nothing(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN, exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    lane.see(exit_door=DoorPosition.CLOSED, exit_beam=TriState.ACTIVE)
    lane.wait(lane.policy.clearing_s)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.BEAM_BLOCKED)
    lane.see(occupancy=Occupancy.UNKNOWN)
    lane.tell(e.Rearmed("officer 7"))
    assert ended(lane) == (Outcome.ABORTED, Reason.BEAM_BLOCKED)
    assert lane.record().exited


def test_a_chamber_that_is_counted_empty_late_still_completes(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN, exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    lane.see(exit_door=DoorPosition.CLOSED, exit_beam=TriState.ACTIVE)
    lane.wait(lane.policy.clearing_s)
    lane.see(exit_beam=TriState.INACTIVE)
    assert ended(lane) == (Outcome.COMPLETED, None)


def test_a_lane_that_does_not_come_up_calls_an_officer_unless_it_is_known_to_be_empty(new_lane):
    for occupancy, called in ((Occupancy.UNKNOWN, (Reason.STARTING, 0, None)), (Occupancy.ZERO, None)):
        lane = new_lane()
        lane.tell(e.Started())
        lane.tell(e.DeviceReady(Device.IO_BOARD))
        lane.see(occupancy=Occupancy.ONE)
        lane.see(occupancy=occupancy)
        lane.wait(lane.policy.officer_acknowledge_s - 1)
        assert lane.controller.officer_call is None
        lane.wait(1)
        assert lane.controller.officer_call == called


def test_maintenance_only_with_an_empty_chamber(lane):
    lane.tell(e.MaintenanceSwitched(on=True, identity="engineer 3"))
    assert lane.state is State.MAINTENANCE
    lane.tell(e.PassRead("x", "ECH1:..."))
    assert lane.state is State.MAINTENANCE
    lane.tell(e.MaintenanceSwitched(on=False, identity="engineer 3"))
    assert lane.state is State.READY
