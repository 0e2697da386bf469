"""What keeps a call or a latch alive: a counter without an answer, an engineer, an emergency, a bug, a stop; and whom an officer's act is meant for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import CheckOutcome, Door, Lamp, Modality, TriState
from tests.core.scenes import (
    BOARD_BACK,
    BOARD_LOST,
    CLEAR,
    CLOSED,
    EMERGENCY,
    ENGINEER,
    ENGINEER_GONE,
    LOOP_WHOLE,
    NOBODY,
    ONE,
    OPEN,
    REARMED,
    RELEASED,
    STOP,
    TAKEN,
    UNSEEN,
    clearing,
    emergency,
    exit_open,
    identity,
    maintenance,
    ready,
    referral,
    single_exit_open,
    single_identity,
)

LATER_STOP = e.StopRequested(now=False)


def called(lane):
    return lane.controller.officer_call and lane.controller.officer_call[0]


# -- an engineer comes -------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("INV-4")
def test_an_engineer_ends_no_call_for_somebody_whom_nobody_has_seen_go(new_lane):
    lane = clearing(new_lane)
    lane.see(occupancy=ONE)
    BOARD_LOST(lane)
    assert called(lane) is Reason.IO_BOARD_LOST
    ENGINEER(lane)
    assert lane.state is State.MAINTENANCE
    assert called(lane) is Reason.IO_BOARD_LOST
    BOARD_BACK(lane)
    lane.see(occupancy=ONE, exit_door=CLOSED)
    lane.wait(61)
    assert lane.controller.officer_call[:2] == (Reason.IO_BOARD_LOST, 1)  # louder
    TAKEN(lane)
    assert lane.controller.officer_call[2] == "officer 7"
    lane.see(occupancy=NOBODY)
    lane.wait(0.4)
    assert called(lane) is None
    lane.wait(600)
    assert called(lane) is None


def test_where_nobody_is_called_an_engineer_in_the_chamber_calls_nobody(new_lane):
    lane = maintenance(new_lane)
    lane.see(occupancy=ONE)
    lane.wait(3600)
    assert called(lane) is None
    TAKEN(lane)
    assert lane.ordered(c.NoteEvent)[-1].kind == "act_refused"


# -- and keeps the lane ----------------------------------------------------------------------------------------------------------


def after_an_emergency(new_lane):
    lane = maintenance(new_lane)
    EMERGENCY(lane)
    LOOP_WHOLE(lane)
    lane.wait(0.4)
    REARMED(lane)
    lane.wait(5)
    return lane


def test_an_emergency_takes_the_lane_from_no_engineer(new_lane):
    lane = after_an_emergency(new_lane)
    assert (lane.state, lane.controller.reason) == (State.OUT_OF_SERVICE, Reason.MAINTENANCE)
    kinds = [note.kind for note in lane.ordered(c.NoteEvent)]
    assert kinds[-2:] == ["rearmed", "latched"]  # so that a restart knows


@pytest.mark.parametrize("act", [ENGINEER_GONE, REARMED])
def test_the_engineer_or_an_officer_gives_it_back(new_lane, act):
    lane = after_an_emergency(new_lane)
    act(lane)
    lane.wait(5)
    assert lane.state is State.READY


def test_it_is_the_engineers_again_after_a_restart(new_lane):
    lane = ready(new_lane)
    lane.tell(e.Started(latched=Reason.MAINTENANCE))
    lane.see()
    lane.wait(5)
    assert (lane.state, lane.controller.reason, called(lane)) == (State.OUT_OF_SERVICE, Reason.MAINTENANCE, None)
    ENGINEER_GONE(lane)
    lane.wait(5)
    assert lane.state is State.READY


def test_an_engineers_going_takes_no_other_latch_away(new_lane):
    lane = ready(new_lane)
    lane.tell(e.Started(latched=Reason.DOOR_FORCED))
    lane.see()
    lane.wait(1)
    ENGINEER(lane)
    assert lane.state is State.MAINTENANCE
    ENGINEER_GONE(lane)
    lane.wait(5)
    assert (lane.state, lane.controller.reason) == (State.OUT_OF_SERVICE, Reason.DOOR_FORCED)


# -- a doorless entry that nobody sees ---------------------------------------------------------------------------------------------


@pytest.mark.invariant("INV-3")
def test_checks_made_before_the_doorless_entry_was_unknown_count_no_more(new_lane):
    lane = single_identity(new_lane)
    lane.tell(e.CheckEnded("x", Modality.FINGERPRINT, CheckOutcome.SUCCESSFUL))
    lane.see(entry_beam=TriState.UNKNOWN)
    lane.wait(0.5)
    lane.see(entry_beam=CLEAR)
    lane.tell(e.CheckEnded("x", Modality.FACE, CheckOutcome.SUCCESSFUL))
    lane.wait(1)
    assert (lane.state, lane.controller.reason) == (State.RETURN_PATH, Reason.INPUTS_UNKNOWN)
    assert not any(order.door is Door.EXIT for order in lane.ordered(c.OpenDoor))


@pytest.mark.invariant("INV-3")
def test_an_open_exit_closes_when_the_doorless_entry_is_unknown(new_lane):
    lane = single_exit_open(new_lane)
    lane.see(entry_beam=TriState.UNKNOWN)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.INPUTS_UNKNOWN)


# -- the officer's act is for whoever was called for ----------------------------------------------------------------------------------


@pytest.mark.invariant("INV-2")
def test_an_act_that_names_a_call_is_carried_out_for_no_other(new_lane):
    lane = referral(new_lane)
    first = lane.controller.call_number
    lane.tell(replace(e.OfficerReturned("o1", "officer 7", "seen"), call=first))
    assert lane.state is State.RETURN_PATH
    lane.see(entry_door=CLOSED)
    while lane.state is not State.OFFICER_REFERRAL:
        lane.wait(5)  # they did not go
    assert lane.controller.call_number > first, "for another reason it is another call"
    lane.tell(e.Rearmed("officer 7"))
    lane.see(occupancy=NOBODY)
    lane.wait(61)
    REARMED(lane)
    lane.wait(5)
    assert (lane.state, lane.controller.call_number) == (State.READY, None)
    lane.admit("B").enter()
    lane.tell(e.CheckEnded("B", Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH))
    second = lane.controller.call_number
    assert second not in {None, first}
    for act in (
        e.OfficerReleased("o2", "officer 7", "meant for the one before", call=first),
        e.OfficerReturned("o2", "officer 7", "meant for the one before", call=first),
        e.OfficerAcknowledged("officer 7", call=first),
        e.Rearmed("officer 7", call=first),
    ):
        out = lane.tell(act)
        assert [note.kind for note in out if isinstance(note, c.NoteEvent)] == ["act_refused"]
        assert lane.state is State.OFFICER_REFERRAL
    lane.tell(e.OfficerReleased("o2", "officer 7", "seen", call=second))
    assert lane.state is State.EXIT_OPEN


@pytest.mark.invariant("INV-2")
def test_what_was_said_of_one_reason_does_not_answer_the_next(new_lane):
    """Seen on the camera, then the entry is forced: somebody else may be inside by the time the officer's word arrives."""
    lane = emptied_and_entered(new_lane)
    first, reason = lane.controller.call_number, called(lane)
    lane.tell(e.OfficerAcknowledged("officer 7", call=first))
    assert lane.controller.officer_call[2] == "officer 7"
    lane.see(entry_door=OPEN)
    lane.wait(2)
    assert called(lane) is Reason.DOOR_FORCED is not reason
    assert (lane.controller.call_number > first, lane.controller.officer_call[2]) == (True, None)
    lane.see(entry_door=CLOSED)
    lane.wait(1)
    out = lane.tell(e.OfficerReleased("o1", "officer 7", "seen on the camera before", call=first))
    assert [note.kind for note in out if isinstance(note, c.NoteEvent)] == ["act_refused"]
    assert not any(isinstance(command, c.OpenDoor) for command in out)
    same = lane.controller.call_number
    lane.wait(120)
    assert lane.controller.call_number == same, "an escalation is the same call"


