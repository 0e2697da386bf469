from __future__ import annotations

import dataclasses
import threading

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import UNKNOWN_INPUTS, Door, DoorPosition, Lamp, LaneInputs, Occupancy, TriState
from gate_controller.ports.errors import DeviceProtocolError, DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError
from gate_controller.runtime.io_worker import NOTED_WITHIN_S, IoWorker

EMPTY = LaneInputs(DoorPosition.CLOSED, DoorPosition.CLOSED, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, Occupancy.ZERO)
SILENT = DeviceTimeoutError("io_board: no answer", "check the cable")


@pytest.fixture
def board(make_board):
    return make_board(EMPTY)


@pytest.fixture
def worker(board, around):
    worker = IoWorker(board, around)
    worker._is_open = True
    worker.opened()
    return worker


def order(worker, command):
    worker.submit(command)
    worker._obey(worker.take(0))


def opened(board):
    return [entry[1] for entry in board.log if entry[0] == "open"]


def test_inputs_are_posted_when_they_change_only(worker, board, inbox):
    worker.step()
    worker.step()
    assert [event.inputs for event in inbox.of(e.InputsRead)] == [EMPTY]
    assert [report.state for report in inbox.reports] == ["ready"]


@pytest.mark.invariant("INV-3")
def test_one_missing_answer_makes_everything_unknown_at_once_but_the_board_is_not_lost(worker, board, inbox):
    worker.step()
    board.fail.append(SILENT)
    worker.step()
    worker.step()
    assert [event.inputs for event in inbox.of(e.InputsRead)] == [EMPTY, UNKNOWN_INPUTS, EMPTY]
    assert inbox.of(e.DeviceLost) == []


def test_a_board_that_stays_silent_is_lost(worker, board, clock):
    worker.step()
    board.fail.extend([SILENT, SILENT])
    worker.step()
    clock.now += 1.1
    with pytest.raises(DeviceTimeoutError):
        worker.step()


def test_a_refusal_is_lost_at_once(worker, board):
    board.fail.append(DeviceRejectedError("io_board: illegal address", "check the map"))
    with pytest.raises(DeviceRejectedError):
        worker.step()


def test_an_opening_is_never_repeated_but_a_closing_is(worker, board, around, monkeypatch):
    worker.step()
    board.log.clear()
    board.fail.append(SILENT)
    order(worker, c.OpenDoor(Door.ENTRY, 3.0))
    worker.step()
    assert ("open", Door.ENTRY) not in board.log
    board.fail.append(DeviceUntrustedError("io_board: quarantine", "wait"))
    order(worker, c.CloseDoor(Door.ENTRY))
    worker.step()
    worker.step()
    assert board.log.count(("close", Door.ENTRY)) == 1


def test_a_later_opening_cancels_a_closing_that_is_still_owed(worker, board):
    worker.step()
    board.fail.append(SILENT)
    order(worker, c.CloseDoor(Door.ENTRY))
    order(worker, c.OpenDoor(Door.ENTRY, 3.0, emergency=True))  # the failed closing made the inputs unknown
    worker.step()
    assert ("close", Door.ENTRY) not in board.log
    assert ("open", Door.ENTRY) in board.log


def test_door_commands_from_before_the_loss_are_dropped(worker, board):
    worker.submit(c.OpenDoor(Door.EXIT, 3.0))
    worker.opened()
    worker.step()
    assert ("open", Door.EXIT) not in board.log


def test_lamps_and_call_are_sent_again_to_a_board_that_comes_back(worker, board):
    worker.submit(c.SetLamp(Lamp.ENTRY_RED, on=True))
    worker.submit(c.CallOfficer(Reason.DOOR_FORCED))
    worker.step()
    worker.step()
    assert board.log.count(("lamp", Lamp.ENTRY_RED, True)) == 1
    worker.opened()
    worker.step()
    worker.step()
    assert board.log.count(("lamp", Lamp.ENTRY_RED, True)) == 2
    assert board.log.count(("call", True)) == 2


def test_leaving_closes_both_doors(worker, board):
    worker.leave()
    assert [entry for entry in board.log if entry[0] == "close"] == [("close", Door.EXIT), ("close", Door.ENTRY)]


