"""The parts of the trust store as a configuration names them: for the gate itself, `gatectl keys` and `gate-keys` alike.

Imports no driver and nothing of vision: the sync has no device and must start fast. Does not import trust and does not watch over it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, fields
from pathlib import Path

import structlog

from gate_controller.settings import Settings
from gate_controller.settings.pinned_root import read_pinned_root
from gate_controller.trust.cache import TrustCache
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.installed import installed_repository
from gate_controller.trust.mirror import MirrorSource
from gate_controller.trust.repository import VerifiedRepository
from gate_controller.trust.view import LatestTime, VerifiedTrust, build_view

log = structlog.get_logger("gate.trust")


@dataclass(frozen=True, slots=True)
class TrustParts:
    """What one gate's trust is made of.

    Attributes:
        cache: The verified cache.
        pinned_root: Root metadata, whose hash was compared with the configuration's.
        floor: The floor's file; Floor.open() opens it.
        own_floor: The file in which the controller alone remembers versions; None: there is none.
        budget: The policy's limits of freshness.
        ca_file: Certificates that a mirror's must be signed by; None: the system's.
    """

    cache: TrustCache
    pinned_root: bytes
    floor: Path
    own_floor: Path | None
    budget: FreshnessBudget
    ca_file: Path | None

    def mirror(self, url: str) -> MirrorSource:
        """A mirror, for one import.

        Raises:
            ConfigurationError: The URL or the CA file cannot be used.
        """
        return MirrorSource(url, ca_file=self.ca_file)


@dataclass(frozen=True, slots=True)
class TrustInForce:
    """What a gate that starts now would believe.

    Attributes:
        repository: The generation in the cache, verified.
        view: Its keys, lists and freshness.
        latest_seen: The latest time that anybody saw or signed, seconds since the epoch.
    """

    repository: VerifiedRepository
    view: VerifiedTrust
    latest_seen: float


def trust_parts(settings: Settings) -> TrustParts:
    """The parts; opens nothing but the pinned root.

    Raises:
        ConfigurationError: The pinned root is missing, or not the one whose hash is configured.
    """
    section = settings.policy.freshness
    budget = FreshnessBudget(**{each.name: getattr(section, each.name) for each in fields(FreshnessBudget)})
    keys = settings.keys
    return TrustParts(TrustCache(keys.cache), read_pinned_root(keys), keys.floor, keys.own_floor, budget, settings.sync.ca_file)


def opened_own_floor(path: Path, now: float) -> Floor:
    """The controller's own floor; made where there is none yet: what it was in force before, only the other floor knows then.

    Raises:
        StoreError: It cannot be made or opened.
    """
    if not os.path.lexists(path):
        log.warning("the controller's own floor of trust is made", path=str(path))
        return Floor.create(path, now)
    return Floor.open(path)


def trust_in_force(parts: TrustParts, floor: Floor, now: float) -> TrustInForce:
    """Read and verify what is in the cache, as the gate does when it starts, but write nothing, not even the time.

    Args:
        parts: The gate's parts.
        floor: Its floor.
        now: Seconds since the epoch.

    Raises:
        TrustError: The cache is empty, or its content must not be believed.
        StoreError: The cache or the floor cannot be read.
        SourceError: A file of the generation cannot be read.
    """
    repository = installed_repository(parts.cache, parts.pinned_root)
    floor.require(repository.versions, repository.source)
    if parts.own_floor is not None and os.access(parts.own_floor, os.R_OK):  # the sync's user cannot see it, and is not asked what the gate believes
        with contextlib.closing(Floor.open(parts.own_floor, "read")) as own:
            own.require(repository.versions, repository.source)
    latest = LatestTime(max(now, floor.latest_seen()))
    view = build_view(repository, parts.budget, latest)
    latest.value = max(latest.value, view.newest_signed_at or 0.0)
    return TrustInForce(repository, view, latest.value)
