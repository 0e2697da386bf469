"""How ids fall into buckets."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gate_controller.core.values import Region
from gate_controller.enrolment import MasterKey, import_records, schema
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.sorting import in_order_of, into_buckets
from gate_controller.enrolment.store import SealedStore
from gate_controller.ports.services import EnrolmentRecord


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 300])
def test_a_store_may_have_every_number_of_buckets(tmp_path: Path, master: MasterKey, make_record: Callable[..., EnrolmentRecord], count: int) -> None:
    numbers = list(range(count))
    random.Random(1).shuffle(numbers)
    import_records(tmp_path / "enrolment", master, (make_record(number) for number in numbers))
    path = EnrolmentDirectory(tmp_path / "enrolment").current(Region.HK)
    assert path is not None
    with contextlib.closing(SealedStore(path, Region.HK, master)) as store:
        assert all(store.find(make_record(number).reference) == make_record(number) for number in numbers)
        assert store.find(make_record(9999).reference) is None
        bits = store._connection.execute("SELECT bucket_bits FROM store").fetchone()[0]
        assert store._connection.execute("SELECT count(*) FROM buckets").fetchone()[0] == 1 << bits
    assert bits == schema.bucket_bits(count)


@pytest.mark.parametrize(("records", "bits"), [(0, 0), (15, 0), (16, 1), (31, 1), (32, 2), (2_800_000, 18), (2**40, 20)])
def test_buckets_stay_small(records: int, bits: int) -> None:
    assert schema.bucket_bits(records) == bits


@pytest.mark.parametrize("bits", [0, 1, 5, 12])
def test_every_id_is_sorted_into_its_bucket(bits: int) -> None:
    seeded = random.Random(bits)
    entries = [schema.Entry(seeded.randbytes(32), seeded.randrange(1, schema.MAX_VERSION), row) for row in range(500)]
    entries += [schema.Entry(bytes(32), 1, 500), schema.Entry(b"\xff" * 32, 1, 501)]
    buckets = dict(into_buckets(b"".join(entry.packed() for entry in entries), bits))
    assert list(buckets) == list(range(1 << bits))
    for entry in entries:
        assert schema.find_entry(buckets[schema.bucket_of(entry.record_id, bits)], entry.record_id) == entry
    assert sorted(entry.row for bucket in buckets.values() for entry in schema.entries_of(bucket)) == list(range(502))
    assert [entry.row for entry in in_order_of(b"".join(buckets.values()), "row")] == list(range(502))


def test_an_id_twice_is_noticed() -> None:
    twice = schema.Entry(bytes(31) + b"x", 1, 1).packed() + schema.Entry(bytes(31) + b"x", 2, 2).packed()
    with pytest.raises(ValueError, match="twice"):
        list(into_buckets(twice, 0))
    assert len(list(into_buckets(twice[:48] + schema.Entry(bytes(31) + b"y", 1, 2).packed(), 0))) == 1


def test_bytes_of_two_neighbours_are_no_entry() -> None:
    record_id = b"i" * 32
    crossing = (
        schema.Entry(b"x" * 24 + b"i" * 8, int.from_bytes(b"i" * 8), int.from_bytes(b"i" * 8)).packed() + schema.Entry(b"i" * 8 + b"y" * 24, 1, 2).packed()
    )
    assert record_id in crossing
    assert schema.find_entry(crossing, record_id) is None
    wanted = schema.Entry(record_id, 5, 7)
    assert schema.find_entry(crossing + wanted.packed(), record_id) == wanted
