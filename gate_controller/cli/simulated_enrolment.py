"""The enrolments of a simulated checkpoint: both regions publish a snapshot, and what an operator does to bring it into a gate.

The gate's part is the real one: the keys out of its trust, and the import of `gatectl enrolment`. Makes no records.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gate_controller.composition.enrolment import enrolment_keys, master_key
from gate_controller.core.values import Region
from gate_controller.enrolment import MasterKey
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.importing import import_publication
from gate_controller.enrolment.publication import Publication
from gate_controller.ports.clock import Clock
from gate_controller.ports.services import EnrolmentRecord
from gate_controller.settings import load
from simulators.enrolment_publication import Issue, enrolment_authority, publish
from simulators.repository import TrustRepository


class SimulatedEnrolments:
    """One run's publications, and the master key of its gate.

    Args:
        directory: Of the run.
        repository: Where the regions publish the keys that sign their enrolments; published with its next publication.
        clock: Dates what is published.
    """

    def __init__(self, directory: Path, repository: TrustRepository, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._authorities = {region: enrolment_authority(region, repository.authorities.seed) for region in Region}
        for authority in self._authorities.values():
            repository.add_enrolment_key(authority)
        self._key = directory / "master.key"
        self._key.touch(mode=0o600)
        self._key.write_text("5a" * 32 + "\n")

    @property
    def settings(self) -> dict[str, str]:
        """The table [enrolment] of the gate's configuration."""
        return {"store": str(self._directory / "enrolment"), "master_key_file": str(self._key)}

    def publish(self, region: Region, records: Iterable[EnrolmentRecord]) -> None:
        """Have a region publish whom it has enrolled, sealed to this gate."""
        recipient = MasterKey.from_file(self._key).transport_public
        issue = Issue(issued_at=int(self._clock.wall()), recipients=(recipient,))
        ordered: list[EnrolmentRecord] = sorted(records, key=lambda record: record.reference)
        publish(self._file(region), self._authorities[region], issue, ordered)

    def install(self, config: Path) -> None:
        """Bring what is published into the gate of that configuration, whose trust is imported: gatectl enrolment import.

        Raises:
            GateError: What `gatectl enrolment` would say.
        """
        settings = load(config)
        master, directory = master_key(settings), EnrolmentDirectory(settings.enrolment.store)
        keys, now = enrolment_keys(settings, self._clock.wall())
        for region in Region:
            with Publication(self._file(region), keys, master, now) as publication:
                import_publication(publication, directory, master)

    def _file(self, region: Region) -> Path:
        return self._directory / f"{region.value.lower()}-1.snapshot"
