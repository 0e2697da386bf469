"""Checkpoints: a tree's size and root as a signed note (c2sp.org/tlog-checkpoint, c2sp.org/signed-note), signed with Ed25519.

    e-channel/MO-GB-07/journal          origin: which log this is, also the key's name
    20852163                            rows
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
                                        base64 of the RFC 6962 root
    — e-channel/MO-GB-07/journal Az3g...base64 of key id (4 bytes) and signature (64)

No extension lines are written (the specification advises against them, since no monitor can audit them): what time it was stands in the rows.
Does not decide when a checkpoint is made, and stores nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

from nacl.signing import SigningKey

from gate_controller.cose.ed25519 import KEY_BYTES, verify_signature
from gate_controller.journal.merkle import HASH_BYTES
from gate_controller.ports.secret_file import read_credential, read_secret_file

MAX_NOTE = 64 * 1024
WHAT = "journal key"
_ED25519 = b"\x01"
_KEY_ID_BYTES = 4


class NoteError(ValueError):
    """Not a checkpoint, or not signed by the key that was expected; one line."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public key of a log. Written `NAME+8 hexadecimal digits+base64`, as verifiers of signed notes take it.

    Attributes:
        name: The key's name, which is the log's origin.
        public: 32 bytes.
    """

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || 0x01 || public key), the first 4 bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read what str() writes.

        Raises:
            NoteError: It is not a verifier key for Ed25519.
        """
        parts = text.strip().split("+", 2)
        data = _from_base64(parts[2]) if len(parts) == 3 else b""
        if len(data) != 1 + KEY_BYTES or data[:1] != _ED25519 or not _is_name(parts[0]):
            raise NoteError("not a verifier key: NAME+HASH+BASE64, of Ed25519")
        key = cls(parts[0], data[1:])
        if key.key_id.hex() != parts[1]:
            raise NoteError("not a verifier key: its hash does not fit its name and key; mistyped?")
        return key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed.

    Attributes:
        origin: Which log.
        size: Rows.
        root: Root hash of the tree over them.
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signer:
    """Signs the checkpoints of one log.

    Args:
        origin: The log's name, without spaces and plus signs.
        seed: The private key, 32 bytes.
    """

    def __init__(self, origin: str, seed: bytes) -> None:
        self._private = SigningKey(seed)
        self.key = VerifierKey(origin, bytes(self._private.verify_key))

    @classmethod
    def from_file(cls, origin: str, path: Path) -> Signer:
        """With the key in a file that only its owner may read.

        Raises:
            StoreError: See read_secret_file().
        """
        return cls(origin, read_secret_file(path, WHAT))

    @classmethod
    def from_credential(cls, origin: str, name: str) -> Signer:
        """With the key in a systemd credential.

        Raises:
            StoreError: See read_credential().
        """
        return cls(origin, read_credential(name, WHAT, "journal"))

    def sign(self, size: int, root: bytes) -> str:
        """The signed note of a checkpoint."""
        text = Checkpoint(self.key.name, size, root).text()
        signature = self._private.sign(text.encode()).signature
        return f"{text}\n— {self.key.name} {base64.b64encode(self.key.key_id + signature).decode()}\n"


def open_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """Verify a note and read it. Signatures of other keys (witnesses) are passed over, as the specification demands.

    Raises:
        NoteError: Not a checkpoint, of another log, or not signed by `key`.
    """
    text, signatures = _split(note)
    checkpoint = _parse_text(text)
    if checkpoint.origin != key.name:
        msg = f"it is of {checkpoint.origin!r}, not of {key.name!r}"
        raise NoteError(msg)
    mine = [data[_KEY_ID_BYTES:] for name, data in signatures if (name, data[:_KEY_ID_BYTES]) == (key.name, key.key_id)]
    if not mine:
        msg = f"it is not signed by the key {key.key_id.hex()}"
        raise NoteError(msg)
    if not all(verify_signature(signature, text.encode(), key.public) for signature in mine):
        raise NoteError("its signature does not verify")
    return checkpoint


def checkpoint_size(note: str) -> int:
    """How many rows a note says it is of; whoever acts by it opens the note first.

    Raises:
        NoteError: Not a checkpoint.
    """
    return _parse_text(_split(note)[0]).size


def _split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Text and signatures of a note."""
    end = note.rfind("\n\n")
    if end < 0 or len(note) > MAX_NOTE or not note.endswith("\n") or any(character < " " and character != "\n" for character in note):
        raise NoteError("not a signed note")
    signatures = []
    for line in note[end + 2 : -1].split("\n"):
        parts = line.split(" ")
        data = _from_base64(parts[2]) if len(parts) == 3 else b""
        if len(parts) != 3 or parts[0] != "—" or not _is_name(parts[1]) or len(data) <= _KEY_ID_BYTES:
            raise NoteError("not a signed note: a signature line is malformed")
        signatures.append((parts[1], data))
    return note[: end + 1], signatures


def _parse_text(text: str) -> Checkpoint:
    lines = text[:-1].split("\n")
    origin, size, root = lines[:3] if len(lines) >= 3 else ("", "", "")
    number = int(size) if size.isascii() and size.isdigit() and len(size) < 20 else -1
    found = _from_base64(root)
    if not all(lines) or str(number) != size or len(found) != HASH_BYTES:
        raise NoteError("not a checkpoint: origin, number of rows and root hash, a line each")
    return Checkpoint(origin, number, found)


def _from_base64(text: str) -> bytes:
    """The bytes; empty when it is not base64 in the one way to write it."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if base64.b64encode(data).decode() == text else b""


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)
