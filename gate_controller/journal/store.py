"""The journal as the gate writes it (ports.services.Journal).

Every row becomes a leaf of a hash tree whose root is signed every 100 rows or 60 s (appending.py, notes.py); what was signed last is kept beside the file,
too (last_signed.py). Does not send anything anywhere. One process
writes: a second one would end the first one's crossing as interrupted, so it is refused by a lock that the operating system releases
however the process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.journal import rows, schema
from gate_controller.journal.appending import Batch
from gate_controller.journal.head import EXAMINE, WHAT, found_head
from gate_controller.journal.key_file import signer_beside
from gate_controller.journal.last_signed import LastSigned, last_signed_beside, read_last_signed, write_last_signed
from gate_controller.journal.notes import Signer
from gate_controller.ports import sqlite
from gate_controller.ports.errors import StoreError, StoreHeldError, StoreRefusedError

RETENTION_EVERY_MS = 600_000
RETENTION_ROWS = 1000
"""At most so many rows are looked at each time, so that an admission never waits long for a deletion."""
DAY_MS = 86_400_000


class SqliteJournal:
    """Append-only journal. Every call that returned survives a power cut. Safe to use from several threads.

    Args:
        path: The database; made when it is missing, in a directory that exists. `PATH.lock` and `PATH.last-signed` lie beside it.
        signer: Signs the checkpoints; None: with a key of the journal's own, made and kept beside it (simulations, tests).
        retention_days: Personal bodies are deleted this many days after they were written; None: never.

    Raises:
        StoreError: Not permitted, disk full, damaged, not a journal, of another version or another gate.
        StoreHeldError: Another process writes it.
    """

    def __init__(self, path: Path, signer: Signer | None = None, *, retention_days: int | None = None) -> None:
        self._path = path = path.resolve()  # the lock lies beside the file itself, not beside a link to it
        self._retention_ms = None if retention_days is None else retention_days * DAY_MS
        self._retained_at: int | None = None
        self._guard = threading.Lock()
        self._keeping = threading.Lock()
        self._owed = False
        there_before = os.path.lexists(_lock_beside(path))
        self._lock_file = _lock(path)
        try:
            self._signer = signer_beside(path) if signer is None else signer
            last = read_last_signed(path)  # first of all: it is never ahead of the file
            if not os.path.lexists(path):
                _create(path, self._signer, last)
            sqlite.settle_log(path, WHAT)
            self._connection = sqlite.connect(path, WHAT, "write")
            try:
                check_schema(self._connection, path)
                with sqlite.store_errors(path, WHAT):
                    self._connection.execute("PRAGMA secure_delete=ON").fetchall()  # what retention deletes is overwritten
                    self._head = found_head(self._connection, path, self._signer.key, last)
                self._kept = 0 if last is None else last.size
                self.begun_anew = there_before and self._head.size == 0
                """There was a journal in this place, and nothing of it is here: nobody knows whether somebody was inside."""
                self._file = _identity(path)
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            os.close(self._lock_file)
            raise

    def admit(self, crossing_id: str, issuer: Region, direction: Direction, wall: float, *, degraded: bool = False) -> None:
        """See ports.services.Journal.

        Raises:
            StoreError: It could not be made durable, or the crossing was admitted or ended before.
        """
        row = rows.admission(crossing_id, issuer, direction, wall, degraded=degraded)
        with self._appending() as batch:
            if self._has(schema.HAS_ADMISSION, crossing_id) or self._has(schema.HAS_OUTCOME, crossing_id):
                raise sqlite.store_error(self._path, WHAT, "a crossing was to be admitted a second time", "a bug: crossing ids must not repeat")
            batch.add(row)

    def record(self, record: CrossingRecord, wall: float) -> None:
        """See ports.services.Journal.

        Raises:
            StoreError: It could not be made durable, or the crossing has an outcome already, which stands.
        """
        row = rows.crossing(record, wall)
        with self._appending() as batch:
            if self._has(schema.HAS_OUTCOME, record.crossing_id):
                msg = f"{WHAT} {self._path}: a crossing was to get a second outcome"
                raise StoreRefusedError(msg, "the first one stands")
            batch.add(row)

    def trace(self, crossing_id: str, what: Mapping[str, Any], wall: float) -> None:
        """See ports.services.Journal.

        Raises:
            StoreError: It could not be made durable, or the crossing has a trace already.
        """
        self._append(rows.trace(crossing_id, what, wall))

    def event(self, kind: str, fields: dict[str, str], wall: float) -> None:
        """See ports.services.Journal. Names are like_this; a text beyond 1000 characters is cut.

        Raises:
            StoreError: It could not be made durable.
        """
        self._append(rows.event(kind, fields, wall))

    def close_open(self, wall: float, direction: Direction) -> list[str]:
        """See ports.services.Journal. All of them and the note that the lane is latched, or none when it fails.

        Raises:
            StoreError: An admission or an act cannot be read, or its end not be made durable.
        """
        closed = []
        with self._appending() as batch:
            admitted = [_cut_short(columns, self._connection, self._path) for columns in self._connection.execute(schema.OPEN_ADMISSIONS).fetchall()]
            for cut_short in (*admitted, *_cut_short_by_hand(self._connection.execute(schema.OPEN_BY_HAND).fetchall(), direction)):
                batch.add(rows.crossing(cut_short, wall))
                closed.append(cut_short.crossing_id)
            if closed:
                batch.add(rows.event("latched", {"reason": Reason.RESTARTED.code}, wall))
        return closed

    def tend(self, wall: float) -> None:
        """See ports.services.Journal: a checkpoint if one is due, what was signed last beside the file, and what retention asks for, a piece at a time.

        Raises:
            StoreError: It could not be made durable.
        """
        wall_ms = round(wall * 1000)
        with self._guard:
            unsigned = self._head.size > self._head.signed
        if unsigned:
            with self._appending() as batch:
                batch.sign_if_due(wall_ms)
        self._keep_last_signed()
        due = self._retained_at is None or abs(wall_ms - self._retained_at) >= RETENTION_EVERY_MS
        if self._retention_ms is not None and due and not self._forget(wall_ms - self._retention_ms, wall):
            self._retained_at = wall_ms

    def close(self) -> None:
        """See ports.services.Journal. Signs what is not signed yet, where that is still possible."""
        self._owed = False
        with contextlib.suppress(StoreError):
            with self._appending() as batch:
                batch.sign()
            self._keep_last_signed()
        with self._guard:
            self._connection.close()
            if self._lock_file >= 0:
                os.close(self._lock_file)
                self._lock_file = -1

    def _append(self, row: rows.Row) -> None:
        with self._appending() as batch:
            batch.add(row)

    def _has(self, query: str, crossing_id: str) -> bool:
        return self._connection.execute(query, (crossing_id,)).fetchone() is not None

    def _forget(self, before_ms: int, wall: float) -> bool:
        """Delete the personal bodies of the oldest rows that are from before that time; False when there are none left."""
        with self._guard, sqlite.store_errors(self._path, WHAT):
            begin = deleted_through(self._connection)
            found = self._connection.execute(schema.OLDEST, (begin, RETENTION_ROWS)).fetchall()
        through = max((number for number, personal in _while_before(found, before_ms) if personal), default=None)
        if through is None:
            return False
        with self._appending() as batch:
            batch.add(rows.event(schema.DELETED, {"through": str(through)}, wall))
            self._connection.execute(schema.APPEND_DELETION, (through,))
            self._connection.execute(
                "DELETE FROM contents WHERE id > ? AND id <= ? AND (SELECT personal FROM entries WHERE entries.id = contents.id)", (begin, through)
            )
            batch.sign()  # so that an export can always prove the row that says so
        with self._guard, sqlite.store_errors(self._path, WHAT):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # the log holds the old pages, too
        return True

    @contextlib.contextmanager
    def _appending(self) -> Iterator[Batch]:
        """A transaction; the head moves on only once it is durable."""
        if self._owed:  # else a journal that is lost for that would be found again by its next row, and lost again, each second
            self._keep_last_signed()
        with self._guard, sqlite.store_errors(self._path, WHAT):
            self._require_same_file()
            with sqlite.transaction(self._connection):
                batch = Batch(self._connection, self._head.copy(), self._signer)
                yield batch
                batch.sign_if_due(batch.head.latest_ms)
            self._head = batch.head

    def _require_same_file(self) -> None:
        if self._lock_file >= 0 and _identity(self._path) != self._file:
            raise sqlite.store_error(self._path, WHAT, "the file was moved or replaced while in use", "put it back and restart the gate")

    def _keep_last_signed(self) -> None:
        """Write the newest checkpoint beside the file, where it is not there yet. Never while a row waits: that costs three more syncs."""
        with self._keeping:
            with self._guard, sqlite.store_errors(self._path, WHAT):
                signed, signed_ms = self._head.signed, self._head.signed_ms
                if signed == self._kept:
                    return
                self._require_same_file()
                note = self._connection.execute("SELECT note FROM checkpoints WHERE size = ?", (signed,)).fetchone()[0]
            self._owed = True
            write_last_signed(self._path, LastSigned(note, signed, signed_ms))
            self._kept, self._owed = signed, False


def deleted_through(connection: sqlite3.Connection) -> int:
    """The row up to which personal bodies are deleted, by the last event that says so; 0 when there is none."""
    found = connection.execute(schema.LAST_DELETION, (schema.EVERY_ROW,)).fetchone()
    return 0 if found is None else through_of(found)


def through_of(deletion: tuple[Any, ...]) -> int:
    """The row up to which personal bodies are deleted, by that event, as schema.COLUMNS gives it; ValueError if it does not say."""
    try:
        return int(json.loads(deletion[-1])["fields"]["through"])
    except (KeyError, TypeError) as error:
        raise ValueError("the last deletion cannot be read") from error


def _while_before(found: list[tuple[int, int, int, int]], before_ms: int) -> Iterator[tuple[int, int]]:
    """Number and personal of the rows that are from before that time, up to the first one that a restart needs to read: of somebody who may be inside."""
    for number, wall_ms, personal, inside in found:
        if wall_ms >= before_ms or inside:
            return
        yield number, personal


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what is not a journal of this version.

    Raises:
        StoreError: It is not.
    """
    with sqlite.store_errors(path, WHAT):
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id != schema.APPLICATION_ID:
        raise sqlite.store_error(path, WHAT, "the file is not a journal", "is the path in [journal] right? an emptied journal must be restored")
    if version != schema.VERSION:
        remedy = "put it aside, it stays readable with the program that made it; a new one is made at the start"
        raise sqlite.store_error(path, WHAT, f"version {version}, this program writes {schema.VERSION}", remedy)


