"""The board's worker when it was held up, when what it has in its queue is no longer wanted, and when it must let go of a board that misses answers."""

from __future__ import annotations

import dataclasses

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import UNKNOWN_INPUTS, Door, DoorPosition, Lamp, LaneInputs, Occupancy, TriState
from gate_controller.ports.errors import DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError
from gate_controller.runtime import io_worker
from gate_controller.runtime.io_worker import IoWorker

EMPTY = LaneInputs(DoorPosition.CLOSED, DoorPosition.CLOSED, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, Occupancy.ZERO)
SILENT = DeviceTimeoutError("io_board: no answer", "check the cable")
QUARANTINE = DeviceUntrustedError("io_board: quarantine", "wait")
REFUSED = DeviceRejectedError("io_board: refused function 05: exception 4", "look at the board")


@pytest.fixture
def board(make_board):
    return make_board(EMPTY)


@pytest.fixture
def worker(board, around, monkeypatch):
    monkeypatch.setattr(io_worker, "QUARANTINE_POLL_S", 0.0)
    worker = IoWorker(board, around)
    worker._is_open = True
    worker.opened()
    worker.step()
    worker.step()
    board.log.clear()
    return worker


def doors(board):
    return [entry for entry in board.log if entry[0] in {"open", "close"}]


@pytest.mark.invariant("INV-2")
@pytest.mark.parametrize("emergency", [False, True])
def test_an_opening_that_was_taken_back_while_it_waited_is_not_sent(worker, board, clock, emergency):
    worker.submit(c.OpenDoor(Door.EXIT, 5.0, emergency=emergency))
    clock.now += 0.4
    worker.submit(c.CloseDoor(Door.EXIT))
    worker.step()
    assert doors(board) == [("close", Door.EXIT)]


def test_of_two_openings_of_a_door_the_newer_is_sent(worker, board):
    worker.submit(c.OpenDoor(Door.EXIT, 5.0))
    worker.submit(c.OpenDoor(Door.EXIT, 6.0))
    worker.step()
    assert doors(board) == [("open", Door.EXIT)]


@pytest.mark.invariant("INV-3")
def test_an_answer_that_took_for_ever_shows_the_lane_of_before(worker, board, clock, inbox):
    """The thread was put aside between the board's answer and the next line of the program."""
    read = board.read

    def late(deadline):
        told = read(deadline)
        clock.now += 5.0
        return told

    board.read = late
    worker.read_anew()
    inbox.events.clear()
    worker.step()
    worker.submit(c.OpenDoor(Door.EXIT, 3.0))
    worker._obey_queued()
    assert [event.inputs for event in inbox.of(e.InputsRead)] == [UNKNOWN_INPUTS]
    assert doors(board) == []


@pytest.mark.invariant("INV-3")
def test_an_opening_grows_old_from_its_decision_on(worker, board, clock):
    decided_at = clock.now
    clock.now += 5.0
    worker.step()
    worker.submit(c.OpenDoor(Door.EXIT, 3.0), decided_at=decided_at)
    worker._obey_queued()
    assert doors(board) == []


@pytest.mark.invariant("INV-5")
def test_a_door_that_the_board_refuses_to_open_keeps_no_other_shut_in_an_emergency(worker, board, inbox):
    board.inputs = dataclasses.replace(EMPTY, emergency=TriState.ACTIVE)
    hold_open, refusing = board.hold_open, [True]

    def hold(door, duration_s, deadline):
        if door is Door.ENTRY and refusing[0]:
            raise REFUSED
        hold_open(door, duration_s, deadline)

    board.hold_open = hold
    for door in (Door.ENTRY, Door.EXIT):
        worker.submit(c.OpenDoor(door, 11.0, emergency=True))
    worker.step()
    assert doors(board) == [("open", Door.EXIT)]
    assert ("read",) in board.log
    assert not inbox.of(e.DeviceLost)
    refusing.insert(0, False)
    worker.step()
    assert ("open", Door.ENTRY) in board.log, "it is tried again and again"


@pytest.mark.invariant("INV-4")
@pytest.mark.parametrize("failing", [[QUARANTINE] * 3, [SILENT, *[QUARANTINE] * 5], [SILENT, QUARANTINE, SILENT, QUARANTINE]])
def test_whoever_is_inside_at_a_stop_has_the_way_back_and_a_call_though_answers_are_missing(worker, board, failing):
    board.fail.append(SILENT)
    worker.step()
    for command in (
        c.CloseDoor(Door.EXIT),
        c.CloseDoor(Door.ENTRY),
        c.OpenDoor(Door.ENTRY, 16.0),
        c.CallOfficer(Reason.STOPPING),
        c.SetLamp(Lamp.ENTRY_RED, True),
    ):
        worker.submit(command)
    board.log.clear()
    board.fail.extend(failing)
    worker.leave()
    assert doors(board) == [("close", Door.EXIT), ("open", Door.ENTRY)]
    assert ("call", True) in board.log
    assert ("lamp", Lamp.ENTRY_RED, True) in board.log


@pytest.mark.invariant("INV-1")
def test_the_way_back_is_not_opened_where_the_exit_is_not_seen_shut(worker, board):
    board.inputs = dataclasses.replace(EMPTY, exit_door=DoorPosition.OPEN)
    worker.step()
    worker.submit(c.OpenDoor(Door.ENTRY, 16.0))
    board.log.clear()
    worker.leave()
    assert ("open", Door.ENTRY) not in board.log
    assert ("close", Door.ENTRY) in board.log


def test_a_board_that_never_answers_is_left_in_the_end(worker, board, clock):
    step = 0.2
    board.fail.extend([SILENT] * 1000)
    do = board._do

    def slowly(*entry):
        clock.now += step
        do(*entry)

    board._do = slowly
    began = clock.now
    worker.submit(c.CallOfficer(Reason.STOPPING))
    worker.leave()
    assert clock.now - began <= io_worker.LEAVE_WITHIN_S + step * (5 + len(Lamp))


@pytest.mark.invariant("INV-4")
def test_a_door_that_the_board_refuses_to_close_costs_nobody_the_call(worker, board):
    def refuse(door, deadline):
        raise REFUSED

    board.release = refuse
    worker.submit(c.CallOfficer(Reason.STOPPING))
    worker.leave()
    assert ("call", True) in board.log


@pytest.mark.invariant("INV-4")
def test_a_way_back_that_the_board_refuses_costs_nobody_the_call(worker, board):
    def refuse(door, duration_s, deadline):
        raise REFUSED

    board.hold_open = refuse
    worker.submit(c.OpenDoor(Door.ENTRY, 16.0))
    worker.submit(c.CallOfficer(Reason.STOPPING))
    worker.leave()
    assert ("call", True) in board.log
