"""The freshness budget: how much a region's passes are worth by the age of what is known about them, as a state machine of its own.

    FRESH -> STALE -> DEGRADED -> CLOSED, worse as time passes, better only by newer trust (docs/freshness.md has the table and the diagram)

Several causes run side by side, each through steps of its own (`limits`). A region's state is the worst of them, at every moment. All
that will happen is known when trust is loaded, so it is computed then, and a pass costs one binary search (`Timeline.at`).

Every limit is reached, not passed: a list exactly as old as the limit, and an expiry exactly now, count as over. That is how TUF
(`now >= expires`) and CWT (`now < exp`) count, too.

Pure: knows no clock, no file and no metadata. Does not extend an expiry, ever. Whether the clock ran backwards against the latest time
the gate itself has seen is the floor's business (gate_controller.trust.floor).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, fields

from gate_controller.core.values import Region
from gate_controller.ports.errors import ConfigurationError
from gate_controller.ports.spans import duration
from gate_controller.ports.trust import Cause, Freshness, RegionFreshness

FRESH, STALE, DEGRADED, CLOSED = Freshness


@dataclass(frozen=True, slots=True)
class FreshnessBudget:
    """The policy's limits, in seconds.

    Attributes:
        status_stale_s: Age of the status list from which an import is overdue.
        status_degraded_s: Age from which only low-risk travellers are cleared. 26 h, not 24: a gate that is fed by one stick a day, always
            at the same hour, would otherwise be restricted each day for as long as the stick travels.
        status_closed_s: Age from which the region is closed.
        warn_timestamp_s: How long before the timestamp's expiry to warn.
        warn_snapshot_s: The same for the snapshot.
        warn_role_s: The same for the region's role, the top-level targets and the root.
        warn_key_s: How long before the region has no valid key to warn.
        longest_timestamp_s: Longest remaining life that is believed of a timestamp when it is loaded: the three days that it is signed for, and an
            hour because the signer's clock may be ahead.
        longest_snapshot_s: The same for a snapshot: 14 days and an hour.
        longest_role_s: The same for a region's role and the top-level targets: 60 days and an hour.
        clock_tolerance_s: How far the gate's clock may be behind the newest signed time.

    Raises:
        ConfigurationError: A value is not a positive number, or an order is broken that the warnings rely on.
    """

    status_stale_s: float = 43_200
    status_degraded_s: float = 93_600
    status_closed_s: float = 259_200
    warn_timestamp_s: float = 172_800
    warn_snapshot_s: float = 604_800
    warn_role_s: float = 1_209_600
    warn_key_s: float = 1_209_600
    longest_timestamp_s: float = 262_800
    longest_snapshot_s: float = 1_213_200
    longest_role_s: float = 5_187_600
    clock_tolerance_s: float = 120

    def __post_init__(self) -> None:
        """Refuse a budget whose warnings would come too late, or without end."""
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                msg = f"[freshness] {each.name} is {value!r}"
                raise ConfigurationError(msg, "give a number of seconds above 0")
        for lower, higher, strictly in _ORDERS:
            low, high = getattr(self, lower), getattr(self, higher)
            if low > high or (strictly and low == high):
                msg = f"[freshness] {lower} {low} must be {'below' if strictly else 'at most'} {higher} {high}"
                raise ConfigurationError(msg, f"lower {lower} or raise {higher}")


_ORDERS = (
    ("clock_tolerance_s", "status_stale_s", True),
    ("status_stale_s", "status_degraded_s", True),  # between these two lies the warning before the first refusal
    ("status_degraded_s", "status_closed_s", False),  # equal: no degraded service at all
    ("warn_timestamp_s", "longest_timestamp_s", True),  # otherwise it would warn from the first second to the last
    ("warn_snapshot_s", "longest_snapshot_s", True),
    ("warn_role_s", "longest_role_s", True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """What one region's freshness is counted from, out of one verified state; seconds since the epoch.

    Attributes:
        timestamp_expires_at: Of the timestamp's metadata.
        snapshot_expires_at: Of the snapshot's.
        targets_expires_at: Of the top-level targets.
        root_expires_at: Of the root.
        role_expires_at: Of the region's role.
        status_issued_at: iat of the oldest of the region's status lists; None: it has none.
        status_expires_at: Earliest exp among them; None: none of them has one.
        key_periods: (not_before, not_after) of each of the region's keys.
        newest_signed_at: Newest time an authority has signed (iat of the status lists of both regions); None: none known.
    """

    timestamp_expires_at: float
    snapshot_expires_at: float
    targets_expires_at: float
    root_expires_at: float
    role_expires_at: float
    status_issued_at: float | None
    status_expires_at: float | None
    key_periods: tuple[tuple[float, float], ...]
    newest_signed_at: float | None


@dataclass(frozen=True, slots=True)
class Limit:
    """One cause's steps.

    Attributes:
        cause: The cause.
        counted_from: The moment they are counted from: a field of Deadlines (of key_periods: the end of each unbroken period).
        steps: (seconds after that moment, negative before; the state from there on), in the order of time.
    """

    cause: Cause
    counted_from: str
    steps: tuple[tuple[float, Freshness], ...]


def limits(budget: FreshnessBudget) -> tuple[Limit, ...]:
    """Every cause that time alone brings about, in the order in which they are named when several give the same state.

    The shortest-lived comes first: while the list is old, or the timestamp, nothing newer has been taken, and only an import shows whether
    the keepers have signed the rest anew. The others are named when those two are current: then it is the keepers' turn.
    """
    # A list's own expiry warns as long ahead as its age does.
    warn_status_s = budget.status_degraded_s - budget.status_stale_s
    age = ((budget.status_stale_s, STALE), (budget.status_degraded_s, DEGRADED), (budget.status_closed_s, CLOSED))

    def expiry(warning_s: float) -> tuple[tuple[float, Freshness], ...]:
        return ((-warning_s, STALE), (0, CLOSED))

    return (
        Limit(Cause.STATUS_LIST_AGE, "status_issued_at", age),
        Limit(Cause.TIMESTAMP, "timestamp_expires_at", expiry(budget.warn_timestamp_s)),
        Limit(Cause.STATUS_LIST_EXPIRED, "status_expires_at", expiry(warn_status_s)),
        Limit(Cause.SNAPSHOT, "snapshot_expires_at", expiry(budget.warn_snapshot_s)),
        Limit(Cause.REGION_KEYS, "key_periods", expiry(budget.warn_key_s)),
        Limit(Cause.REGION_ROLE, "role_expires_at", expiry(budget.warn_role_s)),
        Limit(Cause.TARGETS, "targets_expires_at", expiry(budget.warn_role_s)),
        Limit(Cause.ROOT, "root_expires_at", expiry(budget.warn_role_s)),
    )


class Timeline:
    """A region's freshness for all time to come, computed once; immutable.

    Args:
        starts: When each segment begins, ascending; the first is -infinity.
        segments: What holds from there on.
    """

    __slots__ = ("_segments", "_starts", "region")

    def __init__(self, region: Region, starts: Iterable[float], segments: Iterable[RegionFreshness]) -> None:
        self.region = region
        self._starts = tuple(starts)
        self._segments = tuple(segments)

    def at(self, now: float) -> RegionFreshness:
        """The freshness at `now`, seconds since the epoch: one binary search, an object made beforehand."""
        return self._segments[bisect_right(self._starts, now) - 1]


_Steps = list[tuple[float, Freshness]]  # (from when, state), ascending; of equal times the last counts; FRESH before the first


def timeline(region: Region, budget: FreshnessBudget, deadlines: Deadlines) -> Timeline:
    """Compute a region's timeline. Before the newest signed time, less the tolerance, it is CLOSED: the clock is behind."""
    running: list[tuple[Cause, _Steps]] = []
    if deadlines.newest_signed_at is not None:
        running.append((Cause.CLOCK_BEHIND_SIGNED, [(-math.inf, CLOSED), (deadlines.newest_signed_at - budget.clock_tolerance_s, FRESH)]))
    if deadlines.status_issued_at is None:
        running.append((Cause.STATUS_LIST_MISSING, [(-math.inf, CLOSED)]))
    stopped = _has_stopped(budget, deadlines)
    for limit in limits(budget):
        cause = Cause.STATUS_LIST_STOPPED if stopped and limit.cause is Cause.STATUS_LIST_AGE else limit.cause
        running.append((cause, _steps(limit, deadlines)))

    starts = sorted({-math.inf, *(start for _, steps in running for start, _ in steps)})
    states = [_worst(running, start) for start in starts]
    return Timeline(region, starts, [_segment(region, starts, states, number) for number in range(len(starts))])


