"""A store being built: records come in chunk by chunk, and only a finished one can answer.

Killed, it can go on: what was committed is taken up again if each chunk's rows still have their proof, else it begins anew. Does not put
the store into force (directory.py does) and does not know where records come from.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from gate_controller.enrolment import schema
from gate_controller.enrolment.data_key import DataKey
from gate_controller.enrolment.keys import MasterKey
from gate_controller.enrolment.sorting import into_buckets
from gate_controller.enrolment.store import WHAT, open_data_key, read_all, read_description
from gate_controller.ports import sqlite
from gate_controller.ports.errors import StoreError

COMMIT_CHUNKS = 32
"""A kill loses at most this many chunks' work: 32 MiB."""
_CACHE_KIB = 65_536


class Sealable(NamedTuple):
    """A record to be stored: its reference (16 bytes), its version, and its bytes."""

    reference: bytes
    version: int
    plain: bytes


class Draft:
    """A store that is not in force. A context manager; leaving it keeps what was committed.

    Args:
        path: The store's final name.
        master: Wraps its data key.
        publication: BLAKE2b-256 of the front of what it is built from: only the same publication goes on with it.

    Attributes:
        next_chunk: Number of the first chunk that is not in it.
        finished: Whether it is complete already.
    """

    def __init__(self, path: Path, master: MasterKey, publication: bytes) -> None:
        self._path = path
        self._publication = publication
        self.next_chunk = 0
        self.finished = False
        self._last_row = 0
        self._connection: sqlite3.Connection | None = None
        if path.exists():
            try:
                self._take_up(master)
            except StoreError:
                self._close()  # whatever is wrong with it: it is only half a store, and its source is at hand
        if self._connection is None:
            self._begin(master)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def add(self, chunk: int, entries: Iterable[Sealable]) -> None:
        """Store the records of the next chunk.

        Raises:
            StoreError: It cannot be written.
        """
        assert chunk == self.next_chunk
        key = self._key
        rows: list[tuple[int, bytes]] = []
        packed: list[bytes] = []
        for row, (reference, version, plain) in enumerate(entries, self._last_row + 1):
            record_id = key.record_id(reference)
            rows.append((row, key.seal_record(record_id, version, plain)))
            packed.append(schema.Entry(record_id, version, row).packed())
        listed = b"".join(packed)
        with self._faults() as connection:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO records VALUES (?, ?)", rows)
            connection.execute("INSERT INTO staged VALUES (?, ?, ?)", (chunk, listed, key.prove_staged(self._publication, chunk, listed)))
            self._last_row += len(rows)
            self.next_chunk += 1
            if self.next_chunk % COMMIT_CHUNKS == 0:
                connection.execute("COMMIT")

    def finish(self, describe: Callable[[int], schema.Description]) -> schema.Description:
        """Sort the ids into buckets, prove each, describe the store; from then on it can answer.

        Args:
            describe: Gives the description, told the number of records.

        Raises:
            StoreError: It cannot be written, or one reference is in it twice.
        """
        with self._faults() as connection:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            packed = b"".join(self._staged(connection))
            records = len(packed) // schema.ENTRY_BYTES
            bits = schema.bucket_bits(records)
            try:
                for number, entries in into_buckets(packed, bits):
                    connection.execute("INSERT INTO buckets VALUES (?, ?, ?)", (number, entries, self._key.prove_bucket(bits, number, entries)))
            except ValueError as error:
                raise sqlite.store_error(self._path, WHAT, str(error), "nothing was imported; the source must correct it") from None
            connection.execute("DROP TABLE staged")
            description = describe(records)
            connection.execute("UPDATE store SET bucket_bits = ?", (bits,))
            write_description(connection, self._key, description)
            connection.execute("COMMIT")
        self._close()
        # Until now a rollback journal: with a write-ahead log every page would be written twice.
        sqlite.connect(self._path, WHAT, "write").close()
        return description

    def _begin(self, master: MasterKey) -> None:
        with _file_errors(self._path):
            for suffix in ("", "-wal", "-shm", "-journal"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._open()
        self._key = key = DataKey.generate()
        self.next_chunk = self._last_row = 0
        with self._faults() as connection, sqlite.transaction(connection):
            for statement in schema.CREATE:
                connection.execute(statement)
            # No region: a store that is not finished holds no state that anybody could take for one.
            row = (schema.FORMAT, master.key_id, key.key_id, key.wrap(master), 0, "", 0, 0, 0, 0, self._publication, b"")
            connection.execute("INSERT INTO store VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _take_up(self, master: MasterKey) -> None:
        self._open()
        with self._faults() as connection:
            self._key = open_data_key(connection, self._path, master)
            if connection.execute("SELECT publication FROM store").fetchone()[0] != self._publication:
                raise self._disbelieved()
            if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'staged'").fetchone()[0]:
                read_description(connection, self._key, self._path)
                read_all(connection, self._key, self._path)
                self.finished = True
                return
            chunks = list(self._staged(connection))
            self.next_chunk, self._last_row = len(chunks), sum(map(len, chunks)) // schema.ENTRY_BYTES
            if connection.execute("SELECT max(number) FROM records").fetchone()[0] != (self._last_row or None):
                raise self._disbelieved()

    def _staged(self, connection: sqlite3.Connection) -> Iterator[bytes]:
        """The packed entries of each chunk that is there, proved; their rows ascend from 1."""
        row = 0
        for chunk, (number, listed, proof) in enumerate(connection.execute("SELECT chunk, entries, proof FROM staged ORDER BY chunk")):
            if number != chunk or not hmac.compare_digest(proof, self._key.prove_staged(self._publication, chunk, listed)):
                raise self._disbelieved()
            if listed and schema.entries_of(listed)[0].row != row + 1:
                raise self._disbelieved()
            row += len(listed) // schema.ENTRY_BYTES
            yield listed

    def _disbelieved(self) -> StoreError:
        return sqlite.store_error(self._path, WHAT, "is not what an import left here", "import again")

    def _open(self) -> None:
        self._connection = connection = sqlite.connect(self._path, WHAT, "write", "truncate")
        with self._faults():
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}").fetchall()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def _faults(self) -> Iterator[sqlite3.Connection]:
        assert self._connection is not None
        with sqlite.store_errors(self._path, WHAT):
            yield self._connection


def write_description(connection: sqlite3.Connection, key: DataKey, description: schema.Description) -> None:
    """Write which state the store holds, with its proof; within the caller's transaction."""
    connection.execute(
        "UPDATE store SET region = ?, snapshot = ?, delta = ?, issued_at = ?, records = ?, publication = ?, proof = ?",
        (
            description.region.value,
            description.snapshot,
            description.delta,
            description.issued_at,
            description.records,
            description.publication,
            key.prove_description(description),
        ),
    )


@contextlib.contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise sqlite.store_error(path, WHAT, error.strerror or type(error).__name__, "check the path, its permissions and the disk") from error
