"""Every attack of docs/attacks.md that ends at the verifier: what the attacker has, and the step and reason that stop it.

The document's tables are the specification: each row is a case here, and each case is a row there. Attacks on the keys' distribution (The
Update Framework) are in docs/trust.md and tests/trust.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl import bindings

from gate_controller.core.reasons import Reason
from gate_controller.core.values import Region
from gate_controller.ports.services import PassAccepted, PassRejected
from gate_controller.ports.trust import PassStatus
from gate_controller.trust.status_list import StatusListError, parse_status_list
from simulators import status_list
from simulators.authority import Permit, encode
from simulators.phone import Phone, qr_text

REASONS = {reason.code: reason for reason in Reason}
DOCUMENT = Path(__file__).parents[2] / "docs" / "attacks.md"
ORDER = (1 << 252) + 27742317777372353535851937790883648493  # of the main subgroup, RFC 8032, 5.1
TORSION = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")  # a point of order 8
NEUTRAL = b"\x01" + bytes(31)


@dataclass(frozen=True)
class Shown:
    """What reaches the gate, and the gate it reaches."""

    text: str
    now: float | None = None
    trust: Any = None
    static_passes: bool = False
    used: tuple[str, ...] = ()
    """Presentations let through before."""


class Replays:
    """A replay memory without a disk."""

    def __init__(self) -> None:
        self._rows: dict[bytes, int] = {}

    def last_presented(self, pass_id: bytes) -> int | None:
        return self._rows.get(pass_id)

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        return self._rows.setdefault(pass_id, issued_at) == issued_at


class Attack(NamedTuple):
    """What docs/attacks.md says of one case."""

    case: str
    reason: Reason
    step: int


def header(lab: Any, changes: dict[Any, Any], *without: int) -> str:
    """The pass with another protected header, signed by the genuine authority."""
    values = {1: -8, 4: lab.hk.kid, 16: 65001, **changes}
    return lab.with_header(encode({key: value for key, value in values.items() if key not in without}))


def shared_values(levels: int) -> bytes:
    """A list of lists (tag 28), each of which names the one before 24 times (tag 29)."""
    items = [bytes(24), *(b"\xd8\x1d" + bytes([level]) for level in range(levels - 1))]
    lists = [b"\xd8\x1c\x98\x18" + (item if level == 0 else item * 24) for level, item in enumerate(items)]
    return bytes([0x80 + levels]) + b"".join(lists)


def payload(lab: Any, change: Callable[[bytes], bytes]) -> str:
    return lab.signed_payload(change(encode(lab.claims())))


def claims(lab: Any, changes: dict[Any, Any], *without: int) -> str:
    return lab.signed_payload(encode({key: value for key, value in {**lab.claims(), **changes}.items() if key not in without}))


def duplicate_exp(lab: Any) -> str:
    pairs = [cbor2.dumps(key) + encode(value) for key, value in lab.claims().items()]
    pairs.insert(4, cbor2.dumps(4) + encode(1 << 33))
    return lab.signed_payload(bytes([0xA0 + len(pairs)]) + b"".join(pairs))


def other_phone(lab: Any, pass_: bytes) -> str:
    thief = Phone("laboratory", "thief", "MO-GB")
    thief.load(pass_)
    return thief.present(lab.now)


def with_trust(change: Callable[[Any, Any], None]) -> Callable[[Any], Shown]:
    def make(lab: Any) -> Shown:
        trust = lab.trust()
        change(lab, trust)
        return Shown(lab.text(), trust=trust)

    return make


def status(state: PassStatus) -> Callable[[Any], Shown]:
    def change(lab: Any, trust: Any) -> None:
        listed = lab.claims()[65535]["status_list"]
        trust.statuses[Region.HK, listed["uri"], listed["idx"]] = state

    return with_trust(change)


def withheld(lab: Any) -> Shown:
    """Nothing newer for 27 hours."""
    gate = lab.gate()
    gate.pass_time(27 * 3600)
    lab.phone.obtain(lab.hk, replace(lab.permit, issued_at=lab.now - 8 * 86400, lifetime_s=30 * 86400))
    return at_gate(lab, gate)


def withheld_long(lab: Any) -> Shown:
    """Everything is published and imported, only the region's lists are the old ones."""
    gate = lab.gate()
    for day in (1, 2, 3):
        gate.repository.publish(lab.now + day * 86400 - 60, regions=())
        gate.pass_time(86400 - 30)
        gate.take()
        gate.pass_time(30)
    return at_gate(lab, gate)


