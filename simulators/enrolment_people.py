"""Any number of people who do not exist, enrolled: random templates of the real sizes, in the order of their references.

The same seed gives the same people, and nothing of them is kept in memory. Face and fingers are random numbers of the right length: no
camera and no reader would recognise anybody by them. Does not sign and does not write files.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from gate_controller.core.values import Region
from gate_controller.ports.devices import FaceModel, FaceTemplate, FingerprintTemplate
from gate_controller.ports.services import EnrolmentRecord
from simulators.authority import derived

FACE_MODEL = FaceModel("sface-2021dec", "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79")
FINGER_FORMAT, FINGER_BYTES, POSITIONS = "zhiantec/r503/1536", 1536, (2, 7)
REGISTERED_FROM = 1_721_318_400
"""The day the scheme began: 19 July 2024."""
_REGISTERED_WITHIN_S = 2 * 365 * 86_400
_OLDEST, _DAYS = date(1930, 1, 1), 85 * 365
_SUSPENDED_OF_1000 = 2
_NUMBERS = struct.Struct(">IIQ")
_EMBEDDING_BYTES = 256


def reference_at(number: int, count: int, seed: str, region: Region) -> bytes:
    """Reference of person `number` of `count`: 16 bytes, ascending with the number, the gaps as if drawn at random."""
    gap = (1 << 128) // count
    offset = int.from_bytes(derived(seed, "reference", region.value, number, length=16)) % (gap - 1)
    return (number * gap + offset).to_bytes(16)


def person(number: int, count: int, seed: str, region: Region, version: int = 1) -> EnrolmentRecord:
    """One enrolled person."""
    # SHAKE-256 gives a person's bytes in a quarter of the time that it takes to seed one of numpy's generators.
    drawn = hashlib.shake_256(derived(seed, "person", region.value, number, version)).digest(_NUMBERS.size + _EMBEDDING_BYTES + FINGER_BYTES * len(POSITIONS))
    days, registered, suspended = _NUMBERS.unpack_from(drawn)
    embedding = np.frombuffer(drawn, np.int16, 128, _NUMBERS.size).astype(np.float32)
    fingers = drawn[_NUMBERS.size + _EMBEDDING_BYTES :]
    return EnrolmentRecord(
        reference=reference_at(number, count, seed, region),
        version=version,
        birth_date=_OLDEST + timedelta(days=days % _DAYS),
        registered_with=frozenset(Region),
        registered_at=REGISTERED_FROM + registered % _REGISTERED_WITHIN_S,
        suspended=suspended % 1000 < _SUSPENDED_OF_1000,
        faces=(FaceTemplate(FACE_MODEL, (embedding / np.linalg.norm(embedding)).astype("<f4").tobytes()),),
        fingers=tuple(FingerprintTemplate(FINGER_FORMAT, position, fingers[at * FINGER_BYTES :][:FINGER_BYTES]) for at, position in enumerate(POSITIONS)),
    )


def everybody(count: int, seed: str, region: Region) -> Iterator[EnrolmentRecord]:
    """All of them, in the order of a snapshot."""
    return (person(number, count, seed, region) for number in range(count))


def changes(count: int, seed: str, region: Region, changed: int, delta: int) -> Iterator[EnrolmentRecord | bytes]:
    """What delta number `delta` does to them, in order: of ten changes, eight are new versions of records, one is an erasure, one a new person.

    Deltas up to `count // changed` change different people.

    Args:
        count: People in the snapshot.
        seed: As for everybody().
        region: As for everybody().
        changed: How many entries; at most `count`.
        delta: Number of the delta, from 1.
    """
    step = count // max(1, changed)
    for place in range(changed):
        number = place * step + (delta - 1) % step
        if place % 10 == 0:
            yield reference_at(number, count, seed, region)
        elif place % 10 == 1:
            newcomer = person(number, count, seed, region, version=delta + 1)
            reference = (int.from_bytes(newcomer.reference) + 1).to_bytes(16)
            yield EnrolmentRecord(reference, 1, newcomer.birth_date, newcomer.registered_with, newcomer.registered_at, False, newcomer.faces, newcomer.fingers)
        else:
            yield person(number, count, seed, region, version=delta + 1)
