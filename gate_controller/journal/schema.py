"""The journal's one table. Does not open it.

A row is its JSON text, beside the two parts of it that SQLite must know; a reader compares them. Triggers forbid to change
or delete a row, also by way of INSERT OR REPLACE, and to leave a number out; indexes forbid a second admission and a second
outcome of a crossing. They bind every program that writes the file through SQLite, not only this one; who can write the
file by other means is stopped by nothing here.
"""

from __future__ import annotations

APPLICATION_ID = 0x4543484A  # "ECHJ"
VERSION = 1

CREATE = (
    f"PRAGMA application_id={APPLICATION_ID}",
    f"PRAGMA user_version={VERSION}",
    """CREATE TABLE entries(
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('admission', 'crossing', 'event')),
        crossing_id TEXT CHECK ((crossing_id IS NULL) = (kind = 'event')),
        body TEXT NOT NULL
    ) STRICT""",
    "CREATE UNIQUE INDEX one_admission ON entries(crossing_id) WHERE kind = 'admission'",
    "CREATE UNIQUE INDEX one_outcome ON entries(crossing_id) WHERE kind = 'crossing'",
    # INSERT OR REPLACE deletes without firing the delete trigger, so what it could replace is looked for first.
    """CREATE TRIGGER entries_no_replace BEFORE INSERT ON entries
        WHEN NEW.id IN (SELECT id FROM entries)
        OR EXISTS (SELECT 1 FROM entries WHERE kind = 'crossing' AND crossing_id = NEW.crossing_id)
        OR NEW.kind = 'admission'
            AND EXISTS (SELECT 1 FROM entries WHERE kind = 'admission' AND crossing_id = NEW.crossing_id)
        BEGIN SELECT RAISE(ABORT, 'a crossing has one admission and one outcome, in this order'); END""",
    """CREATE TRIGGER entries_in_order AFTER INSERT ON entries
        WHEN NEW.id <> 1 + coalesce((SELECT max(id) FROM entries WHERE id < NEW.id), 0)
        BEGIN SELECT RAISE(ABORT, 'rows are numbered without gaps'); END""",
    "CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
)

APPEND = "INSERT INTO entries(kind, crossing_id, body) VALUES (?, ?, ?)"
HAS_OUTCOME = "SELECT 1 FROM entries WHERE kind = 'crossing' AND crossing_id = ?"
HAS_ADMISSION = "SELECT 1 FROM entries WHERE kind = 'admission' AND crossing_id = ?"
OPEN_ADMISSIONS = """
    SELECT id, kind, crossing_id, body FROM entries AS admission WHERE kind = 'admission'
    AND NOT EXISTS (SELECT 1 FROM entries WHERE kind = 'crossing' AND crossing_id = admission.crossing_id) ORDER BY id
"""
