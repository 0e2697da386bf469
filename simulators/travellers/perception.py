"""What a person in the lane perceives: doors, lamps, the display, the reader's light, and where they stand.

Holds nothing a person could not see: no state of the gate, no reason, no reading of a sensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gate_controller.core.prompts import Prompt
from gate_controller.core.values import Door
from simulators.world import Body, Place, World

REFUSALS = frozenset({Prompt.CODE_UNREADABLE, Prompt.CODE_EXPIRED, Prompt.CODE_NOT_ACCEPTED, Prompt.GO_TO_COUNTER, Prompt.TRY_AGAIN_LATER})
"""Prompts that tell whoever holds up a phone to leave."""
NOT_NOW = frozenset({Prompt.LANE_CLOSED, Prompt.STARTING, Prompt.EMERGENCY_EXIT})
"""Prompts that tell the queue to wait."""
BACK = frozenset({Prompt.GO_BACK, Prompt.ONE_AT_A_TIME, Prompt.EMERGENCY_EXIT})
"""Prompts that send whoever is inside out through the entry if that is the door that is open."""
LIFT = frozenset({Prompt.LIFT_FINGER, Prompt.TRY_FINGER_AGAIN})
"""Prompts that ask to lift the finger."""


class ReaderLight(Enum):
    """What the fingerprint reader's light tells, as far as a person can tell."""

    NONE = "none"
    GOOD = "good"
    BAD = "bad"


@dataclass(slots=True)
class Surroundings:
    """What can be seen in the lane besides the world itself. One object, kept current by whoever runs the simulation.

    Attributes:
        wall: Seconds since the epoch: what every phone's clock shows.
        prompt: What the display shows; None where people have no display to look at.
        reader_light: The fingerprint reader's light.
    """

    wall: float = 0.0
    prompt: Prompt | None = None
    reader_light: ReaderLight = ReaderLight.NONE


class Eyes:
    """Looks at the world from one body.

    Args:
        world: The lane.
        surroundings: Display, light, clocks.
        body: Whose eyes.
    """

    def __init__(self, world: World, surroundings: Surroundings, body: Body) -> None:
        self._world = world
        self._surroundings = surroundings
        self._body = body

    @property
    def now(self) -> float:
        """Monotonic seconds: a person's sense of time passing."""
        return self._world.now

    @property
    def wall(self) -> float:
        """Seconds since the epoch, as the phone shows."""
        return self._surroundings.wall

    @property
    def prompt(self) -> Prompt | None:
        """What the display shows."""
        return self._surroundings.prompt

    @property
    def reader_light(self) -> ReaderLight:
        """The reader's light."""
        return self._surroundings.reader_light

    @property
    def place(self) -> Place:
        """Where I am."""
        return self._world.where(self._body.name)

    @property
    def entry_is_a_door(self) -> bool:
        """Whether the entry has a door; where it has none, the display tells who may come in."""
        return Door.ENTRY in self._world.doors

    def may_come_in(self) -> bool:
        """Whether the entry lets somebody in."""
        return self.open(Door.ENTRY) if self.entry_is_a_door else self.prompt is Prompt.STEP_IN

    def entry_is_over(self) -> bool:
        """Whether the entry has ceased to let somebody in."""
        return self.closed(Door.ENTRY) if self.entry_is_a_door else self.prompt is not Prompt.STEP_IN

    def open(self, door: Door) -> bool:
        """Whether I could walk through `door`."""
        return self._world.leaf(door).passable

    def closed(self, door: Door) -> bool:
        """Whether `door` looks shut."""
        return self._world.leaf(door).closed_contact

    def lamp(self, coil: str) -> bool:
        """Whether that lamp shines."""
        return self._world.coil(coil)

    def lane_invites(self) -> bool:
        """Whether the lane looks ready for the next traveller: green lamp, doors shut, no refusal of somebody else on the display."""
        if not (self.lamp("entry_green") and all(self.closed(door) for door in self._world.doors)):
            return False
        return self.prompt is None or self.prompt not in REFUSALS | NOT_NOW