def test_an_act_for_nobodys_call_is_refused_once_somebody_is_called(new_lane):
    """0 stands for: nobody is called. The officer looked, and a call came before the word did."""
    lane = emptied_and_entered(new_lane)
    pending = lane.controller.call_number
    assert pending
    for act in (e.OfficerReleased("o1", "officer 7", "seen", call=0), e.OfficerReturned("o1", "officer 7", "seen", call=0)):
        out = lane.tell(act)
        assert [note.kind for note in out if isinstance(note, c.NoteEvent)] == ["act_refused"]
        assert not any(isinstance(command, c.OpenDoor) for command in out)
    fresh = new_lane()
    assert fresh.controller.call_number is None
    assert not fresh.controller._is_meant(e.OfficerReturned("o2", "officer 7", "asked to", call=5))
    assert fresh.controller._is_meant(e.OfficerReturned("o2", "officer 7", "asked to", call=0))


def emptied_and_entered(new_lane):
    """Somebody came in against the gate's will, by an entry that was shut all the time."""
    lane = ready(new_lane)
    lane.see(occupancy=ONE)
    lane.wait(5)
    assert called(lane) is not None
    return lane


def test_a_new_call_is_nobodys_yet(new_lane):
    lane = referral(new_lane)
    TAKEN(lane)
    lane.see(occupancy=NOBODY)
    lane.wait(10)
    REARMED(lane)
    lane.wait(5)
    assert lane.state is State.READY
    lane.admit("B").enter()
    lane.tell(e.CheckEnded("B", Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH))
    assert lane.controller.officer_call[2] is None


