"""The officer on duty: hears the bell, takes the call by identity, looks into the chamber, and sends people back or lets them through.

Knows nothing of the gate's state or reasons; acts through the desk that is handed in.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from simulators.world import World


class OfficerDesk(Protocol):
    """What an officer can do at the desk. An act that cannot be delivered is the desk's business: it must not raise."""

    def acknowledge(self, identity: str) -> None:
        """Take the call."""
        ...

    def return_traveller(self, identity: str, reason: str) -> None:
        """Send whoever is inside back."""
        ...

    def release(self, identity: str, reason: str) -> None:
        """Let whoever is inside through."""
        ...


class Decision(Enum):
    """What the officer does with people."""

    RETURN = "return"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class OfficerHabits:
    """How the officer works.

    Attributes:
        identity: By which they sign.
        decision: What they do with whoever is inside.
        reason: The reason they give.
        walk_s: From the bell to the desk, seconds.
        look_s: From taking the call to the decision, seconds.
        again_s: After how long without effect they act again, seconds.
    """

    identity: str = "officer-7"
    decision: Decision = Decision.RETURN
    reason: str = "checked at the lane"
    walk_s: float = 0.8
    look_s: float = 0.6
    again_s: float = 3.0


class Officer:
    """One officer for the lane.

    Args:
        world: The lane.
        desk: Where they act.
        habits: How they work.
    """

    def __init__(self, world: World, desk: OfficerDesk, habits: OfficerHabits | None = None) -> None:
        self._world = world
        self._desk = desk
        self._habits = habits or OfficerHabits()
        self._duty = self._serve()

    def step(self) -> None:
        """Look and act at the world's present moment."""
        next(self._duty)

    def _serve(self) -> Generator[None, None, None]:
        while True:
            if self._world.coil("officer_call"):
                yield from self._attend()
                while self._world.coil("officer_call") and not self._world.people_in_chamber():
                    yield  # a call for a fault, taken already: nobody waits for this officer
            yield

    def _attend(self) -> Generator[None, None, None]:
        habits = self._habits
        yield from self._wait(habits.walk_s)
        self._desk.acknowledge(habits.identity)
        yield from self._wait(habits.look_s)
        while self._world.people_in_chamber():
            if not self._a_way_is_open():
                self._act()
            yield from self._wait(habits.again_s)

    def _act(self) -> None:
        if self._habits.decision is Decision.RETURN:
            self._desk.return_traveller(self._habits.identity, self._habits.reason)
        else:
            self._desk.release(self._habits.identity, self._habits.reason)

    def _a_way_is_open(self) -> bool:
        return any(self._world.leaf(door).passable for door in self._world.doors)

    def _wait(self, seconds: float) -> Generator[None, None, None]:
        until = self._world.now + seconds
        while self._world.now < until:
            yield
