"""The overhead people counter of the chamber, with its latency and its errors. Sees centres of bodies, never who they are."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class CounterErrors:
    """How often and how the counter errs.

    Attributes:
        miscount_rate: Share of changes after which it reports one person too many or too few, 0..1.
        blind_rate: Share of changes after which it reports nothing (no contact made), 0..1.
        duration_s: How long an error lasts until the counter recovers.
    """

    miscount_rate: float = 0.0
    blind_rate: float = 0.0
    duration_s: float = 1.0


class OccupancyCounter:
    """A counter that reports each change `latency_s` late.

    Args:
        latency_s: Seconds from a change to its report.
        errors: How it errs.
        random: Source of its errors; seed it.
    """

    def __init__(self, latency_s: float, errors: CounterErrors, random: Random) -> None:
        self._latency_s = latency_s
        self._errors = errors
        self._random = random
        self._true = 0
        self._reported: int | None = 0
        self._pending: deque[tuple[float, int | None]] = deque()

    def observe(self, now: float, people: int) -> None:
        """Take note of the number of people under the counter at `now`."""
        if people == self._true:
            return
        self._true = people
        due = now + self._latency_s
        # A correction of an earlier error that is still to come would report an old count.
        self._pending = deque(report for report in self._pending if report[0] < due)
        draw = self._random.random()
        if draw < self._errors.blind_rate:
            self._pending += [(due, None), (due + self._errors.duration_s, people)]
        elif draw < self._errors.blind_rate + self._errors.miscount_rate:
            wrong = max(0, people + self._random.choice((-1, 1)))
            self._pending += [(due, wrong), (due + self._errors.duration_s, people)]
        else:
            self._pending.append((due, people))

    def reading(self, now: float) -> int | None:
        """The number reported at `now`; None while the counter is blind."""
        while self._pending and self._pending[0][0] <= now:
            self._reported = self._pending.popleft()[1]
        return self._reported
