"""Tables of one region's enrolments, and how ids fall into buckets. Does not know keys.

    store    one row: format, the ids of its two keys, the wrapped data key, how many bits of an id number its bucket;
             which snapshot and delta of which region it holds, and a proof (keyed hash) of that
    records  sealed records, by row
    buckets  all whose ids (keyed hash of the enrolment reference) begin with the same bits: id, version and row of each, and a proof (keyed hash) of that
    staged   while a snapshot is being imported: id, version and row of each record of a chunk, and a proof (keyed hash) of that

Buckets exist so that "not found" is as well proved as "found", by reading one row: a lost row, a damaged page, a record rolled back to an
older version or deleted by hand makes the bucket's proof or the record's fail, which is a fault and never an answer. What they do not show
is the whole file, or a bucket with its proof and its records, put back to an older state.

`records` is an ordinary rowid table: sealed records of kilobytes inside a WITHOUT ROWID tree made the file 3.4 times larger. Ids are in the
buckets alone, so that a look-up reads two rows and an import sorts ids in memory instead of building an index.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from gate_controller.core.values import Region

APPLICATION_ID = 0x45434845  # "ECHE"
FORMAT = 3
ID_BYTES = 32
MAX_BUCKET_BITS = 20
MAX_VERSION = 2**53
_ENTRIES_PER_BUCKET = 8
_ENTRY = struct.Struct(f">{ID_BYTES}sQQ")
ENTRY_BYTES = _ENTRY.size
"""Of an entry in a bucket: id, version and row, numbers in network order."""

CREATE = (
    f"PRAGMA application_id={APPLICATION_ID}",
    """CREATE TABLE store(
    one INTEGER PRIMARY KEY CHECK (one = 1),
    format INTEGER NOT NULL,
    master_key_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    wrapped_key BLOB NOT NULL,
    bucket_bits INTEGER NOT NULL,
    region TEXT NOT NULL,
    snapshot INTEGER NOT NULL,
    delta INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    records INTEGER NOT NULL,
    publication BLOB NOT NULL,
    proof BLOB NOT NULL
) STRICT""",
    "CREATE TABLE records(number INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT",
    "CREATE TABLE buckets(number INTEGER PRIMARY KEY, entries BLOB NOT NULL, proof BLOB NOT NULL) STRICT",
    "CREATE TABLE staged(chunk INTEGER PRIMARY KEY, entries BLOB NOT NULL, proof BLOB NOT NULL) STRICT",
)
SELECT_BUCKET = "SELECT entries, proof FROM buckets WHERE number = ?"
SELECT_RECORD = "SELECT sealed FROM records WHERE number = ?"


class Entry(NamedTuple):
    """What a bucket has for one record: its id (32 bytes), its version, and its row."""

    record_id: bytes
    version: int
    row: int

    def packed(self) -> bytes:
        """As it stands in a bucket."""
        return _ENTRY.pack(*self)


@dataclass(frozen=True, slots=True)
class Description:
    """Which state of which region's enrolments a store holds.

    Attributes:
        region: Whose enrolments.
        snapshot: Number of the snapshot they began with, from 1.
        delta: Number of the last delta applied to it; 0: none.
        issued_at: When the region issued the newer of the two, seconds since the epoch.
        records: How many there are.
        publication: BLAKE2b-256 of the front of the newer of the two; 32 zero bytes when it was not published.
    """

    region: Region
    snapshot: int
    delta: int
    issued_at: int
    records: int
    publication: bytes = bytes(32)

    @property
    def state(self) -> tuple[int, int]:
        """Snapshot and delta: what may only go up."""
        return self.snapshot, self.delta


def bucket_bits(records: int) -> int:
    """Bits of an id that number its bucket, for buckets of about 8 to 16 records: proving one is most of the work of a look-up."""
    return min(MAX_BUCKET_BITS, max(0, (records // _ENTRIES_PER_BUCKET).bit_length() - 1))


def bucket_of(record_id: bytes, bits: int) -> int:
    """Number of the bucket an id falls into."""
    return int.from_bytes(record_id[:4], "big") >> (32 - bits)


def find_entry(entries: bytes, record_id: bytes) -> Entry | None:
    """The entry of an id in a bucket that is proved."""
    at = entries.find(record_id)
    while at % ENTRY_BYTES and at >= 0:  # bytes of two neighbours that look like an id
        at = entries.find(record_id, at + 1)
    return None if at < 0 else Entry(*_ENTRY.unpack_from(entries, at))


def entries_of(packed: bytes) -> list[Entry]:
    """The entries of a bucket that is proved."""
    return [Entry(*fields) for fields in _ENTRY.iter_unpack(packed)]
