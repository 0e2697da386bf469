"""Published enrolments, read chunk by chunk: each is compared with its signed hash before anything in it is looked at.

At most one chunk (1 MiB) is in memory. Does not write, and does not compare with what the gate holds (importing.py does).
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from nacl import bindings, exceptions

from gate_controller.enrolment import records
from gate_controller.enrolment.keys import KEY_BYTES, MasterKey
from gate_controller.enrolment.manifest import Chunk, Kind, Manifest, ManifestError, Refused, read_manifest, transport_key_id
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord, VerifyingKey

_CHUNK = b"enrolment chunk/1"
_RECORD, _ERASURE = 1, 2
_ENTRY_HEAD_BYTES = 5
_HASH_BYTES = 32
_AHEAD_S = 3600
"""How far the clock of who signs may be ahead of the gate's."""
TAKE_AGAIN = "copy it again from its source; if it stays, tell the region's authority. What is in force stays in force"
CHECK_CLOCKS = "set the gate's clock; if it is right, tell the region's authority that its own is ahead"
ASK_REGION = "tell the region's authority; what is in force stays in force"


class PublicationError(StoreError):
    """A snapshot or delta must not be believed, or does not fit what the gate holds. What is in force stays in force.

    Args:
        what: One line: what is wrong and where.
        remedy: One line: what a person can do about it.
        reason: Why, for a program.
    """

    def __init__(self, what: str, remedy: str, reason: Refused) -> None:
        super().__init__(what, remedy)
        self.reason = reason


class Entry(NamedTuple):
    """One entry of a chunk.

    Attributes:
        reference: Enrolment reference, 16 bytes.
        record: The record; None: whatever is enrolled under the reference is erased.
        plain: The record's own bytes; empty for an erasure.
    """

    reference: bytes
    record: EnrolmentRecord | None
    plain: bytes


