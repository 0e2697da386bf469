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
_UNPROTECTED = b"\xa0"
_SIGNATURE_HEAD = b"\x58\x40"


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
    protected_at = start + 2
    if data[start:protected_at] != _TAG_SIGN1_ARRAY_4:
        raise FrameError(start, "tag 18 and an array of 4 expected")
    protected_from, protected_to = _byte_string(data, protected_at)
    payload_at = protected_to + 1
    if data[protected_to:payload_at] != _UNPROTECTED:
        raise FrameError(protected_to, "the unprotected header must be empty")
    payload_from, payload_to = _byte_string(data, payload_at)
    signature_from = payload_to + 2
    if data[payload_to:signature_from] != _SIGNATURE_HEAD:
        raise FrameError(payload_to, f"a signature of exactly {SIGNATURE_BYTES} bytes expected")
    end = signature_from + SIGNATURE_BYTES
    if end > len(data):
        raise FrameError(len(data), "ends within the signature")
    # The lengths are in their only form, so the two byte strings can be signed over as they stand.
    signed = b"\x84\x6aSignature1" + data[protected_at:protected_to] + b"\x40" + data[payload_at:payload_to]
    return Sign1(data[protected_from:protected_to], data[payload_from:payload_to], data[signature_from:end], signed), end


def _byte_string(data: bytes, at: int) -> tuple[int, int]:
    """Bounds of the content of the byte string at `at`; lengths of up to four bytes, shortest form only (RFC 8949, 3.1)."""
    try:
        initial = data[at]
        if initial == 0x58:
            start, length, shortest = at + 2, data[at + 1], 24
        elif 0x40 <= initial < 0x58:
            start, length, shortest = at + 1, initial - 0x40, 0
        elif initial == 0x59:
            start, length, shortest = at + 3, data[at + 1] << 8 | data[at + 2], 256
        elif initial == 0x5A:
            start, length, shortest = at + 5, int.from_bytes(data[at + 1 : at + 5]), 65536
        else:
            raise FrameError(at, "a byte string expected")
    except IndexError as error:
        raise FrameError(at, "a byte string that is cut off") from error
    if length < shortest:
        raise FrameError(at, "a length not in its shortest form")
    end = start + length
    if end > len(data):
        raise FrameError(at, "a byte string that is cut off")
    return start, end
