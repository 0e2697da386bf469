from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.journal import Entry, EntryKind, JournalReader, Signer, SqliteJournal
from gate_controller.journal.last_signed import last_signed_beside
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import Journal

SIGNER = Signer("e-channel/MO-GB-07/journal", b"k" * 32)
WithoutRoot = Callable[[], AbstractContextManager[None]]


def ended(crossing_id: str, outcome: Outcome = Outcome.COMPLETED, reason: Reason | None = None) -> CrossingRecord:
    return CrossingRecord(crossing_id, outcome, reason, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO)


def admit(journal: Journal, crossing_id: str) -> None:
    journal.admit(crossing_id, Region.HK, Direction.HK_TO_MO, 1.0)


def entries(path: Path, since: int = 0) -> list[Entry]:
    with JournalReader(path) as reader:
        return list(reader.entries(since))


@pytest.fixture
def outsider(journal: SqliteJournal, journal_path: Path) -> Iterator[sqlite3.Connection]:
    """A plain connection of another program."""
    with contextlib.closing(sqlite3.connect(journal_path, isolation_level=None)) as connection:
        yield connection


def test_what_is_written_can_be_read_in_order(journal: SqliteJournal, journal_path: Path) -> None:
    admit(journal, "a")
    journal.event("device_lost", {"device": "io_board"}, 1001.0)
    journal.record(ended("a", Outcome.RETURNED, Reason.BACKED_OUT), 1002.5)
    journal.record(CrossingRecord("b", Outcome.REFUSED, Reason.PASS_EXPIRED, admitted=False, issuer=None, direction=Direction.HK_TO_MO), 1003.0)
    found = entries(journal_path)
    assert [(entry.id, entry.kind, entry.wall_ms) for entry in found] == [
        (1, EntryKind.ADMISSION, 1_000),
        (2, EntryKind.EVENT, 1_001_000),
        (3, EntryKind.CROSSING, 1_002_500),
        (4, EntryKind.CROSSING, 1_003_000),
    ]
    assert found[2].body["reason"] == "backed_out"
    assert found[3].body["issuer"] is None


def test_every_commit_is_synchronised(journal: SqliteJournal) -> None:
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.invariant("INV-6")
def test_the_first_outcome_stands(journal: SqliteJournal, journal_path: Path) -> None:
    admit(journal, "a")
    journal.record(ended("a"), 1.0)
    with pytest.raises(StoreError, match="second outcome"):
        journal.record(ended("a", Outcome.ABORTED, Reason.RESTARTED), 2.0)
    assert [entry.body.get("outcome") for entry in entries(journal_path)] == [None, "completed"]


@pytest.mark.invariant("INV-6")
def test_a_crossing_is_admitted_once_and_never_after_its_end(journal: SqliteJournal, journal_path: Path) -> None:
    admit(journal, "a")
    with pytest.raises(StoreError, match="admitted a second time"):
        admit(journal, "a")
    journal.record(ended("b"), 1.0)
    with pytest.raises(StoreError, match="admitted a second time"):
        admit(journal, "b")
    assert len(entries(journal_path)) == 2


