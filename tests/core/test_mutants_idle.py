"""An idle lane, a pass being checked, an emergency: what is answered, to the last word. A mistake in one row, guard or action is seen here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Device, TriState
from tests.core.conftest import ADULT, PASS
from tests.core.scenes import (
    BOARD_BACK,
    BOARD_LOST,
    BROKEN,
    CLEAR,
    CLOSED,
    ENGINEER,
    ENGINEER_GONE,
    LOOP_WHOLE,
    NOBODY,
    ONE,
    OPEN,
    QR_BACK,
    QR_LOST,
    REARMED,
    RELEASED,
    RETURNED,
    STEADY,
    STOP,
    STOP_AT_ONCE,
    TAKEN,
    UNSEEN,
    answers,
    emergency,
    maintenance,
    out_of_service,
    passing,
    read,
    ready,
    restarted,
    sees,
    steadily,
    told,
    waits,
)

CHILD = replace(ADULT, age_years=9)

SCENES = {
    # what happens: where the lane stands, step by step, all that is answered
    "nobody takes the call of an emergency": (
        emergency,
        [waits(61)],
        "exit shuts, entry opens at once *5; exit shuts, entry opens at once, calls emergency 1 -> emergency emergency",
    ),
    "an officer takes the call of an emergency and does not come at once": (
        emergency,
        [TAKEN, waits(61)],
        "notes officer_acknowledged; exit shuts, entry opens at once *6 -> emergency emergency",
    ),
    "a board that is back in an emergency is told the doors again": (
        emergency,
        [BOARD_LOST, BOARD_BACK],
        "exit shuts, entry opens at once -> emergency emergency",
    ),
    "another device that is back is not": (
        emergency,
        [QR_LOST, QR_BACK],
        " -> emergency emergency",
    ),
    "a re-arm while the loop is open is refused": (
        emergency,
        [REARMED],
        "notes rearm_refused -> emergency emergency",
    ),
    "a re-arm with somebody inside is refused": (
        emergency,
        [steadily(emergency=CLEAR, occupancy=ONE), REARMED],
        "notes rearm_refused -> emergency emergency",
    ),
    "re-armed with the chamber empty and the loop whole": (
        emergency,
        [LOOP_WHOLE, REARMED, waits(STEADY)],
        "notes rearmed, exit shuts, entry shuts, says lane_closed, ends the call, says show_code -> ready -",
    ),
    "an engineer takes a lane that is ready": (
        ready,
        [ENGINEER],
        "notes maintenance_on, notes latched, exit shuts, entry shuts, says lane_closed -> maintenance maintenance",
    ),
    "an engineer takes a lane that is out of service": (
        out_of_service,
        [ENGINEER],
        "notes maintenance_on, notes latched, exit shuts, entry shuts, ends the call -> maintenance maintenance",
    ),
    "an engineer does not take a lane out of service with somebody in it": (
        out_of_service,
        [STOP, steadily(occupancy=ONE), ENGINEER],
        "notes act_refused -> out_of_service qr_camera_lost",
    ),
    "an engineer who goes without having come is refused": (
        ready,
        [ENGINEER_GONE],
        "notes act_refused -> ready -",
    ),
    "an engineer who comes twice is refused": (
        maintenance,
        [ENGINEER],
        "notes act_refused -> maintenance maintenance",
    ),
    "an engineer gives the lane back": (
        maintenance,
        [ENGINEER_GONE, waits(STEADY)],
        "notes maintenance_off, exit shuts, entry shuts, says show_code -> ready -",
    ),
    "an engineer gives back a lane with a lost device": (
        maintenance,
        [QR_LOST, ENGINEER_GONE],
        "notes maintenance_off, exit shuts, entry shuts, calls qr_camera_lost -> out_of_service qr_camera_lost",
    ),
    "somebody shows up in a lane that is out of service": (
        out_of_service,
        [steadily(occupancy=ONE)],
        "exit shuts, entry shuts, calls reverse_entry, says wait_for_officer -> officer_referral reverse_entry",
    ),
    "somebody shows up while the board is lost": (
        out_of_service,
        [steadily(occupancy=ONE), BOARD_LOST],
        "exit shuts, entry shuts, calls reverse_entry, says wait_for_officer -> officer_referral reverse_entry",
    ),
    "somebody in a lane that is being stopped is called for once": (
        out_of_service,
        [STOP, steadily(occupancy=ONE), waits(5)],
        " -> out_of_service qr_camera_lost",
    ),
    "somebody in a lane that was stopped without a call is called for": (
        ready,
        [STOP, steadily(occupancy=ONE), waits(5)],
        "exit shuts, entry shuts, says lane_closed; calls stopping -> out_of_service stopping",
    ),
    "the reason for being closed changes": (
        out_of_service,
        [told(e.DeviceLost(Device.JOURNAL))],
        "exit shuts, entry shuts, calls journal_lost -> out_of_service journal_lost",
    ),
    "a lane that is being stopped keeps its reason": (
        ready,
        [STOP, QR_LOST],
        "exit shuts, entry shuts, says lane_closed -> out_of_service stopping",
    ),
    "nobody comes to a lane that is out of service": (
        out_of_service,
        [waits(61)],
        "calls qr_camera_lost 1 -> out_of_service qr_camera_lost",
    ),
    "an officer takes the call of a closed lane and does not act": (
        out_of_service,
        [TAKEN, waits(301)],
        "notes officer_acknowledged; calls qr_camera_lost 1 -> out_of_service qr_camera_lost",
    ),
    "a re-arm out of service ends a latch": (
        ready,
        [steadily(exit_door=OPEN), sees(exit_door=CLOSED), REARMED],
        "notes latched, exit shuts, entry shuts, calls door_forced, says lane_closed; notes rearmed, ends the call, says show_code -> ready -",
    ),
    "a re-arm out of service without a latch is noted": (
        out_of_service,
        [REARMED],
        "notes rearmed -> out_of_service qr_camera_lost",
    ),
    "a re-arm after an emergency before a restart needs an empty chamber": (
        restarted,
        [sees(occupancy=UNSEEN), REARMED, steadily(occupancy=NOBODY), REARMED],
        "notes rearm_refused; notes rearmed, ends the call, says show_code -> ready -",
    ),
    "an officer sends back whoever is in a closed lane": (
        out_of_service,
        [RETURNED],
        "notes officer_returned, entry opens, says go_back -> return_path officer_returned",
    ),
    "an officer lets through whoever is in a closed lane": (
        out_of_service,
        [sees(occupancy=UNSEEN), RELEASED],
        "notes officer_released, entry shuts, exit opens, says step_out -> exit_open officer_released",
    ),
    "an officer does not open the exit of a lane whose entry is open": (
        out_of_service,
        [sees(entry_door=OPEN), RELEASED, RETURNED],
        "notes act_refused *2 -> out_of_service qr_camera_lost",
    ),
    "an officer does not open a door of a lane whose loop is not known": (
        out_of_service,
        [sees(emergency=TriState.UNKNOWN, occupancy=ONE), RELEASED, RETURNED],
        "notes act_refused *2 -> out_of_service qr_camera_lost",
    ),
    "what an officer let out is recorded as theirs": (
        out_of_service,
        [sees(occupancy=UNSEEN), RELEASED, sees(exit_door=OPEN), sees(exit_beam=BROKEN), steadily(exit_beam=CLEAR, occupancy=NOBODY), sees(exit_door=CLOSED)],
        "notes officer_released, entry shuts, exit opens, says step_out; exit shuts; exit shuts, entry shuts, records released_by_officer officer_released, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "what an officer sent back is recorded as theirs": (
        out_of_service,
        [sees(occupancy=ONE), RETURNED, sees(entry_door=OPEN), steadily(occupancy=NOBODY), sees(entry_door=CLOSED)],
        "notes officer_returned, entry opens, says go_back; entry shuts; exit shuts, entry shuts, records returned officer_returned, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "a door that bounces is not forced": (
        ready,
        [sees(exit_door=OPEN), waits(0.2), sees(exit_door=CLOSED), waits(1)],
        " -> ready -",
    ),
    "a door is forced": (
        ready,
        [steadily(exit_door=OPEN)],
        "notes latched, exit shuts, entry shuts, calls door_forced, says lane_closed -> out_of_service door_forced",
    ),
    "a beam that stays interrupted closes the lane": (
        ready,
        [sees(exit_beam=BROKEN), waits(2)],
        "exit shuts, entry shuts, calls beam_blocked, says lane_closed -> out_of_service beam_blocked",
    ),
    "a refusal is shown for a while": (
        ready,
        [read(), told(e.PassRefused("x", Reason.PASS_EXPIRED)), waits(5)],
        "verifies, says checking_code; records refused pass_expired, says code_expired; says show_code -> ready pass_expired",
    ),
    "no pass is taken while somebody is in the exit": (
        ready,
        [sees(exit_beam=BROKEN), read()],
        " -> ready -",
    ),
    "no pass is taken while the counter is restless": (
        ready,
        [sees(occupancy=ONE), read()],
        " -> ready -",
    ),
    "a stop at once of an idle lane": (
        ready,
        [STOP_AT_ONCE],
        "exit shuts, entry shuts, says lane_closed -> out_of_service stopping",
    ),
    "a door forced while a pass is checked": (
        passing,
        [steadily(exit_door=OPEN)],
        "notes latched, exit shuts, entry shuts, calls door_forced, records refused door_forced, says lane_closed -> out_of_service door_forced",
    ),
    "a device lost while a pass is checked": (
        passing,
        [QR_LOST],
        "exit shuts, entry shuts, calls qr_camera_lost, records refused qr_camera_lost, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "a pass that nobody answers for": (
        passing,
        [waits(2.1)],
        "records refused pass_check_timed_out, says try_again_later -> ready pass_check_timed_out",
    ),
    "an answer for another crossing": (
        passing,
        [told(e.PassRefused("old", Reason.PASS_EXPIRED)), told(e.PassVerified("old", PASS)), told(e.EnrolmentNotFound("old"))],
        " -> pass_check -",
    ),
    "a refused pass": (
        passing,
        [told(e.PassRefused("x", Reason.PASS_EXPIRED))],
        "records refused pass_expired, says code_expired -> ready pass_expired",
    ),
    "a pass that is verified twice is looked up once": (
        passing,
        [told(e.PassVerified("x", PASS)), told(e.PassVerified("x", PASS))],
        "looks up -> pass_check -",
    ),
    "an enrolment for another crossing": (
        passing,
        [told(e.PassVerified("x", PASS)), told(e.EnrolmentFound("old", ADULT)), told(e.EnrolmentFound("old", CHILD))],
        "looks up -> pass_check -",
    ),
    "an enrolment before the pass is verified": (
        passing,
        [told(e.EnrolmentFound("x", ADULT)), told(e.EnrolmentFound("x", CHILD))],
        " -> pass_check -",
    ),
    "no enrolment": (
        passing,
        [told(e.PassVerified("x", PASS)), told(e.EnrolmentNotFound("x"))],
        "looks up; records refused not_enrolled, says go_to_counter -> ready not_enrolled",
    ),
    "a child": (
        passing,
        [told(e.PassVerified("x", PASS)), told(e.EnrolmentFound("x", CHILD))],
        "looks up; records refused under_age, says go_to_counter -> ready under_age",
    ),
    "a second answer of the enrolment store counts for nothing": (
        passing,
        [
            told(e.PassVerified("x", PASS)),
            told(e.EnrolmentFound("x", ADULT)),
            told(e.EnrolmentFound("x", ADULT)),
            told(e.EnrolmentFound("x", CHILD)),
            told(e.EnrolmentNotFound("x")),
        ],
        "looks up; claims -> pass_check -",
    ),
    "an admission recorded for another crossing": (
        passing,
        [told(e.PassVerified("x", PASS)), told(e.EnrolmentFound("x", ADULT)), told(e.AdmissionRecorded("old"))],
        "looks up; claims -> pass_check -",
    ),
    "an admission recorded before anything was decided": (
        passing,
        [told(e.PassVerified("x", PASS)), told(e.AdmissionRecorded("x"))],
        "looks up -> pass_check -",
    ),
    "an admission for another crossing while the lane is not clear": (
        passing,
        [told(e.PassVerified("x", PASS)), told(e.EnrolmentFound("x", ADULT)), sees(exit_beam=BROKEN), told(e.AdmissionRecorded("old"))],
        "looks up; claims -> pass_check -",
    ),
    "an admission while the lane is not clear": (
        passing,
        [told(e.PassVerified("x", PASS)), told(e.EnrolmentFound("x", ADULT)), sees(exit_beam=BROKEN), told(e.AdmissionRecorded("x"))],
        "looks up; claims; records refused inputs_unknown, says lane_closed -> ready inputs_unknown",
    ),
    "an admission without a decision while the lane is not clear": (
        passing,
        [told(e.PassVerified("x", PASS)), sees(exit_beam=BROKEN), told(e.AdmissionRecorded("x"))],
        "looks up -> pass_check -",
    ),
    "admitted": (
        passing,
        [told(e.PassVerified("x", PASS)), told(e.EnrolmentFound("x", ADULT)), told(e.AdmissionRecorded("x"))],
        "looks up; claims; entry opens, prepares, watches, says step_in -> entry_open -",
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene(new_lane, scene):
    place, steps, answered = SCENES[scene]
    assert answers(place(new_lane), steps) == answered
