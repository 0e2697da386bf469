from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.journal import JournalReader, SqliteJournal
from gate_controller.ports.errors import StoreError


def test_reading_goes_on_from_an_id_over_many_pages(journal: SqliteJournal, journal_path: Path) -> None:
    for number in range(520):
        journal.event("tick", {"number": str(number)}, 1.0)
    with JournalReader(journal_path) as reader:
        assert [entry.id for entry in reader.entries()] == list(range(1, 521))
        assert [entry.body["fields"]["number"] for entry in reader.entries(since=518)] == ["518", "519"]
        assert list(reader.entries(since=520)) == []
        assert list(reader.entries(since=10_000)) == []
        assert reader.last_id() == 520


def test_reading_sees_what_is_written_meanwhile(journal: SqliteJournal, journal_path: Path) -> None:
    with JournalReader(journal_path) as reader:
        assert (list(reader.entries()), reader.last_id()) == ([], 0)
        journal.event("one", {}, 1.0)
        reading = reader.entries()
        assert next(reading).id == 1
        journal.event("two", {}, 1.0)
        assert [entry.id for entry in reading] == [2]


def test_reading_after_the_gate_has_ended(journal: SqliteJournal, journal_path: Path) -> None:
    journal.event("one", {}, 1.0)
    journal.close()
    with JournalReader(journal_path) as reader:
        assert reader.last_id() == 1


def test_some_events_are_found_newest_first(journal: SqliteJournal, journal_path: Path) -> None:
    with JournalReader(journal_path) as reader:
        assert list(reader.latest_events("emergency", "rearmed")) == []
        for name in ("emergency", "rearmed", "emergency", "emergency_test", "tick"):
            journal.event(name, {"text": '{"event":"rearmed",'}, 1.0)
        journal.record(CrossingRecord("rearmed", Outcome.ABORTED, None, admitted=False, issuer=None, direction=Direction.HK_TO_MO), 1.0)
        assert [entry.label for entry in reader.latest_events("emergency", "rearmed")] == ["emergency", "rearmed", "emergency"]
        assert [entry.id for entry in reader.latest_events("emergency_test", "emergency")] == [4, 3, 1]
        assert list(reader.latest_events("nothing")) == []


def test_an_admission_without_an_outcome_is_open(journal: SqliteJournal, journal_path: Path) -> None:
    with JournalReader(journal_path) as reader:
        assert not reader.any_open_crossing()
        journal.admit("a", Region.HK, Direction.HK_TO_MO, 1.0)
        journal.admit("b", Region.HK, Direction.HK_TO_MO, 1.0)
        journal.record(CrossingRecord("a", Outcome.COMPLETED, None, admitted=True, issuer=None, direction=Direction.HK_TO_MO), 2.0)
        assert reader.any_open_crossing()
        assert journal.close_open(3.0, Direction.HK_TO_MO) == ["b"]
        assert not reader.any_open_crossing()
        assert next(reader.latest_events("latched")).body["fields"] == {"reason": "restarted"}


def test_nothing_cut_short_latches_nothing(journal: SqliteJournal, journal_path: Path) -> None:
    with JournalReader(journal_path) as reader:
        assert journal.close_open(3.0, Direction.HK_TO_MO) == []
        assert list(reader.latest_events("latched")) == []


def test_a_reader_cannot_write(journal: SqliteJournal, journal_path: Path) -> None:
    with JournalReader(journal_path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.connection.execute("DELETE FROM contents")


def test_a_missing_journal_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is missing"):
        JournalReader(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM entries WHERE id = 2", "rows are missing after row 0"),
        ("DELETE FROM entries WHERE id = 1", "rows are missing after row 0"),
        ("UPDATE contents SET body = json_object('kind', 'event', 'wall_ms', 'noon') WHERE id = 2", "row 2 was changed: its body"),
        ("UPDATE contents SET body = ' ' || body WHERE id = 2", "row 2 was changed: its body"),
        ("UPDATE contents SET salt = zeroblob(32) WHERE id = 2", "row 2 was changed: its body"),
        ("DELETE FROM contents WHERE id = 2", "row 2 has lost its body, which is not personal"),
        ("UPDATE entries SET commitment = zeroblob(32) WHERE id = 2", "row 2 was changed: its body"),
        ("UPDATE entries SET kind = 'crossing', crossing_id = 'x' WHERE id = 2", "row 2 was changed: its columns"),
        ("UPDATE entries SET label = 'tock' WHERE id = 2", "row 2 was changed: its columns"),
        ("UPDATE entries SET wall_ms = 7 WHERE id = 2", "row 2 was changed: its columns"),
        ("UPDATE entries SET personal = 1 WHERE id = 2", "row 2 was changed: its columns"),
    ],
)
def test_a_row_that_was_changed_around_the_triggers_is_an_error(journal: SqliteJournal, journal_path: Path, statement: str, message: str) -> None:
    for _ in range(3):
        journal.event("tick", {}, 1.0)
    with contextlib.closing(sqlite3.connect(journal_path, isolation_level=None)) as outsider:
        for (name,) in outsider.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            outsider.execute(f"DROP TRIGGER {name}")
        outsider.execute("PRAGMA ignore_check_constraints=ON")
        outsider.execute(statement)
    with JournalReader(journal_path) as reader, pytest.raises(StoreError, match=message):
        list(reader.entries())
