"""Virtual time: what happens when. Nothing happens between two entries, so nothing is computed there."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Agenda:
    """A queue of calls in the order of their times; equal times keep the order in which they were entered.

    Attributes:
        now: Seconds of virtual time.
        served: Calls made so far.
    """

    __slots__ = ("_heap", "_number", "now", "served")

    def __init__(self) -> None:
        self.now = 0.0
        self.served = 0
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._number = 0

    def after(self, delay_s: float, act: Callable[..., object], *args: Any) -> None:
        """Call `act(*args)` in `delay_s` seconds; a negative delay counts as none."""
        self._number += 1
        heappush(self._heap, (self.now + delay_s if delay_s > 0 else self.now, self._number, act, args))

    def turn(self) -> bool:
        """Move to the next entry and make its call; False when there is none."""
        if not self._heap:
            return False
        self.now, _, act, args = heappop(self._heap)
        self.served += 1
        act(*args)
        return True
