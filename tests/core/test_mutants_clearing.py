"""The lane clears, or does not: what is answered, to the last word. A mistake in one row, guard or action is seen here."""

from __future__ import annotations

import pytest

from tests.core.scenes import (
    BLIND,
    BOARD_LOST,
    BROKEN,
    CLOSED,
    NOBODY,
    ONE,
    OPEN,
    QR_LOST,
    REARMED,
    RELEASED,
    RETURNED,
    TAKEN,
    UNSEEN,
    answers,
    backing,
    cleared_but_beam,
    clearing,
    late,
    late_released,
    nobody_came,
    nobody_helped,
    officer_returns,
    out_of_service,
    referral,
    returning,
    sees,
    steadily,
    undecided,
    waits,
)

SCENES = {
    # what happens: where the lane stands, step by step, all that is answered
    "the board is lost while the lane clears": (
        clearing,
        [BOARD_LOST],
        "exit shuts, entry shuts, calls io_board_lost, records aborted io_board_lost, says lane_closed -> out_of_service io_board_lost",
    ),
    "a door is forced while the lane clears": (
        cleared_but_beam,
        [steadily(entry_door=OPEN)],
        "notes latched, exit shuts, entry shuts, calls door_forced, says wait_for_officer -> officer_referral door_forced",
    ),
    "cleared": (
        clearing,
        [sees(exit_door=CLOSED)],
        "records completed well, says show_code -> ready -",
    ),
    "cleared with a device lost": (
        clearing,
        [QR_LOST, sees(exit_door=CLOSED)],
        "exit shuts, entry shuts, calls qr_camera_lost, records completed well, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "somebody is inside again though nobody may return": (
        clearing,
        [steadily(occupancy=ONE), waits(6)],
        "exit shuts, entry shuts, calls exit_door_did_not_close, says wait_for_officer -> officer_referral exit_door_did_not_close",
    ),
    "somebody comes back in by the exit before it is locked": (
        cleared_but_beam,
        [steadily(occupancy=ONE), waits(6)],
        "exit shuts, entry shuts, calls reverse_entry, says wait_for_officer -> officer_referral reverse_entry",
    ),
    "somebody is inside after nobody entered": (
        nobody_came,
        [steadily(occupancy=ONE), sees(entry_door=CLOSED), waits(1)],
        "entry opens, says go_back -> return_path stayed_inside",
    ),
    "the exit does not close": (
        clearing,
        [waits(5.1)],
        "exit shuts, entry shuts, calls exit_door_did_not_close, says wait_for_officer -> officer_referral exit_door_did_not_close",
    ),
    "the counter shows nobody clearly": (
        clearing,
        [sees(exit_door=CLOSED, occupancy=UNSEEN), waits(5.1)],
        "exit shuts, entry shuts, calls occupancy_unknown, says wait_for_officer -> officer_referral occupancy_unknown",
    ),
    "the board is lost on the way back": (
        returning,
        [BOARD_LOST],
        "exit shuts, entry shuts, calls io_board_lost, says wait_for_officer -> officer_referral io_board_lost",
    ),
    "the exit is forced on the way back": (
        returning,
        [steadily(exit_door=OPEN)],
        "notes latched, exit shuts, entry shuts, calls both_doors_open, says wait_for_officer -> officer_referral both_doors_open",
    ),
    "the exit is in doubt on the way back": (
        returning,
        [sees(exit_door=BLIND), waits(1.1)],
        "exit shuts, entry shuts, calls door_sensors_disagree, says wait_for_officer -> officer_referral door_sensors_disagree",
    ),
    "everybody went back": (
        returning,
        [steadily(occupancy=NOBODY)],
        "entry shuts -> clearing -",
    ),
    "somebody still stands in the entry": (
        returning,
        [sees(entry_beam=BROKEN), steadily(occupancy=NOBODY), waits(1)],
        " -> return_path tailgating",
    ),
    "the entry does not open for the way back": (
        officer_returns,
        [waits(3.1)],
        "notes latched, exit shuts, entry shuts, calls entry_door_did_not_open, says wait_for_officer -> officer_referral entry_door_did_not_open",
    ),
    "the entry opened for the way back and shut again": (
        officer_returns,
        [sees(entry_door=OPEN), sees(entry_door=CLOSED), waits(3.1)],
        " -> return_path assistance_requested",
    ),
    "the entry's contact gives no answer on the way back": (
        officer_returns,
        [waits(2.9), sees(entry_door=BLIND), waits(0.5)],
        " -> return_path assistance_requested",
    ),
    "nobody goes back": (
        returning,
        [waits(16)],
        "exit shuts, entry shuts, calls stayed_inside, says wait_for_officer -> officer_referral stayed_inside",
    ),
    "an officer takes a call that goes on on the way back": (
        nobody_helped,
        [TAKEN],
        "notes officer_acknowledged -> return_path assistance_requested",
    ),
    "an officer takes the call and acts too late": (
        referral,
        [TAKEN, waits(301)],
        "notes officer_acknowledged; calls assistance_requested 1, notes officer_did_not_come, entry opens, says go_back -> return_path assistance_requested",
    ),
    "nobody takes the call and the way back opens": (
        referral,
        [waits(61)],
        "calls assistance_requested 1, notes officer_did_not_come, entry opens, says go_back -> return_path assistance_requested",
    ),
    "nobody takes the call and the way back was offered": (
        referral,
        [waits(61), sees(entry_door=OPEN), waits(16), sees(entry_door=CLOSED), waits(61)],
        "calls assistance_requested 1, notes officer_did_not_come, entry opens, says go_back; exit shuts, entry shuts, calls stayed_inside 1, says wait_for_officer; calls stayed_inside 2 -> officer_referral stayed_inside",
    ),
    "nobody takes the call while a door is open": (
        referral,
        [steadily(entry_door=OPEN), waits(61)],
        "notes latched, exit shuts, entry shuts, calls door_forced; calls door_forced 1 -> officer_referral door_forced",
    ),
    "nobody takes the call while the board is lost": (
        referral,
        [BOARD_LOST, waits(61)],
        "calls assistance_requested 1 -> officer_referral assistance_requested",
    ),
    "an officer returns": (
        referral,
        [RETURNED],
        "notes officer_returned, entry opens, says go_back -> return_path assistance_requested",
    ),
    "an officer returns while the exit is open": (
        referral,
        [sees(exit_door=OPEN), RETURNED, RELEASED],
        "notes act_refused *2 -> officer_referral assistance_requested",
    ),
    "an officer releases": (
        referral,
        [RELEASED],
        "notes officer_released, exit opens, says step_out -> exit_open officer_released",
    ),
    "an officer re-arms with somebody inside": (
        referral,
        [REARMED],
        "notes rearm_refused -> officer_referral assistance_requested",
    ),
    "an officer re-arms while the counter gives no answer": (
        referral,
        [sees(occupancy=UNSEEN), REARMED],
        "notes rearmed, exit shuts, entry shuts, records aborted assistance_requested, says lane_closed, exit shuts, entry shuts, ends the call, says starting -> out_of_service starting",
    ),
    "an officer re-arms while a door is open and the counter gives no answer": (
        referral,
        [sees(occupancy=UNSEEN, exit_door=OPEN), REARMED],
        "notes rearm_refused -> officer_referral assistance_requested",
    ),
    "an officer re-arms a lane in which it is decided how the crossing ends": (
        undecided,
        [sees(occupancy=UNSEEN), REARMED],
        "notes rearmed, exit shuts, entry shuts, records returned tailgating, says lane_closed, exit shuts, entry shuts, ends the call, says starting -> out_of_service starting",
    ),
    "an officer re-arms it with a door open": (
        undecided,
        [sees(occupancy=UNSEEN, entry_door=OPEN), REARMED],
        "notes rearm_refused -> officer_referral stayed_inside",
    ),
    "an officer re-arms it with somebody inside": (
        undecided,
        [REARMED],
        "notes rearm_refused -> officer_referral stayed_inside",
    ),
    "a door is forced while an officer is called": (
        referral,
        [steadily(exit_door=OPEN)],
        "notes latched, exit shuts, entry shuts, calls door_forced -> officer_referral door_forced",
    ),
    "somebody who was sent back is gone after all": (
        undecided,
        [steadily(occupancy=NOBODY), sees(entry_door=CLOSED)],
        "records returned tailgating, ends the call, says show_code -> ready -",
    ),
    "somebody who should not be there is gone": (
        out_of_service,
        [steadily(occupancy=ONE), steadily(occupancy=NOBODY)],
        "exit shuts, entry shuts, calls reverse_entry, says wait_for_officer; exit shuts, entry shuts, calls qr_camera_lost, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "somebody went late": (
        late,
        [steadily(occupancy=NOBODY)],
        "records completed well, ends the call, says show_code -> ready -",
    ),
    "somebody went late whom an officer released": (
        late_released,
        [steadily(occupancy=NOBODY)],
        "records released_by_officer officer_released, ends the call, says show_code -> ready -",
    ),
    "somebody went back before the check": (
        backing,
        [steadily(occupancy=NOBODY)],
        "records abandoned backed_out, ends the call, says show_code -> ready -",
    ),
    "somebody is gone and nobody saw how": (
        referral,
        [steadily(occupancy=NOBODY)],
        "notes latched, exit shuts, entry shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene(new_lane, scene):
    place, steps, answered = SCENES[scene]
    assert answers(place(new_lane), steps) == answered
