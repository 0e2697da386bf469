"""The golden path, the exact bounds of every time, the order of the steps, the sizes, and what the verifier leaves alone."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import segno
from nacl import bindings

from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Region
from gate_controller.passes.text import MAX_TEXT_CHARS
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.errors import ConfigurationError, StoreError
from gate_controller.ports.services import PassAccepted, PassRejected, PassVerifier
from gate_controller.ports.trust import Cause, Freshness
from simulators.authority import ED25519 as FULLY_SPECIFIED
from simulators.authority import EDDSA, Authority, Permit, encode
from simulators.phone import Phone, qr_text

NOW = 1_800_000_000
R = Reason


def outcome(result: PassAccepted | PassRejected) -> Reason | None:
    return result.reason if isinstance(result, PassRejected) else None


def test_accepted(laboratory: Any) -> None:
    verifier: PassVerifier = laboratory.verifier()
    result = verifier.verify(laboratory.text() + "\r\n", laboratory.now + 3.7)
    assert isinstance(result, PassAccepted)
    facts, claims = result.facts, laboratory.claims()
    assert facts.pass_id == claims[7]
    assert facts.enrolment_reference == claims[2] == bytes(range(16))
    assert (facts.issuer, facts.traveller_class) == (Region.HK, 1)
    assert (facts.issued_at, facts.pass_issued_at, facts.pass_expires_at) == (laboratory.now, laboratory.now - 3600, claims[4])


def test_every_step_says_that_it_was_passed(laboratory: Any) -> None:
    result = laboratory.verify(laboratory.text())
    assert [step.number for step in result.steps] == [1, 2, 3, 4, 5, 6, 7, 5, 6, 8, 9]
    assert all(step.passed is True for step in result.steps)


def test_a_macao_resident_in_a_hong_kong_lane(laboratory: Any) -> None:
    phone = Phone("laboratory", "of Macao", "HK-LMC")
    phone.obtain(laboratory.mo, laboratory.permit)
    policy = PassPolicy(
        lane_region=Region.HK, direction=Direction.MO_TO_HK, presentation_audiences=frozenset({"HK-LMC"}), admitted_issuers=frozenset({Region.MO})
    )
    verifier = OfflinePassVerifier(policy, laboratory.trust(), _NeverUsed())
    result = verifier.verify(phone.present(laboratory.now), laboratory.now)
    assert isinstance(result, PassAccepted)
    assert result.facts.issuer is Region.MO


@pytest.mark.parametrize("pass_algorithm", [EDDSA, FULLY_SPECIFIED])
@pytest.mark.parametrize("presentation_algorithm", [EDDSA, FULLY_SPECIFIED])
def test_both_names_of_the_algorithm(laboratory: Any, pass_algorithm: int, presentation_algorithm: int) -> None:
    phone = Phone("laboratory", "holder", "MO-GB")
    phone.obtain(laboratory.hk, laboratory.permit, pass_algorithm)
    text = qr_text(phone.sign(phone.payload(laboratory.now, "MO-GB"), phone.protected_header(presentation_algorithm)))
    assert outcome(laboratory.verify(text)) is None


@pytest.mark.parametrize("audience", ["MO-GB", "MO-GB-07"])
def test_the_checkpoint_s_name_and_the_gate_s(laboratory: Any, audience: str) -> None:
    assert outcome(laboratory.verify(laboratory.phone.present(laboratory.now, audience))) is None


@pytest.mark.parametrize("audience", ["MO-GB ", "mo-gb", "MO-G", "MO-GB-08", "HKMO"])
def test_audiences_are_compared_exactly(laboratory: Any, audience: str) -> None:
    assert outcome(laboratory.verify(laboratory.phone.present(laboratory.now, audience))) is R.PASS_WRONG_AUDIENCE


def test_life_of_a_pass(laboratory: Any) -> None:
    """nbf <= now < exp, to the second; before iat (no more than the skew ahead) a backdated pass is valid already."""
    nbf, exp, now = laboratory.now - 100, laboratory.now + 100, laboratory.now
    phone = Phone("laboratory", "short", "MO-GB")
    phone.obtain(laboratory.hk, dataclasses.replace(laboratory.permit, issued_at=nbf, backdated_s=0, lifetime_s=exp - nbf))
    expected = {nbf - 0.001: R.PASS_NOT_YET_VALID, nbf: None, now: None, exp - 0.001: None, exp: R.PASS_EXPIRED, exp + 1e6: R.PASS_EXPIRED}
    for moment, reason in expected.items():
        text = phone.present(min(max(moment, nbf), exp - 1))
        assert outcome(laboratory.verify(text, moment)) is reason, moment


def test_a_refusal_does_not_tell_a_pass_s_own_times_to_the_second(laboratory: Any) -> None:
    """It is logged, with the time: seconds would be one number that all refusals of a pass share."""
    text, claims = laboratory.text(), laboratory.claims()
    for begin, sign, says in ((claims[5], -1, "nbf is"), (claims[4], 1, "exp was")):
        for span, words in ((0, "less than two minutes"), (200, "3 minutes"), (7300, "2 hours"), (5 * 86_400, "5 days")):
            details = {laboratory.verify(text, begin + sign * (span + more)).detail for more in (1, 2, 9)}
            assert details == {f"{says} {words} {'ahead' if sign < 0 else 'ago'}"}


def test_skew_of_the_pass_s_iat(laboratory: Any) -> None:
    for ahead, reason in ((30, None), (31, R.PASS_NOT_YET_VALID)):
        phone = Phone("laboratory", "fresh", "MO-GB")
        phone.obtain(laboratory.hk, dataclasses.replace(laboratory.permit, issued_at=laboratory.now + ahead, backdated_s=60))
        assert outcome(laboratory.verify(phone.present(laboratory.now))) is reason


@pytest.mark.parametrize(
    ("made", "reason"),
    [(-61, R.PRESENTATION_STALE), (-60, None), (-1, None), (0, None), (30, None), (31, R.PRESENTATION_IN_FUTURE), (3000, R.PRESENTATION_IN_FUTURE)],
)
def test_ttl_and_skew(laboratory: Any, made: int, reason: Reason | None) -> None:
    assert outcome(laboratory.verify(laboratory.phone.present(laboratory.now + made))) is reason


def test_ttl_and_skew_come_from_the_policy(laboratory: Any) -> None:
    at = laboratory.phone.present
    assert outcome(laboratory.verify(at(laboratory.now - 16), ttl_s=15, skew_s=0)) is R.PRESENTATION_STALE
    assert outcome(laboratory.verify(at(laboratory.now - 15), ttl_s=15, skew_s=0)) is None
    assert outcome(laboratory.verify(at(laboratory.now + 1), ttl_s=15, skew_s=0)) is R.PRESENTATION_IN_FUTURE


def test_the_next_phase_is_policy(laboratory: Any) -> None:
    phone = Phone("laboratory", "other resident", "MO-GB")
    phone.obtain(laboratory.hk, dataclasses.replace(laboratory.permit, traveller_class=2, permit_until=laboratory.now + 1))
    assert outcome(laboratory.verify(phone.present(laboratory.now))) is R.PASS_CLASS_NOT_ADMITTED
    admitted = frozenset({1, 2})
    assert outcome(laboratory.verify(phone.present(laboratory.now), admitted_classes=admitted)) is None
    assert outcome(laboratory.verify(phone.present(laboratory.now + 1), laboratory.now + 1, admitted_classes=admitted)) is R.PASS_PERMIT_ENDED


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf, -1.0, 0.0, 1e300])
def test_a_clock_gone_mad_admits_nobody(laboratory: Any, now: float) -> None:
    assert isinstance(laboratory.verify(laboratory.text(), now), PassRejected)


def test_an_earlier_step_speaks_first(laboratory: Any) -> None:
    """One presentation with a fault in every step; the faults are mended one by one in the documented order."""
    hk, forger, now = laboratory.hk, laboratory.authorities.forger, laboratory.now
    thief = Phone("laboratory", "thief", "MO-GB")
    claims = laboratory.claims()
    expired = {**claims, 4: now}
    weak_key = {**claims, 8: {1: {1: 1, -1: 6, -2: b"\x01" + bytes(31)}}}
    bad_cbor = encode(expired) + b"\0"
    stale = {3: "elsewhere", 6: now - 1000, 7: bytes(8)}

    def presented(phone: Phone, pass_: bytes, payload: bytes) -> str:
        phone.load(pass_)
        return qr_text(phone.sign(payload))

    holder = Phone("laboratory", "holder", "MO-GB")
    genuine = hk.sign(encode(claims))
    ladder = [
        (R.PASS_UNKNOWN_KEY, presented(thief, forger.sign(bad_cbor), b"\xff")),
        (R.PASS_BAD_SIGNATURE, presented(thief, forger.sign(bad_cbor, hk.protected_header()), b"\xff")),
        (R.PASS_BAD_CBOR, presented(thief, hk.sign(bad_cbor), b"\xff")),
        (R.PASS_EXPIRED, presented(thief, hk.sign(encode({**expired, 8: weak_key[8]})), b"\xff")),
        (R.PRESENTATION_BAD_KEY, presented(thief, hk.sign(encode(weak_key)), b"\xff")),
        (R.PRESENTATION_BAD_SIGNATURE, presented(thief, genuine, b"\xff")),  # never parsed: not CBOR at all
        (R.PASS_BAD_CBOR, presented(holder, genuine, b"\xff")),
        (R.PASS_WRONG_AUDIENCE, presented(holder, genuine, encode(stale))),
        (R.PRESENTATION_STALE, presented(holder, genuine, encode({**stale, 3: "MO-GB"}))),
        (R.PRESENTATION_REPLAYED, presented(holder, genuine, encode({**stale, 3: "MO-GB", 6: now}))),
    ]
    used = _Used(now)
    assert [outcome(laboratory.verifier(used).verify(text, now)) for _, text in ladder] == [reason for reason, _ in ladder]


def test_store_errors_pass_through_and_only_from_the_stores(laboratory: Any) -> None:
    broken = laboratory.verifier(_Broken())
    with pytest.raises(StoreError):
        broken.verify(laboratory.text(), laboratory.now)
    assert outcome(broken.verify("ECH1:garbage", laboratory.now)) is R.PASS_BAD_BASE45


@pytest.mark.parametrize(
    "change",
    [
        {"presentation_audiences": frozenset()},
        {"admitted_issuers": frozenset()},
        {"admitted_classes": frozenset()},
        {"pass_audience": ""},
        {"ttl_s": 0},
        {"ttl_s": 601},
        {"skew_s": -1},
        {"skew_s": 601},
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(laboratory: Any, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        dataclasses.replace(laboratory.policy, **change)
    assert caught.value.remedy


def test_no_verifier_without_point_validation(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bindings, "has_crypto_core_ed25519", False)
    with pytest.raises(ConfigurationError, match="libsodium"):
        laboratory.verifier()


def test_sizes(laboratory: Any) -> None:
    """The figures of the format's documentation, measured."""
    permit = dataclasses.replace(laboratory.permit, permit_until=laboratory.now + 86400 * 365)
    phone = Phone("laboratory", "sizes", "MO-GB")
    phone.obtain(laboratory.hk, permit)
    assert phone.pass_ is not None
    text = phone.present(laboratory.now)
    presented = phone.sign(phone.payload(laboratory.now, "MO-GB"))
    assert (len(phone.pass_), len(presented), len(text)) == (253, 359, 544)
    # 4 bytes more when the permit does not end, which takes an integer of 8 bytes.
    assert (len(laboratory.phone.pass_), len(laboratory.text())) == (257, 550)
    assert segno.make(laboratory.text(), error="m", boost_error=False).designator == "15-M"
    assert segno.make("ECH1:" + "0" * (MAX_TEXT_CHARS - 5), error="m", boost_error=False, mode="alphanumeric").designator == "25-M"


