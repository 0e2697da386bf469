"""The journal as the gate writes it (ports.services.Journal).

Does not keep Merkle checkpoints and does not send anything anywhere. One process writes: a second one would end the first
one's crossing as interrupted, so it is refused by a lock that the operating system releases however the process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.journal import rows, schema
from gate_controller.ports import sqlite

WHAT = "journal"


class SqliteJournal:
    """Append-only journal. Every call that returned survives a power cut. Safe to use from several threads.

    Args:
        path: The database; made when it is missing, in a directory that exists. `PATH.lock` lies beside it.

    Raises:
        StoreError: Not permitted, disk full, damaged, not a journal, of another version, or another process writes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._lock_file = _lock(path)
        try:
            if not os.path.lexists(path):
                _create(path)
            self._connection = sqlite.connect(path, WHAT, "write")
            try:
                check_schema(self._connection, path)
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
        with self._writing():
            if self._has(schema.HAS_ADMISSION, crossing_id) or self._has(schema.HAS_OUTCOME, crossing_id):
                raise sqlite.store_error(self._path, WHAT, "a crossing was to be admitted a second time", "a bug: crossing ids must not repeat")
            self._connection.execute(schema.APPEND, row)

    def record(self, record: CrossingRecord, wall: float) -> None:
        """See ports.services.Journal.

        Raises:
            StoreError: It could not be made durable, or the crossing has an outcome already, which stands.
        """
        row = rows.crossing(record, wall)
        with self._writing():
            if self._has(schema.HAS_OUTCOME, record.crossing_id):
                raise sqlite.store_error(self._path, WHAT, "a crossing was to get a second outcome", "the first one stands")
            self._connection.execute(schema.APPEND, row)

    def event(self, kind: str, fields: dict[str, str], wall: float) -> None:
        """See ports.services.Journal. Names are like_this; a text beyond 1000 characters is cut.

        Raises:
            StoreError: It could not be made durable.
        """
        row = rows.event(kind, fields, wall)
        with self._writing():
            self._connection.execute(schema.APPEND, row)

    def close_open(self, wall: float) -> list[str]:
        """See ports.services.Journal. All of them, or none when it fails.

        Raises:
            StoreError: An admission cannot be read, or its end not be made durable.
        """
        closed = []
        with self._writing():
            for columns in self._connection.execute(schema.OPEN_ADMISSIONS).fetchall():
                admission = _admission(columns, self._path)
                self._connection.execute(schema.APPEND, rows.crossing(admission, wall))
                closed.append(admission.crossing_id)
        return closed

    def close(self) -> None:
        """See ports.services.Journal."""
        with self._guard:
            self._connection.close()
            if self._lock_file >= 0:
                os.close(self._lock_file)
                self._lock_file = -1

    def _has(self, query: str, crossing_id: str) -> bool:
        return self._connection.execute(query, (crossing_id,)).fetchone() is not None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._guard, sqlite.store_errors(self._path, WHAT):
            if self._lock_file >= 0 and _identity(self._path) != self._file:
                raise sqlite.store_error(self._path, WHAT, "the file was moved or replaced while in use", "put it back and restart the gate")
            with sqlite.transaction(self._connection):
                yield


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
        raise sqlite.store_error(path, WHAT, f"version {version}, this program writes {schema.VERSION}", "run the version of the program that made it")


def _create(path: Path) -> None:
    with (
        sqlite.created(path, WHAT) as draft,
        contextlib.closing(sqlite.connect(draft, WHAT, "write")) as connection,
        sqlite.store_errors(path, WHAT),
        sqlite.transaction(connection),
    ):
        for statement in schema.CREATE:
            connection.execute(statement)


def _admission(columns: tuple[int, str, str, str], path: Path) -> CrossingRecord:
    """The crossing that an admission without an outcome becomes."""
    try:
        fields = rows.parse(*columns).body
        issuer, direction, crossing_id = Region(fields["issuer"]), Direction[fields["direction"].upper()], fields["crossing_id"]
        degraded = bool(fields.get("degraded", False))  # rows from before there were degraded decisions lack it
    except (ValueError, KeyError, AttributeError) as error:
        raise sqlite.store_error(path, WHAT, f"row {columns[0]} is damaged", "put the file aside for examination and restart the gate") from error
    return CrossingRecord(
        crossing_id=crossing_id,
        outcome=Outcome.ABORTED,
        reason=Reason.RESTARTED,
        admitted=True,
        issuer=issuer,
        direction=direction,
        authorised=True,
        degraded=degraded,
    )


def _lock(path: Path) -> int:
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    except OSError as error:
        remedy = "the directory must exist and the gate's user must be able to write into it"
        raise sqlite.store_error(path, WHAT, f"{lock.name}: {error.strerror}", remedy) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise sqlite.store_error(path, WHAT, "another process writes it", "end the other gate controller (fuser on the .lock file names it)") from error
    return descriptor


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
