"""What the in-memory I/O board offers beyond the port: coil changes to follow and the time of the next one."""

from __future__ import annotations

import pytest

from gate_controller.core.values import Door, Lamp
from simulators.io_board.memory import MemoryIoBoard
from simulators.wiring import Coil, Input


class VirtualClock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


def test_follows_coils_and_says_when_the_next_one_changes() -> None:
    clock = VirtualClock()
    seen: list[tuple[float, Coil, bool]] = []
    board = MemoryIoBoard(clock, on_coil=lambda coil, on: seen.append((clock.now, coil, on)))
    board.open(1.0)
    assert board.next_change() is None
    board.set_lamp(Lamp.EXIT_GREEN, True, 1.0)
    board.hold_open(Door.EXIT, 2.0, 1.0)
    board.hold_open(Door.ENTRY, 1.0, 1.0)
    for expected in (1.0, 2.0):
        due = board.next_change()
        assert due == expected
        clock.now = due
        board.state()
    assert board.next_change() is None
    assert seen == [
        (0.0, Coil.EXIT_GREEN, True),
        (0.0, Coil.EXIT_DOOR, True),
        (0.0, Coil.ENTRY_DOOR, True),
        (1.0, Coil.ENTRY_DOOR, False),
        (2.0, Coil.EXIT_DOOR, False),
    ]


@pytest.mark.parametrize("name", ["no_such_input", "16", "-1", ""])
def test_refuses_inputs_the_board_does_not_have(name: str) -> None:
    with pytest.raises(ValueError):
        MemoryIoBoard(VirtualClock()).set({name: True})


def test_inputs_go_by_name_or_by_channel() -> None:
    board = MemoryIoBoard(VirtualClock())
    board.set({"occupancy_one": True, str(Input.OCCUPANCY_ZERO.value): False})
    inputs = board.state()["inputs"]
    assert inputs["occupancy_one"] is True
    assert inputs["occupancy_zero"] is False
