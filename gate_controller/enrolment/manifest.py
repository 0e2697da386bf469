"""The signed front of a published snapshot or delta: what it is, and the hash of each of its chunks. docs/enrolment.md has it byte by byte.

Read as a pass is: a fixed frame, the key by its id, the signature, and only then CBOR, which must be deterministic. Does not read chunks
(publication.py does) and does not know what the gate holds (importing.py does).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from typing import BinaryIO

from gate_controller.core.values import Region
from gate_controller.cose.deterministic import CborError, parse_deterministic
from gate_controller.cose.ed25519 import is_valid_point, verify_signature
from gate_controller.cose.sign1 import FrameError, parse_sign1
from gate_controller.ports.services import VerifyingKey

MAGIC = b"ECHENR"
FORMAT = b"02"
FRONT_HEAD_BYTES = len(MAGIC) + len(FORMAT) + 4
MAX_FRONT_BYTES = 4 << 20
MAX_CHUNKS = 65_536
MAX_CHUNK_BYTES = 1 << 20
"""A chunk before it is sealed."""
SEAL_BYTES = 16
MAX_RECIPIENTS = 4096
MAX_NUMBER = 2**31 - 1
MAX_ENTRIES = 2**28
KID_BYTES = 8
PUBLICATION_ID_BYTES = 16
SEALED_KEY_BYTES = 80

_HASH_BYTES = 32
_CHUNK_ENTRY_BYTES = 4 + _HASH_BYTES
_MAX_TIME = 1 << 33
_HEAD, _TAIL = b"\xa3\x01\x27\x04\x48", b"\x10\x19\xfd\xea"
"""The protected header {1: -8, 4: kid, 16: 65002} around the kid."""


class Refused(Enum):
    """Why a publication is refused; the value is the reason code, which is stable."""

    NOT_ENROLMENTS = "not_enrolments"
    UNREADABLE = "unreadable"
    CUT_OFF = "cut_off"
    TRAILING_BYTES = "trailing_bytes"
    UNKNOWN_FORMAT = "unknown_format"
    UNKNOWN_KEY = "unknown_key"
    KEY_NOT_VALID = "key_not_valid"
    WRONG_SIGNATURE = "wrong_signature"
    WRONG_REGION = "wrong_region"
    MALFORMED = "malformed"
    CHANGED_CHUNK = "changed_chunk"
    BAD_RECORD = "bad_record"
    NOT_FOR_THIS_GATE = "not_for_this_gate"
    ISSUED_IN_THE_FUTURE = "issued_in_the_future"
    ISSUED_OUT_OF_ORDER = "issued_out_of_order"
    NOT_NEWER = "not_newer"
    BASE_MISSING = "base_missing"
    OTHER_BASE = "other_base"
    TWO_OF_ONE_NUMBER = "two_of_one_number"
    OTHER_REGIONS_PERSON = "other_regions_person"
    RECORD_NOT_NEWER = "record_not_newer"


class ManifestError(ValueError):
    """The front must not be believed; str() says why, without the file's name.

    Args:
        how: Why, for a person.
        reason: Why, for a program.
    """

    def __init__(self, how: str, reason: Refused = Refused.MALFORMED) -> None:
        super().__init__(how)
        self.reason = reason


class Kind(Enum):
    """What a publication is."""

    SNAPSHOT = 0
    DELTA = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk as the front names it.

    Attributes:
        offset: Where it begins in the file.
        length: Its bytes, sealed.
        digest: BLAKE2b-256 of them.
    """

    offset: int
    length: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """A verified front.

    Attributes:
        region: Whose enrolments; its key has signed.
        kind: Snapshot or delta.
        snapshot: Number of the snapshot, from 1; a delta's: of the one it belongs to.
        delta: Number of the delta, from 1; a snapshot's is 0. It applies to the state after the delta before it.
        issued_at: Seconds since the epoch.
        entries: Records and erasures in all chunks.
        publication_id: 16 bytes, new each time: what chunks are sealed under.
        chunks: In the order of the file.
        recipients: The chunks' key, sealed to each gate, by the id of the gate's transport key.
        digest: BLAKE2b-256 of the front.
        base: What a delta follows on: the digest of the front of the snapshot or delta before it; empty in a snapshot.
    """

    region: Region
    kind: Kind
    snapshot: int
    delta: int
    issued_at: int
    entries: int
    publication_id: bytes
    chunks: tuple[Chunk, ...] = field(repr=False)
    recipients: Mapping[bytes, bytes] = field(repr=False)
    digest: bytes
    base: bytes

    @property
    def state(self) -> tuple[int, int]:
        """What a store holds after it."""
        return self.snapshot, self.delta

    @property
    def name(self) -> str:
        """As messages call it: "HK snapshot 12", "HK delta 12.3"."""
        number = f"{self.snapshot}" if self.kind is Kind.SNAPSHOT else f"{self.snapshot}.{self.delta}"
        return f"{self.region.value} {self.kind.name.lower()} {number}"

    @property
    def file_bytes(self) -> int:
        """Size of the whole file."""
        return self.chunks[-1].offset + self.chunks[-1].length if self.chunks else 0


def transport_key_id(public: bytes) -> bytes:
    """8 bytes that name a gate's transport key among the recipients."""
    return hashlib.sha256(public).digest()[:KID_BYTES]