def test_an_opening_that_comes_too_late_is_dropped_and_a_closing_is_not(worker, board, clock):
    worker.step()
    worker.step()  # the first one brought the officer's call to what it should be
    board.log.clear()
    worker.submit(c.OpenDoor(Door.ENTRY, 3.0))
    worker.submit(c.CloseDoor(Door.EXIT))
    clock.now += 1.5
    worker._obey(worker.take(0))
    worker._obey(worker.take(0))
    assert board.log == [("close", Door.EXIT)]


def test_commands_are_carried_out_although_readings_are_slower_than_the_poll(worker, board, clock):
    worker.step()
    read = board.read

    def slow(deadline):
        clock.now += 0.04
        return read(deadline)

    board.read = slow
    worker.submit(c.OpenDoor(Door.ENTRY, 3.0))
    worker.submit(c.CloseDoor(Door.EXIT))
    worker.step()
    assert [entry for entry in board.log if entry[0] in {"open", "close"}] == [("open", Door.ENTRY), ("close", Door.EXIT)]


@pytest.mark.invariant("INV-1")
@pytest.mark.parametrize("position", [DoorPosition.OPEN, DoorPosition.MOVING, DoorPosition.UNKNOWN])
def test_an_opening_that_arrives_during_a_reading_which_shows_the_other_door_not_closed_is_dropped(worker, board, position):
    worker.step()
    read = board.read

    def reading(deadline):
        worker.submit(c.OpenDoor(Door.EXIT, 3.0))
        return read(deadline)

    board.read = reading
    board.inputs = dataclasses.replace(EMPTY, entry_door=position)
    worker.step()
    assert ("open", Door.EXIT) not in board.log
    worker.submit(c.OpenDoor(Door.EXIT, 3.0))
    worker.step()
    assert ("open", Door.EXIT) not in board.log


@pytest.mark.invariant("INV-1")
def test_no_opening_before_the_first_reading_nor_after_one_that_failed(worker, board):
    order(worker, c.OpenDoor(Door.EXIT, 3.0))
    worker.step()
    board.fail.append(SILENT)
    worker.step()
    order(worker, c.OpenDoor(Door.EXIT, 3.0))
    assert ("open", Door.EXIT) not in board.log


def test_an_emergency_opening_is_carried_out_late_and_whatever_the_other_door_does(worker, board, clock):
    board.inputs = dataclasses.replace(EMPTY, entry_door=DoorPosition.OPEN)
    worker.step()
    worker.submit(c.OpenDoor(Door.EXIT, 3.0, emergency=True))
    clock.now += 1.5
    worker.step()
    assert ("open", Door.EXIT) in board.log


def test_a_garbled_answer_counts_like_a_missing_one(worker, board, clock, inbox):
    worker.step()
    board.fail.append(DeviceProtocolError("io_board: wrong checksum", "check the line"))
    worker.step()
    assert inbox.of(e.InputsRead)[-1].inputs == UNKNOWN_INPUTS
    board.fail.append(DeviceProtocolError("io_board: wrong checksum", "check the line"))
    order(worker, c.CloseDoor(Door.ENTRY))
    worker.step()
    assert board.log.count(("close", Door.ENTRY)) == 1
    board.fail.append(DeviceProtocolError("io_board: wrong checksum", "check the line"))
    clock.now += 1.1
    with pytest.raises(DeviceProtocolError):
        worker.step()


def test_leaving_does_not_close_a_door_that_is_open_in_an_emergency(worker, board):
    order(worker, c.OpenDoor(Door.EXIT, 9.0, emergency=True))
    order(worker, c.OpenDoor(Door.ENTRY, 9.0, emergency=True))
    order(worker, c.CloseDoor(Door.ENTRY))
    board.log.clear()
    worker.leave()
    assert board.log == [("close", Door.ENTRY), ("call", False)]


def test_leaving_still_carries_out_an_emergency_opening_that_waits(worker, board):
    worker.submit(c.OpenDoor(Door.EXIT, 9.0, emergency=True))
    worker.submit(c.OpenDoor(Door.ENTRY, 9.0))
    worker.leave()
    assert board.log == [("open", Door.EXIT), ("close", Door.ENTRY), ("call", False)]


