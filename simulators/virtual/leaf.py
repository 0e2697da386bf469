"""One door leaf as a piece of linear motion: an event each time it passes a threshold, none in between.

Does not know who commands it nor what the other leaf does: the interlock is the controller's part.
"""

from __future__ import annotations

from collections.abc import Callable

from gate_controller.core.values import Door
from simulators.virtual.agenda import Agenda
from simulators.world.doors import CLOSED_AT, OPEN_AT, PASSABLE_AT

THRESHOLDS = (CLOSED_AT, PASSABLE_AT, OPEN_AT)
SHUT, AJAR, PASSABLE, WIDE = range(4)
"""Levels: the number of thresholds the leaf is beyond."""


class Leaf:
    """It opens while its coil is on or (unless shut) somebody or something is in its doorway, and closes otherwise, no further than it is forced to.

    Attributes:
        door: Which door.
        travel_s: Seconds from closed to open.
        level: SHUT, AJAR, PASSABLE or WIDE: what contacts and people can tell of the position.
        commanded: The coil.
        doorway: Bodies and objects in the doorway.
        forced_to: Position (0..1) that somebody holds it at by force.
        stuck: It does not move at all.
    """

    __slots__ = (
        "_agenda",
        "_changed",
        "_position",
        "_since",
        "_speed",
        "_target",
        "_version",
        "commanded",
        "door",
        "doorway",
        "forced_to",
        "level",
        "stuck",
        "travel_s",
    )

    def __init__(self, door: Door, agenda: Agenda, travel_s: float, changed: Callable[[Leaf, int], None]) -> None:
        self.door = door
        self.travel_s = travel_s
        self.level = SHUT
        self.commanded = False
        self.doorway = 0
        self.forced_to = 0.0
        self.stuck = False
        self._agenda = agenda
        self._changed = changed
        self._position = self._since = self._speed = self._target = 0.0
        self._version = 0

    def act(self) -> None:
        """Whatever acts on the leaf has changed: find its motion anew."""
        target = 1.0 if self.commanded or (self.doorway and self.level) else self.forced_to
        now = self._agenda.now
        position = self._position + self._speed * (now - self._since)
        position = min(position, self._target) if self._speed > 0 else max(position, self._target) if self._speed < 0 else position
        speed = 0.0 if self.stuck or target == position else (1.0 if target > position else -1.0) / self.travel_s
        if speed == self._speed and target == self._target:
            return
        self._position, self._since, self._speed, self._target = position, now, speed, target
        self._version += 1
        self._aim()

    def _aim(self) -> None:
        """Enter the next threshold on the way."""
        up = self._speed > 0
        if self._speed == 0 or self.level == (WIDE if up else SHUT):
            return
        threshold = THRESHOLDS[self.level] if up else THRESHOLDS[self.level - 1]
        if (threshold > self._target) if up else (threshold < self._target):
            return
        self._agenda.after((threshold - self._position) / self._speed - (self._agenda.now - self._since), self._reach, self._version, up, threshold)

    def _reach(self, version: int, up: bool, threshold: float) -> None:
        if version != self._version:
            return
        before = self.level
        self.level += 1 if up else -1
        self._position, self._since = threshold, self._agenda.now
        self._aim()
        self._changed(self, before)


class Opening(Leaf):
    """A doorway without a leaf, as the entry of a single-door lane: always passable."""

    __slots__ = ()

    def __init__(self, door: Door, agenda: Agenda) -> None:
        super().__init__(door, agenda, 1.0, lambda _leaf, _before: None)
        self.level = WIDE

    def act(self) -> None:
        """There is nothing that could move."""