# -- a stop ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("INV-4")
def test_a_stop_ends_no_call_while_the_counter_gives_no_answer(new_lane):
    lane = referral(new_lane)
    RELEASED(lane)
    lane.see(occupancy=UNSEEN)
    lane.tell(e.StopRequested(now=True))
    assert called(lane) is not None
    assert lane.controller.idle


@pytest.mark.invariant("INV-5")
def test_a_stop_waits_for_an_emergency_as_for_a_crossing_and_leaves_its_doors_held(new_lane):
    lane = emergency(new_lane)
    lane.tell(LATER_STOP)
    assert not lane.controller.idle
    out = lane.tell(e.StopRequested(now=True))
    assert lane.controller.idle
    assert any(isinstance(order, c.OpenDoor) and order.emergency for order in out)


def test_a_stop_in_an_emergency_ends_with_the_rearm(new_lane):
    lane = emergency(new_lane)
    lane.tell(LATER_STOP)
    LOOP_WHOLE(lane)
    lane.wait(0.4)
    REARMED(lane)
    assert lane.controller.idle


# -- a bug -----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def broken(new_lane):
    def boom(*_):
        raise ZeroDivisionError

    lane = exit_open(new_lane)
    lane.controller._lane.many_inside = boom
    lane.out[:] = lane.controller.handle(e.InputsRead(lane.inputs), lane.now)
    lane.tell = lambda event: lane.out.extend(lane.controller.handle(event, lane.now))
    return lane


@pytest.mark.invariant("INV-4")
def test_a_bug_latches_the_lane_calls_and_leaves_no_green_lamp(broken):
    assert ("latched", {"reason": "internal_error"}) in [(note.kind, dict(note.fields)) for note in broken.ordered(c.NoteEvent)]
    assert broken.controller.officer_call == (Reason.INTERNAL_ERROR, 0, None)
    assert {order.lamp for order in broken.ordered(c.SetLamp) if order.on} == {Lamp.ENTRY_RED}


@pytest.mark.parametrize("act", [RELEASED, REARMED, TAKEN, ENGINEER])
def test_a_failed_core_refuses_what_it_does_not_do(broken, act):
    broken.out.clear()
    act(broken)
    assert [command.kind for command in broken.out] == ["act_refused"]


# -- a check is told twice ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", [Modality.FINGERPRINT, Modality.FACE])
def test_only_attack_detection_takes_back_what_it_said(new_lane, modality):
    lane = identity(new_lane)
    lane.tell(e.CheckEnded("x", modality, CheckOutcome.SUCCESSFUL))
    lane.tell(e.CheckEnded("x", modality, CheckOutcome.FAILED, Reason.FACE_MISMATCH))
    assert lane.state is State.IDENTITY_CHECK
    assert lane.controller._lane.crossing.checks[modality] is CheckOutcome.SUCCESSFUL


def test_what_was_taken_back_once_is_not_told_again(new_lane):
    lane = identity(new_lane)
    core = lane.controller._lane
    core.absorb(e.CheckEnded("x", Modality.PAD, CheckOutcome.FAILED, Reason.PAD_ALARM), lane.now)
    core.absorb(e.CheckEnded("x", Modality.PAD, CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED), lane.now)
    assert core.crossing.check_reasons[Modality.PAD] is Reason.PAD_ALARM
    STOP(lane)
