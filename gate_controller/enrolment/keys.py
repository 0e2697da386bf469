"""Keys of the enrolment store: a master key from outside, one random data key a store, and what is derived from it.

    master key (file or systemd credential) --XChaCha20-Poly1305--> data key (kept, wrapped, in the store)
    master key --HKDF-Expand--> transport key (X25519: what the regions seal snapshots and deltas to)
    data key --HKDF-Expand--> index key (keyed hash of references), record key (sealing), bucket key (proof of absence)

So the master key never touches a record, and each snapshot has a data key of its own. Does not make or
rotate master keys: `systemd-creds` or `openssl rand` do.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from pathlib import Path

from nacl import bindings, exceptions, utils
from nacl._sodium import ffi, lib  # type: ignore[import-not-found]

from gate_controller.ports.secret_file import read_credential, read_secret_file

KEY_BYTES = 32
_NONCE_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_TAG_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES
_TRANSPORT = "enrolment/transport/1"
WHAT = "master key"


def seal(plain: bytes, associated: bytes, key: bytes) -> bytes:
    """XChaCha20-Poly1305: random nonce (24 B), ciphertext, tag (16 B). Random nonces never repeat in practice at 192 bits."""
    nonce = utils.random(_NONCE_BYTES)
    return nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, associated, nonce, key)


def unseal(sealed: bytes, associated: bytes, key: bytes) -> bytes | None:
    """The plain text, or None when key, associated data or a single bit of `sealed` differs."""
    length = len(sealed) - _NONCE_BYTES - _TAG_BYTES
    if length < 0 or len(key) != KEY_BYTES:
        return None
    # What nacl.bindings calls, without its three copies of the record: a third of the time. libsodium writes nothing that fails its tag.
    plain = ffi.new("unsigned char[]", length or 1)
    at = ffi.from_buffer(sealed)
    opened = lib.crypto_aead_xchacha20poly1305_ietf_decrypt(
        plain, ffi.NULL, ffi.NULL, at + _NONCE_BYTES, length + _TAG_BYTES, associated, len(associated), at, key
    )
    return ffi.buffer(plain, length)[:] if opened == 0 else None


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

    @property
    def transport_public(self) -> bytes:
        """X25519 public key, 32 bytes: the regions seal snapshots and deltas for this gate to it."""
        public: bytes = bindings.crypto_scalarmult_base(derive(self.secret, _TRANSPORT))
        return public

    def unseal_transported(self, sealed: bytes) -> bytes | None:
        """What somebody sealed to the transport key (libsodium's sealed box), or None when it was sealed to another."""
        try:
            opened: bytes = bindings.crypto_box_seal_open(sealed, self.transport_public, derive(self.secret, _TRANSPORT))
        except exceptions.CryptoError:
            return None
        return opened

    def pseudonym(self, reference: bytes) -> str:
        """16 hexadecimal digits that stand for a reference in the system's log: the same each time, and only this key leads there."""
        return hmac.digest(derive(self.secret, "enrolment/log/1"), reference, "sha256")[:8].hex()

    @classmethod
    def from_file(cls, path: Path) -> MasterKey:
        """Read the key from a file that only its owner may read (mode 0600 or 0400).

        Raises:
            StoreError: Missing, not a regular file, open to others, or not a key.
        """
        return cls(read_secret_file(path, WHAT), str(path))

    @classmethod
    def from_credential(cls, name: str) -> MasterKey:
        """Read the key from a systemd credential (LoadCredentialEncrypted= in the unit).

        Raises:
            StoreError: Not started with credentials, or no such credential, or not a key.
        """
        return cls(read_credential(name, WHAT, "enrolment"), f"credential {name}")
