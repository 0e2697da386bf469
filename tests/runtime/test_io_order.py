"""What goes on the line before what: between two readings, in an emergency, after a lost reply; each exchange costs 24 ms at 9600 baud."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Door, Lamp, TriState
from gate_controller.ports.errors import DeviceUntrustedError
from gate_controller.runtime.io_worker import IoWorker
from tests.runtime.test_io_worker import EMPTY, SILENT, opened, order

ALARM = dataclasses.replace(EMPTY, emergency=TriState.ACTIVE)


@pytest.fixture
def board(make_board):
    return make_board(EMPTY)


@pytest.fixture
def worker(board, around):
    worker = IoWorker(board, around)
    worker._is_open = True
    worker.opened()
    return worker


@pytest.mark.invariant("INV-5")
def test_nothing_is_sent_between_the_reading_that_shows_an_emergency_and_the_door_that_it_opens(worker, board, inbox, monkeypatch):
    """Lamps and call are due, too, and each would cost the line 24 ms."""
    worker.step()
    for lamp in Lamp:
        worker.submit(c.SetLamp(lamp, True))
    worker.submit(c.CallOfficer(Reason.EMERGENCY))
    monkeypatch.setattr(board, "inputs", ALARM)
    decided = iter([c.CloseDoor(Door.EXIT), c.OpenDoor(Door.ENTRY, 11.0, emergency=True)])
    took = worker.take

    def decide(wait_s):
        """The decision thread answers while the worker waits for it."""
        if inbox.of(e.InputsRead)[-1].inputs == ALARM and (command := next(decided, None)) is not None:
            worker.submit(command)
        return took(0)

    monkeypatch.setattr(worker, "take", decide)
    board.log.clear()
    worker.step()
    assert board.log == [("read",), ("open", Door.ENTRY)]
    worker.step()
    worker.step()
    assert board.log[2:] == [("read",), ("close", Door.EXIT), ("read",), ("call", True)]


def test_an_opening_that_is_ordered_during_a_reading_goes_out_before_the_lamps(worker, board, monkeypatch):
    """The order of a release comes with the lamps that go with it: the traveller waits for the door, not for them."""
    worker.step()
    read = board.read

    def read_and_order(deadline):
        worker.submit(c.OpenDoor(Door.EXIT, 9.0))
        worker.submit(c.SetLamp(Lamp.EXIT_GREEN, True))
        monkeypatch.setattr(board, "read", read)
        return read(deadline)

    monkeypatch.setattr(board, "read", read_and_order)
    board.log.clear()
    worker.step()
    worker.step()
    assert board.log == [("read",), ("open", Door.EXIT), ("read",), ("lamp", Lamp.EXIT_GREEN, True)]


def test_one_closing_a_reading_and_then_no_lamp(worker, board):
    """Both doors are ordered closed whenever the lane closes: two writes in a row would hold up the next reading."""
    worker.step()
    worker.step()
    worker.submit(c.CloseDoor(Door.EXIT))
    worker.submit(c.CloseDoor(Door.ENTRY))
    worker.submit(c.SetLamp(Lamp.ENTRY_RED, True))
    board.log.clear()
    for _ in range(3):
        worker.step()
    assert [entry[0] for entry in board.log] == ["close", "read", "close", "read", "lamp", "read"]


def test_a_closing_ordered_after_a_lamp_was_sent_waits_for_the_next_reading(worker, board, monkeypatch):
    worker.step()
    worker.submit(c.SetLamp(Lamp.ENTRY_RED, True))
    set_lamp = board.set_lamp

    def lamp_and_then_an_order(*arguments):
        set_lamp(*arguments)
        worker.submit(c.CloseDoor(Door.ENTRY))

    monkeypatch.setattr(board, "set_lamp", lamp_and_then_an_order)
    board.log.clear()
    worker.step()
    worker.step()
    assert [entry[0] for entry in board.log] == ["read", "lamp", "read", "close"]


def test_what_is_owed_does_not_wait_for_a_board_that_cannot_be_read(worker, board):
    worker.step()
    board.fail.append(SILENT)
    worker.step()
    board.log.clear()
    worker.submit(c.CloseDoor(Door.EXIT))
    worker.submit(c.CloseDoor(Door.ENTRY))
    board.fail.extend([None, SILENT, None, SILENT])
    for _ in range(2):
        worker.step()
    assert [entry for entry in board.log if entry[0] == "close"] == [("close", Door.EXIT), ("close", Door.ENTRY)]


def test_one_lamp_a_reading(worker, board):
    worker.step()
    for lamp in Lamp:
        worker.submit(c.SetLamp(lamp, True))
    worker.submit(c.CallOfficer(Reason.TAMPER))
    board.log.clear()
    for _ in range(5):
        worker.step()
    assert [entry[0] for entry in board.log] == ["read", "call", "read", "lamp", "read", "lamp", "read", "lamp", "read"]


@pytest.mark.invariant("INV-5")
def test_an_emergency_opening_during_the_quarantine_is_the_first_thing_sent_after_it(worker, board):
    board.inputs = ALARM
    worker.step()
    board.log.clear()
    board.fail.extend([DeviceUntrustedError("io_board: quarantine", "wait")] * 4)
    worker.submit(c.CloseDoor(Door.EXIT))
    worker.submit(c.OpenDoor(Door.ENTRY, 11.0, emergency=True))
    for _ in range(4):
        worker.step()
    assert board.log[0] == ("open", Door.ENTRY)


@pytest.mark.invariant("INV-4")
def test_call_and_lamps_are_written_anew_when_a_reply_was_lost(worker, board):
    """The board may have restarted, and dropped its relays, although it was not lost."""
    worker.submit(c.SetLamp(Lamp.ENTRY_RED, on=True))
    worker.submit(c.CallOfficer(Reason.DOOR_FORCED))
    for _ in range(3):
        worker.step()
    board.log.clear()
    board.fail.extend([SILENT] * 3)
    for _ in range(6):
        worker.step()
    assert board.log.count(("call", True)) == 1
    assert board.log.count(("lamp", Lamp.ENTRY_RED, True)) == 1


@pytest.mark.invariant("INV-4")
def test_the_call_is_written_anew_at_each_escalation(worker, board):
    for escalation in range(3):
        worker.submit(c.CallOfficer(Reason.DOOR_FORCED, escalation))
        worker.step()
        worker.step()
    assert board.log.count(("call", True)) == 3


@pytest.mark.invariant("INV-5")
def test_an_emergency_on_a_lossy_line_is_not_new_each_time_a_reply_gets_through(worker, board):
    """Else no call would ever be sent: nothing is sent after a reading in which an emergency is new."""
    board.inputs = ALARM
    worker.step()
    worker.submit(c.CallOfficer(Reason.EMERGENCY))
    board.log.clear()
    for _ in range(3):
        board.fail.append(SILENT)
        worker.step()
        worker.step()
    assert [entry[0] for entry in board.log] == ["read", "call"] * 3


@pytest.mark.invariant("INV-5")
def test_an_emergency_after_one_that_ended_is_new_however_many_replies_were_lost_between(worker, board):
    for inputs in (ALARM, EMPTY, ALARM):
        board.inputs = inputs
        worker.step()
        board.fail.append(SILENT)
        worker.step()
    worker.submit(c.CallOfficer(Reason.EMERGENCY))
    board.inputs = EMPTY
    worker.step()
    board.inputs = ALARM
    board.fail.append(SILENT)
    worker.step()
    board.log.clear()
    worker.step()
    assert [entry[0] for entry in board.log] == ["read"]


@pytest.mark.invariant("INV-1")
def test_a_closing_goes_out_before_the_opening_of_the_other_door_though_a_lamp_was_just_written(worker, board, monkeypatch):
    worker.step()
    worker.submit(c.SetLamp(Lamp.ENTRY_RED, True))
    set_lamp = board.set_lamp

    def lamp_and_then_orders(*arguments):
        set_lamp(*arguments)
        worker.submit(c.CloseDoor(Door.ENTRY))
        worker.submit(c.OpenDoor(Door.EXIT, 5.0))

    monkeypatch.setattr(board, "set_lamp", lamp_and_then_orders)
    board.log.clear()
    worker.step()
    assert board.log == [("read",), ("lamp", Lamp.ENTRY_RED, True), ("close", Door.ENTRY), ("open", Door.EXIT)]


@pytest.mark.invariant("INV-1")
def test_an_opening_is_dropped_when_the_other_doors_closing_does_not_reach_the_board(worker, board):
    worker.step()
    worker._may_write = False
    order(worker, c.CloseDoor(Door.ENTRY))
    board.log.clear()
    board.fail.append(SILENT)
    order(worker, c.OpenDoor(Door.EXIT, 5.0))
    for _ in range(3):
        worker.step()
    assert [entry for entry in board.log if entry[0] in {"open", "close"}] == [("close", Door.ENTRY)]


@pytest.mark.invariant("INV-5")
def test_an_emergency_opening_waits_for_no_closing(worker, board):
    worker.step()
    worker._may_write = False
    order(worker, c.CloseDoor(Door.ENTRY))
    board.log.clear()
    order(worker, c.OpenDoor(Door.EXIT, 11.0, emergency=True))
    assert board.log == [("open", Door.EXIT)]


@pytest.mark.invariant("INV-2")
def test_an_opening_ordered_before_an_emergency_was_read_is_dropped(worker, board):
    """The border opens in an emergency by the policy, and not because somebody was just about to pass."""
    board.inputs = ALARM
    worker.step()
    order(worker, c.OpenDoor(Door.EXIT, 5.0))
    assert opened(board) == []
    order(worker, c.OpenDoor(Door.EXIT, 11.0, emergency=True))
    assert opened(board) == [Door.EXIT]


@pytest.mark.invariant("INV-5")
def test_the_outputs_are_looked_at_after_the_inputs_when_there_is_nothing_else_to_send(worker, board):
    worker.step()
    board.looks = True
    worker.submit(c.SetLamp(Lamp.ENTRY_RED, True))
    board.log.clear()
    worker.step()
    worker.step()
    assert [entry[0] for entry in board.log] == ["read", "lamp", "read", "look"]
    worker.submit(c.OpenDoor(Door.EXIT, 5.0), once=threading.Event())
    worker.step()
    board.log.clear()
    worker.step()
    assert [entry[0] for entry in board.log] == ["read"], "an opening is owed"
    worker.submit(c.CloseDoor(Door.EXIT))
    worker.step()
    board.inputs = ALARM
    board.log.clear()
    worker.step()
    worker.step()
    assert [entry[0] for entry in board.log] == ["read", "read"]
