"""Watches over the trust in force for the running gate: what changed, whether the lane must close, what status shows.

Does not load anything (store.py does, watch.py asks it to) and does not write: its caller journals, logs and publishes what it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from gate_controller.core.values import Region
from gate_controller.ports.errors import GateError
from gate_controller.ports.trust import Freshness, RegionFreshness, Trust, TrustClosed, TrustNotice
from gate_controller.trust.freshness import freshness_json, freshness_text
from gate_controller.trust.freshness_watch import FreshnessChange, FreshnessWatch
from gate_controller.trust.view import TimeForgotten, time_text

_COUNTDOWN = ("next_state", "next_in_s", "restricted_in_s", "closed_in_s")


class WatchedTrust(Trust, Protocol):
    """A trust store that says why it does not take what was imported."""

    @property
    def problem(self) -> GateError | None:
        """Why the newest generation is not in force; None: it is. Another failure is another object."""
        ...

    @property
    def latest_seen(self) -> float:
        """The latest time seen, seconds since the epoch."""
        ...

    @property
    def forgotten(self) -> TimeForgotten | None:
        """When the latest time seen was forgotten last; None: not since the start. Another time is another object."""
        ...


class FreshnessMonitor:
    """Implements ports.trust.TrustMonitor.

    Args:
        store: The trust.
        regions: Whose passes the lane admits; nothing is said of the others.
    """

    def __init__(self, store: WatchedTrust, regions: Collection[Region]) -> None:
        self._store = store
        self._regions = sorted(regions, key=lambda region: region.value)
        self._watch = FreshnessWatch()
        self._versions: Mapping[str, int] = {}
        self._problem: GateError | None = None
        self._failures = 0
        self._forgotten: TimeForgotten | None = None

    def observe(self, wall: float) -> None:
        """See ports.trust.Trust."""
        self._store.observe(wall)

    def look(self, wall: float) -> tuple[tuple[TrustNotice, ...], TrustClosed | None]:
        """See ports.trust.TrustMonitor."""
        view = self._store.current()
        found = [view.freshness(region, wall) for region in self._regions]
        notices = [*self._store_notices(view.versions)]
        notices += [_freshness_notice(change) for each in found if (change := self._watch.observe(each, wall)) is not None]
        closed = None if any(each.state is not Freshness.CLOSED for each in found) else _closed(found, wall)
        return tuple(notices), closed

    def status(self, wall: float) -> dict[str, Any]:
        """See ports.trust.TrustMonitor."""
        view, problem = self._store.current(), self._store.problem
        return {
            "trust": {region.value: freshness_json(view.freshness(region, wall), wall) for region in self._regions},
            "trust_store": {
                "versions": dict(view.versions),
                "problem": None if problem is None else {"what": problem.what, "remedy": problem.remedy},
                "failures": self._failures,
                "latest_seen": self._store.latest_seen,
                "clock_behind_s": round(max(0.0, self._store.latest_seen - wall), 3),
            },
        }

    def _store_notices(self, versions: Mapping[str, int]) -> list[TrustNotice]:
        notices = []
        if versions != self._versions:
            self._versions = versions
            listed = ", ".join(f"{role} {version}" for role, version in versions.items())
            notices.append(TrustNotice("trust_taken", {"versions": dict(versions)}, f"trust in force: {listed}", warning=False))
        problem = self._store.problem
        if problem is not None and problem is not self._problem:
            self._failures += 1
            # What fails again for the same reason, as while the disk does, is counted and told once.
            if self._problem is None or str(problem) != str(self._problem):
                notices.append(TrustNotice("trust_refused", {"what": problem.what, "remedy": problem.remedy}, str(problem), warning=True))
        self._problem = problem
        forgotten = self._store.forgotten
        if forgotten is not None and forgotten is not self._forgotten:
            fields = {"before": forgotten.before, "after": forgotten.after}
            text = f"the latest time seen was forgotten: {time_text(forgotten.before)} -> {time_text(forgotten.after)}"
            notices.append(TrustNotice("time_forgotten", fields, text, warning=True))
        self._forgotten = forgotten
        return notices


def _freshness_notice(change: FreshnessChange) -> TrustNotice:
    told = change.as_json()
    fields = {"region": told["region"], "from": told["from"], "to": told["state"], "cause": told["cause"], "reminder": told["reminder"]}
    fields |= {name: told[name] for name in _COUNTDOWN}
    return TrustNotice("freshness_changed", fields, change.as_text(), warning=change.worse or change.reminder)


def _closed(found: list[RegionFreshness], wall: float) -> TrustClosed:
    first = found[0].cause
    return TrustClosed(first.code, "; ".join(freshness_text(each, wall) for each in found), first.remedy)
