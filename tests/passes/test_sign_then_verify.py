"""What is signed within the format is accepted, and no single change of it is: two halves of one property.

`Situation` draws every claim, the clock and the lane's policy together; each way to leave its bounds by the smallest step has its own reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Region
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.services import PassAccepted, PassRejected
from gate_controller.ports.trust import PassStatus
from simulators.authority import ED25519, EDDSA, STATUS_LIST_SIZE, encode
from simulators.phone import Phone, qr_text

R = Reason
SOME = settings(deadline=None, max_examples=60)  # no deadline: the machine may be slow and shared
LAST = 1 << 33
TTL, SKEW = 60, 30
OTHER = {Region.HK: Region.MO, Region.MO: Region.HK}
PHONES = [Phone("properties", str(number), "CP") for number in range(4)]


def holder(phone: Phone) -> dict[int, Any]:
    return {1: {1: 1, -1: 6, -2: phone.public_key}}


def status(region: Region, index: int) -> dict[str, Any]:
    return {"status_list": {"idx": index, "uri": f"{region.value.lower()}/status/1"}}


@dataclass(frozen=True)
class Situation:
    """A pass, its presentation, a lane and a moment that fit together."""

    now: int
    issuer: Region
    direction: Direction
    claims: dict[int, Any]
    presentation: dict[int, Any]
    algorithms: tuple[int, int]
    phone: Phone

    def but(self, claims: dict[int, Any] | None = None, shown: dict[int, Any] | None = None) -> Situation:
        """The same with some claims of the pass and of the presentation replaced."""
        return replace(self, claims={**self.claims, **(claims or {})}, presentation={**self.presentation, **(shown or {})})

    def scheme(self, key: int, value: int) -> Situation:
        """The same with one part of the scheme's own claim replaced."""
        return self.but({-65537: {**self.claims[-65537], key: value}})

    def text(self, lab: Any) -> str:
        authority = lab.authorities.issuers[self.issuer]
        self.phone.load(authority.sign(encode(self.claims), authority.protected_header(self.algorithms[0])))
        return qr_text(self.phone.sign(encode(self.presentation), self.phone.protected_header(self.algorithms[1])))

    def verify(self, lab: Any, text: str, trust: Any = None, replays: Any = None) -> PassAccepted | PassRejected:
        policy = PassPolicy(
            lane_region=OTHER[self.issuer],
            direction=self.direction,
            presentation_audiences=frozenset({"CP", "CP-07"}),
            admitted_issuers=frozenset({self.issuer}),
            admitted_classes=frozenset(range(1, 255)),
            ttl_s=TTL,
            skew_s=SKEW,
        )
        return OfflinePassVerifier(policy, trust or lab.trust(), replays or Memory()).verify(text, self.now)


