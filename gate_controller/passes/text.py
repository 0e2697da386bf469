"""Step 1: the QR text, its length cap, its prefix and its Base45 (RFC 9285).

Does not look at what the bytes mean.
"""

from __future__ import annotations

PREFIX = "ECH1:"
"""Scheme and version of the format; compared exactly."""

MAX_TEXT_CHARS = 1451
"""Longest text, prefix included: 964 bytes in Base45, a QR code of version 25 at level M."""

MAX_BASE45_CHARS = MAX_TEXT_CHARS - len(PREFIX)

_LINE_END_CHARS = 2

_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"  # RFC 9285, table 1
_NO_DIGIT = 0xFF
_DIGITS = bytes(_ALPHABET.index(code) if code in _ALPHABET else _NO_DIGIT for code in range(256))
_FIRST_DIGITS = int.from_bytes(b"\0\0\xff" * (MAX_BASE45_CHARS // 3))
_OVERFLOW = _FIRST_DIGITS << 16


class TextError(ValueError):
    """Base of what can be wrong with the text; str() is one line without the text itself."""


class TextTooLongError(TextError):
    """Longer than any pass: not decoded."""


class NotAPassError(TextError):
    """Does not begin with the prefix."""


class Base45Error(TextError):
    """Not Base45."""


def decode_base45(text: str) -> bytes:
    """Decode Base45 strictly.

    All triples at once: as digits, they are the 24-bit lanes of one large integer, so that c0 + 45 c1 + 2025 c2 (RFC 9285, 4)
    is a handful of operations on it. A value is at most 91124, so no lane spills into the next. Measured: a tenth of a signature's
    verification, where the `base45` package takes more than a whole one and a loop over the triples 0.4.

    Args:
        text: Base45 characters and nothing else: no white space but the alphabet's own space, no lower case; at most
            `MAX_BASE45_CHARS`.

    Raises:
        Base45Error: A character outside the alphabet, a length of 1 mod 3, three characters above 65535 or two above 255, or too long.
    """
    if len(text) > MAX_BASE45_CHARS:
        msg = f"{len(text)} Base45 characters, at most {MAX_BASE45_CHARS}"
        raise Base45Error(msg)
    try:
        digits = text.encode("ascii").translate(_DIGITS)
    except UnicodeEncodeError as error:
        raise Base45Error("not Base45: a character outside its alphabet") from error
    if _NO_DIGIT in digits:
        raise Base45Error("not Base45: a character outside its alphabet")
    rest = len(digits) % 3
    if rest == 1:
        raise Base45Error("not Base45: a lone character at the end")
    size = len(digits) - rest
    triples = int.from_bytes(digits[:size])
    values = (triples >> 16 & _FIRST_DIGITS) + (triples >> 8 & _FIRST_DIGITS) * 45 + (triples & _FIRST_DIGITS) * 2025
    if values & _OVERFLOW:
        raise Base45Error("not Base45: three characters above 65535")
    decoded = bytearray(values.to_bytes(size))
    del decoded[::3]  # the lanes' first bytes, all zero
    if rest:
        last = digits[-2] + digits[-1] * 45
        if last > 0xFF:
            raise Base45Error("not Base45: two characters above 255")
        decoded.append(last)
    return bytes(decoded)


def decode_text(text: str) -> bytes:
    """The presentation's bytes.

    CR and LF around the text are dropped (hand-held scanners append them); spaces are not: they are Base45 characters.

    Raises:
        TextTooLongError: Longer than `MAX_TEXT_CHARS`; nothing was decoded.
        NotAPassError: Another prefix, or none.
        Base45Error: The rest is not Base45.
    """
    if len(text) > MAX_TEXT_CHARS + _LINE_END_CHARS:
        msg = f"{len(text)} characters, at most {MAX_TEXT_CHARS}"
        raise TextTooLongError(msg)
    stripped = text.strip("\r\n")
    if len(stripped) > MAX_TEXT_CHARS:
        msg = f"{len(stripped)} characters, at most {MAX_TEXT_CHARS}"
        raise TextTooLongError(msg)
    if not stripped.startswith(PREFIX):
        msg = f"does not begin with {PREFIX}"
        raise NotAPassError(msg)
    return decode_base45(stripped[len(PREFIX) :])
