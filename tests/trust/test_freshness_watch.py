"""What is told of a region's freshness, and how often."""

from __future__ import annotations

import pytest

from gate_controller.core.values import Region
from gate_controller.ports.trust import Cause, Freshness, RegionFreshness
from gate_controller.trust.freshness import Deadlines, FreshnessBudget, timeline
from gate_controller.trust.freshness_watch import FreshnessChange, FreshnessWatch

MINUTE, HOUR, DAY = 60, 3600, 86_400
NOW = 1_800_000_000
ENDLESS = 1 << 33
FRESH, STALE, DEGRADED, CLOSED = Freshness


def seen(state: Freshness, cause: Cause = Cause.STATUS_LIST_AGE, region: Region = Region.HK, closed_at: float | None = None) -> RegionFreshness:
    return RegionFreshness(region, state, Cause.NONE if state is FRESH else cause, closed_at=closed_at)


def test_fresh_from_the_start_goes_without_saying():
    watch = FreshnessWatch()
    assert [watch.observe(seen(FRESH), NOW + minute * MINUTE) for minute in range(3 * 1440)] == [None] * 3 * 1440


@pytest.mark.parametrize("state", [STALE, DEGRADED, CLOSED])
def test_after_a_restart_what_is_not_fresh_is_told_once(state: Freshness):
    watch = FreshnessWatch()
    assert watch.observe(seen(state), NOW) == FreshnessChange(None, seen(state), NOW)
    assert watch.observe(seen(state), NOW + 1) is None


def test_a_change_of_state_or_cause_is_told_once_and_at_once():
    watch = FreshnessWatch()
    watch.observe(seen(FRESH), NOW)
    assert watch.observe(seen(STALE), NOW + 1) == FreshnessChange(FRESH, seen(STALE), NOW + 1)
    assert watch.observe(seen(STALE), NOW + 2) is None
    assert watch.observe(seen(STALE, Cause.ROOT), NOW + 3) == FreshnessChange(STALE, seen(STALE, Cause.ROOT), NOW + 3)
    assert watch.observe(seen(FRESH), NOW + 4) == FreshnessChange(STALE, seen(FRESH), NOW + 4)
    assert watch.observe(seen(FRESH), NOW + 5) is None


def test_other_deadlines_alone_are_no_change():
    watch = FreshnessWatch()
    watch.observe(seen(STALE, closed_at=NOW + HOUR), NOW)
    assert watch.observe(seen(STALE, closed_at=NOW + DAY), NOW + 1) is None


def test_each_region_has_its_own_memory():
    watch = FreshnessWatch()
    assert watch.observe(seen(STALE), NOW) is not None
    assert watch.observe(seen(FRESH, region=Region.MO), NOW) is None
    assert watch.observe(seen(STALE), NOW + 1) is None
    assert watch.observe(seen(STALE, region=Region.MO), NOW + 1) is not None


def test_a_reminder_each_day_counted_from_what_was_told_last():
    watch = FreshnessWatch()
    watch.observe(seen(STALE), NOW)
    told = [minute for minute in range(1, 3 * 1440 + 1) if watch.observe(seen(STALE), NOW + minute * MINUTE)]
    assert told == [1440, 2880, 4320]
    change = watch.observe(seen(STALE), NOW + 4 * DAY)
    assert change == FreshnessChange(STALE, seen(STALE), NOW + 4 * DAY, reminder=True)
    assert not change.worse


@pytest.mark.parametrize("jump", [-400 * DAY, 400 * DAY])
def test_a_clock_that_jumps_does_not_silence_it(jump: int):
    watch = FreshnessWatch()
    watch.observe(seen(STALE), NOW)
    assert watch.observe(seen(STALE), NOW + jump) is not None
    assert watch.observe(seen(STALE), NOW + jump + 1) is None
    assert watch.observe(seen(STALE), NOW + jump + DAY) is not None


def test_only_what_got_worse_is_a_warning():
    assert FreshnessChange(FRESH, seen(STALE), NOW).worse
    assert FreshnessChange(None, seen(STALE), NOW).worse
    assert not FreshnessChange(CLOSED, seen(DEGRADED), NOW).worse
    assert not FreshnessChange(STALE, seen(STALE, Cause.ROOT), NOW).worse


def test_a_week_without_network_as_the_journal_has_it():
    line = timeline(
        Region.HK,
        FreshnessBudget(),
        Deadlines(
            timestamp_expires_at=NOW + 3 * DAY,
            snapshot_expires_at=NOW + 14 * DAY,
            targets_expires_at=NOW + 60 * DAY,
            root_expires_at=NOW + 365 * DAY,
            role_expires_at=NOW + 60 * DAY,
            status_issued_at=NOW,
            status_expires_at=None,
            key_periods=((0, ENDLESS),),
            newest_signed_at=NOW,
        ),
    )
    watch = FreshnessWatch()
    changes = [change for minute in range(7 * 1440) if (change := watch.observe(line.at(NOW + minute * MINUTE), NOW + minute * MINUTE))]
    told = [((change.seen_at - NOW) / HOUR, change.before, change.freshness.state, change.reminder) for change in changes]
    assert told == [
        (12, FRESH, STALE, False),
        (26, STALE, DEGRADED, False),
        (50, DEGRADED, DEGRADED, True),
        (72, DEGRADED, CLOSED, False),
        (96, CLOSED, CLOSED, True),
        (120, CLOSED, CLOSED, True),
        (144, CLOSED, CLOSED, True),
    ]
    remedy = Cause.STATUS_LIST_AGE.remedy
    assert changes[0].as_text() == f"HK: stale (the status list is getting old); restricted in 14 h, closed in 2 d 12 h; was fresh: {remedy}"
    assert changes[2].as_text() == f"HK: degraded (the status list is too old); closed in 22 h: {remedy}"
    assert changes[3].as_json() == {
        "region": "HK",
        "from": "degraded",
        "reminder": False,
        "state": "closed",
        "cause": "status_list_age",
        "remedy": remedy,
        "next_state": None,
        "next_cause": "none",
        "next_in_s": None,
        "restricted_in_s": 0,
        "closed_in_s": 0,
    }


def test_back_to_fresh_has_no_remedy():
    assert FreshnessChange(CLOSED, seen(FRESH), NOW).as_text() == "HK: fresh; was closed"
    assert FreshnessChange(None, seen(CLOSED), NOW).as_json()["from"] is None
