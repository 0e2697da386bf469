"""Tells when a region's freshness changes, and reminds of it each day while it is not FRESH: for the journal and the log.

Remembers in memory only: after a restart, what is not FRESH is told once more, and what is FRESH goes without saying. Does not look by
itself and does not write: its caller gives it what there is, as often as it likes, and decides where a change goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from gate_controller.core.values import Region
from gate_controller.ports.trust import Freshness, RegionFreshness
from gate_controller.trust.freshness import freshness_json, freshness_text

REMIND_EVERY_S = 86_400


@dataclass(frozen=True, slots=True)
class FreshnessChange:
    """Something to tell.

    Attributes:
        before: The state before; None: first look since the start.
        freshness: What holds now.
        seen_at: When it was seen, seconds since the epoch.
        reminder: Nothing has changed; it is told again because it still is so.
    """

    before: Freshness | None
    freshness: RegionFreshness
    seen_at: float
    reminder: bool = False

    @property
    def worse(self) -> bool:
        """Whether it deserves a warning rather than a note."""
        return self.freshness.state.rank > (Freshness.FRESH if self.before is None else self.before).rank

    def as_json(self) -> dict[str, object]:
        """The change and its countdown; see freshness_json."""
        return {
            "region": self.freshness.region.value,
            "from": self.before and self.before.value,
            "reminder": self.reminder,
            **freshness_json(self.freshness, self.seen_at),
        }

    def as_text(self) -> str:
        """One line: what holds, with the countdown, what it was, and what to do."""
        line = freshness_text(self.freshness, self.seen_at)
        if self.before not in {None, self.freshness.state}:
            line += f"; was {self.before.value}"
        return f"{line}: {self.freshness.cause.remedy}" if self.freshness.cause.remedy else line


class FreshnessWatch:
    """Remembers what was told of each region."""

    def __init__(self) -> None:
        self._told: dict[Region, FreshnessChange] = {}

    def observe(self, freshness: RegionFreshness, now: float) -> FreshnessChange | None:
        """Compare with what was told last.

        Args:
            freshness: One region's, at `now`.
            now: Seconds since the epoch; it may jump either way, the clock is a person's to set.

        Returns:
            A change of state or of cause, or the day's reminder; None: nothing to tell.
        """
        told = self._told.get(freshness.region)
        if told is None:
            change = FreshnessChange(None, freshness, now)
            worth_telling = freshness.state is not Freshness.FRESH
        elif (told.freshness.state, told.freshness.cause) != (freshness.state, freshness.cause):
            change, worth_telling = FreshnessChange(told.freshness.state, freshness, now), True
        elif freshness.state is not Freshness.FRESH and abs(now - told.seen_at) >= REMIND_EVERY_S:
            change, worth_telling = FreshnessChange(freshness.state, freshness, now, reminder=True), True
        else:
            return None
        self._told[freshness.region] = change
        return change if worth_telling else None
