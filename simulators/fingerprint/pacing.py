"""When bytes are through a serial line: arithmetic only, no clock and no waiting."""

from __future__ import annotations

from typing import Final

BITS_PER_BYTE: Final = 10
"""8N1: start bit, eight data bits, stop bit."""


class Line:
    """One direction of a line: bytes keep their order and, when paced, each takes 10 bit times (57600 baud: 5760 bytes a second).

    Args:
        paced: False for a line without a speed.
    """

    def __init__(self, *, paced: bool) -> None:
        self._paced = paced
        self._free_at = float("-inf")

    def through_at(self, now: float, count: int, baud: int) -> float:
        """When the last of `count` bytes handed to the line at `now` is through."""
        duration_s = count * BITS_PER_BYTE / baud if self._paced else 0.0
        self._free_at = max(now, self._free_at) + duration_s
        return self._free_at
