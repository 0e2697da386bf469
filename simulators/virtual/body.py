"""A person's body on the lane's line, as it is between two waypoints. Decides nothing: a mind moves it."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from gate_controller.core.values import Door

if TYPE_CHECKING:
    from simulators.virtual.minds import Mind

HALF_M = 0.3
"""A body within this distance of a door plane is in the doorway: half its depth and half the curtain's."""
CHAMBER_M = 1.6
QUEUE_M, READER_M, STAND_M, BEYOND_M = -2.0, -0.6, 0.95, 2.8
BOUNDS = (-HALF_M, 0.0, HALF_M, CHAMBER_M - HALF_M, CHAMBER_M, CHAMBER_M + HALF_M)
"""Metres along the lane at which something happens; zone z lies between BOUNDS[z - 1] and BOUNDS[z]."""
OUTSIDE, CHAMBER, BEYOND = 0, 3, 6
INSIDE = (2, 3, 4)
"""Zones between the two door planes."""
DOORWAYS: tuple[Door | None, ...] = (None, Door.ENTRY, Door.ENTRY, None, Door.EXIT, Door.EXIT, None)
"""By zone: the doorway it belongs to."""
LEAVES = {(0, 1): Door.ENTRY, (2, -1): Door.ENTRY, (3, 1): Door.EXIT, (5, -1): Door.EXIT}
"""By bound and direction: the door that must be passable to step into its doorway there."""
PLANES = {1: Door.ENTRY, 4: Door.EXIT}
"""By bound: the door whose plane it is."""


class Body:
    """One person.

    Attributes:
        name: Unique in the episode.
        mind: Who moves it.
        pace_mps: Walking speed.
        zone: Where it is (see BOUNDS).
        heads: People this body is: 2 with a child on the arm, whom no counter tells apart.
        masked: It holds a picture of somebody else before the face camera.
        blocked: It stands before a leaf that is not passable.
        version: Grows with every change of motion.
    """

    __slots__ = ("_since", "_x", "blocked", "heads", "masked", "mind", "name", "pace_mps", "target", "velocity", "version", "zone")

    def __init__(self, name: str, at_m: float, pace_mps: float, heads: int = 1, *, masked: bool = False) -> None:
        self.name = name
        self.mind: Mind | None = None
        self.pace_mps = pace_mps
        self.heads = heads
        self.masked = masked
        self.zone = bisect_left(BOUNDS, at_m)
        self.blocked = False
        self.target = at_m
        self.velocity = 0.0
        self.version = 0
        self._x = at_m
        self._since = 0.0

    @property
    def inside(self) -> bool:
        """Its middle is between the two door planes."""
        return self.zone in INSIDE

    def at(self, now: float) -> float:
        """Its middle at `now`, metres."""
        return self._x + self.velocity * (now - self._since)

    def go(self, now: float, x: float, velocity: float) -> None:
        """Walk (or, with no velocity, stand) from `x` from `now` on."""
        self._x, self._since, self.velocity = x, now, velocity
