"""Ground truth about design invariant 1: never is one door commanded open unless the other is confirmed closed, except in an emergency.

Watches coils, leaves and contacts as they physically are. Knows nothing of the gate's state, reads none of its
messages, and never influences the world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from gate_controller.core.values import Door


class ViolationKind(Enum):
    """How the interlock was violated."""

    OPENED = "opened"
    """A door was commanded open while the other was not confirmed closed, or was itself commanded open."""
    HELD = "held"
    """A door was kept commanded open after the other had left its closed position."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation.

    Attributes:
        kind: How.
        door: The door that was commanded open.
        at: Monotonic seconds.
        faults: Faults of the lane's hardware that were present (a stuck contact can deceive any controller).
    """

    kind: ViolationKind
    door: Door
    at: float
    faults: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.door.value} {self.kind.value} at {self.at:.2f} s while {self.door.other.value} was not confirmed closed"
        return f"{text} (with {', '.join(self.faults)})" if self.faults else text


class InterlockMonitor:
    """Records violations of the interlock.

    An emergency begins when its loop opens and ends when the loop is closed, both coils are off and both leaves are
    closed: until then open doors are its aftermath.

    Args:
        grace_s: How long a controller may take to take back a command after the other door left its closed position
            (somebody forced it): polling, decision, write.
    """

    def __init__(self, grace_s: float = 1.0) -> None:
        self._grace_s = grace_s
        self._commanded = dict.fromkeys(Door, False)
        self._unconfirmed_since: dict[Door, float] = {}
        self._reported: set[Door] = set()
        self._emergency = False
        self.violations: list[Violation] = []

    @property
    def emergency(self) -> bool:
        """Whether an emergency, or its aftermath, goes on."""
        return self._emergency

    def observe(
        self,
        now: float,
        *,
        commanded: Mapping[Door, bool],
        confirmed_closed: Mapping[Door, bool],
        emergency_loop_closed: bool,
        faults: Callable[[], tuple[str, ...]] = tuple,
    ) -> list[Violation]:
        """Take note of the lane at `now`.

        Args:
            now: Monotonic seconds.
            commanded: Coil of each door.
            confirmed_closed: Whether each leaf truly is closed and its contacts say so.
            emergency_loop_closed: False in an emergency.
            faults: Gives the faults present, for the record.

        Returns:
            The violations that this moment adds.
        """
        if not emergency_loop_closed:
            self._emergency = True
        elif not any(commanded.values()) and all(confirmed_closed.values()):
            self._emergency = False
        kinds = {door: self._judge(door, now, commanded, confirmed_closed) for door in Door}
        self._commanded = {door: commanded[door] for door in Door}
        new = [Violation(kind, door, now, faults()) for door, kind in kinds.items() if kind]
        self.violations += new
        return new

    def _judge(self, door: Door, now: float, commanded: Mapping[Door, bool], confirmed_closed: Mapping[Door, bool]) -> ViolationKind | None:
        other_safe = confirmed_closed[door.other] and not commanded[door.other]
        if not commanded[door] or other_safe or self._emergency:
            self._unconfirmed_since.pop(door, None)
            self._reported.discard(door)
            return None
        since = self._unconfirmed_since.setdefault(door, now)
        if door in self._reported:
            return None
        # Of two doors, the one commanded first is in the right: its rival's command is the violation.
        if self._commanded[door] and now - since <= self._grace_s:
            return None
        self._reported.add(door)
        return ViolationKind.HELD if self._commanded[door] else ViolationKind.OPENED
