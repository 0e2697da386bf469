"""How crossings end that were nearly over, what comes first of two things at the same moment, and lanes without an entry door: what is answered, to the last word."""

from __future__ import annotations

import pytest

from gate_controller.core import events as e
from gate_controller.core.values import Modality, TriState
from tests.core.conftest import ADULT, PASS
from tests.core.scenes import (
    BLIND,
    BOARD_BACK,
    BOARD_LOST,
    BROKEN,
    CLEAR,
    CLOSED,
    EMERGENCY,
    FINGER_BACK,
    FINGER_LOST,
    MANY,
    NOBODY,
    ONE,
    OPEN,
    QR_LOST,
    STEADY,
    STOP,
    STOP_AT_ONCE,
    UNSEEN,
    answers,
    backing,
    ends,
    entry_open,
    exit_open,
    half_open,
    identity,
    late,
    late_released,
    later,
    leaving,
    nobody_came,
    nobody_helped,
    occupancy,
    officer_releases,
    out_of_service,
    passing,
    ready,
    referral,
    sees,
    single_clearing,
    single_closed,
    single_exit_open,
    single_identity,
    single_passing,
    single_ready,
    started,
    steadily,
    told,
    undecided,
    waits,
    walk_in,
    with_officer,
)

SCENES = {
    # what happens: where the lane stands, step by step, all that is answered
    "whoever went back after a device was lost is recorded as returned": (
        half_open,
        [steadily(occupancy=ONE, entry_beam=BROKEN), FINGER_LOST, FINGER_BACK, sees(entry_beam=CLEAR), steadily(occupancy=NOBODY), sees(entry_door=CLOSED)],
        "forgets, entry opens, says go_back; entry shuts; records returned fingerprint_lost, says show_code -> ready -",
    ),
    "a device lost before anybody was inside and back since": (
        half_open,
        [FINGER_LOST, FINGER_BACK, sees(entry_door=CLOSED), waits(STEADY)],
        "entry shuts, forgets; records aborted fingerprint_lost, says show_code -> ready -",
    ),
    "an entry that does not open in a lane that may not open either": (
        entry_open,
        [QR_LOST, waits(3.1)],
        "entry shuts, notes latched, forgets, exit shuts, entry shuts, calls qr_camera_lost, records aborted entry_door_did_not_open, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "whoever slipped in went back": (
        occupancy,
        [steadily(occupancy=MANY), steadily(occupancy=NOBODY), sees(entry_door=CLOSED), waits(STEADY)],
        "forgets, entry opens, says one_at_a_time; entry shuts; records returned tailgating, says show_code -> ready -",
    ),
    "nobody is left during the check of a lane that may not open either": (
        identity,
        [QR_LOST, steadily(occupancy=NOBODY)],
        "notes latched, forgets, exit shuts, entry shuts, calls qr_camera_lost, records aborted left_unseen, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "the exit beam is interrupted behind a closed entry": (
        occupancy,
        [sees(exit_beam=BROKEN, entry_door=CLOSED), waits(1)],
        " -> occupancy_check -",
    ),
    "somebody outside leans into the entry beam during the check": (
        identity,
        [sees(entry_beam=BROKEN), waits(1)],
        " -> identity_check -",
    ),
    "somebody outside leans into the entry beam while the exit is open": (
        exit_open,
        [sees(entry_beam=BROKEN), waits(1)],
        " -> exit_open -",
    ),
    "the face matches where an officer has the last word": (
        with_officer,
        [ends(Modality.FACE)],
        "exit shuts, entry shuts, forgets, calls officer_confirmation, says wait_for_officer -> officer_referral officer_confirmation",
    ),
    "the board was lost while the exit was open and the chamber is empty": (
        leaving,
        [BOARD_LOST, BOARD_BACK, sees(exit_door=CLOSED, occupancy=NOBODY), waits(STEADY)],
        "exit shuts, entry shuts, calls io_board_lost, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "the entry was forced while the exit was open and the chamber is empty": (
        leaving,
        [steadily(entry_door=OPEN), sees(entry_door=CLOSED, exit_door=CLOSED, occupancy=NOBODY), waits(STEADY)],
        "notes latched, exit shuts, entry shuts, calls both_doors_open, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "the entry was in doubt while the exit was open and the chamber is empty": (
        leaving,
        [sees(entry_door=BLIND), waits(1.1), sees(entry_door=CLOSED, exit_door=CLOSED, occupancy=NOBODY), waits(STEADY)],
        "exit shuts, entry shuts, calls door_sensors_disagree, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "somebody came in by the exit and the chamber is empty": (
        leaving,
        [steadily(occupancy=MANY), sees(exit_door=CLOSED, occupancy=NOBODY), waits(STEADY)],
        "exit shuts, entry shuts, calls reverse_entry, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "the exit did not open and the chamber is empty": (
        exit_open,
        [waits(3.1), steadily(occupancy=NOBODY)],
        "notes latched, exit shuts, entry shuts, calls exit_door_did_not_open, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "the exit beam gives no answer when the time to go is over": (
        exit_open,
        [
            sees(exit_door=OPEN),
            waits(7.5),
            sees(occupancy=NOBODY),
            waits(0.4),
            sees(exit_beam=TriState.UNKNOWN),
            waits(0.2),
            sees(exit_beam=CLEAR, exit_door=CLOSED),
        ],
        "exit shuts, entry shuts, calls beam_blocked, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "something was left in the exit and taken away": (
        leaving,
        [sees(exit_beam=BROKEN), steadily(occupancy=NOBODY), waits(8), sees(exit_beam=CLEAR, exit_door=CLOSED)],
        "exit shuts, entry shuts, calls beam_blocked, says wait_for_officer; records completed well, ends the call, says show_code -> ready -",
    ),
    "the counter is restless after nobody entered": (
        nobody_came,
        [sees(entry_door=CLOSED, occupancy=UNSEEN), waits(1)],
        " -> clearing nobody_entered",
    ),
    "somebody comes in after the time to come in, while the entry closes": (
        nobody_came,
        [steadily(occupancy=ONE)],
        " -> clearing nobody_entered",
    ),
    "somebody who came in too late went back": (
        nobody_came,
        [sees(occupancy=ONE), sees(entry_door=CLOSED), waits(STEADY), steadily(entry_door=OPEN, occupancy=NOBODY), sees(entry_door=CLOSED)],
        "entry opens, says go_back; entry shuts; records returned stayed_inside, says show_code -> ready -",
    ),
    "a stop at once comes before a door that is found forced at that moment": (
        ready,
        [sees(exit_door=OPEN), later(STEADY), STOP_AT_ONCE],
        "exit shuts, entry shuts, says lane_closed -> out_of_service stopping",
    ),
    "a forced door comes before a device that is lost at that moment": (
        ready,
        [sees(exit_door=OPEN), later(STEADY), QR_LOST],
        "notes latched, exit shuts, entry shuts, calls door_forced, says lane_closed, exit shuts, entry shuts, calls qr_camera_lost -> out_of_service qr_camera_lost",
    ),
    "an answer does not give the pass check more time": (
        passing,
        [waits(1.5), told(e.PassVerified("x", PASS)), waits(0.6)],
        "looks up; records refused pass_check_timed_out, says try_again_later -> ready pass_check_timed_out",
    ),
    "an enrolment does not give the pass check more time": (
        passing,
        [told(e.PassVerified("x", PASS)), waits(1.5), told(e.EnrolmentFound("x", ADULT)), waits(0.6)],
        "looks up; claims; records refused pass_check_timed_out, says try_again_later -> ready pass_check_timed_out",
    ),
    "an enrolment before the pass is verified entitles to nothing": (
        passing,
        [told(e.EnrolmentFound("x", ADULT)), told(e.AdmissionRecorded("x")), told(e.PassVerified("x", PASS)), told(e.AdmissionRecorded("x"))],
        "looks up -> pass_check -",
    ),
    "somebody is shown before the board is known to work": (
        started,
        [sees(occupancy=ONE), waits(1)],
        " -> out_of_service starting",
    ),
    "somebody walks into a closed lane without an entry door": (
        single_closed,
        [walk_in],
        "says go_back -> return_path walked_in",
    ),
    "somebody walks into one that is being stopped": (
        single_closed,
        [STOP, walk_in],
        " -> out_of_service qr_camera_lost",
    ),
    "somebody walks into one that is ready": (
        single_ready,
        [walk_in],
        "says go_back -> return_path walked_in",
    ),
    "somebody walks into one while a pass is checked": (
        single_passing,
        [walk_in],
        "says go_back -> return_path walked_in",
    ),
    "whoever is checked walks back": (
        single_identity,
        [sees(exit_beam=BROKEN), steadily(occupancy=NOBODY), waits(1)],
        "forgets -> clearing backed_out",
    ),
    "somebody stands in the entry during the check": (
        single_identity,
        [sees(entry_beam=BROKEN), waits(1)],
        "forgets, says wait_inside -> occupancy_check tailgating",
    ),
    "somebody stands in the entry while the exit is open": (
        single_exit_open,
        [sees(entry_beam=BROKEN), waits(1)],
        "exit shuts, calls tailgating, says wait_for_officer -> officer_referral tailgating",
    ),
    "somebody walks in while the lane clears": (
        single_clearing,
        [sees(exit_door=CLOSED, entry_beam=BROKEN), walk_in, waits(6)],
        "says go_back -> clearing walked_in",
    ),
    "a door is forced after it was decided how the crossing ends": (
        undecided,
        [steadily(exit_door=OPEN), sees(exit_door=CLOSED, occupancy=NOBODY), waits(STEADY)],
        "notes latched, exit shuts, entry shuts, calls door_forced; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "somebody who was sent back is gone from a lane that may not open": (
        undecided,
        [QR_LOST, steadily(occupancy=NOBODY)],
        "exit shuts, entry shuts, calls qr_camera_lost, records returned tailgating, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "whoever was released and did not go is still there": (
        late_released,
        [waits(1)],
        " -> officer_referral never_exited",
    ),
    "whoever did not go is still there": (
        late,
        [waits(1)],
        " -> officer_referral never_exited",
    ),
    "whoever was released and did not get the exit open is gone": (
        officer_releases,
        [waits(3.1), steadily(occupancy=NOBODY)],
        "notes latched, exit shuts, entry shuts, calls exit_door_did_not_open, says wait_for_officer; notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "somebody went late from a lane that may not open": (
        late,
        [QR_LOST, steadily(occupancy=NOBODY)],
        "exit shuts, entry shuts, calls qr_camera_lost, records completed well, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "somebody who was released went late from a lane that may not open": (
        late_released,
        [QR_LOST, steadily(occupancy=NOBODY)],
        "exit shuts, entry shuts, calls qr_camera_lost, records released_by_officer officer_released, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "somebody went back from a lane that may not open": (
        backing,
        [QR_LOST, steadily(occupancy=NOBODY)],
        "exit shuts, entry shuts, calls qr_camera_lost, records abandoned backed_out, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "nobody is left though nobody saw them go, in a lane that may not open": (
        referral,
        [QR_LOST, steadily(occupancy=NOBODY)],
        "notes latched, exit shuts, entry shuts, calls qr_camera_lost, records aborted left_unseen, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "nobody takes the call and the board only seems to answer": (
        referral,
        [BOARD_LOST, sees(), waits(61)],
        "calls assistance_requested 1 -> officer_referral assistance_requested",
    ),
    "whoever took the way back because nobody came": (
        nobody_helped,
        [steadily(occupancy=NOBODY), sees(entry_door=CLOSED)],
        "entry shuts; records returned assistance_requested, ends the call, says show_code -> ready -",
    ),
    "an emergency comes before a forced door in a lane that is ready": (
        ready,
        [sees(exit_door=OPEN), later(STEADY), EMERGENCY],
        "exit shuts, entry opens at once, notes emergency, calls emergency, says emergency_exit -> emergency emergency",
    ),
    "an emergency comes before a forced door in the pass check": (
        passing,
        [sees(exit_door=OPEN), later(STEADY), EMERGENCY],
        "exit shuts, entry opens at once, notes emergency, records emergency emergency, calls emergency, says emergency_exit -> emergency emergency",
    ),
    "an emergency comes before a forced door in the count": (
        occupancy,
        [sees(exit_door=OPEN), later(STEADY), EMERGENCY],
        "exit shuts, entry opens at once, notes emergency, forgets, records emergency emergency, calls emergency, says emergency_exit -> emergency emergency",
    ),
    "an emergency comes before a forced door in the check": (
        identity,
        [sees(exit_door=OPEN), later(STEADY), EMERGENCY],
        "exit shuts, entry opens at once, notes emergency, forgets, records emergency emergency, calls emergency, says emergency_exit -> emergency emergency",
    ),
    "an emergency comes before a forced door while an officer is called": (
        referral,
        [sees(exit_door=OPEN), later(STEADY), EMERGENCY],
        "exit shuts, entry opens at once, notes emergency, records emergency emergency, calls emergency, says emergency_exit -> emergency emergency",
    ),
    "an emergency comes before whoever walked in": (
        single_closed,
        [sees(entry_beam=BROKEN, occupancy=ONE), sees(entry_beam=CLEAR), later(STEADY), EMERGENCY],
        "exit shuts, notes emergency, calls emergency, says emergency_exit -> emergency emergency",
    ),
    "an emergency comes before whoever walked into a lane with an entry door": (
        out_of_service,
        [sees(occupancy=ONE), later(STEADY), EMERGENCY],
        "exit shuts, entry opens at once, notes emergency, calls emergency, says emergency_exit -> emergency emergency",
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene(new_lane, scene):
    place, steps, answered = SCENES[scene]
    assert answers(place(new_lane), steps) == answered