def _create(path: Path, signer: Signer, last: LastSigned | None) -> None:
    if last is not None:
        how = f"is gone, of which {last.size} rows were signed, the last of {last.at()}"
        raise sqlite.store_error(path, WHAT, how, f"restore it; if it was put aside, put {last_signed_beside(path).name} there, too")
    with (
        sqlite.created(path, WHAT) as draft,
        contextlib.closing(sqlite.connect(draft, WHAT, "write")) as connection,
        sqlite.store_errors(path, WHAT),
        sqlite.transaction(connection),
    ):
        for statement in schema.CREATE:
            connection.execute(statement)
        connection.execute("INSERT INTO identity VALUES (1, ?)", (str(signer.key),))


def _cut_short(columns: tuple[Any, ...], connection: sqlite3.Connection, path: Path) -> CrossingRecord:
    """The crossing that an admission without an outcome becomes, with what is known of it."""
    number = columns[0]
    try:
        fields = rows.entry_of(columns).body
        issuer, direction, crossing_id = Region(fields["issuer"]), Direction[fields["direction"].upper()], fields["crossing_id"]
        degraded = bool(fields["degraded"])
    except (ValueError, KeyError) as error:
        raise sqlite.store_error(path, WHAT, f"row {number} is damaged", EXAMINE) from error
    act = connection.execute(schema.OFFICER_ACTS, (number, crossing_id)).fetchone()
    officer = json.loads(act[0])["fields"] if act else {}
    return CrossingRecord(
        crossing_id=crossing_id,
        outcome=Outcome.ABORTED,
        reason=Reason.RESTARTED,
        admitted=True,
        issuer=issuer,
        direction=direction,
        authorised=True,
        degraded=degraded,
        officer=officer.get("identity"),
        officer_reason=officer.get("reason"),
    )


def _cut_short_by_hand(acts: list[tuple[int, str]], direction: Direction) -> list[CrossingRecord]:
    """The crossings that are known from an officer's act alone; the newest act on each counts."""
    fields = [json.loads(body)["fields"] for _, body in acts]
    newest = {act["crossing_id"]: act for act in reversed(fields)}
    return [
        CrossingRecord(
            crossing_id=crossing_id,
            outcome=Outcome.ABORTED,
            reason=Reason.RESTARTED,
            admitted=False,
            issuer=None,
            direction=direction,
            officer=act.get("identity"),
            officer_reason=act.get("reason"),
        )
        for crossing_id, act in newest.items()
    ]


def _lock_beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _lock(path: Path) -> int:
    lock = _lock_beside(path)
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    except OSError as error:
        remedy = "the directory must exist and the gate's user must be able to write into it"
        raise sqlite.store_error(path, WHAT, f"{lock.name}: {error.strerror}", remedy) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        msg = f"{WHAT} {path}: another process writes it"
        raise StoreHeldError(msg, "end the other gate controller (fuser on the .lock file names it)") from error
    return descriptor


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
