"""The gate's metrics in Prometheus' text format: the lane, its devices, the trust and its countdown, what was decided, and the process.

Names have base units and the prefix gate_; docs/reference lists them, but those of the process: gate_process_..., as the library has them. Labels are codes, roles and
regions: no id of a pass, a crossing or a person. Does not listen anywhere: the control API hands them out, textfile.py writes them.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from gate_controller.control.about import version
from gate_controller.control.counting import PassCounter
from gate_controller.core.states import State
from gate_controller.core.values import DoorPosition, Occupancy
from gate_controller.ports.control import GateControl, JsonObject
from gate_controller.ports.trust import Freshness

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class GateMetrics(Collector):
    """The metrics of one gate, in a registry of their own: what a library registers for itself is not told.

    Args:
        gate: The gate, whose status has the lane and the trust.
        counter: What counts the events; None: nothing does.
        kept_s: How long a text is handed out again: making one costs as much as three other answers of the control API.
        clock: Monotonic seconds.
    """

    def __init__(self, gate: GateControl, counter: PassCounter | None, kept_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._gate = gate
        self._counter = counter
        self._kept_s = kept_s
        self._clock = clock
        self._kept: tuple[float, bytes] | None = None
        self._requests: Counter[tuple[str, ...]] = Counter()
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(namespace="gate", registry=self._registry)  # process_... alone would clash with node_exporter's own, and end its whole scrape

    def requested(self, route: str, status: int) -> None:
        """Count a request to the control API: the route's name, and what it was answered with."""
        with self._lock:
            self._requests[route, str(status)] += 1

    def text(self) -> bytes:
        """All metrics, as they are now or were `kept_s` ago; while another thread makes them, as they were the last time. For any thread.

        Raises:
            GateError: The gate gives no status.
        """
        self._gate.status()  # raises where there is none: what was kept would say that the gate is up
        last = self._kept
        # One at a time: else the slower of two threads could put an older text in the newer one's place. The control server's loop is not to wait for it.
        if not self._making.acquire(blocking=last is None) and last is not None:
            return last[1]
        try:
            now, kept = self._clock(), self._kept
            if kept is None or now - kept[0] >= self._kept_s:
                self._kept = kept = now, generate_latest(self._registry)
        finally:
            self._making.release()
        return kept[1]

    def describe(self) -> Iterable[Metric]:
        """Nothing: it would be asked when registering, when there may be no status yet."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client.registry.Collector."""
        status = self._gate.status()
        yield GaugeMetricFamily("gate_up", "Whether the gate decides: 1; without a status the text file says 0, and the control API answers 503", value=1)
        build = GaugeMetricFamily("gate_build_info", "Version of the gate controller: 1", labels=["version"])
        build.add_metric([version()], 1)
        yield build
        yield from _lane(status)
        yield from _trust(status)
        issued = GaugeMetricFamily(
            "gate_enrolment_issued_seconds", "When the region issued the enrolments that are in force, seconds since the epoch", labels=["region"]
        )
        for region, held in status.get("enrolments", {}).items():
            issued.add_metric([region], float(held["issued_at"]))
        yield issued
        if self._counter is not None:
            yield from _counted(self._counter)
        requests = CounterMetricFamily("gate_control_requests", "Requests to the control API, by call and HTTP status", labels=["call", "status"])
        with self._lock:
            counted = dict(self._requests)
        yield _add(requests, counted)


