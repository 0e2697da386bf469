"""The pass policy as a configuration has it: for the gate itself and for `gatectl pass verify` alike.

Imports no driver and nothing of vision. Opens nothing.
"""

from __future__ import annotations

from gate_controller.passes.verifier import PassPolicy
from gate_controller.settings import Settings


def pass_policy(settings: Settings) -> PassPolicy:
    """What the lane admits.

    Raises:
        ConfigurationError: A value that would admit nobody, or a presentation for ever.
    """
    gate, policy = settings.gate, settings.policy
    return PassPolicy(
        lane_region=gate.region,
        direction=gate.direction,
        presentation_audiences=settings.audiences(),
        admitted_issuers=settings.admitted_issuers(),
        admitted_classes=frozenset(policy.admission.classes),
        pass_audience=policy.presentation.pass_audience,
        ttl_s=policy.presentation.ttl_s,
        skew_s=policy.presentation.skew_s,
        static_passes=policy.presentation.static_passes,
        low_risk_classes=frozenset(policy.freshness.low_risk_classes),
        low_risk_pass_issued_s=policy.freshness.low_risk_pass_issued_s,
    )
