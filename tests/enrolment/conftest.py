"""Shared records and stores. Templates are random bytes: nothing here is anybody's."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from gate_controller.core.values import Region
from gate_controller.enrolment import MasterKey, import_records
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.ports.devices import FaceModel, FaceTemplate, FingerprintTemplate
from gate_controller.ports.services import EnrolmentRecord


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
