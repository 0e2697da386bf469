"""Refusals of steps 5 to 7 and 9: CBOR, claims, holder, replay. Authority and holder sign every malformed thing properly."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from nacl import bindings

from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Region
from gate_controller.passes.claims import MAX_TIME
from gate_controller.ports.services import PassAccepted, PassRejected
from simulators.authority import Permit, encode
from simulators.phone import Phone, qr_text

R = Reason
MIXED_ORDER_TORSION = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
NON_CANONICAL = bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")


def put(*path: Any) -> Callable[[dict[Any, Any]], None]:
    """A change that sets claims[path...] to the last argument."""

    def change(claims: dict[Any, Any]) -> None:
        target = claims
        for key in path[:-2]:
            target = target[key]
        target[path[-2]] = path[-1]

    return change


def drop(*path: Any) -> Callable[[dict[Any, Any]], None]:
    def change(claims: dict[Any, Any]) -> None:
        target = claims
        for key in path[:-1]:
            target = target[key]
        del target[path[-1]]

    return change


def mixed_order_holder(lab: Any) -> str:
    """A holder key outside the main subgroup, with a presentation that libsodium verifies under it.

    With A' = A + T, T of order 8, and S = r + h*a the equation S*B = R + h*A' holds whenever 8 divides h; about every
    eighth nonce does it.
    """
    order = (1 << 252) + 27742317777372353535851937790883648493
    scalar = 0x1234567890ABCDEF << 64
    mixed = bindings.crypto_core_ed25519_add(bindings.crypto_scalarmult_ed25519_base_noclamp(scalar.to_bytes(32, "little")), MIXED_ORDER_TORSION)
    claims = lab.claims()
    claims[8][1][-2] = mixed
    pass_ = lab.hk.sign(encode(claims))
    protected = b"\xa3\x01\x27\x0d" + pass_ + b"\x10\x19\x01\x26"
    for attempt in range(200):
        payload = encode({3: "MO-GB", 6: lab.now, 7: attempt.to_bytes(8)})
        signed = cbor2.dumps(["Signature1", protected, b"", payload])
        nonce = (attempt + 7) << 32
        point = bindings.crypto_scalarmult_ed25519_base_noclamp(nonce.to_bytes(32, "little"))
        h = int.from_bytes(hashlib.sha512(point + mixed + signed).digest(), "little") % order
        if h % 8 == 0:
            signature = point + ((nonce + h * scalar) % order).to_bytes(32, "little")
            bindings.crypto_sign_open(signature + signed, mixed)  # libsodium alone is content
            return qr_text(lab.frame(protected, payload, signature))
    raise AssertionError("no suitable nonce")


def copied_pass(lab: Any) -> str:
    thief = Phone("laboratory", "thief", "MO-GB")
    thief.load(lab.phone.pass_)
    return thief.present(lab.now)


def copied_signature(lab: Any) -> str:
    """The holder's signature of one moment under the payload of another."""
    protected, _, signature = lab.parts()
    return qr_text(lab.frame(protected, lab.phone.payload(lab.now + 1, "MO-GB"), signature))


def swapped_pass(lab: Any) -> str:
    """Two genuine passes of one phone: the presentation of one with the other put into its header."""
    _, payload, signature = lab.parts()
    other = lab.hk.issue(lab.phone.public_key, Permit(enrolment_reference=b"\xff" * 16, issued_at=lab.now - 60))
    return qr_text(lab.frame(b"\xa3\x01\x27\x0d" + other + b"\x10\x19\x01\x26", payload, signature))


def infinite(lab: Any) -> bytes:
    """The genuine payload with exp as the float infinity, in the shortest form."""
    return encode({**lab.claims(), 4: float("inf")})


def duplicate_exp(lab: Any) -> bytes:
    claims = lab.claims()
    pairs = [cbor2.dumps(key) + encode(value) for key, value in claims.items()]
    pairs.insert(4, cbor2.dumps(4) + encode(MAX_TIME))
    return bytes([0xA0 + len(pairs)]) + b"".join(pairs)


