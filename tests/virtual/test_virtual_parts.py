"""The parts of the virtual lane: motion, counting, silence, what survives a restart."""

from __future__ import annotations

from random import Random

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.values import UNKNOWN_INPUTS, Device, Direction, Door, DoorPosition, Occupancy, Region, TriState
from simulators.virtual.agenda import Agenda
from simulators.virtual.board import Board
from simulators.virtual.body import QUEUE_M, STAND_M, Body
from simulators.virtual.lane import Lane
from simulators.virtual.leaf import AJAR, SHUT, WIDE, Leaf
from simulators.virtual.leave import Leave
from simulators.virtual.monitor import Monitor
from simulators.virtual.profile import PROFILES

POLICY = CrossingPolicy(Region.MO, Direction.HK_TO_MO)
PROFILE = PROFILES["none"]


class World:
    def __init__(self) -> None:
        self.agenda = Agenda()
        self.monitor = Monitor(self.agenda, POLICY)
        self.lane = Lane(self.agenda, Random(1), PROFILE, self.monitor, 1.0)
        self.events: list[e.Event] = []
        self.board = Board(self.agenda, Random(2), self.lane, PROFILE, self.monitor, self.events.append)

    def wait(self, seconds: float) -> None:
        until = self.agenda.now + seconds
        over: list[bool] = []
        self.agenda.after(seconds, over.append, True)
        while not over:
            self.agenda.turn()
        assert self.agenda.now == pytest.approx(until)

    @property
    def read(self) -> list[object]:
        return [event.inputs for event in self.events if isinstance(event, e.InputsRead)]


@pytest.fixture
def world() -> World:
    world = World()
    world.board.attach()
    world.wait(1.0)
    return world


def test_a_leaf_passes_each_threshold_when_its_speed_says_so():
    agenda, passed = Agenda(), []
    leaf = Leaf(Door.ENTRY, agenda, 1.0, lambda each, before: passed.append((round(agenda.now, 3), before, each.level)))
    leaf.commanded = True
    leaf.act()
    while agenda.turn():
        pass
    assert passed == [(0.02, 0, 1), (0.6, 1, 2), (0.98, 2, 3)]


def test_a_leaf_that_is_turned_round_midway_comes_back_the_way_it_went():
    agenda, passed = Agenda(), []
    leaf = Leaf(Door.ENTRY, agenda, 1.0, lambda each, _before: passed.append((round(agenda.now, 3), each.level)))
    leaf.commanded = True
    leaf.act()

    def turn() -> None:
        leaf.commanded = False
        leaf.act()

    agenda.after(0.3, turn)
    while agenda.turn():
        pass
    assert passed == [(0.02, AJAR), (0.58, SHUT)]


def test_a_leaf_does_not_close_on_somebody():
    agenda = Agenda()
    leaf = Leaf(Door.EXIT, agenda, 1.0, lambda _leaf, _before: None)
    leaf.commanded = True
    leaf.act()
    while agenda.turn():
        pass
    leaf.commanded, leaf.doorway = False, 1
    leaf.act()
    while agenda.turn():
        pass
    assert leaf.level == WIDE
    leaf.doorway = 0
    leaf.act()
    while agenda.turn():
        pass
    assert leaf.level == SHUT


def test_an_opening_is_timed_by_the_board_and_shows_in_the_readings(world: World):
    world.board.submit(c.OpenDoor(Door.ENTRY, 3.0))
    world.wait(2.0)
    assert world.read[-1].entry_door is DoorPosition.OPEN
    world.wait(3.0)
    assert world.read[-1].entry_door is DoorPosition.CLOSED


def test_an_opening_beside_a_door_that_is_not_known_to_be_closed_is_dropped(world: World):
    world.lane.stuck["exit_door_closed"] = 0
    world.lane.wires()
    world.wait(0.2)
    world.board.submit(c.OpenDoor(Door.ENTRY, 3.0))
    world.wait(1.0)
    assert not world.lane.leaves[Door.ENTRY].commanded
    assert world.monitor.violations == []


def test_somebody_who_walks_in_is_seen_by_beam_and_counter_and_held_up_by_a_closed_door(world: World):
    body = Body("t1", QUEUE_M, 1.0)
    world.lane.appear(body)
    world.lane.walk(body, STAND_M)
    world.wait(3.0)
    assert body.blocked
    world.board.submit(c.OpenDoor(Door.ENTRY, 5.0))
    world.wait(4.0)
    assert body.inside
    assert any(reading.entry_beam is TriState.ACTIVE for reading in world.read)
    assert world.read[-1].occupancy is Occupancy.ONE


def test_a_silent_board_makes_everything_unknown_and_is_lost_when_it_lasts(world: World):
    world.board.fall_silent(5.0)
    world.wait(0.5)
    assert world.read[-1] is UNKNOWN_INPUTS
    assert e.DeviceLost(Device.IO_BOARD, "timeout") not in world.events
    world.wait(1.0)
    assert e.DeviceLost(Device.IO_BOARD, "timeout") in world.events
    world.wait(6.0)
    assert world.events[-2] == e.DeviceReady(Device.IO_BOARD)
    assert world.read[-1].entry_door is DoorPosition.CLOSED


def test_an_emergency_opening_that_met_a_silent_board_is_repeated_another_is_not(world: World):
    world.board.fall_silent(0.5)
    world.board.submit(c.OpenDoor(Door.EXIT, 3.0))
    world.board.submit(c.OpenDoor(Door.ENTRY, 3.0, emergency=True))
    world.monitor._emergency = True
    world.wait(1.0)
    assert world.lane.leaves[Door.ENTRY].commanded
    assert not world.lane.leaves[Door.EXIT].commanded


@pytest.mark.invariant("INV-1")
def test_the_monitor_judges_wires_not_words(world: World):
    world.lane.coil(Door.ENTRY, on=True)
    world.lane.coil(Door.EXIT, on=True)
    assert [violation.invariant for violation in world.monitor.violations] == ["INV-1"]


def test_a_call_is_written_again_to_a_board_that_was_without_power(world: World, monkeypatch: pytest.MonkeyPatch):
    switched: list[bool] = []
    monkeypatch.setattr(world.monitor, "call", switched.append)
    world.board.call(on=True)
    world.wait(0.2)
    world.board.fall_silent(0.3, power_lost=True)
    world.wait(0.2)
    assert switched == [True, False]
    world.wait(1.0)
    assert switched == [True, False, True]


def test_a_call_that_the_board_forgot_is_seen():
    world = World()
    monitor = world.monitor
    world.board.attach()
    monitor.process(alive=True)
    monitor.board(answers=True)
    world.wait(5.0)
    monitor.watch.called(True)
    world.wait(0.5)
    assert not monitor.violations
    world.wait(0.2)
    assert [violation.invariant for violation in monitor.violations] == ["INV-4"]


def test_leave_to_go_ends_with_the_exit_shut():
    leave = Leave()
    leave.give("t1")
    leave.end("t1", shut=False)
    assert leave.has("t1")
    leave.shut()
    assert not leave.has("t1")
    leave.give_everybody()
    assert leave.has("t2")
    leave.shut()
    assert not leave.has("t2")