def frozen(lab: Any) -> Shown:
    """Nothing newer until the timestamp has expired, sooner than the lists are too old."""
    gate = lab.gate()
    gate.repository.lifetimes_s["timestamp"] = 2 * 86400
    gate.repository.publish(lab.now + 30)
    gate.pass_time(60)
    gate.take()
    gate.pass_time(2 * 86400)
    return at_gate(lab, gate)


def at_gate(lab: Any, gate: Any) -> Shown:
    """Shown to a running gate by a phone whose clock is the gate's."""
    try:
        return Shown(lab.phone.present(int(gate.wall_s)), now=gate.wall_s, trust=gate.store)
    finally:
        lab.phone.obtain(lab.hk, lab.permit)


def status_entry(lab: Any, index: int, uri: str) -> str:
    return claims(lab, {65535: {"status_list": {"idx": index, "uri": uri}}})


def malleated(lab: Any) -> str:
    """S + L in the place of S: the same signature for whoever does not compare S with the group's order."""
    protected, content, signature = lab.pass_parts()
    again = int.from_bytes(signature[32:], "little") + ORDER
    return lab.presented(lab.frame(protected, content, signature[:32] + again.to_bytes(32, "little")))


def shifted(lab: Any) -> str:
    """65 bytes: crypto_sign_open alone would take the last for the first byte of a shorter message."""
    protected, content, signature = lab.pass_parts()
    return lab.presented(lab.frame(protected, content, signature + b"\x84"))


def pass_for_key(lab: Any, key: bytes) -> bytes:
    return lab.hk.sign(encode({**lab.claims(), 8: {1: {1: 1, -1: 6, -2: key}}}))


def universal_forgery(lab: Any, key: bytes) -> str:
    """A presentation that verifies under a key of small order without any private key: R neutral, S zero. `cryptography` takes it."""
    protected = b"\xa3\x01\x27\x0d" + pass_for_key(lab, key) + b"\x10\x19\x01\x26"
    content = encode(lab.presentation_claims())
    forged = NEUTRAL + bytes(32)
    Ed25519PublicKey.from_public_bytes(key).verify(forged, cbor2.dumps(["Signature1", protected, b"", content]))
    return qr_text(lab.frame(protected, content, forged))


def mixed_order(lab: Any) -> str:
    """A holder key A + T with T of order 8: libsodium verifies every signature whose hash is a multiple of 8."""
    scalar, nonce = 0x1234567890ABCDEF << 64, 0x77 << 64
    key = bindings.crypto_core_ed25519_add(bindings.crypto_scalarmult_ed25519_base_noclamp(scalar.to_bytes(32, "little")), TORSION)
    commitment = bindings.crypto_scalarmult_ed25519_base_noclamp(nonce.to_bytes(32, "little"))
    protected = b"\xa3\x01\x27\x0d" + pass_for_key(lab, key) + b"\x10\x19\x01\x26"
    for number in range(200):
        content = encode({**lab.presentation_claims(), 7: number.to_bytes(8)})
        signed = cbor2.dumps(["Signature1", protected, b"", content])
        hashed = int.from_bytes(hashlib.sha512(commitment + key + signed).digest(), "little") % ORDER
        if hashed % 8 == 0:
            signature = commitment + ((nonce + hashed * scalar) % ORDER).to_bytes(32, "little")
            assert bindings.crypto_sign_open(signature + signed, key) == signed
            return qr_text(lab.frame(protected, content, signature))
    raise AssertionError("no suitable hash")


def transplanted(lab: Any) -> str:
    """A presentation with another pass of the same phone put into its header."""
    _, content, signature = lab.parts()
    other = lab.hk.issue(lab.phone.public_key, Permit(enrolment_reference=b"\xff" * 16, issued_at=lab.now - 60))
    return qr_text(lab.frame(b"\xa3\x01\x27\x0d" + other + b"\x10\x19\x01\x26", content, signature))


