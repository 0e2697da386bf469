"""One fault after the other: inject, run doctor, compare. Injects nothing itself and judges by the check's id (and words) alone."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.doctor.gate import BrokenGate, NoReportError
from tests.doctor.inject import INJECT

FAULTS = Path(__file__).with_name("faults.toml")


@dataclass(frozen=True)
class Fault:
    """One line of faults.toml."""

    cause: str
    inject: str
    fields: dict[str, Any]
    check: str
    words: str = ""
    result: str = "fail"
    """What doctor must end with: "warn" where the gate's own driver can put it right."""

    def named_in(self, report: dict[str, Any]) -> bool:
        """Whether a check that failed (or warned) is the expected one, and says the words."""
        return any(each["result"] in {"fail", "warn"} and _fits(each["id"], self.check) and self.words in each["value"] for each in report["checks"])


@dataclass
class Outcome:
    """What doctor made of a fault."""

    fault: Fault
    named: bool
    first: str
    failing: list[str] = field(default_factory=list)
    seconds: float = 0.0
    code: int = 0


def faults() -> list[Fault]:
    """All of faults.toml."""
    listed = tomllib.loads(FAULTS.read_text(encoding="utf-8"))["fault"]
    return [Fault(each["cause"], each["do"][0], each["do"][1], each["check"], each.get("words", ""), each.get("result", "fail")) for each in listed]


def examine(gate: BrokenGate, fault: Fault) -> Outcome:
    """Break the gate, ask doctor, mend the gate."""
    try:
        INJECT[fault.inject](gate, **fault.fields)
        code, report = gate.doctor()
    except NoReportError as error:
        return Outcome(fault, named=False, first=str(error), failing=[f"NO REPORT: {error}"])
    finally:
        gate.mend()
    failing = [each["id"] for each in report["checks"] if each["result"] == "fail"]
    return Outcome(fault, fault.named_in(report) and code == (1 if fault.result == "fail" else 0), (failing or ["-"])[0], failing, report["seconds"], code)


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """One line each."""
    rows = [("cause", "expected", "named", "failing checks")]
    rows += [(each.fault.cause, each.fault.check, "yes" if each.named else "NO", ", ".join(each.failing) or "-") for each in outcomes]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)) + f"  {row[3]}" for row in rows]


def _fits(check: str, expected: str) -> bool:
    return check == expected or check.startswith(f"{expected}.")
