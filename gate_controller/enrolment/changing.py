"""Changes a store in force, all of them or none: what a delta says, or the erasure of one person. A gate may read the store meanwhile.

Every bucket that is touched is first checked against its proof, so a change never vouches for what somebody else changed. Freed pages are
overwritten with zeros (secure_delete) and the log is emptied, so that nothing of a record that is gone stays in the files.
Does not authenticate what it is given: importing.py does.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from gate_controller.enrolment import schema
from gate_controller.enrolment.draft import write_description
from gate_controller.enrolment.keys import MasterKey
from gate_controller.enrolment.manifest import Refused
from gate_controller.enrolment.publication import Entry, PublicationError
from gate_controller.enrolment.store import WHAT, open_data_key, open_record, read_bucket, read_bucket_bits, read_description
from gate_controller.ports import sqlite
from gate_controller.ports.services import EnrolmentRecord

_CACHE_KIB = 65_536
_CHECKPOINT_ATTEMPTS = 3
_BUCKETS_IN_MEMORY = 16_384


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did: records that were new, that replaced an older version, that were there already, and that are gone."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    erased: int = 0


class Change:
    """One transaction on one store. A context manager: leaving it without commit() undoes everything.

    Args:
        path: The store.
        master: The key that opens its data key.

    Attributes:
        description: Which state the store holds.

    Raises:
        StoreError: It cannot be read or written, or another process is changing it.
    """

    def __init__(self, path: Path, master: MasterKey) -> None:
        self._path = path
        self._buckets: dict[int, dict[bytes, schema.Entry]] = {}
        self._counts: Counter[str] = Counter()
        self._connection = sqlite.connect(path, WHAT, "write")
        try:
            with sqlite.store_errors(path, WHAT):
                self._connection.execute("PRAGMA secure_delete=ON").fetchall()
                self._connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}").fetchall()
                self._connection.execute("BEGIN IMMEDIATE")
                self._key = open_data_key(self._connection, path, master)
                self.description = read_description(self._connection, self._key, path)
                self._bits = read_bucket_bits(self._connection, path)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()  # what was not committed is undone

    def apply(self, entries: Iterable[Entry]) -> None:
        """Store and erase records.

        Raises:
            PublicationError: A record is not newer than the one it would replace, and different.
            StoreError: A bucket fails its proof, or the store cannot be written.
        """
        with sqlite.store_errors(self._path, WHAT):
            for entry in entries:
                record_id = self._key.record_id(entry.reference)
                bucket = self._bucket(schema.bucket_of(record_id, self._bits))
                known = bucket.get(record_id)
                if entry.record is None:
                    self._erase(bucket, known)
                else:
                    self._put(bucket, record_id, known, entry, entry.record)

    def commit(self, description: schema.Description) -> tuple[Changed, schema.Description]:
        """Make it durable.

        Args:
            description: Which state the store holds now; its number of records is set here.

        Returns:
            What was done, and the description with its number of records.

        Raises:
            StoreError: It cannot be written.
        """
        counts = self._counts
        done = Changed(counts["added"], counts["updated"], counts["unchanged"], counts["erased"])
        described = replace(description, records=self.description.records + done.added - done.erased)
        with sqlite.store_errors(self._path, WHAT):
            self._write_buckets()
            write_description(self._connection, self._key, described)
            self._connection.execute("COMMIT")
        return done, described

    def empty_log(self) -> None:
        """Bring everything from the write-ahead log into the store, and cut the log to nothing: what was erased may still be in it.

        Raises:
            StoreError: Somebody reads the store without end.
        """
        _empty_log(self._connection, self._path)

    def _bucket(self, number: int) -> dict[bytes, schema.Entry]:
        """A bucket's entries by id, checked when it is first touched."""
        if number not in self._buckets:
            if len(self._buckets) >= _BUCKETS_IN_MEMORY:
                self._write_buckets()
            packed = read_bucket(self._connection, self._key, self._path, self._bits, number)
            self._buckets[number] = {entry.record_id: entry for entry in schema.entries_of(packed)}
        return self._buckets[number]

    def _write_buckets(self) -> None:
        for number, bucket in self._buckets.items():
            packed = b"".join(entry.packed() for entry in bucket.values())
            proof = self._key.prove_bucket(self._bits, number, packed)
            self._connection.execute("UPDATE buckets SET entries = ?, proof = ? WHERE number = ?", (packed, proof, number))
        self._buckets.clear()

    def _put(self, bucket: dict[bytes, schema.Entry], record_id: bytes, known: schema.Entry | None, entry: Entry, record: EnrolmentRecord) -> None:
        if known is not None and record.version <= known.version:
            if record.version == known.version and self._stored(entry.reference, known) == record:
                self._counts["unchanged"] += 1
                return
            msg = f"{self._path}: a record of the delta is not newer than the stored one, and different from it"
            remedy = "nothing was taken: an old record must not come back, and a changed one needs a higher version; tell the region's authority"
            raise PublicationError(msg, remedy, Refused.RECORD_NOT_NEWER)
        sealed = self._key.seal_record(record_id, record.version, entry.plain)
        if known is None:
            row = self._connection.execute("INSERT INTO records(sealed) VALUES (?)", (sealed,)).lastrowid
            assert row is not None
            self._counts["added"] += 1
        else:
            row = known.row
            self._connection.execute("UPDATE records SET sealed = ? WHERE number = ?", (sealed, row))
            self._counts["updated"] += 1
        bucket[record_id] = schema.Entry(record_id, record.version, row)

    def _stored(self, reference: bytes, known: schema.Entry) -> EnrolmentRecord:
        row = self._connection.execute(schema.SELECT_RECORD, (known.row,)).fetchone()
        return open_record(self._key, self._path, reference, known, row[0] if row else None)

    def _erase(self, bucket: dict[bytes, schema.Entry], known: schema.Entry | None) -> None:
        if known is None:
            return
        self._connection.execute("DELETE FROM records WHERE number = ?", (known.row,))
        del bucket[known.record_id]
        self._counts["erased"] += 1


def empty_log(path: Path) -> None:
    """What Change.empty_log() does, after a process that was killed between committing and doing so.

    Raises:
        StoreError: The store cannot be opened, or somebody reads it without end.
    """
    with contextlib.closing(sqlite.connect(path, WHAT, "write")) as connection:
        _empty_log(connection, path)


def _empty_log(connection: sqlite3.Connection, path: Path) -> None:
    with sqlite.store_errors(path, WHAT):
        for _ in range(_CHECKPOINT_ATTEMPTS):
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if not busy:
                return
    what = "is changed, but its log could not be emptied: what was erased or replaced may still be in it, sealed"
    raise sqlite.store_error(path, WHAT, what, "end whatever else reads the store (fuser FILE); the next change empties the log")


def erase(path: Path, master: MasterKey, reference: bytes) -> bool:
    """Erase one person from a store; False when it proves that nobody is enrolled under the reference.

    Raises:
        StoreError: The store cannot be changed.
    """
    with Change(path, master) as change:
        change.apply([Entry(reference, None, b"")])
        done, _ = change.commit(change.description)
        change.empty_log()
    return done.erased == 1
