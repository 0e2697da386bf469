"""Trust ports: what is believed of the regions' keys and status lists, and for how much longer.

One view is one verified state of the trust store: immutable, so that a pass is checked against a single state even while a newer one is
being taken. Does not fetch, does not verify: gate_controller.trust does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from gate_controller.core.values import Region
from gate_controller.ports.services import VerifyingKey


class Freshness(Enum):
    """How much a region's passes are worth, by the age of what is known about them. Ordered: each is worse than the one before.

    FRESH: nothing to do. STALE: full service; an import is overdue and refusals are coming. DEGRADED: only low-risk travellers are
    cleared, each decision marked. CLOSED: no pass of the region is accepted.
    """

    FRESH = "fresh"
    STALE = "stale"
    DEGRADED = "degraded"
    CLOSED = "closed"

    @property
    def rank(self) -> int:
        """0 for FRESH to 3 for CLOSED."""
        return _RANKS[self]


_RANKS = {state: rank for rank, state in enumerate(Freshness)}


class Cause(Enum):
    """What a freshness state rests on: the code, and what to do about it."""

    def __init__(self, code: str, remedy: str) -> None:
        self.code = code
        self.remedy = remedy

    NONE = ("none", "")
    STATUS_LIST_AGE = ("status_list_age", "import current trust: gatectl keys import DIRECTORY, or repair the sync")
    STATUS_LIST_EXPIRED = ("status_list_expired", "the region must publish a new status list; then import it")
    STATUS_LIST_MISSING = ("status_list_missing", "the region has published no status list, or none that can be used; import current trust")
    TIMESTAMP = ("timestamp", "import current trust: gatectl keys import DIRECTORY, or repair the sync")
    SNAPSHOT = ("snapshot", "the keepers must sign a new snapshot; then import it")
    TARGETS = ("targets", "the keepers must sign the top-level targets again; then import them")
    ROOT = ("root", "the keepers must publish a new root; then import it")
    REGION_ROLE = ("region_role", "the region must sign its list of keys again; then import it")
    REGION_KEYS = ("region_keys", "the region has no key that is valid now; import current trust")
    STATUS_LIST_STOPPED = ("status_list_stopped", "ask the region's authority why it publishes no newer status list: an import brings the same one again")
    CLOCK_BEHIND = ("clock_behind", "set the gate's clock; if it was ahead before and is right now: gatectl keys forget-time")
    CLOCK_BEHIND_SIGNED = ("clock_behind_signed", "set the gate's clock")
    NO_TRUST = ("no_trust", "import trust: gatectl keys import DIRECTORY")


@dataclass(frozen=True, slots=True)
class RegionFreshness:
    """How fresh what is known about one region is, at one moment. Times are seconds since the epoch.

    Attributes:
        region: The region.
        state: Now.
        cause: What the state rests on; NONE while FRESH.
        next_state: What it becomes next if nothing newer is taken; None when CLOSED.
        next_cause: Why it will.
        next_at: When; None when CLOSED.
        restricted_at: When the first travellers will be refused (DEGRADED or CLOSED); past when they are; None: CLOSED with no known begin.
        closed_at: When all travellers of the region will be refused; past when they are; None: CLOSED with no known begin.
    """

    region: Region
    state: Freshness
    cause: Cause = Cause.NONE
    next_state: Freshness | None = None
    next_cause: Cause = Cause.NONE
    next_at: float | None = None
    restricted_at: float | None = None
    closed_at: float | None = None


class PassStatus(Enum):
    """What a status list says of one pass (token status list, section 7.1)."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2
    APPLICATION_SPECIFIC = 3


class TrustView(Protocol):
    """One verified state. Also a ports.services.KeyTable."""

    @property
    def versions(self) -> Mapping[str, int]:
        """Version of each role's metadata: root, timestamp, snapshot, targets, hk, mo."""
        ...

    @property
    def latest(self) -> float:
        """The latest time seen, seconds since the epoch; 0.0: none. What ends is judged by it where the clock is behind, what begins by the clock."""
        ...

    def lookup(self, protected: bytes) -> VerifyingKey | None:
        """The key whose passes carry exactly these protected-header bytes, or None."""
        ...

    def status(self, region: Region, uri: str, index: int) -> PassStatus | None:
        """What the region's list `uri` says of `index`; None when there is no such list of that region, or the index is outside it."""
        ...

    def freshness(self, region: Region, now: float) -> RegionFreshness:
        """How fresh the region's trust is at `now` (seconds since the epoch)."""
        ...


class Trust(Protocol):
    """The current view, whichever it is, and the latest time seen."""

    def current(self) -> TrustView:
        """The view in force. Cheap; take it once for each decision."""
        ...

    def observe(self, wall: float) -> None:
        """Tell the trust store the time, about once a second: it remembers, durably, the latest it has seen.

        The latest time seen goes on by itself between two calls, by a clock that nobody sets: a wall clock that stands, or is put back
        again and again, falls behind it.

        Raises:
            StoreError: The time cannot be remembered.
        """
        ...


@dataclass(frozen=True, slots=True)
class TrustNotice:
    """Something about the trust that has become so, to be journalled, logged and published once.

    Attributes:
        kind: "freshness_changed" (also the daily reminder), "trust_taken" (a newer state is in force), "trust_refused" (what was
            imported cannot be used; the old state stays in force) or "time_forgotten" (somebody had the gate forget the latest time seen).
        fields: JSON values by name, without personal data.
        text: One line for people, with the remedy if there is one.
        warning: Whether it asks for somebody's attention.
    """

    kind: str
    fields: Mapping[str, Any]
    text: str
    warning: bool


@dataclass(frozen=True, slots=True)
class TrustClosed:
    """Why nobody can be admitted: every region whose passes the lane admits is CLOSED.

    Attributes:
        code: Code of the cause; of the first region, if they differ.
        what: One line naming each region's cause.
        remedy: What to do about it.
    """

    code: str
    what: str
    remedy: str


class TrustMonitor(Protocol):
    """The trust as the gate watches over it. `status` is for any thread; the other two are called by one thread, about once a second."""

    def observe(self, wall: float) -> None:
        """See Trust.observe."""
        ...

    def look(self, wall: float) -> tuple[tuple[TrustNotice, ...], TrustClosed | None]:
        """What has changed since the last look, and whether the lane must be closed. Times in seconds since the epoch."""
        ...

    def status(self, wall: float) -> dict[str, Any]:
        """For GateControl.status(): "trust" by region, and "trust_store"; see ports.control.GateControl.status."""
        ...
