"""The trust in force in a running gate: loads the verified cache, verifies it again from the pinned root, and swaps views.

    cache changed -> verify -> not older than the view in force, nor than the floor -> view -> swap

A view is immutable and swapped by one assignment: whoever took current() before decides by the old state, whoever takes it after by the
new one, nobody by a mixture. What cannot be believed is not taken: the view in force stays, `problem` says why, and the next generation
in the cache is tried. At the start there is no view in force yet, so the gate is closed then (NoTrust).

The latest time seen is the wall clock's, or what was seen before and the time counted since by the monotonic clock, whichever is later: a
wall clock that stands, or that is put back a little again and again, does not hold back any expiry.

Expired metadata is loaded all the same; the view's freshness closes the lane and tells why. Does not fetch and does not write the cache.
"""

from __future__ import annotations

import threading

from gate_controller.ports.clock import Clock
from gate_controller.ports.errors import ConfigurationError, GateError
from gate_controller.ports.trust import TrustView
from gate_controller.trust.cache import TrustCache
from gate_controller.trust.errors import TrustError
from gate_controller.trust.floor import Floor, require_not_older
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.installed import installed_repository
from gate_controller.trust.view import LatestTime, NoTrust, TimeForgotten, VerifiedTrust, build_view

PERSIST_EVERY_S = 60
"""A power cut costs at most so much of the latest time seen; writing each second would wear the disk."""


class TrustStore:
    """Implements ports.trust.Trust. current() and observe() are for any thread; refresh() for one at a time, in the background.

    Args:
        cache: The verified cache; may be empty or damaged: then nothing is trusted until it is repaired.
        pinned_root: Root metadata to start from.
        floor: What this gate will not go back behind; whoever opened it closes it.
        budget: The policy's limits of freshness.
        clock: The gate's clocks; the monotonic one is read with each observation.
        own_floor: Another floor, of which only the versions count, and which whoever imports cannot write; closed as `floor` is. None: there is none.

    Attributes:
        problem: Why the newest generation in the cache is not in force; None: it is.
        forgotten: When the latest time seen was forgotten last; None: not since the start.

    Raises:
        StoreError: The floor cannot be read or written.
        ConfigurationError: The installed python-tuf is not the one this was written for.
    """

    def __init__(self, cache: TrustCache, pinned_root: bytes, floor: Floor, budget: FreshnessBudget, clock: Clock, own_floor: Floor | None = None) -> None:
        self.problem: GateError | None = None
        self.forgotten: TimeForgotten | None = None
        self._cache = cache
        self._pinned_root = pinned_root
        self._floor = floor
        self._floors = (floor,) if own_floor is None else (floor, own_floor)
        self._budget = budget
        self._clock = clock
        self._time_lock = threading.Lock()
        self._refresh_lock = threading.Lock()
        wall = clock.wall()
        floor.saw(wall)
        self._stored = floor.latest_seen()
        self._latest = LatestTime(self._stored)
        self._anchor = (self._stored, clock.monotonic())
        self._tried: str | None = None
        self._view: TrustView = NoTrust()
        self.refresh(wall)
        if isinstance(self.problem, ConfigurationError):
            raise self.problem

    @property
    def latest_seen(self) -> float:
        """The latest time seen, seconds since the epoch."""
        return self._latest.value

    def current(self) -> TrustView:
        """See ports.trust.Trust."""
        return self._view

    def observe(self, wall: float) -> None:
        """See ports.trust.Trust. Written down once a minute, and at once after a jump ahead.

        While the clock is behind, the floor is read each time, so that forgetting the time there takes effect here.
        """
        with self._time_lock:
            self._advance(wall)
            if wall < self._latest.value - self._budget.clock_tolerance_s:
                self._look_whether_forgotten()
            if self._latest.value >= self._stored + PERSIST_EVERY_S:
                self._floor.saw(self._latest.value)
                self._stored = self._latest.value

    def refresh(self, wall: float) -> bool:
        """Take what is in the cache if it is another generation than the last one tried. Costs microseconds when it is not.

        Args:
            wall: The time now, seconds since the epoch.

        Returns:
            Whether another view is in force.
        """
        with self._refresh_lock:
            token = self._cache.token()
            if token == self._tried:
                return False
            try:
                view = self._load(wall)
            except GateError as error:
                self.problem = error
                # Content that is wrong stays wrong until there is another generation; a disk or a lock may do better next time.
                self._tried = token if isinstance(error, TrustError) else None
                return False
            self.problem, self._tried = None, token
            if view.versions == self._view.versions:  # the same state in another place
                return False
            self._view = view
            return True

    def _load(self, wall: float) -> VerifiedTrust:
        repository = installed_repository(self._cache, self._pinned_root)
        # Whoever can write the floor may have lowered it; what is in force here is known without it, and what was, by the floor of the gate's own.
        require_not_older(repository.versions, self._view.versions, repository.source)
        for floor in self._floors:
            floor.require(repository.versions, repository.source)
        with self._time_lock:
            self._advance(wall)
        view = build_view(repository, self._budget, self._latest)
        # An import that was killed after it had installed did not get so far; it may not even have got so far that a power cut leaves its work in force.
        self._cache.settle()
        for floor in self._floors:
            floor.raise_versions(repository.versions)
        # One from the future closes the lane as long as it is there, but is not remembered: nobody could have that forgotten.
        signed_at = view.newest_signed_at
        if signed_at is not None and signed_at <= wall + self._budget.clock_tolerance_s:
            self._floor.saw_signed(signed_at)
            with self._time_lock:
                self._advance(signed_at)
        return view

    def _advance(self, seen: float) -> None:
        """Move the latest time to what was seen or counted, whichever is later; under the lock."""
        counted_at = self._clock.monotonic()
        before, counted_from = self._anchor
        latest = max(self._latest.value, before + (counted_at - counted_from))
        if seen >= latest:
            latest = seen
            self._anchor = seen, counted_at
        self._latest.value = latest

    def _look_whether_forgotten(self) -> None:
        """Take the floor's time if it has gone back behind what this store knows to be there; under the lock.

        What could not be written down was never there: a disk that is full does not make the gate forget.
        """
        stored = self._floor.latest_seen()
        if stored < self._stored:
            self.forgotten = TimeForgotten(self._latest.value, stored)
            self._latest.value = stored
            self._anchor = stored, self._clock.monotonic()
        self._stored = stored