def test_details_hold_no_identifier(laboratory: Any) -> None:
    """A detail may reach a log: it holds neither the pass id nor the reference nor a text the holder chose."""
    marker = "JOHN-DOE-A123456"
    texts = [
        laboratory.phone.present(laboratory.now, marker),
        laboratory.with_claims(lambda claims: claims.update({3: marker})),
        laboratory.with_claims(lambda claims: claims.update({1: marker})),
        laboratory.with_claims(lambda claims: claims.update({marker: 1})),
        laboratory.with_claims(lambda claims: claims.update({4: laboratory.now})),
        laboratory.phone.present(laboratory.now - 100),
    ]
    for text in texts:
        result = laboratory.verify(text)
        assert isinstance(result, PassRejected)
        shown = result.detail + "".join(step.detail for step in result.steps)
        for secret in (marker, laboratory.claims()[7].hex(), laboratory.claims()[2].hex()):
            assert secret not in shown


def test_another_key_of_a_region(laboratory: Any) -> None:
    """Two keys of one region are valid side by side, as during a change of keys."""
    next_key = Authority(Region.HK, "laboratory", name="next")
    verifier = laboratory.verifier(trust=laboratory.trust([laboratory.hk, next_key]))
    for authority in (laboratory.hk, next_key):
        phone = Phone("laboratory", "holder", "MO-GB")
        phone.obtain(authority, Permit(enrolment_reference=bytes(16), issued_at=laboratory.now))
        assert outcome(verifier.verify(phone.present(laboratory.now), laboratory.now)) is None


