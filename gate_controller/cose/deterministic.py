"""Deterministic CBOR (RFC 8949, 4.2): parse, encode again, compare. Knows no claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cbor2

_MAX_DEPTH = 8  # the deepest valid payload nests three maps


class _FewTags(Mapping[int, Callable[..., Any]]):
    """cbor2's table of tags: a refusal under every number but those of long integers (RFC 8949, 3.4.3)."""

    def __getitem__(self, tag: int) -> Callable[..., Any]:
        if tag in (2, 3):
            raise KeyError(tag)  # its own decoder
        return self._refuse

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0

    @staticmethod
    def _refuse(*_: object) -> Any:
        raise CborError("a tag")


FEW_TAGS = _FewTags()
"""For cbor2's `semantic_decoders`. No payload has a tag, and tags are where a parser does more than read. Shared values (28, 29) let 400 bytes
stand for a list of 24 times the same list of 24 times the same list...: encoding that again took 67 s and 460 MB. A regular expression (35) of
330 bytes took 0.9 s to compile. And whoever has a pass can sign a presentation of their own making."""


class CborError(ValueError):
    """Not deterministic CBOR (RFC 8949, 4.2)."""


def parse_cbor(payload: bytes) -> Any:
    """Parse CBOR within limits. Whether it is deterministic is still to be asked: encode it again and compare.

    Raises:
        CborError: Whatever the parser objects to.
    """
    try:
        return cbor2.loads(payload, max_depth=_MAX_DEPTH, semantic_decoders=FEW_TAGS)
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
