"""Passes that stand alone: refused unless the policy says otherwise, and never one that belongs to a phone."""

from __future__ import annotations

from typing import Any

import pytest

from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction
from gate_controller.ports.services import PassAccepted, PassRejected
from gate_controller.ports.trust import Cause, Freshness, PassStatus
from simulators.authority import encode
from simulators.phone import Phone, qr_text

R = Reason


def static(lab: Any, change: Any = None) -> str:
    """The genuine claims without a holder key, signed by the genuine authority and shown alone."""
    claims = lab.claims()
    del claims[8]
    if change is not None:
        change(claims)
    return qr_text(lab.hk.sign(encode(claims)))


def outcome(result: PassAccepted | PassRejected) -> Reason | None:
    return result.reason if isinstance(result, PassRejected) else None


def test_refused_where_the_policy_is_silent(laboratory: Any) -> None:
    for text in (static(laboratory), qr_text(laboratory.phone.pass_)):
        result = laboratory.verify(text)
        assert (result.reason, result.step) == (R.PASS_STATIC, 2)


def test_admitted_where_the_policy_says_so(laboratory: Any) -> None:
    result = laboratory.verify(static(laboratory), laboratory.now + 0.9, static_passes=True)
    assert isinstance(result, PassAccepted)
    assert (result.facts.pass_id, result.facts.issued_at) == (laboratory.claims()[7], laboratory.now)
    assert [(step.number, step.passed) for step in result.steps] == [
        (1, True), (2, True), (3, True), (4, True), (5, True), (6, True), (7, None), (5, None), (6, None), (8, True), (9, True)
    ]  # fmt: skip
    assert {step.detail for step in result.steps if step.passed is None} == {"not applicable: a static pass"}


def test_a_presentation_is_as_good_there_as_anywhere(laboratory: Any) -> None:
    result = laboratory.verify(laboratory.text(), static_passes=True)
    assert isinstance(result, PassAccepted)
    assert all(step.passed for step in result.steps)
    thief = Phone("laboratory", "thief", "MO-GB")
    thief.load(laboratory.phone.pass_)
    assert outcome(laboratory.verify(thief.present(laboratory.now), static_passes=True)) is R.PRESENTATION_BAD_SIGNATURE


def test_a_pass_taken_out_of_a_photographed_presentation(laboratory: Any) -> None:
    """It stands in every code a phone shows; if it were good alone, a screenshot would be too."""
    result = laboratory.verify(qr_text(laboratory.phone.pass_), static_passes=True)
    assert isinstance(result, PassRejected)
    assert (result.reason, result.step) == (R.PRESENTATION_BAD_SIGNATURE, 7)
    assert "names a holder key" in result.detail


def test_a_static_pass_in_a_presentation_of_anybody(laboratory: Any) -> None:
    claims = laboratory.claims()
    del claims[8]
    for policy in ({}, {"static_passes": True}):
        result = laboratory.verify(laboratory.signed_payload(encode(claims)), **policy)
        assert (result.reason, result.step) == (R.PASS_BAD_CLAIM, 6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.update({8: None}), R.PASS_BAD_CLAIM),
        (lambda c: c.update({9: 1}), R.PASS_BAD_CLAIM),
        (lambda c: c.pop(7), R.PASS_BAD_CLAIM),
        (lambda c: c.update({1: "MO"}), R.PASS_WRONG_ISSUER),
        (lambda c: c.update({4: 1_800_000_000}), R.PASS_EXPIRED),
        (lambda c: c.update({3: "HKSZ"}), R.PASS_WRONG_AUDIENCE),
        (lambda c: c[-65537].update({2: Direction.MO_TO_HK.value}), R.PASS_WRONG_DIRECTION),
        (lambda c: c[65535]["status_list"].update(idx=1 << 20), R.PASS_STATUS_UNKNOWN),
    ],
)
def test_every_other_check_holds_for_it(laboratory: Any, change: Any, reason: Reason) -> None:
    assert outcome(laboratory.verify(static(laboratory, change), static_passes=True)) is reason


def test_its_signature_key_and_status(laboratory: Any) -> None:
    claims = laboratory.claims()
    del claims[8]
    forger = laboratory.authorities.forger
    forged = qr_text(forger.sign(encode(claims), laboratory.hk.protected_header()))
    assert outcome(laboratory.verify(forged, static_passes=True)) is R.PASS_BAD_SIGNATURE
    assert outcome(laboratory.verify(qr_text(forger.sign(encode(claims))), static_passes=True)) is R.PASS_UNKNOWN_KEY
    trust = laboratory.trust()
    listed = claims[65535]["status_list"]
    trust.statuses[laboratory.hk.region, listed["uri"], listed["idx"]] = PassStatus.INVALID
    result = laboratory.verifier(trust=trust, static_passes=True).verify(static(laboratory), laboratory.now)
    assert (result.reason, result.step) == (R.PASS_REVOKED, 8)
    assert [step.passed for step in result.steps] == [True] * 6 + [None] * 3 + [False, None]
    trust = laboratory.trust()
    trust.states[laboratory.hk.region] = (Freshness.DEGRADED, Cause.STATUS_LIST_AGE)
    degraded = laboratory.verifier(trust=trust, static_passes=True).verify(static(laboratory), laboratory.now)
    assert isinstance(degraded, PassAccepted)
    assert degraded.facts.degraded


def test_once_a_second_and_never_before_the_last(laboratory: Any, replays: Any) -> None:
    """What it is worth is claimed as made when it was shown."""
    verifier = laboratory.verifier(replays, static_passes=True)
    text, now = static(laboratory), laboratory.now
    accepted = verifier.verify(text, now)
    assert isinstance(accepted, PassAccepted)
    assert replays.claim(accepted.facts.pass_id, accepted.facts.issued_at, accepted.facts.pass_expires_at)
    for moment in (now, now + 0.99, now - 1):
        assert outcome(verifier.verify(text, moment)) is R.PRESENTATION_REPLAYED
    assert outcome(verifier.verify(text, now + 1)) is None


@pytest.mark.parametrize("now", [float("nan"), float("inf"), float("-inf"), -1.0])
def test_a_clock_gone_mad(laboratory: Any, now: float) -> None:
    assert isinstance(laboratory.verifier(static_passes=True).verify(static(laboratory), now), PassRejected)
