"""A region takes in what its desks have enrolled: the record file of docs/enrolment.md, read anew from that page.

Shares no line with the desk's writer. Checks the desk's signature before anything else, and that the record is the desk's own. Does not remember
what was taken in before; `kept` says what becomes of a record of somebody whom the region has already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from gate_controller.core.values import Region
from gate_controller.ports.devices import FaceModel, FaceTemplate, FingerprintTemplate
from gate_controller.ports.errors import RefusedByStateError
from gate_controller.ports.services import EnrolmentRecord
from simulators.authority import EDDSA, cose_key, derived, encode

TYP_RECORD = 65003
MOST_BYTES = 1 << 20
MOST_TEMPLATES, MOST_TEMPLATE_BYTES = 16, 65_536
_FACE_BYTES = {"sface": 512, "dlib": 512}
_HEAD = b"ECHREC"
_VERSION = b"01"
_AHEAD_S = 300
"""How far a desk's clock may run ahead."""


@dataclass(frozen=True, slots=True)
class Intake:
    """One record that a desk has enrolled.

    Attributes:
        record: The record.
        taken_at: When, seconds since the epoch.
        desk: Kid of the desk, 8 bytes.
        officer: Who stood by, or None.
        pad: What presentation attack detection said.
        simulated: The desk was a simulation.
    """

    record: EnrolmentRecord
    taken_at: int
    desk: bytes
    officer: str | None
    pad: str
    simulated: bool


def intake_key(region: Region, seed: str) -> PrivateKey:
    """The region's X25519 key that desks seal records to."""
    return PrivateKey(derived(seed, "intake", region.value))


def kid_of(public: bytes) -> bytes:
    """How a desk's key is named."""
    return hashlib.sha256(encode(cose_key(public))).digest()[:8]


def take_in(path: Path, desks: Mapping[bytes, bytes], key: PrivateKey, region: Region, now: float) -> Intake:
    """Verify and open one record file.

    Args:
        path: The file.
        desks: The region's desks: their Ed25519 public keys by kid.
        key: The region's key for records.
        region: The region.
        now: Seconds since the epoch.

    Raises:
        RefusedByStateError: It is not a record of one of the region's desks for this region.
    """

    def require(kept: bool, broken: str, remedy: str = "take the file from the desk again; it was not taken in") -> None:
        if not kept:
            raise RefusedByStateError(f"{path}: {broken}", remedy)  # noqa: EM102

    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise RefusedByStateError(f"{path}: {error.strerror}", "is the path right?") from error  # noqa: EM102
    require(len(content) <= MOST_BYTES, "is too long for a record")
    require(content.startswith(_HEAD), "is no record of an enrolment desk")
    version = content[len(_HEAD) :][:2]
    require(version == _VERSION, f"has format {version.decode('ascii', 'replace')!a}, this program reads {_VERSION.decode()!a}")
    signed = content[len(_HEAD) + 2 :]
    protected, payload, signature = _frame(signed)
    require(signature is not None, "is cut off or no signed record")
    header = _map(protected)
    require(header.get(1) == EDDSA and header.get(16) == TYP_RECORD and len(header) == 3, "is signed as something else than a record")
    desk = header.get(4)
    public = desks.get(desk) if isinstance(desk, bytes) else None
    require(
        public is not None, f"is signed with the key {desk.hex() if isinstance(desk, bytes) else '?'}, which is no desk's", "name the desk's key: --desk HEX"
    )
    assert public is not None
    assert signature is not None
    assert isinstance(desk, bytes)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, cbor2.dumps(["Signature1", protected, b"", payload]))
    except (InvalidSignature, ValueError):
        require(False, "has a wrong signature")
    claims = _map(payload)
    require(list(claims) == [1, 2, 3, 4, 5] and encode(claims) == payload, "does not have the claims 1 to 5")
    require(claims[1] == region.value, f"is a record for {claims[1]!a}")
    taken_at = claims[2]
    require(type(taken_at) is int and 0 <= taken_at <= now + _AHEAD_S, "was taken in the future", "set the desk's clock")
    require(
        claims[4] == hashlib.sha256(bytes(key.public_key)).digest()[:8], "is sealed to another key", "the desk seals to what gate-authority intake-key prints"
    )
    try:
        body = SealedBox(key).decrypt(claims[5])
    except (CryptoError, TypeError, ValueError):
        require(False, "does not open with the region's key")
    opened = _list(body)
    require(len(opened) == 5 and opened[0] == 1, "holds no record of this format")
    require(
        opened[1] == desk and opened[2] == claims[3],
        "was sealed by another desk than the one that signed it",
        "tell the desk's operator: somebody signed another's record",
    )
    try:
        record = _record(opened[3])
        officer, pad, simulated = opened[4][1], opened[4][5], opened[4].get(8, False)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        require(False, "holds a broken record")
    require(record.registered_at == taken_at, "holds a record of another time")
    return Intake(record, taken_at, desk, officer, pad, simulated)


