"""Checkpoints taken away, and what is kept of the last one outside the database: neither launders a past that was rewritten."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
from copy import copy

import pytest

from gate_controller.core.values import Direction
from gate_controller.journal import JournalReader, SqliteJournal
from gate_controller.journal.last_signed import last_signed_beside, read_last_signed
from gate_controller.journal.verify import BrokenJournalError
from gate_controller.ports.errors import StoreError
from tests.journal import independent
from tests.journal.conftest import KEY, Days, Forger
from tests.journal.test_journal_crash import run

WITHOUT_A_KEY = (
    "UPDATE contents SET body = replace(body, 'returned', 'completed')",
    "UPDATE entries SET label = 'completed' WHERE label = 'returned'",
    "UPDATE entries SET commitment = (SELECT commitment(salt, body) FROM contents WHERE id = entries.id)",
    "DELETE FROM checkpoints",
    "DELETE FROM tiles",
)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """260 rows, signed at 100, 200 and 260."""
    path, days = tmp_path_factory.mktemp("template") / "journal.db", Days()
    with contextlib.closing(SqliteJournal(path, KEY)) as journal:
        days.fill(journal, 260)
    return path, days


@pytest.fixture
def filled(template, journal_path):
    """A copy with what lies beside it."""
    shutil.copy(template[0], journal_path)
    shutil.copy(last_signed_beside(template[0]), last_signed_beside(journal_path))
    return journal_path


@pytest.fixture
def days(template):
    return copy(template[1])


def rewrite(path):
    """Every outcome, with commitments and tile, and no checkpoint left; the whole needs no key."""
    Forger(path)(*WITHOUT_A_KEY)
    with JournalReader(path) as reader:
        tile = reader.tree().root(256).hex()
    Forger(path)(f"INSERT INTO tiles VALUES (1, 0, x'{tile}')")


def test_a_past_rewritten_without_a_key_is_refused_by_both_and_never_signed(filled, verified):
    last_signed_beside(filled).unlink()
    rewrite(filled)
    with pytest.raises(StoreError, match="rows 1 to 260 have no checkpoint: it was taken away"):
        SqliteJournal(filled, KEY)
    with JournalReader(filled) as reader:
        assert reader.checkpoints() == [], "nothing was signed"
    with pytest.raises(BrokenJournalError, match="broken at rows 1 to 100: they have no checkpoint"):
        verified(filled)
    with pytest.raises(independent.Refused, match="rows 1 to 260 have no checkpoint"):
        independent.check_file(filled, str(KEY.key))


@pytest.mark.parametrize(("which", "place"), [("size = 200", "101 to 260"), ("size = 100", "1 to 200"), ("size > 100", "101 to 260")])
def test_nothing_is_signed_where_a_checkpoint_was_taken_away(filled, forge, which, place):
    forge(f"DELETE FROM checkpoints WHERE {which}")
    with pytest.raises(StoreError, match=f"rows {place} have no checkpoint.*aside for examination"):
        SqliteJournal(filled, KEY)


@pytest.mark.invariant("INV-6")
@pytest.mark.parametrize("rows", [1, 99, 100, 199, 201])
def test_after_a_kill_fewer_than_an_interval_of_rows_are_unsigned_and_the_gate_goes_on(journal_path, verified, rows):
    body = f"[journal.event('note', {{}}, 1.0) for _ in range({rows - 1})]; admit('a'); die()"
    assert run(body, journal_path).returncode == -signal.SIGKILL
    with contextlib.closing(SqliteJournal(journal_path)) as journal:
        assert journal._head.signed == rows // 100 * 100
        # Two rows in one transaction, which may step over the hundredth.
        assert journal.close_open(10.0, Direction.HK_TO_MO) == ["a"]
        key = journal._signer
    found = verified(journal_path, key=key)
    assert (found.rows, found.signed) == (rows + 2, rows + 2)
    assert independent.check_file(journal_path, str(key.key)) == rows + 2


# -- beside the database ------------------------------------------------------------------------------------------------------


def test_it_is_written_when_the_journal_is_tended_and_closed_and_never_by_a_row(journal, journal_path, days):
    assert read_last_signed(journal_path) is None
    days.fill(journal, 130)
    assert read_last_signed(journal_path) is None, "an admission does not wait for it"
    journal.tend(days.now)
    assert read_last_signed(journal_path).size == 100
    written = last_signed_beside(journal_path).stat().st_ino
    journal.tend(days.now)
    assert last_signed_beside(journal_path).stat().st_ino == written, "only when it has changed"
    journal.close()
    last = read_last_signed(journal_path)
    with JournalReader(journal_path) as reader:
        assert (last.size, last.note) == reader.last_checkpoint()
    assert last.signed_ms == round(days.now * 1000)
    assert last_signed_beside(journal_path).stat().st_mode & 0o007 == 0


def test_one_that_is_behind_is_what_a_kill_leaves(filled, days, verified):
    before = last_signed_beside(filled).read_bytes()
    with contextlib.closing(SqliteJournal(filled, KEY)) as journal:
        days.fill(journal, 150)
    last_signed_beside(filled).write_bytes(before)
    with contextlib.closing(SqliteJournal(filled, KEY)) as journal:
        journal.tend(days.now)
    assert read_last_signed(filled).size == verified(filled).signed == independent.check_file(filled, str(KEY.key)) == 410


def test_an_end_cut_off_with_its_checkpoints_is_refused(filled, forge, verified):
    forge(*(f"DELETE FROM {table} WHERE id > 230" for table in ("entries", "contents")), "DELETE FROM checkpoints WHERE size > 230", "DELETE FROM tiles")
    with pytest.raises(StoreError, match=r"230 rows, which are not those that journal.db.last-signed says were signed: 260, the last of 2027-01-15 08:00:26Z"):
        SqliteJournal(filled, KEY)
    with pytest.raises(BrokenJournalError, match=r"broken at row 231: the journal was rolled back: journal.db.last-signed has 260 rows"):
        verified(filled)
    with pytest.raises(independent.Refused, match="260 rows were signed, 230 are there"):
        independent.check_file(filled, str(KEY.key))


def test_the_last_rows_rewritten_with_their_checkpoint_taken_away_are_refused(filled, forge, verified):
    forge(
        "UPDATE contents SET body = replace(body, 'returned', 'completed') WHERE id = 258",
        "UPDATE entries SET label = 'completed', commitment = (SELECT commitment(salt, body) FROM contents WHERE id = 258) WHERE id = 258",
        "DELETE FROM checkpoints WHERE size = 260",
    )
    with pytest.raises(StoreError, match="which are not those that"):
        SqliteJournal(filled, KEY)
    with pytest.raises(BrokenJournalError, match=r"journal.db.last-signed, of 260 rows, was signed over other rows"):
        verified(filled)
    with pytest.raises(independent.Refused, match="the 260 rows are not those that were signed"):
        independent.check_file(filled, str(KEY.key))


def test_a_journal_that_is_gone_is_not_started_over(filled):
    filled.unlink()
    with pytest.raises(StoreError, match=r"is gone, of which 260 rows were signed, the last of 2027-01-15.*put journal.db.last-signed there, too"):
        SqliteJournal(filled, KEY)
    assert not filled.exists()
    last_signed_beside(filled).rename(filled.with_name("aside"))
    SqliteJournal(filled, KEY).close()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"checkpoint": 7, "signed_ms": 1}', b'{"checkpoint": "x", "signed_ms": 1}', b"[" * 100_000]
)
def test_one_that_is_none_is_refused_by_name(filled, verified, content):
    last_signed_beside(filled).write_bytes(content)
    with pytest.raises(StoreError, match=r"journal.db.last-signed: it is damaged .*restore it, or put it aside"):
        SqliteJournal(filled, KEY)
    with pytest.raises(BrokenJournalError, match=r"journal.db.last-signed: it is damaged"):
        verified(filled)
    with pytest.raises(independent.Refused):
        independent.check_file(filled, str(KEY.key))


def test_one_that_nobody_signed_is_refused(filled, verified):
    place = last_signed_beside(filled)
    place.write_text(json.dumps(json.loads(place.read_text()) | {"checkpoint": json.loads(place.read_text())["checkpoint"].replace("\n260\n", "\n250\n")}))
    with pytest.raises(StoreError, match="signature does not verify"):
        SqliteJournal(filled, KEY)
    with pytest.raises(BrokenJournalError, match="signature does not verify"):
        verified(filled)


def test_where_it_cannot_be_written_the_journal_is_lost_until_it_can(journal, journal_path, days):
    last_signed_beside(journal_path).with_name("journal.db.last-signed.new").mkdir()
    days.fill(journal, 100)
    with pytest.raises(StoreError, match=r"journal.db.last-signed: .*must be able to write its directory"):
        journal.tend(days.now)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"journal.db.last-signed: "):
            journal.event("journal_ready", {}, days.now)
    last_signed_beside(journal_path).with_name("journal.db.last-signed.new").rmdir()
    journal.event("journal_ready", {}, days.now)
    assert read_last_signed(journal_path).size == 100


def test_where_it_cannot_be_written_the_end_is_signed_all_the_same(journal, journal_path, days):
    last_signed_beside(journal_path).with_name("journal.db.last-signed.new").mkdir()
    days.fill(journal, 101)
    with contextlib.suppress(StoreError):
        journal.tend(days.now)
    journal.close()
    with JournalReader(journal_path) as reader:
        assert reader.last_checkpoint()[0] == 101


def test_one_that_cannot_be_read_is_no_break(filled, verified):
    last_signed_beside(filled).unlink()
    last_signed_beside(filled).mkdir()
    with pytest.raises(StoreError, match=r"journal.db.last-signed: Is a directory"):
        verified(filled)


def test_one_is_not_left_where_the_journal_was_moved_away(journal, journal_path, days):
    days.fill(journal, 100)
    journal_path.rename(journal_path.with_name("aside.db"))
    journal.close()
    assert read_last_signed(journal_path) is None


def test_a_copy_without_it_is_compared_with_its_own_checkpoints(filled, tmp_path, verified):
    with contextlib.closing(sqlite3.connect(filled)) as source, contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=wal")
    assert verified(tmp_path / "copy.db").rows == 260
