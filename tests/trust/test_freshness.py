"""The freshness budget: exact boundaries, the worst cause, and what comes next."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from gate_controller.core.values import Region
from gate_controller.ports.errors import ConfigurationError
from gate_controller.ports.trust import Cause, Freshness, RegionFreshness
from gate_controller.trust.freshness import Deadlines, FreshnessBudget, duration, freshness_json, freshness_text, limits, timeline
from gate_controller.trust.freshness_page import AT_ONCE

HOUR, DAY = 3600, 86_400
SIGNED = 1_800_000_000
ENDLESS = 1 << 33
BUDGET = FreshnessBudget()
FRESH, STALE, DEGRADED, CLOSED = Freshness

# What a region has just published, with the lifetimes that the repository is meant to have
JUST_PUBLISHED = Deadlines(
    timestamp_expires_at=SIGNED + 3 * DAY,
    snapshot_expires_at=SIGNED + 14 * DAY,
    targets_expires_at=SIGNED + 60 * DAY,
    root_expires_at=SIGNED + 365 * DAY,
    role_expires_at=SIGNED + 60 * DAY,
    status_issued_at=SIGNED,
    status_expires_at=None,
    key_periods=((0, ENDLESS),),
    newest_signed_at=SIGNED,
)
# The same, but only what the test names ever comes to an end
LASTING = Deadlines(
    timestamp_expires_at=ENDLESS,
    snapshot_expires_at=ENDLESS,
    targets_expires_at=ENDLESS,
    root_expires_at=ENDLESS,
    role_expires_at=ENDLESS,
    status_issued_at=ENDLESS,
    status_expires_at=None,
    key_periods=((0, ENDLESS),),
    newest_signed_at=None,
)


def at(now: float, deadlines: Deadlines = LASTING, budget: FreshnessBudget = BUDGET, **changes: Any) -> RegionFreshness:
    return timeline(Region.HK, budget, dataclasses.replace(deadlines, **changes)).at(now)


@pytest.mark.parametrize(
    ("age_s", "state", "cause"),
    [
        (-120, FRESH, Cause.NONE),
        (0, FRESH, Cause.NONE),
        (12 * HOUR - 1, FRESH, Cause.NONE),
        (12 * HOUR, STALE, Cause.STATUS_LIST_AGE),
        (26 * HOUR - 1, STALE, Cause.STATUS_LIST_AGE),
        (26 * HOUR, DEGRADED, Cause.STATUS_LIST_AGE),
        (72 * HOUR - 1, DEGRADED, Cause.STATUS_LIST_AGE),
        (72 * HOUR, CLOSED, Cause.STATUS_LIST_AGE),
        (1000 * DAY, CLOSED, Cause.STATUS_LIST_AGE),
    ],
)
def test_without_network_and_imports(age_s: int, state: Freshness, cause: Cause):
    freshness = at(SIGNED + age_s, JUST_PUBLISHED)
    assert (freshness.state, freshness.cause) == (state, cause)
    assert (freshness.restricted_at, freshness.closed_at) == (SIGNED + 26 * HOUR, SIGNED + 72 * HOUR)


@pytest.mark.parametrize(
    ("field", "cause", "warning_s"),
    [
        ("timestamp_expires_at", Cause.TIMESTAMP, 2 * DAY),
        ("snapshot_expires_at", Cause.SNAPSHOT, 7 * DAY),
        ("targets_expires_at", Cause.TARGETS, 14 * DAY),
        ("root_expires_at", Cause.ROOT, 14 * DAY),
        ("role_expires_at", Cause.REGION_ROLE, 14 * DAY),
        ("status_expires_at", Cause.STATUS_LIST_EXPIRED, 14 * HOUR),
        ("key_periods", Cause.REGION_KEYS, 14 * DAY),
    ],
)
def test_each_expiry_warns_and_then_closes(field: str, cause: Cause, warning_s: int):
    value: Any = ((0, SIGNED),) if field == "key_periods" else SIGNED
    steps = [(-warning_s - 1, FRESH, Cause.NONE), (-warning_s, STALE, cause), (-1, STALE, cause), (0, CLOSED, cause)]
    for offset, state, of in steps:
        freshness = at(SIGNED + offset, **{field: value})
        assert (freshness.state, freshness.cause) == (state, of)
        assert (freshness.restricted_at, freshness.closed_at) == (SIGNED, SIGNED)


def test_every_limit_is_one_of_the_table():
    assert {limit.cause for limit in limits(BUDGET)} == set(Cause) - {Cause.NONE, *AT_ONCE, Cause.STATUS_LIST_STOPPED}


def test_no_status_list_is_closed_without_a_begin():
    assert at(SIGNED, status_issued_at=None) == RegionFreshness(Region.HK, CLOSED, Cause.STATUS_LIST_MISSING)


def test_no_key_is_closed_without_a_begin():
    assert at(SIGNED, key_periods=()) == RegionFreshness(Region.HK, CLOSED, Cause.REGION_KEYS)
    assert at(SIGNED, key_periods=((SIGNED + 5, SIGNED + 5), (SIGNED + 9, SIGNED - 9))).cause is Cause.REGION_KEYS


def test_keys_that_follow_one_another_are_one_period():
    overlapping = {"key_periods": ((SIGNED - 40 * DAY, SIGNED + 5), (SIGNED, SIGNED + 20 * DAY), (SIGNED + 20 * DAY, SIGNED + 40 * DAY))}
    for days in (0, 10, 25):
        assert at(SIGNED + days * DAY, **overlapping).state is FRESH
        assert at(SIGNED + days * DAY, **overlapping).closed_at == SIGNED + 40 * DAY
    assert at(SIGNED - 2 * DAY, key_periods=((SIGNED - DAY, ENDLESS), (0, SIGNED - DAY))).state is FRESH, "in any order"
    assert at(SIGNED, key_periods=((0, SIGNED + 40 * DAY), (SIGNED, SIGNED + 5))).closed_at == SIGNED + 40 * DAY, "a shorter one within"


def test_a_gap_between_keys_is_seen_coming():
    gap = {"key_periods": ((0, SIGNED), (SIGNED + HOUR, ENDLESS))}
    before, within, after = at(SIGNED - DAY, **gap), at(SIGNED, **gap), at(SIGNED + HOUR, **gap)
    assert (before.state, before.next_state, before.next_at, before.closed_at) == (STALE, CLOSED, SIGNED, SIGNED)
    assert (within.state, within.cause, within.closed_at, within.next_state) == (CLOSED, Cause.REGION_KEYS, SIGNED, None)
    assert after.state is FRESH
    assert after.closed_at == ENDLESS


def test_a_key_that_is_not_valid_yet_is_no_key():
    begins = {"key_periods": ((SIGNED, ENDLESS),)}
    assert at(SIGNED - 1, **begins) == RegionFreshness(Region.HK, CLOSED, Cause.REGION_KEYS)
    assert at(SIGNED, **begins).state is FRESH
    short = {"key_periods": ((SIGNED, SIGNED + 2 * DAY),)}
    assert [at(SIGNED + days * DAY, **short).state for days in (-1, 0, 1, 2)] == [CLOSED, STALE, STALE, CLOSED], "shorter than its warning"


def test_a_region_that_stopped_publishing_is_named_and_not_the_import():
    """Its list was overdue already when the other region signed the newest: what is imported is current, and holds nothing better."""
    for behind_s, cause in ((12 * HOUR - 1, Cause.STATUS_LIST_AGE), (12 * HOUR, Cause.STATUS_LIST_STOPPED)):
        freshness = at(SIGNED + behind_s + HOUR, status_issued_at=SIGNED, newest_signed_at=SIGNED + behind_s)
        assert (freshness.state, freshness.cause) == (STALE, cause)
    text = freshness_text(freshness, SIGNED + 13 * HOUR)
    assert text.startswith("HK: stale (the region publishes no newer status list)")
    assert "gatectl" not in freshness.cause.remedy


def test_a_clock_behind_what_was_signed_closes():
    assert at(SIGNED - 121, JUST_PUBLISHED) == RegionFreshness(Region.HK, CLOSED, Cause.CLOCK_BEHIND_SIGNED)
    assert at(SIGNED - 120, JUST_PUBLISHED).state is FRESH
    assert at(-math.inf, JUST_PUBLISHED).cause is Cause.CLOCK_BEHIND_SIGNED
    assert at(SIGNED, JUST_PUBLISHED, newest_signed_at=SIGNED + HOUR).cause is Cause.CLOCK_BEHIND_SIGNED, "the other region's list counts, too"


@pytest.mark.parametrize("now", [math.inf, math.nan, 1e300])
def test_a_time_that_is_none_closes(now: float):
    assert at(now, JUST_PUBLISHED).state is CLOSED


def test_the_worst_cause_wins():
    both = {"root_expires_at": SIGNED, "status_issued_at": SIGNED - 30 * HOUR}
    assert at(SIGNED - 1, **both).cause is Cause.STATUS_LIST_AGE, "degraded by its list, only stale by its root"
    assert (at(SIGNED, **both).state, at(SIGNED, **both).cause) == (CLOSED, Cause.ROOT)


def test_of_equals_the_shortest_lived_is_named():
    """While nothing newer has been taken, nobody knows what the keepers have signed since."""
    everything = dict.fromkeys((field.name for field in dataclasses.fields(Deadlines)), SIGNED) | {"key_periods": ((0, SIGNED),), "newest_signed_at": None}
    named = []
    for limit in limits(BUDGET):
        named.append(at(SIGNED + 30 * DAY, **everything).cause)
        everything[limit.counted_from] = getattr(LASTING, limit.counted_from)
    assert named == [limit.cause for limit in limits(BUDGET)]
    assert named[:2] == [Cause.STATUS_LIST_AGE, Cause.TIMESTAMP]


def test_the_next_state_is_the_next_other_state():
    """At 12 h the list is named instead of the timestamp; that is no new state."""
    freshness = at(SIGNED + 3 * HOUR, JUST_PUBLISHED, timestamp_expires_at=SIGNED + 50 * HOUR)
    assert (freshness.state, freshness.cause) == (STALE, Cause.TIMESTAMP)
    assert (freshness.next_state, freshness.next_cause, freshness.next_at) == (DEGRADED, Cause.STATUS_LIST_AGE, SIGNED + 26 * HOUR)


def test_a_list_that_expires_before_it_grows_old():
    short = {"status_expires_at": SIGNED + 20 * HOUR}
    assert at(SIGNED, JUST_PUBLISHED, **short).next_at == SIGNED + 6 * HOUR
    assert at(SIGNED + 20 * HOUR, JUST_PUBLISHED, **short).cause is Cause.STATUS_LIST_EXPIRED


def test_without_degraded_service():
    budget = FreshnessBudget(status_degraded_s=72 * HOUR)
    assert at(SIGNED + 72 * HOUR - 1, JUST_PUBLISHED, budget).next_state is CLOSED
    assert at(SIGNED + 72 * HOUR, JUST_PUBLISHED, budget).state is CLOSED


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"status_stale_s": 0}, "status_stale_s is 0"),
        ({"status_closed_s": -1}, "status_closed_s is -1"),
        ({"warn_key_s": math.inf}, "warn_key_s is inf"),
        ({"warn_key_s": math.nan}, "warn_key_s is nan"),
        ({"warn_key_s": True}, "warn_key_s is True"),
        ({"warn_key_s": "14 d"}, "warn_key_s is '14 d'"),
        ({"status_stale_s": 93_600}, "status_stale_s 93600 must be below status_degraded_s 93600"),
        ({"status_degraded_s": 259_201}, "status_degraded_s 259201 must be at most status_closed_s 259200"),
        ({"warn_timestamp_s": 262_800}, "warn_timestamp_s 262800 must be below longest_timestamp_s"),
        ({"warn_snapshot_s": 1_213_200}, "warn_snapshot_s 1213200 must be below longest_snapshot_s"),
        ({"longest_role_s": 1_209_600}, "warn_role_s 1209600 must be below longest_role_s"),
        ({"clock_tolerance_s": 43_200}, "clock_tolerance_s 43200 must be below status_stale_s"),
    ],
)
def test_a_budget_that_could_not_warn_is_refused(values: dict[str, Any], what: str):
    with pytest.raises(ConfigurationError, match=r"^\[freshness\] ") as refused:
        FreshnessBudget(**values)
    assert what in refused.value.what
    assert refused.value.remedy


def test_as_json():
    assert freshness_json(at(SIGNED + 13 * HOUR + 0.5, JUST_PUBLISHED), SIGNED + 13 * HOUR + 0.5) == {
        "state": "stale",
        "cause": "status_list_age",
        "remedy": Cause.STATUS_LIST_AGE.remedy,
        "next_state": "degraded",
        "next_cause": "status_list_age",
        "next_in_s": 13 * HOUR,
        "restricted_in_s": 13 * HOUR,
        "closed_in_s": 59 * HOUR,
    }
    degraded = freshness_json(at(SIGNED + 27 * HOUR, JUST_PUBLISHED), SIGNED + 27 * HOUR)
    assert (degraded["restricted_in_s"], degraded["closed_in_s"], degraded["next_state"]) == (0, 45 * HOUR, "closed")
    assert freshness_json(at(SIGNED, JUST_PUBLISHED), SIGNED + 13 * HOUR)["next_in_s"] == 0, "shown a little later than it was looked up"
    nothing = freshness_json(RegionFreshness(Region.MO, CLOSED, Cause.NO_TRUST), SIGNED)
    assert (nothing["next_state"], nothing["next_in_s"], nothing["restricted_in_s"], nothing["closed_in_s"]) == (None, None, 0, 0)


@pytest.mark.parametrize(
    ("hours", "changes", "line"),
    [
        (1, {}, "HK: fresh; stale in 11 h, restricted in 1 d 1 h, closed in 2 d 23 h"),
        (14.95, {}, "HK: stale (the status list is getting old); restricted in 11 h 3 min, closed in 2 d 9 h"),
        (30, {}, "HK: degraded (the status list is too old); closed in 1 d 18 h"),
        (80, {}, "HK: closed (the status list is too old)"),
        (1, {"status_issued_at": None}, "HK: closed (there is no status list)"),
        (1, {"timestamp_expires_at": SIGNED + 2 * HOUR}, "HK: stale (the timestamp expires soon); closed in 1 h"),
        (2, {"timestamp_expires_at": SIGNED + 2 * HOUR}, "HK: closed (the timestamp has expired)"),
    ],
)
def test_as_a_line_for_people(hours: float, changes: dict[str, Any], line: str):
    now = SIGNED + hours * HOUR
    assert freshness_text(at(now, JUST_PUBLISHED, **changes), now) == line


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_words(cause: Cause):
    line = freshness_text(RegionFreshness(Region.MO, CLOSED, cause), SIGNED)
    assert ("(" in line) is (cause is not Cause.NONE)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (86_400, "1 d"),
        (86_460, "1 d"),
        (205_000, "2 d 8 h"),
    ],
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text
