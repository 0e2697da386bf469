"""A person's body in the lane, with what the body shows to the devices. Decides nothing: a traveller's mind moves it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gate_controller.core.values import Door

TOUCH_M = 1e-6
"""Below this, two surfaces touch rather than overlap; far above the rounding of sums of positions."""


class Place(Enum):
    """Which part of the lane a body's centre is in."""

    QUEUE = "queue"
    CHAMBER = "chamber"
    BEYOND = "beyond"


@dataclass(frozen=True, slots=True)
class Passage:
    """Ground truth: a body's centre went through a door plane.

    Attributes:
        body: Name of the body.
        door: The door.
        inward: True when it went into the chamber.
        at: Monotonic seconds.
    """

    body: str
    door: Door
    inward: bool
    at: float


@dataclass(slots=True)
class Body:
    """One person on the lane's line.

    Attributes:
        name: Unique name of the person in this world.
        position_m: Centre of the body.
        speed_mps: Walking speed.
        face: Picture id of the face ("person01"); "" for a body without a face in view (hood, back turned).
        depth_m: Extent along the lane.
        target_m: Where the person is walking to.
        phone_text: What the phone shows when it is held up before the reader, None when it is not.
        finger: Name of the finger that lies on the sensor, None when there is none.
    """

    name: str
    position_m: float
    speed_mps: float
    face: str = ""
    depth_m: float = 0.4
    target_m: float | None = None
    phone_text: str | None = None
    finger: str | None = None

    @property
    def back_m(self) -> float:
        """The end of the body towards the queue."""
        return self.position_m - self.depth_m / 2

    @property
    def front_m(self) -> float:
        """The end of the body towards the border."""
        return self.position_m + self.depth_m / 2

    def overlaps(self, low_m: float, high_m: float) -> bool:
        """Whether the body is within the interval, by more than a touch."""
        return self.front_m > low_m + TOUCH_M and self.back_m < high_m - TOUCH_M

    def stride(self, dt_s: float, barriers: list[float]) -> bool:
        """Walk towards the target for `dt_s` seconds, no further than the first impassable door plane ahead.

        A body that already stands in a doorway is not held by its leaf.

        Returns:
            Whether the body moved.
        """
        if self.target_m is None or self.target_m == self.position_m:
            return False
        half = self.depth_m / 2
        reach = self.speed_mps * dt_s
        if self.target_m > self.position_m:
            to = min(self.target_m, self.position_m + reach)
            to = min([to, *(plane - half for plane in barriers if self.front_m <= plane + TOUCH_M)])
            to = max(to, self.position_m)
        else:
            to = max(self.target_m, self.position_m - reach)
            to = max([to, *(plane + half for plane in barriers if self.back_m >= plane - TOUCH_M)])
            to = min(to, self.position_m)
        moved = to != self.position_m
        self.position_m = to
        return moved
