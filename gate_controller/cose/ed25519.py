"""Ed25519 through libsodium: one verification of a detached signature, and the check of a holder key (step 7).

libsodium refuses keys of small order and non-canonical ones by itself, but not points outside the main subgroup (42 of 774
mixed-order test vectors verify under it); `crypto_core_ed25519_is_valid_point` refuses all three. Does not sign.
"""

from __future__ import annotations

from functools import lru_cache

from nacl import bindings
from nacl._sodium import ffi, lib  # type: ignore[import-not-found]

from gate_controller.cose.sign1 import SIGNATURE_BYTES
from gate_controller.ports.errors import ConfigurationError

KEY_BYTES = 32

_KEYS_REMEMBERED = 1024  # about 0.2 MB; the check costs nearly as much as a verification and people come back


def require_point_check() -> None:
    """Refuse to start on a libsodium without point validation.

    Raises:
        ConfigurationError: The library was built as "minimal".
    """
    if not bindings.has_crypto_core_ed25519:
        raise ConfigurationError("libsodium cannot validate Ed25519 points (a minimal build)", "install a full libsodium, or the pynacl wheel that bundles one")


def verify_signature(signature: bytes, signed: bytes, key: bytes) -> bool:
    """Whether `signature` (exactly 64 bytes) is `key`'s over `signed` (RFC 8032, 5.1.7, with libsodium's strict checks).

    The length matters: libsodium's combined form would take a 65-byte "signature" over a message shifted by one byte.
    """
    if len(signature) != SIGNATURE_BYTES or len(key) != KEY_BYTES:
        return False
    message = signature + signed
    # What nacl.bindings.crypto_sign_open calls, without its two copies of the message, which nobody needs: 4 % of a verification.
    verified: bool = lib.crypto_sign_open(ffi.NULL, ffi.NULL, message, len(message), key) == 0
    return verified


@lru_cache(maxsize=_KEYS_REMEMBERED)
def is_valid_point(key: bytes) -> bool:
    """Whether `key` is a canonical point of the main subgroup, not of small order."""
    return len(key) == KEY_BYTES and bool(bindings.crypto_core_ed25519_is_valid_point(key))
