"""One enrolment record as bytes: deterministic CBOR (RFC 8949 4.2) that begins with the version of this format.

Does not encrypt: the store does. Decoding is as strict as encoding: what would not encode to the same bytes is refused.

    [1, reference, version, birth date "YYYY-MM-DD", ["HK", "MO"], registered at, suspended,
     [[model name, sha256 of its weights, template], ...], [[format, position, template], ...]]
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Any

import cbor2

from gate_controller.core.values import Region
from gate_controller.cose.deterministic import parse_cbor
from gate_controller.enrolment.schema import MAX_VERSION
from gate_controller.ports.devices import FaceModel, FaceTemplate, FingerprintTemplate
from gate_controller.ports.services import EnrolmentRecord

FORMAT = 1
REFERENCE_BYTES = 16
MAX_TEMPLATES = 16
MAX_TEMPLATE_BYTES = 65_536
_MAX_TIME = 2**33
_FIRST_BIRTH_YEAR = 1850
_FACE_TEMPLATE_BYTES = {"sface": 512, "dlib": 512}
"""Both models give 128 float32."""
_NAME = re.compile(r"[ -~]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def encode(record: EnrolmentRecord) -> bytes:
    """Bytes of a record.

    Raises:
        ValueError: A value is out of range; the message names the field, never the value.
    """
    check(record)
    return cbor2.dumps(
        [
            FORMAT,
            record.reference,
            record.version,
            record.birth_date.isoformat(),
            sorted(region.value for region in record.registered_with),
            record.registered_at,
            record.suspended,
            [[face.model.name, bytes.fromhex(face.model.weights_sha256), face.data] for face in record.faces],
            [[finger.format, finger.position, finger.data] for finger in record.fingers],
        ],
        canonical=True,
    )


def decode(data: bytes) -> EnrolmentRecord:
    """The record of `data`.

    Raises:
        ValueError: Not a record of this format, or not the bytes that encode() gives. Nothing of `data` is quoted.
    """
    try:
        record = _parse(parse_cbor(data))
    except Exception as error:  # noqa: BLE001 - whatever a parser throws at foreign bytes, they are not a record
        message = f"not an enrolment record of format {FORMAT} ({type(error).__name__})"
        raise ValueError(message) from None
    if encode(record) != data:
        raise ValueError("an enrolment record that is not deterministically encoded")
    return record


def decode_own(data: bytes) -> EnrolmentRecord:
    """The record of `data`, which this program checked before it sealed it: half the time of decode().

    Raises:
        ValueError: Not a record of this format. Nothing of `data` is quoted.
    """
    try:
        return _parse(cbor2.loads(data))
    except Exception as error:  # noqa: BLE001 - sealed by another version of this program
        message = f"not an enrolment record of format {FORMAT} ({type(error).__name__})"
        raise ValueError(message) from None


def check(record: EnrolmentRecord) -> None:
    """Refuse a record that the gate could not use.

    Raises:
        ValueError: A value is out of range; the message names the field, never the value.
    """
    _require(type(record.reference) is bytes and len(record.reference) == REFERENCE_BYTES, "reference: must be 16 bytes")
    _require(type(record.version) is int and 1 <= record.version < MAX_VERSION, "version: must be a whole number from 1")
    _require(type(record.birth_date) is date and record.birth_date.year >= _FIRST_BIRTH_YEAR, "birth_date: must be a date of a living person")
    _require(type(record.registered_with) is frozenset and all(type(region) is Region for region in record.registered_with), "registered_with: must be regions")
    _require(type(record.registered_at) is int and 0 <= record.registered_at < _MAX_TIME, "registered_at: must be whole seconds since the epoch")
    _require(type(record.suspended) is bool, "suspended: must be true or false")
    _require(type(record.faces) is tuple and len(record.faces) <= MAX_TEMPLATES, "faces: must be at most 16 templates")
    _require(type(record.fingers) is tuple and len(record.fingers) <= MAX_TEMPLATES, "fingers: must be at most 16 templates")
    for face in record.faces:
        if not (_text(face.model.name, _NAME) and _text(face.model.weights_sha256, _SHA256) and _template(face.data)):
            raise ValueError("faces: each names its model (printable, at most 64 characters), the SHA-256 of its weights in small hexadecimal, and has data")
        wanted = _FACE_TEMPLATE_BYTES.get(face.model.name.partition("-")[0], len(face.data))
        _require(len(face.data) == wanted, f"faces: a template of {face.model.name.partition('-')[0]} has {wanted} bytes")
    for finger in record.fingers:
        if not (_text(finger.format, _NAME) and type(finger.position) is int and 0 <= finger.position <= 10 and _template(finger.data)):
            raise ValueError("fingers: each names its format (printable, at most 64 characters), a position 0..10 (ISO/IEC 19794-2), and has data")
        maker, _, rest = finger.format.partition("/")
        wanted_bytes = rest.rpartition("/")[2]
        if maker == "zhiantec":
            _require(wanted_bytes == str(len(finger.data)), "fingers: a template does not have the length that its format names")


def _require(kept: bool, rule: str) -> None:
    if not kept:
        raise ValueError(rule)


def _text(value: str, pattern: re.Pattern[str]) -> bool:
    return type(value) is str and pattern.fullmatch(value) is not None


def _template(data: bytes) -> bool:
    return type(data) is bytes and 0 < len(data) <= MAX_TEMPLATE_BYTES


def _parse(item: Any) -> EnrolmentRecord:
    number, reference, version, birth_date, regions, registered_at, suspended, faces, fingers = item
    if number != FORMAT:
        raise ValueError("format")
    return EnrolmentRecord(
        reference=reference,
        version=version,
        birth_date=date.fromisoformat(birth_date),
        registered_with=_regions(tuple(regions)),
        registered_at=registered_at,
        suspended=suspended,
        faces=tuple([FaceTemplate(_model(name, sha256), data) for name, sha256, data in faces]),
        fingers=tuple([FingerprintTemplate(name, position, data) for name, position, data in fingers]),
    )


@lru_cache(maxsize=16)
def _regions(names: tuple[str, ...]) -> frozenset[Region]:
    return frozenset(Region(name) for name in names)


@lru_cache(maxsize=64)
def _model(name: str, weights_sha256: bytes) -> FaceModel:
    """All records of a gate name the same few models."""
    return FaceModel(name, weights_sha256.hex())