def kept(record: EnrolmentRecord, held: EnrolmentRecord | None) -> EnrolmentRecord:
    """What the region publishes of a desk's record: the desk has seen a face and fingers, all else is the region's to say.

    Args:
        record: The desk's.
        held: What the region has of this person; None: nothing.

    Returns:
        The desk's record with the suspension, the registrations and the time of registration that the region has.

    Raises:
        RefusedByStateError: It is not newer than what the region has, or of somebody born on another day.
    """
    if held is None:
        return record
    if record.version <= held.version:
        what = f"a record has version {record.version}, and the region has version {held.version} of this person"
        raise RefusedByStateError(what, "enrol again with a higher --version")
    if record.birth_date != held.birth_date:
        raise RefusedByStateError("a record has another date of birth than the region has of this person", "is the reference right? Look at the document again")
    return replace(record, suspended=held.suspended, registered_with=held.registered_with, registered_at=held.registered_at)


def _frame(signed: bytes) -> tuple[bytes, bytes, bytes | None]:
    """Protected header, payload and signature of a tagged COSE_Sign1 in its only encoding; no signature when it is none."""
    try:
        tagged = cbor2.loads(signed)
        protected, unprotected, payload, signature = tagged.value
        sound = tagged.tag == 18 and unprotected == {} and cbor2.dumps(tagged) == signed and len(signature) == 64
    except Exception:  # noqa: BLE001 - whatever a parser throws at foreign bytes, they are no record
        return b"", b"", None
    return (protected, payload, signature) if sound else (b"", b"", None)


def _map(data: bytes) -> dict[Any, Any]:
    try:
        found = cbor2.loads(data)
    except Exception:  # noqa: BLE001 - as above
        return {}
    return found if isinstance(found, dict) else {}


def _list(data: bytes) -> list[Any]:
    try:
        found = cbor2.loads(data)
    except Exception:  # noqa: BLE001 - as above
        return []
    return found if isinstance(found, list) else []


def _record(data: bytes) -> EnrolmentRecord:
    number, reference, version, born, regions, registered_at, suspended, faces, fingers = cbor2.loads(data)
    if number != 1 or len(reference) != 16 or version < 1:
        raise ValueError("format")
    sound = type(suspended) is bool and date.fromisoformat(born).year >= 1850 and max(len(faces), len(fingers)) <= MOST_TEMPLATES
    sound &= all(len(template) == _FACE_BYTES.get(name.partition("-")[0], len(template)) for name, _, template in faces)
    sound &= all(0 <= position <= 10 and (name[:9] != "zhiantec/" or name.endswith(f"/{len(template)}")) for name, position, template in fingers)
    sound &= all(0 < len(template) <= MOST_TEMPLATE_BYTES for *_, template in (*faces, *fingers))
    if not sound:
        raise ValueError("limits")  # one such record, and no gate would take the snapshot that it is in
    return EnrolmentRecord(
        reference=reference,
        version=version,
        birth_date=date.fromisoformat(born),
        registered_with=frozenset(Region(name) for name in regions),
        registered_at=registered_at,
        suspended=suspended,
        faces=tuple(FaceTemplate(FaceModel(name, weights.hex()), template) for name, weights, template in faces),
        fingers=tuple(FingerprintTemplate(name, position, template) for name, position, template in fingers),
    )
