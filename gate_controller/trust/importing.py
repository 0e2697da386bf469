"""Takes a trust repository from a stick or a mirror into the cache: verified whole, then installed whole, or not at all.

    fetch and verify -> every key and list -> clock -> floor -> install -> raise the floor

Runs in a process of its own (`gatectl keys import`, the sync); a running gate notices the new generation by itself. Killed at any point, it
leaves the old generation in force or the new one; what it did not get to write into the floor, the next load or import does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gate_controller.core.values import Region
from gate_controller.ports.errors import GateError, StoreError
from gate_controller.ports.trust import Freshness, RegionFreshness
from gate_controller.trust.cache import TrustCache
from gate_controller.trust.errors import InstalledError, TrustError
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import FreshnessBudget, freshness_text
from gate_controller.trust.installed import installed_repository
from gate_controller.trust.repository import VerifiedRepository, verify_repository
from gate_controller.trust.sources import Source
from gate_controller.trust.view import LatestTime, VerifiedTrust, build_view, time_text


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        changed: Whether a new generation was installed; False: the cache has this very state already.
        versions_before: Version by role in the cache before; empty: there was nothing that could be verified.
        versions_after: Version by role in the cache now.
        freshness: Each region's, now.
        warnings: One line for each region that is not fresh even now.
    """

    changed: bool
    versions_before: Mapping[str, int]
    versions_after: Mapping[str, int]
    freshness: Mapping[Region, RegionFreshness]
    warnings: tuple[str, ...]


def import_trust(source: Source, cache: TrustCache, pinned_root: bytes, floor: Floor, budget: FreshnessBudget, now: float) -> ImportReport:
    """Verify what `source` has and put it into force.

    Args:
        source: The stick, directory or mirror.
        cache: Where it is installed.
        pinned_root: Root metadata to start from.
        floor: What this gate will not go back behind.
        budget: The policy's limits of freshness.
        now: The wall clock, seconds since the epoch. Expiry is judged by the latest time seen if that is later.

    Raises:
        TrustError: The content must not be believed; the message names the file and the reason. What was in force stays in force.
        SourceError: The source cannot be read.
        StoreError: The cache or the floor cannot be read or written.
        InstalledError: Of these: it is in force already, and only the floor could not be written.
    """
    latest = LatestTime(max(now, floor.latest_seen()))
    repository = verify_repository(pinned_root, source, at=latest.value)
    view = build_view(repository, budget, latest)
    _require_clock(view, budget, now)
    with cache.lock():
        # Read again under the lock: another import may have ended since.
        installed = _installed(cache, pinned_root)
        before = {} if installed is None else installed.versions
        cache.settle()
        floor.raise_versions(before)  # an import that was killed after it had installed did not get so far
        floor.require(view.versions, view.source)
        changed = dict(before) != dict(view.versions)
        generation = cache.install(repository.files) if changed else None
        try:
            floor.raise_versions(view.versions)
            if view.newest_signed_at is not None:
                floor.saw_signed(view.newest_signed_at)
            floor.saw(now)
        except StoreError as error:
            if generation is None:
                raise
            msg = f"{generation} is installed and in force, but the floor does not know it: {error.what}"
            raise InstalledError(msg, f"{error.remedy}; then import again") from error
    freshness = {region: view.freshness(region, now) for region in Region}
    warnings = tuple(freshness_text(each, now) for each in freshness.values() if each.state is not Freshness.FRESH)
    return ImportReport(changed, before, view.versions, freshness, warnings)


def _installed(cache: TrustCache, pinned_root: bytes) -> VerifiedRepository | None:
    """What the cache holds, if it can be verified; a damaged cache is repaired by installing over it."""
    try:
        return installed_repository(cache, pinned_root)
    except GateError:
        return None


def _require_clock(view: VerifiedTrust, budget: FreshnessBudget, now: float) -> None:
    """Refuse a list from the future: believing its time would close the gate until then, and a clock so far behind judges expiry wrongly."""
    for uri, listed in view.status_lists.items():
        if listed.issued_at > now + budget.clock_tolerance_s:
            msg = f"{view.source}: {uri} was signed on {time_text(listed.issued_at)}, and here it is {time_text(now)}"
            raise TrustError(msg, "set the gate's clock; if it is right, tell the region's authority that its own is ahead")
