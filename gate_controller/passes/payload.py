"""Steps 5 and 6 (types) in one: a payload's bytes to its claims.

The rule is `parse_deterministic`, then `parse_pass_claims` or `parse_presentation_claims`. Before it stands a shortcut for the usual
payload: write the bytes that the claims just read ought to have had, and compare. Equal bytes leave nothing open: keys, their order, types,
lengths and the shortest forms all stand in the template. What the shortcut does not know it leaves to the rule, which alone refuses.
Measured: the rule's canonical re-encoding and its checks cost 0.7 of a signature's verification for a pass, the shortcut 0.1.

Does not look at what the claims mean; the verifier does.
"""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from struct import Struct
from typing import Any

from gate_controller.cose.deterministic import parse_cbor, require_deterministic
from gate_controller.passes.claims import MAX_TIME, PASS_KEYS, PassClaims, PresentationClaims, parse_pass_claims, parse_presentation_claims

_PASS = (
    b"\xaa\x01%b\x02\x50%b\x03%b%b\x07\x50%b"  # iss, sub, aud, the three times, cti
    b"\x08\xa1\x01\xa3\x01\x01\x20\x06\x21\x58\x20%b"  # cnf: {1: {1: 1, -1: 6, -2: x}}
    b"\x19\xff\xff\xa1\x6bstatus_list\xa2\x63idx%b\x63uri%b"  # 65535
    b"\x3a\x00\x01\x00\x00\xa3\x01%b\x02%b\x03%b"  # -65537
)
_TIMES = Struct(">2sI2sI2sI").pack
_PRESENTATION = b"\xa3\x03%b\x06%b\x07\x48%b"

# From here on a time written as 1a and four bytes is in its shortest form. What does not fit four bytes cannot be written so.
_FIRST_TIME = 1 << 16

# By length or value: the head or number in its shortest form. The first of each is no valid one, and what is beyond the last is the rule's.
_NUMBERS = tuple(bytes((number,)) if number < 24 else bytes((0x18, number)) for number in range(256))
_CLASSES = (b"", *_NUMBERS[1:])
_DIRECTIONS = _CLASSES[:4]
_TEXT_HEADS = (b"", *(bytes((0x60 + length,)) if length < 24 else bytes((0x78, length)) for length in range(1, 256)))
_PASS_CLAIMS = itemgetter(*PASS_KEYS)
_NO_END = b"\x1b" + MAX_TIME.to_bytes(8)


def read_pass(payload: bytes, *, holder_required: bool = True) -> PassClaims:
    """The claims of a pass; see `parse_pass_claims`.

    Raises:
        CborError: Not deterministic CBOR.
        ClaimError: Not the claims of a pass.
    """
    value = parse_cbor(payload)
    if (claims := usual_pass(value, payload)) is not None:
        return claims
    require_deterministic(value, payload)
    return parse_pass_claims(value, holder_required=holder_required)


def read_presentation(payload: bytes) -> PresentationClaims:
    """The claims of a presentation; see `parse_presentation_claims`.

    Raises:
        CborError: Not deterministic CBOR.
        ClaimError: Not the claims of a presentation.
    """
    value = parse_cbor(payload)
    if (claims := usual_presentation(value, payload)) is not None:
        return claims
    require_deterministic(value, payload)
    return parse_presentation_claims(value)


def usual_pass(value: Any, payload: bytes) -> PassClaims | None:
    """The claims, when `payload` is exactly what a usual pass with the claims in `value` looks like; None decides nothing."""
    try:
        issuer, subject, audience, exp, nbf, iat, pass_id, cnf, status, scheme = _PASS_CLAIMS(value)
        holder_key, listed = cnf[1][-2], status["status_list"]
        index, uri = listed["idx"], listed["uri"]
        traveller_class, directions, until = scheme[1], scheme[2], scheme[3]
        if not _FIRST_TIME <= nbf <= iat < exp:
            return None
        expected = _PASS % (
            _text(issuer),
            subject,
            _text(audience),
            _TIMES(b"\x04\x1a", exp, b"\x05\x1a", nbf, b"\x06\x1a", iat),
            pass_id,
            holder_key,
            _index(index),
            _text(uri),
            _CLASSES[traveller_class],
            _DIRECTIONS[directions],
            _NO_END if until == MAX_TIME else _time(until),
        )
    except Exception:  # noqa: BLE001 - whatever is unusual is left to the rule
        return None
    if expected != payload:
        return None
    return PassClaims(issuer, subject, audience, exp, nbf, iat, pass_id, holder_key, index, uri, traveller_class, directions, until)


def usual_presentation(value: Any, payload: bytes) -> PresentationClaims | None:
    """The claims, when `payload` is exactly what a usual presentation with the claims in `value` looks like; None decides nothing."""
    try:
        audience, issued_at, nonce = value[3], value[6], value[7]
        expected = _PRESENTATION % (_text(audience), _time(issued_at), nonce)
    except Exception:  # noqa: BLE001 - as above
        return None
    return PresentationClaims(audience, issued_at, nonce) if expected == payload else None


@lru_cache(maxsize=64)  # audiences and lists' names: few, and the same all day
def _text(text: str) -> bytes:
    encoded = text.encode()
    return _TEXT_HEADS[len(encoded)] + encoded


def _time(number: int) -> bytes:
    if number < _FIRST_TIME:
        raise ValueError
    return b"\x1a" + number.to_bytes(4)


def _index(number: int) -> bytes:
    if number < 256:
        return _NUMBERS[number]
    return b"\x19" + number.to_bytes(2) if number < 1 << 16 else _time(number)