def refreshed(lab: Any) -> str:
    """An old screenshot with a new time written into it."""
    protected, _, signature = lab.parts()
    return qr_text(lab.frame(protected, lab.phone.payload(lab.now + 1, "MO-GB"), signature))


def status_token(lab: Any, payload_: bytes | None = None) -> bytes:
    uri = "hk/status/1"
    listed = status_list.claims(uri, status_list.packed({}, 64), lab.now)
    return lab.hk.sign(encode(listed) if payload_ is None else payload_, status_list.protected_header(lab.hk))


def replayed(text: Callable[[Any], str]) -> Callable[[Any], Shown]:
    """The genuine presentation of this second went through; then comes `text`."""
    return lambda lab: Shown(text(lab), used=(lab.text(),))


def indefinite(content: bytes) -> bytes:
    return b"\xbf" + content[1:] + b"\xff"


def forged(lab: Any, protected: bytes, content: bytes | None = None) -> str:
    return lab.presented(lab.authorities.forger.sign(encode(lab.claims()) if content is None else content, protected))


def extended(lab: Any) -> str:
    protected, _, signature = lab.pass_parts()
    return lab.presented(lab.frame(protected, encode({**lab.claims(), 4: 1 << 33}), signature))


def around(lab: Any, offset: int, nbf: int = -4000, exp: int = 4000) -> str:
    """A presentation made `offset` seconds from now, of a pass that is valid from now + nbf to now + exp."""
    lab.phone.load(lab.hk.sign(encode({**lab.claims(), 4: lab.now + exp, 5: lab.now + nbf, 6: lab.now + nbf})))
    try:
        return lab.phone.present(lab.now + offset)
    finally:
        lab.phone.obtain(lab.hk, lab.permit)


def clock_back(lab: Any) -> Shown:
    gate = lab.gate()
    gate.pass_time(3600)
    gate.wall_s -= 3000
    return Shown(lab.phone.present(int(gate.wall_s)), now=gate.wall_s, trust=gate.store)


def clock_held(lab: Any) -> Shown:
    gate = lab.gate()
    for _ in range(90):
        gate.pass_time(1, clock_goes=False)
    return Shown(lab.text(), trust=gate.store)


def renamed(lab: Any) -> str:
    return lab.with_presentation(protected=lab.phone.protected_header(-19))


def same_second(lab: Any) -> str:
    return lab.with_presentation({3: "MO-GB", 6: lab.now, 7: b"\xee" * 8})


