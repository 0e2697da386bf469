from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gate_controller.core.values import Region
from gate_controller.enrolment import MasterKey, import_records, schema
from gate_controller.enrolment.changing import Change
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.publication import Entry
from gate_controller.enrolment.records import encode
from gate_controller.enrolment.store import SealedStore, read_bucket
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord

MakeRecord = Callable[..., EnrolmentRecord]


@pytest.fixture
def tampering(store_path: Path) -> Iterator[sqlite3.Connection]:
    """A plain connection, as somebody with the file but without the key has it."""
    with contextlib.closing(sqlite3.connect(store_path, isolation_level=None)) as connection:
        yield connection


def change(path: Path, master: MasterKey, *changed: EnrolmentRecord | bytes) -> None:
    """What a delta with these records and erasures does."""
    with Change(path, master) as change:
        change.apply(Entry(each, None, b"") if isinstance(each, bytes) else Entry(each.reference, each, encode(each)) for each in changed)
        change.commit(change.description)
        change.empty_log()


def row_of(store: SealedStore, reference: bytes) -> int:
    """Where a record stands."""
    record_id = store.record_id(reference)
    bucket = read_bucket(store._connection, store._key, store.path, store._bits, schema.bucket_of(record_id, store._bits))
    entry = schema.find_entry(bucket, record_id)
    assert entry is not None
    return entry.row


def find(path: Path, master: MasterKey, reference: bytes) -> EnrolmentRecord | None:
    store = SealedStore(path, Region.HK, master)
    with contextlib.closing(store):
        return store.find(reference)


def test_every_record_is_found_and_others_are_not(store_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    with contextlib.closing(SealedStore(store_path, Region.HK, master)) as store:
        for number in range(100):
            assert store.find(make_record(number).reference) == make_record(number)
        for number in range(100, 200):
            assert store.find(make_record(number).reference) is None


def test_nothing_of_a_record_can_be_read_from_the_file(store_path: Path, make_record: MakeRecord) -> None:
    content = b"".join(path.read_bytes() for path in store_path.parent.iterdir())
    record = make_record(42)
    for secret in (record.reference, record.faces[0].data, record.fingers[0].data, record.birth_date.isoformat().encode(), b"sface"):
        assert secret not in content


def test_an_empty_store_answers_not_found(tmp_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    import_records(tmp_path / "new", master, [])
    path = EnrolmentDirectory(tmp_path / "new").current(Region.HK)
    assert path is not None
    assert find(path, master, make_record(1).reference) is None


def test_a_missing_store_is_an_error_and_is_not_made(tmp_path: Path, master: MasterKey) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(StoreError, match=r"none.db: is missing") as caught:
        SealedStore(path, Region.HK, master)
    assert caught.value.remedy
    assert not path.exists()


def test_a_wrong_master_key_is_said_as_such(store_path: Path) -> None:
    with pytest.raises(StoreError, match=r"another master key than the other key") as caught:
        SealedStore(store_path, Region.HK, MasterKey(bytes(range(32)), "the other key"))
    assert "the master key the store was imported with" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"not a database" * 500])
def test_a_file_that_is_no_enrolment_store_is_refused(tmp_path: Path, master: MasterKey, content: bytes) -> None:
    path = tmp_path / "other.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"not an enrolment store|not a database"):
        SealedStore(path, Region.HK, master)


def test_another_programs_database_is_refused(tmp_path: Path, master: MasterKey) -> None:
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE store(x)")
    for use in (lambda: SealedStore(path, Region.HK, master), lambda: Change(path, master)):
        with pytest.raises(StoreError, match="not an enrolment store"):
            use()


def test_a_store_of_a_later_format_is_refused(store_path: Path, master: MasterKey, tampering: sqlite3.Connection) -> None:
    tampering.execute("UPDATE store SET format = 4")
    with pytest.raises(StoreError, match="format 4, this program reads 3"):
        SealedStore(store_path, Region.HK, master)


def test_a_file_the_user_may_not_open_is_refused(
    master: MasterKey, store_path: Path, open_directory: Path, without_root: Callable[[], AbstractContextManager[None]]
) -> None:
    path = shutil.copy(store_path, open_directory / "enrolment.db")
    path.chmod(0o000)
    with without_root(), pytest.raises(StoreError, match=r"cannot be opened") as caught:
        SealedStore(path, Region.HK, master)
    assert "give the gate's user write access" in caught.value.remedy


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM records WHERE number = :row",
        "UPDATE records SET number = number + 1000 WHERE number = :row",
        "UPDATE records SET sealed = zeroblob(length(sealed)) WHERE number = :row",
        "UPDATE records SET sealed = x'' WHERE number = :row",
        "UPDATE records SET sealed = (SELECT sealed FROM records WHERE number <> :row LIMIT 1) WHERE number = :row",
        "UPDATE buckets SET entries = x''",
        "UPDATE buckets SET entries = zeroblob(length(entries))",
        "UPDATE buckets AS b SET (entries, proof) = (SELECT entries, proof FROM buckets AS o WHERE o.number = (b.number + 1) % (SELECT COUNT(*) FROM buckets))",
        "UPDATE buckets SET proof = zeroblob(32)",
        "UPDATE buckets SET number = -number - 1",
        "DELETE FROM buckets",
        "DROP TABLE buckets",
    ],
)
def test_tampering_is_an_error_and_never_an_answer(
    store_path: Path, master: MasterKey, make_record: MakeRecord, tampering: sqlite3.Connection, statement: str
) -> None:
    reference = make_record(42).reference
    with contextlib.closing(SealedStore(store_path, Region.HK, master)) as store:
        tampering.execute(statement, {"row": row_of(store, reference)} if ":row" in statement else {})
        with pytest.raises(StoreError, match=r"damaged or tampered|refused by SQLite") as caught:
            store.find(reference)
        assert caught.value.remedy


