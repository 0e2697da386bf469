"""What the policy's rule on presentation attack detection asks of the configuration around it.

Does not know drivers, and decides nothing about a face.
"""

from __future__ import annotations

from collections.abc import Iterator

from gate_controller.core.policy import PadRule
from gate_controller.settings.policy_file import PolicyFile
from gate_controller.settings.problems import Located, Problem


def judge_problems(policy: PolicyFile, mode: str, judge_configured: bool, source: Located) -> Iterator[Problem]:
    """A production gate whose policy requires a judgement has a judge: without one no traveller would ever get through.

    Args:
        policy: The policy.
        mode: [gate] mode.
        judge_configured: Whether there is a [devices.pad].
        source: Where keys stand.
    """
    if mode == "production" and policy.biometrics.pad_rule is PadRule.REQUIRED and not judge_configured:
        text = 'is "required", and no [devices.pad] judges: nobody would get through without an officer'
        remedy = 'add [devices.pad] driver = "passive"; or set "signalled", and every crossing is marked as not judged'
        yield source.problem(("policy", "biometrics", "pad_rule"), text, remedy)


def challenge_problems(policy: PolicyFile, source: Located) -> Iterator[Problem]:
    """A challenge that begins when the identity check is over is never seen."""
    biometrics, identity_s = policy.biometrics, policy.times.identity_s
    if biometrics.pad_challenge and biometrics.pad_challenge_after_s >= identity_s:
        text = f"is {biometrics.pad_challenge_after_s:g}, and the whole check ends after [times] identity_s = {identity_s:g}"
        yield source.problem(("policy", "biometrics", "pad_challenge_after_s"), text, "ask earlier, or set pad_challenge = false")
