"""Sequences by which the lane was once deceived, kept open, or left somebody alone."""

from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.policy import BiometricRule
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import CheckOutcome, Device, Door, DoorPosition, Modality, Occupancy, Outcome, TriState


def notes(lane, kind):
    return [dict(command.fields) for command in lane.ordered(c.NoteEvent) if command.kind == kind]


def refer(lane):
    """A traveller inside, refused by the face check, an officer called."""
    lane.admit().enter()
    lane.tell(e.CheckEnded("x", Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH))
    assert lane.state is State.OFFICER_REFERRAL
    return lane


@pytest.mark.invariant("INV-2")
def test_an_impostor_who_forces_the_exit_is_neither_returned_nor_forgotten(lane):
    refer(lane)
    lane.see(exit_door=DoorPosition.MOVING)
    lane.wait(0.5)
    assert lane.controller.reason is Reason.DOOR_FORCED
    lane.see(exit_door=DoorPosition.CLOSED, occupancy=Occupancy.ZERO)
    lane.wait(1)
    assert (lane.record().outcome, lane.record().reason) == (Outcome.ABORTED, Reason.LEFT_UNSEEN)
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.controller.officer_call is not None


def test_so_is_a_stranger_who_was_inside_at_a_restart(new_lane):
    lane = new_lane()
    lane.tell(e.Started())
    for device in Device:
        lane.tell(e.DeviceReady(device))
    lane.see(occupancy=Occupancy.ONE)
    lane.wait(1)
    assert lane.state is State.OFFICER_REFERRAL
    lane.see(exit_door=DoorPosition.OPEN)
    lane.wait(0.5)
    lane.see(exit_door=DoorPosition.CLOSED, occupancy=Occupancy.ZERO)
    lane.wait(2)
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.controller.reason is Reason.DOOR_FORCED