@pytest.mark.invariant("INV-6")
def test_open_admissions_are_ended_once(journal: SqliteJournal, journal_path: Path) -> None:
    admit(journal, "a")
    admit(journal, "b")
    journal.admit("c", Region.HK, Direction.HK_TO_MO, 1.0, degraded=True)
    journal.record(ended("b"), 1.0)
    assert journal.close_open(50.0, Direction.HK_TO_MO) == ["a", "c"]
    assert journal.close_open(51.0, Direction.HK_TO_MO) == []
    closed = [entry.body for entry in entries(journal_path, since=4) if entry.kind is EntryKind.CROSSING]
    assert [(body["crossing_id"], body["outcome"], body["reason"], body["issuer"], body["direction"], body["degraded"]) for body in closed] == [
        ("a", "aborted", "restarted", "HK", "hk_to_mo", False),
        ("c", "aborted", "restarted", "HK", "hk_to_mo", True),
    ]
    assert all(body["admitted"] and not body["exited"] for body in closed)
    with pytest.raises(StoreError, match="second outcome"):
        journal.record(ended("a"), 52.0)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE contents SET body = replace(body, 'completed', 'refused')",
        "UPDATE contents SET id = id + 10",
        "DELETE FROM contents",
        "DELETE FROM contents WHERE id = 3",
        "INSERT OR REPLACE INTO contents SELECT id, salt, replace(body, 'HK', 'MO') FROM contents WHERE id = 1",
        "INSERT INTO contents VALUES (9, zeroblob(32), '{}')",
        "UPDATE entries SET label = 'refused' WHERE id = 2",
        "UPDATE entries SET id = id + 10",
        "UPDATE OR REPLACE entries SET id = 1 WHERE id = 2",
        "DELETE FROM entries",
        "DELETE FROM entries WHERE id = 2",
        "INSERT OR REPLACE INTO entries SELECT id, kind, label, crossing_id, personal, 7, commitment FROM entries WHERE id = 1",
        "REPLACE INTO entries VALUES (3, 'event', 'e', NULL, 0, 7, zeroblob(32))",
        "INSERT OR REPLACE INTO entries(kind, label, crossing_id, personal, wall_ms, commitment) SELECT kind, label, crossing_id, personal, 7, commitment FROM entries WHERE id = 1",
        "INSERT OR IGNORE INTO entries(kind, label, crossing_id, personal, wall_ms, commitment) SELECT kind, label, crossing_id, personal, 7, commitment FROM entries WHERE id = 2",
        "INSERT INTO entries VALUES (9, 'event', 'e', NULL, 0, 7, zeroblob(32))",
        "INSERT INTO entries VALUES (0, 'event', 'e', NULL, 0, 7, zeroblob(32))",
        "INSERT INTO entries VALUES (-1, 'event', 'e', NULL, 0, 7, zeroblob(32))",
        "INSERT INTO entries VALUES (-7, 'event', 'e', NULL, 0, 7, zeroblob(32))",
        "INSERT INTO entries VALUES (4, 'gossip', 'e', NULL, 0, 7, zeroblob(32))",
        "INSERT INTO entries VALUES (4, 'crossing', 'e', NULL, 0, 7, zeroblob(32))",
        "INSERT INTO entries VALUES (4, 'event', 'e', 'z', 0, 7, zeroblob(32))",
        "INSERT INTO entries VALUES (4, 'event', 'e', NULL, 0, 7, zeroblob(31))",
        "INSERT INTO entries VALUES (4, 'event', 'e', NULL, 0, 7, NULL)",
        "UPDATE identity SET verifier_key = 'another'",
        "DELETE FROM identity",
        "INSERT OR REPLACE INTO identity VALUES (1, 'another')",
        "INSERT INTO checkpoints VALUES (2, 'note')",
        "INSERT INTO deletions SELECT 9 FROM (SELECT 1) WHERE 0",
    ],
)
def test_the_file_itself_refuses_to_be_rewritten(journal: SqliteJournal, journal_path: Path, outsider: sqlite3.Connection, statement: str) -> None:
    admit(journal, "a")
    journal.record(ended("a"), 1.2)
    journal.event("started", {}, 1.3)
    before = entries(journal_path)
    with contextlib.suppress(sqlite3.Error):
        outsider.execute(statement)
    assert entries(journal_path) == before
    assert [outsider.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("contents", "checkpoints", "identity")] == [3, 0, 1]
    journal.event("still_writing", {}, 1.4)
    assert [entry.id for entry in entries(journal_path)] == [1, 2, 3, 4]


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
def test_the_file_itself_refuses_a_second_outcome(journal: SqliteJournal, outsider: sqlite3.Connection, recursive: str) -> None:
    admit(journal, "a")
    journal.record(ended("a"), 1.0)
    outsider.execute(f"PRAGMA recursive_triggers={recursive}")
    for verb in ("INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"):
        with pytest.raises(sqlite3.IntegrityError, match="one admission and one outcome"):
            outsider.execute(
                f"{verb} INTO entries(kind, label, crossing_id, personal, wall_ms, commitment)"
                " SELECT kind, 'refused', crossing_id, personal, wall_ms, commitment FROM entries WHERE id = 2"
            )


