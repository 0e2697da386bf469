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
)
"""Why the enrolment does not entitle to the lane."""


class Phones:
    """Makes presentations; each has a text, a pass and an enrolment of its own."""

    def __init__(self, rng: Random, policy: CrossingPolicy) -> None:
        self._rng = rng
        self._policy = policy
        self._made = 0

    def show(self, holder: str, number: int, refused: float) -> Presentation:
        """A new presentation of the pass of traveller `number`; not to be accepted with probability `refused`."""
        self._made += 1
        rng, policy = self._rng, self._policy
        issuer = Region.HK if policy.region is Region.MO else Region.MO
        facts = PassFacts(
            b"%016d" % number, b"%016d" % (number + 10**9), issuer, 1, EPOCH + 30 * self._made, EPOCH, EPOCH + 10**6, degraded=rng.random() < 0.05
        )
        minimum = policy.low_risk_minimum_age if facts.degraded else policy.minimum_age
        enrolment = EnrolmentFacts(rng.randint(minimum, 90), frozenset({policy.region}), policy.registered_min_s + rng.uniform(0, 1e7), False, 2, True)
        presentation = Presentation(f"ECH1:{holder}:{self._made}", holder, facts, enrolment)
        if rng.random() >= refused:
            return presentation
        reason = rng.choice(BY_VERIFIER if rng.random() < 0.7 else BY_ENROLMENT)
        if reason is Reason.PASS_STATUS_STALE and rng.random() < 0.5 and policy.minimum_age < policy.low_risk_minimum_age:
            young = replace(enrolment, age_years=rng.randint(policy.minimum_age, policy.low_risk_minimum_age - 1))
            return replace(presentation, facts=replace(facts, degraded=True), enrolment=young, refused=reason, by_enrolment=True)
        if reason in BY_VERIFIER:
            return replace(presentation, refused=reason)
        return replace(presentation, refused=reason, enrolment=self._ineligible(enrolment, reason), by_enrolment=True)

    def _ineligible(self, enrolment: EnrolmentFacts, reason: Reason) -> EnrolmentFacts | None:
        policy, rng = self._policy, self._rng
        other = Region.HK if policy.region is Region.MO else Region.MO
        changes: dict[Reason, dict[str, object]] = {
            Reason.NOT_REGISTERED_HERE: {"registered_with": frozenset({other})},
            Reason.REGISTERED_TOO_RECENTLY: {"registered_for_s": rng.uniform(0, policy.registered_min_s - 1)},
            Reason.ENROLMENT_SUSPENDED: {"suspended": True},
            Reason.UNDER_AGE: {"age_years": rng.randint(0, policy.minimum_age - 1)},
            Reason.NO_TEMPLATE: {"fingers": 0} if policy.biometric_rule is BiometricRule.BOTH and rng.random() < 0.5 else {"face": False},
        }
        return None if reason is Reason.NOT_ENROLLED else replace(enrolment, **changes.get(reason, {}))  # type: ignore[arg-type] # by name
