"""gatectl pass: look into a QR pass without a gate.

Does not decide whether a pass would be admitted: that needs the lane's policy, keys, clock and replay memory.
"""

from __future__ import annotations

import json
import sys

import click

from gate_controller.passes.inspection import Inspection, inspect
from gate_controller.passes.text import MAX_TEXT_CHARS
from gate_controller.ports.services import VerificationStep

EXIT_CHECK_FAILED = 1

_MARKS = {True: "ok", False: "FAILED", None: "-"}


@click.group("pass")
def pass_group() -> None:
    """Look into QR passes."""


@pass_group.command("inspect")
@click.argument("text", metavar="TEXT|-")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect_command(text: str, as_json: bool) -> None:
    """Decode the TEXT of a QR code (or of standard input, -) and show each field and step.

    Trusts nothing: no key is looked up, so what is shown may be forged.
    Exit code: 0 when everything decodes, 1 when a step failed.
    """
    inspection = inspect(_standard_input() if text == "-" else text)
    click.echo(json.dumps(as_dict(inspection), indent=2) if as_json else as_text(inspection))
    if inspection.stopped is not None:
        sys.exit(EXIT_CHECK_FAILED)


def as_dict(inspection: Inspection) -> dict[str, object]:
    """The inspection as JSON values."""
    return {
        "kind": inspection.kind,
        "decoded": inspection.stopped is None,
        "fields": dict(inspection.fields),
        "steps": [{"number": step.number, "name": step.name, "passed": step.passed, "detail": step.detail} for step in inspection.steps],
    }


def as_text(inspection: Inspection) -> str:
    """The inspection for a terminal: fields, steps, and a last line that says how it ended."""
    width = max(len(name) for name, _ in inspection.fields)
    lines = [f"kind: {inspection.kind} (nothing here is verified against a region's key)"]
    lines += [f"  {name:<{width}}  {value}" for name, value in inspection.fields]
    lines.append("steps:")
    lines += [_step_line(step) for step in inspection.steps]
    stopped = inspection.stopped
    lines.append("everything decodes" if stopped is None else f"step {stopped.number} failed: {stopped.detail}")
    return "\n".join(lines)


def _step_line(step: VerificationStep) -> str:
    return f"  {step.number} {step.name:<25} {_MARKS[step.passed]:<7} {step.detail}".rstrip()


def _standard_input() -> str:
    """At most a little more than the longest pass; any bytes are some text in Latin-1, as the QR decoder gives it."""
    data = sys.stdin.buffer.read(2 * MAX_TEXT_CHARS)
    return data.decode("latin-1")