def test_a_record_put_back_to_an_older_version_is_an_error(store_path: Path, master: MasterKey, make_record: MakeRecord, tampering: sqlite3.Connection) -> None:
    old = tampering.execute("SELECT number, sealed FROM records").fetchall()
    change(store_path, master, make_record(7, version=2, suspended=True))
    found = find(store_path, master, make_record(7).reference)
    assert found is not None
    assert found.suspended
    for number, sealed in old:
        tampering.execute("UPDATE records SET sealed = ? WHERE number = ?", (sealed, number))
    with pytest.raises(StoreError, match="a record fails its authentication"):
        find(store_path, master, make_record(7).reference)


def test_an_import_does_not_vouch_for_what_somebody_else_changed(
    store_path: Path, master: MasterKey, make_record: MakeRecord, tampering: sqlite3.Connection
) -> None:
    tampering.execute("UPDATE buckets SET entries = substr(entries, 49) WHERE number = 3")
    with pytest.raises(StoreError, match="its list of records fails"):
        change(store_path, master, *(make_record(number) for number in range(1000, 1100)))


def answers(path: Path, content: bytes, master: MasterKey, *references: bytes) -> list[EnrolmentRecord | str | None]:
    """What a store of these bytes answers to each; "fault" for a StoreError."""

    def answer(store: SealedStore, reference: bytes) -> EnrolmentRecord | str | None:
        try:
            return store.find(reference)
        except StoreError:
            return "fault"

    path.write_bytes(content)
    try:
        with contextlib.closing(SealedStore(path, Region.HK, master)) as store:
            return [answer(store, reference) for reference in references]
    except StoreError:
        return ["fault"] * len(references)
    finally:
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def flipped(content: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def test_a_damaged_bit_anywhere_never_makes_an_enrolled_person_unknown(store_path: Path, tmp_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    sound = store_path.read_bytes()
    seeded = random.Random(20240719)
    # A spread over the file meets table, index and bucket pages; the header gets a share of its own.
    places = [seeded.randrange(len(sound)) for _ in range(300)] + [seeded.randrange(100) for _ in range(40)]
    enrolled, stranger = make_record(42), make_record(4242)
    for place in places:
        damaged = flipped(sound, place, seeded.randrange(8))
        known, unknown = answers(tmp_path / "damaged.db", damaged, master, enrolled.reference, stranger.reference)
        assert known in (enrolled, "fault"), f"byte {place}"
        assert unknown in (None, "fault"), f"byte {place}"


def test_a_damaged_id_is_a_fault(store_path: Path, tmp_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    sound = store_path.read_bytes()
    record = make_record(42)
    with contextlib.closing(SealedStore(store_path, Region.HK, master)) as store:
        record_id = store.record_id(record.reference)
    assert sound.count(record_id) == 1
    place = sound.index(record_id)
    for offset in (0, 1, 31):
        assert answers(tmp_path / "damaged.db", flipped(sound, place + offset, 3), master, record.reference) == ["fault"]


def test_a_lookup_while_a_change_commits_sees_one_state_or_the_other(store_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    reference = make_record(42).reference
    with contextlib.closing(SealedStore(store_path, Region.HK, master)) as store:

        def version() -> int:
            found = store.find(reference)
            assert found is not None
            return found.version

        with Change(store_path, master) as change:
            for number in range(40, 60):
                record = make_record(number, version=2)
                change.apply([Entry(record.reference, record, encode(record))])
                assert version() == 1, "a change showed before it was complete"
            change.commit(change.description)
            assert version() == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE store SET bucket_bits = bucket_bits + 1",
        "UPDATE store SET bucket_bits = -1",
        "UPDATE store SET delta = 1",
        "UPDATE store SET snapshot = 2",
        "UPDATE store SET records = 99",
        "UPDATE store SET issued_at = 1",
        "UPDATE store SET region = 'MO'",
        "UPDATE store SET region = 'XX'",
        "UPDATE store SET region = ''",
        "UPDATE store SET publication = x'00'",
        "UPDATE store SET proof = x''",
        "UPDATE store SET wrapped_key = zeroblob(72)",
        "DELETE FROM store",
    ],
)
def test_tampering_with_the_description_is_an_error(
    store_path: Path, master: MasterKey, make_record: MakeRecord, tampering: sqlite3.Connection, statement: str
) -> None:
    tampering.execute(statement)
    with pytest.raises(StoreError, match=r"damaged or tampered|is not finished"):
        find(store_path, master, make_record(42).reference)


def test_another_region_s_store_is_refused(store_path: Path, master: MasterKey) -> None:
    with pytest.raises(StoreError, match="it holds the enrolments of HK"):
        SealedStore(store_path, Region.MO, master)


def test_a_closed_store_says_so_and_closes_twice(store_path: Path, master: MasterKey) -> None:
    store = SealedStore(store_path, Region.HK, master)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="unusable"):
        store.find(bytes(16))


def test_the_store_syncs_fully_and_does_not_map_the_file(store_path: Path, master: MasterKey) -> None:
    with contextlib.closing(SealedStore(store_path, Region.HK, master)) as store:
        pragma = {name: store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "query_only")}
        assert pragma == {"journal_mode": "wal", "synchronous": 2, "query_only": 1}
        assert store._connection.execute("PRAGMA mmap_size").fetchone() in {None, (0,)}


def test_the_file_is_not_for_everybody(store_path: Path) -> None:
    assert store_path.stat().st_mode & 0o007 == 0
