"""What travellers show to the reader: presentations with the truth about them, of every kind the verifier and the enrolment can refuse.

Holds no cryptography: here the verdict is part of the scenario. That the real verifier gives these verdicts is what tests/passes shows.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from gate_controller.core.policy import BiometricRule, CrossingPolicy
from gate_controller.core.reasons import Reason
from gate_controller.core.values import EnrolmentFacts, PassFacts, Region
from simulators.virtual.services import Presentation

EPOCH = 1_800_000_000
BY_VERIFIER = tuple(
    reason
    for reason in Reason
    if reason.name.startswith(("PASS_", "PRESENTATION_"))
    and reason not in {Reason.PASS_CHECK_TIMED_OUT, Reason.PRESENTATION_REPLAYED, Reason.PASS_VERIFIER_LOST}
)
"""Why the verifier refuses, but for what the gate itself remembers."""
BY_ENROLMENT = (
    Reason.NOT_ENROLLED,
    Reason.NOT_REGISTERED_HERE,
    Reason.REGISTERED_TOO_RECENTLY,
    Reason.ENROLMENT_SUSPENDED,
    Reason.UNDER_AGE,
    Reason.NO_TEMPLATE,
    Reason.PASS_STATUS_STALE,
)
"""Why the enrolment does not entitle to the lane; PASS_STATUS_STALE: an old status list and a traveller who is not low-risk."""


class Phones:
    """Makes presentations; every traveller has one pass and one enrolment, every presentation a text of its own."""

    def __init__(self, rng: Random, policy: CrossingPolicy) -> None:
        self._rng = rng
        self._policy = policy
        self._made = 0
        self._people: dict[int, tuple[bool, EnrolmentFacts | None, Reason | None]] = {}

    def show(self, holder: str, number: int, refused: float) -> Presentation:
        """A new presentation of the pass of traveller `number`; not to be accepted with probability `refused`."""
        self._made += 1
        policy = self._policy
        if number not in self._people:
            self._people[number] = self._somebody(0.3 * refused)
        degraded, enrolment, ineligible = self._people[number]
        issuer = Region.HK if policy.region is Region.MO else Region.MO
        facts = PassFacts(b"%016d" % number, b"%016d" % (number + 10**9), issuer, 1, EPOCH + 30 * self._made, EPOCH, EPOCH + 10**6, degraded=degraded)
        text = f"ECH1:{holder}:{self._made}"
        if ineligible is not None:
            return Presentation(text, holder, facts, enrolment, ineligible, by_enrolment=True)
        reason = self._rng.choice(BY_VERIFIER) if self._rng.random() < 0.7 * refused else None
        return Presentation(text, holder, facts, enrolment, reason)

    def _somebody(self, ineligible: float) -> tuple[bool, EnrolmentFacts | None, Reason | None]:
        """Whether the pass's status is known from an old list only, the enrolment, and why it does not entitle to the lane."""
        rng, policy = self._rng, self._policy
        degraded = rng.random() < 0.05
        minimum = max(policy.minimum_age, policy.low_risk_minimum_age if degraded else 0)
        registered_for_s = policy.registered_min_s + rng.uniform(0, 1e7)
        enrolment = EnrolmentFacts(rng.randint(minimum, 90), frozenset({policy.region}), registered_for_s, suspended=False, fingers=2, face=True)
        if rng.random() >= ineligible:
            return degraded, enrolment, None
        reason = rng.choice(BY_ENROLMENT)
        other = Region.HK if policy.region is Region.MO else Region.MO
        no_finger = policy.biometric_rule is BiometricRule.BOTH and rng.random() < 0.5
        changes: dict[Reason, EnrolmentFacts | None] = {
            Reason.NOT_ENROLLED: None,
            Reason.NOT_REGISTERED_HERE: replace(enrolment, registered_with=frozenset({other})),
            Reason.REGISTERED_TOO_RECENTLY: replace(enrolment, registered_for_s=rng.uniform(0, policy.registered_min_s - 1)),
            Reason.ENROLMENT_SUSPENDED: replace(enrolment, suspended=True),
            Reason.UNDER_AGE: replace(enrolment, age_years=rng.randint(0, policy.minimum_age - 1)),
            Reason.NO_TEMPLATE: replace(enrolment, fingers=0) if no_finger else replace(enrolment, face=False),
            Reason.PASS_STATUS_STALE: replace(enrolment, age_years=rng.randint(policy.minimum_age, policy.low_risk_minimum_age - 1)),
        }
        return degraded or reason is Reason.PASS_STATUS_STALE, changes[reason], reason