def unsorted(lab: Any) -> bytes:
    pairs = [cbor2.dumps(key) + encode(value) for key, value in lab.claims().items()]
    return bytes([0xA0 + len(pairs)]) + b"".join(reversed(pairs))


def long_integer(lab: Any) -> bytes:
    """The first key, 1, in two bytes."""
    payload = encode(lab.claims())
    return payload[:1] + b"\x18\x01" + payload[2:]


def indefinite(lab: Any) -> bytes:
    payload = encode(lab.claims())
    return b"\xbf" + payload[1:] + b"\xff"


def payload(make: Callable[[Any], bytes] | bytes) -> Callable[[Any], str]:
    return lambda lab: lab.signed_payload(make if isinstance(make, bytes) else make(lab))


def claims(change: Callable[[dict[Any, Any]], None]) -> Callable[[Any], str]:
    return lambda lab: lab.with_claims(change)


def presentation(change: Callable[[dict[Any, Any]], None]) -> Callable[[Any], str]:
    def make(lab: Any) -> str:
        values = lab.presentation_claims()
        change(values)
        return lab.with_presentation(values)

    return make


def presentation_payload(content: bytes) -> Callable[[Any], str]:
    return lambda lab: lab.with_presentation(content)


def true_for_one(claims: dict[Any, Any]) -> None:
    claims[True] = claims.pop(1)


def float_for_one(claims: dict[Any, Any]) -> None:
    claims[1.0] = claims.pop(1)


def made_at(lab: Any, offset: int, nbf: int = -4000, exp: int = 4000) -> str:
    """A presentation made `offset` seconds from now, of a pass that is valid from now + nbf to now + exp."""
    values = lab.claims()
    values.update({4: lab.now + exp, 5: lab.now + nbf, 6: lab.now + nbf})
    lab.phone.load(lab.hk.sign(encode(values)))
    try:
        return lab.phone.present(lab.now + offset)
    finally:
        lab.phone.obtain(lab.hk, lab.permit)


BOMB = b"\x81" * 300 + b"\x01"
HUGE = {
    "byte string of 2^63": b"\x5b\x7f" + b"\xff" * 7,
    "byte string of 2^64 - 1": b"\x5b" + b"\xff" * 8,
    "text of 2^31": b"\x7a\x7f\xff\xff\xff",
    "array of 2^64 - 1": b"\x9b" + b"\xff" * 8 + b"\x01",
    "array of 2^32 - 1": b"\x9a\xff\xff\xff\xff\x01",
    "map of 2^63": b"\xbb\x7f" + b"\xff" * 7,
}
ODD_CBOR = {
    "empty": b"",
    "a lone break": b"\xff",
    "cut off": b"\xa1\x01",
    "depth bomb": BOMB,
    "depth bomb of maps": b"\xa1\x01" * 250 + b"\x01",
    "depth bomb of tags": b"\xd8\x1c" * 250 + b"\x01",
    "decimal with a huge exponent": b"\xc4\x82\x1b\x7f" + b"\xff" * 7 + b"\x01",
    "bigfloat with a huge exponent": b"\xc5\x82\x1b\x7f" + b"\xff" * 7 + b"\x03",
    "rational without a denominator": b"\xd8\x1e\x82\x01\x00",
    "datetime out of range": b"\xc1\xfb" + struct.pack(">d", 1e300),
    "datetime that is none": b"\xc0\x61x",
    "regular expression": b"\xd8\x23\x63(((",
    "a reference to itself": b"\xd8\x1c\x81\xd8\x1d\x00",
    "invalid UTF-8": b"\x61\xff",
    "bignum of a small number": b"\xc2\x41\x05",
    "reserved length": b"\x1c",
    "float longer than needed": b"\xfb" + struct.pack(">d", 1.5),
    "NaN with a payload": b"\xf9\x7e\x01",
}

