"""The lane as a physical whole: doors, beams, counter, loops, people. Discrete inputs out, coils in.

Virtual time: `advance(now)` computes everything up to `now` in ticks of a fixed length, so the result does not depend
on how often it is called. Has no threads and no clock. Does not decide anything for the gate or for the people.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from gate_controller.core.values import Door, Occupancy
from simulators.wiring import Coil, Input
from simulators.world.bodies import Body, Passage, Place
from simulators.world.counter import CounterErrors, OccupancyCounter
from simulators.world.doors import DoorLeaf, Lock
from simulators.world.faults import WorldFaults
from simulators.world.geometry import LaneGeometry, Pace
from simulators.world.monitor import InterlockMonitor, Violation

COILS = tuple(each.name.lower() for each in Coil)
"""Names of the lane's coils."""
INPUTS = tuple(each.name.lower() for each in Input)
"""Names of the lane's discrete inputs; true means contact closed, level present."""

POWER = "board_power"
"""Name under which the board's power is switched as a coil is (`World.set_coil`)."""
BOTH_DOORS = dict.fromkeys(Door, Lock.FAIL_SECURE)

TICK_S = 0.01
_COUNTS = {0: Occupancy.ZERO, 1: Occupancy.ONE}


@dataclass(frozen=True, slots=True)
class Scene:
    """What cameras and sensor of the lane have before them.

    Attributes:
        phone_text: QR text on the phone before the reader, or None.
        faces: Picture ids of the faces towards the face camera, nearest to the place to stand first.
        finger: Name of the finger on the sensor, or None.
    """

    phone_text: str | None = None
    faces: tuple[str, ...] = ()
    finger: str | None = None


