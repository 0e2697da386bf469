"""Deterministic CBOR (RFC 8949, 4.2): parse, encode again, compare. Knows no claim."""

from __future__ import annotations

from typing import Any

import cbor2

_MAX_DEPTH = 8  # the deepest valid payload nests three maps


class CborError(ValueError):
    """Not deterministic CBOR (RFC 8949, 4.2)."""


def _refuse_shared(*_: object) -> Any:
    raise CborError("a shared value")


NO_SHARED_VALUES = {28: _refuse_shared, 29: _refuse_shared}
"""For cbor2's `semantic_decoders`. Shared values let 400 bytes stand for a list of 24 times the same list of 24 times the same list... Encoding
that again took 67 s and 460 MB, and whoever has a pass can sign a presentation of their own making. No format here shares values."""


def parse_cbor(payload: bytes) -> Any:
    """Parse CBOR within limits. Whether it is deterministic is still to be asked: encode it again and compare.

    Raises:
        CborError: Whatever the parser objects to.
    """
    try:
        return cbor2.loads(payload, max_depth=_MAX_DEPTH, semantic_decoders=NO_SHARED_VALUES)
    except Exception as error:  # whatever a parser throws at hostile bytes is a refusal, named or not
        raise _not_cbor(error) from error


def require_deterministic(value: object, payload: bytes) -> None:
    """Require that encoding `value`, which was parsed from `payload`, gives the same bytes.

    That alone refuses trailing bytes, duplicate keys, indefinite lengths, long forms of integers and unsorted maps. cbor2's
    own limits refuse the costly ones earlier.

    Raises:
        CborError: Other bytes came back, or it cannot be encoded.
    """
    try:
        again = cbor2.dumps(value, canonical=True)
    except Exception as error:  # a value that parses and cannot be encoded: a list that holds itself, say
        raise _not_cbor(error) from error
    if again != payload:
        raise CborError("not in deterministic encoding, or bytes follow it")


def parse_deterministic(payload: bytes) -> object:
    """Parse CBOR and require that it is deterministic.

    Raises:
        CborError: It is not.
    """
    value = parse_cbor(payload)
    require_deterministic(value, payload)
    return value


def _not_cbor(error: Exception) -> CborError:
    return CborError(f"not CBOR of this format ({type(error).__name__})")
