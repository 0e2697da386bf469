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


@pytest.mark.parametrize("bits", [0, 1, 5, 20])
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