# (what, how it is made, reason, step)
REFUSALS: list[tuple[str, Callable[[Any], str], Reason, int]] = [
    # 5: CBOR
    *[(f"pass: {name}", payload(content), R.PASS_BAD_CBOR, 5) for name, content in (ODD_CBOR | HUGE).items()],
    *[(f"presentation: {name}", presentation_payload(content), R.PASS_BAD_CBOR, 5) for name, content in (ODD_CBOR | HUGE).items()],
    ("duplicate exp", payload(duplicate_exp), R.PASS_BAD_CBOR, 5),
    ("trailing byte in the payload", payload(lambda lab: encode(lab.claims()) + b"\0"), R.PASS_BAD_CBOR, 5),
    ("a second item in the payload", payload(lambda lab: encode(lab.claims()) * 2), R.PASS_BAD_CBOR, 5),
    ("map of indefinite length", payload(indefinite), R.PASS_BAD_CBOR, 5),
    ("unsorted map", payload(unsorted), R.PASS_BAD_CBOR, 5),
    ("integer in the long form", payload(long_integer), R.PASS_BAD_CBOR, 5),
    ("presentation: trailing byte", lambda lab: lab.with_presentation(encode(lab.presentation_claims()) + b"\0"), R.PASS_BAD_CBOR, 5),
    # 6: types of the claims
    *[(f"claim {key} missing", claims(drop(key)), R.PASS_BAD_CLAIM, 6) for key in (1, 2, 3, 4, 5, 6, 7, 8, 65535, -65537)],
    *[(f"claim {key} null", claims(put(key, None)), R.PASS_BAD_CLAIM, 6) for key in (1, 2, 3, 4, 5, 6, 7, 8, 65535, -65537)],
    *[
        (f"time {key} is {value!r}", claims(put(key, value)), R.PASS_BAD_CLAIM, 6)
        for key in (4, 5, 6)
        for value in (True, 1.5, "1800000000", -1, MAX_TIME + 1, 1 << 70)
    ],
    ("unknown claim", claims(put(9, 1)), R.PASS_BAD_CLAIM, 6),
    ("unknown claim by text", claims(put("exp", 1)), R.PASS_BAD_CLAIM, 6),
    ("exp infinite", payload(infinite), R.PASS_BAD_CLAIM, 6),
    ("exp as a datetime", claims(put(4, cbor2.CBORTag(1, 1_800_000_500))), R.PASS_BAD_CBOR, 5),
    ("key true for key 1", lambda lab: lab.with_claims(true_for_one), R.PASS_BAD_CLAIM, 6),
    ("key 1.0 for key 1", lambda lab: lab.with_claims(float_for_one), R.PASS_BAD_CLAIM, 6),
    ("claims in an array", payload(lambda lab: encode(list(lab.claims().items()))), R.PASS_BAD_CLAIM, 6),
    ("claims in a tagged map", payload(lambda lab: encode(cbor2.CBORTag(61, lab.claims()))), R.PASS_BAD_CBOR, 5),
    ("iss as bytes", claims(put(1, b"HK")), R.PASS_BAD_CLAIM, 6),
    ("sub of 15 bytes", claims(put(2, bytes(15))), R.PASS_BAD_CLAIM, 6),
    ("sub as text", claims(put(2, "0" * 16)), R.PASS_BAD_CLAIM, 6),
    ("aud in an array", claims(put(3, ["HKMO"])), R.PASS_BAD_CLAIM, 6),
    ("aud empty", claims(put(3, "")), R.PASS_BAD_CLAIM, 6),
    ("cti of 17 bytes", claims(put(7, bytes(17))), R.PASS_BAD_CLAIM, 6),
    ("cnf by kid", claims(put(8, {3: b"kid"})), R.PASS_BAD_CLAIM, 6),
    ("cnf key of EC2", claims(put(8, 1, 1, 2)), R.PASS_BAD_CLAIM, 6),
    ("cnf kty true", claims(put(8, 1, 1, True)), R.PASS_BAD_CLAIM, 6),
    ("cnf crv X25519", claims(put(8, 1, -1, 4)), R.PASS_BAD_CLAIM, 6),
    ("cnf key with alg", claims(put(8, 1, 3, -8)), R.PASS_BAD_CLAIM, 6),
    ("cnf x of 31 bytes", claims(put(8, 1, -2, bytes(31))), R.PASS_BAD_CLAIM, 6),
    ("cnf with a private key", claims(put(8, 1, -4, bytes(32))), R.PASS_BAD_CLAIM, 6),
    ("status empty", claims(put(65535, {})), R.PASS_BAD_CLAIM, 6),
    ("status idx negative", claims(put(65535, "status_list", "idx", -1)), R.PASS_BAD_CLAIM, 6),
    ("status idx true", claims(put(65535, "status_list", "idx", True)), R.PASS_BAD_CLAIM, 6),
    ("status uri missing", claims(drop(65535, "status_list", "uri")), R.PASS_BAD_CLAIM, 6),
    ("class 0", claims(put(-65537, 1, 0)), R.PASS_BAD_CLAIM, 6),
    ("class true", claims(put(-65537, 1, True)), R.PASS_BAD_CLAIM, 6),
    ("no direction", claims(put(-65537, 2, 0)), R.PASS_BAD_CLAIM, 6),
    ("a third direction", claims(put(-65537, 2, 4)), R.PASS_BAD_CLAIM, 6),
    ("permit-until null", claims(put(-65537, 3, None)), R.PASS_BAD_CLAIM, 6),
    ("permit-until too late", claims(put(-65537, 3, MAX_TIME + 1)), R.PASS_BAD_CLAIM, 6),
    ("iat before nbf", claims(put(6, 1_799_000_000)), R.PASS_BAD_CLAIM, 6),
    ("iat after exp", lambda lab: lab.with_claims(lambda c: c.update({4: lab.now + 10, 6: lab.now + 10})), R.PASS_BAD_CLAIM, 6),
    *[(f"presentation: claim {key} missing", presentation(drop(key)), R.PASS_BAD_CLAIM, 6) for key in (3, 6, 7)],
    *[(f"presentation: iat {value!r}", presentation(put(6, value)), R.PASS_BAD_CLAIM, 6) for value in (True, 1.5, "now", -1, MAX_TIME + 1)],
    ("presentation: nonce of 7 bytes", presentation(put(7, bytes(7))), R.PASS_BAD_CLAIM, 6),
    ("presentation: aud in an array", presentation(put(3, ["MO-GB"])), R.PASS_BAD_CLAIM, 6),
    ("presentation: sub added", presentation(put(2, bytes(16))), R.PASS_BAD_CLAIM, 6),
    ("presentation: an empty map", presentation_payload(b"\xa0"), R.PASS_BAD_CLAIM, 6),
    ("presentation: a number", presentation_payload(b"\x01"), R.PASS_BAD_CLAIM, 6),
    # 6: content of the claims
    ("iss of the other region", claims(put(1, "MO")), R.PASS_WRONG_ISSUER, 6),
    ("iss of no region", claims(put(1, "hk")), R.PASS_WRONG_ISSUER, 6),
    ("not yet valid", lambda lab: lab.with_claims(lambda c: c.update({5: lab.now + 1, 6: lab.now + 1})), R.PASS_NOT_YET_VALID, 6),
    ("pass issued in the future", lambda lab: lab.with_claims(put(6, lab.now + 31)), R.PASS_NOT_YET_VALID, 6),
    ("expired", lambda lab: lab.with_claims(put(4, lab.now)), R.PASS_EXPIRED, 6),
    ("another scheme", claims(put(3, "HKSZ")), R.PASS_WRONG_AUDIENCE, 6),
    ("another checkpoint", presentation(put(3, "HK-LMC")), R.PASS_WRONG_AUDIENCE, 6),
    ("the other direction", claims(put(-65537, 2, Direction.MO_TO_HK.value)), R.PASS_WRONG_DIRECTION, 6),
    ("a class of the next phase", claims(put(-65537, 1, 2)), R.PASS_CLASS_NOT_ADMITTED, 6),
    ("permit ended", lambda lab: lab.with_claims(put(-65537, 3, lab.now)), R.PASS_PERMIT_ENDED, 6),
    ("a screenshot", lambda lab: lab.phone.present(lab.now - 61), R.PRESENTATION_STALE, 6),
    ("an old screenshot", lambda lab: lab.phone.present(lab.now - 3000), R.PRESENTATION_STALE, 6),
    ("made before the pass was valid", lambda lab: made_at(lab, -10, nbf=-5), R.PRESENTATION_STALE, 6),
    ("made in the future", lambda lab: lab.phone.present(lab.now + 31), R.PRESENTATION_IN_FUTURE, 6),
    ("made after the pass's end", lambda lab: made_at(lab, 20, exp=20), R.PRESENTATION_IN_FUTURE, 6),
    # 7: holder
    ("holder key of order 1", claims(put(8, 1, -2, b"\x01" + bytes(31))), R.PRESENTATION_BAD_KEY, 7),
    ("holder key of order 8", claims(put(8, 1, -2, MIXED_ORDER_TORSION)), R.PRESENTATION_BAD_KEY, 7),
    ("holder key not canonical", claims(put(8, 1, -2, NON_CANONICAL)), R.PRESENTATION_BAD_KEY, 7),
    ("holder key of mixed order, signature verifies", mixed_order_holder, R.PRESENTATION_BAD_KEY, 7),
    ("a pass copied to another phone", copied_pass, R.PRESENTATION_BAD_SIGNATURE, 7),
    ("a copied signature", copied_signature, R.PRESENTATION_BAD_SIGNATURE, 7),
    ("the presentation of another pass", swapped_pass, R.PRESENTATION_BAD_SIGNATURE, 7),
    (
        "presented by the authority",
        lambda lab: qr_text(lab.hk.sign(encode(lab.presentation_claims()), lab.phone.protected_header())),
        R.PRESENTATION_BAD_SIGNATURE,
        7,
    ),
]