class Memory:
    """A replay memory that remembers one thing, or nothing."""

    def __init__(self, last: int | None = None) -> None:
        self._last = last

    def last_presented(self, pass_id: bytes) -> int | None:
        return self._last

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        raise AssertionError("verifying claims nothing")

    def close(self) -> None:
        pass


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Times at their bounds as often as between them."""

    def between(low: int, high: int) -> int:
        return draw(st.sampled_from([low, high]) | st.integers(low, high))

    now = draw(st.sampled_from([0, 1, LAST - 1]) | st.integers(0, LAST - 1))
    nbf = between(0, now)
    iat = between(nbf, min(now + SKEW, LAST - 1))
    exp = between(max(now, iat) + 1, LAST)
    issuer = draw(st.sampled_from(Region))
    direction = draw(st.sampled_from(Direction))
    phone = draw(st.sampled_from(PHONES))
    return Situation(
        now=now,
        issuer=issuer,
        direction=direction,
        claims={
            1: issuer.value,
            2: draw(st.binary(min_size=16, max_size=16)),
            3: "HKMO",
            4: exp,
            5: nbf,
            6: iat,
            7: draw(st.binary(min_size=16, max_size=16)),
            8: holder(phone),
            65535: status(issuer, between(0, STATUS_LIST_SIZE - 1)),
            -65537: {1: between(1, 254), 2: draw(st.sampled_from([3, direction.value])), 3: between(now + 1, LAST)},
        },
        presentation={
            3: draw(st.sampled_from(["CP", "CP-07"])),
            6: between(max(now - TTL, nbf), min(now + SKEW, exp - 1)),
            7: draw(st.binary(min_size=8, max_size=8)),
        },
        algorithms=(draw(st.sampled_from([EDDSA, ED25519])), draw(st.sampled_from([EDDSA, ED25519]))),
        phone=phone,
    )


@SOME
@given(situations())
def test_what_is_signed_within_the_format_is_accepted(laboratory: Any, situation: Situation) -> None:
    result = situation.verify(laboratory, situation.text(laboratory))
    assert isinstance(result, PassAccepted), result
    facts = result.facts
    assert (facts.pass_id, facts.enrolment_reference, facts.issuer) == (situation.claims[7], situation.claims[2], situation.issuer)
    assert (facts.traveller_class, facts.degraded) == (situation.claims[-65537][1], False)
    assert (facts.issued_at, facts.pass_issued_at, facts.pass_expires_at) == (situation.presentation[6], situation.claims[6], situation.claims[4])


def widest(situation: Situation) -> Situation:
    """The same with a life from 0 to 2^33, so that one time can be moved without meeting another bound."""
    now = min(max(situation.now, 100), LAST - 100)
    return replace(situation, now=now).but({4: LAST, 5: 0, 6: 0}, {6: now}).scheme(3, LAST)


STEPS_OUT: dict[str, tuple[Callable[[Situation], Situation], Reason, int]] = {
    "exp one second too early": (lambda s: s.but({4: s.now}), R.PASS_EXPIRED, 6),
    "nbf one second too late": (lambda s: s.but({5: s.now + 1, 6: s.now + 1}), R.PASS_NOT_YET_VALID, 6),
    "iat one second too far ahead": (lambda s: s.but({6: s.now + SKEW + 1}), R.PASS_NOT_YET_VALID, 6),
    "iat before nbf": (lambda s: s.but({5: 1, 6: 0}), R.PASS_BAD_CLAIM, 6),
    "exp above 2^33": (lambda s: s.but({4: LAST + 1}), R.PASS_BAD_CLAIM, 6),
    "the other region's name": (lambda s: s.but({1: OTHER[s.issuer].value}), R.PASS_WRONG_ISSUER, 6),
    "permit ended this second": (lambda s: s.scheme(3, s.now), R.PASS_PERMIT_ENDED, 6),
    "only the other direction": (lambda s: s.scheme(2, 3 - s.direction.value), R.PASS_WRONG_DIRECTION, 6),
    "a class that is not admitted": (lambda s: s.scheme(1, 255), R.PASS_CLASS_NOT_ADMITTED, 6),
    "another phone's holder key": (lambda s: s.but({8: holder(PHONES[PHONES.index(s.phone) - 1])}), R.PRESENTATION_BAD_SIGNATURE, 7),
    "presentation one second too old": (lambda s: s.but(shown={6: s.now - TTL - 1}), R.PRESENTATION_STALE, 6),
    "presentation one second too new": (lambda s: s.but(shown={6: s.now + SKEW + 1}), R.PRESENTATION_IN_FUTURE, 6),
    "presentation made before nbf": (lambda s: s.but({5: s.now, 6: s.now}, {6: s.now - 1}), R.PRESENTATION_STALE, 6),
    "presentation made at exp": (lambda s: s.but({4: s.now + 1}, {6: s.now + 1}), R.PRESENTATION_IN_FUTURE, 6),
    "another checkpoint": (lambda s: s.but(shown={3: "CP-08"}), R.PASS_WRONG_AUDIENCE, 6),
    "the index just outside the list": (lambda s: s.but({65535: status(s.issuer, STATUS_LIST_SIZE)}), R.PASS_STATUS_UNKNOWN, 8),
    "the other region's list": (lambda s: s.but({65535: status(OTHER[s.issuer], 0)}), R.PASS_STATUS_UNKNOWN, 8),
}


@settings(SOME, max_examples=5)
@given(situations())
@pytest.mark.parametrize(("change", "reason", "step"), [pytest.param(*rest, id=name) for name, rest in STEPS_OUT.items()])
def test_one_step_out_is_refused(laboratory: Any, change: Callable[[Situation], Situation], reason: Reason, step: int, situation: Situation) -> None:
    before = widest(situation)
    assert isinstance(before.verify(laboratory, before.text(laboratory)), PassAccepted)
    after = change(before)
    result = after.verify(laboratory, after.text(laboratory))
    assert isinstance(result, PassRejected)
    assert (result.reason, result.step) == (reason, step)


@settings(SOME, max_examples=25)
@given(situations(), st.sampled_from([PassStatus.INVALID, PassStatus.SUSPENDED, PassStatus.APPLICATION_SPECIFIC]), st.integers(0, 90))
def test_revoked_suspended_replayed(laboratory: Any, situation: Situation, state: PassStatus, newer_s: int) -> None:
    text, trust = situation.text(laboratory), laboratory.trust()
    listed = situation.claims[65535]["status_list"]
    trust.statuses[situation.issuer, listed["uri"], listed["idx"]] = state
    result = situation.verify(laboratory, text, trust)
    assert isinstance(result, PassRejected)
    expected = {PassStatus.INVALID: R.PASS_REVOKED, PassStatus.SUSPENDED: R.PASS_SUSPENDED, PassStatus.APPLICATION_SPECIFIC: R.PASS_STATUS_UNKNOWN}
    assert (result.reason, result.step) == (expected[state], 8)
    used = situation.verify(laboratory, text, replays=Memory(situation.presentation[6] + newer_s))
    assert isinstance(used, PassRejected)
    assert (used.reason, used.step) == (R.PRESENTATION_REPLAYED, 9)
    assert isinstance(situation.verify(laboratory, text, replays=Memory(situation.presentation[6] - 1)), PassAccepted)


def refused(laboratory: Any, texts: list[str]) -> bool:
    verifier = laboratory.verifier()
    accepted = [text for text in texts if isinstance(verifier.verify(text, laboratory.now), PassAccepted)]
    return accepted == []


def test_every_single_byte_changed_dropped_doubled_or_added_is_refused(laboratory: Any) -> None:
    """Every position of the presentation's bytes."""
    genuine = laboratory.frame(*laboratory.parts())
    variants = [genuine[:at] + bytes([byte ^ mask]) + genuine[at + 1 :] for at, byte in enumerate(genuine) for mask in (0x01, 0x20, 0x80, 0xFF)]
    variants += [genuine[:at] + genuine[at + 1 :] for at in range(len(genuine))]
    variants += [genuine[:at] + added + genuine[at:] for at in range(len(genuine) + 1) for added in (b"\0", b"\xff")]
    variants += [genuine[:at] + genuine[at : at + 1] + genuine[at:] for at in range(len(genuine))]
    assert genuine not in variants
    assert refused(laboratory, [qr_text(variant) for variant in variants])


def test_every_single_character_changed_dropped_doubled_or_swapped_is_refused(laboratory: Any) -> None:
    """Every position of the QR text, prefix included; with the neighbours in Base45's alphabet, lower case and a look-alike beyond ASCII."""
    alphabet, genuine = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", laboratory.text()
    variants = []
    for at, character in enumerate(genuine):
        before, after = genuine[:at], genuine[at + 1 :]
        number = alphabet.index(character)
        variants += [before + other + after for other in (alphabet[number - 1], alphabet[(number + 1) % 45], chr(ord(character) + 0xFEE0))]
        variants += [before + after, before + character * 2 + after, before + "0" + genuine[at:]]
        if character.isalpha():
            variants.append(before + character.lower() + after)
        if after and after[0] != character:
            variants.append(before + after[0] + character + after[1:])
    assert genuine not in variants
    assert refused(laboratory, variants)
