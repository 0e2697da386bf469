"""Somebody on the way through the lane: what is answered, to the last word. A mistake in one row, guard or action is seen here."""

from __future__ import annotations

import pytest

from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Modality, TriState
from tests.core.scenes import (
    BLIND,
    BOARD_LOST,
    BOTH_MATCH,
    BROKEN,
    CLEAR,
    CLOSED,
    FINGER_LOST,
    HELP,
    MANY,
    MOVING,
    NOBODY,
    ONE,
    OPEN,
    STEADY,
    UNSEEN,
    answers,
    ends,
    entry_open,
    exit_open,
    half_open,
    identity,
    leaving,
    occupancy,
    released,
    sees,
    steadily,
    told,
    waits,
)

SCENES = {
    # what happens: where the lane stands, step by step, all that is answered
    "the board is lost while the entry is open": (
        half_open,
        [BOARD_LOST],
        "exit shuts, entry shuts, forgets, calls io_board_lost, says wait_for_officer -> officer_referral io_board_lost",
    ),
    "the exit is forced while the entry is open": (
        half_open,
        [steadily(exit_door=OPEN)],
        "notes latched, exit shuts, entry shuts, forgets, calls both_doors_open, says wait_for_officer -> officer_referral both_doors_open",
    ),
    "the exit is not known while a second person is inside": (
        half_open,
        [sees(exit_door=BLIND), steadily(occupancy=MANY)],
        " -> entry_open -",
    ),
    "two come in": (
        half_open,
        [steadily(occupancy=MANY)],
        "forgets, entry opens, says one_at_a_time -> return_path tailgating",
    ),
    "a device is lost with somebody inside and the exit moving": (
        half_open,
        [steadily(occupancy=ONE, entry_beam=BROKEN), sees(exit_door=MOVING), FINGER_LOST],
        " -> entry_open -",
    ),
    "a device is lost with somebody in the doorway": (
        half_open,
        [steadily(occupancy=ONE, entry_beam=BROKEN), FINGER_LOST],
        "forgets, entry opens, says go_back -> return_path fingerprint_lost",
    ),
    "a device is lost before anybody is inside": (
        half_open,
        [FINGER_LOST],
        "entry shuts, forgets -> clearing fingerprint_lost",
    ),
    "a device is lost while the counter is restless": (
        half_open,
        [sees(occupancy=ONE), FINGER_LOST],
        " -> entry_open -",
    ),
    "the entry beam is blind": (
        half_open,
        [sees(entry_beam=TriState.UNKNOWN), waits(1.1)],
        "entry shuts, forgets -> clearing inputs_unknown",
    ),
    "the exit is in doubt while the entry is open": (
        half_open,
        [sees(exit_door=MOVING), waits(0.2), sees(exit_door=BLIND), waits(0.5), sees(exit_door=MOVING), waits(0.2), sees(exit_door=BLIND), waits(0.2)],
        "exit shuts, entry shuts, forgets, calls door_sensors_disagree, says wait_for_officer -> officer_referral door_sensors_disagree",
    ),
    "one comes in": (
        half_open,
        [sees(entry_beam=BROKEN), steadily(occupancy=ONE), sees(entry_beam=CLEAR)],
        "entry shuts, says wait_inside -> occupancy_check -",
    ),
    "the entry does not open": (
        entry_open,
        [waits(3.1), waits(STEADY)],
        "entry shuts, notes latched, forgets, exit shuts, entry shuts, calls entry_door_did_not_open, records aborted entry_door_did_not_open, says lane_closed -> out_of_service entry_door_did_not_open",
    ),
    "the entry is still moving": (
        entry_open,
        [sees(entry_door=MOVING), waits(3.1), sees(entry_door=CLOSED), waits(1)],
        " -> entry_open -",
    ),
    "the entry's contact gives no answer": (
        entry_open,
        [waits(2.9), sees(entry_door=BLIND), waits(0.5)],
        " -> entry_open -",
    ),
    "nobody comes in": (
        half_open,
        [waits(8.1), sees(entry_door=CLOSED), waits(STEADY)],
        "entry shuts, forgets; records abandoned nobody_entered, says show_code -> ready -",
    ),
    "nobody is inside and somebody stands in the entry": (
        half_open,
        [sees(entry_beam=BROKEN), waits(8.1)],
        "entry shuts, says wait_inside -> occupancy_check -",
    ),
    "somebody is inside for less than the counter needs when the time is over": (
        half_open,
        [waits(7.9), sees(occupancy=ONE), waits(0.2)],
        "entry shuts, says wait_inside -> occupancy_check -",
    ),
    "the exit is forced before the check": (
        occupancy,
        [steadily(exit_door=OPEN)],
        "notes latched, exit shuts, entry shuts, forgets, calls door_forced, says wait_for_officer -> officer_referral door_forced",
    ),
    "a housing is opened before the check": (
        occupancy,
        [sees(tamper=BROKEN)],
        "exit shuts, entry shuts, forgets, calls tamper, says wait_for_officer -> officer_referral tamper",
    ),
    "a device is lost before the check": (
        occupancy,
        [FINGER_LOST],
        "exit shuts, entry shuts, forgets, calls fingerprint_lost, says wait_for_officer -> officer_referral fingerprint_lost",
    ),
    "a second person slips in": (
        occupancy,
        [steadily(occupancy=MANY)],
        "forgets, entry opens, says one_at_a_time -> return_path tailgating",
    ),
    "a second person slips in and the exit is not known": (
        occupancy,
        [sees(exit_door=BLIND), steadily(occupancy=MANY)],
        " -> occupancy_check -",
    ),
    "somebody backs out and the entry is still open": (
        occupancy,
        [steadily(occupancy=NOBODY)],
        " -> occupancy_check -",
    ),
    "somebody backs out": (
        occupancy,
        [steadily(occupancy=NOBODY), sees(entry_door=CLOSED), waits(STEADY)],
        "forgets, records abandoned backed_out, says show_code -> ready -",
    ),
    "the counter is restless behind a closed entry": (
        half_open,
        [waits(7.9), sees(occupancy=ONE), waits(0.2), sees(occupancy=UNSEEN), sees(occupancy=ONE), sees(entry_door=CLOSED)],
        "entry shuts, says wait_inside -> occupancy_check -",
    ),
    "somebody stands in the entry behind which it closed": (
        occupancy,
        [sees(entry_beam=BROKEN, entry_door=CLOSED), waits(1)],
        " -> occupancy_check -",
    ),
    "somebody stands in the exit before the check": (
        occupancy,
        [sees(exit_beam=BROKEN, entry_door=CLOSED), waits(0.5), sees(exit_beam=CLEAR)],
        "says finger_and_face, checks fingerprint, checks face, checks pad -> identity_check -",
    ),
    "the entry does not close": (
        occupancy,
        [waits(5.1)],
        "exit shuts, entry shuts, forgets, calls entry_door_did_not_close, says wait_for_officer -> officer_referral entry_door_did_not_close",
    ),
    "the counter shows nobody clearly while the entry is closed": (
        occupancy,
        [sees(entry_door=CLOSED, entry_beam=BROKEN), waits(7.1)],
        "exit shuts, entry shuts, forgets, calls occupancy_unknown, says wait_for_officer -> officer_referral occupancy_unknown",
    ),
    "help is asked for before the check": (
        occupancy,
        [HELP],
        "notes assistance_requested, exit shuts, entry shuts, forgets, calls assistance_requested, says wait_for_officer -> officer_referral assistance_requested",
    ),
    "the exit is forced during the check": (
        identity,
        [steadily(exit_door=OPEN)],
        "notes latched, exit shuts, entry shuts, forgets, calls door_forced, says wait_for_officer -> officer_referral door_forced",
    ),
    "the entry is forced during the check": (
        identity,
        [steadily(entry_door=OPEN)],
        "notes latched, exit shuts, entry shuts, forgets, calls door_forced, says wait_for_officer -> officer_referral door_forced",
    ),
    "a housing is opened during the check": (
        identity,
        [sees(tamper=BROKEN)],
        "exit shuts, entry shuts, forgets, calls tamper, says wait_for_officer -> officer_referral tamper",
    ),
    "a device is lost during the check": (
        identity,
        [FINGER_LOST],
        "exit shuts, entry shuts, forgets, calls fingerprint_lost, says wait_for_officer -> officer_referral fingerprint_lost",
    ),
    "a second person is found during the check": (
        identity,
        [steadily(occupancy=MANY)],
        "forgets, entry opens, says one_at_a_time -> return_path tailgating",
    ),
    "a second person is found while the exit moves": (
        identity,
        [sees(exit_door=MOVING), sees(occupancy=MANY), waits(0.35)],
        "notes latched, exit shuts, entry shuts, forgets, calls door_forced, says wait_for_officer -> officer_referral door_forced",
    ),
    "nobody is left during the check": (
        identity,
        [steadily(occupancy=NOBODY), waits(1)],
        "notes latched, forgets, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "the face does not match": (
        identity,
        [ends(Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH)],
        "exit shuts, entry shuts, forgets, calls face_mismatch, says wait_for_officer -> officer_referral face_mismatch",
    ),
    "the check takes too long": (
        identity,
        [waits(20.1)],
        "exit shuts, entry shuts, forgets, calls identity_timed_out, says wait_for_officer -> officer_referral identity_timed_out",
    ),
    "the check takes too long after one of two matched": (
        identity,
        [ends(Modality.FACE), waits(20.1)],
        "exit shuts, entry shuts, forgets, calls identity_timed_out, says wait_for_officer -> officer_referral identity_timed_out",
    ),
    "a check has something to tell": (
        identity,
        [told(e.CheckProgressed("x", Modality.FACE, Prompt.PLACE_FINGER)), told(e.CheckProgressed("old", Modality.FACE, Prompt.LOOK_HERE))],
        "says place_finger -> identity_check -",
    ),
    "both match": (
        identity,
        [*BOTH_MATCH],
        "exit opens, forgets, says step_out -> exit_open -",
    ),
    "help is asked for during the check": (
        identity,
        [HELP],
        "notes assistance_requested, exit shuts, entry shuts, forgets, calls assistance_requested, says wait_for_officer -> officer_referral assistance_requested",
    ),
    "the board is lost while the exit is open": (
        leaving,
        [BOARD_LOST],
        "exit shuts, entry shuts, calls io_board_lost, says wait_for_officer -> officer_referral io_board_lost",
    ),
    "the entry is forced while the exit is open": (
        leaving,
        [steadily(entry_door=OPEN)],
        "notes latched, exit shuts, entry shuts, calls both_doors_open, says wait_for_officer -> officer_referral both_doors_open",
    ),
    "the entry beam is blind while the exit is open": (
        leaving,
        [sees(entry_beam=TriState.UNKNOWN), waits(1.1)],
        "exit shuts, entry shuts, calls inputs_unknown, says wait_for_officer -> officer_referral inputs_unknown",
    ),
    "the entry is in doubt while the exit is open": (
        leaving,
        [sees(entry_door=MOVING), waits(0.2), sees(entry_door=BLIND), waits(0.5), sees(entry_door=MOVING), waits(0.2), sees(entry_door=BLIND), waits(0.2)],
        "exit shuts, entry shuts, calls door_sensors_disagree, says wait_for_officer -> officer_referral door_sensors_disagree",
    ),
    "somebody comes in by the exit": (
        leaving,
        [steadily(occupancy=MANY)],
        "exit shuts, entry shuts, calls reverse_entry, says wait_for_officer -> officer_referral reverse_entry",
    ),
    "the traveller goes out": (
        leaving,
        [steadily(occupancy=NOBODY)],
        "exit shuts -> clearing -",
    ),
    "the traveller stands in the exit": (
        leaving,
        [sees(exit_beam=BROKEN), steadily(occupancy=NOBODY), waits(1)],
        " -> exit_open -",
    ),
    "the counter shows nobody before anybody was in the exit": (
        exit_open,
        [sees(exit_door=OPEN), steadily(occupancy=NOBODY), waits(2)],
        " -> exit_open -",
    ),
    "somebody is seen in the exit though it did not open": (
        exit_open,
        [sees(exit_beam=BROKEN), sees(exit_beam=CLEAR), steadily(occupancy=NOBODY)],
        " -> exit_open -",
    ),
    "nobody is left when the time is over": (
        exit_open,
        [sees(exit_door=OPEN), steadily(occupancy=NOBODY), waits(8)],
        "exit shuts, notes latched -> clearing left_unseen",
    ),
    "the exit does not open": (
        exit_open,
        [waits(3.1)],
        "notes latched, exit shuts, entry shuts, calls exit_door_did_not_open, says wait_for_officer -> officer_referral exit_door_did_not_open",
    ),
    "the exit opens and shuts again": (
        exit_open,
        [sees(exit_door=OPEN), sees(exit_door=CLOSED), waits(3.1)],
        " -> exit_open -",
    ),
    "the exit's contact gives no answer": (
        exit_open,
        [waits(2.9), sees(exit_door=BLIND), waits(0.5)],
        " -> exit_open -",
    ),
    "something is left in the exit": (
        leaving,
        [sees(exit_beam=BROKEN), steadily(occupancy=NOBODY), waits(8)],
        "exit shuts, entry shuts, calls beam_blocked, says wait_for_officer -> officer_referral beam_blocked",
    ),
    "the traveller does not go": (
        leaving,
        [waits(8.1)],
        "exit shuts, entry shuts, calls never_exited, says wait_for_officer -> officer_referral never_exited",
    ),
    "an officer's release with two inside stands": (
        released,
        [steadily(occupancy=MANY)],
        " -> exit_open officer_released",
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene(new_lane, scene):
    place, steps, answered = SCENES[scene]
    assert answers(place(new_lane), steps) == answered