MAKERS: dict[str, Callable[[Any], str | Shown]] = {
    # What others accept, the region's signature valid
    "alg-absent": lambda lab: header(lab, {}, 1),
    "alg-es256": lambda lab: header(lab, {1: -7}),
    "alg-hmac": lambda lab: header(lab, {1: 5}),
    "alg-text": lambda lab: header(lab, {1: "EdDSA"}),
    "alg-unprotected": lambda lab: lab.presented(lab.frame(*lab.pass_parts(), unprotected=b"\xa1\x01\x27")),
    "crit-unknown": lambda lab: header(lab, {2: [99], 99: 1}),
    "exp-twice": duplicate_exp,
    "exp-missing": lambda lab: claims(lab, {}, 4),
    "exp-infinite": lambda lab: claims(lab, {4: math.inf}),
    "trailing-bytes": lambda lab: payload(lab, lambda it: it + b"\0"),
    "indefinite-length": lambda lab: payload(lab, indefinite),
    "no-tag": lambda lab: lab.presented(lab.phone.pass_[1:]),
    "iat-ahead": lambda lab: claims(lab, {6: lab.now + 31}),
    "expired": lambda lab: claims(lab, {4: lab.now}),
    "not-yet": lambda lab: claims(lab, {5: lab.now + 1, 6: lab.now + 1}),
    "low-order-key": lambda lab: universal_forgery(lab, NEUTRAL),
    "non-canonical-key": lambda lab: universal_forgery(lab, b"\xee" + b"\xff" * 30 + b"\x7f"),
    "mixed-order-key": mixed_order,
    "signature-65": shifted,
    # Copies and loans
    "screenshot": lambda lab: lab.phone.present(lab.now - 61),
    "screenshot-new-time": refreshed,
    "pass-copied": lambda lab: other_phone(lab, lab.phone.pass_),
    "pass-alone": lambda lab: qr_text(lab.phone.pass_),
    "pass-alone-admitted": lambda lab: Shown(qr_text(lab.phone.pass_), static_passes=True),
    "static-pass": lambda lab: qr_text(lab.hk.issue(None, lab.permit)),
    "static-wrapped": lambda lab: lab.presented(lab.hk.issue(None, lab.permit)),
    "transplanted": transplanted,
    "other-checkpoint": lambda lab: lab.phone.present(lab.now, "HK-LMC"),
    "other-gate": lambda lab: lab.phone.present(lab.now, "MO-GB-08"),
    "other-scheme": lambda lab: claims(lab, {3: "HKSZ"}),
    "other-direction": lambda lab: claims(lab, {-65537: {1: 1, 2: 2, 3: 1 << 33}}),
    "other-class": lambda lab: claims(lab, {-65537: {1: 2, 2: 3, 3: 1 << 33}}),
    "permit-ended": lambda lab: claims(lab, {-65537: {1: 1, 2: 3, 3: lab.now}}),
    "other-region": lambda lab: lab.presented(lab.mo.issue(lab.phone.public_key, lab.permit)),
    # Forgeries
    "own-authority": lambda lab: forged(lab, lab.authorities.forger.protected_header()),
    "kid-borrowed": lambda lab: forged(lab, lab.hk.protected_header()),
    "foreign-kid": lambda lab: lab.presented(lab.hk.sign(encode(lab.claims()), lab.mo.protected_header())),
    "foreign-region": lambda lab: lab.presented(lab.mo.sign(encode(lab.claims()))),
    "self-signed": lambda lab: lab.presented(lab.phone.sign(encode(lab.claims()), lab.hk.protected_header())),
    "claims-changed": extended,
    "malleated": malleated,
    "presented-by-authority": lambda lab: qr_text(lab.hk.sign(encode(lab.presentation_claims()), lab.phone.protected_header())),
    # One thing taken for another
    "presentation-as-pass": lambda lab: lab.presented(lab.phone.sign(encode(lab.presentation_claims()))),
    "status-list-as-pass": lambda lab: lab.presented(status_token(lab)),
    "status-list-shown": lambda lab: qr_text(status_token(lab)),
    "pass-under-other-typ": lambda lab: lab.presented(status_token(lab, encode(lab.claims()))),
    "presentation-typ": lambda lab: header(lab, {16: 294}),
    "no-typ": lambda lab: header(lab, {}, 16),
    "list-claims-as-pass": lambda lab: lab.signed_payload(cbor2.loads(status_token(lab)).value[2]),
    "shown-claims-as-pass": lambda lab: lab.signed_payload(encode(lab.presentation_claims())),
    "pass-claims-as-shown": lambda lab: lab.with_presentation(lab.claims()),
    "health-certificate": lambda _: "HC1:NCFOXN%TS3DHRN4FWL",
    # Clocks
    "made-ahead": lambda lab: lab.phone.present(lab.now + 31),
    "made-before-pass": lambda lab: around(lab, -10, nbf=-5),
    "made-after-pass": lambda lab: around(lab, 20, exp=20),
    "clock-back": clock_back,
    "clock-held": clock_held,
    "clock-back-used": lambda lab: Shown(lab.text(), used=(lab.text(),)),
    "clock-back-new-pass": lambda lab: Shown(lab.text(), now=lab.now - 3661),
    "clock-ahead": lambda lab: Shown(lab.text(), now=lab.now + 30 * 86400),
    "clock-nan": lambda lab: Shown(lab.text(), now=math.nan),
    # Revoked, or not known to be good
    "revoked": status(PassStatus.INVALID),
    "suspended": status(PassStatus.SUSPENDED),
    "status-unexplained": status(PassStatus.APPLICATION_SPECIFIC),
    "index-outside": lambda lab: status_entry(lab, 1 << 20, "hk/status/1"),
    "index-far-outside": lambda lab: status_entry(lab, (1 << 32) - 1, "hk/status/1"),
    "foreign-list": lambda lab: status_entry(lab, 0, "mo/status/1"),
    "no-such-list": lambda lab: status_entry(lab, 0, "hk/status/2"),
    "list-withheld": withheld,
    "list-withheld-long": withheld_long,
    "freeze": frozen,
    "key-withdrawn": lambda lab: Shown(lab.text(), trust=lab.trust([lab.mo])),
    "key-ended": lambda lab: Shown(lab.text(), trust=lab.trust(not_after=lab.now)),
    "key-early": lambda lab: Shown(lab.text(), trust=lab.trust(not_before=lab.now + 1)),
    # Shown again
    "replay": replayed(lambda lab: lab.text()),
    "replay-older": replayed(lambda lab: lab.phone.present(lab.now - 1)),
    "replay-same-second": replayed(same_second),
    "replay-retagged": replayed(renamed),
    "replay-line-end": replayed(lambda lab: lab.text() + "\r\n"),
    # Costly or malformed
    "megabyte": lambda _: "ECH1:" + "0" * 1_000_000,
    "lower-case": lambda lab: "ECH1:" + lab.text()[5:].lower(),
    "overflow": lambda lab: lab.text() + ":::",
    "bomb-unsigned": lambda lab: forged(lab, lab.hk.protected_header(), b"\x81" * 400),
    "bomb-signed": lambda lab: lab.signed_payload(b"\x81" * 400 + b"\x01"),
    "bomb-by-holder": lambda lab: lab.with_presentation(b"\x81" * 400 + b"\x01"),
    "bomb-shared": lambda lab: lab.with_presentation(shared_values(4)),
    "huge-length": lambda lab: lab.with_presentation(b"\x5b" + b"\xff" * 8),
    "huge-decimal": lambda lab: lab.with_presentation(b"\xc4\x82\x1b\x7f" + b"\xff" * 7 + b"\x01"),
}


