"""The gate's metrics in Prometheus' text format: the trust and its countdown, and what was decided of the passes shown.

    gate_trust_state{region,state}                 1 for the state that holds, 0 for the three others
    gate_trust_seconds_until_restricted{region}    until the first travellers are refused; 0: they are; +Inf: never as things are
    gate_trust_seconds_until_closed{region}        until all are refused; the same
    gate_trust_version{role}                       version of the role's metadata in force
    gate_trust_reload_failures_total               imported trust that could not be used
    gate_trust_latest_seen_seconds                 the latest time seen, seconds since the epoch
    gate_trust_clock_behind_seconds                how far the gate's clock is behind it; 0: it is not
    gate_passes_total{reason}                      crossings that ended, by reason of refusal; "accepted": somebody was let in
    gate_checks_total{check,outcome}               checks that ended inside; check "pad", outcome "not_supported": nobody judged whether the face was live

Labels are codes, roles and regions: no id of a pass, a crossing or a person. Does not listen anywhere; the control API hands them out.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from gate_controller.control.feed import CROSSING
from gate_controller.core.values import Outcome
from gate_controller.ports.control import EventSink, GateControl, JsonObject
from gate_controller.ports.trust import Freshness

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
ACCEPTED = "accepted"


class PassCounter:
    """A `ports.control.EventSink` that counts crossings and their checks, and hands every event on.

    Args:
        sink: Where the events go on to.
    """

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._passes: Counter[str] = Counter()
        self._checks: Counter[tuple[str, str]] = Counter()

    def publish(self, kind: str, fields: JsonObject) -> None:
        """See EventSink."""
        if kind == CROSSING:
            reason = ACCEPTED if fields["admitted"] else fields["reason"] if fields["outcome"] == Outcome.REFUSED.value else None
            with self._lock:
                self._passes.update([reason] if reason is not None else [])
                self._checks.update(fields["checks"].items())
        self._sink.publish(kind, fields)

    @property
    def passes(self) -> dict[str, int]:
        """How many passes were decided on, by reason."""
        with self._lock:
            return dict(self._passes)

    @property
    def checks(self) -> dict[tuple[str, str], int]:
        """How many checks ended, by check and outcome."""
        with self._lock:
            return dict(self._checks)


class GateMetrics(Collector):
    """The metrics of one gate; in a registry of their own, so that nothing of the process or the library is told.

    Args:
        gate: The gate, whose status has the trust.
        counter: What counts the passes; None: nothing does.
    """

    def __init__(self, gate: GateControl, counter: PassCounter | None) -> None:
        self._gate = gate
        self._counter = counter
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics, as they are now.

        Raises:
            GateError: The gate gives no status.
        """
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: it would be asked when registering, when there may be no status yet."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client.registry.Collector."""
        status = self._gate.status()
        state = GaugeMetricFamily("gate_trust_state", "Freshness of what is known of the region's keys and passes", labels=["region", "state"])
        restricted = GaugeMetricFamily("gate_trust_seconds_until_restricted", "Seconds until the region's first travellers are refused", labels=["region"])
        closed = GaugeMetricFamily("gate_trust_seconds_until_closed", "Seconds until all of the region's travellers are refused", labels=["region"])
        for region, trust in status["trust"].items():
            for each in Freshness:
                state.add_metric([region, each.value], float(trust["state"] == each.value))
            restricted.add_metric([region], _seconds(trust["restricted_in_s"]))
            closed.add_metric([region], _seconds(trust["closed_in_s"]))
        version = GaugeMetricFamily("gate_trust_version", "Version of the role's metadata in force", labels=["role"])
        for role, number in status["trust_store"]["versions"].items():
            version.add_metric([role], number)
        failures = CounterMetricFamily("gate_trust_reload_failures", "Imported trust that could not be used", value=status["trust_store"]["failures"])
        latest = GaugeMetricFamily("gate_trust_latest_seen_seconds", "Latest time seen, seconds since the epoch", value=status["trust_store"]["latest_seen"])
        behind = GaugeMetricFamily(
            "gate_trust_clock_behind_seconds", "How far the clock is behind the latest time seen", value=status["trust_store"]["clock_behind_s"]
        )
        passes = CounterMetricFamily("gate_passes", "Passes decided on, by reason of refusal or accepted", labels=["reason"])
        for reason, count in (self._counter.passes if self._counter else {}).items():
            passes.add_metric([reason], count)
        checks = CounterMetricFamily("gate_checks", "Checks that ended inside, by outcome", labels=["check", "outcome"])
        for (check, outcome), count in (self._counter.checks if self._counter else {}).items():
            checks.add_metric([check, outcome], count)
        return state, restricted, closed, version, failures, latest, behind, passes, checks


def _seconds(left: float | None) -> float:
    return math.inf if left is None else float(left)
