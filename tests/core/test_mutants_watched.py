"""What is watched from a state's entry on, and what a record keeps of it: contacts that say nothing, an exit that was open before, a bug's own reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Outcome, TriState
from tests.core.conftest import ADULT, PASS
from tests.core.scenes import (
    BLIND,
    BOARD_BACK,
    BOARD_LOST,
    BOTH_MATCH,
    BROKEN,
    CLEAR,
    CLOSED,
    EMERGENCY,
    HELP,
    MOVING,
    NOBODY,
    ONE,
    OPEN,
    RELEASED,
    RETURNED,
    STEADY,
    answers,
    backing,
    cleared_but_beam,
    exit_open,
    identity,
    late_released,
    later,
    out_of_service,
    ready,
    returning,
    sees,
    single_clearing,
    single_leaving,
    single_passing,
    steadily,
    told,
    waits,
)

GRANTED = tuple(told(event) for event in (e.PassVerified("x", PASS), e.EnrolmentFound("x", ADULT), e.AdmissionRecorded("x")))

SCENES = {
    # what happens: where the lane stands, step by step, all that is answered
    "an officer sends somebody back while the exit is away from closed": (
        cleared_but_beam,
        [steadily(exit_door=MOVING), RETURNED],
        "notes latched, exit shuts, entry shuts, calls door_forced, says wait_for_officer; notes act_refused -> officer_referral door_forced",
    ),
    "an officer sends back whoever is in the entry's beam after the traveller went": (
        cleared_but_beam,
        [waits(61), RETURNED],
        "exit shuts, entry shuts, calls beam_blocked, says wait_for_officer; notes officer_returned, entry opens, says go_back -> return_path beam_blocked",
    ),
    "an exit that was open once does not open again, and what was seen of it before says nothing of that": (
        late_released,
        [RELEASED, later(61), sees(occupancy=NOBODY)],
        (
            "notes officer_released, exit opens, says step_out; notes latched, exit shuts, entry shuts, calls exit_door_did_not_open, says wait_for_officer"
            " -> officer_referral exit_door_did_not_open"
        ),
    ),
    "an entry whose contacts say nothing has not been seen open": (
        out_of_service,
        [RETURNED, steadily(entry_door=BLIND)],
        "notes officer_returned, entry opens, says go_back -> return_path officer_returned",
    ),
    "an exit of which nothing was known while the board was away has not been seen open": (
        backing,
        [BOARD_LOST, sees(exit_door=CLOSED), later(16), BOARD_BACK],
        "records abandoned backed_out, ends the call, says show_code -> ready -",
    ),
    "somebody steps back in the moment the doorless entry is known again": (
        single_leaving,
        [sees(entry_beam=TriState.UNKNOWN), steadily(occupancy=NOBODY), sees(entry_beam=CLEAR), steadily(occupancy=ONE), waits(16)],
        "exit shuts, calls inputs_unknown, says wait_for_officer -> officer_referral inputs_unknown",
    ),
    "somebody comes in by the exit of a single-door lane while a pass is checked": (
        single_passing,
        [sees(exit_door=MOVING), sees(occupancy=ONE), sees(exit_beam=BROKEN), steadily(exit_door=CLOSED)],
        "exit shuts, calls reverse_entry, records refused reverse_entry, says lane_closed, says go_back -> return_path walked_in",
    ),
    "an exit that bounced during the checks has nothing to do with who goes back by the entry": (
        identity,
        [sees(exit_door=MOVING), sees(exit_door=CLOSED), HELP, sees(entry_door=OPEN), sees(occupancy=NOBODY), sees(entry_door=CLOSED), waits(STEADY)],
        (
            "notes assistance_requested, exit shuts, entry shuts, forgets, calls assistance_requested, says wait_for_officer; records abandoned backed_out,"
            " ends the call, says show_code -> ready -"
        ),
    ),
    "whoever goes when the exit has just closed was seen to go by an exit that was open": (
        exit_open,
        [sees(exit_door=OPEN), sees(exit_door=CLOSED), waits(8.1), sees(exit_beam=BROKEN), sees(exit_beam=CLEAR), steadily(occupancy=NOBODY)],
        "exit shuts, entry shuts, calls never_exited, says wait_for_officer; records completed well, ends the call, says show_code -> ready -",
    ),
    "whoever stood in the exit's beam when it opened has passed it": (
        identity,
        [sees(exit_beam=BROKEN), *BOTH_MATCH, sees(exit_beam=CLEAR, exit_door=OPEN), steadily(occupancy=NOBODY)],
        "exit opens, forgets, says step_out; exit shuts -> clearing -",
    ),
    "whoever passed the doorless entry before the admission is not who came in afterwards": (
        single_passing,
        [sees(entry_beam=BROKEN), sees(entry_beam=CLEAR), *GRANTED, steadily(occupancy=ONE)],
        "looks up; claims; prepares, watches, says step_in; notes latched, exit shuts, forgets, calls beam_blind, says wait_for_officer -> officer_referral beam_blind",
    ),
    "somebody whom no beam saw is counted at the moment clearing took too long": (
        single_clearing,
        [sees(occupancy=ONE), later(16), sees(exit_door=CLOSED)],
        "exit shuts, calls reverse_entry, says wait_for_officer -> officer_referral reverse_entry",
    ),
    "a beam that was unknown in between has not been blocked all the time": (
        ready,
        [sees(exit_beam=BROKEN), waits(0.6), sees(exit_beam=TriState.UNKNOWN), waits(0.3), sees(exit_beam=BROKEN), waits(0.3)],
        " -> ready -",
    ),
    "behind an entry door nobody else can be inside after the exit was open": (
        exit_open,
        [sees(exit_door=OPEN), waits(8.1), sees(exit_door=CLOSED), RETURNED, sees(entry_door=OPEN), steadily(occupancy=NOBODY), sees(entry_door=CLOSED)],
        (
            "exit shuts, entry shuts, calls never_exited, says wait_for_officer; notes officer_returned, entry opens, says go_back; entry shuts;"
            " records returned never_exited, ends the call, says show_code -> ready -"
        ),
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene(new_lane, scene):
    place, steps, answered = SCENES[scene]
    assert answers(place(new_lane), steps) == answered


@pytest.mark.invariant("INV-6")
def test_that_a_departure_was_taken_back_stands_in_the_record(new_lane):
    lane = single_clearing(new_lane)
    answers(lane, [steadily(occupancy=ONE), EMERGENCY])
    assert (lane.record().exited, [step.name for step in lane.record().steps].count("exit_doubted")) == (False, 1)


def test_a_bug_is_the_reason_of_the_crossing_it_ends_whatever_went_before(new_lane):
    lane = returning(new_lane)
    assert lane.controller.reason is Reason.TAILGATING

    def broken(*_):
        raise ZeroDivisionError

    lane.controller._lane.nobody_inside = broken
    out = lane.controller.handle(e.InputsRead(replace(lane.inputs, occupancy=NOBODY)), lane.now)
    record = next(command.record for command in out if hasattr(command, "record"))
    assert (record.outcome, record.reason) == (Outcome.ABORTED, Reason.INTERNAL_ERROR)
