"""A region's snapshots and deltas of enrolments, as its authority would publish them: docs/enrolment.md, written down anew.

Shares no line with the gate's reader. Signs with `cryptography`, encodes with cbor2, seals with libsodium. Streams: records come from an
iterator and leave chunk by chunk. Never for production: anyone who knows the seed knows the private keys.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from nacl import bindings
from nacl.public import PublicKey, SealedBox

from gate_controller.core.values import Region
from gate_controller.ports.services import EnrolmentRecord
from simulators.authority import EDDSA, Authority, derived, encode, sign1

SNAPSHOT, DELTA = 0, 1
TYP_ENROLMENTS = 65002
CHUNK_BYTES = 1 << 20
HASH_BYTES = 32
MAGIC = b"ECHENR02"
KEY_NAME = "enrolment"
"""Name of a region's first enrolment key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What an authority publishes.

    Attributes:
        kind: SNAPSHOT or DELTA.
        snapshot: Number of the snapshot, or of the one that the delta belongs to.
        delta: Number of the delta; 0 for a snapshot.
        issued_at: Seconds since the epoch.
        recipients: Transport keys of the gates it is for, 32 bytes each.
        base: What a delta follows on: front_digest() of the snapshot or delta before it.
        chunk_bytes: Most bytes of a chunk before it is sealed.
    """

    kind: int = SNAPSHOT
    snapshot: int = 1
    delta: int = 0
    issued_at: int
    recipients: tuple[bytes, ...]
    base: bytes = bytes(HASH_BYTES)
    chunk_bytes: int = CHUNK_BYTES


def enrolment_authority(region: Region, seed: str) -> Authority:
    """Who signs the region's enrolments."""
    return Authority(region, seed, KEY_NAME)


def record_bytes(record: EnrolmentRecord) -> bytes:
    """One record as it is published."""
    return encode(
        [
            1,
            record.reference,
            record.version,
            record.birth_date.isoformat(),
            sorted(region.value for region in record.registered_with),
            record.registered_at,
            record.suspended,
            [[face.model.name, bytes.fromhex(face.model.weights_sha256), face.data] for face in record.faces],
            [[finger.format, finger.position, finger.data] for finger in record.fingers],
        ]
    )


def entry_bytes(entry: EnrolmentRecord | bytes) -> bytes:
    """One entry: a record, or the reference (16 bytes) of a person to be erased."""
    kind, body = (2, entry) if isinstance(entry, bytes) else (1, record_bytes(entry))
    return bytes([kind]) + len(body).to_bytes(4) + body


def chunks_of(entries: Iterable[EnrolmentRecord | bytes], chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[bytes, int]]:
    """Chunks before they are sealed, and how many entries each has. The entries must come in the order of their references."""
    chunk, count = bytearray(), 0
    for entry in entries:
        encoded = entry_bytes(entry)
        if chunk and len(chunk) + len(encoded) > chunk_bytes:
            yield bytes(chunk), count
            chunk, count = bytearray(), 0
        chunk += encoded
        count += 1
    if chunk:
        yield bytes(chunk), count


def protected_header(kid: bytes) -> bytes:
    """The protected header of a front."""
    return encode({1: EDDSA, 4: kid, 16: TYP_ENROLMENTS})


def front(authority: Authority, claims: dict[int, Any], protected: bytes | None = None) -> bytes:
    """The signed front of a file, from its first byte; a test may change claims and header before."""
    signed = sign1(authority.key, protected_header(authority.kid) if protected is None else protected, encode(claims))
    return MAGIC + len(signed).to_bytes(4) + signed


def front_digest(path: Path) -> bytes:
    """What a delta that follows on this file names.

    Raises:
        ValueError: It is no snapshot or delta.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(len(MAGIC) + 4)
        signed = file.read(int.from_bytes(head[len(MAGIC) :]))
    if not head.startswith(MAGIC) or not signed:
        raise ValueError("is no snapshot or delta of enrolments")
    return hashlib.blake2b(head + signed, digest_size=HASH_BYTES).digest()


def seal_chunk(plain: bytes, number: int, publication_id: bytes, key: bytes) -> bytes:
    """A chunk as it stands in the file."""
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, b"enrolment chunk/1" + publication_id, number.to_bytes(24), key)


def claims_of(authority: Authority, issue: Issue, publication_id: bytes, key: bytes, entries: int, listed: bytes) -> dict[int, Any]:
    """The claims of a front."""
    recipients = {hashlib.sha256(public).digest()[:8]: SealedBox(PublicKey(public)).encrypt(key) for public in issue.recipients}
    numbers = {2: issue.kind, 3: issue.snapshot, 4: issue.delta, 5: issue.issued_at, 6: entries}
    base = {10: issue.base} if issue.kind == DELTA else {}
    return {1: authority.region.value, **numbers, 7: publication_id, 8: listed, 9: recipients, **base}


def publish(path: Path, authority: Authority, issue: Issue, entries: Iterable[EnrolmentRecord | bytes], seed: str = "") -> int:
    """Write a snapshot or delta.

    Args:
        path: The file; chunks wait beside it until the front, which names them, can be written.
        authority: Who signs.
        issue: What it is.
        entries: Records, and in a delta references to erase; ascending by reference.
        seed: The chunks' key and id follow from it and from `issue`.

    Returns:
        How many entries it has.
    """
    label = f"{authority.region.value} {issue.kind} {issue.snapshot} {issue.delta} {issue.issued_at}"
    key, publication_id = derived(seed, "enrolment content key", label), derived(seed, "publication id", label, length=16)
    parts = path.with_name(path.name + ".chunks")
    listed, count = bytearray(), 0
    try:
        with parts.open("w+b") as body, path.open("wb") as file:
            for number, (plain, entries_in_it) in enumerate(chunks_of(entries, issue.chunk_bytes)):
                sealed = seal_chunk(plain, number, publication_id, key)
                listed += len(sealed).to_bytes(4) + hashlib.blake2b(sealed, digest_size=HASH_BYTES).digest()
                body.write(sealed)
                count += entries_in_it
            file.write(front(authority, claims_of(authority, issue, publication_id, key, count, bytes(listed))))
            _append(body, file)
    finally:
        parts.unlink(missing_ok=True)
    return count


def _append(body: BinaryIO, file: BinaryIO) -> None:
    body.seek(0)
    shutil.copyfileobj(body, file, CHUNK_BYTES)
