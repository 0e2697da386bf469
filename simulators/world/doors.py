"""One door leaf: travel time, position contacts, and the door unit's own anti-pinch.

Does not know who commands it or what the other door does: the interlock is the controller's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

CLOSED_AT = 0.02
"""The closed contact is made up to this leaf position (0 closed .. 1 open)."""
OPEN_AT = 0.98
"""The open contact is made from this leaf position on."""
PASSABLE_AT = 0.6
"""A person fits through from this leaf position on."""


class Lock(Enum):
    """What a door does without power, and so which level of its coil keeps it shut."""

    FAIL_SECURE = "fail_secure"
    """Shut; its coil on opens it."""
    FAIL_SAFE = "fail_safe"
    """Open; its coil on keeps it shut."""

    def opens(self, *, coil: bool, powered: bool) -> bool:
        """Whether the door unit opens the door."""
        return (coil and powered) is (self is Lock.FAIL_SECURE)


@dataclass(slots=True)
class DoorLeaf:
    """A leaf that moves at constant speed.

    It opens while it is commanded to, closes otherwise, and turns back towards open while somebody or something is
    in the doorway (EN 16005: a powered door must not close on a person). A stuck leaf does not move. Someone who
    forces it moves it no further closed than `forced_to`.

    Attributes:
        travel_s: Seconds from closed to open.
        position: 0 closed .. 1 open.
    """

    travel_s: float
    position: float = 0.0

    @property
    def closed_contact(self) -> bool:
        """Whether the leaf makes the closed contact."""
        return self.position <= CLOSED_AT

    @property
    def open_contact(self) -> bool:
        """Whether the leaf makes the open contact."""
        return self.position >= OPEN_AT

    @property
    def passable(self) -> bool:
        """Whether a person fits through."""
        return self.position >= PASSABLE_AT

    def advance(self, dt_s: float, *, commanded: bool, obstructed: bool, stuck: bool = False, forced_to: float = 0.0) -> bool:
        """Move for `dt_s` seconds; returns whether the leaf moved."""
        if stuck:
            return False
        before = self.position
        opening = commanded or (obstructed and not self.closed_contact)
        target = 1.0 if opening else max(0.0, min(1.0, forced_to))
        step = dt_s / self.travel_s
        if target > before:
            self.position = min(target, before + step)
        else:
            self.position = max(target, before - step)
        return self.position != before