def _lane(status: JsonObject) -> Iterable[Metric]:
    state = GaugeMetricFamily("gate_state", "State of the lane: 1 for the one that holds, 0 for the others", labels=["state"])
    for each in State:
        state.add_metric([each.value], float(status["state"] == each.value))
    yield state
    since = GaugeMetricFamily("gate_state_seconds", "How long the lane has been in its state")
    since.add_metric([], float(status.get("since_s", 0.0)))
    yield since
    uptime = GaugeMetricFamily("gate_uptime_seconds", "How long the gate has been running")
    uptime.add_metric([], float(status.get("uptime_s", 0.0)))
    yield uptime
    ready = GaugeMetricFamily("gate_device_ready", "Whether a device or store works: 1, or 0 when it does not", labels=["device"])
    for device, report in status.get("devices", {}).items():
        ready.add_metric([device], float(report["state"] == "ready"))
    yield ready
    occupancy = GaugeMetricFamily("gate_occupancy", "People in the chamber by the counter: 1 for what it says, 0 for the others", labels=["occupancy"])
    for count in Occupancy if "occupancy" in status else ():
        occupancy.add_metric([count.value], float(status["occupancy"] == count.value))
    yield occupancy
    door = GaugeMetricFamily("gate_door", "Position of a door: 1 for what its contacts say, 0 for the others", labels=["door", "position"])
    for name, position in status.get("doors", {}).items():
        for place in DoorPosition:
            door.add_metric([name, place.value], float(position == place.value))
    yield door
    call = status.get("officer_call")
    pending = GaugeMetricFamily("gate_officer_call_pending", "Whether an officer is called: 1, or 0")
    pending.add_metric([], float(call is not None))
    yield pending
    escalations = GaugeMetricFamily("gate_officer_call_escalations", "How often the pending call was repeated because nobody acknowledged it")
    escalations.add_metric([], float(call["escalation"]) if call is not None else 0.0)
    yield escalations


def _trust(status: JsonObject) -> Iterable[Metric]:
    state = GaugeMetricFamily("gate_trust_state", "Freshness of what is known of the region's keys and passes", labels=["region", "state"])
    restricted = GaugeMetricFamily("gate_trust_seconds_until_restricted", "Seconds until the region's first travellers are refused", labels=["region"])
    closed = GaugeMetricFamily("gate_trust_seconds_until_closed", "Seconds until all of the region's travellers are refused", labels=["region"])
    for region, trust in status["trust"].items():
        for each in Freshness:
            state.add_metric([region, each.value], float(trust["state"] == each.value))
        restricted.add_metric([region], _seconds(trust["restricted_in_s"]))
        closed.add_metric([region], _seconds(trust["closed_in_s"]))
    yield from (state, restricted, closed)
    store = status["trust_store"]
    version = GaugeMetricFamily("gate_trust_version", "Version of the role's metadata in force", labels=["role"])
    for role, number in store["versions"].items():
        version.add_metric([role], number)
    yield version
    problem = float(store["problem"] is not None)
    yield GaugeMetricFamily("gate_trust_import_problem", "1 while what was imported last cannot be used, and older trust is in force", value=problem)
    yield CounterMetricFamily("gate_trust_reload_failures", "Imported trust that could not be used", value=store["failures"])
    yield GaugeMetricFamily("gate_trust_latest_seen_seconds", "Latest time seen, seconds since the epoch", value=store["latest_seen"])
    yield GaugeMetricFamily("gate_trust_clock_behind_seconds", "How far the clock is behind the latest time seen", value=store["clock_behind_s"])


def _counted(counter: PassCounter) -> Iterable[Metric]:
    passes = CounterMetricFamily("gate_passes", "Passes decided on, by reason of refusal or accepted", labels=["reason"])
    yield _add(passes, counter.counts("passes"))
    checks = CounterMetricFamily("gate_checks", "Checks that ended inside, by outcome", labels=["check", "outcome"])
    yield _add(checks, counter.counts("checks"))
    crossings = CounterMetricFamily("gate_crossings", "Crossings that ended, by outcome", labels=["outcome"])
    yield _add(crossings, counter.counts("crossings"))
    calls = CounterMetricFamily("gate_officer_calls", "Calls for an officer, by reason", labels=["reason"])
    yield _add(calls, counter.counts("calls"))
    losses = CounterMetricFamily("gate_device_losses", "How often a device or store was lost, by code", labels=["device", "code"])
    yield _add(losses, counter.counts("losses"))
    crossing, decision = counter.crossing, counter.decision
    took = HistogramMetricFamily("gate_crossing_seconds", "From the pass read to the chamber empty, of completed crossings")
    took.add_metric([], crossing.buckets(), crossing.sum_s)
    yield took
    decided = HistogramMetricFamily("gate_decision_seconds", "From the traveller inside to the decision that the exit may open, of completed crossings")
    decided.add_metric([], decision.buckets(), decision.sum_s)
    yield decided


def _add(family: CounterMetricFamily, counts: Mapping[tuple[str, ...], int]) -> Metric:
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family


def _seconds(left: float | None) -> float:
    return math.inf if left is None else float(left)
