"""An engineer's coming and going, a forced stop in an emergency, and a doorless entry whose beam gives no answer: scenes that tell each row from its neighbours."""

from __future__ import annotations

import pytest

from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import Device, TriState
from tests.core.scenes import (
    BOARD_BACK,
    BOARD_LOST,
    BROKEN,
    CLEAR,
    EMERGENCY,
    ENGINEER,
    ENGINEER_GONE,
    MANY,
    NOBODY,
    ONE,
    RELEASED,
    STEADY,
    STOP,
    STOP_AT_ONCE,
    TAKEN,
    after,
    answers,
    clearing,
    emergency,
    identity,
    later,
    maintenance,
    out_of_service,
    sees,
    single_exit_open,
    single_identity,
    single_ready,
    steadily,
    told,
    waits,
)

called_for = after(clearing, sees(occupancy=ONE), BOARD_LOST, ENGINEER, BOARD_BACK, sees())
"""An engineer came while an officer was called for somebody; the board is back, and shows one."""
latched = after(
    lambda new, **policy: new(**policy), told(e.Started(Reason.MAINTENANCE)), *[told(e.DeviceReady(device)) for device in Device], sees(), waits(STEADY)
)
"""After a restart, with an engineer's hands perhaps in the doors."""
BLIND_BEAM = sees(entry_beam=TriState.UNKNOWN)

SCENES = {
    # what happens: where the lane stands, step by step, all that is answered
    "an emergency where the chamber has just become empty": (
        called_for,
        [sees(occupancy=NOBODY), later(STEADY), EMERGENCY],
        "exit shuts, entry opens at once, notes emergency, calls emergency, says emergency_exit -> emergency emergency",
    ),
    "a stop that is not forced leaves an emergency as it is": (
        emergency,
        [STOP],
        " -> emergency emergency",
    ),
    "a forced stop holds an emergency's doors once more": (
        emergency,
        [STOP_AT_ONCE],
        "exit shuts, entry opens at once -> emergency emergency",
    ),
    "the beam of a doorless entry gives no answer over an open exit": (
        single_exit_open,
        [BLIND_BEAM, sees(entry_beam=CLEAR), steadily(occupancy=NOBODY), waits(16)],
        "exit shuts, calls inputs_unknown, says wait_for_officer; notes latched, exit shuts, calls left_unseen, records aborted left_unseen, says lane_closed -> out_of_service left_unseen",
    ),
    "it gives none while more than one are inside": (
        single_exit_open,
        [sees(occupancy=MANY), later(STEADY), BLIND_BEAM],
        "exit shuts, calls inputs_unknown, says wait_for_officer -> officer_referral inputs_unknown",
    ),
    "it gives none when nobody is inside any more": (
        single_identity,
        [sees(occupancy=NOBODY), later(STEADY), BLIND_BEAM],
        "forgets, says wait_inside -> clearing backed_out",
    ),
    "somebody stands in a doorless entry when it is opened to them": (
        single_ready,
        [sees(entry_beam=BROKEN), lambda lane: lane.admit(), sees(entry_beam=CLEAR), steadily(occupancy=ONE)],
        "verifies, says checking_code; looks up; claims; prepares, watches, says step_in; says wait_inside, says finger_and_face, checks fingerprint, checks face, checks pad -> identity_check -",
    ),
    "nobody takes the call while an engineer is there": (
        called_for,
        [waits(61)],
        "calls io_board_lost 1 -> maintenance maintenance",
    ),
    "the chamber becomes empty before an engineer's eyes": (
        called_for,
        [steadily(occupancy=NOBODY)],
        "ends the call -> maintenance maintenance",
    ),
    "it becomes empty when the call is due to be made louder": (
        called_for,
        [sees(occupancy=NOBODY), later(61), sees()],
        "ends the call -> maintenance maintenance",
    ),
    "an officer takes a call while an engineer is there": (
        called_for,
        [TAKEN],
        "notes officer_acknowledged -> maintenance maintenance",
    ),
    "the engineer of before a restart gives the lane back": (
        latched,
        [ENGINEER_GONE],
        "notes maintenance_off, says show_code -> ready -",
    ),
    "an engineer gives back what nobody has taken": (
        out_of_service,
        [ENGINEER_GONE],
        "notes act_refused -> out_of_service qr_camera_lost",
    ),
    "an engineer comes back to a stopping gate, and somebody is inside": (
        latched,
        [STOP, steadily(occupancy=ONE), ENGINEER],
        "calls maintenance; notes act_refused -> out_of_service maintenance",
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene(new_lane, scene):
    place, steps, answered = SCENES[scene]
    assert answers(place(new_lane), steps) == answered


def test_an_engineer_for_whom_nobody_is_called_wakes_nobody(new_lane):
    lane = maintenance(new_lane)
    lane.wait(61)
    assert lane.controller.next_deadline() is None


@pytest.mark.invariant("INV-4")
def test_a_stopping_gate_is_not_idle_while_an_officer_lets_somebody_out(new_lane):
    lane = identity(new_lane)
    answers(lane, [STOP_AT_ONCE, RELEASED])
    assert (lane.state, lane.controller.idle) == (State.EXIT_OPEN, False)
