"""Says what the verifier has to say, without any of its code: a reader of the one byte layout that docs/pass.md allows, and the rules of its tables.

It reads no CBOR: it knows which bytes stand where, and everything else is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from gate_controller.core.values import PassFacts, Region
from gate_controller.ports.trust import Freshness
from tests.fuzz.scene import AUDIENCE, LIST_SIZE, NOW, STATUSES, USED_AT, USED_PASS, Presented, Scene

LATEST = 1 << 33
REGIONS = {"hk": Region.HK, "mo": Region.MO}
WEEK_S = 7 * 86_400


ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def decoded(text: str) -> bytes | None:
    """The bytes in a QR text, digit by digit (RFC 9285, 4), or None when it is no text of a pass."""
    if len(text) > 1453:
        return None
    text = text.strip("\r\n")
    if len(text) > 1451 or text[:5] != "ECH1:" or len(text) % 3 == 0 or not set(text[5:]) <= set(ALPHABET):
        return None
    digits, found = [ALPHABET.index(character) for character in text[5:]], []
    for at in range(0, len(digits), 3):
        group = digits[at : at + 3]
        number = sum(digit * 45**place for place, digit in enumerate(group))
        if number >= 256 ** (len(group) - 1):
            return None
        found.append(number.to_bytes(len(group) - 1, "big"))
    return b"".join(found)


class WrongError(Exception):
    """Not the layout."""


@dataclass
class Reader:
    """Takes bytes from the front."""

    rest: bytes

    def take(self, count: int) -> bytes:
        if len(self.rest) < count:
            raise WrongError
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def expect(self, *literals: bytes) -> bytes:
        for literal in literals:
            if self.rest.startswith(literal):
                return self.take(len(literal))
        raise WrongError

    def number(self, major: int = 0) -> int:
        """An unsigned integer (or a length) in its only form."""
        head = self.take(1)[0]
        if head >> 5 != major:
            raise WrongError
        low = head & 31
        if low < 24:
            return low
        if low > 27:
            raise WrongError
        size = 1 << (low - 24)
        value = int.from_bytes(self.take(size), "big")
        if value < (24 if size == 1 else 1 << (4 * size)):
            raise WrongError
        return value

    def time(self) -> int:
        value = self.number()
        if value > LATEST:
            raise WrongError
        return value

    def text(self) -> str:
        try:
            return self.take(self.number(3)).decode()
        except UnicodeDecodeError as error:
            raise WrongError from error

    def end(self) -> None:
        if self.rest:
            raise WrongError


def facts(scene: Scene, presented: Presented, state: Freshness, *, static_admitted: bool, only_hk: bool) -> PassFacts | None:
    """What the verifier must find, or None when it must refuse."""
    if (presented.presentation_header is None and not static_admitted) or (only_hk and presented.signer != "hk"):
        return None
    try:
        return _facts(scene, presented, state)
    except WrongError:
        return None


def _facts(scene: Scene, presented: Presented, state: Freshness) -> PassFacts:
    header = Reader(presented.pass_header)
    header.expect(b"\xa3\x01\x27\x04\x48", b"\xa3\x01\x32\x04\x48")
    header.expect(scene.signers[presented.signer].kid)
    header.expect(b"\x10\x19\xfd\xe9")
    header.end()
    _require(presented.signer in REGIONS, state is not Freshness.CLOSED)
    region = REGIONS[presented.signer]
    static = presented.presentation_header is None
    claims = Reader(presented.pass_payload)
    claims.expect((b"\xa9" if static else b"\xaa") + b"\x01\x62" + region.value.encode())
    claims.expect(b"\x02\x50")
    reference = claims.take(16)
    claims.expect(b"\x03\x64HKMO")
    claims.expect(b"\x04")
    expires = claims.time()
    claims.expect(b"\x05")
    not_before = claims.time()
    claims.expect(b"\x06")
    issued = claims.time()
    claims.expect(b"\x07\x50")
    pass_id = claims.take(16)
    if not static:
        claims.expect(b"\x08\xa1\x01\xa3\x01\x01\x20\x06\x21\x58\x20" + scene.phone.public_key)
    claims.expect(b"\x19\xff\xff\xa1\x6bstatus_list\xa2\x63idx")
    index = claims.number()
    claims.expect(b"\x63uri")
    uri = claims.text()
    claims.expect(b"\x3a\x00\x01\x00\x00\xa3\x01")
    traveller_class = claims.number()
    claims.expect(b"\x02")
    directions = claims.number()
    claims.expect(b"\x03")
    permit_until = claims.time()
    claims.end()
    _require(
        not_before <= issued < expires, not_before <= NOW < expires, issued <= NOW + 30, traveller_class in (1, 2), directions in (1, 3), permit_until > NOW
    )
    _require(uri == f"{region.value.lower()}/status/1", index < LIST_SIZE, index not in STATUSES)
    _require(state is not Freshness.DEGRADED or (traveller_class == 1 and NOW - issued < WEEK_S))

    made = int(NOW) if static else _made(scene, presented)
    _require(NOW - 60 <= made <= NOW + 30, not_before <= made < expires)
    _require(pass_id != USED_PASS or made > USED_AT)
    return PassFacts(
        pass_id=pass_id,
        enrolment_reference=reference,
        issuer=region,
        traveller_class=traveller_class,
        issued_at=made,
        pass_issued_at=issued,
        pass_expires_at=expires,
        degraded=state is Freshness.DEGRADED,
    )


def _made(scene: Scene, presented: Presented) -> int:
    """When the presentation was made."""
    outer = Reader(presented.presentation_header or b"")
    outer.expect(b"\xa3\x01\x27\x0d", b"\xa3\x01\x32\x0d")
    outer.expect(scene.signers[presented.signer].sign(presented.pass_payload, presented.pass_header))  # Ed25519 is deterministic
    outer.expect(b"\x10\x19\x01\x26")
    outer.end()
    shown = Reader(presented.presentation_payload)
    shown.expect(b"\xa3\x03")
    _require(shown.text() in (AUDIENCE, f"{AUDIENCE}-07"))
    shown.expect(b"\x06")
    made = shown.time()
    shown.expect(b"\x07\x48")
    shown.take(8)
    shown.end()
    return made


def _require(*conditions: bool) -> None:
    if not all(conditions):
        raise WrongError
