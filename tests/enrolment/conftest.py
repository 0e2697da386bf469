"""Shared records and stores. Templates are random bytes: nothing here is anybody's."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gate_controller.core.values import Region
from gate_controller.enrolment import Enrolments, MasterKey, import_records
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.importing import ImportReport, Progress, import_publication
from gate_controller.enrolment.publication import Publication
from gate_controller.ports.devices import FaceModel, FaceTemplate, FingerprintTemplate
from gate_controller.ports.services import EnrolmentRecord, VerifyingKey
from simulators.enrolment_publication import DELTA, SNAPSHOT, Issue, enrolment_authority, front_digest, publish

NOW = 1_800_000_000


def _record(number: int, version: int = 1, *, suspended: bool = False) -> EnrolmentRecord:
    seeded = random.Random(number * 1000 + version)
    return EnrolmentRecord(
        reference=number.to_bytes(16, "big"),
        version=version,
        birth_date=date(1950 + number % 60, 1 + number % 12, 1 + number % 28),
        registered_with=frozenset(Region),
        registered_at=1_700_000_000 + number,
        suspended=suspended,
        faces=(FaceTemplate(FaceModel("sface-2021dec", "0ba9fbfa" * 8), seeded.randbytes(512)),),
        fingers=(FingerprintTemplate("zhiantec/zfm20/512", 1, seeded.randbytes(512)),),
    )


@pytest.fixture(scope="session")
def make_record() -> Callable[..., EnrolmentRecord]:
    return _record


@pytest.fixture(scope="session")
def master() -> MasterKey:
    return MasterKey(bytes(range(1, 33)), "test")


@pytest.fixture
def directory(tmp_path: Path, master: MasterKey) -> EnrolmentDirectory:
    """Enrolments of Hong Kong: records 0..99."""
    import_records(tmp_path / "enrolment", master, (_record(number) for number in range(100)))
    return EnrolmentDirectory(tmp_path / "enrolment")


@pytest.fixture
def store_path(directory: EnrolmentDirectory) -> Path:
    """The one store in it."""
    path = directory.current(Region.HK)
    assert path is not None
    return path


class Laboratory:
    """Two regions' authorities and one gate, in one directory.

    Attributes:
        directory: The gate's enrolments.
        keys: The regions' enrolment keys, as the gate has them.
    """

    seed = "laboratory"

    def __init__(self, scratch: Path, master: MasterKey) -> None:
        self.scratch = scratch
        self.master = master
        self.directory = EnrolmentDirectory(scratch / "gate")
        self.authorities = {region: enrolment_authority(region, self.seed) for region in Region}
        self.keys = {each.kid: VerifyingKey(each.public_key, region, 0, 1 << 33) for region, each in self.authorities.items()}
        self._numbers = count(1)
        self._fronts: dict[tuple[Region, int, int], bytes] = {}

    def published(self, entries: Iterable[EnrolmentRecord | bytes], region: Region = Region.HK, **issue: Any) -> Path:
        """A file with these entries, signed by the region; it is a delta if it has a number of one, and follows on the last of the number before."""
        path = self.scratch / f"{next(self._numbers)}.publication"
        defaults = {
            "kind": DELTA if issue.get("delta") else SNAPSHOT,
            "issued_at": NOW + 10 * issue.get("snapshot", 1) + issue.get("delta", 0),
            "recipients": (self.master.transport_public,),
            "base": self._fronts.get((region, issue.get("snapshot", 1), issue.get("delta", 0) - 1), bytes(32)),
            "chunk_bytes": 4096,
        }
        made = Issue(**{**defaults, **issue})
        publish(path, self.authorities[region], made, entries, seed=path.name)
        self._fronts[region, made.snapshot, made.delta] = front_digest(path)
        return path

    def take(self, path: Path, progress: Progress = lambda _done, _all: None) -> ImportReport:
        """Import a file."""
        with Publication(path, self.keys, self.master, NOW) as publication:
            return import_publication(publication, self.directory, self.master, progress)

    def find(self, number: int, issuer: Region = Region.HK) -> EnrolmentRecord | None:
        """What a gate that starts now finds under the reference of record `number`."""
        with contextlib.closing(Enrolments(self.directory.path, self.master)) as enrolments:
            return enrolments.find(issuer, number.to_bytes(16))

    def files(self) -> dict[str, bytes]:
        """The files that are in force: the floor, and each region's store with its log."""
        stores = [store for region in Region if (store := self.directory.current(region)) is not None]
        logs = [store.with_name(f"{store.name}-wal") for store in stores]
        return {path.name: path.read_bytes() for path in (self.directory.path / "floor", *stores, *logs) if path.exists()}


@pytest.fixture
def laboratory(tmp_path: Path, master: MasterKey) -> Laboratory:
    return Laboratory(tmp_path, master)
