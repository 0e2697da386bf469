"""Write records into an enrolment store, all of them or none.

Does not fetch or authenticate what it is given: that its source is the authority is settled before. Does not delete:
snapshots, which replace the whole file, do.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate_controller.enrolment import records, schema
from gate_controller.enrolment.data_key import DataKey
from gate_controller.enrolment.keys import MasterKey
from gate_controller.enrolment.store import WHAT, check_bucket, damaged, open_data_key, open_record, read_bucket_bits
from gate_controller.ports import sqlite
from gate_controller.ports.services import EnrolmentRecord

_CACHE_KIB = 262_144  # ids are random, so the index is written all over: keep it in memory (128 MB at 2.8 M records)


_ALL_IDS = "SELECT id, version FROM records ORDER BY id"


@dataclass(frozen=True, slots=True)
class ImportResult:
    """How many records were new, replaced an older version, or were there already."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0


def import_records(path: Path, master: MasterKey, source: Iterable[EnrolmentRecord]) -> ImportResult:
    """Import records, atomically: either all are durable on return, or none. A gate may read the store meanwhile.

    A missing store is made. The records that are there are first checked against their buckets' proofs, so an import
    never vouches for what somebody else changed.

    Args:
        path: The database; its directory must exist.
        master: The key that opens (or, for a new store, wraps) its data key.
        source: The records; an exception it raises undoes the import and passes through.

    Raises:
        StoreError: The store cannot be read or written; or a record is broken, or not newer than the one it would
            replace. A record is named by its place in `source`, never by its content.
    """
    if os.path.lexists(path):
        return _import(path, master, source)
    # A gate that starts meanwhile finds no store, rather than an empty one that knows nobody.
    with sqlite.created(path, WHAT) as draft:
        _create(draft, master)
        return _import(draft, master, source)


def _create(path: Path, master: MasterKey) -> None:
    with contextlib.closing(sqlite.connect(path, WHAT, "write")) as connection, sqlite.store_errors(path, WHAT), sqlite.transaction(connection):
        key = DataKey.generate()
        for statement in schema.CREATE:
            connection.execute(statement)
        connection.execute("INSERT INTO store VALUES (1, ?, ?, ?, ?, 0)", (schema.FORMAT, master.key_id, key.key_id, key.wrap(master)))
        _prove_all(connection, key)


def _import(path: Path, master: MasterKey, source: Iterable[EnrolmentRecord]) -> ImportResult:
    with contextlib.closing(sqlite.connect(path, WHAT, "write")) as connection, sqlite.store_errors(path, WHAT):
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}").fetchall()
        with sqlite.transaction(connection):
            key = open_data_key(connection, path, master)
            _check_all(connection, key, path)
            counts = Counter(_put(connection, key, record, place, path) for place, record in enumerate(source, 1))
            _prove_all(connection, key)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # best effort: a reader may hold it back
    return ImportResult(counts["added"], counts["updated"], counts["unchanged"])


def _put(connection: sqlite3.Connection, key: DataKey, record: EnrolmentRecord, place: int, path: Path) -> Literal["added", "updated", "unchanged"]:
    try:
        plain = records.encode(record)
    except ValueError as error:
        raise sqlite.store_error(path, WHAT, f"record {place} of the import: {error}", "nothing was imported; the source must correct it") from None
    record_id = key.record_id(record.reference)
    row = connection.execute("SELECT rowid, version, sealed FROM records WHERE id = ?", (record_id,)).fetchone()
    sealed = key.seal_record(record_id, record.version, plain)
    if row is None:
        connection.execute("INSERT INTO records VALUES (?, ?, ?)", (record_id, record.version, sealed))
        return "added"
    rowid, version, old = row
    if type(version) is not int:
        raise damaged(path, "a record fails its authentication")
    if record.version > version:
        connection.execute("UPDATE records SET version = ?, sealed = ? WHERE rowid = ?", (record.version, sealed, rowid))
        return "updated"
    if record.version == version and open_record(key, path, record.reference, version, old) == record:
        return "unchanged"
    raise sqlite.store_error(
        path,
        WHAT,
        f"record {place} of the import: not newer than the stored one, and different from it",
        "nothing was imported; an old import must not bring back an old record, and a changed record needs a higher version",
    )


def _check_all(connection: sqlite3.Connection, key: DataKey, path: Path) -> None:
    bits = read_bucket_bits(connection, path)
    proofs = dict(connection.execute("SELECT number, proof FROM buckets"))
    for bucket in schema.by_bucket(connection.execute(_ALL_IDS), bits):
        check_bucket(key, path, bucket, proofs.get(bucket.number))


def _prove_all(connection: sqlite3.Connection, key: DataKey) -> None:
    bits = schema.bucket_bits(connection.execute("SELECT count(*) FROM records").fetchone()[0])
    connection.execute("UPDATE store SET bucket_bits = ?", (bits,))
    connection.execute("DELETE FROM buckets")
    proofs = [(bucket.number, key.prove_bucket(bucket)) for bucket in schema.by_bucket(connection.execute(_ALL_IDS), bits)]
    connection.executemany("INSERT INTO buckets VALUES (?, ?)", proofs)