@pytest.mark.invariant("INV-6")
def test_what_an_officer_did_for_somebody_without_an_admission_is_ended_too(journal: SqliteJournal, journal_path: Path) -> None:
    """A traveller whom the lane knew nothing of after a restart, let through by hand when the plug was pulled once more."""
    act = {"identity": "officer 7", "reason": "papers seen"}
    admit(journal, "a")
    journal.record(ended("a"), 1.0)
    journal.event("officer_returned", {**act, "crossing_id": "by-hand", "reason": "present"}, 2.0)
    journal.event("officer_released", {**act, "crossing_id": "by-hand"}, 3.0)
    assert journal.close_open(4.0, Direction.MO_TO_HK) == ["by-hand"]
    assert journal.close_open(5.0, Direction.MO_TO_HK) == []
    (body,) = [entry.body for entry in entries(journal_path, since=4) if entry.kind is EntryKind.CROSSING]
    assert (body["outcome"], body["reason"], body["direction"], body["admitted"], body["issuer"]) == ("aborted", "restarted", "mo_to_hk", False, None)
    assert (body["officer"], body["officer_reason"]) == ("officer 7", "papers seen")


@pytest.mark.invariant("INV-6")
def test_an_officers_act_on_an_admitted_crossing_makes_no_crossing_of_its_own(journal: SqliteJournal, journal_path: Path) -> None:
    admit(journal, "a")
    journal.event("officer_released", {"identity": "officer 7", "reason": "papers seen", "crossing_id": "a"}, 2.0)
    journal.event("officer_acknowledged", {"identity": "officer 7"}, 2.0)
    assert journal.close_open(4.0, Direction.HK_TO_MO) == ["a"]
    assert [entry.label for entry in entries(journal_path) if entry.kind is EntryKind.CROSSING] == ["aborted"]


def test_a_second_writer_is_refused_until_the_first_is_gone(journal: SqliteJournal, journal_path: Path) -> None:
    admit(journal, "a")
    with pytest.raises(StoreError, match="another process writes it") as caught:
        SqliteJournal(journal_path, SIGNER)
    assert caught.value.remedy
    journal.close()
    with contextlib.closing(SqliteJournal(journal_path, SIGNER)) as second:
        assert second.close_open(1.0, Direction.HK_TO_MO) == ["a"]


def test_a_full_disk_is_an_error_and_leaves_no_half_of_an_entry(journal: SqliteJournal, journal_path: Path) -> None:
    admit(journal, "a")
    limit = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count={limit}")

    def fill() -> None:
        for _ in range(200):
            journal.event("filling", {"text": "x" * 900}, 1.0)

    with pytest.raises(StoreError, match="the disk is full") as caught:
        fill()
    assert "free space" in caught.value.remedy
    before = entries(journal_path)
    journal._connection.execute("PRAGMA max_page_count=1000000")
    journal.record(ended("a"), 2.0)  # the same crossing may now end
    assert entries(journal_path)[:-1] == before
    assert journal.close_open(3.0, Direction.HK_TO_MO) == []