class World:
    """One lane.

    Args:
        now: Monotonic seconds at which the world begins.
        geometry: Sizes.
        pace: Speeds and latencies.
        counter_errors: Errors of the people counter.
        seed: Seed of those errors.
        doors: The doors there are, and their locks. An entry without a door is always open.
        on_violation: Called for each violation of the interlock as it is recorded.
    """

    def __init__(
        self,
        now: float = 0.0,
        *,
        geometry: LaneGeometry | None = None,
        pace: Pace | None = None,
        counter_errors: CounterErrors | None = None,
        seed: int = 0,
        doors: Mapping[Door, Lock] = BOTH_DOORS,
        on_violation: Callable[[Violation], None] | None = None,
    ) -> None:
        self.geometry = geometry or LaneGeometry()
        self.pace = pace or Pace()
        self.faults = WorldFaults()
        self.emergency_loop_closed = True
        self.tamper_loop_closed = True
        self.monitor = InterlockMonitor()
        self.passages: list[Passage] = []
        self._start = now
        self._ticks = 0
        self._now = now
        self.doors = doors
        self._coils = dict.fromkeys(COILS, False)
        self._powered = True
        self._leaves = {door: DoorLeaf(self.pace.door_travel_s, position=float(self._opens(door))) for door in Door}
        self._bodies: dict[str, Body] = {}
        self._counter = OccupancyCounter(self.pace.counter_latency_s, counter_errors or CounterErrors(), Random(seed))
        self._on_violation = on_violation

    # Time

    @property
    def now(self) -> float:
        """Monotonic seconds up to which the world has been computed."""
        return self._now

    def advance(self, now: float) -> None:
        """Compute everything up to `now`; a `now` in the past changes nothing."""
        due = math.floor((now - self._start) / TICK_S + 1e-6)
        while self._ticks < due:
            self._ticks += 1
            self._now = self._start + self._ticks * TICK_S
            if not self._tick():
                # Nothing moved, so nothing will before somebody outside changes something: skip to the end.
                self._ticks = due
                self._now = self._start + due * TICK_S
        self._watch()

    def _tick(self) -> bool:
        leaf_moved = False
        for door, leaf in self._leaves.items():
            leaf_moved |= leaf.advance(
                TICK_S,
                commanded=self._opens(door),
                obstructed=self._obstructed(door),
                stuck=door in self.faults.stuck_doors,
                forced_to=self.faults.forced_doors.get(door, 0.0),
            )
        barriers = [self.geometry.plane_m(door) for door, leaf in self._leaves.items() if not leaf.passable]
        body_moved = False
        for body in self._bodies.values():
            before = body.position_m
            if body.stride(TICK_S, barriers):
                body_moved = True
                self._note_passages(body, before)
        if body_moved:
            self._counter.observe(self._now, self.people_in_chamber())
        if leaf_moved:
            self._watch()
        return leaf_moved or body_moved

    def _opens(self, door: Door) -> bool:
        """Whether a door's unit opens it now; a doorway without a door is open."""
        return door not in self.doors or self.doors[door].opens(coil=self._coils[door.value], powered=self._powered)

    def _obstructed(self, door: Door) -> bool:
        plane = self.geometry.plane_m(door)
        return door in self.faults.objects or any(body.overlaps(plane, plane) for body in self._bodies.values())

    def _note_passages(self, body: Body, before_m: float) -> None:
        for door in Door:
            plane = self.geometry.plane_m(door)
            if (before_m <= plane) == (body.position_m <= plane):
                continue
            forward = body.position_m > before_m
            self.passages.append(Passage(body.name, door, inward=forward == (door is Door.ENTRY), at=self._now))

    def _watch(self) -> None:
        new = self.monitor.observe(
            self._now,
            # What opens without power, nobody commanded open; what is not there need not be closed.
            commanded={door: door in self.doors and self._powered and self._opens(door) for door in Door},
            confirmed_closed={
                door: door not in self.doors or (leaf.closed_contact and self._contacts(door) == (True, False)) for door, leaf in self._leaves.items()
            },
            emergency_loop_closed=self.emergency_loop_closed,
            faults=self.faults.names,
        )
        if self._on_violation:
            for violation in new:
                self._on_violation(violation)

    def _contacts(self, door: Door) -> tuple[bool, bool]:
        """Closed contact and open contact as they reach the board."""
        leaf, stuck = self._leaves[door], self.faults.stuck_inputs
        if door not in self.doors:
            return False, False  # nothing is wired
        return stuck.get(f"{door.value}_closed", leaf.closed_contact), stuck.get(f"{door.value}_open", leaf.open_contact)

    # The gate's side: coils in, inputs out

    def set_coil(self, name: str, on: bool, now: float) -> None:
        """Switch one coil at `now`, by the gate or by the board's own timer; or POWER, without which no coil has any effect.

        Raises:
            KeyError: The lane has no such coil.
        """
        if name not in self._coils and name != POWER:
            raise KeyError(name)
        self.advance(now)
        if name == POWER:
            self._powered = on
        else:
            self._coils[name] = on
        self._watch()

    def coil(self, name: str) -> bool:
        """Whether the coil is on: lamps that shine, doors by their locks, the officer's bell."""
        return self._coils[name]

    def inputs(self) -> dict[str, bool]:
        """Level of every discrete input, by name (INPUTS), as the wires are now."""
        levels = {}
        for door in Door:
            levels[f"{door.value}_closed"], levels[f"{door.value}_open"] = self._contacts(door)
        levels["entry_beam_clear"] = not self._beam_interrupted(Door.ENTRY)
        levels["exit_beam_clear"] = not self._beam_interrupted(Door.EXIT)
        levels["emergency_loop_closed"] = self.emergency_loop_closed
        levels["tamper_loop_closed"] = self.tamper_loop_closed
        counted = self._counted()
        levels["occupancy_zero"] = counted is Occupancy.ZERO
        levels["occupancy_one"] = counted is Occupancy.ONE
        levels["occupancy_many"] = counted is Occupancy.MANY
        return levels | self.faults.stuck_inputs

    def _beam_interrupted(self, door: Door) -> bool:
        plane, half = self.geometry.plane_m(door), self.geometry.beam_depth_m / 2
        return door in self.faults.objects or any(body.overlaps(plane - half, plane + half) for body in self._bodies.values())

    def _counted(self) -> Occupancy:
        if self.faults.counter is not None:
            return self.faults.counter
        people = self._counter.reading(self._now)
        return Occupancy.UNKNOWN if people is None else _COUNTS.get(people, Occupancy.MANY)

    def scene(self) -> Scene:
        """What cameras and sensor see now. Somebody walking back shows the camera no face."""
        at = self.geometry
        phones = [b.phone_text for b in self._bodies.values() if b.phone_text is not None and abs(b.position_m - at.reader_m) <= at.reach_m]
        seen = sorted(
            (abs(body.position_m - at.stand_m), body.name, body.face)
            for body in self._bodies.values()
            if body.face and self.where(body.name) is Place.CHAMBER and not (body.target_m is not None and body.target_m < body.position_m)
        )
        fingers = [b.finger for b in self._bodies.values() if b.finger is not None and abs(b.position_m - at.stand_m) <= at.reach_m]
        return Scene(
            phone_text=phones[0] if phones else None,
            faces=tuple(face for _, _, face in seen),
            finger=fingers[0] if fingers else None,
        )

    # The people's side

    def add(self, body: Body) -> None:
        """Let a person appear.

        Raises:
            ValueError: Somebody of that name is already here, or the body would appear inside the lane.
        """
        if body.name in self._bodies:
            msg = f"{body.name} is already here"
            raise ValueError(msg)
        if body.front_m > 0 and body.back_m < self.geometry.chamber_m:
            msg = f"{body.name} would appear inside the lane at {body.position_m} m"
            raise ValueError(msg)
        self._bodies[body.name] = body

    def remove(self, name: str) -> None:
        """Let a person who is clear of the lane go their way.

        Raises:
            ValueError: They are still inside the lane: nobody vanishes from a chamber.
        """
        body = self._bodies[name]
        if body.front_m > 0 and body.back_m < self.geometry.chamber_m:
            msg = f"{name} is still inside the lane at {body.position_m} m"
            raise ValueError(msg)
        del self._bodies[name]

    def body(self, name: str) -> Body:
        """The body of that name."""
        return self._bodies[name]

    def bodies(self) -> tuple[Body, ...]:
        """Everybody here."""
        return tuple(self._bodies.values())

    def where(self, name: str) -> Place:
        """Which part of the lane that person is in."""
        position = self._bodies[name].position_m
        if position <= 0:
            return Place.QUEUE
        return Place.CHAMBER if position <= self.geometry.chamber_m else Place.BEYOND

    def people_in_chamber(self) -> int:
        """How many people truly are between the doors."""
        return sum(1 for name in self._bodies if self.where(name) is Place.CHAMBER)

    def leaf(self, door: Door) -> DoorLeaf:
        """The leaf of `door`, as anybody standing there sees it."""
        return self._leaves[door]
