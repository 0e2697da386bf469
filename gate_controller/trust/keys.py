"""A region's keys as they are published: one COSE_Key (RFC 9052, 7) in a target of its own, named by its kid.

    hk/<kid>.cbor     {1: 1 (OKP), -1: 6 (Ed25519), -2: 32 bytes} in deterministic CBOR: 40 bytes in exactly one form, so no parser is needed
    custom data       {"not_before", "not_after"}: seconds since the epoch; the region's role signs them with the target's hash
                      and "use": "enrolment" for a key that signs enrolments and no passes

The kid is the first 8 bytes of the COSE_Key's SHA-256 (RFC 9679), in hex. Does not fetch and does not look at the clock: the verifier
compares a key's validity with the time of the pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from gate_controller.core.values import Region
from gate_controller.cose.ed25519 import KEY_BYTES, is_valid_point
from gate_controller.ports.services import VerifyingKey

KID_BYTES = 8

_COSE_KEY_HEAD = b"\xa3\x01\x01\x20\x06\x21\x58\x20"
_COSE_KEY_BYTES = len(_COSE_KEY_HEAD) + KEY_BYTES
_MAX_TIME = 1 << 33
_VALIDITY = ("not_before", "not_after")
_USE, ENROLMENT = "use", "enrolment"


def protected_headers(kid: bytes) -> tuple[bytes, bytes]:
    """The only two protected headers a pass of this key may carry: `{1: alg, 4: kid, 16: 65001}`, alg -8 and -19.

    EdDSA (-8, RFC 9053) and Ed25519 (-19, RFC 9864) mean the same with these keys, so both are rows of the table.
    """
    after_alg = b"\x04\x48" + kid + b"\x10\x19\xfd\xe9"
    return b"\xa3\x01\x27" + after_alg, b"\xa3\x01\x32" + after_alg


def is_for_enrolments(custom: Mapping[str, object]) -> bool:
    """Whether a target's custom data make its key one that signs enrolments, and no passes."""
    return custom.get(_USE) == ENROLMENT


def parse_key(name: str, content: bytes, custom: Mapping[str, object], region: Region) -> tuple[bytes, VerifyingKey]:
    """Read one key, whatever its use.

    Args:
        name: File name without its folder: "<kid>.cbor".
        content: The COSE_Key.
        custom: Custom data of the target.
        region: Whose folder it lies in.

    Returns:
        The kid, 8 bytes, and the key.

    Raises:
        ValueError: Any rule of this module is broken; str() is one line without the file's name.
    """
    if len(content) != _COSE_KEY_BYTES or not content.startswith(_COSE_KEY_HEAD):
        raise ValueError("is not an Ed25519 COSE_Key in deterministic CBOR")
    kid = hashlib.sha256(content).digest()[:KID_BYTES]
    if name != f"{kid.hex()}.cbor":
        msg = f"holds the key {kid.hex()}"
        raise ValueError(msg)
    public = content[len(_COSE_KEY_HEAD) :]
    if not is_valid_point(public):
        raise ValueError("is not a valid Ed25519 point")
    not_before, not_after = _validity(custom)
    return kid, VerifyingKey(public, region, not_before, not_after)


def _validity(custom: Mapping[str, object]) -> tuple[int, int]:
    # A field that is not understood could restrict the key's use, so it is no better than a missing one.
    if sorted(custom) != sorted((*_VALIDITY, _USE) if is_for_enrolments(custom) else _VALIDITY):
        raise ValueError("must have not_before and not_after as its custom data, and nothing else")
    for field in _VALIDITY:
        value = custom[field]
        if type(value) is not int or not 0 <= value <= _MAX_TIME:
            msg = f"has no time from 0 to 2^33 as {field}"
            raise ValueError(msg)
    not_before, not_after = custom["not_before"], custom["not_after"]
    assert isinstance(not_before, int)
    assert isinstance(not_after, int)
    if not not_before < not_after:
        raise ValueError("is never valid: not_before is not before not_after")
    return not_before, not_after