def test_a_failing_recovery_ends_none(journal: SqliteJournal, journal_path: Path, outsider: sqlite3.Connection) -> None:
    for crossing_id in ("a", "b"):
        admit(journal, crossing_id)
    outsider.execute("CREATE TRIGGER failing BEFORE INSERT ON entries WHEN NEW.crossing_id = 'b' BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(StoreError):
        journal.close_open(1.0, Direction.HK_TO_MO)
    outsider.execute("DROP TRIGGER failing")
    assert journal.close_open(1.0, Direction.HK_TO_MO) == ["a", "b"]
    assert [entry.label for entry in entries(journal_path)] == ["", "", "aborted", "aborted", "latched"]


def test_a_file_or_directory_that_cannot_be_written_is_an_error(open_directory: Path, without_root: WithoutRoot) -> None:
    path = open_directory / "journal.db"
    with contextlib.closing(SqliteJournal(path, SIGNER)) as journal:
        admit(journal, "a")
    with without_root(), pytest.raises(StoreError, match=r"journal.db.lock: Permission denied"):
        SqliteJournal(path, SIGNER)  # the directory belongs to another
    open_directory.chmod(0o777)
    path.with_name("journal.db.lock").chmod(0o666)
    path.chmod(0o444)
    with without_root(), pytest.raises(StoreError, match=r"READONLY|CANTOPEN") as caught, contextlib.closing(SqliteJournal(path, SIGNER)) as journal:
        admit(journal, "b")
    assert "write access" in caught.value.remedy


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory") as caught:
        SqliteJournal(tmp_path / "none" / "journal.db")
    assert "the directory must exist" in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"", "not a journal"), (b"not a database" * 500, "not a database"), (b"SQLite format 3\x00" + bytes(4080), "not a database|damaged")],
)
def test_a_file_that_is_no_journal_is_refused_and_left_alone(journal_path: Path, content: bytes, match: str) -> None:
    journal_path.write_bytes(content)
    for use in (SqliteJournal, JournalReader):
        with pytest.raises(StoreError, match=match):
            use(journal_path)
    assert journal_path.read_bytes() == content or not content


def test_another_version_is_refused(journal: SqliteJournal, journal_path: Path, outsider: sqlite3.Connection) -> None:
    outsider.execute("PRAGMA user_version=1")
    journal.close()
    with pytest.raises(StoreError, match="version 1, this program writes 2"):
        SqliteJournal(journal_path, SIGNER)


def test_a_damaged_file_is_an_error_not_an_end(journal: SqliteJournal, journal_path: Path) -> None:
    for number in range(300):
        admit(journal, f"crossing-{number}")
    journal.close()
    content = bytearray(journal_path.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 64] = b"\xff" * 64
    journal_path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        entries(journal_path)
    with pytest.raises(StoreError, match="damaged"), contextlib.closing(SqliteJournal(journal_path, SIGNER)) as reopened:
        reopened.close_open(1.0, Direction.HK_TO_MO)


def test_a_file_replaced_under_the_gate_is_an_error(journal: SqliteJournal, journal_path: Path) -> None:
    admit(journal, "a")
    journal_path.rename(journal_path.with_name("elsewhere.db"))
    with pytest.raises(StoreError, match="moved or replaced"):
        journal.record(ended("a"), 1.0)
    journal_path.with_name("elsewhere.db").rename(journal_path)
    journal.record(ended("a"), 1.0)


def test_a_lost_journal_with_its_log_left_behind_is_not_started_over(journal: SqliteJournal, journal_path: Path) -> None:
    admit(journal, "a")
    log = journal_path.with_name("journal.db-wal").read_bytes()
    journal.close()
    journal_path.unlink()
    journal_path.with_name("journal.db-wal").write_bytes(log)
    with pytest.raises(StoreError, match=r"is gone, of which 1 rows were signed, the last of 1970-01-01 00:00:01Z"):
        SqliteJournal(journal_path, SIGNER)
    last_signed_beside(journal_path).unlink()
    with pytest.raises(StoreError, match=r"is gone, but its journal.db-wal is there"):
        SqliteJournal(journal_path, SIGNER)


def test_a_closed_journal_says_so_and_closes_twice(journal: SqliteJournal) -> None:
    journal.close()
    journal.close()
    with pytest.raises(StoreError, match="unusable"):
        admit(journal, "a")


def test_threads_may_write_at_once(journal: SqliteJournal, journal_path: Path) -> None:
    def write(name: str) -> None:
        for number in range(20):
            admit(journal, f"{name}-{number}")
            journal.record(ended(f"{name}-{number}"), 1.0)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = entries(journal_path)
    assert [entry.id for entry in found] == list(range(1, 161))
    assert journal.close_open(1.0, Direction.HK_TO_MO) == []


def test_the_file_is_not_for_everybody(journal: SqliteJournal, journal_path: Path) -> None:
    admit(journal, "a")
    assert all(path.stat().st_mode & 0o007 == 0 for path in journal_path.parent.iterdir())
