"""Keys of the enrolment store: a master key from outside, one random data key a store, and what is derived from it.

    master key (file or systemd credential) --XChaCha20-Poly1305--> data key (kept, wrapped, in the store)
    data key --HKDF-Expand--> index key (HMAC of references), record key (sealing), bucket key (proof of absence)

So the master key never touches a record, and a store can be re-keyed by wrapping one key anew. Does not make or
rotate master keys: `systemd-creds` or `openssl rand` do.
"""

from __future__ import annotations

import hmac
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from nacl import bindings, exceptions, utils

from gate_controller.ports.errors import StoreError

KEY_BYTES = 32
_NONCE_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_MAX_FILE_BYTES = 256
_REMEDY = "32 random bytes, raw or as 64 hexadecimal digits, e.g. openssl rand -hex 32"


def seal(plain: bytes, associated: bytes, key: bytes) -> bytes:
    """XChaCha20-Poly1305: random nonce (24 B), ciphertext, tag (16 B). Random nonces never repeat in practice at 192 bits."""
    nonce = utils.random(_NONCE_BYTES)
    return nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, associated, nonce, key)


def unseal(sealed: bytes, associated: bytes, key: bytes) -> bytes | None:
    """The plain text, or None when key, associated data or a single bit of `sealed` differs."""
    if len(sealed) < _NONCE_BYTES + bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES:
        return None
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[_NONCE_BYTES:], associated, sealed[:_NONCE_BYTES], key)
    except exceptions.CryptoError:
        return None


def derive(key: bytes, purpose: str) -> bytes:
    """HKDF-Expand with HMAC-SHA256 for one block (RFC 5869 2.3): an independent 32-byte key for `purpose`."""
    return hmac.digest(key, purpose.encode() + b"\x01", "sha256")


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key that opens data keys. Its repr shows nothing.

    Attributes:
        secret: 32 bytes.
        source: Where it came from, for messages.
    """

    secret: bytes = field(repr=False)
    source: str

    @property
    def key_id(self) -> bytes:
        """8 bytes that tell one master key from another and give nothing away."""
        return derive(self.secret, "enrolment/master key id/1")[:8]

    @classmethod
    def from_file(cls, path: Path) -> MasterKey:
        """Read the key from a file that only its owner may read (mode 0600 or 0400).

        Raises:
            StoreError: Missing, not a regular file, open to others, or not a key.
        """
        return cls(_read_key(path, allowed=stat.S_IRUSR | stat.S_IWUSR, why="only its owner may read it: chmod 600"), str(path))

    @classmethod
    def from_credential(cls, name: str) -> MasterKey:
        """Read the key from a systemd credential (LoadCredentialEncrypted= in the unit).

        systemd gives a service with User= access by an ACL, which shows as the group's read bit, so 0440 is accepted
        here; nobody else can enter the directory.

        Raises:
            StoreError: Not started with credentials, or no such credential, or not a key.
        """
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            how = "not among the credentials: $CREDENTIALS_DIRECTORY is not set"
            raise _unusable(name, how, "start the gate as its systemd unit, or name a key file in [enrolment]")
        if not name or "/" in name or name.startswith("."):
            raise _unusable(name, "not the name of a credential", "a plain name as in LoadCredentialEncrypted=NAME")
        allowed = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP
        return cls(_read_key(Path(directory, name), allowed=allowed, why="systemd makes it 0400 or 0440"), f"credential {name}")


def _read_key(path: Path, *, allowed: int, why: str) -> bytes:
    try:
        # O_NONBLOCK: a FIFO put in its place must not stop the gate.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            content = os.read(descriptor, _MAX_FILE_BYTES) if stat.S_ISREG(found.st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        remedy = "is the path right, and may the gate's user read it?"
        raise _unusable(path, error.strerror or "cannot be read", remedy) from error
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, "not a regular file", _REMEDY)
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~allowed:
        raise _unusable(path, f"mode {mode:04o} lets others at it", why)
    if found.st_uid not in {0, os.geteuid()}:
        raise _unusable(path, "belongs to another user", "it must belong to the gate's user or to root")
    return _parse_key(content, path)


def _parse_key(content: bytes, path: Path) -> bytes:
    try:
        key = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        # 32 hexadecimal digits, which are half a key, never get here: they would pass for 32 raw bytes.
        key = content
    if len(key) != KEY_BYTES or not any(key):
        raise _unusable(path, "not a key of 32 bytes", _REMEDY)
    return key


def _unusable(source: Path | str, how: str, remedy: str) -> StoreError:
    return StoreError(f"master key {source}: {how}", remedy)