def documented() -> Iterator[Attack]:
    """The rows of the tables: attack, what the attacker has, step, reason, case."""
    for line in DOCUMENT.read_text().splitlines():
        if row := re.fullmatch(r"\| .+ \| .+ \| (\d) \| `(\w+)` \| (\S+) \|", line):
            yield Attack(row[3], REASONS[row[2]], int(row[1]))


@pytest.mark.parametrize("attack", list(documented()), ids=lambda attack: attack.case)
def test_refused(laboratory: Any, attack: Attack) -> None:
    made = MAKERS[attack.case](laboratory)
    shown = made if isinstance(made, Shown) else Shown(made)
    replays = Replays()
    verifier = laboratory.verifier(replays, shown.trust, static_passes=shown.static_passes)
    for text in shown.used:
        before = verifier.verify(text, laboratory.now)
        assert isinstance(before, PassAccepted)
        assert replays.claim(before.facts.pass_id, before.facts.issued_at, before.facts.pass_expires_at)
    result = verifier.verify(shown.text, laboratory.now if shown.now is None else shown.now)
    assert isinstance(result, PassRejected)
    assert (result.reason, result.step) == (attack.reason, attack.step), result.detail


def test_the_document_lists_what_is_tested_and_nothing_else() -> None:
    assert [attack.case for attack in documented()] == list(MAKERS)


@pytest.mark.parametrize("make", [lambda lab: lab.phone.pass_, lambda lab: lab.phone.sign(encode(lab.presentation_claims()))], ids=["pass", "presentation"])
def test_neither_is_a_status_list(laboratory: Any, make: Callable[[Any], bytes]) -> None:
    """The other direction of the confusion: what a phone shows, put on a stick as a region's list."""
    keys = {laboratory.hk.kid: laboratory.trust().lookup(laboratory.hk.protected_header())}
    parse_status_list(status_token(laboratory), "hk/status/1", Region.HK, keys.get)
    with pytest.raises(StatusListError):
        parse_status_list(make(laboratory), "hk/status/1", Region.HK, keys.get)