@pytest.mark.invariant("INV-4")
def test_leaving_switches_call_and_lamps_as_they_were_ordered_last(worker, board):
    """A controller that ends leaves whoever is inside with a call, and no lane that nobody controls with a green lamp."""
    worker.step()
    order(worker, c.CloseDoor(Door.EXIT))
    worker.submit(c.CallOfficer(Reason.STOPPING))
    for lamp in Lamp:
        worker.submit(c.SetLamp(lamp, lamp is Lamp.ENTRY_RED))
    board.log.clear()
    worker.leave()
    assert board.log[:3] == [("close", Door.EXIT), ("close", Door.ENTRY), ("call", True)]
    assert sorted(board.log[3:], key=str) == sorted((("lamp", lamp, lamp is Lamp.ENTRY_RED) for lamp in Lamp), key=str)


@pytest.mark.invariant("INV-3")
def test_an_opening_waits_for_no_lane_that_was_not_seen_lately(worker, board, clock):
    """The process stood still: the order was young when it was given, and so was the reading."""
    worker.step()
    clock.now += 3600
    worker.submit(c.OpenDoor(Door.EXIT, 3.0))
    board.log.clear()
    worker._obey_queued()
    assert ("open", Door.EXIT) not in board.log


@pytest.mark.invariant("INV-4")
def test_the_way_out_at_a_stop_is_left_to_the_boards_timer(worker, board):
    worker.step()
    board.log.clear()
    worker.submit(c.CloseDoor(Door.EXIT))
    worker.submit(c.CloseDoor(Door.ENTRY))
    worker.submit(c.OpenDoor(Door.ENTRY, 16.0))
    worker.leave()
    doors = [entry for entry in board.log if entry[0] in {"open", "close"}]
    assert doors == [("close", Door.EXIT), ("open", Door.ENTRY)], "the other door is closed before"


@pytest.mark.invariant("INV-5")
def test_an_emergency_opening_that_did_not_reach_the_board_is_sent_again(worker, board):
    worker.step()
    board.log.clear()
    board.fail.append(SILENT)
    order(worker, c.OpenDoor(Door.ENTRY, 11.0, emergency=True))
    assert ("open", Door.ENTRY) not in board.log
    worker.step()
    worker.step()
    assert board.log.count(("open", Door.ENTRY)) == 1


def test_unless_the_door_was_ordered_closed_meanwhile(worker, board):
    worker.step()
    board.log.clear()
    board.fail.append(SILENT)
    order(worker, c.OpenDoor(Door.ENTRY, 11.0, emergency=True))
    worker.submit(c.CloseDoor(Door.ENTRY))
    worker.step()
    assert ("open", Door.ENTRY) not in board.log


@pytest.mark.invariant("INV-2")
def test_an_opening_by_an_officers_hand_waits_until_the_act_is_on_record(worker, board):
    worker.step()
    noted = threading.Event()
    worker.submit(c.OpenDoor(Door.EXIT, 5.0), once=noted)
    worker.step()
    assert opened(board) == []
    noted.set()
    worker.step()
    assert opened(board) == [Door.EXIT]


def test_but_nobody_stays_inside_because_a_note_cannot_be_written(worker, board, clock):
    worker.step()
    worker.submit(c.OpenDoor(Door.EXIT, 5.0), once=threading.Event())
    worker.step()
    clock.now += NOTED_WITHIN_S + 0.01
    worker.step()
    assert opened(board) == [Door.EXIT]


@pytest.mark.invariant("INV-1")
def test_an_opening_that_waits_is_dropped_when_the_door_is_ordered_closed(worker, board):
    worker.step()
    noted = threading.Event()
    worker.submit(c.OpenDoor(Door.EXIT, 5.0), once=noted)
    worker.step()
    worker.submit(c.CloseDoor(Door.EXIT))
    noted.set()
    worker.step()
    worker.step()
    assert opened(board) == []


@pytest.mark.invariant("INV-5")
def test_an_emergency_waits_for_no_note_and_takes_the_place_of_what_does(worker, board):
    worker.step()
    noted = threading.Event()
    worker.submit(c.OpenDoor(Door.ENTRY, 5.0), once=noted)
    worker.step()
    worker.submit(c.OpenDoor(Door.ENTRY, 11.0, emergency=True), once=noted)
    worker.step()
    noted.set()
    worker.step()
    assert opened(board) == [Door.ENTRY]
