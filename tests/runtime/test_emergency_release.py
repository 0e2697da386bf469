"""From the emergency loop to the doors, in virtual time: the decision loop and the I/O worker over the simulated board, turned by hand.

What comes after what, whatever the machine's speed; how long it takes in real time is measured by tests/bench/bench_emergency.py.
"""

from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.values import Device, Direction, Lamp, Region
from gate_controller.ports.errors import DeviceError
from gate_controller.runtime.desk import Stores
from gate_controller.runtime.devices import Devices
from gate_controller.runtime.gate import Gate, _Letter
from simulators.io_board.memory import MemoryIoBoard
from simulators.wiring import Coil

POLICIES = {
    "the entry": CrossingPolicy(Region.MO, Direction.HK_TO_MO),
    "both": CrossingPolicy(Region.MO, Direction.HK_TO_MO, emergency_opens_exit=True),
    "the exit": CrossingPolicy(Region.MO, Direction.HK_TO_MO, emergency_opens_entry=False, emergency_opens_exit=True),
}
RELEASED = {"the entry": {Coil.ENTRY_DOOR}, "both": {Coil.ENTRY_DOOR, Coil.EXIT_DOOR}, "the exit": {Coil.EXIT_DOOR}}
DOORS = {Coil.ENTRY_DOOR, Coil.EXIT_DOOR}


class NoCodes:
    def decode(self, image, *, quick=False) -> list[str]:
        return []


class NoDisplay:
    def show(self, prompt) -> None:
        pass


class Lane:
    """A gate on a simulated board. `switched` lists (time, coil, on); `during` is called as a coil is written."""

    def __init__(self, policy, around, camera, matcher, reader, stores, trust, sink, clock) -> None:
        self.clock = clock
        self.switched: list[tuple[float, Coil, bool]] = []
        self.during = lambda _coil: None
        self.board = MemoryIoBoard(clock, on_coil=self._note)
        devices = Devices(camera, NoCodes(), camera, matcher, reader, self.board)
        self.gate = Gate(policy, around.options, devices, Stores(stores, stores, stores, stores, trust), NoDisplay(), sink, clock)
        self.io = self.gate._io
        self.io.take = lambda _wait_s: type(self.io).take(self.io, 0)  # nobody waits in virtual time
        self._others = [worker for worker in self.gate._workers if worker is not self.io]
        self.gate._decide(_Letter(e.Started()))
        for _ in range(3):
            self.turn()
            self.clock.now += 0.5
        self.turn()
        assert self.gate._status["state"] == "ready"
        self.switched.clear()

    def _note(self, coil: Coil, on: bool) -> None:
        self.switched.append((self.clock.now, coil, on))
        self.during(coil)

    def read(self) -> None:
        """One step of the I/O worker."""
        try:
            if not self.io._is_open:
                self.board.open(self.clock.now + 5)
                self.io._is_open = True
                self.io.opened()
            self.io.step()
        except DeviceError as error:
            self.io._lose(error)

    def decide(self) -> None:
        """Let the decision loop take everything that waits."""
        while not self.gate._inbox.empty():
            self.gate._turn(self.gate._inbox.get())
        self.gate._turn(_Letter(e.TimerExpired()))

    def turn(self) -> None:
        """A step of every worker, then the decisions."""
        self.read()
        for worker in self._others:
            worker._is_open = True
            worker.step()
        self.gate._desk._recover()
        self.decide()

    def opened(self) -> set[Coil]:
        return {coil for _, coil, on in self.switched if on and coil in DOORS}


@pytest.fixture(params=list(POLICIES))
def policy(request):
    return request.param


@pytest.fixture
def lane(policy, around, camera, matcher, reader, stores, trust, sink, clock, monkeypatch):
    for pause in ("face_worker.IDLE_INTERVAL_S", "qr_worker.READY_INTERVAL_S", "qr_worker.BUSY_INTERVAL_S"):
        monkeypatch.setattr(f"gate_controller.runtime.{pause}", 0.0)
    lane = Lane(POLICIES[policy], around, camera, matcher, reader, stores, trust, sink, clock)
    yield lane
    lane.gate.close()


@pytest.mark.invariant("INV-5")
def test_the_reading_that_shows_it_opens_the_doors_of_the_policy(lane, policy):
    lane.board.set({"emergency_loop_closed": False})
    lane.read()
    lane.decide()
    assert lane.gate._status["state"] == "emergency"
    lane.read()
    assert lane.opened() == RELEASED[policy]


