"""The frame of a COSE_Sign1 (RFC 9052, 4.2), taken apart by hand.

A COSE_Sign1 of these formats has exactly one shape, so no CBOR parser is needed and none runs before a signature has been verified:

    D2                    tag 18
    84                    array of 4
      4n / 58 nn / ...    protected header, byte string
      A0                  unprotected header: always empty
      58 nn / 59 nn nn    payload, byte string (5A and four bytes of length in a long status list)
      58 40 <64 bytes>    signature

Does not look into the protected header nor into the payload.
"""

from __future__ import annotations

from typing import NamedTuple

SIGNATURE_BYTES = 64

_TAG_SIGN1_ARRAY_4 = b"\xd2\x84"
_EMPTY_MAP = 0xA0
_BYTES, _BYTES_1_BYTE_LENGTH, _BYTES_2_BYTES_LENGTH, _BYTES_4_BYTES_LENGTH = 0x40, 0x58, 0x59, 0x5A


class FrameError(ValueError):
    """The bytes do not have the frame; str() says where, counted from the item's container (input or protected header)."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"byte {offset}: {what}")


class Sign1(NamedTuple):
    """One COSE_Sign1, not verified. A named tuple, because a frozen dataclass takes five times as long to make.

    Attributes:
        protected: Content of the protected header's byte string.
        payload: Content of the payload's byte string.
        signature: 64 bytes.
        signed: The Sig_structure (RFC 9052, 4.4) that the signature is over.
    """

    protected: bytes
    payload: bytes
    signature: bytes
    signed: bytes


def parse_sign1(data: bytes, start: int = 0) -> tuple[Sign1, int]:
    """Take one COSE_Sign1 apart.

    Args:
        data: The bytes; what follows the item is the caller's to check.
        start: Where the item begins.

    Returns:
        The item and the offset just after it.

    Raises:
        FrameError: Another shape, a length not in its shortest form, or too few bytes.
    """
    try:
        if not data.startswith(_TAG_SIGN1_ARRAY_4, start):
            raise FrameError(start, "tag 18 and an array of 4 expected")
        protected_at = start + 2
        protected_from, protected_to = _byte_string(data, protected_at)
        if data[protected_to] != _EMPTY_MAP:
            raise FrameError(protected_to, "the unprotected header must be empty")
        payload_at = protected_to + 1
        payload_from, payload_to = _byte_string(data, payload_at)
        if data[payload_to] != _BYTES_1_BYTE_LENGTH or data[payload_to + 1] != SIGNATURE_BYTES:
            raise FrameError(payload_to, f"a signature of exactly {SIGNATURE_BYTES} bytes expected")
    except IndexError as error:
        raise FrameError(len(data), "cut off") from error
    signature_from = payload_to + 2
    end = signature_from + SIGNATURE_BYTES
    if end > len(data):
        raise FrameError(len(data), "cut off in the signature")
    # The lengths are in their only form, so the two byte strings can be signed over as they stand.
    signed = b"\x84\x6aSignature1%b\x40%b" % (data[protected_at:protected_to], data[payload_at:payload_to])
    return Sign1(data[protected_from:protected_to], data[payload_from:payload_to], data[signature_from:end], signed), end


def _byte_string(data: bytes, at: int) -> tuple[int, int]:
    """Bounds of the content of the byte string at `at`; lengths of up to four bytes, shortest form only (RFC 8949, 3.1).

    The end may lie beyond the data's, and an IndexError means that they ended even before: the caller takes care of both.
    """
    initial = data[at]
    if initial == _BYTES_1_BYTE_LENGTH:
        start, length, shortest = at + 2, data[at + 1], 24
    elif _BYTES <= initial < _BYTES_1_BYTE_LENGTH:
        start, length, shortest = at + 1, initial - _BYTES, 0
    elif initial == _BYTES_2_BYTES_LENGTH:
        start, length, shortest = at + 3, data[at + 1] << 8 | data[at + 2], 256
    elif initial == _BYTES_4_BYTES_LENGTH:
        start, length, shortest = at + 5, int.from_bytes(data[at + 1 : at + 5]), 65536
    else:
        raise FrameError(at, "a byte string expected")
    if length < shortest:
        raise FrameError(at, "a length not in its shortest form")
    return start, start + length