def _has_stopped(budget: FreshnessBudget, deadlines: Deadlines) -> bool:
    """Whether the region's list was old already when the newest list was signed that came with it: then it is the region that does not publish."""
    issued_at, newest = deadlines.status_issued_at, deadlines.newest_signed_at
    return issued_at is not None and newest is not None and newest - issued_at >= budget.status_stale_s


def _steps(limit: Limit, deadlines: Deadlines) -> _Steps:
    if limit.cause is Cause.REGION_KEYS:
        return _key_steps(limit, deadlines.key_periods)
    moment: float | None = getattr(deadlines, limit.counted_from)
    return [] if moment is None else [(moment + offset, state) for offset, state in limit.steps]


def _key_steps(limit: Limit, periods: Iterable[tuple[float, float]]) -> _Steps:
    """CLOSED outside the unbroken periods in which some key is valid; within one, the limit's steps towards its end."""
    unbroken: list[tuple[float, float]] = []
    for begin, end in sorted(periods):
        if unbroken and begin <= unbroken[-1][1]:
            unbroken[-1] = (unbroken[-1][0], max(end, unbroken[-1][1]))
        else:
            unbroken.append((begin, end))
    steps: _Steps = [(-math.inf, CLOSED)]
    for begin, end in unbroken:
        # A period shorter than its warning begins with it; one that ends before it begins is none.
        steps += [(begin, FRESH), *((max(begin, end + offset), state) for offset, state in limit.steps)]
    return steps