@pytest.mark.invariant("INV-5")
def test_one_that_comes_while_a_lamp_is_written_is_served_by_the_next_reading(lane, policy):
    lane.io.submit(c.SetLamp(Lamp.EXIT_GREEN, True))
    lane.during = lambda coil: lane.board.set({"emergency_loop_closed": False}) if coil is Coil.EXIT_GREEN else None
    lane.read()
    lane.decide()
    assert not lane.opened()
    lane.read()
    lane.decide()
    lane.read()
    assert lane.opened() == RELEASED[policy]
    written = [coil for _, coil, _ in lane.switched]
    assert set(written[1 : 1 + len(RELEASED[policy])]) == RELEASED[policy], "no lamp and no call before the doors"


@pytest.mark.invariant("INV-5")
def test_one_that_comes_right_after_a_timeout_waits_for_the_quarantine_and_no_longer(lane, policy, clock):
    lane.board.fault("silent", times=1)
    lane.read()
    lane.decide()
    lane.board.set({"emergency_loop_closed": False})
    began = clock.now
    while not lane.opened() and clock.now < began + 1:
        clock.now += 0.01
        lane.read()
        lane.decide()
    assert lane.opened() == RELEASED[policy]
    assert all(0.3 <= at - began <= 0.33 for at, coil, on in lane.switched if coil in DOORS and on)


@pytest.mark.invariant("INV-5")
def test_one_whose_first_order_is_lost_is_ordered_again(lane, policy, clock):
    lane.board.set({"emergency_loop_closed": False})
    lane.read()
    lane.board.fault("silent", times=1)
    lane.decide()
    for _ in range(40):
        lane.read()
        lane.decide()
        clock.now += 0.01
    assert lane.opened() == RELEASED[policy]


@pytest.mark.invariant("INV-3")
@pytest.mark.invariant("INV-5")
@pytest.mark.parametrize("silent_s", [0.2, 1.5, 12.0])
def test_a_silent_board_releases_no_door_nor_when_it_is_back(lane, clock, silent_s):
    """The loop was open only while nobody could know; the board is what counts, not what was ordered."""
    lane.board.fault("silent")
    until = clock.now + silent_s
    while clock.now < until:
        lane.board.set({"emergency_loop_closed": not until - silent_s / 2 < clock.now < until - silent_s / 4})
        clock.now += 0.05
        lane.read()
        lane.decide()
    lane.board.clear()
    lane.board.set({"emergency_loop_closed": True})
    for _ in range(30):
        clock.now += 0.1
        lane.turn()
    assert not lane.opened()
    assert Device.IO_BOARD not in lane.gate._controller._lane.missing


@pytest.mark.invariant("INV-5")
def test_a_board_that_comes_back_with_the_loop_open_releases_the_doors(lane, policy, clock):
    lane.board.fault("silent")
    lane.board.set({"emergency_loop_closed": False})
    for _ in range(60):
        clock.now += 0.05
        lane.read()
        lane.decide()
    assert not lane.opened()
    lane.board.clear()
    for _ in range(20):
        clock.now += 0.05
        lane.read()
        lane.decide()
    assert lane.opened() == RELEASED[policy]


@pytest.mark.invariant("INV-5")
def test_a_board_without_power_for_a_moment_is_told_again(lane, policy, clock):
    """Its relays dropped, it was never lost, and the core would renew its order only seconds later."""
    lane.board.set({"emergency_loop_closed": False})
    for _ in range(10):
        lane.read()
        lane.decide()
        clock.now += 0.05
    assert lane.opened() == RELEASED[policy]
    for coil in RELEASED[policy]:
        lane.board._switch_off(coil, clock.now)
    lane.switched.clear()
    lane.board.fault("silent", times=1)
    for _ in range(10):
        lane.read()
        lane.decide()
        clock.now += 0.05
    assert lane.opened() == RELEASED[policy]


@pytest.mark.invariant("INV-5")
def test_a_lost_reply_after_the_rearm_opens_nothing(lane, clock):
    lane.board.set({"emergency_loop_closed": False})
    for _ in range(10):
        lane.turn()
        clock.now += 0.05
    lane.board.set({"emergency_loop_closed": True})
    for _ in range(30):
        lane.turn()
        clock.now += 0.5
    lane.gate._decide(_Letter(e.Rearmed("officer 7")))
    assert lane.gate._status["state"] != "emergency"
    lane.switched.clear()
    lane.board.fault("silent", times=1)
    for _ in range(20):
        lane.turn()
        clock.now += 0.05
    assert not lane.opened()
