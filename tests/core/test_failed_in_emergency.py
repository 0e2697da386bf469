"""A bug of the core while an emergency is reported: the doors are opened as the policy wants them, and held, whatever else is broken (INV-5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import UNKNOWN_INPUTS, Device, Door, TriState

pytestmark = pytest.mark.invariant("INV-5")
HELD = [("CloseDoor", Door.EXIT), ("OpenDoor", Door.ENTRY)]


def doors(out):
    return [(type(command).__name__, command.door) for command in out if isinstance(command, c.OpenDoor | c.CloseDoor)]


def broken(*_arguments, **_fields):
    raise ZeroDivisionError


def handle(lane, event, after=0.0):
    """As Lane.tell, but a failed core is what is wanted here."""
    lane.now += after
    return lane.controller.handle(event, lane.now)


def reading(lane, emergency=TriState.ACTIVE):
    return e.InputsRead(replace(lane.inputs, emergency=emergency))


@pytest.mark.parametrize("bug", ["note_emergency", "hold_emergency_doors", "finish", "call", "absorb", "emergency_reported", "chamber_clear"])
def test_a_bug_at_the_first_report_opens_the_doors(lane, bug):
    lane.admit().enter()
    setattr(lane.controller._lane, bug, broken)
    out = handle(lane, reading(lane))
    assert lane.controller.failure is not None
    assert doors(out) == HELD
    assert all(command.emergency for command in out if isinstance(command, c.OpenDoor))
    assert c.ShowPrompt(Prompt.EMERGENCY_EXIT) in out
    assert c.CallOfficer(Reason.INTERNAL_ERROR) in out
    assert [note.kind for note in out if isinstance(note, c.NoteEvent)].count("emergency") == 1, "after a restart the lane still waits for the re-arm"


@pytest.mark.parametrize(("bug", "event"), [("escalate", e.TimerExpired()), ("note_rearm_refused", e.Rearmed("officer 7"))])
@pytest.mark.parametrize("loop", [TriState.ACTIVE, TriState.INACTIVE])
def test_a_bug_in_the_middle_of_an_emergency_holds_the_doors(lane, bug, event, loop):
    lane.see(emergency=TriState.ACTIVE)
    lane.see(emergency=loop, occupancy=lane.inputs.occupancy.ONE)
    setattr(lane.controller._lane, bug, broken)
    out = handle(lane, event, after=61)
    assert isinstance(lane.controller.failure, ZeroDivisionError)
    assert doors(out) == HELD


def test_the_doors_are_renewed_before_their_openings_end_until_the_restart(lane):
    lane.controller._lane.note_emergency = broken
    first = handle(lane, reading(lane))
    hold_s = next(command.hold_s for command in first if isinstance(command, c.OpenDoor))
    for loop in (TriState.ACTIVE, TriState.UNKNOWN, TriState.INACTIVE):
        due = lane.controller.next_deadline()
        assert lane.now < due < lane.now + hold_s
        assert doors(handle(lane, reading(lane, loop), after=due - lane.now - 0.1)) == []
        assert doors(handle(lane, e.TimerExpired(), after=0.1)) == HELD
    assert lane.state is State.EMERGENCY, "nobody can re-arm a failed core"


def test_a_board_that_comes_back_is_told_again(lane):
    lane.controller._lane.note_emergency = broken
    handle(lane, reading(lane))
    assert handle(lane, e.DeviceLost(Device.IO_BOARD), after=1) == []
    assert lane.controller.inputs == UNKNOWN_INPUTS
    assert handle(lane, e.DeviceReady(Device.QR_CAMERA)) == []
    assert doors(handle(lane, e.DeviceReady(Device.IO_BOARD))) == HELD


def test_an_emergency_after_the_bug_is_noted_once_and_held(lane):
    lane.controller._lane.clear_to_admit = broken
    assert doors(handle(lane, e.PassRead("x", "T"))) == [("CloseDoor", Door.EXIT), ("CloseDoor", Door.ENTRY)]
    assert (lane.state, lane.controller.next_deadline()) == (State.OUT_OF_SERVICE, None)
    assert handle(lane, e.DeviceReady(Device.IO_BOARD)) == []
    out = handle(lane, reading(lane), after=1)
    assert doors(out) == HELD
    assert c.NoteEvent("emergency") in out
    assert lane.state is State.EMERGENCY
    assert handle(lane, reading(lane), after=1) == []
    again = handle(lane, e.TimerExpired(), after=lane.policy.emergency_hold_s - 1)
    assert doors(again) == HELD
    assert c.NoteEvent("emergency") not in again


def test_a_record_that_cannot_be_made_keeps_no_door_from_closing(lane):
    """The admission is on record; the next start finds it without an outcome and gives it one."""
    lane.admit().enter()
    lane.controller._lane.chamber_clear = broken
    lane.controller._lane.check_failed = broken
    out = handle(lane, e.TimerExpired())
    assert doors(out) == [("CloseDoor", Door.EXIT), ("CloseDoor", Door.ENTRY)]
    assert c.CallOfficer(Reason.INTERNAL_ERROR) in out