class Publication:
    """A snapshot or delta whose front is verified. A context manager.

    Args:
        path: The file.
        keys: The regions' enrolment keys by kid.
        master: The gate's master key, whose transport key opens the chunks.
        now: The time that the signing key must be valid at, and that it was not issued after (but for an hour), seconds since the epoch.

    Attributes:
        path: The file.
        manifest: The verified front.

    Raises:
        PublicationError: It cannot be read, is incomplete or longer than it says, or must not be believed.
    """

    def __init__(self, path: Path, keys: Mapping[bytes, VerifyingKey], master: MasterKey, now: float) -> None:
        self.path = path
        try:
            self._file = _opened(path)
        except OSError as error:
            too_many = error.errno in {errno.EMFILE, errno.ENFILE}
            remedy = "give fewer files at a time" if too_many else "is it there, is the stick mounted, and may this user read it?"
            raise self._refuse(error.strerror or type(error).__name__, Refused.UNREADABLE, remedy) from error
        try:
            self.manifest: Manifest = read_manifest(self._file, keys, now)
            self._require_size(os.fstat(self._file.fileno()).st_size)
            self._require_issued(now)
            self._key = self._content_key(master)
        except ManifestError as error:
            self._file.close()
            raise self._refuse(str(error), error.reason) from error
        except OSError as error:
            self._file.close()
            raise self._failing(error) from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def read(self, first: int = 0) -> Iterator[tuple[int, list[Entry]]]:
        """The chunks from number `first` on, each with its number and entries. References ascend through all of them.

        Raises:
            PublicationError: A chunk is not the signed one, or breaks a rule of the format; what came before it was as signed.
        """
        last = self._last_reference(first - 1) if first else b""
        for number in range(first, len(self.manifest.chunks)):
            entries = self._entries(number)
            for entry in entries:
                if entry.reference <= last:
                    msg = f"chunk {number}: references do not ascend"
                    raise self._refuse(msg, Refused.MALFORMED, ASK_REGION)
                last = entry.reference
            yield number, entries

    def refuse_count(self, counted: int) -> None:
        """Raise PublicationError unless all chunks together had as many entries as the front says."""
        if counted != self.manifest.entries:
            msg = f"has {counted} entries, and its front says {self.manifest.entries}"
            raise self._refuse(msg, Refused.MALFORMED, ASK_REGION)

    def _last_reference(self, number: int) -> bytes:
        return self._entries(number)[-1].reference

    def _entries(self, number: int) -> list[Entry]:
        plain = self._plain(number, self.manifest.chunks[number])
        entries: list[Entry] = []
        try:
            for kind, body in _framed(plain):
                entries.append(self._entry(kind, body))
        except ValueError as error:
            msg = f"chunk {number}, entry {len(entries) + 1}: {error}"
            raise self._refuse(msg, Refused.BAD_RECORD, ASK_REGION) from None
        return entries

    def _entry(self, kind: int, body: bytes) -> Entry:
        if kind == _RECORD:
            record = records.decode(body)
            return Entry(record.reference, record, body)
        if kind == _ERASURE and self.manifest.kind is Kind.DELTA:
            if len(body) != records.REFERENCE_BYTES:
                raise ValueError("an erasure names a reference of 16 bytes")
            return Entry(body, None, b"")
        raise ValueError("is neither a record nor an erasure, or an erasure in a snapshot")

    def _plain(self, number: int, chunk: Chunk) -> bytes:
        try:
            self._file.seek(chunk.offset)
            sealed = self._file.read(chunk.length)
        except OSError as error:
            raise self._failing(error) from error
        if len(sealed) != chunk.length:
            msg = f"is cut off in chunk {number}"
            raise self._refuse(msg, Refused.CUT_OFF)
        if hashlib.blake2b(sealed, digest_size=_HASH_BYTES).digest() != chunk.digest:
            msg = f"chunk {number} is not the signed one"
            raise self._refuse(msg, Refused.CHANGED_CHUNK)
        associated = _CHUNK + self.manifest.publication_id
        nonce = number.to_bytes(bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
        try:
            return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, associated, nonce, self._key)
        except exceptions.CryptoError:
            msg = f"chunk {number} does not open with the key that its front has for this gate"
            raise self._refuse(msg, Refused.MALFORMED, ASK_REGION) from None

    def _content_key(self, master: MasterKey) -> bytes:
        sealed = self.manifest.recipients.get(transport_key_id(master.transport_public))
        key = None if sealed is None else master.unseal_transported(sealed)
        if key is None or len(key) != KEY_BYTES:
            what = f"{self.manifest.name} is not sealed to this gate's key"
            remedy = "give the region this gate's public key: gatectl enrolment key; or take the file that was made for this gate"
            raise self._refuse(what, Refused.NOT_FOR_THIS_GATE, remedy)
        return key

    def _require_size(self, size: int) -> None:
        expected = self.manifest.file_bytes or self._file.tell()
        if size != expected:
            cut = f"is cut off: {size} of {expected} bytes", Refused.CUT_OFF
            longer = f"has {size - expected} bytes after its last chunk", Refused.TRAILING_BYTES
            raise self._refuse(*(cut if size < expected else longer))

    def _require_issued(self, now: float) -> None:
        """What was issued in the future would, once believed, keep out whatever is issued until then."""
        if self.manifest.issued_at > now + _AHEAD_S:
            what = f"{self.manifest.name} was issued in the future, by this gate's clock"
            raise self._refuse(what, Refused.ISSUED_IN_THE_FUTURE, CHECK_CLOCKS)

    def _failing(self, error: OSError) -> PublicationError:
        how = f"reading it failed: {error.strerror or type(error).__name__}"
        return self._refuse(how, Refused.UNREADABLE, "the medium fails or was pulled out; import it again to go on")

    def _refuse(self, how: str, reason: Refused, remedy: str = TAKE_AGAIN) -> PublicationError:
        return PublicationError(f"{self.path}: {how}", remedy, reason)


def _framed(plain: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each entry of a chunk.

    Raises:
        ValueError: It ends amid an entry.
    """
    at = 0
    while at < len(plain):
        kind, begin = plain[at], at + _ENTRY_HEAD_BYTES
        at = begin + int.from_bytes(plain[at + 1 : begin])
        if max(begin, at) > len(plain):
            raise ValueError("is cut off")
        yield kind, plain[begin:at]


def _opened(path: Path) -> BinaryIO:
    """A plain file, open; a pipe or a device in its place must not stop the gate."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "is not a plain file")
    return os.fdopen(descriptor, "rb", buffering=0)
