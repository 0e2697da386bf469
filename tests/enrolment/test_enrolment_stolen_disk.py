"""Whoever has the gate's disk and not its master key reads nothing of a person: not in force, not half imported, not after an erasure."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from gate_controller.core.values import Region
from gate_controller.enrolment import draft
from gate_controller.enrolment.changing import Change
from gate_controller.enrolment.maintenance import erase_everywhere, find_with_region, rotate, verify_all
from gate_controller.enrolment.publication import Entry
from gate_controller.enrolment.records import encode
from gate_controller.enrolment.store import SealedStore
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord

MakeRecord = Callable[..., EnrolmentRecord]
NUMBERS = range(1_000_000, 1_000_024)
"""Their references are no small numbers, which every file is full of."""
PROBE_BYTES = 12


@pytest.fixture
def people(laboratory: Any, make_record: MakeRecord) -> list[EnrolmentRecord]:
    people = [make_record(number) for number in NUMBERS]
    laboratory.take(laboratory.published(people, snapshot=5))
    return people


def secrets(record: EnrolmentRecord) -> list[bytes]:
    """What must not be found, also not in part or in hexadecimal."""
    templates = [template.data for template in (*record.faces, *record.fingers)]
    parts = [data[at : at + PROBE_BYTES] for data in templates for at in range(0, len(data) - PROBE_BYTES, PROBE_BYTES)]
    return [record.reference, record.reference.hex().encode(), record.birth_date.isoformat().encode(), b"zhiantec", b"sface", *parts]


def everything(laboratory: Any) -> bytes:
    """Every byte below the scratch directory: stores, logs, indices, halves, and the snapshots themselves, which are sealed to the gate."""
    return b"".join(path.read_bytes() for path in sorted(laboratory.scratch.rglob("*")) if path.is_file())


def nothing_is_readable(laboratory: Any, records: list[EnrolmentRecord]) -> None:
    disk = everything(laboratory)
    for record in records:
        for secret in secrets(record):
            assert secret not in disk


def test_the_search_would_find_what_is_there(laboratory: Any, people: list[EnrolmentRecord]) -> None:
    (laboratory.scratch / "careless.cbor").write_bytes(encode(people[7]))
    disk = everything(laboratory)
    assert sum(secret in disk for secret in secrets(people[7])) > 80


def test_in_force_and_with_deltas(laboratory: Any, people: list[EnrolmentRecord], make_record: MakeRecord) -> None:
    changed = [make_record(NUMBERS[3], 2), make_record(2_000_000)]
    laboratory.take(laboratory.published(changed, snapshot=5, delta=1))
    nothing_is_readable(laboratory, [*people, *changed])


def test_while_a_gate_and_a_change_are_at_it(laboratory: Any, people: list[EnrolmentRecord], make_record: MakeRecord) -> None:
    store = laboratory.directory.current(Region.HK)
    changed = [make_record(number, 2) for number in NUMBERS]
    with contextlib.closing(SealedStore(store, Region.HK, laboratory.master)) as reader, Change(store, laboratory.master) as change:
        reader.find(people[0].reference)
        change.apply(Entry(record.reference, record, encode(record)) for record in changed)
        nothing_is_readable(laboratory, [*people, *changed])
        change.commit(change.description)
        assert store.with_name(f"{store.name}-wal").stat().st_size > 0
        nothing_is_readable(laboratory, [*people, *changed])


def test_half_an_import(laboratory: Any, people: list[EnrolmentRecord], make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "COMMIT_CHUNKS", 2)
    changed = [make_record(number, 2) for number in NUMBERS]

    def look(done: int, whole: int) -> None:
        nothing_is_readable(laboratory, changed[:3])
        if done > whole / 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        laboratory.take(laboratory.published(changed, snapshot=6), look)
    assert len(laboratory.directory.stores(Region.HK)) == 2
    nothing_is_readable(laboratory, [*people, *changed])


# -- erased ----------------------------------------------------------------------------------------------------------------


def traces(store: SealedStore, reference: bytes) -> list[bytes]:
    """What stands in the store for one person: the id, and parts of the sealed record."""
    record_id = store.record_id(reference)
    found = store._sealed(record_id)
    assert found is not None
    sealed = found[1]
    assert sealed is not None
    return [record_id, *(sealed[at : at + PROBE_BYTES] for at in range(0, len(sealed) - PROBE_BYTES, PROBE_BYTES))]


def test_nothing_of_an_erased_person_stays_in_any_file(laboratory: Any, people: list[EnrolmentRecord], make_record: MakeRecord) -> None:
    # The person's record came by a delta, so that it went through the log; a gate holds the store open.
    person = make_record(NUMBERS[11], 2)
    laboratory.take(laboratory.published([person], snapshot=5, delta=1))
    store = laboratory.directory.current(Region.HK)
    with contextlib.closing(SealedStore(store, Region.HK, laboratory.master)) as gate:
        left = traces(gate, person.reference)
        assert all(trace in store.read_bytes() for trace in left[:2])
        assert erase_everywhere(laboratory.directory, laboratory.master, person.reference)
        assert gate.find(person.reference) is None
        disk = b"".join(path.read_bytes() for path in laboratory.directory.path.iterdir() if path.is_file())
        assert [trace for trace in left if trace in disk] == []
        assert store.with_name(f"{store.name}-wal").stat().st_size == 0
    assert not erase_everywhere(laboratory.directory, laboratory.master, person.reference)
    assert verify_all(laboratory.directory, laboratory.master) == len(people) - 1
    assert find_with_region(laboratory.directory, laboratory.master, person.reference) is None


def test_an_erasure_by_a_delta_leaves_nothing_either(laboratory: Any, people: list[EnrolmentRecord]) -> None:
    store = laboratory.directory.current(Region.HK)
    with contextlib.closing(SealedStore(store, Region.HK, laboratory.master)) as gate:
        left = traces(gate, people[3].reference)
    laboratory.take(laboratory.published([people[3].reference], snapshot=5, delta=1))
    disk = b"".join(path.read_bytes() for path in laboratory.directory.path.iterdir() if path.is_file())
    assert [trace for trace in left if trace in disk] == []


def test_an_erasure_that_was_killed_before_the_log_was_emptied_is_finished_by_the_same_delta(
    laboratory: Any, people: list[EnrolmentRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_change: Change) -> None:
        raise InterruptedError

    def found() -> bool:
        return any(trace in path.read_bytes() for path in laboratory.directory.path.iterdir() if path.is_file() for trace in left)

    delta = laboratory.published([people[3].reference], snapshot=5, delta=1)
    with contextlib.closing(SealedStore(laboratory.directory.current(Region.HK), Region.HK, laboratory.master)) as gate:  # else its end would empty the log
        left = traces(gate, people[3].reference)
        with monkeypatch.context() as patched:
            patched.setattr(Change, "empty_log", killed)
            with pytest.raises(InterruptedError):
                laboratory.take(delta)
        assert found()
        assert not laboratory.take(delta).changed
        assert not found()


def test_a_replaced_record_leaves_nothing_of_the_old_one(laboratory: Any, people: list[EnrolmentRecord], make_record: MakeRecord) -> None:
    store = laboratory.directory.current(Region.HK)
    with contextlib.closing(SealedStore(store, Region.HK, laboratory.master)) as gate:
        left = traces(gate, people[3].reference)[1:]
    laboratory.take(laboratory.published([make_record(NUMBERS[3], 2)], snapshot=5, delta=1))
    disk = b"".join(path.read_bytes() for path in laboratory.directory.path.iterdir() if path.is_file())
    assert [trace for trace in left if trace in disk] == []


def test_an_erasure_also_removes_what_an_interrupted_import_left(laboratory: Any, people: list[EnrolmentRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "COMMIT_CHUNKS", 2)

    def stop(done: int, whole: int) -> None:
        if done > whole / 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        laboratory.take(laboratory.published(people, snapshot=6), stop)
    assert erase_everywhere(laboratory.directory, laboratory.master, people[0].reference)
    assert len(laboratory.directory.stores(Region.HK)) == 1


def test_erasing_while_somebody_reads_without_end_says_that_the_log_is_not_empty(
    laboratory: Any, people: list[EnrolmentRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate_controller.ports.sqlite.BUSY_TIMEOUT_S", 0.0)
    store = laboratory.directory.current(Region.HK)
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        with pytest.raises(StoreError, match="its log could not be emptied") as caught:
            erase_everywhere(laboratory.directory, laboratory.master, people[0].reference)
        assert "fuser" in caught.value.remedy
    assert not erase_everywhere(laboratory.directory, laboratory.master, people[0].reference)  # it is erased; and now the log is emptied
    log = store.with_name(f"{store.name}-wal")
    assert not log.exists() or log.stat().st_size == 0


def test_a_damaged_store_of_one_region_does_not_keep_a_person_of_the_other_enrolled(
    laboratory: Any, people: list[EnrolmentRecord], make_record: MakeRecord
) -> None:
    theirs = make_record(2_000_001)
    laboratory.take(laboratory.published([theirs], Region.MO, snapshot=1))
    laboratory.directory.current(Region.HK).write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        erase_everywhere(laboratory.directory, laboratory.master, theirs.reference)
    with contextlib.closing(SealedStore(laboratory.directory.current(Region.MO), Region.MO, laboratory.master)) as store:
        assert store.find(theirs.reference) is None


# -- a new data key --------------------------------------------------------------------------------------------------------


def test_a_rotation_seals_everything_anew_and_keeps_the_state(laboratory: Any, people: list[EnrolmentRecord], make_record: MakeRecord) -> None:
    delta = laboratory.published([make_record(NUMBERS[3], 2)], snapshot=5, delta=1)
    laboratory.take(delta)
    before = laboratory.directory.current(Region.HK)
    with contextlib.closing(SealedStore(before, Region.HK, laboratory.master)) as gate:
        key_id, left = gate.key_id, traces(gate, people[8].reference)
        described = rotate(laboratory.directory, laboratory.master, Region.HK, lambda _done, _all: gate.find(people[8].reference))
    after = laboratory.directory.current(Region.HK)
    assert after != before
    assert not before.exists()
    with contextlib.closing(SealedStore(after, Region.HK, laboratory.master)) as gate:
        assert gate.key_id != key_id
        assert gate.description == described
        assert gate.description.state == (5, 1)
    assert [trace for trace in left if trace in after.read_bytes()] == []
    assert laboratory.find(NUMBERS[3]) == make_record(NUMBERS[3], 2)
    assert laboratory.find(NUMBERS[8]) == people[8]
    assert not laboratory.take(delta).changed
    assert laboratory.take(laboratory.published([make_record(NUMBERS[4], 2)], snapshot=5, delta=2)).counts.updated == 1
    assert rotate(laboratory.directory, laboratory.master, Region.MO) is None


def test_neither_a_rotation_nor_a_delta_fills_the_disk(
    laboratory: Any, people: list[EnrolmentRecord], make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal would find it full, and close the lane."""
    store = laboratory.directory.current(Region.HK)
    delta = laboratory.published([make_record(NUMBERS[3], 2)], snapshot=5, delta=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=200 << 20))
    for use in (lambda: rotate(laboratory.directory, laboratory.master, Region.HK), lambda: laboratory.take(delta)):
        with pytest.raises(StoreError, match=r"MiB on the disk of .*, and 200 MiB are free"):
            use()
    assert laboratory.directory.stores(Region.HK) == [store]
    assert laboratory.find(NUMBERS[3]) == people[3]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET sealed = zeroblob(2000) WHERE number = 5",
        "DELETE FROM records WHERE number = 5",
        "UPDATE buckets SET proof = zeroblob(32) WHERE number = 1",
    ],
)
def test_neither_verification_nor_rotation_passes_over_damage(laboratory: Any, people: list[EnrolmentRecord], statement: str) -> None:
    store = laboratory.directory.current(Region.HK)
    assert verify_all(laboratory.directory, laboratory.master) == len(people)
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute(statement)
    for use in (lambda: verify_all(laboratory.directory, laboratory.master), lambda: rotate(laboratory.directory, laboratory.master, Region.HK)):
        with pytest.raises(StoreError, match="damaged or tampered with"):
            use()
    assert laboratory.directory.stores(Region.HK) == [store]
