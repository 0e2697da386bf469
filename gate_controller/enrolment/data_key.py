"""The data key of one store: what is found by keyed hash, sealed as a record, and proved absent.

Does not touch the disk. Three keys are derived from the data key (keys.derive), one a purpose. The keyed hash is BLAKE2b-256 (RFC 7693, 2.9), a
MAC in one pass: a look-up takes two of them, and HMAC-SHA-256 would take three times as long.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from nacl import utils

from gate_controller.enrolment.keys import KEY_BYTES, MasterKey, derive, seal, unseal
from gate_controller.enrolment.schema import Description

KEY_ID_BYTES = 8
_WRAP = b"enrolment data key/1"
_RECORD = b"enrolment record/1"
_BUCKET = b"enrolment bucket/2"
_DESCRIPTION = b"enrolment description/1"
_STAGED = b"enrolment staged chunk/1"


def keyed_hash(key: bytes, message: bytes) -> bytes:
    """BLAKE2b-256 of `message` under a key of 32 bytes: 32 bytes."""
    return hashlib.blake2b(message, key=key, digest_size=32).digest()


@dataclass(frozen=True, slots=True)
class DataKey:
    """One store's keys. Its repr shows nothing but the id.

    Attributes:
        key_id: 8 random bytes that name the data key; part of everything it seals.
    """

    key_id: bytes
    _secret: bytes = field(repr=False)
    _index: bytes = field(repr=False)
    _records: bytes = field(repr=False)
    _buckets: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> DataKey:
        """A new random data key."""
        return cls._of(utils.random(KEY_ID_BYTES), utils.random(KEY_BYTES))

    @classmethod
    def unwrap(cls, wrapped: bytes, key_id: bytes, master: MasterKey) -> DataKey | None:
        """The data key that `wrap` gave, or None when the master key is another or a bit differs."""
        secret = unseal(wrapped, _WRAP + master.key_id + key_id, master.secret)
        return None if secret is None else cls._of(key_id, secret)

    @classmethod
    def _of(cls, key_id: bytes, secret: bytes) -> DataKey:
        return cls(key_id, secret, derive(secret, "enrolment/index/1"), derive(secret, "enrolment/record/1"), derive(secret, "enrolment/bucket/1"))

    def wrap(self, master: MasterKey) -> bytes:
        """The data key sealed by the master key."""
        return seal(self._secret, _WRAP + master.key_id + self.key_id, master.secret)

    def record_id(self, reference: bytes) -> bytes:
        """Keyed hash of an enrolment reference, 32 bytes: the store's look-up key; without the data key it leads nowhere."""
        return keyed_hash(self._index, reference)

    def seal_record(self, record_id: bytes, version: int, plain: bytes) -> bytes:
        """Seal one record; it opens only under the same id, version and data key."""
        return seal(plain, self._associated(record_id, version), self._records)

    def open_record(self, record_id: bytes, version: int, sealed: bytes) -> bytes | None:
        """The plain record, or None when it is not what was sealed under this id and version."""
        return unseal(sealed, self._associated(record_id, version), self._records)

    def prove_bucket(self, bits: int, number: int, entries: bytes) -> bytes:
        """Keyed hash over the entries of a bucket, its number, and the bits of it: an id that is not among them is proved absent."""
        return keyed_hash(self._buckets, b"%b%b%c%b%b" % (_BUCKET, self.key_id, bits, number.to_bytes(4, "big"), entries))

    def prove_description(self, description: Description) -> bytes:
        """Keyed hash over which state the store holds."""
        fields = [_DESCRIPTION, self.key_id, description.region.value.encode(), description.publication]
        fields += [number.to_bytes(8, "big") for number in (*description.state, description.issued_at, description.records)]
        return keyed_hash(self._buckets, b"".join(fields))

    def prove_staged(self, publication: bytes, chunk: int, entries: bytes) -> bytes:
        """Keyed hash over the entries of the records that came from one chunk of a publication."""
        return keyed_hash(self._buckets, b"".join((_STAGED, self.key_id, publication, chunk.to_bytes(4, "big"), entries)))

    def _associated(self, record_id: bytes, version: int) -> bytes:
        return b"".join((_RECORD, self.key_id, record_id, version.to_bytes(8, "big")))
