"""What one guard alone keeps back, or lets through: what is answered, to the last word. A comparison turned round, a condition left out, UNKNOWN read as clear are seen here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import events as e
from gate_controller.core.policy import BiometricRule
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import CheckOutcome, Direction, Modality, Region, TriState
from tests.core.conftest import ADULT, PASS
from tests.core.scenes import (
    BLIND,
    BOARD_BACK,
    BOARD_LOST,
    BOTH_MATCH,
    BROKEN,
    CLEAR,
    CLOSED,
    HELP,
    MANY,
    MOVING,
    NOBODY,
    ONE,
    OPEN,
    QR_BACK,
    REARMED,
    RELEASED,
    RETURNED,
    STEADY,
    UNSEEN,
    answers,
    emergency,
    ends,
    exit_open,
    half_open,
    identity,
    nobody_came,
    occupancy,
    out_of_service,
    passing,
    read,
    ready,
    referral,
    sees,
    single_closed,
    single_identity,
    steadily,
    told,
    waits,
    walk_in,
    with_either,
    with_officer,
)

SCENES = {
    # what happens: where the lane stands, step by step, all that is answered
    "the counter gives no answer while the entry is open": (
        half_open,
        [steadily(occupancy=UNSEEN)],
        " -> entry_open -",
    ),
    "the exit's contact gives no answer for a moment in a lane that is ready": (
        ready,
        [sees(exit_door=BLIND), waits(0.5), sees(exit_door=CLOSED), waits(1)],
        " -> ready -",
    ),
    "a housing's contact gives no answer during the check": (
        identity,
        [sees(tamper=TriState.UNKNOWN), waits(0.5)],
        " -> identity_check -",
    ),
    "a housing's contact gives no answer while a lane would open": (
        out_of_service,
        [sees(tamper=TriState.UNKNOWN), QR_BACK],
        "exit shuts, entry shuts, ends the call, says starting -> out_of_service starting",
    ),
    "the loop gives no answer while a lane would open": (
        out_of_service,
        [sees(emergency=TriState.UNKNOWN), QR_BACK],
        "exit shuts, entry shuts, ends the call, says starting -> out_of_service starting",
    ),
    "a pass is shown while a housing's contact gives no answer": (
        ready,
        [sees(tamper=TriState.UNKNOWN), read()],
        " -> ready -",
    ),
    "a pass is shown while the entry moves": (
        ready,
        [sees(entry_door=MOVING), read()],
        " -> ready -",
    ),
    "both match while the entry beam gives no answer": (
        identity,
        [sees(entry_beam=TriState.UNKNOWN), *BOTH_MATCH, waits(0.5)],
        " -> identity_check -",
    ),
    "both match while the entry moves": (
        identity,
        [sees(entry_door=MOVING), *BOTH_MATCH, waits(0.1)],
        " -> identity_check -",
    ),
    "both match after a second person was shown for a moment": (
        identity,
        [sees(occupancy=MANY), waits(0.1), sees(occupancy=ONE), waits(STEADY), *BOTH_MATCH, waits(2)],
        "exit opens, forgets, says step_out -> exit_open -",
    ),
    "both match too soon after a second person was shown": (
        identity,
        [sees(occupancy=MANY), waits(0.1), sees(occupancy=ONE), waits(STEADY), *BOTH_MATCH, waits(1)],
        " -> identity_check -",
    ),
    "both match while the counter just shows nobody": (
        identity,
        [sees(occupancy=NOBODY), *BOTH_MATCH],
        " -> identity_check -",
    ),
    "both match after the counter gave no answer for a moment": (
        identity,
        [sees(occupancy=UNSEEN), waits(0.1), sees(occupancy=ONE), waits(STEADY), *BOTH_MATCH],
        "exit opens, forgets, says step_out -> exit_open -",
    ),
    "the exit beam gives no answer for a moment and nobody is inside": (
        exit_open,
        [sees(exit_door=OPEN), sees(exit_beam=TriState.UNKNOWN), sees(exit_beam=CLEAR), steadily(occupancy=NOBODY)],
        " -> exit_open -",
    ),
    "an officer releases while the exit beam gives no answer": (
        referral,
        [sees(exit_beam=TriState.UNKNOWN), RELEASED, sees(exit_beam=CLEAR, exit_door=OPEN), steadily(occupancy=NOBODY)],
        "notes officer_released, exit opens, says step_out -> exit_open officer_released",
    ),
    "the exit is found open whose contact gave no answer when the officer was called": (
        identity,
        [sees(exit_door=BLIND), HELP, steadily(exit_door=OPEN)],
        "notes assistance_requested, exit shuts, entry shuts, forgets, calls assistance_requested, says wait_for_officer -> officer_referral assistance_requested",
    ),
    "the entry's contact gives no answer when the way back begins, and it is shut": (
        half_open,
        [sees(entry_door=BLIND), steadily(occupancy=MANY), sees(entry_door=CLOSED), waits(3)],
        "forgets, entry opens, says one_at_a_time; notes latched, exit shuts, entry shuts, calls entry_door_did_not_open, says wait_for_officer -> officer_referral entry_door_did_not_open",
    ),
    "the exit's contact gives no answer when the officer is called, and whoever came in went back": (
        occupancy,
        [sees(exit_door=BLIND), sees(tamper=BROKEN), sees(tamper=CLEAR, exit_door=CLOSED), steadily(occupancy=NOBODY), sees(entry_door=CLOSED)],
        "exit shuts, entry shuts, forgets, calls tamper, says wait_for_officer; records abandoned backed_out, ends the call, says show_code -> ready -",
    ),
    "the entry beam of a doorless entry gives no answer during the check": (
        single_identity,
        [sees(entry_beam=TriState.UNKNOWN), waits(0.5)],
        "forgets, says wait_inside -> occupancy_check inputs_unknown",
    ),
    "the exit beam gives no answer when the chamber should be clear": (
        nobody_came,
        [sees(entry_door=CLOSED, exit_beam=TriState.UNKNOWN), waits(5.1)],
        "exit shuts, entry shuts, calls occupancy_unknown, says wait_for_officer -> officer_referral occupancy_unknown",
    ),
    "a door is not known while an officer is called and nobody is inside": (
        referral,
        [steadily(entry_door=BLIND, occupancy=NOBODY)],
        " -> officer_referral assistance_requested",
    ),
    "somebody stands in the entry while an officer is called and nobody is inside": (
        referral,
        [steadily(entry_beam=BROKEN, occupancy=NOBODY)],
        " -> officer_referral assistance_requested",
    ),
    "somebody stands in the exit while an officer is called and nobody is inside": (
        referral,
        [steadily(exit_beam=BROKEN, occupancy=NOBODY)],
        " -> officer_referral assistance_requested",
    ),
    "the board only seems to answer while an officer is called and nobody is inside": (
        referral,
        [BOARD_LOST, steadily(occupancy=NOBODY)],
        " -> officer_referral assistance_requested",
    ),
    "a re-arm while the board only seems to answer": (
        emergency,
        [BOARD_LOST, steadily(emergency=CLEAR), REARMED],
        "notes rearm_refused -> emergency emergency",
    ),
    "an officer's hand while the board only seems to answer": (
        out_of_service,
        [BOARD_LOST, sees(occupancy=UNSEEN), RELEASED, RETURNED],
        "exit shuts, entry shuts, calls io_board_lost; notes act_refused *2 -> out_of_service io_board_lost",
    ),
    "somebody stands in the exit when the chamber should be clear": (
        nobody_came,
        [sees(entry_door=CLOSED, exit_beam=BROKEN), waits(5.1)],
        "exit shuts, entry shuts, calls beam_blocked, says wait_for_officer -> officer_referral beam_blocked",
    ),
    "the entry stands open when the chamber should be clear": (
        nobody_came,
        [waits(5.1)],
        "exit shuts, entry shuts, calls entry_door_did_not_close, says wait_for_officer -> officer_referral entry_door_did_not_close",
    ),
    "whoever did not go is gone, and nobody was in the exit": (
        exit_open,
        [sees(exit_door=OPEN), waits(8.1), sees(exit_door=CLOSED), steadily(occupancy=NOBODY)],
        "exit shuts, entry shuts, calls never_exited, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "whoever went back is gone, and the exit moved": (
        half_open,
        [BOARD_LOST, BOARD_BACK, sees(exit_door=MOVING), sees(exit_door=CLOSED, entry_door=CLOSED), steadily(occupancy=NOBODY)],
        "exit shuts, entry shuts, forgets, calls io_board_lost, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "whoever went back is gone, and the exit was in doubt": (
        half_open,
        [BOARD_LOST, BOARD_BACK, sees(exit_door=BLIND), waits(1.1), sees(exit_door=CLOSED, entry_door=CLOSED), steadily(occupancy=NOBODY)],
        "exit shuts, entry shuts, forgets, calls io_board_lost, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "the exit was ordered open, the entry moved, and nobody is inside": (
        exit_open,
        [waits(3.1), sees(entry_door=MOVING), sees(entry_door=CLOSED), steadily(occupancy=NOBODY)],
        "notes latched, exit shuts, entry shuts, calls exit_door_did_not_open, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "somebody walked in by a doorless entry, and the exit beam was interrupted behind a closed exit": (
        single_closed,
        [sees(exit_beam=BROKEN), sees(exit_beam=CLEAR), walk_in],
        "says go_back -> return_path walked_in",
    ),
    "somebody may have come in by the exit of a lane with a doorless entry": (
        single_closed,
        [sees(exit_door=BLIND), waits(1.1), sees(exit_door=CLOSED, exit_beam=BROKEN), sees(exit_beam=CLEAR), walk_in],
        "exit shuts, calls reverse_entry, says wait_for_officer -> officer_referral reverse_entry",
    ),
    "somebody walked in by a doorless entry while the exit is not known": (
        single_closed,
        [sees(exit_door=BLIND), walk_in],
        "exit shuts, calls reverse_entry, says wait_for_officer -> officer_referral reverse_entry",
    ),
    "a check ends before it was started": (
        occupancy,
        [*BOTH_MATCH, sees(entry_door=CLOSED), waits(1)],
        "says finger_and_face, checks fingerprint, checks face, checks pad -> identity_check -",
    ),
    "a check of another crossing ends": (
        identity,
        [told(e.CheckEnded("old", Modality.FACE, CheckOutcome.SUCCESSFUL)), ends(Modality.FINGERPRINT), waits(1)],
        " -> identity_check -",
    ),
    "a check that failed ends again, and well": (
        with_either,
        [ends(Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH), ends(Modality.FACE), waits(1)],
        " -> identity_check -",
    ),
    "one match is enough where either is": (
        with_either,
        [ends(Modality.FACE)],
        "exit opens, forgets, says step_out -> exit_open -",
    ),
    "an undetermined check is no match where one is enough": (
        with_either,
        [ends(Modality.FACE, CheckOutcome.UNDETERMINED, Reason.FACE_NOT_CAPTURED), waits(1)],
        " -> identity_check -",
    ),
    "an aborted check is no match where one is enough": (
        with_either,
        [ends(Modality.FACE, CheckOutcome.ABORTED, Reason.FACE_NOT_CAPTURED), waits(1)],
        " -> identity_check -",
    ),
    "a mismatch says more than a capture that did not come about": (
        with_either,
        [
            ends(Modality.FACE, CheckOutcome.UNDETERMINED, Reason.FACE_NOT_CAPTURED),
            ends(Modality.FINGERPRINT, CheckOutcome.FAILED, Reason.FINGERPRINT_MISMATCH),
        ],
        "exit shuts, entry shuts, forgets, calls fingerprint_mismatch, says wait_for_officer -> officer_referral fingerprint_mismatch",
    ),
    "two checks that did not come about": (
        with_either,
        [
            ends(Modality.FINGERPRINT, CheckOutcome.UNDETERMINED, Reason.FINGERPRINT_MISMATCH),
            ends(Modality.FACE, CheckOutcome.ABORTED, Reason.FACE_NOT_CAPTURED),
        ],
        "exit shuts, entry shuts, forgets, calls face_not_captured, says wait_for_officer -> officer_referral face_not_captured",
    ),
    "an undetermined check where both are needed": (
        identity,
        [ends(Modality.FACE, CheckOutcome.UNDETERMINED, Reason.FACE_NOT_CAPTURED)],
        "exit shuts, entry shuts, forgets, calls face_not_captured, says wait_for_officer -> officer_referral face_not_captured",
    ),
    "an aborted check where both are needed": (
        identity,
        [ends(Modality.FACE, CheckOutcome.ABORTED, Reason.FACE_NOT_CAPTURED)],
        "exit shuts, entry shuts, forgets, calls face_not_captured, says wait_for_officer -> officer_referral face_not_captured",
    ),
    "a check that failed without a reason": (
        identity,
        [ends(Modality.FACE, CheckOutcome.FAILED)],
        "exit shuts, entry shuts, forgets, calls identity_timed_out, says wait_for_officer -> officer_referral identity_timed_out",
    ),
    "the finger alone where an officer has the last word on the face": (
        with_officer,
        [ends(Modality.FINGERPRINT), waits(1)],
        " -> identity_check -",
    ),
    "the finger fails where an officer has the last word on the face": (
        with_officer,
        [ends(Modality.FINGERPRINT, CheckOutcome.FAILED, Reason.FINGERPRINT_MISMATCH), waits(1)],
        " -> identity_check -",
    ),
    "the face fails where an officer has the last word": (
        with_officer,
        [ends(Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH)],
        "exit shuts, entry shuts, forgets, calls face_mismatch, says wait_for_officer -> officer_referral face_mismatch",
    ),
    "a refusal is forgotten with the next pass": (
        ready,
        [read(), told(e.PassRefused("x", Reason.PASS_EXPIRED)), lambda lane: lane.admit("y").enter().verify("y").leave()],
        "verifies, says checking_code; records refused pass_expired, says code_expired; verifies, says checking_code; looks up; claims; entry opens, prepares, watches, says step_in; entry shuts, says wait_inside; says finger_and_face, checks fingerprint, checks face, checks pad; exit opens, forgets, says step_out; exit shuts; records completed well, says show_code -> ready -",
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene(new_lane, scene):
    place, steps, answered = SCENES[scene]
    assert answers(place(new_lane), steps) == answered


@pytest.mark.invariant("INV-3")
@pytest.mark.parametrize("signal", ["entry_door", "exit_door", "entry_beam", "exit_beam", "emergency", "tamper", "occupancy"])
def test_a_signal_that_stays_unknown_closes_a_lane_that_is_ready_and_no_pass_is_taken_meanwhile(new_lane, signal):
    unknown = {"entry_door": BLIND, "exit_door": BLIND, "occupancy": UNSEEN}.get(signal, TriState.UNKNOWN)
    lane = ready(new_lane)
    assert answers(lane, [sees(**{signal: unknown}), waits(0.5), told(e.PassRead("x", "T"))]) == " -> ready -"
    waits(0.6)(lane)
    assert lane.controller.state is State.OUT_OF_SERVICE
    named = {"entry_door": "door_sensors_disagree", "exit_door": "door_sensors_disagree", "occupancy": "occupancy_unknown"}
    assert lane.controller.reason.code == named.get(signal, "inputs_unknown")


@pytest.mark.parametrize(
    ("changes", "policy", "reason"),
    [
        ({}, {}, None),
        ({"age_years": 11}, {}, None),
        ({"age_years": 10}, {}, "under_age"),
        ({"age_years": 7}, {"minimum_age": 7}, None),
        ({"age_years": 6}, {"minimum_age": 7}, "under_age"),
        ({"registered_with": frozenset(Region)}, {}, None),
        ({"registered_with": frozenset()}, {}, "not_registered_here"),
        ({"registered_with": frozenset({Region.MO})}, {"region": Region.HK, "direction": Direction.MO_TO_HK}, "not_registered_here"),
        ({"registered_with": frozenset({Region.HK})}, {"region": Region.HK, "direction": Direction.MO_TO_HK}, None),
        ({"registered_for_s": 0.0}, {"registered_min_s": 0.0}, None),
        ({"registered_for_s": 0.0, "age_years": 6}, {"minimum_age": 7}, "registered_too_recently"),
        ({"suspended": True, "age_years": 10}, {}, "enrolment_suspended"),
        ({"registered_with": frozenset({Region.HK})}, {}, "not_registered_here"),
        ({"registered_for_s": 10800.0}, {}, None),
        ({"registered_for_s": 10799.0}, {}, "registered_too_recently"),
        ({"fingers": 0}, {}, "no_template"),
        ({"fingers": 0}, {"biometric_rule": BiometricRule.EITHER}, None),
        ({"face": False}, {}, "no_template"),
        ({"face": False}, {"biometric_rule": BiometricRule.EITHER}, "no_template"),
    ],
)
def test_who_may_use_the_lane(new_lane, changes, policy, reason):
    lane = passing(new_lane, **policy)
    told(e.PassVerified("x", PASS))(lane)
    answered = answers(lane, [told(e.EnrolmentFound("x", replace(ADULT, **changes)))])
    if reason is None:
        assert answered == "claims -> pass_check -"
    else:
        assert answered.startswith(f"records refused {reason}, says ")
        assert answered.endswith(f" -> ready {reason}")
