"""Short ways to say what a check found. Decides nothing."""

from __future__ import annotations

from gate_controller.diagnostics.findings import Finding, one_line
from gate_controller.ports.errors import GateError

SUDO = "sudo gatectl doctor"


def passed(check: str, value: str) -> Finding:
    """It is as it should be."""
    return Finding(check, "pass", one_line(value))


def warned(check: str, value: str, remedy: str) -> Finding:
    """It works, and somebody should look."""
    return Finding(check, "warn", one_line(value), one_line(remedy))


def failed(check: str, value: str, remedy: str) -> Finding:
    """It is the cause of something."""
    return Finding(check, "fail", one_line(value), one_line(remedy))


def skipped(check: str, why: str, remedy: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(check, "skip", one_line(why), one_line(remedy))


def wrong(check: str, error: GateError) -> Finding:
    """An error that says it all."""
    return failed(check, error.what, error.remedy)
