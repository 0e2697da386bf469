"""The trust of a simulated checkpoint: both regions' repository on disk, and what an operator does to bring it into a gate.

The gate's part is the real one: the pinned root, the floor and the import are those of `gatectl keys`. Does not serve a mirror.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

from gate_controller.composition.trust import trust_parts
from gate_controller.core.values import Region
from gate_controller.ports.clock import Clock
from gate_controller.ports.trust import PassStatus
from gate_controller.settings import load
from gate_controller.trust.floor import Floor
from gate_controller.trust.importing import ImportReport, import_trust
from gate_controller.trust.sources import DirectorySource
from simulators.authority import Authorities
from simulators.repository import TrustRepository
from simulators.travellers.cast import PublishedStatus


class SimulatedTrust:
    """One run's repository, and the trust files of its gate.

    Args:
        directory: Of the run.
        authorities: Whose keys are published.
        clock: Dates what is published.

    Attributes:
        repository: What the regions and the keepers of the root publish.
    """

    def __init__(self, directory: Path, authorities: Authorities, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self.repository = TrustRepository(directory / "published", authorities, clock.wall())
        self._root = directory / "root.json"
        self._root.write_bytes(self.repository.first_root)

    @property
    def settings(self) -> dict[str, str]:
        """The table [keys] of the gate's configuration."""
        return {
            "cache": str(self._directory / "trust"),
            "floor": str(self._directory / "trust-floor.db"),
            "pinned_root": str(self._root),
            "pinned_root_sha256": hashlib.sha256(self._root.read_bytes()).hexdigest(),
        }

    def publish(self, statuses: Iterable[PublishedStatus]) -> None:
        """Have the regions publish new status lists."""
        for each in statuses:
            self.repository.revoke(each.region, each.index, each.status)
        self.repository.publish(self._clock.wall())

    def revoke(self, region: Region, index: int) -> None:
        """Have a region publish that a pass is revoked."""
        self.publish([PublishedStatus(region, index, PassStatus.INVALID)])

    def install(self, config: Path) -> ImportReport:
        """Prepare the gate of that configuration and import what is published: gatectl keys init, gatectl keys import.

        Raises:
            GateError: What `gatectl keys` would say.
        """
        Floor.create(trust_parts(load(config)).floor, self._clock.wall()).close()
        return self.bring(config)

    def bring(self, config: Path) -> ImportReport:
        """Import what is published now, whether the gate runs or not: gatectl keys import.

        Raises:
            GateError: What `gatectl keys` would say.
        """
        parts = trust_parts(load(config))
        with contextlib.closing(Floor.open(parts.floor)) as floor:
            return import_trust(DirectorySource(self.repository.directory), parts.cache, parts.pinned_root, floor, parts.budget, self._clock.wall())
