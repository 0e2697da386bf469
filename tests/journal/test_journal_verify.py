"""Tampering of every kind, found by the program and by a verifier that shares no code with it, and named with its place."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from copy import copy
from pathlib import Path

import pytest

from gate_controller.journal import JournalReader, Signer, SqliteJournal
from gate_controller.journal.verify import BrokenJournalError
from gate_controller.ports.errors import StoreError
from tests.journal import independent
from tests.journal.conftest import KEY, Days

SWAP = """UPDATE {table} SET id = CASE id WHEN 50 THEN -60 ELSE -50 END WHERE id IN (50, 60)"""
UNSWAP = """UPDATE {table} SET id = -id WHERE id < 0"""
SHIFT = "UPDATE {table} SET id = -(id - 1) WHERE id > 50"
ROOM = "UPDATE {table} SET id = -(id + 1) WHERE id > 50"
CUT = tuple(f"DELETE FROM {table} WHERE id > 230" for table in ("entries", "contents"))
EDIT = "UPDATE contents SET body = replace(body, 'io_board', 'nothing!') WHERE id = 150"
RECOMMIT = "UPDATE entries SET commitment = (SELECT commitment(salt, body) FROM contents WHERE id = entries.id) WHERE id = 150"

TAMPERINGS = {
    "a body edited": ((EDIT,), r"row 150: it was changed: its body"),
    "a body edited and committed to anew": ((EDIT, RECOMMIT), r"rows 101 to 200: the checkpoint of 200 rows was signed over other rows"),
    "a salt changed": (("UPDATE contents SET salt = zeroblob(32) WHERE id = 7",), r"row 7: it was changed"),
    "a label changed": (("UPDATE entries SET label = 'completed' WHERE id = 3",), r"row 3: it was changed: its columns"),
    "a kind changed": (("UPDATE entries SET kind = 'crossing', crossing_id = 'z' WHERE id = 5",), r"row 5: it was changed: its columns"),
    "a time changed": (("UPDATE entries SET wall_ms = wall_ms + 1 WHERE id = 3",), r"row 3: it was changed: its columns"),
    "made personal": (("UPDATE entries SET personal = 1 WHERE id = 5",), r"row 5: it was changed: its columns"),
    "a row deleted": (("DELETE FROM entries WHERE id = 77",), r"row (1|77): rows are missing"),
    "the first row deleted": (("DELETE FROM entries WHERE id = 1",), r"row 1: rows are missing"),
    "a row deleted and the gap closed": (
        (
            "DELETE FROM entries WHERE id = 50",
            "DELETE FROM contents WHERE id = 50",
            *(each.format(table=table) for table in ("entries", "contents") for each in (SHIFT, UNSWAP)),
        ),
        r"rows 1 to 100: the checkpoint of 100 rows was signed over other rows",
    ),
    "a row put in": (
        (
            *(each.format(table=table) for table in ("entries", "contents") for each in (ROOM, UNSWAP)),
            "INSERT INTO entries SELECT 51, kind, label, crossing_id, personal, wall_ms, commitment FROM entries WHERE id = 50",
            "INSERT INTO contents SELECT 51, salt, body FROM contents WHERE id = 50",
        ),
        r"rows 1 to 100: the checkpoint of 100 rows was signed over other rows",
    ),
    "two rows swapped": (
        tuple(each.format(table=table) for table in ("entries", "contents") for each in (SWAP, UNSWAP)),
        r"row 51: its time is before that of the row before it, and no row says that the clock went back",
    ),
    "two bodies swapped": (tuple(each.format(table="contents") for each in (SWAP, UNSWAP)), r"row 50: it was changed"),
    "rows cut off at the end": (CUT, r"row 231: rows are missing at the end: 260 were signed, 230 are there"),
    "a body deleted": (("DELETE FROM contents WHERE id = 13",), r"row 13: its body was deleted, and no row says so"),
    "a body deleted that is not personal": (("DELETE FROM contents WHERE id = 5",), r"row 5: it has lost its body, which is not personal"),
    "a checkpoint edited": (
        ("UPDATE checkpoints SET note = replace(note, char(10) || '200' || char(10), char(10) || '199' || char(10)) WHERE size = 200",),
        "signature does not verify",
    ),
    "a checkpoint in another place": (
        ("UPDATE checkpoints SET size = 199 WHERE size = 200",),
        r"rows 101 to 199: the checkpoint of 199 rows was signed over other rows",
    ),
    "a checkpoint that is none": (("UPDATE checkpoints SET note = 'whole' WHERE size = 100",), r"the checkpoint of 100 rows: not a signed note"),
    "a checkpoint in the middle deleted": (("DELETE FROM checkpoints WHERE size = 200",), r"rows 101 to 200: they have no checkpoint: it was taken away"),
    "the first checkpoint deleted": (("DELETE FROM checkpoints WHERE size = 100",), r"rows 1 to 100: they have no checkpoint"),
    "the last checkpoints deleted": (("DELETE FROM checkpoints WHERE size > 100",), r"rows 101 to 200: they have no checkpoint"),
    "all checkpoints deleted": (("DELETE FROM checkpoints",), r"rows 1 to 100: they have no checkpoint"),
    "a tile changed": (("UPDATE tiles SET hash = zeroblob(32)",), r"row 256: the tile 1/0 that ends here does not fit"),
    "a tile removed": (("DELETE FROM tiles",), r"row 256: the tile 1/0 that ends here does not fit"),
    "a tile added": (("INSERT INTO tiles VALUES (1, 7, zeroblob(32))",), r"the tiles: there are others"),
    "another gate's name": (("UPDATE identity SET verifier_key = 'x+' || verifier_key",), r"its identity: it is the journal of x\+"),
    "no name": (("DELETE FROM identity",), r"its identity: it is the journal of nobody"),
    "a table added": (("CREATE TABLE more(a)",), r"its rules: TABLE more was added"),
    "an index removed": (("DROP INDEX one_outcome",), r"its rules: UNIQUE INDEX one_outcome is missing"),
}
INVISIBLE_TO_THE_OTHER = {"a tile changed", "a tile removed", "a tile added", "a table added", "an index removed"}
"""The independent verifier looks at the rows and checkpoints alone, which is what is signed."""


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """260 rows, signed at 100, 200 and 260; a tile ends at 256."""
    path, days = tmp_path_factory.mktemp("template") / "journal.db", Days()
    with contextlib.closing(SqliteJournal(path, KEY)) as journal:
        days.fill(journal, 260)
    return path, days


@pytest.fixture
def filled(template, journal_path):
    shutil.copy(template[0], journal_path)
    return journal_path


@pytest.fixture
def days(template):
    return copy(template[1])


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_with_its_place(filled, forge, verified, signer, name):
    assert verified(filled).rows == independent.check_file(filled, str(signer.key)) == 260
    statements, place = TAMPERINGS[name]
    forge(*statements)
    with pytest.raises(BrokenJournalError, match=f"broken at .*{place}") as caught:
        verified(filled)
    assert "\n" not in str(caught.value)
    if name not in INVISIBLE_TO_THE_OTHER:
        with pytest.raises(independent.Refused):
            independent.check_file(filled, str(signer.key))


def test_a_journal_without_its_rules_is_refused(filled, forge, verified):
    forge(keep_rules=False)
    with pytest.raises(BrokenJournalError, match=r"its rules: TRIGGER .* is missing or was changed"):
        verified(filled)


def test_a_changed_rule_is_refused(filled, verified):
    with contextlib.closing(sqlite3.connect(filled)) as outsider:
        outsider.execute("DROP TRIGGER entries_no_update")
        outsider.execute("CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT 1; END")
    with pytest.raises(BrokenJournalError, match="its rules: TRIGGER entries_no_update"):
        verified(filled)


def test_what_was_cut_off_with_its_checkpoints_is_found_by_one_kept_elsewhere(filled, forge, verified, signer):
    with JournalReader(filled) as reader:
        notes = dict(reader.checkpoints())
    assert verified(filled, *notes.values()).checkpoints == 3
    forge(*CUT, "DELETE FROM checkpoints WHERE size > 230", "DELETE FROM tiles")
    assert verified(filled, notes[200]).rows == 230  # by itself it is whole
    with pytest.raises(BrokenJournalError, match=r"broken at row 231: the journal was rolled back: kept.checkpoint has 260 rows, the journal 230"):
        verified(filled, notes[100], notes[260])
    with pytest.raises(independent.Refused):
        independent.check_file(filled, str(signer.key), [notes[260]])


def test_a_fork_is_found_by_a_checkpoint_kept_elsewhere(filled, tmp_path, verified, signer, days):
    shutil.copy(filled, tmp_path / "fork.db")
    heads = []
    for path in (filled, tmp_path / "fork.db"):
        with contextlib.closing(SqliteJournal(path, signer)) as journal:
            days.fill(journal, 60)
        with JournalReader(path) as reader:
            heads.append(reader.last_checkpoint()[1])
    assert verified(filled, heads[0]).rows == verified(tmp_path / "fork.db", heads[1]).rows == 320
    with pytest.raises(
        BrokenJournalError,
        match=r"broken at rows 261 to 320: kept.checkpoint, of 320 rows, was signed over other rows: the journal was forked",
    ):
        verified(filled, heads[1])
    with pytest.raises(independent.Refused):
        independent.check_file(filled, str(signer.key), [heads[1]])


def test_a_journal_of_another_gate_or_another_key_is_refused(filled, verified):
    for other in (Signer("e-channel/MO-GB-08/journal", b"k" * 32), Signer("e-channel/MO-GB-07/journal", b"x" * 32)):
        with pytest.raises(BrokenJournalError, match="its identity: it is the journal of e-channel/MO-GB-07"):
            verified(filled, key=other)
        with pytest.raises(StoreError, match="it belongs to e-channel/MO-GB-07"):
            SqliteJournal(filled, other)
        with pytest.raises(independent.Refused):
            independent.check_file(filled, str(other.key))


def test_a_checkpoint_of_another_gate_is_no_witness(filled, verified):
    other = Signer("e-channel/MO-GB-08/journal", b"k" * 32).sign(100, bytes(32))
    with pytest.raises(BrokenJournalError, match=r"broken at kept.checkpoint: it is of 'e-channel/MO-GB-08/journal'"):
        verified(filled, other)


def test_a_key_thief_who_signs_another_past_is_found_by_what_is_kept(filled, forge, verified, signer):
    with JournalReader(filled) as reader:
        before = dict(reader.checkpoints())
    forge(EDIT, RECOMMIT, "DELETE FROM checkpoints WHERE size > 100", "DELETE FROM tiles")
    with JournalReader(filled) as reader:
        tile = reader.tree().root(256).hex()
        signed = {size: signer.sign(size, reader.tree().root(size)) for size in (200, 260)}
    forge(f"INSERT INTO tiles VALUES (1, 0, x'{tile}')", *(f"INSERT INTO checkpoints VALUES ({size}, '{note}')" for size, note in signed.items()))
    assert verified(filled).signed == independent.check_file(filled, str(signer.key)) == 260
    with pytest.raises(BrokenJournalError, match=r"rows 101 to 200: kept.checkpoint, of 200 rows, was signed over other rows: the journal was forked"):
        verified(filled, before[200])


def test_the_gate_signs_nothing_on_top_of_a_journal_that_does_not_fit_its_last_checkpoint(filled, forge, signer):
    forge("UPDATE entries SET wall_ms = wall_ms + 1 WHERE id = 259")
    with pytest.raises(StoreError, match="its last checkpoint, of 260 rows, does not fit the rows"):
        SqliteJournal(filled, signer)


@pytest.mark.parametrize("statements", [CUT, ("UPDATE checkpoints SET note = 'none' WHERE size = 260",), ("DELETE FROM entries WHERE id = 259",)])
def test_nor_on_one_that_was_cut_or_whose_checkpoint_is_none(filled, forge, signer, statements):
    forge(*statements)
    with pytest.raises(StoreError, match="its last checkpoint, of 260 rows"):
        SqliteJournal(filled, signer)


def test_rows_behind_the_last_checkpoint_are_told_as_not_signed(filled, journal_path, tmp_path, verified, signer, days):
    journal = SqliteJournal(filled, signer)
    days.fill(journal, 30)
    later = tmp_path / "as_after_a_kill.db"
    with contextlib.closing(sqlite3.connect(filled)) as source, contextlib.closing(sqlite3.connect(later)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=wal")
    journal.close()
    found = verified(later)
    assert (found.rows, found.signed) == (290, 260)


def test_a_clock_that_went_back_is_told_and_is_no_break(journal, journal_path, days, verified, signer):
    days.fill(journal, 20)
    days.now -= 3600
    days.fill(journal, 20)
    journal.close()
    found = verified(journal_path)
    assert (found.rows, found.went_back) == (41, [21])
    with JournalReader(journal_path) as reader:
        row = reader.entry(21)
        assert row.label == "time_went_back"
        assert int(row.body["fields"]["from_ms"]) - int(row.body["fields"]["to_ms"]) == pytest.approx(3_599_900, abs=1)
    assert independent.check_file(journal_path, str(signer.key)) == 41


def test_a_damaged_file_is_refused(filled, verified, signer):
    content = bytearray(filled.read_bytes())
    for at in range(8192, len(content), 4096):
        content[at : at + 16] = b"\xff" * 16
    filled.write_bytes(content)
    with pytest.raises((BrokenJournalError, StoreError)) as caught:
        verified(filled)
    assert "damaged" in str(caught.value)
    with pytest.raises(independent.Refused):
        independent.check_file(filled, str(signer.key))


def test_bytes_changed_anywhere_are_refused_or_lie_where_nothing_is(template, journal_path, verified, signer):
    content = template[0].read_bytes()
    whole, dice = verified(template[0]), random.Random(6962)
    missed = 0
    for _ in range(25):
        changed = bytearray(content)
        at = dice.randrange(100, len(content))
        changed[at] ^= dice.randrange(1, 256)
        journal_path.write_bytes(changed)
        try:
            assert verified(journal_path) == whole
        except (BrokenJournalError, StoreError):
            continue
        missed += 1  # free space of a page, or an index that says the same
        assert independent.check_file(journal_path, str(signer.key)) == whole.rows
    assert missed < 13


def test_a_row_that_deletes_nonsense_is_a_break(filled, signer, verified, days):
    for through in ("soon", "-1", "999", "\u0665", ""):
        with contextlib.closing(SqliteJournal(filled, signer)) as journal:
            journal.event("contents_deleted", {"through": through}, days.now + 1)
        with pytest.raises(BrokenJournalError, match=r"cannot be read|deletes what was not yet written|was to be deleted"):
            verified(filled)


def test_a_truncated_file_is_refused(filled, verified):
    filled.write_bytes(filled.read_bytes()[: 4096 * 5])
    with pytest.raises((BrokenJournalError, StoreError)):
        verified(filled)


def test_a_growing_journal_verifies(filled, verified, signer, days):
    with contextlib.closing(SqliteJournal(filled, signer)) as journal:
        for _ in range(5):
            days.fill(journal, 11)
            assert verified(filled).rows == independent.check_file(filled, str(signer.key))


def test_an_empty_journal_is_whole(journal, journal_path, verified):
    found = verified(journal_path)
    assert (found.rows, found.checkpoints, found.root.hex()[:8]) == (0, 0, "e3b0c442")


def test_the_path_is_in_the_message(filled, forge, verified):
    forge(EDIT)
    with pytest.raises(BrokenJournalError, match=str(Path(filled))):
        verified(filled)