class _NeverUsed:
    def last_presented(self, pass_id: bytes) -> int | None:
        return None

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        raise AssertionError("verifying claims nothing")

    def close(self) -> None:
        pass


class _Used(_NeverUsed):
    def __init__(self, last: int) -> None:
        self._last = last

    def last_presented(self, pass_id: bytes) -> int | None:
        return self._last


class _Broken(_NeverUsed):
    def last_presented(self, pass_id: bytes) -> int | None:
        raise StoreError("the disk is gone", "bring it back")


LATE = {
    "presentation": (lambda lab: lab.text(), 61, Reason.PRESENTATION_STALE),
    "pass": (lambda lab: lab.with_claims(lambda claims: claims.update({4: NOW + 50})), 50, Reason.PASS_EXPIRED),
    "permit": (lambda lab: lab.with_claims(lambda claims: claims.update({-65537: {1: 1, 2: 3, 3: NOW + 50}})), 50, Reason.PASS_PERMIT_ENDED),
    "region's key": (lambda lab: lab.text(), 50, Reason.PASS_KEY_NOT_VALID_NOW),
}


@pytest.mark.parametrize("name", LATE)
def test_what_has_ended_by_the_latest_time_seen_has_ended_although_the_clock_is_behind_it(laboratory: Any, name: str) -> None:
    make, ends_in_s, reason = LATE[name]
    trust = laboratory.trust(not_after=NOW + 50) if name == "region's key" else laboratory.trust()
    verifier, text = laboratory.verifier(trust=trust), make(laboratory)
    trust.latest = NOW + ends_in_s - 1
    assert isinstance(verifier.verify(text, NOW), PassAccepted)
    trust.latest = NOW + ends_in_s
    result = verifier.verify(text, NOW)
    assert isinstance(result, PassRejected)
    assert result.reason is reason


def test_a_pass_is_old_by_the_latest_time_seen(laboratory: Any) -> None:
    trust = laboratory.trust()
    trust.states[Region.HK] = (Freshness.DEGRADED, Cause.STATUS_LIST_AGE)
    verifier = laboratory.verifier(trust=trust, low_risk_pass_issued_s=3650)
    assert isinstance(verifier.verify(laboratory.text(), NOW), PassAccepted)  # issued an hour ago
    trust.latest = NOW + 50
    result = verifier.verify(laboratory.text(), NOW)
    assert isinstance(result, PassRejected)
    assert result.reason is Reason.PASS_STATUS_STALE


def test_what_has_not_begun_by_the_clock_has_not_begun(laboratory: Any) -> None:
    for changes, text in (({}, laboratory.with_claims(lambda claims: claims.update({5: NOW + 1}))), ({"not_before": NOW + 1}, laboratory.text())):
        trust = laboratory.trust(**changes)
        trust.latest = NOW + 50
        assert isinstance(laboratory.verifier(trust=trust).verify(text, NOW), PassRejected)