def read_manifest(file: BinaryIO, keys: Mapping[bytes, VerifyingKey], now: float) -> Manifest:
    """Read and verify the front of a publication.

    Args:
        file: At its beginning.
        keys: The regions' enrolment keys by kid.
        now: The time that the signing key must be valid at, seconds since the epoch.

    Raises:
        ManifestError: Any rule of the format is broken, or no region's key has signed.
        OSError: It cannot be read.
    """
    head = file.read(FRONT_HEAD_BYTES)
    if not head.startswith(MAGIC):
        raise ManifestError("is no snapshot or delta of enrolments", Refused.NOT_ENROLMENTS)
    _require(len(head) == FRONT_HEAD_BYTES, "is cut off", Refused.CUT_OFF)
    number = head[len(MAGIC) : -4]
    _require(number == FORMAT, f"has format {number.decode('ascii', 'replace')!a}, this program reads {FORMAT.decode()!a}", Refused.UNKNOWN_FORMAT)
    length = int.from_bytes(head[-4:])
    _require(length <= MAX_FRONT_BYTES, f"has a front of {length} bytes, more than {MAX_FRONT_BYTES}")
    front = file.read(length)
    _require(len(front) == length, "is cut off in its front", Refused.CUT_OFF)
    try:
        item, end = parse_sign1(front)
    except FrameError as error:
        msg = f"has no signed front: {error}"
        raise ManifestError(msg) from None
    _require(end == length, "has bytes after its signature")
    protected = item.protected
    kid = protected[len(_HEAD) : len(_HEAD) + KID_BYTES]
    _require(protected == _HEAD + kid + _TAIL and len(kid) == KID_BYTES, "is signed as something else than enrolments")
    key = keys.get(kid)
    if key is None:
        msg = f"is signed with the key {kid.hex()}, which no region has published for enrolments"
        raise ManifestError(msg, Refused.UNKNOWN_KEY)
    _require(key.not_before <= now < key.not_after, f"is signed with the key {kid.hex()} of {key.region.value}, which is not valid now", Refused.KEY_NOT_VALID)
    if not (is_valid_point(key.key) and verify_signature(item.signature, item.signed, key.key)):
        raise ManifestError("has a wrong signature", Refused.WRONG_SIGNATURE)
    try:
        claims = parse_deterministic(item.payload)
        manifest = _manifest(claims, FRONT_HEAD_BYTES + length, hashlib.blake2b(head + front, digest_size=_HASH_BYTES).digest())
    except CborError as error:
        msg = f"has a front that is {error}"
        raise ManifestError(msg) from None
    _require(manifest.region is key.region, f"is of {manifest.region.value} and signed by {key.region.value}", Refused.WRONG_REGION)
    return manifest


def _manifest(claims: object, begin: int, digest: bytes) -> Manifest:
    if type(claims) is not dict or list(claims) not in (list(range(1, 10)), list(range(1, 11))):
        raise ManifestError("does not have the claims 1 to 9, and 10 in a delta")
    region, kind, snapshot, delta, issued_at, entries, publication_id, chunks, recipients, *base = claims.values()
    _require(region in {"HK", "MO"}, "names no region")
    _require(_number(kind, 0, 1), "is neither snapshot nor delta")
    _require(_number(snapshot, 1, MAX_NUMBER), "has no snapshot number")
    _require(_number(delta, kind, MAX_NUMBER if kind else 0), "has no delta number")
    _require(_number(issued_at, 0, _MAX_TIME), "has no time of issue")
    _require(_number(entries, 0, MAX_ENTRIES), f"has no number of entries up to {MAX_ENTRIES}")
    _require(_bytes(publication_id, PUBLICATION_ID_BYTES), "has no id")
    _require(type(recipients) is dict and len(recipients) <= MAX_RECIPIENTS, f"is sealed to more than {MAX_RECIPIENTS} gates")
    _require(all(_bytes(name, KID_BYTES) and _bytes(sealed, SEALED_KEY_BYTES) for name, sealed in recipients.items()), "names no recipients")
    _require(bool(base) == bool(kind) and all(_bytes(each, _HASH_BYTES) for each in base), "does not name what it follows on, or is a snapshot and does")
    return Manifest(
        region=Region(region),
        kind=Kind(kind),
        snapshot=snapshot,
        delta=delta,
        issued_at=issued_at,
        entries=entries,
        publication_id=publication_id,
        chunks=_chunks(chunks, begin, entries),
        recipients=recipients,
        digest=digest,
        base=base[0] if base else b"",
    )


def _chunks(listed: object, begin: int, entries: int) -> tuple[Chunk, ...]:
    if type(listed) is not bytes or len(listed) % _CHUNK_ENTRY_BYTES:
        raise ManifestError("has no list of chunks")
    count = len(listed) // _CHUNK_ENTRY_BYTES
    _require(count <= MAX_CHUNKS, f"has {count} chunks, more than {MAX_CHUNKS}")
    _require((count == 0) == (entries == 0) and count <= entries, "has empty chunks")
    parts = [listed[at : at + _CHUNK_ENTRY_BYTES] for at in range(0, len(listed), _CHUNK_ENTRY_BYTES)]
    lengths = [int.from_bytes(part[:4]) for part in parts]
    for length in lengths:
        _require(SEAL_BYTES < length <= MAX_CHUNK_BYTES + SEAL_BYTES, f"has a chunk of {length} bytes")
    offsets = accumulate(lengths, initial=begin)
    return tuple(Chunk(offset, length, part[4:]) for offset, length, part in zip(offsets, lengths, parts, strict=False))


def _number(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _bytes(value: object, length: int) -> bool:
    return type(value) is bytes and len(value) == length


def _require(kept: bool, broken: str, reason: Refused = Refused.MALFORMED) -> None:
    if not kept:
        raise ManifestError(broken, reason)
