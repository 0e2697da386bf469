"""Step 1: the QR text, its length cap, its prefix and its Base45 (RFC 9285).

Does not look at what the bytes mean.
"""

from __future__ import annotations

import base45

PREFIX = "ECH1:"
"""Scheme and version of the format; compared exactly."""

MAX_TEXT_CHARS = 1451
"""Longest text, prefix included: 964 bytes in Base45, a QR code of version 25 at level M."""

_LINE_END_CHARS = 2


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

    The `base45` package checks overflow (RFC 9285, 4: above 65535 for three characters, above 255 for two), lengths of 1 mod 3
    and the alphabet, but drops line feeds at the end of a str. Given bytes it does not, so it gets bytes.

    Args:
        text: Base45 characters and nothing else: no white space but the alphabet's own space, no lower case.

    Raises:
        Base45Error: It is not Base45.
    """
    try:
        decoded: bytes = base45.b45decode(text.encode("ascii"))
    except ValueError as error:  # UnicodeEncodeError is one too
        raise Base45Error("not Base45") from error
    return decoded


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
