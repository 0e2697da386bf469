from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from gate_controller.core.values import Region
from gate_controller.ports.errors import StoreError
from gate_controller.ports.trust import Cause, Freshness, RegionFreshness
from gate_controller.trust.monitor import FreshnessMonitor
from gate_controller.trust.view import TimeForgotten
from gate_controller.trust.watch import TrustWatcher

NOW = 1_800_000_000.0
FRESH = (Freshness.FRESH, Cause.NONE)
CLOSED = (Freshness.CLOSED, Cause.TIMESTAMP)


class FakeStore:
    """A trust store whose view and problem tests set."""

    def __init__(self) -> None:
        self.states = dict.fromkeys(Region, FRESH)
        self.versions: Mapping[str, int] = {}
        self.problem: StoreError | None = None
        self.observed: list[float] = []
        self.latest_seen = NOW + 7
        self.forgotten: TimeForgotten | None = None

    def current(self) -> Any:
        return self

    def observe(self, wall: float) -> None:
        self.observed.append(wall)

    def freshness(self, region: Region, now: float) -> RegionFreshness:
        state, cause = self.states[region]
        return RegionFreshness(region, state, cause, closed_at=now if state is Freshness.CLOSED else now + 7200)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def monitor(store: FakeStore) -> FreshnessMonitor:
    return FreshnessMonitor(store, frozenset(Region))


def test_while_all_is_well_there_is_nothing_to_tell(monitor: FreshnessMonitor, store: FakeStore) -> None:
    assert monitor.look(NOW) == ((), None)
    monitor.observe(NOW)
    assert store.observed == [NOW]


def test_a_change_is_told_once_with_its_countdown(monitor: FreshnessMonitor, store: FakeStore) -> None:
    monitor.look(NOW)
    store.states[Region.HK] = (Freshness.STALE, Cause.STATUS_LIST_AGE)
    ((notice,), closed) = monitor.look(NOW + 1)
    assert (notice.kind, notice.warning, closed) == ("freshness_changed", True, None)
    assert dict(notice.fields) == {
        "region": "HK",
        "from": "fresh",
        "to": "stale",
        "cause": "status_list_age",
        "reminder": False,
        "next_state": None,
        "next_in_s": None,
        "restricted_in_s": None,
        "closed_in_s": 7200,
    }
    assert notice.text.startswith("HK: stale (the status list is getting old); closed in 2 h")
    assert monitor.look(NOW + 2) == ((), None)
    ((reminder,), _) = monitor.look(NOW + 86_402)
    assert (reminder.fields["reminder"], reminder.warning) == (True, True)
    store.states[Region.HK] = FRESH
    ((over,), _) = monitor.look(NOW + 86_403)
    assert (over.fields["to"], over.warning) == ("fresh", False)


def test_the_lane_closes_only_when_every_region_is_closed(monitor: FreshnessMonitor, store: FakeStore) -> None:
    store.states[Region.HK] = CLOSED
    assert monitor.look(NOW)[1] is None
    store.states[Region.MO] = (Freshness.CLOSED, Cause.REGION_KEYS)
    closed = monitor.look(NOW)[1]
    assert closed is not None
    assert (closed.code, closed.remedy) == ("timestamp", Cause.TIMESTAMP.remedy)
    assert closed.what == "HK: closed (the timestamp has expired); MO: closed (no key of the region is valid)"


def test_a_region_that_the_lane_does_not_admit_does_not_count(store: FakeStore) -> None:
    monitor = FreshnessMonitor(store, {Region.MO})
    store.states[Region.HK] = CLOSED
    assert monitor.look(NOW) == ((), None)
    assert set(monitor.status(NOW)["trust"]) == {"MO"}
    store.states = {Region.HK: FRESH, Region.MO: CLOSED}
    assert monitor.look(NOW)[1] is not None


def test_newer_trust_and_what_is_refused_are_told_once(monitor: FreshnessMonitor, store: FakeStore) -> None:
    store.versions = {"root": 1, "hk": 7}
    ((taken,), _) = monitor.look(NOW)
    assert (taken.kind, taken.text, taken.warning) == ("trust_taken", "trust in force: root 1, hk 7", False)
    store.problem = StoreError("timestamp.json is damaged", "import again")
    ((refused,), _) = monitor.look(NOW)
    assert (refused.kind, refused.warning, dict(refused.fields)) == ("trust_refused", True, {"what": "timestamp.json is damaged", "remedy": "import again"})
    assert monitor.look(NOW) == ((), None)
    store.problem = StoreError("timestamp.json is damaged", "import again")
    assert monitor.look(NOW) == ((), None), "the same once more is counted and not told"
    status = monitor.status(NOW)["trust_store"]
    assert status == {
        "versions": {"root": 1, "hk": 7},
        "problem": {"what": "timestamp.json is damaged", "remedy": "import again"},
        "failures": 2,
        "latest_seen": NOW + 7,
        "clock_behind_s": 7.0,
    }
    store.problem = None
    assert monitor.look(NOW) == ((), None)
    assert monitor.status(NOW)["trust_store"]["problem"] is None


def test_a_forgotten_time_is_told_once(monitor: FreshnessMonitor, store: FakeStore) -> None:
    store.forgotten = TimeForgotten(NOW + 86_400, NOW)
    ((notice,), _) = monitor.look(NOW)
    assert (notice.kind, notice.warning, notice.fields) == ("time_forgotten", True, {"before": NOW + 86_400, "after": NOW})
    assert notice.text == "the latest time seen was forgotten: 2027-01-16 08:00 UTC -> 2027-01-15 08:00 UTC"
    assert monitor.look(NOW + 1) == ((), None)
    store.forgotten = TimeForgotten(NOW + 86_400, NOW)
    assert len(monitor.look(NOW + 2)[0]) == 1, "each time is told"


def test_the_status_has_the_countdown_of_every_region(monitor: FreshnessMonitor, store: FakeStore) -> None:
    store.states[Region.MO] = CLOSED
    trust = monitor.status(NOW)["trust"]
    assert (trust["HK"]["state"], trust["HK"]["closed_in_s"]) == ("fresh", 7200)
    assert (trust["MO"]["state"], trust["MO"]["closed_in_s"], trust["MO"]["remedy"]) == ("closed", 0, Cause.TIMESTAMP.remedy)


class Refreshed:
    """Counts the looks; raises on the second."""

    def __init__(self) -> None:
        self.looks: list[float] = []

    def refresh(self, wall: float) -> bool:
        self.looks.append(wall)
        if len(self.looks) == 2:
            raise ZeroDivisionError
        return True


def test_the_watcher_survives_a_bug_and_ends_when_asked() -> None:
    store = Refreshed()
    watcher = TrustWatcher(store, SimpleNamespace(wall=lambda: NOW, monotonic=lambda: 0.0), every_s=0.0)
    for _ in range(3):
        watcher.look()
    assert store.looks == [NOW] * 3
    watcher.start()
    watcher.stop()
    assert not watcher._thread.is_alive()
