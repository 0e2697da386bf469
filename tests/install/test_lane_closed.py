"""What is done once when the controller keeps failing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from gate_controller import lane_closed
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.values import Direction, Lamp, Region
from gate_controller.ports.errors import DeviceAbsentError
from simulators.io_board.memory import MemoryIoBoard
from tests.runtime.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def board(clock: FakeClock) -> MemoryIoBoard:
    return MemoryIoBoard(clock)


def policy(**changes: object) -> CrossingPolicy:
    return CrossingPolicy(region=Region.MO, direction=Direction.HK_TO_MO, **changes)


def on(board: MemoryIoBoard) -> set[str]:
    return {name for name, level in board.state()["coils"].items() if level}


def test_lamps_red_an_officer_called_and_no_door_commanded(board, clock):
    board.open(clock.monotonic() + 1)
    for lamp in (Lamp.ENTRY_GREEN, Lamp.EXIT_GREEN):
        board.set_lamp(lamp, True, clock.monotonic() + 1)
    board.close()
    assert lane_closed.close_lane(board, policy(), clock) == "lamps red, officer called"
    assert on(board) == {"entry_red", "officer_call"}


@pytest.mark.parametrize(
    ("opens", "doors"),
    [
        ({"emergency_opens_entry": True, "emergency_opens_exit": True}, {"entry_door", "exit_door"}),
        ({"emergency_opens_entry": True, "emergency_opens_exit": False}, {"entry_door"}),
        ({"emergency_opens_entry": False, "emergency_opens_exit": False}, set()),
    ],
)
def test_an_emergency_opens_the_policys_doors(board, clock, opens, doors):
    board.set({"emergency_loop_closed": False})
    said = lane_closed.close_lane(board, policy(**opens), clock)
    assert said.startswith("EMERGENCY")
    assert on(board) == {"entry_red", "officer_call"} | doors


def test_a_lost_reply_is_tried_again(monkeypatch):
    tries: list[int] = []

    def act() -> str:
        tries.append(1)
        if len(tries) < lane_closed.TRIES:
            raise DeviceAbsentError("away", "plug it in")
        return "done"

    assert lane_closed._persistently(act) == "done"


def test_with_a_configuration_that_cannot_be_used_it_still_says_that_the_lane_is_closed(tmp_path: Path):
    out = io.StringIO()
    assert lane_closed.main(["--config", str(tmp_path / "gate.toml")], {"MONITOR_EXIT_STATUS": "8"}, out) == 8
    first, second = out.getvalue().splitlines()
    assert first == "<1>LANE CLOSED: the gate controller cannot use its configuration; see: gatectl config check"
    assert second.startswith("<1>lamps and officer's call were not set: ")
    assert "remedy: " in second


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MONITOR_SERVICE_RESULT": "watchdog", "MONITOR_EXIT_STATUS": "ABRT"}, "hung and was ended by the watchdog"),
        ({"MONITOR_EXIT_STATUS": "70"}, "ended by a bug"),
        ({"MONITOR_EXIT_STATUS": "KILL"}, "keeps failing (status KILL)"),
        ({}, "keeps failing; see"),
    ],
)
def test_why(environment, said):
    assert said in lane_closed.why(environment)
