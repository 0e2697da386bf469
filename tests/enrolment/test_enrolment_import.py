from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gate_controller.enrolment import ImportResult, MasterKey, SealedEnrolmentStore, import_records, schema
from gate_controller.ports import sqlite
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord

MakeRecord = Callable[..., EnrolmentRecord]


def contents(path: Path) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT id, version, sealed FROM records ORDER BY id").fetchall()


def test_an_import_counts_what_it_did(store_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    delta = [make_record(5, version=2), make_record(6), make_record(500)]
    assert import_records(store_path, master, delta) == ImportResult(added=1, updated=1, unchanged=1)
    with contextlib.closing(SealedEnrolmentStore(store_path, master)) as store:
        assert [store.find(record.reference) for record in delta] == delta


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 700])
def test_a_store_may_grow_through_every_number_of_buckets(tmp_path: Path, master: MasterKey, make_record: MakeRecord, count: int) -> None:
    path = tmp_path / "growing.db"
    numbers = list(range(count))
    random.Random(1).shuffle(numbers)
    import_records(path, master, (make_record(number) for number in numbers[: count // 2]))
    import_records(path, master, (make_record(number) for number in numbers[count // 2 :]))
    with contextlib.closing(SealedEnrolmentStore(path, master)) as store:
        assert all(store.find(make_record(number).reference) == make_record(number) for number in numbers)
        assert store.find(make_record(9999).reference) is None
        bits = store._connection.execute("SELECT bucket_bits FROM store").fetchone()[0]
        assert store._connection.execute("SELECT count(*) FROM buckets").fetchone()[0] == 1 << bits
    assert bits == schema.bucket_bits(count)


@pytest.mark.parametrize(("records", "bits"), [(0, 0), (63, 0), (64, 1), (127, 1), (128, 2), (2_800_000, 16), (2**40, 16)])
def test_buckets_stay_small(records: int, bits: int) -> None:
    assert schema.bucket_bits(records) == bits


@pytest.mark.parametrize("bits", [0, 1, 5, 16])
def test_bucket_ranges_follow_each_other_and_hold_their_ids(bits: int) -> None:
    numbers = {0, (1 << bits) - 1, (1 << bits) // 2}
    for number in numbers:
        start, end = schema.bucket_range(number, bits)
        for record_id in (start.ljust(32, b"\x00"), start.ljust(32, b"\xff")):
            assert start <= record_id < end
            assert schema.bucket_of(record_id, bits) == number
        if number + 1 < 1 << bits:
            assert schema.bucket_range(number + 1, bits)[0] == end
        else:
            assert end > b"\xff" * 32


def test_a_record_that_is_not_newer_undoes_the_whole_import(store_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    import_records(store_path, master, [make_record(5, version=3)])
    before = contents(store_path)
    for stale in (make_record(5, version=2), replace(make_record(5, version=3), suspended=True)):
        with pytest.raises(StoreError, match=r"record 2 of the import: not newer") as caught:
            import_records(store_path, master, [make_record(500), stale])
        assert "nothing was imported" in caught.value.remedy
        assert contents(store_path) == before


def test_a_broken_record_is_named_by_its_place_only_and_undoes_the_import(store_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    before = contents(store_path)
    broken = replace(make_record(777), version=0)
    with pytest.raises(StoreError, match=r"record 3 of the import: version: ") as caught:
        import_records(store_path, master, [make_record(500), make_record(501), broken])
    assert broken.reference.hex() not in str(caught.value)
    assert contents(store_path) == before


def test_an_error_of_the_source_passes_through_and_undoes_the_import(store_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    def source() -> Iterator[EnrolmentRecord]:
        yield make_record(500)
        raise OSError("the stick was pulled")

    before = contents(store_path)
    with pytest.raises(OSError, match="the stick was pulled"):
        import_records(store_path, master, source())
    assert contents(store_path) == before


def test_a_failed_first_import_leaves_no_store_that_could_answer(tmp_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    path = tmp_path / "new.db"
    with pytest.raises(StoreError, match="record 1"):
        import_records(path, master, [replace(make_record(1), reference=b"")])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="is missing"):
        SealedEnrolmentStore(path, master)
    import_records(path, master, [make_record(1)])  # and can be done again


def test_an_import_under_another_master_key_is_refused(store_path: Path, make_record: MakeRecord) -> None:
    with pytest.raises(StoreError, match="another master key"):
        import_records(store_path, MasterKey(bytes(range(32)), "the other key"), [make_record(500)])


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path, master: MasterKey) -> None:
    with pytest.raises(StoreError, match="No such file or directory") as caught:
        import_records(tmp_path / "none" / "x.db", master, [])
    assert "the directory must exist" in caught.value.remedy


def test_two_imports_at_once_are_refused(store_path: Path, master: MasterKey, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.0)

    def source() -> Iterator[EnrolmentRecord]:
        yield make_record(500)
        import_records(store_path, master, [make_record(501)])

    with pytest.raises(StoreError, match="another program holds it locked"):
        import_records(store_path, master, source())


KILLED = """
import os, signal, sys
from pathlib import Path
from datetime import date
from gate_controller.core.values import Region
from gate_controller.enrolment import MasterKey, import_records
from gate_controller.ports.services import EnrolmentRecord

def source():
    for number in range(2000):
        yield EnrolmentRecord((10**6 + number).to_bytes(16, "big"), 1, date(2000, 1, 1), frozenset(Region), 1, False, (), ())
    os.kill(os.getpid(), signal.SIGKILL)

import_records(Path(sys.argv[1]), MasterKey(bytes(range(1, 33)), "test"), source())
"""


def test_an_import_that_is_killed_leaves_the_store_as_it_was(store_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    before = contents(store_path)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(store_path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert contents(store_path) == before
    with contextlib.closing(SealedEnrolmentStore(store_path, master)) as store:
        assert store.find(make_record(42).reference) == make_record(42)
        assert store.find((10**6).to_bytes(16, "big")) is None
