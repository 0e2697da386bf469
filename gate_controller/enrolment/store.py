"""One region's enrolments as the lane reads them: SQLite, records sealed with XChaCha20-Poly1305, every answer authenticated.

Does not write, does not know other regions (enrolments.py does) and does not judge records (the core does). A fault, a tampered or lost record, or a
wrong key raises StoreError; None means proved absent.
"""

from __future__ import annotations

import contextlib
import hmac
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from gate_controller.core.values import Region
from gate_controller.enrolment import records, schema
from gate_controller.enrolment.data_key import DataKey
from gate_controller.enrolment.keys import MasterKey
from gate_controller.enrolment.sorting import in_order_of
from gate_controller.ports import sqlite
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord

WHAT = "enrolment store"
_CACHE_KIB = 8192  # the inner pages of a full store, and no more: a process with two stores should not grow by them
REIMPORT = "import the enrolments with this version of the program"
RESTORE = "import the region's newest snapshot and deltas again: gatectl enrolment import --restore FILE...; check the disk, and who can write to the file"


class SealedStore:
    """Enrolment records of one region by reference. Safe to use from several threads.

    Args:
        path: The database.
        region: Whose enrolments it must hold.
        master: The key that opens its data key.

    Attributes:
        path: The database.
        description: Which state it held when it was opened; a delta may have been applied since.

    Raises:
        StoreError: Missing, not permitted, damaged, not finished, of another format, or sealed under another master key, or another region's.
    """

    def __init__(self, path: Path, region: Region, master: MasterKey) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection = sqlite.connect(path, WHAT, "write")  # WAL shares its index through a file, so reading writes too
        try:
            with sqlite.store_errors(path, WHAT):
                self._connection.execute("PRAGMA query_only=ON").fetchall()
                self._connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}").fetchall()
                self._key = open_data_key(self._connection, path, master)
                self._bits = read_bucket_bits(self._connection, path)
                self.description = read_description(self._connection, self._key, path, region)
        except BaseException:
            self._connection.close()
            raise

    def find(self, reference: bytes) -> EnrolmentRecord | None:
        """See ports.services.EnrolmentStore. One look into the reference's bucket proves both presence and absence."""
        record_id = self._key.record_id(reference)
        with self._lock:
            try:
                found = self._sealed(record_id)
            except sqlite.SQLITE_ERRORS as error:
                raise sqlite.translated(error, self.path, WHAT) from error
        if found is None:
            return None
        entry, sealed = found
        return open_record(self._key, self.path, reference, entry, sealed)

    def holds(self, reference: bytes) -> bool:
        """Whether the store has a record under the reference; the record itself is not looked at."""
        record_id = self._key.record_id(reference)
        with self._lock, sqlite.store_errors(self.path, WHAT):
            bucket = read_bucket(self._connection, self._key, self.path, self._bits, schema.bucket_of(record_id, self._bits))
        return schema.find_entry(bucket, record_id) is not None

    def described(self) -> schema.Description:
        """Which state it holds now.

        Raises:
            StoreError: Its description fails its authentication, or the store cannot be read.
        """
        with self._lock, sqlite.store_errors(self.path, WHAT):
            return read_description(self._connection, self._key, self.path, self.description.region)

    def _sealed(self, record_id: bytes) -> tuple[schema.Entry, bytes | None] | None:
        """Entry and sealed record of an id, in one state of the store: a change may commit beside it."""
        connection = self._connection
        connection.execute("BEGIN")
        try:
            bucket = read_bucket(connection, self._key, self.path, self._bits, schema.bucket_of(record_id, self._bits))
            entry = schema.find_entry(bucket, record_id)
            if entry is None:
                return None
            row = connection.execute(schema.SELECT_RECORD, (entry.row,)).fetchone()
            return entry, row[0] if row else None
        finally:
            connection.execute("ROLLBACK")

    @property
    def key_id(self) -> bytes:
        """8 bytes that name the data key."""
        return self._key.key_id

    def record_id(self, reference: bytes) -> bytes:
        """The id under which a reference's record stands."""
        return self._key.record_id(reference)

    def damaged(self, how: str) -> StoreError:
        """The error of a store that was damaged or tampered with."""
        return damaged(self.path, how)

    def every(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Id, version and plain bytes of every record, in the order of the file; every bucket is proved first. One state of the store throughout.

        Raises:
            StoreError: A bucket or a record fails its proof, or there are others.
        """
        with self._lock, sqlite.store_errors(self.path, WHAT), _snapshot(self._connection):
            entries = read_all(self._connection, self._key, self.path)
            by_row = iter(in_order_of(entries, "row"))
            for row, sealed in self._connection.execute("SELECT number, sealed FROM records ORDER BY number"):
                entry = next(by_row, None)
                plain = self._key.open_record(entry.record_id, entry.version, sealed) if entry and entry.row == row and type(sealed) is bytes else None
                if plain is None or entry is None:
                    raise damaged(self.path, "a record fails its authentication")
                yield entry.record_id, entry.version, plain
            if next(by_row, None) is not None:
                raise damaged(self.path, "a record is gone")

    def close(self) -> None:
        """See ports.services.EnrolmentStore."""
        with self._lock:
            self._connection.close()


def open_data_key(connection: sqlite3.Connection, path: Path, master: MasterKey) -> DataKey:
    """Unwrap the store's data key.

    Raises:
        StoreError: Not an enrolment store, of another format, under another master key, or the wrapped key is damaged.
    """
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    if application_id != schema.APPLICATION_ID:
        raise sqlite.store_error(path, WHAT, "the file is not an enrolment store", "is the path in [enrolment] right?")
    row = connection.execute("SELECT format, master_key_id, key_id, wrapped_key FROM store").fetchone()
    if row is None:
        raise damaged(path, "its own description is missing")
    number, master_key_id, key_id, wrapped = row
    if not all(type(column) is bytes for column in (master_key_id, key_id, wrapped)):
        raise damaged(path, "its own description fails its authentication")
    if number != schema.FORMAT:
        raise sqlite.store_error(path, WHAT, f"format {number}, this program reads {schema.FORMAT}", REIMPORT)
    if master_key_id != master.key_id:
        raise sqlite.store_error(
            path,
            WHAT,
            f"sealed under another master key than {master.source}",
            "give the gate the master key the store was imported with, or import the enrolments again under this one",
        )
    key = DataKey.unwrap(wrapped, key_id, master)
    if key is None:
        raise damaged(path, "its data key fails its authentication")
    return key


def open_record(key: DataKey, path: Path, reference: bytes, entry: schema.Entry, sealed: bytes | None) -> EnrolmentRecord:
    """Unseal and decode the record of `reference`, whose entry is `entry`.

    Raises:
        StoreError: It fails its authentication, or is not the record of `reference`.
    """
    plain = key.open_record(entry.record_id, entry.version, sealed) if type(sealed) is bytes else None
    if plain is None:
        raise damaged(path, "a record fails its authentication")
    try:
        record = records.decode_own(plain)
    except ValueError as error:
        raise sqlite.store_error(path, WHAT, str(error), REIMPORT) from None
    if record.reference != reference or record.version != entry.version:
        raise damaged(path, "a record stands under another's id")
    return record


def damaged(path: Path, how: str) -> StoreError:
    """The error of a store that was damaged or tampered with."""
    return sqlite.store_error(path, WHAT, f"damaged or tampered with: {how}", RESTORE)


def read_description(connection: sqlite3.Connection, key: DataKey, path: Path, wanted: Region | None = None) -> schema.Description:
    """Which state the store holds.

    Raises:
        StoreError: It is not finished, its description fails its authentication, or it is another region's than `wanted`.
    """
    row = connection.execute("SELECT region, snapshot, delta, issued_at, records, publication, proof FROM store").fetchone()
    if row is not None and row[0] == "":
        raise sqlite.store_error(path, WHAT, "is not finished", "import again")
    try:
        region, snapshot, delta, issued_at, records_, publication, proof = row
        description = schema.Description(Region(region), snapshot, delta, issued_at, records_, publication)
        proved = hmac.compare_digest(proof, key.prove_description(description))
    except (TypeError, ValueError, AttributeError, OverflowError):  # columns of other types than were written
        proved = False
    if not proved:
        raise damaged(path, "its own description fails its authentication")
    if wanted is not None and description.region is not wanted:
        raise damaged(path, f"it holds the enrolments of {description.region.value}")
    return description


def read_bucket_bits(connection: sqlite3.Connection, path: Path) -> int:
    """Bits of an id that number its bucket; they stay what they are as long as the store lives."""
    row = connection.execute("SELECT bucket_bits FROM store").fetchone()
    bits = row[0] if row else None
    if type(bits) is not int or not 0 <= bits <= schema.MAX_BUCKET_BITS:
        raise damaged(path, "its own description fails its authentication")
    return bits


def read_bucket(connection: sqlite3.Connection, key: DataKey, path: Path, bits: int, number: int) -> bytes:
    """The packed entries of one bucket, proved.

    Raises:
        StoreError: The bucket's proof fails.
    """
    row = connection.execute(schema.SELECT_BUCKET, (number,)).fetchone()
    if row is None:
        raise damaged(path, "its list of records fails its authentication")
    entries, proof = row
    if type(entries) is not bytes or type(proof) is not bytes or not hmac.compare_digest(proof, key.prove_bucket(bits, number, entries)):
        raise damaged(path, "its list of records fails its authentication")
    return entries


def read_all(connection: sqlite3.Connection, key: DataKey, path: Path) -> bytes:
    """The packed entries of every bucket, all proved: 48 bytes a record in memory.

    Raises:
        StoreError: A bucket's proof fails, or a bucket is missing.
    """
    bits = read_bucket_bits(connection, path)
    return b"".join(read_bucket(connection, key, path, bits, number) for number in range(1 << bits))


@contextlib.contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """One state of the store for several queries, while an import may commit beside them."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
