"""One traveller at a time, by hand: every way a crossing can end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.policy import BiometricRule
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import (
    CheckOutcome,
    Device,
    Door,
    DoorPosition,
    EnrolmentFacts,
    Modality,
    Occupancy,
    Outcome,
    PassFacts,
    Region,
    TriState,
)


def ended(record: c.CrossingRecord) -> tuple[Outcome, Reason | None]:
    return record.outcome, record.reason


def test_a_good_traveller_completes_and_every_fact_has_its_evidence(lane):
    lane.admit().enter().verify()
    assert lane.state is State.EXIT_OPEN
    lane.leave()
    assert lane.state is State.READY
    record = lane.record()
    assert ended(record) == (Outcome.COMPLETED, None)
    assert (record.authorised, record.entered, record.verified, record.exited, record.chamber_empty) == (True,) * 5
    names = [step.name for step in record.steps]
    assert names == [
        "pass_read",
        "pass_verified",
        "authorised",
        "admitted",
        "entered",
        "pad_successful",
        "fingerprint_successful",
        "face_successful",
        "verified",
        "exit_commanded",
        "exited",
        "chamber_empty",
    ]
    assert [step.at_s for step in record.steps] == sorted(step.at_s for step in record.steps)


def test_biometrics_are_prepared_while_the_traveller_walks_in_and_ended_when_the_exit_opens(lane):
    lane.admit()
    assert lane.ordered(c.PrepareBiometrics) == [c.PrepareBiometrics("x")]
    assert lane.ordered(c.StartCheck) == []
    lane.enter()
    assert {command.modality for command in lane.ordered(c.StartCheck)} == set(Modality)
    lane.verify()
    assert lane.ordered(c.EndBiometrics) == [c.EndBiometrics("x")]


def test_a_refused_pass_opens_nothing_and_tells_why_for_a_while(lane):
    lane.tell(e.PassRead("x", "ECH1:..."))
    lane.tell(e.PassRefused("x", Reason.PRESENTATION_STALE))
    assert ended(lane.record()) == (Outcome.REFUSED, Reason.PRESENTATION_STALE)
    assert lane.controller.prompt is Prompt.CODE_EXPIRED
    assert lane.ordered(c.OpenDoor) == []
    lane.wait(lane.policy.refusal_shown_s + 0.1)
    assert lane.controller.prompt is Prompt.SHOW_CODE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"suspended": True}, Reason.ENROLMENT_SUSPENDED),
        ({"registered_with": frozenset({Region.HK})}, Reason.NOT_REGISTERED_HERE),
        ({"registered_for_s": 10_799.0}, Reason.REGISTERED_TOO_RECENTLY),
        ({"age_years": 10}, Reason.UNDER_AGE),
        ({"fingers": 0}, Reason.NO_TEMPLATE),
        ({"face": False}, Reason.NO_TEMPLATE),
    ],
)
def test_an_enrolment_that_does_not_entitle_is_refused_with_its_own_reason(lane, change, reason):
    adult = EnrolmentFacts(30, frozenset({Region.MO}), 1e6, suspended=False, fingers=1, face=True)
    lane.tell(e.PassRead("x", "ECH1:..."))
    lane.tell(e.PassVerified("x", a_pass()))
    lane.tell(e.EnrolmentFound("x", replace(adult, **change)))
    assert ended(lane.record()) == (Outcome.REFUSED, reason)
    assert lane.ordered(c.OpenDoor) == []
    assert lane.ordered(c.RecordAdmission) == []


def a_pass() -> PassFacts:
    return PassFacts(b"p" * 16, b"e" * 16, Region.HK, 1, 1_800_000_000, 1_799_990_000, 1_800_090_000)


def test_a_replay_found_only_at_the_claim_is_refused(lane):
    lane.tell(e.PassRead("x", "ECH1:..."))
    lane.tell(e.PassVerified("x", a_pass()))
    lane.tell(e.EnrolmentFound("x", EnrolmentFacts(30, frozenset({Region.MO}), 1e6, suspended=False, fingers=1, face=True)))
    lane.tell(e.PassRefused("x", Reason.PRESENTATION_REPLAYED))
    assert ended(lane.record()) == (Outcome.REFUSED, Reason.PRESENTATION_REPLAYED)
    assert lane.ordered(c.OpenDoor) == []


def test_an_answer_for_another_crossing_changes_nothing(lane):
    lane.tell(e.PassRead("x", "ECH1:..."))
    lane.tell(e.PassVerified("other", a_pass()))
    lane.tell(e.AdmissionRecorded("other"))
    assert lane.state is State.PASS_CHECK
    assert lane.ordered(c.OpenDoor) == []


def test_a_pass_check_that_never_ends_is_refused(lane):
    lane.tell(e.PassRead("x", "ECH1:..."))
    lane.wait(lane.policy.pass_check_s + 0.1)
    assert ended(lane.record()) == (Outcome.REFUSED, Reason.PASS_CHECK_TIMED_OUT)
    lane.tell(e.AdmissionRecorded("x"))
    assert lane.state is State.READY
    assert lane.ordered(c.OpenDoor) == []


def test_nobody_enters(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN)
    lane.wait(lane.policy.entry_open_s + 0.1)
    assert lane.state is State.CLEARING
    lane.see(entry_door=DoorPosition.CLOSED)
    assert ended(lane.record()) == (Outcome.ABANDONED, Reason.NOBODY_ENTERED)
    assert lane.state is State.READY


def test_somebody_who_slips_in_while_the_entry_closes_gets_the_way_back(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN)
    lane.wait(lane.policy.entry_open_s + 0.1)
    lane.see(entry_door=DoorPosition.CLOSED, occupancy=Occupancy.ONE)
    lane.wait(0.5)
    assert lane.state is State.RETURN_PATH
    assert lane.ordered(c.OpenDoor)[-1].door is Door.ENTRY


def test_backing_out(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN)
    lane.see(occupancy=Occupancy.ONE)
    lane.wait(0.5)
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    lane.see(entry_door=DoorPosition.CLOSED)
    assert ended(lane.record()) == (Outcome.ABANDONED, Reason.BACKED_OUT)


def test_a_tailgater_sends_both_back_and_the_exit_stays_shut(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN)
    lane.see(occupancy=Occupancy.MANY)
    lane.wait(0.5)
    assert lane.state is State.RETURN_PATH
    assert lane.controller.prompt is Prompt.ONE_AT_A_TIME
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    lane.see(entry_door=DoorPosition.CLOSED)
    assert ended(lane.record()) == (Outcome.RETURNED, Reason.TAILGATING)
    assert all(command.door is Door.ENTRY for command in lane.ordered(c.OpenDoor))


def test_a_second_person_found_during_the_identity_check_ends_it(lane):
    lane.admit().enter()
    lane.see(occupancy=Occupancy.MANY)
    lane.wait(0.5)
    assert lane.state is State.RETURN_PATH
    lane.verify()
    assert lane.state is State.RETURN_PATH


@pytest.mark.parametrize(("modality", "reason"), [(Modality.FACE, Reason.FACE_MISMATCH), (Modality.FINGERPRINT, Reason.FINGERPRINT_MISMATCH)])
def test_the_wrong_person_goes_to_an_officer_who_sends_them_back(lane, modality, reason):
    lane.admit().enter()
    lane.tell(e.CheckEnded("x", modality, CheckOutcome.FAILED, reason))
    assert lane.state is State.OFFICER_REFERRAL
    assert lane.controller.officer_call == (reason, 0, None)
    other = Modality.FACE if modality is Modality.FINGERPRINT else Modality.FINGERPRINT
    lane.tell(e.CheckEnded("x", other, CheckOutcome.SUCCESSFUL))
    assert lane.state is State.OFFICER_REFERRAL
    lane.tell(e.OfficerAcknowledged("officer 7"))
    assert lane.controller.officer_call == (reason, 0, "officer 7")
    lane.tell(e.OfficerReturned("y", "officer 7", "not the holder"))
    assert lane.state is State.RETURN_PATH
    lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    lane.see(entry_door=DoorPosition.CLOSED)
    record = lane.record()
    assert ended(record) == (Outcome.RETURNED, reason)
    assert (record.officer, record.officer_reason) == ("officer 7", "not the holder")
    assert all(command.door is Door.ENTRY for command in lane.ordered(c.OpenDoor))
    assert lane.controller.officer_call is None


def test_an_officer_releases_by_identity_and_reason(lane):
    lane.admit().enter()
    lane.tell(e.CheckEnded("x", Modality.FINGERPRINT, CheckOutcome.UNDETERMINED, Reason.FINGERPRINT_NOT_CAPTURED))
    lane.tell(e.OfficerReleased("y", "officer 7", "document checked by hand"))
    assert lane.state is State.EXIT_OPEN
    lane.leave()
    assert ended(lane.record()) == (Outcome.RELEASED_BY_OFFICER, Reason.OFFICER_RELEASED)


def test_an_officer_cannot_open_the_exit_while_the_entry_is_open(lane):
    lane.admit().enter()
    lane.tell(e.CheckEnded("x", Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH))
    lane.see(entry_door=DoorPosition.OPEN)
    out = lane.tell(e.OfficerReleased("y", "officer 7", "hurry"))
    assert [command.kind for command in out if isinstance(command, c.NoteEvent)] == ["act_refused"]
    assert all(command.door is Door.ENTRY for command in lane.ordered(c.OpenDoor))


def test_nobody_comes_and_the_way_back_opens(lane):
    lane.admit().enter()
    lane.tell(e.CheckEnded("x", Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH))
    lane.wait(lane.policy.officer_acknowledge_s + 0.1)
    assert lane.state is State.RETURN_PATH
    assert lane.controller.officer_call is not None


def test_authorised_but_never_exits_only_an_officer_decides(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.wait(lane.policy.exit_open_s + 0.1)
    assert lane.state is State.OFFICER_REFERRAL
    lane.see(exit_door=DoorPosition.CLOSED)
    lane.wait(3 * lane.policy.officer_acknowledge_s)
    assert lane.state is State.OFFICER_REFERRAL, "whoever is inside now may have come from the other side"
    assert lane.controller.officer_call[1] >= 2


def test_leaving_at_the_last_moment_still_counts(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.wait(lane.policy.exit_open_s + 0.1)
    lane.see(exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO, exit_door=DoorPosition.CLOSED)
    lane.wait(0.5)
    assert ended(lane.record()) == (Outcome.COMPLETED, None)


def test_somebody_comes_in_through_the_open_exit(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN, occupancy=Occupancy.MANY)
    lane.wait(0.5)
    assert lane.state is State.OFFICER_REFERRAL
    assert lane.controller.reason is Reason.REVERSE_ENTRY


@pytest.mark.parametrize(("door", "reason"), [("entry_door", Reason.ENTRY_DOOR_DID_NOT_OPEN), ("exit_door", Reason.EXIT_DOOR_DID_NOT_OPEN)])
def test_a_door_that_does_not_open(lane, door, reason):
    lane.admit()
    if door == "entry_door":
        lane.wait(lane.policy.door_open_s + 0.1)
        assert ended(lane.record()) == (Outcome.ABORTED, reason)
        assert lane.state is State.OUT_OF_SERVICE
        assert lane.controller.reason is reason
        lane.tell(e.Rearmed("officer 7"))
        assert lane.state is State.READY
    else:
        lane.enter().verify()
        lane.wait(lane.policy.door_open_s + 0.1)
        assert lane.state is State.OFFICER_REFERRAL
        assert lane.controller.reason is reason


def test_a_door_that_does_not_close(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.ONE)
    lane.wait(lane.policy.entry_close_s + 1)
    assert lane.state is State.OFFICER_REFERRAL
    assert lane.controller.reason is Reason.ENTRY_DOOR_DID_NOT_CLOSE


@pytest.mark.parametrize("door", ["entry_door", "exit_door"])
def test_a_forced_door_closes_the_lane_until_it_is_rearmed(lane, door):
    lane.see(**{door: DoorPosition.MOVING})
    lane.wait(0.5)
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.controller.reason is Reason.DOOR_FORCED
    lane.see(**{door: DoorPosition.CLOSED})
    lane.wait(5)
    assert lane.state is State.OUT_OF_SERVICE
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.READY


def test_a_counter_that_gives_no_answer_leads_to_an_officer(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.ONE)
    lane.wait(0.5)
    lane.see(entry_door=DoorPosition.CLOSED, occupancy=Occupancy.UNKNOWN)
    lane.wait(lane.policy.entry_close_s + lane.policy.occupancy_settle_s + 0.1)
    assert lane.state is State.OFFICER_REFERRAL


@pytest.mark.parametrize("device", [Device.FINGERPRINT, Device.FACE_CAMERA, Device.JOURNAL, Device.IO_BOARD])
def test_a_device_lost_during_the_check_calls_an_officer_and_frees_the_traveller(lane, device):
    lane.admit().enter()
    lane.tell(e.DeviceLost(device, "timeout"))
    assert lane.state is State.OFFICER_REFERRAL
    assert lane.controller.reason.code == f"{device.value}_lost"
    lane.verify()
    assert all(command.door is Door.ENTRY for command in lane.ordered(c.OpenDoor))
    lane.tell(e.DeviceReady(device))
    lane.see()
    lane.wait(lane.policy.officer_acknowledge_s + 0.1)
    assert lane.state is State.RETURN_PATH


@pytest.mark.parametrize("device", list(Device))
def test_an_idle_lane_closes_when_a_device_is_lost_and_comes_back_with_it(lane, device):
    lane.tell(e.DeviceLost(device, "absent"))
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.controller.reason.code == f"{device.value}_lost"
    assert lane.controller.officer_call is not None
    lane.tell(e.DeviceReady(device))
    lane.see()
    lane.wait(1)
    assert lane.state is State.READY
    assert lane.controller.officer_call is None


def test_inputs_unknown_for_a_moment_do_not_close_the_lane_but_admit_nobody(lane):
    known = lane.inputs
    lane.see(entry_door=DoorPosition.UNKNOWN)
    lane.tell(e.PassRead("x", "ECH1:..."))
    assert lane.state is State.READY
    lane.tell(e.InputsRead(known))
    lane.wait(5)
    assert lane.state is State.READY
    lane.see(entry_door=DoorPosition.CLOSED, entry_beam=TriState.UNKNOWN)
    lane.wait(lane.policy.unknown_grace_s + 0.1)
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.controller.reason is Reason.INPUTS_UNKNOWN


def test_a_stranger_in_the_chamber_is_an_officers_business(lane):
    lane.see(occupancy=Occupancy.ONE)
    lane.wait(0.5)
    assert lane.state is State.OFFICER_REFERRAL
    assert lane.controller.reason is Reason.REVERSE_ENTRY
    lane.wait(5 * lane.policy.officer_acknowledge_s)
    assert lane.state is State.OFFICER_REFERRAL, "the way back is not opened for somebody who was not admitted"
    lane.tell(e.OfficerReturned("officer-1", "officer 7", "cleaner"))
    assert lane.state is State.RETURN_PATH


@pytest.mark.parametrize(
    ("rule", "ends", "state"),
    [
        (BiometricRule.EITHER, {Modality.FACE: CheckOutcome.SUCCESSFUL}, State.EXIT_OPEN),
        (BiometricRule.EITHER, {Modality.FACE: CheckOutcome.FAILED}, State.IDENTITY_CHECK),
        (BiometricRule.BOTH, {Modality.FACE: CheckOutcome.SUCCESSFUL}, State.IDENTITY_CHECK),
        (BiometricRule.BOTH, {Modality.FACE: CheckOutcome.SUCCESSFUL, Modality.FINGERPRINT: CheckOutcome.UNDETERMINED}, State.OFFICER_REFERRAL),
        (BiometricRule.FACE_ONLY_WITH_OFFICER, {Modality.FACE: CheckOutcome.SUCCESSFUL}, State.OFFICER_REFERRAL),
        (BiometricRule.FACE_ONLY_WITH_OFFICER, {Modality.FINGERPRINT: CheckOutcome.SUCCESSFUL}, State.IDENTITY_CHECK),
    ],
)
def test_the_biometric_rule(new_lane, rule, ends, state):
    lane = new_lane(biometric_rule=rule).start().admit().enter()
    for modality, outcome in ends.items():
        lane.tell(e.CheckEnded("x", modality, outcome, None if outcome is CheckOutcome.SUCCESSFUL else Reason.FACE_MISMATCH))
    assert lane.state is state


def test_a_stop_lets_the_traveller_finish(lane):
    lane.admit().enter()
    lane.tell(e.StopRequested())
    assert lane.state is State.IDENTITY_CHECK
    lane.verify().leave()
    assert ended(lane.record()) == (Outcome.COMPLETED, None)
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.controller.idle


def test_a_forced_stop_records_the_crossing_as_aborted(lane):
    lane.admit().enter()
    lane.tell(e.StopRequested(now=True))
    assert ended(lane.record()) == (Outcome.ABORTED, Reason.STOPPING)
    assert lane.ordered(c.OpenDoor)[-1].door is Door.ENTRY, "whoever came in with a pass is not locked in by a stop"
    assert lane.controller.officer_call == (Reason.STOPPING, 0, None)
