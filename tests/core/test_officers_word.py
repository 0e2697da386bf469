"""What an officer's act does not do: make a record of what nobody knows, or put off a call that nobody made."""

from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import Device, DoorPosition, Occupancy, Outcome, TriState


@pytest.mark.invariant("INV-6")
def test_whoever_was_seen_to_go_is_not_recorded_as_sent_back(lane):
    """Somebody came in by the closing exit and an officer sends them back: the traveller is beyond all the same."""
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.see(exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    lane.see(occupancy=Occupancy.ONE)
    lane.wait(0.5)
    lane.see(exit_door=DoorPosition.CLOSED)
    lane.wait(lane.policy.clearing_s)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.REVERSE_ENTRY)
    lane.tell(e.OfficerReturned("y", "officer 7", "came from the other side"))
    lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    lane.see(entry_door=DoorPosition.CLOSED)
    assert (lane.record().outcome, lane.record().reason, lane.record().exited) == (Outcome.ABORTED, Reason.REVERSE_ENTRY, True)


@pytest.mark.invariant("INV-4")
def test_an_acknowledgement_where_nobody_is_called_is_refused_and_puts_nothing_off(new_lane):
    lane = new_lane()
    lane.tell(e.Started())
    lane.tell(e.DeviceReady(Device.IO_BOARD))
    assert lane.controller.officer_call is None
    lane.see(occupancy=Occupancy.ONE)
    lane.see(occupancy=Occupancy.UNKNOWN)
    due = lane.now + lane.policy.officer_acknowledge_s
    out = lane.tell(e.OfficerAcknowledged("officer 7"))
    assert [note.kind for note in out if isinstance(note, c.NoteEvent)] == ["act_refused"]
    lane.wait(due - lane.now + 1)
    assert lane.controller.officer_call is not None


def test_an_acknowledgement_is_refused_on_the_way_back_that_nobody_was_called_for(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.MANY)
    lane.wait(0.5)
    assert (lane.state, lane.controller.officer_call) == (State.RETURN_PATH, None)
    out = lane.tell(e.OfficerAcknowledged("officer 7"))
    assert [note.kind for note in out if isinstance(note, c.NoteEvent)] == ["act_refused"]


def called(lane):
    """Somebody inside for whom an officer is called."""
    lane.admit().enter()
    lane.tell(e.AssistanceRequested("officer 1"))
    assert lane.state is State.OFFICER_REFERRAL
    return lane


def refused(out):
    return [note.kind for note in out if isinstance(note, c.NoteEvent)] == ["act_refused"]


@pytest.mark.invariant("INV-4")
def test_taking_a_call_over_and_over_does_not_put_off_its_repeat(lane):
    called(lane)
    assert not refused(lane.tell(e.OfficerAcknowledged("officer 7")))
    due = lane.now + lane.policy.officer_attend_s
    while lane.now < due - 11:
        lane.wait(10)
        assert refused(lane.tell(e.OfficerAcknowledged("officer 7")))
    lane.wait(due - lane.now + 1)
    assert lane.controller.officer_call[1:] == (1, None), "louder, and nobody has taken it"
    assert not refused(lane.tell(e.OfficerAcknowledged("officer 8")))


def test_a_call_that_is_taken_is_not_taken_from_whoever_comes(lane):
    called(lane)
    lane.tell(e.OfficerAcknowledged("anna"))
    assert refused(lane.tell(e.OfficerAcknowledged("ben")))
    assert lane.controller.officer_call[2] == "anna"


def test_after_a_bug_nobody_has_taken_the_call(lane):
    called(lane)
    lane.tell(e.OfficerAcknowledged("anna"))
    number = lane.controller.call_number
    lane.controller._lane.absorb = lambda *_: 1 / 0
    lane.now += 1.0
    lane.controller.handle(e.TimerExpired(), lane.now)
    assert lane.controller.officer_call == (Reason.INTERNAL_ERROR, 0, None)
    assert lane.controller.call_number > number
