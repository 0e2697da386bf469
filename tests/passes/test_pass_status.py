"""Step 8: the status list, and whom an old one still clears."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gate_controller.core.reasons import Reason
from gate_controller.core.values import Region
from gate_controller.ports.services import PassAccepted, PassRejected
from gate_controller.ports.trust import Cause, Freshness, PassStatus

R = Reason
DAY_S = 86_400


def outcome(result: PassAccepted | PassRejected) -> Reason | None:
    return result.reason if isinstance(result, PassRejected) else None


def place(lab: Any) -> tuple[Region, str, int]:
    listed = lab.claims()[65535]["status_list"]
    return Region.HK, listed["uri"], listed["idx"]


def degraded(lab: Any) -> Any:
    trust = lab.trust()
    trust.states[Region.HK] = (Freshness.DEGRADED, Cause.STATUS_LIST_AGE)
    return trust


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (PassStatus.VALID, None),
        (PassStatus.INVALID, R.PASS_REVOKED),
        (PassStatus.SUSPENDED, R.PASS_SUSPENDED),
        (PassStatus.APPLICATION_SPECIFIC, R.PASS_STATUS_UNKNOWN),
    ],
)
def test_each_status_has_its_own_reason(laboratory: Any, status: PassStatus, reason: Reason | None) -> None:
    trust = laboratory.trust()
    trust.statuses[place(laboratory)] = status
    result = laboratory.verifier(trust=trust).verify(laboratory.text(), laboratory.now)
    assert outcome(result) is reason
    assert [step.passed for step in result.steps if step.number == 8] == [reason is None]


def test_every_status_is_decided(laboratory: Any) -> None:
    """A status that a later draft adds must not pass by default."""
    for status in PassStatus:
        trust = laboratory.trust()
        trust.statuses[place(laboratory)] = status
        assert (outcome(laboratory.verifier(trust=trust).verify(laboratory.text(), laboratory.now)) is None) == (status is PassStatus.VALID)


def test_a_place_outside_the_list(laboratory: Any) -> None:
    """The last place is in it, the one after it is a refusal and not a valid pass."""
    trust = laboratory.trust()
    for index, reason in ((trust.status_size - 1, None), (trust.status_size, R.PASS_STATUS_UNKNOWN), ((1 << 32) - 1, R.PASS_STATUS_UNKNOWN)):
        text = laboratory.with_claims(lambda claims, index=index: claims[65535]["status_list"].update(idx=index))
        assert outcome(laboratory.verifier(trust=trust).verify(text, laboratory.now)) is reason


@pytest.mark.parametrize("uri", ["hk/status/2", "mo/status/1", "HK/status/1", "https://example.test/hk/status/1"])
def test_a_list_that_the_region_has_not_published(laboratory: Any, uri: str) -> None:
    """Also the other region's list, in which the place exists."""
    text = laboratory.with_claims(lambda claims: claims[65535]["status_list"].update(uri=uri))
    assert outcome(laboratory.verify(text)) is R.PASS_STATUS_UNKNOWN


def test_an_old_list_clears_low_risk_travellers_and_marks_them(laboratory: Any) -> None:
    verifier = laboratory.verifier(trust=degraded(laboratory))
    result = verifier.verify(laboratory.text(), laboratory.now)
    assert isinstance(result, PassAccepted)
    assert result.facts.degraded
    assert {step.number: step.detail for step in result.steps if step.detail} == {8: "an old list, enough for a low-risk traveller"}
    fresh = laboratory.verify(laboratory.text())
    assert isinstance(fresh, PassAccepted)
    assert not fresh.facts.degraded
    assert not any(step.detail for step in fresh.steps)


@pytest.mark.parametrize(("age_s", "reason"), [(0, None), (7 * DAY_S - 1, None), (7 * DAY_S, R.PASS_STATUS_STALE), (20 * DAY_S, R.PASS_STATUS_STALE)])
def test_an_old_list_and_an_old_pass(laboratory: Any, age_s: int, reason: Reason | None) -> None:
    laboratory.phone.obtain(laboratory.hk, dataclasses.replace(laboratory.permit, issued_at=laboratory.now - age_s, lifetime_s=30 * DAY_S))
    try:
        text = laboratory.text()
    finally:
        laboratory.phone.obtain(laboratory.hk, laboratory.permit)
    result = laboratory.verifier(trust=degraded(laboratory)).verify(text, laboratory.now)
    assert outcome(result) is reason
    assert outcome(laboratory.verify(text)) is None  # with a fresh list the same pass is as good as any
    if isinstance(result, PassRejected):
        assert (result.step, Cause.STATUS_LIST_AGE.code in result.detail) == (8, True)


def test_an_old_list_and_another_class(laboratory: Any) -> None:
    text = laboratory.with_claims(lambda claims: claims[-65537].update({1: 2}))
    both = frozenset({1, 2})
    old = degraded(laboratory)
    assert outcome(laboratory.verify(text, admitted_classes=both)) is None
    assert outcome(laboratory.verifier(trust=old, admitted_classes=both).verify(text, laboratory.now)) is R.PASS_STATUS_STALE
    assert outcome(laboratory.verifier(trust=old, admitted_classes=both, low_risk_classes=both).verify(text, laboratory.now)) is None
    assert outcome(laboratory.verifier(trust=old, low_risk_classes=frozenset()).verify(laboratory.text(), laboratory.now)) is R.PASS_STATUS_STALE


def test_the_age_of_a_low_risk_pass_is_policy(laboratory: Any) -> None:
    old = degraded(laboratory)  # the laboratory's pass was issued an hour ago
    assert outcome(laboratory.verifier(trust=old, low_risk_pass_issued_s=3600).verify(laboratory.text(), laboratory.now)) is R.PASS_STATUS_STALE
    assert outcome(laboratory.verifier(trust=old, low_risk_pass_issued_s=3601).verify(laboratory.text(), laboratory.now)) is None


def test_a_revoked_pass_is_named_so_whatever_the_list_s_age(laboratory: Any) -> None:
    trust = degraded(laboratory)
    trust.statuses[place(laboratory)] = PassStatus.INVALID
    text = laboratory.text()
    assert outcome(laboratory.verifier(trust=trust, low_risk_classes=frozenset()).verify(text, laboratory.now)) is R.PASS_REVOKED


def test_one_pass_is_checked_against_one_view(laboratory: Any) -> None:
    trust = laboratory.trust()
    verifier = laboratory.verifier(trust=trust)
    verifier.verify(laboratory.text(), laboratory.now)
    assert trust.taken == 1
    verifier.verify(laboratory.text(), laboratory.now)
    assert trust.taken == 2  # and the next one against the view then in force


def test_every_reason_of_this_step_is_reached() -> None:
    documented = {reason for reason in Reason if reason.advice.startswith("step 8")}
    assert documented == {R.PASS_REVOKED, R.PASS_SUSPENDED, R.PASS_STATUS_UNKNOWN, R.PASS_STATUS_STALE}
