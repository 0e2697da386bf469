"""What a desk hands to its region: one record, sealed to the region and signed by the desk. docs/enrolment.md has it byte by byte.

    ECHREC 01 | COSE_Sign1 by the desk over { region, taken at, id, the region's key, sealed box of [ desk, id, record, evidence ] }

Nothing about the person can be read in it; its length tells how many templates there are. Does not read such files: the region
does, with a program of its own (simulators.enrolment_intake shows one).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cbor2
from nacl import bindings, exceptions, utils
from nacl.signing import SigningKey

from gate_controller.core.values import Region
from gate_controller.enrolment import records
from gate_controller.enrolment.desk.session import Evidence
from gate_controller.ports.durable import sync
from gate_controller.ports.errors import StoreError
from gate_controller.ports.secret_file import SECRET_BYTES, read_secret_file
from gate_controller.ports.services import EnrolmentRecord

MAGIC, FORMAT = b"ECHREC", b"01"
TYP_RECORD = 65003
SUFFIX = ".record"
WHAT_KEY = "desk key"
ID_BYTES = 16
_KID_BYTES = 8
_EDDSA = -8
_BODY_FORMAT = 1
_TRIAL_BYTES = 64 << 10
_NO_LINKS = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)
"""What a file system without links answers: a stick, a network share."""


@dataclass(frozen=True, slots=True)
class DeskKey:
    """The Ed25519 key that a desk signs with. Its repr shows nothing but the kid.

    Attributes:
        public: 32 bytes; the region knows it.
        kid: First 8 bytes of the SHA-256 of the public key's COSE_Key.
    """

    public: bytes = field(repr=False)
    kid: bytes
    _key: SigningKey = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> DeskKey:
        """The key of a secret of 32 bytes."""
        key = SigningKey(secret)
        public = key.verify_key.encode()
        return cls(public, hashlib.sha256(_encoded({1: 1, -1: 6, -2: public})).digest()[:_KID_BYTES], key)

    @classmethod
    def from_file(cls, path: Path) -> DeskKey:
        """Read it from a file that only its owner may read (mode 0600 or 0400).

        Raises:
            StoreError: Missing, not a regular file, open to others, or not a key.
        """
        return cls.of(read_secret_file(path, WHAT_KEY))

    @classmethod
    def create(cls, path: Path) -> DeskKey:
        """Make a new key and keep it in a new file of mode 0600.

        Raises:
            StoreError: There is such a file already, or it cannot be written.
        """
        secret = utils.random(SECRET_BYTES)
        trouble = write_new(path, secret.hex().encode() + b"\n", WHAT_KEY)
        if trouble:
            raise StoreError(f"{WHAT_KEY} {path}: written, but not safely on the disk: {trouble}", "remove it, check the disk, make it again")  # noqa: EM102
        return cls.of(secret)

    def sign1(self, protected: bytes, payload: bytes) -> bytes:
        """A tagged COSE_Sign1 (RFC 9052, 4.2)."""
        signature = self._key.sign(_encoded(["Signature1", protected, b"", payload])).signature
        return _encoded(cbor2.CBORTag(18, [protected, {}, payload, signature]))


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A record file, ready to be written.

    Attributes:
        id: 16 random bytes; its name.
        content: All its bytes.
    """

    id: bytes
    content: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the file: it says nothing about the person."""
        return self.id.hex() + SUFFIX


def region_key_id(public: bytes) -> bytes:
    """8 bytes that name the key a region opens records with."""
    return hashlib.sha256(public).digest()[:_KID_BYTES]


def seal_record(record: EnrolmentRecord, evidence: Evidence, desk: DeskKey, region: Region, region_key: bytes) -> RecordFile:
    """Seal a record to its region and sign it.

    Args:
        record: What was enrolled; its time of registration is when it was taken.
        evidence: How; sealed, too: it names the officer.
        desk: Who signs.
        region: Whom it is for.
        region_key: The region's X25519 public key for records, 32 bytes.

    Raises:
        ValueError: The record is broken, or the region's key is no key; the message names the field, never the value.
    """
    file_id = utils.random(ID_BYTES)
    # Desk and id stand inside, too: else another desk could sign what it cannot read as its own.
    body = _encoded([_BODY_FORMAT, desk.kid, file_id, records.encode(record), _evidence(evidence)])
    try:
        sealed: bytes = bindings.crypto_box_seal(body, region_key)
    except (exceptions.CryptoError, exceptions.ValueError, exceptions.TypeError) as error:
        raise ValueError("the region's key is no X25519 public key") from error
    payload = _encoded({1: region.value, 2: record.registered_at, 3: file_id, 4: region_key_id(region_key), 5: sealed})
    signed = desk.sign1(_encoded({1: _EDDSA, 4: desk.kid, 16: TYP_RECORD}), payload)
    return RecordFile(file_id, MAGIC + FORMAT + signed)


def require_key(region_key: bytes) -> None:
    """Try whether something can be sealed to a key.

    Raises:
        ValueError: It is no X25519 public key.
    """
    try:
        bindings.crypto_box_seal(b"trial", region_key)
    except (exceptions.CryptoError, exceptions.ValueError, exceptions.TypeError, exceptions.RuntimeError) as error:
        raise ValueError("the region's key is no X25519 public key") from error


def require_room(directory: Path) -> None:
    """Write a file as large as a record can be into a directory, in the way a record is written, and remove it.

    Raises:
        StoreError: There is no such directory, it cannot be written, or it has no room.
    """
    trial = directory / f".{utils.random(ID_BYTES).hex()}.trial"
    try:
        write_new(trial, bytes(_TRIAL_BYTES), "trial file")
    finally:
        with contextlib.suppress(OSError):
            trial.unlink(missing_ok=True)


def write_new(path: Path, content: bytes, what: str = "record file") -> str:
    """Write a new file of mode 0600, durably: it is there whole, or not at all.

    Returns:
        "", or what went wrong after the file had its name: it is there then, and may be lost if the power fails soon.

    Raises:
        StoreError: There is such a file already, or it cannot be written. It is not there.
    """
    draft = path.with_name(f".{path.name}.part")
    with _file_errors(path, what):
        try:
            descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _put(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    try:
        draft.unlink(missing_ok=True)
        sync(path.parent)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _put(draft: Path, path: Path) -> None:
    """Give the draft its name, but never another file's: a link refuses what a renaming would overwrite."""
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, "File exists") from None
        draft.rename(path)


@contextlib.contextmanager
def _file_errors(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "name a new file in a directory that exists and that this user may write to; is there room on the disk?"
        how = f"{what} {path}: {error.strerror or type(error).__name__}"
        raise StoreError(how, remedy) from error


def _evidence(evidence: Evidence) -> dict[int, object]:
    return {
        1: evidence.officer,
        2: evidence.fewer_fingers,
        3: round(evidence.face_score * 1000),
        4: round(evidence.face_farthest * 1000),
        5: evidence.pad.value,
        6: evidence.judge,
        7: [list(finger) for finger in evidence.fingers],
        **({8: True} if evidence.simulated else {}),
    }


def _encoded(value: object) -> bytes:
    return cbor2.dumps(value, canonical=True)