def _worst(running: Iterable[tuple[Cause, _Steps]], moment: float) -> tuple[Freshness, Cause]:
    worst, of = FRESH, Cause.NONE
    for cause, steps in running:
        state = next((state for start, state in reversed(steps) if start <= moment), FRESH)
        if state.rank > worst.rank:
            worst, of = state, cause
    return worst, of


def _segment(region: Region, starts: list[float], states: list[tuple[Freshness, Cause]], number: int) -> RegionFreshness:
    state, cause = states[number]
    later = range(number + 1, len(starts))
    following = None if state is CLOSED else next((index for index in later if states[index][0] is not state), None)
    return RegionFreshness(
        region,
        state,
        cause,
        None if following is None else states[following][0],
        Cause.NONE if following is None else states[following][1],
        None if following is None else starts[following],
        _reached(starts, states, number, DEGRADED),
        _reached(starts, states, number, CLOSED),
    )


def _reached(starts: list[float], states: list[tuple[Freshness, Cause]], number: int, limit: Freshness) -> float | None:
    """When it is or became as bad as `limit`, seen from segment `number`; None: it always was, or never will be."""

    def as_bad(index: int) -> bool:
        return states[index][0].rank >= limit.rank

    if as_bad(number):
        began = number
        while began and as_bad(began - 1):
            began -= 1
        return starts[began] if began else None
    return next((starts[index] for index in range(number, len(starts)) if as_bad(index)), None)


def freshness_json(freshness: RegionFreshness, now: float) -> dict[str, object]:
    """One region's freshness as status, metrics and journal show it; seconds rounded up, 0 when it is so already, null when it never will be."""
    return {
        "state": freshness.state.value,
        "cause": freshness.cause.code,
        "remedy": freshness.cause.remedy,
        "next_state": freshness.next_state and freshness.next_state.value,
        "next_cause": freshness.next_cause.code,
        "next_in_s": _seconds_until(freshness.next_at, now),
        "restricted_in_s": 0 if freshness.state.rank >= DEGRADED.rank else _seconds_until(freshness.restricted_at, now),
        "closed_in_s": 0 if freshness.state is CLOSED else _seconds_until(freshness.closed_at, now),
    }


def freshness_text(freshness: RegionFreshness, now: float) -> str:
    """The same as one line for people: "HK: stale (the status list is getting old); restricted in 11 h 2 min, closed in 2 d 9 h"."""
    ageing, over = _PHRASES[freshness.cause]
    phrase = ageing if freshness.state is STALE else over
    parts = [f"{freshness.region.value}: {freshness.state.value}{f' ({phrase})' if phrase else ''}"]
    if freshness.state is FRESH and freshness.next_at is not None:
        parts.append(f"stale in {duration(freshness.next_at - now)}")
    if freshness.state.rank < DEGRADED.rank and freshness.restricted_at is not None and freshness.restricted_at != freshness.closed_at:
        parts.append(f"restricted in {duration(freshness.restricted_at - now)}")
    if freshness.state is not CLOSED and freshness.closed_at is not None:
        parts.append(f"closed in {duration(freshness.closed_at - now)}")
    return "; ".join([parts[0], ", ".join(parts[1:])] if parts[1:] else parts)


# Cause: (while it only warns, when it restricts or closes)
_PHRASES = {
    Cause.NONE: ("", ""),
    Cause.STATUS_LIST_AGE: ("the status list is getting old", "the status list is too old"),
    Cause.STATUS_LIST_EXPIRED: ("the status list expires soon", "the status list has expired"),
    Cause.STATUS_LIST_MISSING: ("", "there is no status list"),
    Cause.TIMESTAMP: ("the timestamp expires soon", "the timestamp has expired"),
    Cause.SNAPSHOT: ("the snapshot expires soon", "the snapshot has expired"),
    Cause.TARGETS: ("the top-level targets expire soon", "the top-level targets have expired"),
    Cause.ROOT: ("the root expires soon", "the root has expired"),
    Cause.REGION_ROLE: ("the region's list of keys expires soon", "the region's list of keys has expired"),
    Cause.REGION_KEYS: ("the region's last key ends soon", "no key of the region is valid"),
    Cause.STATUS_LIST_STOPPED: ("the region publishes no newer status list", "the region publishes no newer status list"),
    Cause.CLOCK_BEHIND: ("", "the clock is behind the latest time this gate has seen"),
    Cause.CLOCK_BEHIND_SIGNED: ("", "the clock is behind what a region has signed"),
    Cause.NO_TRUST: ("", "no trust is installed"),
}


def _seconds_until(moment: float | None, now: float) -> int | None:
    return None if moment is None else max(0, math.ceil(moment - now))
