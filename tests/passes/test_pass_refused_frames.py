"""Refusals of steps 1 to 4: text, frame, protected headers, the region's signature. Whatever can be signed is properly signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from gate_controller.core.reasons import Reason
from gate_controller.core.values import Region
from gate_controller.ports.services import PassAccepted, PassRejected
from gate_controller.ports.trust import Cause, Freshness
from simulators.authority import Authority, Permit, encode
from simulators.phone import qr_text

R = Reason


def with_bytes_changed(change: Callable[[bytes], bytes]) -> Callable[[Any], str]:
    return lambda lab: qr_text(change(lab.frame(*lab.parts())))


def header(lab: Any, **changes: Any) -> dict[Any, Any]:
    """The pass's protected header as a map; keys are given as k1, k4, ..."""
    result: dict[Any, Any] = {1: -8, 4: lab.hk.kid, 16: 65001}
    for key, value in changes.items():
        number = int(key[1:])
        if value is None:
            del result[number]
        else:
            result[number] = value
    return dict(sorted(result.items()))


def signed_by(authority: Callable[[Any], Authority], kid_of: Callable[[Any], Authority]) -> Callable[[Any], str]:
    return lambda lab: lab.presented(authority(lab).sign(encode(lab.claims()), kid_of(lab).protected_header()))


def pass_header(**changes: Any) -> Callable[[Any], str]:
    return lambda lab: lab.with_header(header(lab, **changes))


def presentation_header(change: Callable[[bytes], bytes]) -> Callable[[Any], str]:
    return lambda lab: lab.with_presentation(protected=change(lab.phone.protected_header()))


def reframe(**shape: bytes) -> Callable[[Any], str]:
    return lambda lab: qr_text(lab.frame(*lab.parts(), **shape))


def reframe_pass(**shape: bytes) -> Callable[[Any], str]:
    return lambda lab: lab.presented(lab.frame(*lab.pass_parts(), **shape))


def payload_of_another_pass(lab: Any) -> str:
    protected, payload, _ = lab.pass_parts()
    other = lab.hk.issue(lab.phone.public_key, Permit(enrolment_reference=b"\xee" * 16, issued_at=lab.now - 60))
    return lab.presented(lab.frame(protected, payload, lab.taken_apart(other)[2]))


def pass_alone(change: Callable[[bytes], bytes]) -> Callable[[Any], str]:
    return lambda lab: qr_text(lab.hk.sign(encode(lab.claims()), change(lab.hk.protected_header())))


def signature_of(length: int) -> Callable[[Any], str]:
    def make(lab: Any) -> str:
        protected, payload, signature = lab.parts()
        return qr_text(lab.frame(protected, payload, signature[:length]))

    return make


def shifted_signature(lab: Any) -> str:
    """65 bytes: the genuine 64 and the first byte of what they sign, as crypto_sign_open alone would take them."""
    protected, payload, signature = lab.pass_parts()
    return lab.presented(lab.frame(protected, payload, signature + b"\x84"))