@pytest.mark.parametrize(("make", "reason", "step"), [pytest.param(*rest, id=what) for what, *rest in REFUSALS])
def test_refused_with_its_own_reason(laboratory: Any, make: Callable[[Any], str], reason: Reason, step: int) -> None:
    text = make(laboratory)
    result = laboratory.verify(text)
    assert isinstance(result, PassRejected)
    assert (result.reason, result.step) == (reason, step), result.detail
    failed = [each for each in result.steps if each.passed is False]
    assert [each.number for each in failed] == [step]
    at = result.steps.index(failed[0])
    assert all(each.passed for each in result.steps[:at])
    assert all(each.passed is None for each in result.steps[at + 1 :])
    assert "\n" not in failed[0].detail
    assert failed[0].detail.isascii()


def test_a_region_the_lane_does_not_admit(laboratory: Any) -> None:
    result = laboratory.verify(laboratory.text(), admitted_issuers=frozenset({Region.MO}), lane_region=Region.HK)
    assert isinstance(result, PassRejected)
    assert (result.reason, result.step) == (R.PASS_WRONG_REGION, 6)


def test_replayed(laboratory: Any, replays: Any) -> None:
    verifier = laboratory.verifier(replays)
    phone, now = laboratory.phone, laboratory.now
    first, older, newer = phone.present(now), phone.present(now - 1), phone.present(now + 1)
    accepted = verifier.verify(first, now)
    assert isinstance(accepted, PassAccepted)
    assert isinstance(verifier.verify(first, now), PassAccepted)  # verifying does not use it up
    assert replays.claim(accepted.facts.pass_id, accepted.facts.issued_at, accepted.facts.pass_expires_at)
    for text in (first, older):
        result = verifier.verify(text, now)
        assert isinstance(result, PassRejected)
        assert (result.reason, result.step) == (R.PRESENTATION_REPLAYED, 9)
    assert isinstance(verifier.verify(newer, now + 1), PassAccepted)


def test_every_reason_of_these_steps_is_reached() -> None:
    documented = {reason for reason in Reason if reason.advice.startswith(("step 5", "step 6", "step 7", "step 9"))}
    assert {reason for _, _, reason, _ in REFUSALS} | {R.PASS_WRONG_REGION, R.PRESENTATION_REPLAYED} == documented
