"""What the monitor keeps: the truth about each crossing, and what was violated. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from gate_controller.core.policy import BiometricRule
from gate_controller.core.values import BIOMETRICS, Modality
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
    passed: dict[Modality, bool] = field(default_factory=dict)
    released: bool = False
    let_out_at: float | None = None
    sent_nobody_back: bool = False

    def meets(self, rule: BiometricRule) -> bool:
        """Whether the checks that were started and ended satisfy the rule by themselves."""
        passed = [self.passed.get(modality, False) for modality in BIOMETRICS]
        return all(passed) if rule is BiometricRule.BOTH else rule is BiometricRule.EITHER and any(passed)