# (what, how it is made, reason, step)
REFUSALS: list[tuple[str, Callable[[Any], str], Reason, int]] = [
    # 1: text
    ("longer than any pass", lambda _: "ECH1:" + "0" * 2000, R.PASS_TOO_LONG, 1),
    ("empty", lambda _: "", R.PASS_NOT_A_PASS, 1),
    ("a health certificate", lambda _: "HC1:6BFOXN", R.PASS_NOT_A_PASS, 1),
    ("lower case", lambda lab: lab.text().lower(), R.PASS_NOT_A_PASS, 1),
    ("body in lower case", lambda lab: "ECH1:" + lab.text()[5:].lower(), R.PASS_BAD_BASE45, 1),
    ("one character short", lambda lab: lab.text()[:-1], R.PASS_BAD_BASE45, 1),
    ("a line feed inside", lambda lab: lab.text()[:40] + "\n" + lab.text()[40:], R.PASS_BAD_BASE45, 1),
    # 2: frame
    ("no bytes", lambda _: "ECH1:", R.PASS_BAD_FRAME, 2),
    ("a static pass", lambda lab: qr_text(lab.phone.pass_), R.PASS_STATIC, 2),
    ("a pass with a longer header, alone", pass_alone(lambda header: header[:9] + b"\0" + header[9:]), R.PASS_BAD_FRAME, 2),
    ("a pass with crit in its header, alone", pass_alone(lambda header: b"\xa4" + header[1:3] + b"\x02\x81\x01" + header[3:]), R.PASS_BAD_FRAME, 2),
    ("a pass signed as ES256, alone", pass_alone(lambda header: header.replace(b"\x27", b"\x26", 1)), R.PASS_BAD_FRAME, 2),
    ("a pass of another typ, alone", pass_alone(lambda header: header[:-1] + b"\xea"), R.PASS_BAD_FRAME, 2),
    ("presentation without tag", with_bytes_changed(lambda data: data[1:]), R.PASS_BAD_FRAME, 2),
    ("pass without tag", lambda lab: lab.presented(lab.phone.pass_[1:]), R.PASS_BAD_FRAME, 2),
    ("tag 18 in the long form", with_bytes_changed(lambda data: b"\xd8\x12" + data[1:]), R.PASS_BAD_FRAME, 2),
    ("another tag (COSE_Mac0)", with_bytes_changed(lambda data: b"\xd1" + data[1:]), R.PASS_BAD_FRAME, 2),
    ("self-described CBOR around it", with_bytes_changed(lambda data: b"\xd9\xd9\xf7" + data), R.PASS_BAD_FRAME, 2),
    ("array of indefinite length", with_bytes_changed(lambda data: data[:1] + b"\x9f" + data[2:] + b"\xff"), R.PASS_BAD_FRAME, 2),
    ("array of five", reframe(start=b"\xd2\x85", end=b"\xf6"), R.PASS_BAD_FRAME, 2),
    ("bytes after the presentation", with_bytes_changed(lambda data: data + b"\0"), R.PASS_BAD_FRAME, 2),
    ("cut off in the signature", with_bytes_changed(lambda data: data[:-1]), R.PASS_BAD_FRAME, 2),
    ("bytes after the pass", lambda lab: lab.presented(lab.phone.pass_ + b"\0"), R.PASS_BAD_FRAME, 2),
    ("unprotected header of the presentation", reframe(unprotected=b"\xa1\x01\x27"), R.PASS_BAD_FRAME, 2),
    ("unprotected header of the pass: alg only there", reframe_pass(unprotected=b"\xa1\x01\x27"), R.PASS_BAD_FRAME, 2),
    ("a length of the pass in the long form", lambda lab: lab.presented(lab.phone.pass_[:2] + b"\x58\x11" + lab.phone.pass_[3:]), R.PASS_BAD_FRAME, 2),
    ("a length in four bytes", with_bytes_changed(lambda data: data[:2] + b"\x5a\0\0" + data[3:]), R.PASS_BAD_FRAME, 2),
    ("payload is null (detached)", lambda lab: lab.presented(lab.phone.pass_[:21] + b"\xf6"), R.PASS_BAD_FRAME, 2),
    ("signature of 65 bytes over a shifted message", shifted_signature, R.PASS_BAD_FRAME, 2),
    ("signature of 63 bytes", signature_of(63), R.PASS_BAD_FRAME, 2),
    ("empty signature", signature_of(0), R.PASS_BAD_FRAME, 2),
    ("presentation signed as ES256", presentation_header(lambda header: header.replace(b"\xa3\x01\x27\x0d", b"\xa3\x01\x26\x0d", 1)), R.PASS_BAD_FRAME, 2),
    ("presentation without alg", presentation_header(lambda header: b"\xa2" + header[3:]), R.PASS_BAD_FRAME, 2),
    ("presentation of another typ", presentation_header(lambda header: header[:-1] + b"\x27"), R.PASS_BAD_FRAME, 2),
    ("presentation with crit", presentation_header(lambda header: b"\xa4" + header[1:3] + b"\x02\x81\x18\x63" + header[3:]), R.PASS_BAD_FRAME, 2),
    ("something after the presentation's header", presentation_header(lambda header: header + b"\0"), R.PASS_BAD_FRAME, 2),
    ("a pass in a byte string", presentation_header(lambda header: header[:4] + cbor2.dumps(header[4:-4]) + header[-4:]), R.PASS_BAD_FRAME, 2),
    # 3: region key
    ("alg absent", pass_header(k1=None), R.PASS_UNKNOWN_KEY, 3),
    ("alg ES256", pass_header(k1=-7), R.PASS_UNKNOWN_KEY, 3),
    ("alg HMAC 256/256", pass_header(k1=5), R.PASS_UNKNOWN_KEY, 3),
    ("alg as text", pass_header(k1="EdDSA"), R.PASS_UNKNOWN_KEY, 3),
    ("alg -8 as a float", pass_header(k1=-8.0), R.PASS_UNKNOWN_KEY, 3),
    ("unknown crit", pass_header(k2=[99]), R.PASS_UNKNOWN_KEY, 3),
    ("crit of what is there", pass_header(k2=[1]), R.PASS_UNKNOWN_KEY, 3),
    ("kid absent", pass_header(k4=None), R.PASS_UNKNOWN_KEY, 3),
    ("kid of nobody", pass_header(k4=bytes(8)), R.PASS_UNKNOWN_KEY, 3),
    ("kid as text", pass_header(k4="HK"), R.PASS_UNKNOWN_KEY, 3),
    ("typ absent", pass_header(k16=None), R.PASS_UNKNOWN_KEY, 3),
    ("typ of a presentation", pass_header(k16=294), R.PASS_UNKNOWN_KEY, 3),
    ("an unknown header parameter", pass_header(k33=b"x"), R.PASS_UNKNOWN_KEY, 3),
    ("empty header", lambda lab: lab.with_header(b""), R.PASS_UNKNOWN_KEY, 3),
    ("header in the long form", lambda lab: lab.with_header(b"\xb8\x03" + lab.hk.protected_header()[1:]), R.PASS_UNKNOWN_KEY, 3),
    ("an issuer nobody published", signed_by(lambda lab: lab.authorities.forger, lambda lab: lab.authorities.forger), R.PASS_UNKNOWN_KEY, 3),
    # 4: signature of the region
    ("a forger under the region's kid", signed_by(lambda lab: lab.authorities.forger, lambda lab: lab.hk), R.PASS_BAD_SIGNATURE, 4),
    ("another region's kid", signed_by(lambda lab: lab.hk, lambda lab: lab.mo), R.PASS_BAD_SIGNATURE, 4),
    ("signed by the holder itself", lambda lab: lab.presented(lab.phone.sign(encode(lab.claims()), lab.hk.protected_header())), R.PASS_BAD_SIGNATURE, 4),
    ("payload of another pass", payload_of_another_pass, R.PASS_BAD_SIGNATURE, 4),
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


def test_the_untouched_presentation_is_accepted(laboratory: Any) -> None:
    """Every refusal above differs from one of these in one thing."""
    for make in (
        lambda lab: lab.text(),
        pass_header(),
        presentation_header(lambda header: header),
        reframe(),
        reframe_pass(),
        with_bytes_changed(lambda data: data),
    ):
        assert isinstance(laboratory.verify(make(laboratory)), PassAccepted)


def test_key_before_and_after_its_time(laboratory: Any) -> None:
    now = laboratory.now
    verifier = laboratory.verifier(trust=laboratory.trust(not_before=now - 100, not_after=now + 10))
    for offset, valid in ((-101, False), (-100, True), (0, True), (9, True), (10, False)):
        result = verifier.verify(laboratory.phone.present(now + offset), now + offset)
        assert isinstance(result, PassAccepted) is valid
        if isinstance(result, PassRejected):
            assert (result.reason, result.step) == (R.PASS_KEY_NOT_VALID_NOW, 3)


@pytest.mark.parametrize("cause", [Cause.TIMESTAMP, Cause.STATUS_LIST_EXPIRED, Cause.CLOCK_BEHIND])
def test_a_region_whose_trust_is_too_old(laboratory: Any, cause: Cause) -> None:
    trust = laboratory.trust()
    trust.states[Region.HK] = (Freshness.CLOSED, cause)
    result = laboratory.verifier(trust=trust).verify(laboratory.text(), laboratory.now)
    assert isinstance(result, PassRejected)
    assert (result.reason, result.step, result.detail) == (R.PASS_REGION_CLOSED, 3, cause.code)
    trust.states = {Region.HK: (Freshness.STALE, cause), Region.MO: (Freshness.CLOSED, cause)}
    assert isinstance(laboratory.verifier(trust=trust).verify(laboratory.text(), laboratory.now), PassAccepted)


def test_every_reason_of_these_steps_is_reached() -> None:
    documented = {reason for reason in Reason if reason.advice.startswith(("step 1", "step 2", "step 3", "step 4"))}
    assert {reason for _, _, reason, _ in REFUSALS} | {R.PASS_KEY_NOT_VALID_NOW, R.PASS_REGION_CLOSED} == documented
