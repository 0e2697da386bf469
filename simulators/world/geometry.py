"""Sizes and speeds of a lane. Holds no state.

The lane is a line: x = 0 is the plane of the entry door, x = `chamber_m` that of the exit door; the queue is at
negative x, the border side beyond `chamber_m`. People do not get in each other's way: a lane is one person wide, and
whether two walk too close together is for the counter to see, not for the floor to prevent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gate_controller.core.values import Door


@dataclass(frozen=True, slots=True)
class LaneGeometry:
    """Where things are, in metres.

    Attributes:
        chamber_m: Distance between the two door planes.
        reader_m: Where a traveller stands to show the phone, before the entry door (negative).
        reach_m: How far from a device a person may stand and still use it.
        stand_m: Where a traveller stands for face and finger.
        queue_m: Where people appear (negative).
        beyond_m: Where people are gone for good on the border side.
        beam_depth_m: Depth of the curtain of light in each doorway, centred on the door plane.
    """

    chamber_m: float = 1.6
    reader_m: float = -0.6
    reach_m: float = 0.35
    stand_m: float = 0.95
    queue_m: float = -2.0
    beyond_m: float = 2.8
    beam_depth_m: float = 0.2

    def plane_m(self, door: Door) -> float:
        """x of the plane of `door`."""
        return 0.0 if door is Door.ENTRY else self.chamber_m


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things happen.

    Attributes:
        walking_mps: Walking speed of a person, metres a second.
        door_travel_s: Time of a leaf from closed to open, seconds.
        counter_latency_s: Time until the counter reports a change, seconds.
        hesitation_s: Time a person needs to react to what they see, seconds.
    """

    walking_mps: float = 1.3
    door_travel_s: float = 0.6
    counter_latency_s: float = 0.15
    hesitation_s: float = 0.15

    def hurried(self, factor: float) -> Pace:
        """The same lane with everybody and everything `factor` times as fast.

        Raises:
            ValueError: The factor is not positive.
        """
        if factor <= 0:
            msg = f"a hurry of {factor} would stop or turn back time"
            raise ValueError(msg)
        return replace(
            self,
            walking_mps=self.walking_mps * factor,
            door_travel_s=self.door_travel_s / factor,
            counter_latency_s=self.counter_latency_s / factor,
            hesitation_s=self.hesitation_s / factor,
        )
