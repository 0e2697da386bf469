"""What holds of every timeline, whatever the deadlines and the budget."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from gate_controller.core.values import Region
from gate_controller.ports.trust import Cause, Freshness
from gate_controller.trust.freshness import Deadlines, FreshnessBudget, freshness_json, freshness_text, timeline
from simulators.repository import LIFETIMES_S

HOUR, DAY = 3600, 86_400
NOW = 1_800_000_000
FRESH, STALE, DEGRADED, CLOSED = Freshness

FEWER = settings(max_examples=60)  # each computes a whole timeline
moments = st.integers(NOW - 100 * DAY, NOW + 400 * DAY)
spans = st.integers(2, 60 * DAY)


@st.composite
def budgets(draw: st.DrawFn) -> FreshnessBudget:
    tolerance, stale, degraded, closed = sorted(draw(st.sets(spans, min_size=4, max_size=4)))
    pairs = [sorted(draw(st.sets(spans, min_size=2, max_size=2))) for _ in range(3)]
    (warn_timestamp, timestamp), (warn_snapshot, snapshot), (warn_role, role) = pairs
    return FreshnessBudget(
        status_stale_s=stale, status_degraded_s=degraded, status_closed_s=closed, clock_tolerance_s=tolerance, warn_key_s=draw(spans),
        warn_timestamp_s=warn_timestamp, longest_timestamp_s=timestamp, warn_snapshot_s=warn_snapshot, longest_snapshot_s=snapshot,
        warn_role_s=warn_role, longest_role_s=role,
    )  # fmt: skip


anything = st.builds(
    Deadlines,
    timestamp_expires_at=moments,
    snapshot_expires_at=moments,
    targets_expires_at=moments,
    root_expires_at=moments,
    role_expires_at=moments,
    status_issued_at=st.none() | moments,
    status_expires_at=st.none() | moments,
    key_periods=st.lists(st.tuples(moments, moments), max_size=4).map(tuple),
    newest_signed_at=st.none() | moments,
)
# Keys that are valid without a gap from long ago, and a clock that is right: then time only ever makes it worse.
orderly = anything.map(lambda deadlines: dataclasses.replace(deadlines, newest_signed_at=None, key_periods=((0, deadlines.root_expires_at + DAY),)))


@FEWER
@given(budgets(), anything, st.lists(moments, min_size=1, max_size=5))
def test_nothing_raises_and_everything_agrees(budget: FreshnessBudget, deadlines: Deadlines, times: list[int]):
    line = timeline(Region.MO, budget, deadlines)
    for now in times:
        freshness = line.at(now)
        assert (freshness.state is FRESH) is (freshness.cause is Cause.NONE)
        assert (freshness.next_at is None) is (freshness.next_state is None)
        if freshness.state is CLOSED:
            assert freshness.next_state is None
        for limit, moment in ((DEGRADED, freshness.restricted_at), (CLOSED, freshness.closed_at)):
            if freshness.state.rank >= limit.rank:
                assert moment is None or moment <= now
                assert moment is None or line.at(moment).state.rank >= limit.rank > line.at(moment - 1).state.rank
            else:
                assert moment is not None
                assert moment > now
                assert line.at(moment).state.rank >= limit.rank > line.at(moment - 1).state.rank
        assert freshness_json(freshness, now)["state"] in freshness_text(freshness, now)
    assert line.at(NOW + 10_000 * DAY).state is CLOSED, "nothing lasts for ever"


@FEWER
@given(budgets(), anything, moments)
def test_the_next_state_comes_when_it_was_announced_and_not_a_second_earlier(budget: FreshnessBudget, deadlines: Deadlines, now: int):
    line = timeline(Region.MO, budget, deadlines)
    freshness = line.at(now)
    if freshness.next_at is not None:
        assert freshness.next_at > now
        assert line.at(freshness.next_at - 1).state is freshness.state
        reached = line.at(freshness.next_at)
        assert (reached.state, reached.cause) == (freshness.next_state, freshness.next_cause)


@FEWER
@given(budgets(), orderly, moments, st.integers(0, 400 * DAY))
def test_time_alone_never_makes_it_better(budget: FreshnessBudget, deadlines: Deadlines, now: int, later: int):
    line = timeline(Region.MO, budget, deadlines)
    assert line.at(now + later).state.rank >= line.at(now).state.rank


@FEWER
@given(budgets(), anything, moments)
def test_the_state_is_the_worst_of_the_causes_taken_one_by_one(budget: FreshnessBudget, deadlines: Deadlines, now: int):
    """Said a second time, in the simplest words."""
    states = [FRESH]
    if deadlines.newest_signed_at is not None and now < deadlines.newest_signed_at - budget.clock_tolerance_s:
        states.append(CLOSED)
    if deadlines.status_issued_at is None:
        states.append(CLOSED)
    elif now - deadlines.status_issued_at >= budget.status_stale_s:
        age = now - deadlines.status_issued_at
        states.append(CLOSED if age >= budget.status_closed_s else DEGRADED if age >= budget.status_degraded_s else STALE)
    if not any(begin <= now < end for begin, end in deadlines.key_periods):
        states.append(CLOSED)
    for expires_at, warning in (
        (deadlines.timestamp_expires_at, budget.warn_timestamp_s),
        (deadlines.snapshot_expires_at, budget.warn_snapshot_s),
        (deadlines.targets_expires_at, budget.warn_role_s),
        (deadlines.role_expires_at, budget.warn_role_s),
        (deadlines.root_expires_at, budget.warn_role_s),
        (deadlines.status_expires_at, budget.status_degraded_s - budget.status_stale_s),
    ):
        if expires_at is not None and now >= expires_at - warning:
            states.append(CLOSED if now >= expires_at else STALE)
    worst = max(states, key=lambda state: state.rank)
    got = timeline(Region.MO, budget, deadlines).at(now).state
    if worst is FRESH and got is STALE:  # what is left: a period of keys that ends soon
        assert any(now < end <= now + budget.warn_key_s for _, end in deadlines.key_periods)
    else:
        assert got is worst


@FEWER
@given(budgets(), st.data())
def test_a_warning_of_full_length_comes_before_every_refusal(budget: FreshnessBudget, data: st.DataObject):
    """From any state in which nothing warns."""
    warn_status_s = budget.status_degraded_s - budget.status_stale_s

    def beyond(warning_s: float) -> float:
        return NOW + warning_s + data.draw(st.integers(1, 400 * DAY))

    deadlines = Deadlines(
        timestamp_expires_at=beyond(budget.warn_timestamp_s),
        snapshot_expires_at=beyond(budget.warn_snapshot_s),
        targets_expires_at=beyond(budget.warn_role_s),
        root_expires_at=beyond(budget.warn_role_s),
        role_expires_at=beyond(budget.warn_role_s),
        status_issued_at=NOW - data.draw(st.integers(0, int(budget.status_stale_s) - 1)),
        status_expires_at=data.draw(st.none() | st.just(beyond(warn_status_s))),
        key_periods=((NOW - data.draw(st.integers(0, DAY)), beyond(budget.warn_key_s)),),
        newest_signed_at=NOW,
    )
    line = timeline(Region.MO, budget, deadlines)
    fresh = line.at(NOW)
    assert fresh.state is FRESH
    assert fresh.next_state is STALE
    assert fresh.restricted_at is not None
    assert fresh.next_at is not None
    leads = (warn_status_s, budget.warn_timestamp_s, budget.warn_snapshot_s, budget.warn_role_s, budget.warn_key_s)
    assert fresh.restricted_at - fresh.next_at >= min(leads)
    assert line.at(fresh.next_at).state is line.at(fresh.restricted_at - 1).state is STALE


@FEWER
@given(st.integers(0, 90 * DAY))
def test_with_the_usual_lifetimes_a_traveller_is_refused_14_hours_after_the_operator_was_told(since: int):
    deadlines = Deadlines(
        timestamp_expires_at=NOW + LIFETIMES_S["timestamp"],
        snapshot_expires_at=NOW + LIFETIMES_S["snapshot"],
        targets_expires_at=NOW + LIFETIMES_S["targets"],
        root_expires_at=NOW + LIFETIMES_S["root"],
        role_expires_at=NOW + LIFETIMES_S["hk"],
        status_issued_at=NOW,
        status_expires_at=None,
        key_periods=((0, 1 << 33),),
        newest_signed_at=NOW,
    )
    line = timeline(Region.HK, FreshnessBudget(), deadlines)
    assert line.at(NOW).state is FRESH, "and with these lifetimes, what was published just now is fresh"
    expected = FRESH if since < 12 * HOUR else STALE if since < 26 * HOUR else DEGRADED if since < 72 * HOUR else CLOSED
    assert line.at(NOW + since).state is expected
