"""Step 9: the durable memory of used presentations, one SQLite file (INV-8).

One row per pass: the iat of its last accepted presentation. A claim succeeds only for a strictly newer one and returns only
after the row is on the disk.

Rules:
    - Forgetting is safe. Whenever rows are dropped (expired, or too many), their newest iat becomes the *floor*: a pass
      without a row counts as last presented at the floor. So neither a clock that jumps nor a full table ever makes a used
      presentation fresh again. A new file starts with a floor too (`blind_until`), so that deleting the file gains nothing.
    - A file that is damaged, empty, of another program or not writable raises StoreError; it is never replaced.
    - Time comes from the claims themselves: rows are dropped by comparing their expiry with the iat being claimed.

Rollback journal, where the other stores use WAL. A claim happens once in several seconds, so the two or three more fsyncs cost nothing that
matters, and: the committed row is in the one file, not in a side file that a copy, a clean-up or a damaged frame loses without a
word (SQLite drops everything after the first bad WAL frame as "not committed"); no shared-memory file is mapped. TRUNCATE keeps the journal's
directory entry, so the commit is an fsync of a file and not of a directory; synchronous=EXTRA covers the rest.

Does not decide what is stale: the verifier does. Does not share the table between gates: the hub does.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from gate_controller.ports.durable import sync
from gate_controller.ports.errors import StoreError
from gate_controller.ports.sqlite import connect, store_error, store_errors, transaction

KEEP_AFTER_EXPIRY_S = 3600
"""Rows are dropped this long after their expiry: more than the longest ttl and skew a policy can set, so that the floor stays
below every presentation that is still fresh."""

DEFAULT_MAX_PASSES = 250_000
"""Two days of 100,000 passes each, every one valid for 48 h and kept an hour longer, with a fifth to spare; one lane has 6,000 crossings a day. About 22 MB."""

_BATCH = 200
"""Rows dropped by one claim at most, and claims between two counts. A gate that stood still for two days drops 200,000 rows: 1.5 s at once, while somebody waits."""

_APPLICATION_ID = 0x45434852
_SCHEMA_VERSION = 1
_WHAT = "replay memory"
_SCHEMA = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
    """CREATE TABLE presented (
        pass_id BLOB PRIMARY KEY CHECK (length(pass_id) = 16),
        issued_at INTEGER NOT NULL CHECK (issued_at >= 0),
        expires_at INTEGER NOT NULL CHECK (expires_at >= issued_at)
    ) STRICT""",
    "CREATE INDEX presented_by_age ON presented (issued_at)",
    "CREATE INDEX presented_by_expiry ON presented (expires_at)",
    "CREATE TABLE state (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), floor INTEGER) STRICT",
)
_DAMAGED = "move the file aside; the new one refuses every presentation made before it"


class SqliteReplayMemory:
    """Implements ports.services.ReplayMemory. May be used from several threads and, slowly, by several processes.

    Args:
        path: The database; made if it does not exist (its directory must). A file `<path>-journal` stays beside it.
        blind_until: For a new file only: presentations made up to this time (seconds since the epoch) are refused, because
            a new memory cannot know which were used. In service give now + the permitted skew; None when nothing can
            have been used (the first start in a simulation).
        max_passes: Rows kept at most; beyond, the oldest are forgotten safely.
        read_only: Open an existing file to look into it, beside a running gate or without one. Makes and changes nothing;
            claiming is an error.

    Raises:
        StoreError: The file cannot be made, opened or written, or is not a sound replay memory.
    """

    def __init__(self, path: Path, *, blind_until: int | None, max_passes: int = DEFAULT_MAX_PASSES, read_only: bool = False) -> None:
        self._path = path
        self._max_passes = max(1, max_passes)
        self._room = 0
        self._lock = threading.Lock()
        with self._faults():
            if not (read_only or path.exists()):
                self._create(blind_until)
            self._identity = self._existing()
            self._db = connect(path, _WHAT, "read" if read_only else "write", "truncate")
        try:
            with self._faults():
                self._check()
                if not read_only:  # so that a file one can only read is found out now
                    with transaction(self._db, path):
                        self._db.execute("UPDATE state SET floor = floor")
        except StoreError:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def last_presented(self, pass_id: bytes) -> int | None:
        """iat of the last accepted presentation; the floor when there is no row; None when there is no floor either.

        Raises:
            StoreError: The file cannot be read.
        """
        with self._lock, self._faults():
            return self._last(pass_id)

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        """Durably record the presentation if it is strictly newer than the last; see ports.services.ReplayMemory.

        Args:
            pass_id: The pass's cti, 16 bytes.
            issued_at: iat of the presentation, seconds since the epoch.
            expires_at: Until when the row matters: the pass's exp, or the presentation's own end (issued_at + ttl). The row
                is kept a while longer.

        Raises:
            StoreError: The row could not be made durable; the door must stay shut.
        """
        with self._lock, self._faults():
            self._require_same_file()
            with transaction(self._db, self._path):
                last = self._last(pass_id)
                if last is not None and issued_at <= last:
                    return False
                self._db.execute(
                    "INSERT INTO presented VALUES (?, ?, ?) ON CONFLICT (pass_id) DO UPDATE SET issued_at = excluded.issued_at, expires_at = excluded.expires_at",
                    (pass_id, issued_at, expires_at),
                )
                self._forget("WHERE expires_at < ? ORDER BY expires_at LIMIT ?", issued_at - KEEP_AFTER_EXPIRY_S, _BATCH)
                self._bound()
        return True

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _last(self, pass_id: bytes) -> int | None:
        row = self._db.execute("SELECT coalesce((SELECT issued_at FROM presented WHERE pass_id = ?), floor) FROM state", (pass_id,)).fetchone()
        if row is None:
            raise self._fault("has lost its state row", _DAMAGED)
        last: int | None = row[0]
        return last

    def _bound(self) -> None:
        """Keep to `max_passes`. Counting walks a whole index (milliseconds), so it waits until the room found last time is used up."""
        self._room -= 1
        if self._room > 0:
            return
        rows = self._db.execute("SELECT count(*) FROM presented").fetchone()[0]
        if rows > self._max_passes:
            # Some more than the surplus goes, or the next claim would have to count again.
            surplus = rows - self._max_passes + min(self._max_passes // 64, _BATCH)
            self._forget("ORDER BY issued_at LIMIT ?", surplus)
            rows -= surplus
        # Other processes may claim, too: their rows are found when the room is counted again.
        self._room = min(self._max_passes - rows, _BATCH)

    def _forget(self, which: str, *bounds: int) -> None:
        """Drop rows; from now on the floor speaks for them."""
        rows = self._db.execute(f"SELECT rowid, issued_at FROM presented {which}", bounds).fetchall()  # noqa: S608 - one of two literals
        if not rows:
            return
        self._db.execute("UPDATE state SET floor = max(coalesce(floor, ?1), ?1)", (max(issued_at for _, issued_at in rows),))
        self._db.executemany("DELETE FROM presented WHERE rowid = ?", [(rowid,) for rowid, _ in rows])

    def _existing(self) -> tuple[int, int]:
        """The file's device and inode."""
        status = self._path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise self._fault("is not a regular file", "name a file in the configuration")
        if status.st_size == 0:  # SQLite would take it for a new database: a memory that forgot everything
            raise self._fault("is empty: it was truncated", _DAMAGED)
        return status.st_dev, status.st_ino

    def _create(self, blind_until: int | None) -> None:
        """Build the file under another name and link it into place, so that no half-made one is ever found."""
        journal = self._path.with_name(self._path.name + "-journal")
        if journal.exists() and journal.stat().st_size > 0:
            raise self._fault("is gone but its journal is there", f"restore it, or move {journal.name} aside")
        draft = self._path.with_name(self._path.name + ".new")
        _remove(draft)  # left by a start that was killed
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with contextlib.closing(connect(draft, _WHAT, "write", "truncate")) as db, transaction(db):
                for statement in _SCHEMA:
                    db.execute(statement)
                db.execute("INSERT INTO state VALUES (1, ?)", (blind_until,))
            os.link(draft, self._path)
        finally:
            _remove(draft)
        sync(self._path.parent)

    def _check(self) -> None:
        """Refuse what is not a sound replay memory."""
        if (self._pragma("application_id"), self._pragma("user_version")) != (_APPLICATION_ID, _SCHEMA_VERSION):
            raise self._fault("is not a replay memory of this version", "give it a path of its own, or move the file aside")
        if self._pragma("integrity_check(1)") != "ok":
            raise self._fault("fails SQLite's integrity check", _DAMAGED)
        self._last(bytes(16))

    def _pragma(self, name: str) -> object:
        value: object = self._db.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    def _require_same_file(self) -> None:
        """A claim into a file that was deleted or replaced under us would be forgotten at the next start."""
        status = self._path.stat()
        if (status.st_dev, status.st_ino) != self._identity:
            raise self._fault("was replaced while in use", "restart the controller")

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            with store_errors(self._path, _WHAT):
                yield
        except StoreError as error:
            cause = getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF
            if cause in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):  # a restored backup would have forgotten claims
                raise self._fault("the file is damaged", _DAMAGED) from error
            raise
        except OSError as error:
            raise self._fault(error.strerror or type(error).__name__, "check the path, its permissions and the disk") from error

    def _fault(self, how: str, remedy: str) -> StoreError:
        return store_error(self._path, _WHAT, how, remedy)


def _remove(path: Path) -> None:
    """Remove a database with its journal; a journal left alone would be rolled back into the next file of that name."""
    path.unlink(missing_ok=True)
    path.with_name(path.name + "-journal").unlink(missing_ok=True)
