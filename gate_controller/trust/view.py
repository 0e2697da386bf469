"""One verified state of trust as the verifier reads it: keys by header, status lists by uri, freshness by region. Immutable.

Built whole or not at all: one key or list that is wrong refuses the repository. A region's old state beside the other's new one would undo
what the snapshot is for, and the freshness budget leaves days to mend it.

Expiry is not judged here, nor is it extended: an expired state is built like any other and says CLOSED, so that status can tell why.
Does not fetch, does not verify metadata (repository.py does).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from gate_controller.core.values import Region
from gate_controller.ports.services import VerifyingKey
from gate_controller.ports.spans import duration
from gate_controller.ports.trust import Cause, Freshness, PassStatus, RegionFreshness
from gate_controller.trust.errors import TrustError
from gate_controller.trust.freshness import Deadlines, FreshnessBudget, Timeline, timeline
from gate_controller.trust.keys import is_for_enrolments, parse_key, protected_headers
from gate_controller.trust.repository import REGION_ROLES, Target, VerifiedRepository
from gate_controller.trust.status_list import MAX_CONTENT_BYTES, StatusList, StatusListError, parse_status_list

MAX_STATUS_BYTES = 64 << 20
"""All status lists of all regions together, inflated: 268 million passes with two bits each."""

_ASK_REGION = "tell the region's authority; what is in force stays in force"


class LatestTime:
    """The latest time seen, in seconds since the epoch, shared by its owner (who alone sets it) and the views."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value


class TimeForgotten(NamedTuple):
    """The latest time seen was forgotten, on purpose and by hand: what it was and what it is, seconds since the epoch."""

    before: float
    after: float


class VerifiedTrust:
    """Implements ports.trust.TrustView. Made by build_view().

    Attributes:
        source: Where it was read from, as messages call it.
        versions: Version by role.
        expires: Expiry by role, seconds since the epoch.
        keys: Pass keys by kid (8 bytes).
        enrolment_keys: Keys that sign enrolments, by kid; none of them is among the pass keys.
        status_lists: Status lists by uri.
        newest_signed_at: iat of the newest status list, seconds since the epoch; None: there is none.
    """

    def __init__(
        self,
        repository: VerifiedRepository,
        keys: Mapping[bytes, VerifyingKey],
        enrolment_keys: Mapping[bytes, VerifyingKey],
        status_lists: Mapping[str, StatusList],
        budget: FreshnessBudget,
        latest: LatestTime,
    ) -> None:
        self.source = repository.source
        self.versions: Mapping[str, int] = MappingProxyType(dict(repository.versions))
        self.expires: Mapping[str, float] = MappingProxyType(dict(repository.expires))
        self.keys: Mapping[bytes, VerifyingKey] = MappingProxyType(dict(keys))
        self.enrolment_keys: Mapping[bytes, VerifyingKey] = MappingProxyType(dict(enrolment_keys))
        self.status_lists: Mapping[str, StatusList] = MappingProxyType(dict(status_lists))
        self.newest_signed_at = max((listed.issued_at for listed in status_lists.values()), default=None)
        self._table = {header: key for kid, key in keys.items() for header in protected_headers(kid)}
        self._latest = latest
        self._tolerance_s = budget.clock_tolerance_s
        self._timelines = {region: self._timeline(role, region, budget) for role, region in REGION_ROLES.items()}
        self._behind = {
            cause: {region: RegionFreshness(region, Freshness.CLOSED, cause) for region in Region} for cause in (Cause.CLOCK_BEHIND, Cause.CLOCK_BEHIND_SIGNED)
        }

    @property
    def latest(self) -> float:
        """See ports.trust.TrustView."""
        return self._latest.value

    def lookup(self, protected: bytes) -> VerifyingKey | None:
        """See ports.trust.TrustView."""
        return self._table.get(protected)

    def status(self, region: Region, uri: str, index: int) -> PassStatus | None:
        """See ports.trust.TrustView."""
        listed = self.status_lists.get(uri)
        return None if listed is None or listed.region is not region else listed.status(index)

    def freshness(self, region: Region, now: float) -> RegionFreshness:
        """See ports.trust.TrustView. Never judged by an earlier time than the latest seen."""
        latest = self._latest.value
        if now < latest - self._tolerance_s:
            signed = self.newest_signed_at is not None and now < self.newest_signed_at - self._tolerance_s
            return self._behind[Cause.CLOCK_BEHIND_SIGNED if signed else Cause.CLOCK_BEHIND][region]
        return self._timelines[region].at(max(now, latest))

    def _timeline(self, role: str, region: Region, budget: FreshnessBudget) -> Timeline:
        lists = [listed for listed in self.status_lists.values() if listed.region is region]
        expires = self.expires
        deadlines = Deadlines(
            timestamp_expires_at=expires["timestamp"],
            snapshot_expires_at=expires["snapshot"],
            targets_expires_at=expires["targets"],
            root_expires_at=expires["root"],
            role_expires_at=expires[role],
            status_issued_at=min((listed.issued_at for listed in lists), default=None),
            status_expires_at=min((listed.expires_at for listed in lists if listed.expires_at is not None), default=None),
            key_periods=tuple((key.not_before, key.not_after) for key in self.keys.values() if key.region is region),
            newest_signed_at=self.newest_signed_at,
        )
        return timeline(region, budget, deadlines)


