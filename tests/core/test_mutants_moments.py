"""Two things at the same moment, and which of them decides: what is answered, to the last word. Rows of one state that are tried in the wrong order are seen here."""

from __future__ import annotations

import pytest

from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, Modality, TriState
from tests.core.scenes import (
    BLIND,
    BOARD_LOST,
    BROKEN,
    CLEAR,
    CLOSED,
    FINGER_LOST,
    MANY,
    MOVING,
    NOBODY,
    ONE,
    OPEN,
    QR_LOST,
    REARMED,
    RELEASED,
    RETURNED,
    STEADY,
    TIMER,
    UNSEEN,
    answers,
    ends,
    entry_open,
    exit_open,
    half_open,
    identity,
    late,
    later,
    leaving,
    occupancy,
    officer_returns,
    out_of_service,
    passing,
    read,
    ready,
    referral,
    restarted,
    returning,
    sees,
    single_entry_open,
    single_exit_open,
    single_identity,
    single_leaving,
    single_nobody_came,
    started,
    steadily,
    told,
    waits,
    with_officer,
)

SCENES = {
    # what happens: where the lane stands, step by step, all that is answered
    "a device is lost at the moment a call goes on unanswered": (
        out_of_service,
        [later(61), told(e.DeviceLost(Device.JOURNAL))],
        "exit shuts, entry shuts, calls journal_lost, calls journal_lost 1 -> out_of_service journal_lost",
    ),
    "a device is lost at the moment a refusal was shown for long enough": (
        ready,
        [read(), told(e.PassRefused("x", Reason.PASS_EXPIRED)), later(3.1), QR_LOST],
        "verifies, says checking_code; records refused pass_expired, says code_expired; exit shuts, entry shuts, calls qr_camera_lost, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "a device is lost at the moment the pass check took too long": (
        passing,
        [later(2.1), QR_LOST],
        "exit shuts, entry shuts, calls qr_camera_lost, records refused qr_camera_lost, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "a device is lost at the moment a lane that does not come up would call": (
        started,
        [later(61), BOARD_LOST],
        "exit shuts, entry shuts, calls io_board_lost, says lane_closed, calls io_board_lost 1 -> out_of_service io_board_lost",
    ),
    "two are inside at the moment a device is lost": (
        half_open,
        [sees(occupancy=MANY), later(STEADY), FINGER_LOST],
        "forgets, entry opens, says one_at_a_time -> return_path tailgating",
    ),
    "inputs are unknown for as long as the exit is in doubt": (
        half_open,
        [
            sees(exit_door=MOVING, entry_beam=TriState.UNKNOWN),
            waits(0.2),
            sees(exit_door=BLIND),
            waits(0.6),
            sees(exit_door=MOVING, occupancy=ONE),
            waits(0.25),
        ],
        "exit shuts, entry shuts, forgets, calls inputs_unknown, says wait_for_officer -> officer_referral inputs_unknown",
    ),
    "one is inside at the moment the entry should have opened": (
        entry_open,
        [sees(occupancy=ONE, entry_beam=BROKEN), later(3.1), sees(entry_beam=CLEAR)],
        "entry shuts, says wait_inside, says finger_and_face, checks fingerprint, checks face, checks pad -> identity_check -",
    ),
    "the entry did not open at the moment the time to come in is over": (
        entry_open,
        [later(8.1), TIMER],
        "entry shuts, notes latched, forgets, exit shuts, entry shuts, calls entry_door_did_not_open, records aborted entry_door_did_not_open, says lane_closed -> out_of_service entry_door_did_not_open",
    ),
    "the entry did not close at the moment the count took too long": (
        occupancy,
        [later(7.1), TIMER],
        "exit shuts, entry shuts, forgets, calls entry_door_did_not_close, says wait_for_officer -> officer_referral entry_door_did_not_close",
    ),
    "the exit is forced at the moment a housing is opened": (
        identity,
        [sees(exit_door=OPEN), later(STEADY), sees(tamper=BROKEN)],
        "notes latched, exit shuts, entry shuts, forgets, calls door_forced, says wait_for_officer -> officer_referral door_forced",
    ),
    "the exit is forced at the moment a housing is opened, before the check": (
        occupancy,
        [sees(exit_door=OPEN), later(STEADY), sees(tamper=BROKEN)],
        "notes latched, exit shuts, entry shuts, forgets, calls door_forced, says wait_for_officer -> officer_referral door_forced",
    ),
    "the entry is forced at the moment a housing is opened": (
        identity,
        [sees(entry_door=OPEN), later(STEADY), sees(tamper=BROKEN)],
        "notes latched, exit shuts, entry shuts, forgets, calls door_forced, says wait_for_officer -> officer_referral door_forced",
    ),
    "a housing is opened at the moment the inputs are unknown for too long": (
        identity,
        [sees(entry_beam=TriState.UNKNOWN), later(1.1), sees(tamper=BROKEN)],
        "exit shuts, entry shuts, forgets, calls tamper, says wait_for_officer -> officer_referral tamper",
    ),
    "a device is lost at the moment two are inside": (
        identity,
        [sees(occupancy=MANY), later(STEADY), FINGER_LOST],
        "exit shuts, entry shuts, forgets, calls fingerprint_lost, says wait_for_officer -> officer_referral fingerprint_lost",
    ),
    "nobody is inside at the moment the face does not match": (
        identity,
        [sees(occupancy=NOBODY), later(STEADY), ends(Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH)],
        "notes latched, forgets, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "a second face is seen beside the right one, where an officer has the last word": (
        with_officer,
        [ends(Modality.FACE, CheckOutcome.SUCCESSFUL, Reason.SEVERAL_FACES)],
        "exit shuts, entry shuts, forgets, calls several_faces, says wait_for_officer -> officer_referral several_faces",
    ),
    "the face ends well at the moment the time is over, where an officer has the last word": (
        with_officer,
        [later(20.1), ends(Modality.FACE)],
        "exit shuts, entry shuts, forgets, calls officer_confirmation, says wait_for_officer -> officer_referral officer_confirmation",
    ),
    "the second check ends well at the moment the time is over": (
        identity,
        [ends(Modality.FINGERPRINT), later(20.1), ends(Modality.FACE)],
        "exit shuts, entry shuts, forgets, calls identity_timed_out, says wait_for_officer -> officer_referral identity_timed_out",
    ),
    "the entry is forced at the moment the inputs are unknown for too long": (
        leaving,
        [sees(exit_beam=TriState.UNKNOWN), waits(0.75), sees(entry_door=OPEN), later(STEADY), TIMER],
        "notes latched, exit shuts, entry shuts, calls both_doors_open, says wait_for_officer -> officer_referral both_doors_open",
    ),
    "inputs are unknown for as long as the entry is in doubt": (
        leaving,
        [sees(entry_door=MOVING, exit_beam=TriState.UNKNOWN), waits(0.2), sees(entry_door=BLIND), waits(0.6), sees(entry_door=MOVING), waits(0.25)],
        "exit shuts, entry shuts, calls inputs_unknown, says wait_for_officer -> officer_referral inputs_unknown",
    ),
    "the traveller is out at the moment the time is over": (
        leaving,
        [waits(7.75), sees(occupancy=NOBODY), later(STEADY), TIMER],
        "exit shuts -> clearing -",
    ),
    "nobody is inside at the moment the time is over, and the exit never opened": (
        exit_open,
        [sees(occupancy=NOBODY), later(8.1), TIMER],
        "exit shuts, notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "the same with somebody in the exit beam": (
        exit_open,
        [sees(occupancy=NOBODY, exit_beam=BROKEN), later(8.1), TIMER],
        "notes latched, exit shuts, entry shuts, calls exit_door_did_not_open, says wait_for_officer -> officer_referral exit_door_did_not_open",
    ),
    "the exit is forced at the moment it is in doubt for too long": (
        returning,
        [sees(exit_door=OPEN), later(1.1), TIMER],
        "notes latched, exit shuts, entry shuts, calls both_doors_open, says wait_for_officer -> officer_referral both_doors_open",
    ),
    "the exit is in doubt for too long at the moment everybody went back": (
        returning,
        [sees(exit_door=BLIND), waits(0.7), sees(occupancy=NOBODY), later(STEADY), TIMER],
        "exit shuts, entry shuts, calls door_sensors_disagree, says wait_for_officer -> officer_referral door_sensors_disagree",
    ),
    "the entry did not open at the moment the time to go back is over": (
        officer_returns,
        [later(16), TIMER],
        "notes latched, exit shuts, entry shuts, calls entry_door_did_not_open, says wait_for_officer -> officer_referral entry_door_did_not_open",
    ),
    "the chamber is empty at the moment nobody took the call": (
        referral,
        [waits(59.7), sees(occupancy=NOBODY), later(STEADY), TIMER],
        "notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "whoever was checked and then released went late": (
        late,
        [RELEASED, sees(exit_door=OPEN), sees(exit_beam=BROKEN), waits(8.1), sees(exit_beam=CLEAR, exit_door=CLOSED), steadily(occupancy=NOBODY)],
        "notes officer_released, exit opens, says step_out; exit shuts, entry shuts, says wait_for_officer; records released_by_officer officer_released, ends the call, says show_code -> ready -",
    ),
    "a re-arm after an emergency before a restart, with somebody sent back since": (
        restarted,
        [RETURNED, sees(entry_door=OPEN, occupancy=ONE), waits(16), sees(entry_door=CLOSED, occupancy=UNSEEN), REARMED],
        "notes officer_returned, entry opens, says go_back; exit shuts, entry shuts, calls stayed_inside, says wait_for_officer; notes rearm_refused -> officer_referral stayed_inside",
    ),
    "two are inside at the moment somebody stands in the entry": (
        single_identity,
        [sees(occupancy=MANY), later(STEADY), sees(entry_beam=BROKEN)],
        "forgets, says one_at_a_time -> return_path tailgating",
    ),
    "nobody is inside at the moment somebody stands in the entry": (
        single_identity,
        [sees(occupancy=NOBODY), later(STEADY), sees(entry_beam=BROKEN)],
        "forgets, says wait_inside -> clearing backed_out",
    ),
    "somebody stands in the entry at the moment two are inside, and the exit is open": (
        single_exit_open,
        [sees(occupancy=MANY), later(STEADY), sees(entry_beam=BROKEN)],
        "exit shuts, calls tailgating, says wait_for_officer -> officer_referral tailgating",
    ),
    "somebody came in again at the moment the chamber should be clear": (
        single_nobody_came,
        [waits(4.7), sees(occupancy=ONE), later(STEADY), TIMER],
        "says go_back -> return_path stayed_inside",
    ),
    "the entry was in doubt by turns while the exit was open and the chamber is empty": (
        leaving,
        [
            sees(entry_door=MOVING),
            waits(0.2),
            sees(entry_door=BLIND),
            waits(0.5),
            sees(entry_door=MOVING),
            waits(0.2),
            sees(entry_door=BLIND),
            waits(0.2),
            sees(entry_door=CLOSED, exit_door=CLOSED, occupancy=NOBODY),
            waits(STEADY),
        ],
        "exit shuts, entry shuts, calls door_sensors_disagree, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "somebody leans into the entry beam of a lane with an entry door just as the traveller goes": (
        leaving,
        [sees(occupancy=NOBODY), sees(entry_beam=BROKEN)],
        " -> exit_open -",
    ),
    "somebody steps into a doorless entry just as the traveller goes": (
        single_leaving,
        [sees(occupancy=NOBODY), sees(entry_beam=BROKEN)],
        "exit shuts, calls tailgating, says wait_for_officer -> officer_referral tailgating",
    ),
    "somebody steps into a doorless entry, and the exit was not seen open": (
        single_exit_open,
        [sees(exit_beam=BROKEN), sees(exit_beam=CLEAR, occupancy=NOBODY), sees(entry_beam=BROKEN)],
        "exit shuts, calls tailgating, says wait_for_officer -> officer_referral tailgating",
    ),
    "somebody steps into a doorless entry, and nobody was seen in the exit": (
        single_exit_open,
        [sees(exit_door=OPEN), sees(occupancy=NOBODY), sees(entry_beam=BROKEN)],
        "exit shuts, calls tailgating, says wait_for_officer -> officer_referral tailgating",
    ),
    "somebody steps into a doorless entry while the traveller stands in the exit": (
        single_leaving,
        [sees(exit_beam=BROKEN, occupancy=NOBODY), sees(entry_beam=BROKEN)],
        "exit shuts, calls tailgating, says wait_for_officer -> officer_referral tailgating",
    ),
    "somebody steps into a doorless entry while the traveller is still counted": (
        single_leaving,
        [sees(entry_beam=BROKEN)],
        "exit shuts, calls tailgating, says wait_for_officer -> officer_referral tailgating",
    ),
    "the exit is in doubt at the moment one is inside whom the entry beam did not see": (
        single_entry_open,
        [
            sees(exit_door=MOVING),
            waits(0.2),
            sees(exit_door=BLIND),
            waits(0.5),
            sees(exit_door=MOVING, occupancy=ONE),
            waits(0.2),
            sees(exit_door=BLIND),
            later(0.2),
            TIMER,
        ],
        "exit shuts, forgets, calls door_sensors_disagree, says wait_for_officer -> officer_referral door_sensors_disagree",
    ),
    "somebody steps into a doorless entry while the counter gives no answer": (
        single_leaving,
        [sees(occupancy=UNSEEN), sees(entry_beam=BROKEN)],
        "exit shuts, calls tailgating, says wait_for_officer -> officer_referral tailgating",
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene(new_lane, scene):
    place, steps, answered = SCENES[scene]
    assert answers(place(new_lane), steps) == answered
