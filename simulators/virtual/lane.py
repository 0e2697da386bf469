"""The physical lane as an event world: two leaves, two curtains of light, a counter, loops, and the people in it. Coils in, readings out.

Decides nothing for the gate. Every change that a wire could show calls `on_wires`; every fact the monitor needs goes to it directly.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from gate_controller.core.values import Door, DoorPosition, LaneInputs, Occupancy, TriState
from simulators.virtual.agenda import Agenda
from simulators.virtual.body import BOUNDS, CHAMBER_M, DOORWAYS, LEAVES, PLANES, Body
from simulators.virtual.counter import Counter
from simulators.virtual.leaf import AJAR, PASSABLE, SHUT, WIDE, Leaf, Opening
from simulators.virtual.monitor import Monitor
from simulators.virtual.profile import Profile

POSITIONS = (DoorPosition.CLOSED, DoorPosition.OPEN, DoorPosition.MOVING, DoorPosition.UNKNOWN)
_BY_LEVEL = (0, 2, 2, 1)
LOOPS = (TriState.INACTIVE, TriState.ACTIVE)
COUNTS = (Occupancy.ZERO, Occupancy.ONE, Occupancy.MANY, Occupancy.UNKNOWN)
_READINGS: dict[tuple[int, int, int, int, int, int, int], LaneInputs] = {}
"""Every reading there can be, made once: equal readings are the same object."""


class Lane:
    """One lane.

    Args:
        agenda: Virtual time.
        rng: Source of the counter's errors.
        profile: Latencies and error rates.
        monitor: Told what truly happens.
        travel_s: Travel time of each leaf, seconds.
        doors: Which doors it has.

    Attributes:
        doors: Likewise.
        bodies: Everybody here, in the order in which they appeared.
        loop_open: The emergency loop is open.
        housing_open: A housing is open.
        stuck: Wires that stay at a level, by name: a contact stuck, a cut or shorted wire.
        on_wires: Called when a wire may have changed.
        on_passable: Called with a door that has just become passable.
    """

    def __init__(self, agenda: Agenda, rng: Random, profile: Profile, monitor: Monitor, travel_s: float, doors: tuple[Door, ...] = tuple(Door)) -> None:
        self._agenda = agenda
        self._monitor = monitor
        self.doors = doors
        self.leaves = {door: Leaf(door, agenda, travel_s, self._leaf_changed) if door in doors else Opening(door, agenda) for door in Door}
        self._has_entry = Door.ENTRY in doors
        self._entry, self._exit = self.leaves[Door.ENTRY], self.leaves[Door.EXIT]
        self.bodies: list[Body] = []
        self.loop_open = False
        self.housing_open = False
        self.stuck: dict[str, int] = {}
        self.counter = Counter(agenda, rng, profile, self.wires)
        self.on_wires: Callable[[], None] = lambda: None
        self.on_passable: Callable[[Door], None] = lambda _door: None
        monitor.lane = self

    # -- the gate's side ---------------------------------------------------------------------------------------------

    def reading(self) -> LaneInputs:
        """What the board reads now."""
        entry, leaving = _BY_LEVEL[self._entry.level] if self._has_entry else 0, _BY_LEVEL[self._exit.level]
        entry_beam, exit_beam = int(self._entry.doorway > 0), int(self._exit.doorway > 0)
        loop, housing, count = int(self.loop_open), int(self.housing_open), self.counter.shown
        stuck = self.stuck
        if stuck:
            entry, leaving = self.position(self._entry), self.position(self._exit)
            entry_beam, exit_beam = stuck.get("entry_beam", entry_beam), stuck.get("exit_beam", exit_beam)
            loop, housing = stuck.get("loop", loop), stuck.get("housing", housing)
        key = (entry, leaving, entry_beam, exit_beam, loop, housing, count)
        known = _READINGS.get(key)
        if known is None:
            known = _READINGS[key] = LaneInputs(
                POSITIONS[entry], POSITIONS[leaving], LOOPS[entry_beam], LOOPS[exit_beam], LOOPS[loop], LOOPS[housing], COUNTS[count]
            )
        return known

    def position(self, leaf: Leaf) -> int:
        """What the two contacts of `leaf` tell, as an index of POSITIONS; an entry without a door reads closed."""
        if leaf.door not in self.doors:
            return 0
        closed, opened = int(leaf.level == SHUT), int(leaf.level == WIDE)
        if self.stuck:
            closed = self.stuck.get(f"{leaf.door.value}_closed", closed)
            opened = self.stuck.get(f"{leaf.door.value}_open", opened)
        return (3 if opened else 0) if closed else (1 if opened else 2)

    def coil(self, door: Door, on: bool) -> None:
        """Switch the coil of a door."""
        leaf = self.leaves[door]
        if leaf.commanded is not on:
            leaf.commanded = on
            self._monitor.coil(door, on)
            leaf.act()

    def wires(self) -> None:
        """Something the wires show may have changed."""
        self._monitor.wires()
        self.on_wires()

    # -- the people's side ---------------------------------------------------------------------------------------------

    @property
    def inside(self) -> list[Body]:
        """Everybody between the door planes."""
        return [body for body in self.bodies if body.inside]

    def appear(self, body: Body) -> None:
        """Somebody comes into sight, in the queue or beyond the border."""
        self.bodies.append(body)

    def vanish(self, body: Body) -> None:
        """Somebody who is clear of the lane goes their way; nobody vanishes from a chamber."""
        if body in self.bodies and DOORWAYS[body.zone] is None and not body.inside and not 0 < body.at(self._agenda.now) < CHAMBER_M:
            self.bodies.remove(body)

    def walk(self, body: Body, target_m: float) -> None:
        """Let somebody walk to `target_m`; doors that are not passable hold them up until they are."""
        now = self._agenda.now
        body.go(now, body.at(now), 0.0)
        body.target = target_m
        body.version += 1
        body.blocked = False
        self._stride(body)

    def stop(self, body: Body) -> None:
        """Let somebody stand where they are."""
        self.walk(body, body.at(self._agenda.now))

    def obstruct(self, door: Door, by: int) -> None:
        """Put something into a doorway (+1), or take it away (-1)."""
        leaf = self.leaves[door]
        leaf.doorway += by
        leaf.act()
        self.wires()

    def _stride(self, body: Body) -> None:
        now = self._agenda.now
        x, target = body.at(now), body.target
        step = 1 if target > x else -1
        body.go(now, x, step * body.pace_mps)
        index = body.zone if step > 0 else body.zone - 1
        if 0 <= index < len(BOUNDS) and step * (target - BOUNDS[index]) > 0:
            self._agenda.after((BOUNDS[index] - x) / body.velocity, self._cross, body, body.version, step, index)
        else:
            self._agenda.after((target - x) / body.velocity, self._arrive, body, body.version)

    def _arrive(self, body: Body, version: int) -> None:
        if version == body.version:
            body.go(self._agenda.now, body.target, 0.0)
            if body.mind is not None:
                body.mind.arrived()

    def _cross(self, body: Body, version: int, step: int, index: int) -> None:
        if version != body.version:
            return
        door, bound = LEAVES.get((index, step)), BOUNDS[index]
        if door is not None and self.leaves[door].level < PASSABLE:
            body.go(self._agenda.now, bound, 0.0)
            body.blocked = True
            if body.mind is not None:
                body.mind.held_up(door)
            return
        before, after = DOORWAYS[body.zone], DOORWAYS[body.zone + step]
        body.zone += step
        body.go(self._agenda.now, bound, body.velocity)
        self._stride(body)
        if index in PLANES:
            self._monitor.passage(body, PLANES[index], inward=(step > 0) is (index == 1))
            self.recount()
        for way, by in ((before, -1), (after, 1)):
            if way is not None and before is not after:
                leaf = self.leaves[way]
                leaf.doorway += by
                leaf.act()
                if leaf.doorway <= 1:
                    self.wires()

    def recount(self) -> None:
        """Something under the counter has changed."""
        self.counter.observe(sum(1 for body in self.bodies if body.inside))

    def _leaf_changed(self, leaf: Leaf, before: int) -> None:
        self._monitor.leaf(leaf, before)
        if leaf.level == PASSABLE and before < PASSABLE:
            for body in list(self.bodies):
                if body.blocked:
                    body.version += 1
                    body.blocked = False
                    self._stride(body)
            self.on_passable(leaf.door)
        if before + leaf.level != AJAR + PASSABLE:  # no contact is made or broken there
            self.wires()