class NoTrust:
    """Implements ports.trust.TrustView for a gate that has nothing it may believe."""

    latest = 0.0

    def __init__(self) -> None:
        self.versions: Mapping[str, int] = MappingProxyType({})
        self._closed = {region: RegionFreshness(region, Freshness.CLOSED, Cause.NO_TRUST) for region in Region}

    def lookup(self, protected: bytes) -> VerifyingKey | None:  # noqa: ARG002
        """No key."""
        return None

    def status(self, region: Region, uri: str, index: int) -> PassStatus | None:  # noqa: ARG002
        """No list."""
        return None

    def freshness(self, region: Region, now: float) -> RegionFreshness:  # noqa: ARG002
        """Closed."""
        return self._closed[region]


def build_view(repository: VerifiedRepository, budget: FreshnessBudget, latest: LatestTime) -> VerifiedTrust:
    """Read every key and status list of a verified repository.

    Args:
        repository: What was verified.
        budget: The policy's limits.
        latest: The latest time seen; the lifetimes of metadata are counted from it, and freshness is never judged by an earlier time.

    Raises:
        TrustError: A key or a list is wrong, a key belongs to both regions, or metadata would last longer than the budget allows; the
            message names it.
    """
    _require_short_lives(repository, budget, latest.value)
    keys: dict[bytes, VerifyingKey] = {}
    enrolment_keys: dict[bytes, VerifyingKey] = {}
    tokens: list[tuple[str, Region, Target]] = []
    for name, target in repository.targets.items():
        role, _, rest = name.partition("/")
        region = REGION_ROLES[role]
        if "/" in rest:
            tokens.append((name, region, target))
            continue
        try:
            kid, key = parse_key(rest, target.content, target.custom, region)
        except ValueError as error:
            raise _refuse(repository, name, str(error)) from error
        if kid in keys or kid in enrolment_keys:
            raise _refuse(repository, name, "is a key of both regions")
        (enrolment_keys if is_for_enrolments(target.custom) else keys)[kid] = key
    return VerifiedTrust(repository, keys, enrolment_keys, _status_lists(repository, tokens, keys.get), budget, latest)


def _status_lists(
    repository: VerifiedRepository, tokens: list[tuple[str, Region, Target]], key: Callable[[bytes], VerifyingKey | None]
) -> dict[str, StatusList]:
    lists: dict[str, StatusList] = {}
    room = MAX_STATUS_BYTES
    for uri, region, target in tokens:
        try:
            lists[uri] = parse_status_list(target.content, uri, region, key, max_content_bytes=min(room, MAX_CONTENT_BYTES))
        except StatusListError as error:
            raise _refuse(repository, uri, f"is no status list of this gate's: {error}") from error
        room -= len(lists[uri].content)
    return lists


def _require_short_lives(repository: VerifiedRepository, budget: FreshnessBudget, now: float) -> None:
    longest = {
        "timestamp": budget.longest_timestamp_s,
        "snapshot": budget.longest_snapshot_s,
        "targets": budget.longest_role_s,
        **dict.fromkeys(REGION_ROLES, budget.longest_role_s),
    }
    for role, longest_s in longest.items():
        if repository.expires[role] - now > longest_s:
            how = f"would last until {time_text(repository.expires[role])}, more than the {duration(longest_s)} that are believed"
            remedy = f"the keepers must sign it for a shorter time; or this gate's clock, {time_text(now)}, is behind: set it"
            raise _refuse(repository, f"the metadata of {role}", how, remedy)


def time_text(at: float) -> str:
    """A time, seconds since the epoch, as messages show it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M UTC}"


def _refuse(repository: VerifiedRepository, name: str, how: str, remedy: str = _ASK_REGION) -> TrustError:
    return TrustError(f"{repository.source}: {name} {how}", remedy)
