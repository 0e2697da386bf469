"""The journal's tables. Does not open them.

`entries` holds of each row what stays for ever: its place, kind, label, time, and the commitment to its body. `contents` holds the body with its
salt, until a personal one is deleted. `tiles` are hashes of the tree that spare work, `checkpoints` the signed notes, `identity` whose journal it is.

Triggers forbid to change or delete a row, also by way of INSERT OR REPLACE, and to leave a number out; a body can be deleted only if it is
personal and an event "contents_deleted" said so before. Indexes forbid a second admission, outcome or trace of a crossing. They bind every
program that writes the file through SQLite, not only this one; what is done to the file by other means is found by verify.py.
"""

from __future__ import annotations

APPLICATION_ID = 0x4543484A  # "ECHJ"
VERSION = 2
"""1 had neither hash tree nor checkpoints."""

DELETED = "contents_deleted"
"""Event {"through": number}: the personal bodies up to this row are deleted."""
WENT_BACK = "time_went_back"
"""Event {"from_ms", "to_ms"}: the next row is of an earlier time than the one before."""

_APPEND_ONLY = "SELECT RAISE(ABORT, 'the journal is append-only')"


def _frozen(table: str, *verbs: str) -> tuple[str, ...]:
    return tuple(f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} BEGIN {_APPEND_ONLY}; END" for verb in verbs)


OBJECTS = (
    """CREATE TABLE entries(
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('admission', 'crossing', 'event', 'trace')),
        label TEXT NOT NULL,
        crossing_id TEXT CHECK ((crossing_id IS NULL) = (kind = 'event')),
        personal INTEGER NOT NULL CHECK (personal IN (0, 1)),
        wall_ms INTEGER NOT NULL,
        commitment BLOB NOT NULL CHECK (length(commitment) = 32)
    ) STRICT""",
    "CREATE UNIQUE INDEX one_admission ON entries(crossing_id) WHERE kind = 'admission'",
    "CREATE UNIQUE INDEX one_outcome ON entries(crossing_id) WHERE kind = 'crossing'",
    "CREATE UNIQUE INDEX one_trace ON entries(crossing_id) WHERE kind = 'trace'",
    "CREATE INDEX deletion_events ON entries(id) WHERE label = 'contents_deleted'",
    # INSERT OR REPLACE deletes without firing the delete trigger, so what it could replace is looked for first.
    """CREATE TRIGGER entries_no_replace BEFORE INSERT ON entries
        WHEN NEW.id IN (SELECT id FROM entries)
        OR NEW.kind IN ('admission', 'crossing')
            AND EXISTS (SELECT 1 FROM entries WHERE kind = 'crossing' AND crossing_id = NEW.crossing_id)
        OR NEW.kind = 'admission'
            AND EXISTS (SELECT 1 FROM entries WHERE kind = 'admission' AND crossing_id = NEW.crossing_id)
        OR NEW.kind = 'trace'
            AND EXISTS (SELECT 1 FROM entries WHERE kind = 'trace' AND crossing_id = NEW.crossing_id)
        BEGIN SELECT RAISE(ABORT, 'a crossing has one admission and one outcome, in this order, and one trace'); END""",
    """CREATE TRIGGER entries_in_order AFTER INSERT ON entries
        WHEN NEW.id <> 1 + coalesce((SELECT max(id) FROM entries WHERE id < NEW.id), 0)
        BEGIN SELECT RAISE(ABORT, 'rows are numbered without gaps'); END""",
    *_frozen("entries", "UPDATE", "DELETE"),
    """CREATE TABLE contents(
        id INTEGER PRIMARY KEY,
        salt BLOB NOT NULL CHECK (length(salt) = 32),
        body TEXT NOT NULL
    ) STRICT""",
    """CREATE TRIGGER contents_no_replace BEFORE INSERT ON contents
        WHEN NEW.id IN (SELECT id FROM contents) OR NEW.id IS NOT (SELECT max(id) FROM entries)
        BEGIN SELECT RAISE(ABORT, 'a body is written with its row'); END""",
    """CREATE TRIGGER contents_no_delete BEFORE DELETE ON contents
        WHEN NOT EXISTS (SELECT 1 FROM entries WHERE id = OLD.id AND personal = 1)
        OR OLD.id > coalesce((SELECT max(through) FROM deletions), 0)
        BEGIN SELECT RAISE(ABORT, 'only personal bodies whose time is over are deleted'); END""",
    *_frozen("contents", "UPDATE"),
    # What the trigger above can look at; the event says the same, in a row of the tree.
    "CREATE TABLE deletions(through INTEGER PRIMARY KEY) STRICT",
    *_frozen("deletions", "UPDATE", "DELETE"),
    "CREATE TABLE tiles(level INTEGER, number INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, number)) STRICT, WITHOUT ROWID",
    """CREATE TRIGGER tiles_no_replace BEFORE INSERT ON tiles
        WHEN EXISTS (SELECT 1 FROM tiles WHERE level = NEW.level AND number = NEW.number)
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    *_frozen("tiles", "UPDATE", "DELETE"),
    "CREATE TABLE checkpoints(size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT",
    """CREATE TRIGGER checkpoints_in_order BEFORE INSERT ON checkpoints
        WHEN NEW.size <= coalesce((SELECT max(size) FROM checkpoints), 0) OR NEW.size IS NOT (SELECT max(id) FROM entries)
        BEGIN SELECT RAISE(ABORT, 'a checkpoint is of all rows, and is made once'); END""",
    *_frozen("checkpoints", "UPDATE", "DELETE"),
    "CREATE TABLE identity(only INTEGER PRIMARY KEY CHECK (only = 1), verifier_key TEXT NOT NULL) STRICT",
    """CREATE TRIGGER identity_no_replace BEFORE INSERT ON identity WHEN EXISTS (SELECT 1 FROM identity)
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    *_frozen("identity", "UPDATE", "DELETE"),
)
"""Everything that the file consists of; verify.py compares it with what it finds."""

