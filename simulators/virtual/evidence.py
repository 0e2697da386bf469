"""What the readings told of a traveller's way out: the evidence that a completed crossing needs (INV-6), kept apart from what the core keeps of it.

Knows readings and commands only, never who truly went; the monitor knows that.
"""

from __future__ import annotations

from gate_controller.core.values import UNKNOWN_INPUTS, DoorPosition, LaneInputs, Occupancy, TriState

AJAR = frozenset({DoorPosition.OPEN, DoorPosition.MOVING})


class Evidence:
    """The way out of the crossing under way.

    Args:
        stable_s: A count counts after it stood this long.
    """

    def __init__(self, stable_s: float) -> None:
        self._stable_s = stable_s
        self._reading: LaneInputs = UNKNOWN_INPUTS
        self._count_since = 0.0
        self._decided = self._ajar = self._interrupted = False

    def reads(self, reading: LaneInputs, now: float) -> None:
        """The core is told this reading."""
        if reading.occupancy is not self._reading.occupancy:
            self._count_since = now
        self._reading = reading
        self._ajar |= reading.exit_door in AJAR
        self._interrupted |= reading.exit_beam is TriState.ACTIVE

    def let_out(self, *, decided: bool) -> None:
        """The exit was ordered open: on a decision, or by an officer, who takes the crossing over."""
        self._decided, self._ajar = decided, False
        self._interrupted = self._reading.exit_beam is TriState.ACTIVE

    def shut(self, *, called: bool) -> None:
        """The exit was ordered shut. Upon whoever stands in it, and nobody is called: then nobody knows on which side they are."""
        self._decided &= called or self._reading.exit_beam is TriState.INACTIVE

    def missing(self, now: float) -> str | None:
        """What a crossing lacks that is recorded as completed now; None when nothing. The next crossing begins without evidence."""
        decided, self._decided = self._decided, False
        reading = self._reading
        has = {
            "a decision that stood": decided,
            "the exit seen ajar": self._ajar,
            "its beam seen interrupted": self._interrupted,
            "its beam clear again": reading.exit_beam is TriState.INACTIVE,
            "both doors closed": (reading.entry_door, reading.exit_door) == (DoorPosition.CLOSED, DoorPosition.CLOSED),
            "a steady count of zero": reading.occupancy is Occupancy.ZERO and now >= self._count_since + self._stable_s,
        }
        return next((what for what, seen in has.items() if not seen), None)
