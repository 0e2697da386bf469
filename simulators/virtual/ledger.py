"""What the monitor keeps: the truth about each crossing, and what was violated. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from gate_controller.core.policy import BiometricRule, CrossingPolicy, PadRule
from gate_controller.core.values import BIOMETRICS, CheckOutcome, Modality
from simulators.virtual.services import Presentation


@dataclass(frozen=True, slots=True)
class Violation:
    """What must never be, and was."""

    invariant: str
    at: float
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.3f} s: {self.what}"


@dataclass(slots=True)
class Ledger:
    """The truth about one crossing."""

    shown: Presentation | None
    began_at: float
    claimed: bool = False
    openings: int = 0
    started: dict[Modality, None] = field(default_factory=dict)
    ended: dict[Modality, CheckOutcome] = field(default_factory=dict)
    goes: str = ""
    """Who goes out on the decision, where that is not the holder and no controller could know."""
    released: bool = False
    let_out_at: float | None = None
    sent_nobody_back: bool = False

    def meets(self, policy: CrossingPolicy) -> bool:
        """Whether the checks that were started and ended satisfy the policy by themselves: who it is, and that a living face was there."""
        rule, passed = policy.biometric_rule, [self.ended.get(modality) is CheckOutcome.SUCCESSFUL for modality in BIOMETRICS]
        judged = self.ended.get(Modality.PAD)
        live = judged is CheckOutcome.SUCCESSFUL or (judged is CheckOutcome.NOT_SUPPORTED and policy.pad_rule is PadRule.SIGNALLED)
        return live and (all(passed) if rule is BiometricRule.BOTH else rule is BiometricRule.EITHER and any(passed))
