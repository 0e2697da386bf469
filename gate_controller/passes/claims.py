"""Step 6 (types): the payloads' exact claims, from a value that has been parsed.

Exact means: precisely the documented keys, precisely the documented types (True is not 1, 1.0 is not 1), every number and
length within its bounds. A static pass, which names no holder key, has no cnf, and only it has none.

Does not compare a claim with the clock, the lane or the keys; the verifier does.
Error texts name claims by number and never repeat their content.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_TIME = 1 << 33
"""Latest time of the format, in the year 2242; as permit-until it means that the permit does not end."""

MAX_TEXT_CHARS = 256
MAX_STATUS_INDEX = (1 << 32) - 1
MAX_CLASS = 255
ALL_DIRECTIONS = 3

# Claim keys: CWT (RFC 8392, 4), cnf (RFC 8747, 3.1), status (token status list), and the scheme's own private one.
ISS, SUB, AUD, EXP, NBF, IAT, CTI, CNF = 1, 2, 3, 4, 5, 6, 7, 8
STATUS = 65535
SCHEME = -65537
PASS_KEYS = (ISS, SUB, AUD, EXP, NBF, IAT, CTI, CNF, STATUS, SCHEME)
STATIC_PASS_KEYS = tuple(key for key in PASS_KEYS if key != CNF)
PRESENTATION_KEYS = (AUD, IAT, CTI)
CNF_COSE_KEY = 1
KTY, CRV, X = 1, -1, -2
OKP, ED25519 = 1, 6
CLASS, DIRECTIONS, PERMIT_UNTIL = 1, 2, 3


class ClaimError(ValueError):
    """A claim is missing, unknown, of another type, or out of bounds."""


class PassClaims(NamedTuple):
    """What a pass says. Times are seconds since the epoch, 0..2^33.

    Attributes:
        issuer: iss, text; which texts are regions is the verifier's business.
        subject: sub, the opaque enrolment reference, 16 bytes.
        audience: aud, the text of the scheme.
        expires_at: exp.
        not_before: nbf.
        issued_at: iat.
        pass_id: cti, 16 bytes.
        holder_key: x of the cnf key, 32 bytes, not yet known to be a point; None in a static pass.
        status_index: Index in the status list.
        status_uri: Which status list.
        traveller_class: 1..255.
        directions: Bits of `Direction`, 1..3.
        permit_until: When the right to cross ends; MAX_TIME when it does not.
    """

    issuer: str
    subject: bytes
    audience: str
    expires_at: int
    not_before: int
    issued_at: int
    pass_id: bytes
    holder_key: bytes | None
    status_index: int
    status_uri: str
    traveller_class: int
    directions: int
    permit_until: int


class PresentationClaims(NamedTuple):
    """What a presentation says: for whom (a checkpoint or a gate), made when, and 8 bytes that make it unique."""

    audience: str
    issued_at: int
    nonce: bytes


def parse_pass_claims(value: object, *, holder_required: bool = True) -> PassClaims:
    """The claims of a pass out of its parsed payload.

    Args:
        value: The parsed payload.
        holder_required: False lets cnf be missing: a static pass.

    Raises:
        ClaimError: Any claim is missing, unknown, of another type or out of bounds, or not nbf <= iat < exp.
    """
    static = not holder_required and type(value) is dict and CNF not in value
    claims = _map(value, STATIC_PASS_KEYS if static else PASS_KEYS, "payload")
    status_list = _map(_map(claims[STATUS], ("status_list",), "status")["status_list"], ("idx", "uri"), "status_list")
    scheme = _map(claims[SCHEME], (CLASS, DIRECTIONS, PERMIT_UNTIL), f"claim {SCHEME}")
    parsed = PassClaims(
        issuer=_text(claims[ISS], "iss"),
        subject=_bytes(claims[SUB], 16, "sub"),
        audience=_text(claims[AUD], "aud"),
        expires_at=_time(claims[EXP], "exp"),
        not_before=_time(claims[NBF], "nbf"),
        issued_at=_time(claims[IAT], "iat"),
        pass_id=_bytes(claims[CTI], 16, "cti"),
        holder_key=None if static else _holder_key(claims[CNF]),
        status_index=_integer(status_list["idx"], 0, MAX_STATUS_INDEX, "status idx"),
        status_uri=_text(status_list["uri"], "status uri"),
        traveller_class=_integer(scheme[CLASS], 1, MAX_CLASS, "class"),
        directions=_integer(scheme[DIRECTIONS], 1, ALL_DIRECTIONS, "directions"),
        permit_until=_time(scheme[PERMIT_UNTIL], "permit-until"),
    )
    if not parsed.not_before <= parsed.issued_at < parsed.expires_at:
        raise ClaimError("not nbf <= iat < exp")
    return parsed


def parse_presentation_claims(value: object) -> PresentationClaims:
    """The claims of a presentation out of its parsed payload.

    Raises:
        ClaimError: As for a pass.
    """
    claims = _map(value, PRESENTATION_KEYS, "presentation")
    return PresentationClaims(
        audience=_text(claims[AUD], "presentation aud"),
        issued_at=_time(claims[IAT], "presentation iat"),
        nonce=_bytes(claims[CTI], 8, "nonce"),
    )


def _holder_key(cnf: object) -> bytes:
    cose_key = _map(_map(cnf, (CNF_COSE_KEY,), "cnf")[CNF_COSE_KEY], (KTY, CRV, X), "cnf key")
    _integer(cose_key[KTY], OKP, OKP, "cnf key's kty")
    _integer(cose_key[CRV], ED25519, ED25519, "cnf key's crv")
    return _bytes(cose_key[X], 32, "cnf key's x")


def _map(value: object, keys: tuple[int | str, ...], name: str) -> dict[object, object]:
    if type(value) is not dict:
        msg = f"{name}: a map expected"
        raise ClaimError(msg)
    # Compared with their types: a map {true: ...} also answers to the key 1. A list, because the encoding fixed the order.
    if [(type(key), key) for key in value] != [(type(key), key) for key in keys]:
        missing = [str(key) for key in keys if key not in value]
        msg = f"{name}: missing {', '.join(missing)}" if missing else f"{name}: unknown claims, or keys of another type"
        raise ClaimError(msg)
    return value


def _integer(value: object, low: int, high: int, name: str) -> int:
    if type(value) is not int:
        msg = f"{name}: an integer expected"
        raise ClaimError(msg)
    if not low <= value <= high:
        msg = f"{name}: out of range"
        raise ClaimError(msg)
    return value


def _time(value: object, name: str) -> int:
    return _integer(value, 0, MAX_TIME, name)


def _bytes(value: object, length: int, name: str) -> bytes:
    if type(value) is not bytes or len(value) != length:
        msg = f"{name}: {length} bytes expected"
        raise ClaimError(msg)
    return value


def _text(value: object, name: str) -> str:
    if type(value) is not str or not 1 <= len(value) <= MAX_TEXT_CHARS:
        msg = f"{name}: text of 1 to {MAX_TEXT_CHARS} characters expected"
        raise ClaimError(msg)
    return value
