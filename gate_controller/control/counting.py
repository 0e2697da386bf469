"""Counts what the gate publishes, for the metrics. Keeps numbers by code, nothing else: no id of a pass, a crossing or a person.

Does not decide what is published, and hands every event on.
"""

from __future__ import annotations

import bisect
import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from gate_controller.control.feed import CROSSING
from gate_controller.core.values import Outcome
from gate_controller.ports.control import EventSink, JsonObject

ACCEPTED = "accepted"
CROSSING_BUCKETS_S = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0)
DECISION_BUCKETS_S = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)


class Durations:
    """How many durations there were, by length, in seconds.

    Args:
        bounds: Upper bounds of the buckets, growing; one without a bound follows.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one."""
        self._counts[bisect.bisect_left(self._bounds, duration_s)] += 1
        self.sum_s += duration_s

    def buckets(self) -> list[tuple[str, float]]:
        """How many were at most so long, as Prometheus has it."""
        found, total = [], 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class PassCounter:
    """A `ports.control.EventSink` that counts, and hands every event on. Thread-safe.

    Args:
        sink: Where the events go on to.

    Attributes:
        crossing: From the pass read to the chamber empty, of completed crossings.
        decision: From the traveller inside to the decision that the exit may open; likewise.
    """

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in ("passes", "checks", "crossings", "calls", "losses")}
        self.crossing = Durations(CROSSING_BUCKETS_S)
        self.decision = Durations(DECISION_BUCKETS_S)

    def publish(self, kind: str, fields: JsonObject) -> None:
        """See EventSink."""
        with self._lock:
            if kind == CROSSING:
                self._count_crossing(fields)
            elif kind == "officer_called" and fields["escalation"] == 0:
                self._counts["calls"].update([(fields["reason"],)])
            elif kind == "device" and fields["state"] == "lost":
                self._counts["losses"].update([(fields["device"], fields["code"])])
        self._sink.publish(kind, fields)

    @property
    def passes(self) -> dict[str, int]:
        """How many passes were decided on, by reason."""
        return {reason: count for (reason,), count in self.counts("passes").items()}

    @property
    def checks(self) -> dict[tuple[str, ...], int]:
        """How many checks ended, by check and outcome."""
        return dict(self.counts("checks"))

    def counts(self, name: str) -> Mapping[tuple[str, ...], int]:
        """The counts of "passes", "checks", "crossings" (by outcome), "calls" (for an officer, by reason) or "losses" (by device and code)."""
        with self._lock:
            return dict(self._counts[name])

    def _count_crossing(self, fields: JsonObject) -> None:
        refused = fields["reason"] if fields["outcome"] == Outcome.REFUSED.value else None
        reason = ACCEPTED if fields["admitted"] else refused
        self._counts["passes"].update([(reason,)] if reason is not None else [])
        self._counts["checks"].update(fields["checks"].items())
        self._counts["crossings"].update([(fields["outcome"],)])
        if fields["outcome"] == Outcome.COMPLETED.value:
            at_s = {name: float(at) for name, at in fields.get("steps", ())}
            if "chamber_empty" in at_s:
                self.crossing.add(at_s["chamber_empty"] - at_s.get("pass_read", 0.0))
            if at_s.keys() >= {"entered", "verified"}:
                self.decision.add(at_s["verified"] - at_s["entered"])
