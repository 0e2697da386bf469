"""Deterministic CBOR (RFC 8949, 4.2): parse, encode again, compare. Knows no claim."""

from __future__ import annotations

import cbor2

_MAX_DEPTH = 8  # the deepest valid payload nests three maps


class CborError(ValueError):
    """Not deterministic CBOR (RFC 8949, 4.2)."""


def parse_deterministic(payload: bytes) -> object:
    """Parse CBOR and require that encoding it again gives the same bytes.

    That alone refuses trailing bytes, duplicate keys, indefinite lengths, long forms of integers and unsorted maps. cbor2's
    own limits refuse the costly ones earlier.

    Raises:
        CborError: Whatever the parser or the encoder objects to, or other bytes came back.
    """
    try:
        value: object = cbor2.loads(payload, max_depth=_MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
        again = cbor2.dumps(value, canonical=True)
    except Exception as error:  # whatever a parser throws at hostile bytes is a refusal, named or not
        msg = f"not CBOR of this format ({type(error).__name__})"
        raise CborError(msg) from error
    if again != payload:
        raise CborError("not in deterministic encoding, or bytes follow it")
    return value