def test_somebody_who_runs_through_a_forced_entry_behind_a_completed_passage_is_seen(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.see(exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    assert lane.state is State.CLEARING
    lane.see(entry_door=DoorPosition.OPEN)
    lane.wait(0.5)
    lane.see(entry_door=DoorPosition.CLOSED, exit_door=DoorPosition.CLOSED)
    lane.wait(1)
    assert lane.record().outcome is not Outcome.COMPLETED
    assert lane.state is State.OUT_OF_SERVICE


def test_a_contact_that_bounces_forces_nothing(lane):
    lane.see(entry_door=DoorPosition.MOVING)
    lane.tell(e.PassRead("x", "T"))
    assert lane.state is State.READY, "but nobody is admitted while it is away from closed"
    lane.wait(0.1)
    lane.see(entry_door=DoorPosition.CLOSED)
    lane.wait(2)
    assert lane.state is State.READY


@pytest.mark.invariant("INV-5")
def test_a_rearm_after_a_restart_is_bound_by_the_same_rules(new_lane):
    lane = new_lane()
    lane.tell(e.Started(Reason.EMERGENCY))
    lane.tell(e.Rearmed("officer 7"))
    assert notes(lane, "rearm_refused")
    for device in Device:
        lane.tell(e.DeviceReady(device))
    lane.see(occupancy=Occupancy.ONE)
    lane.wait(1)
    lane.tell(e.Rearmed("officer 7"))
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(5)
    assert lane.state is State.OUT_OF_SERVICE
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.READY


@pytest.mark.parametrize("reason", [Reason.DOOR_FORCED, Reason.BOTH_DOORS_OPEN, Reason.LEFT_UNSEEN])
def test_every_latch_outlives_a_restart(new_lane, lane, reason):
    lane.see(entry_door=DoorPosition.OPEN)
    lane.wait(0.5)
    assert notes(lane, "latched") == [{"reason": "door_forced"}]
    again = new_lane()
    again.tell(e.Started(reason))
    for device in Device:
        again.tell(e.DeviceReady(device))
    again.see()
    again.wait(5)
    assert again.state is State.OUT_OF_SERVICE
    assert again.controller.reason is reason


@pytest.mark.invariant("INV-5")
def test_a_board_that_comes_back_during_an_emergency_opens_again_at_once(lane):
    lane.see(emergency=TriState.ACTIVE)
    lane.tell(e.DeviceLost(Device.IO_BOARD, "absent"))
    out = lane.tell(e.DeviceReady(Device.IO_BOARD))
    assert any(isinstance(command, c.OpenDoor) and command.door is Door.ENTRY and command.emergency for command in out)


@pytest.mark.invariant("INV-2")
def test_a_second_person_seen_only_by_turns_does_not_get_through(lane):
    lane.admit().enter()
    for _ in range(5):
        lane.see(occupancy=Occupancy.MANY)
        lane.wait(0.29)
        lane.see(occupancy=Occupancy.ONE)
        lane.wait(0.31)
    lane.verify()
    assert lane.state is State.IDENTITY_CHECK
    lane.wait(lane.policy.occupancy_settle_s + 0.1)
    assert lane.state is State.EXIT_OPEN, "a single glitch of the counter passes"


def test_a_second_face_fails_the_check_whatever_the_rule(new_lane):
    lane = new_lane(biometric_rule=BiometricRule.EITHER).start().admit().enter()
    lane.tell(e.CheckEnded("x", Modality.FACE, CheckOutcome.FAILED, Reason.SEVERAL_FACES))
    assert lane.state is State.OFFICER_REFERRAL
    assert lane.controller.reason is Reason.SEVERAL_FACES


@pytest.mark.invariant("INV-4")
def test_an_officer_can_send_back_somebody_whom_the_counter_does_not_see(lane):
    lane.admit().enter()
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(1)
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.controller.reason is Reason.LEFT_UNSEEN
    lane.tell(e.OfficerReturned("officer-1", "officer 7", "counter at fault, person inside"))
    assert lane.state is State.RETURN_PATH


@pytest.mark.invariant("INV-4")
def test_somebody_who_does_not_take_the_way_back_gets_louder_calls_not_more_openings(lane):
    refer(lane)
    lane.tell(e.OfficerAcknowledged("officer 7"))
    lane.wait(3600)
    openings = [command for command in lane.ordered(c.OpenDoor) if command.door is Door.ENTRY]
    assert len(openings) == 2, "one to come in, one way back"
    assert lane.controller.officer_call[1] >= 10
    assert lane.controller.officer_call[2] is None, "an old acknowledgement does not silence a new call"


def test_a_broken_counter_is_ended_by_an_officers_word(lane):
    refer(lane)
    lane.see(occupancy=Occupancy.UNKNOWN)
    lane.wait(5)
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.record().outcome is Outcome.ABORTED
    assert notes(lane, "rearmed") == [{"identity": "officer 7"}]


def test_but_not_while_the_counter_sees_somebody(lane):
    refer(lane)
    lane.wait(1)
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.OFFICER_REFERRAL


@pytest.mark.invariant("INV-3")
def test_a_counter_between_one_and_many_still_means_somebody(lane):
    for _ in range(6):
        lane.see(occupancy=Occupancy.ONE)
        lane.wait(0.1)
        lane.see(occupancy=Occupancy.MANY)
        lane.wait(0.1)
    assert lane.state is State.OFFICER_REFERRAL
    assert lane.controller.officer_call is not None


@pytest.mark.invariant("INV-3")
def test_a_counter_that_never_settles_closes_the_lane(lane):
    for _ in range(10):
        lane.see(occupancy=Occupancy.ONE)
        lane.wait(0.1)
        lane.see(occupancy=Occupancy.ZERO)
        lane.wait(0.1)
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.controller.reason is Reason.OCCUPANCY_UNKNOWN
    assert lane.controller.officer_call is not None


def test_leaving_just_before_the_deadline_is_still_leaving(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.wait(lane.policy.exit_open_s - 0.15)
    lane.see(exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.2)
    lane.see(exit_door=DoorPosition.CLOSED)
    lane.wait(1)
    assert (lane.record().outcome, lane.record().exited) == (Outcome.COMPLETED, True)
    assert lane.state is State.READY


def test_a_late_exit_by_an_officers_hand_is_no_completed_crossing(lane):
    refer(lane)
    lane.tell(e.OfficerReleased("y", "officer 7", "checked by hand"))
    lane.see(exit_door=DoorPosition.OPEN)
    lane.wait(lane.policy.exit_open_s + 0.1)
    lane.see(exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO, exit_door=DoorPosition.CLOSED)
    lane.wait(1)
    assert (lane.record().outcome, lane.record().verified) == (Outcome.RELEASED_BY_OFFICER, False)


@pytest.mark.parametrize("stage", ["returning", "checking"])
def test_whoever_leaves_by_a_forced_exit_did_not_go_back(lane, stage):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.MANY if stage == "returning" else Occupancy.ONE)
    lane.wait(0.5)
    assert lane.state is (State.RETURN_PATH if stage == "returning" else State.OCCUPANCY_CHECK)
    lane.see(exit_door=DoorPosition.OPEN)
    lane.wait(0.5)
    assert lane.state is State.OFFICER_REFERRAL
    lane.see(exit_door=DoorPosition.CLOSED, entry_door=DoorPosition.CLOSED, occupancy=Occupancy.ZERO)
    lane.wait(1)
    assert (lane.record().outcome, lane.record().reason) == (Outcome.ABORTED, Reason.LEFT_UNSEEN)


def test_reasons_that_alternate_are_one_call_that_keeps_its_patience(lane):
    lane.tell(e.DeviceLost(Device.QR_CAMERA, "absent"))
    for _ in range(200):
        lane.tell(e.DeviceLost(Device.FINGERPRINT, "absent"))
        lane.wait(1)
        lane.tell(e.DeviceReady(Device.FINGERPRINT))
        lane.wait(1)
    assert lane.controller.officer_call[1] >= 5


def test_a_stuck_exit_beam_admits_nobody_and_closes_the_lane_by_name(lane):
    lane.see(exit_beam=TriState.ACTIVE)
    lane.tell(e.PassRead("x", "T"))
    assert lane.state is State.READY
    lane.wait(lane.policy.unknown_grace_s + 0.1)
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.controller.reason is Reason.BEAM_BLOCKED


def test_tamper_during_the_check_is_named(lane):
    lane.admit().enter()
    lane.see(tamper=TriState.ACTIVE)
    assert lane.state is State.OFFICER_REFERRAL
    assert lane.controller.reason is Reason.TAMPER


def test_a_record_made_before_a_bug_is_kept(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.see(exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.5)

    def broken():
        raise ZeroDivisionError

    lane.controller._lane.show_ready = broken  # a bug planted after the record
    lane.inputs = lane.inputs.__class__(**{name: getattr(lane.inputs, name) for name in lane.inputs.__slots__} | {"exit_door": DoorPosition.CLOSED})
    out = lane.controller.handle(e.InputsRead(lane.inputs), lane.now)
    assert [command.record.outcome for command in out if isinstance(command, c.RecordCrossing)] == [Outcome.COMPLETED]
    assert lane.controller.failure is not None


@pytest.mark.invariant("INV-3")
def test_an_occupancy_that_flickers_never_counts_as_one(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN)
    for _ in range(40):
        lane.see(occupancy=Occupancy.ONE)
        lane.wait(0.1)
        lane.see(occupancy=Occupancy.MANY)
        lane.wait(0.1)
    assert lane.state is not State.IDENTITY_CHECK
