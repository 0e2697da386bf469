"""What is watched from a state's entry on, and what a record keeps of it: contacts that say nothing, an exit that was open before, a bug's own reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Outcome
from tests.core.scenes import (
    BLIND,
    BOARD_BACK,
    BOARD_LOST,
    CLOSED,
    EMERGENCY,
    MOVING,
    NOBODY,
    ONE,
    RELEASED,
    RETURNED,
    answers,
    backing,
    cleared_but_beam,
    late_released,
    later,
    out_of_service,
    returning,
    sees,
    single_clearing,
    steadily,
    waits,
)

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
