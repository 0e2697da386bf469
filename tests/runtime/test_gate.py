"""The decision loop over fakes; its turns are called one by one, so no thread runs unless a test starts one."""

from __future__ import annotations

import pytest

from gate_controller.core import events as e
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.values import UNKNOWN_INPUTS, Device, Direction, DoorPosition, LaneInputs, Occupancy, Region, TriState
from gate_controller.runtime.desk import Stores
from gate_controller.runtime.gate import Devices, Gate, _Letter

EMPTY = LaneInputs(DoorPosition.CLOSED, DoorPosition.CLOSED, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, Occupancy.ZERO)


class FakeSink:
    """Keeps what is published; raises on the kinds in `broken`."""

    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, object]]] = []
        self.broken: set[str] = set()

    def publish(self, kind, fields) -> None:
        if kind in self.broken:
            raise ZeroDivisionError
        self.published.append((kind, fields))


class FakeDisplay:
    def show(self, prompt) -> None:
        pass


class NoCodes:
    def decode(self, image) -> list[str]:
        return []


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
def board(make_board):
    return make_board(EMPTY)


@pytest.fixture
def gate(around, camera, matcher, reader, board, stores, sink, clock):
    devices = Devices(camera, NoCodes(), camera, matcher, reader, board)
    policy = CrossingPolicy(Region.MO, Direction.HK_TO_MO)
    gate = Gate(policy, around.options, devices, Stores(stores, stores, stores, stores), FakeDisplay(), sink, clock)
    yield gate
    gate.close()


def turn(gate) -> None:
    """Let the decision loop take everything that waits."""
    while (letter := gate._next_letter()) is not None:
        gate._decide(letter)
    gate._watch_freshness()


def work(gate) -> None:
    """One step of every worker, then the decision loop."""
    for worker in gate._workers:
        if not worker._is_open:
            worker._is_open = True
            worker.opened()
        worker.step()
    gate._desk._recover()
    turn(gate)


@pytest.fixture
def ready(gate):
    gate._decide(_Letter(e.Started()))
    work(gate)
    gate._clock.now += 0.5  # the counter must hold still for a moment
    work(gate)
    assert gate._status["state"] == "ready"
    return gate


@pytest.mark.parametrize("pause_s", [1.5, 2.5])
def test_a_pause_of_the_whole_process_closes_the_lane_only_until_the_next_reading(ready, clock, pause_s):
    clock.now += pause_s
    ready._watch_freshness()
    assert ready._controller.inputs == UNKNOWN_INPUTS
    ready._io.step()
    turn(ready)
    clock.now += 0.5
    ready._io.step()
    turn(ready)
    assert ready._controller.inputs == EMPTY
    assert ready._status["state"] == "ready"
    assert ready._status["devices"][Device.IO_BOARD.value]["state"] == "ready"
