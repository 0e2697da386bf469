"""Tables of one region's enrolments, and how ids fall into buckets. Does not know keys.

    store    one row: format, the ids of its two keys, the wrapped data key, how many bits of an id number its bucket;
             which snapshot and delta of which region it holds, and a proof (HMAC) of that
    records  id = HMAC of the enrolment reference, version, sealed record
    buckets  a proof (HMAC) over all ids and versions of each bucket
    staged   while a snapshot is being imported: the last row of each chunk, and a proof (HMAC) over its ids and versions

Buckets exist so that "not found" is as well proved as "found": a lost row, a damaged index page, a row rolled back to an
older version or deleted by hand makes its bucket's proof fail, which is a fault and never an answer. What they do not show
is the whole file put back to an older state.

`records` is an ordinary rowid table: sealed records of kilobytes inside a WITHOUT ROWID tree made the file 3.4 times larger.
The index holds the version too, so a bucket is read from the index alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from gate_controller.core.values import Region

APPLICATION_ID = 0x45434845  # "ECHE"
FORMAT = 2
ID_BYTES = 32
MAX_BUCKET_BITS = 20
MAX_VERSION = 2**53
_ENTRIES_PER_BUCKET = 8

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
    "CREATE TABLE records(id BLOB NOT NULL, version INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT",
    "CREATE TABLE buckets(number INTEGER PRIMARY KEY, proof BLOB NOT NULL) STRICT",
    "CREATE TABLE staged(chunk INTEGER PRIMARY KEY, last_row INTEGER NOT NULL, proof BLOB NOT NULL) STRICT",
)
CREATE_INDEX = "CREATE UNIQUE INDEX records_by_id ON records(id, version)"
"""Made when all records are in: sorted once, which is many times faster than ids in random order."""

Entry: TypeAlias = "tuple[bytes, int]"
"""Id and version of a record."""


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


@dataclass(frozen=True, slots=True)
class Bucket:
    """The records whose ids begin with the same `bits` bits, which are the bucket's `number`; ascending by id."""

    bits: int
    number: int
    entries: list[Entry]

    def well_formed(self) -> bool:
        """Whether ids and versions have their types, and ids ascend strictly: on a damaged page they may not."""
        previous = b""
        for record_id, version in self.entries:
            if type(record_id) is not bytes or len(record_id) != ID_BYTES or record_id <= previous:
                return False
            if type(version) is not int or not 0 < version < MAX_VERSION:
                return False
            previous = record_id
        return True


def bucket_bits(records: int) -> int:
    """Bits of an id that number its bucket, for buckets of about 8 to 16 records: proving one is most of the work of a look-up."""
    return min(MAX_BUCKET_BITS, max(0, (records // _ENTRIES_PER_BUCKET).bit_length() - 1))


def bucket_of(record_id: bytes, bits: int) -> int:
    """Number of the bucket an id falls into."""
    return int.from_bytes(record_id[:4], "big") >> (32 - bits)


def bucket_range(number: int, bits: int) -> tuple[bytes, bytes]:
    """Half-open range of the ids of a bucket."""
    last = number + 1 == 1 << bits
    end = b"\xff" * (ID_BYTES + 1) if last else ((number + 1) << (32 - bits)).to_bytes(4, "big")
    return (number << (32 - bits)).to_bytes(4, "big"), end


def by_bucket(entries: Iterable[Entry], bits: int) -> Iterator[Bucket]:
    """Every bucket, also the empty ones.

    Args:
        entries: All entries, ascending by id.
        bits: Bits of an id that number its bucket.
    """
    bucket = Bucket(bits, 0, [])
    for entry in entries:
        # A damaged page may give anything for an id; it stays in the bucket at hand, whose proof then fails.
        while type(entry[0]) is bytes and bucket_of(entry[0], bits) > bucket.number:
            yield bucket
            bucket = Bucket(bits, bucket.number + 1, [])
        bucket.entries.append(entry)
    while bucket.number < 1 << bits:
        yield bucket
        bucket = Bucket(bits, bucket.number + 1, [])