CREATE = (f"PRAGMA application_id={APPLICATION_ID}", f"PRAGMA user_version={VERSION}", *OBJECTS)

APPEND = "INSERT INTO entries(kind, label, crossing_id, personal, wall_ms, commitment) VALUES (?, ?, ?, ?, ?, ?)"
APPEND_CONTENT = "INSERT INTO contents(id, salt, body) VALUES (?, ?, ?)"
APPEND_TILE = "INSERT INTO tiles(level, number, hash) VALUES (?, ?, ?)"
APPEND_DELETION = "INSERT INTO deletions(through) VALUES (?)"
APPEND_CHECKPOINT = "INSERT INTO checkpoints(size, note) VALUES (?, ?)"
HAS_OUTCOME = "SELECT 1 FROM entries WHERE kind = 'crossing' AND crossing_id = ?"
HAS_ADMISSION = "SELECT 1 FROM entries WHERE kind = 'admission' AND crossing_id = ?"
COLUMNS = "entries.id, kind, label, crossing_id, personal, wall_ms, commitment, salt, body"
ROWS = f"SELECT {COLUMNS} FROM entries LEFT JOIN contents USING (id)"  # noqa: S608 - constants only
OPEN_ADMISSIONS = f"""
    SELECT {COLUMNS} FROM entries LEFT JOIN contents USING (id) WHERE kind = 'admission'
    AND NOT EXISTS (SELECT 1 FROM entries AS ended WHERE ended.kind = 'crossing' AND ended.crossing_id = entries.crossing_id) ORDER BY entries.id
"""  # noqa: S608 - constants only
OFFICER_ACTS = """
    SELECT body FROM entries JOIN contents USING (id) WHERE id > ? AND label IN ('officer_released', 'officer_returned')
    AND json_extract(body, '$.fields.crossing_id') = ? ORDER BY id DESC LIMIT 1
"""
OPEN_BY_HAND = """
    SELECT id, body FROM entries JOIN contents USING (id) WHERE kind = 'event' AND label IN ('officer_released', 'officer_returned')
    AND id > coalesce((SELECT id FROM entries WHERE kind = 'crossing' ORDER BY id DESC LIMIT 1), 0)
    AND json_extract(body, '$.fields.crossing_id') IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM entries AS known WHERE known.kind = 'admission' AND known.crossing_id = json_extract(body, '$.fields.crossing_id')
    ) ORDER BY id DESC
"""
"""An officer's acts for which no pass was admitted, newest first. Only those since the last outcome: a lane has one crossing at a time, and a restart ends it."""
OLDEST = f"""
    SELECT id, wall_ms, personal, kind = 'admission'
        AND NOT EXISTS (SELECT 1 FROM entries AS ended WHERE ended.kind = 'crossing' AND ended.crossing_id = entries.crossing_id)
        OR id IN (SELECT id FROM ({OPEN_BY_HAND}))
    FROM entries WHERE id > ? ORDER BY id LIMIT ?
"""  # noqa: S608 - constants only
"""Number, time, personal, and whether a restart needs the row because its crossing has not ended."""
LEAVES = "SELECT id, kind, label, crossing_id, personal, wall_ms, commitment FROM entries WHERE id > ? AND id <= ? ORDER BY id"
CHECKPOINT_GAP = """
    SELECT before, size FROM (
        SELECT size, lag(size, 1, 0) OVER (ORDER BY size) AS before FROM (SELECT size FROM checkpoints UNION SELECT ?1 + 1)
    ) WHERE size - before > ?2 ORDER BY size LIMIT 1
"""
"""The first two neighbours that are further apart than checkpoints may be; behind the last row the next one is thought, which is how few may be unsigned."""
EVERY_ROW = (1 << 63) - 1
LAST_DELETION = f"{ROWS} WHERE label = 'contents_deleted' AND id <= ? ORDER BY id DESC LIMIT 1"
"""Among the rows up to a number, which may be EVERY_ROW."""
