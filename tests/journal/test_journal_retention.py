"""What is personal goes when its time is over, from the file's bytes too; everything else stays and still verifies."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.journal import EntryKind, JournalReader, SqliteJournal
from gate_controller.journal import store as stores
from gate_controller.journal.proofs import export
from gate_controller.journal.verify import BrokenJournalError
from gate_controller.ports.errors import StoreError
from tests.journal import independent

DAY_S = 86_400.0
SECRET = "officer Whose Name Must Go"


@pytest.fixture
def old(journal_path, signer, days):
    """Ninety rows a day old, ten of now, and a file that keeps a day."""
    with contextlib.closing(SqliteJournal(journal_path, signer, retention_days=1)) as journal:
        days.fill(journal, 88)
        journal.event("officer_released", {"identity": SECRET, "reason": "papers"}, days.now)
        journal.event("latched", {"reason": "door_forced"}, days.now)
        days.now += DAY_S + 3600
        days.fill(journal, 10)
        yield journal


def everything(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.iterdir())


def test_personal_bodies_go_and_the_journal_still_verifies(old, journal_path, days, verified, signer):
    assert SECRET.encode() in everything(journal_path)
    old.tend(days.now)
    with JournalReader(journal_path) as reader:
        entries = list(reader.entries())
        kept = reader.checkpoints()
    through = 89
    for entry in entries[:90]:
        personal = entry.kind is not EntryKind.EVENT or entry.label.startswith("officer")
        assert (entry.body == {}) is (personal and entry.id <= through), entry
    assert all(entry.body for entry in entries[90:])
    assert entries[-1].label == "contents_deleted"
    assert entries[-1].body["fields"] == {"through": "89"}
    assert entries[2].label == "returned", "how a crossing ended is still known"
    assert SECRET.encode() not in everything(journal_path), "neither in the file nor in its log"
    old.close()
    found = verified(journal_path, *(note for _, note in kept))
    assert (found.rows, found.deleted) == (101, 72)
    assert independent.check_file(journal_path, str(signer.key)) == 101


def test_what_is_kept_still_tells_the_latch(old, journal_path, days):
    old.tend(days.now)
    with JournalReader(journal_path) as reader:
        assert next(reader.latest_events("emergency", "latched", "rearmed")).body["fields"] == {"reason": "door_forced"}


def test_a_deletion_cannot_be_undone_or_repeated_by_the_gate(old, journal_path, days):
    old.tend(days.now)
    size = old._head.size
    old.tend(days.now)
    old.tend(days.now + 3600)
    assert old._head.size == size, "nothing is left to be deleted"
    with contextlib.closing(sqlite3.connect(journal_path)) as outsider, pytest.raises(sqlite3.IntegrityError, match="written with its row"):
        outsider.execute("INSERT INTO contents VALUES (1, zeroblob(32), '{}')")


def test_much_goes_piece_by_piece(old, days, monkeypatch):
    monkeypatch.setattr(stores, "RETENTION_ROWS", 20)
    through = []
    for _ in range(7):
        old.tend(days.now)
        through.append(stores.deleted_through(old._connection))
    assert through == [19, 39, 59, 79, 89, 89, 89]


def test_nothing_goes_before_its_time_or_without_retention(journal_path, signer, days):
    with contextlib.closing(SqliteJournal(journal_path, signer)) as journal:
        days.fill(journal, 20)
        journal.tend(days.now + 4000 * DAY_S)
        assert journal._head.size == 20
    with contextlib.closing(SqliteJournal(journal_path, signer, retention_days=2)) as journal:
        journal.tend(days.now + 2 * DAY_S - 60)
        assert journal._head.size == 20


def test_an_export_says_what_is_gone(old, journal_path, days, signer):
    old.tend(days.now)
    old.close()
    with JournalReader(journal_path) as reader:
        lines = [json.dumps(line) for line in export(reader)]
    found = independent.check_export(lines, str(signer.key))
    assert len(found) == 101
    assert (found[1]["body"], found[1]["salt"]) == (None, None)
    assert found[90]["body"]["event"] == "latched"


def test_a_body_that_was_to_go_and_is_there_is_a_break(old, journal_path, days, forge, verified):
    with contextlib.closing(sqlite3.connect(journal_path)) as outsider:
        salt, body = outsider.execute("SELECT salt, body FROM contents WHERE id = 1").fetchone()
    old.tend(days.now)
    old.close()
    verified(journal_path)
    forge(f"INSERT INTO contents VALUES (1, x'{salt.hex()}', '{body}')")
    with pytest.raises(BrokenJournalError, match="row 1: its body was to be deleted and is still there"):
        verified(journal_path)


def test_a_deletion_beyond_what_was_said_is_a_break(old, journal_path, days, forge, verified, signer):
    old.tend(days.now)
    old.close()
    forge("DELETE FROM contents WHERE id = 91")
    with pytest.raises(BrokenJournalError, match="row 91: its body was deleted, and no row says so"):
        verified(journal_path)
    with pytest.raises(independent.Refused, match="without a word"):
        independent.check_file(journal_path, str(signer.key))


@pytest.mark.parametrize("statement", ["DELETE FROM contents WHERE id <= 10", "DELETE FROM contents WHERE id = 90"])
def test_nobody_deletes_early_through_sqlite(old, journal_path, statement):
    with contextlib.closing(sqlite3.connect(journal_path)) as outsider, pytest.raises(sqlite3.IntegrityError, match="only personal bodies"):
        outsider.execute(statement)


# -- checkpoints that wait for no row ----------------------------------------------------------------------------------


def sizes(path):
    with JournalReader(path) as reader:
        return [size for size, _ in reader.checkpoints()]


def test_a_checkpoint_is_signed_every_hundred_rows_or_sixty_seconds(journal, journal_path, days):
    days.fill(journal, 99)
    assert sizes(journal_path) == []
    days.fill(journal, 2)
    assert sizes(journal_path) == [100]
    journal.tend(days.now + 59)
    assert sizes(journal_path) == [100]
    journal.tend(days.now + 61)
    assert sizes(journal_path) == [100, 101]
    journal.tend(days.now + 600)
    assert sizes(journal_path) == [100, 101], "nothing new is signed twice"
    days.now += 3600
    days.fill(journal, 1)
    assert sizes(journal_path) == [100, 101, 102], "a row long after the last checkpoint is signed at once"


def test_a_clock_that_goes_back_does_not_put_a_checkpoint_off(journal, journal_path, days):
    days.fill(journal, 3)
    journal.tend(days.now - 7200)
    assert sizes(journal_path) == [3]


def test_closing_signs_the_rest(journal, journal_path, days):
    days.fill(journal, 3)
    journal.close()
    assert sizes(journal_path) == [3]


def test_a_full_disk_loses_no_row_and_no_checkpoint(journal, journal_path, days, verified):
    days.fill(journal, 50)
    limit = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count={limit}")
    written = 50
    with contextlib.suppress(StoreError):
        for _ in range(500):
            journal.event("filling", {"text": "x" * 900}, days.now)
            written += 1
    for _ in range(2):
        with pytest.raises(StoreError, match="the disk is full"):
            journal.event("filling", {"text": "x" * 900}, days.now)
    journal._connection.execute("PRAGMA max_page_count=1000000")
    days.fill(journal, 200)
    journal.close()
    assert verified(journal_path).rows == written + 200


def test_an_admission_without_an_outcome_is_kept_for_the_restart(journal_path, signer):
    """A clock that is put far ahead while somebody is inside, and then the power fails."""
    with contextlib.closing(SqliteJournal(journal_path, signer, retention_days=1)) as journal:
        for name in ("ended", "inside"):
            journal.admit(name, Region.HK, Direction.HK_TO_MO, 1.0)
        journal.record(CrossingRecord("ended", Outcome.RETURNED, Reason.BACKED_OUT, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO), 2.0)
        journal.tend(3 * 86_400.0)
        assert journal.close_open(3 * 86_400.0, Direction.HK_TO_MO) == ["inside"]
        with JournalReader(journal_path) as reader:
            assert reader.deleted_through() == 1
        journal.tend(6 * 86_400.0)
        with JournalReader(journal_path) as reader:
            assert reader.deleted_through() > 1


# -- after a restart -----------------------------------------------------------------------------------------------------


def test_a_crossing_cut_short_keeps_what_an_officer_did(journal, journal_path):
    for name in ("a", "b"):
        journal.admit(name, Region.HK, Direction.HK_TO_MO, 1.0)
    journal.event("officer_released", {"identity": "officer 7", "reason": "papers", "crossing_id": "b"}, 2.0)
    assert journal.close_open(3.0, Direction.HK_TO_MO) == ["a", "b"]
    with JournalReader(journal_path) as reader:
        acts = [(entry.body["officer"], entry.body["officer_reason"]) for entry in reader.entries(since=3) if entry.kind is EntryKind.CROSSING]
    assert acts == [(None, None), ("officer 7", "papers")]


def test_one_trace_a_crossing(journal):
    journal.trace("a", {"format": 1}, 1.0)
    with pytest.raises(StoreError, match="breaks a rule of the file"):
        journal.trace("a", {"format": 1}, 1.0)


def test_what_an_officer_did_for_somebody_who_may_be_inside_is_kept_until_the_crossing_has_ended(journal_path, signer, days):
    act = {"identity": SECRET, "reason": "stuck", "crossing_id": "officer-1"}
    with contextlib.closing(SqliteJournal(journal_path, signer, retention_days=1)) as journal:
        days.fill(journal, 10)
        journal.event("officer_released", act, days.now)
        later = days.now + 40 * DAY_S
        for after in (0, 3600):
            journal.tend(later + after)
        assert stores.deleted_through(journal._connection) == 9
    with contextlib.closing(SqliteJournal(journal_path, signer, retention_days=1)) as journal:
        assert journal.close_open(later, Direction.HK_TO_MO) == ["officer-1"]
        journal.tend(later + 7200)
    assert SECRET.encode() in everything(journal_path), "the outcome names the officer, and is of today"
    with JournalReader(journal_path) as reader:
        assert [entry.body for entry in reader.entries() if entry.label == "officer_released"] == [{}]
        assert next(reader.latest_events("latched")).body["fields"] == {"reason": "restarted"}
