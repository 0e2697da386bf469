"""gatectl pass: look into a QR pass, and verify one as this gate would, without the gate.

Reads the gate's trust and replay memory and changes neither: a pass that is verified here is not used up. Asks no daemon.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import print_json
from gate_controller.cli.pass_image import text_in
from gate_controller.cli.run import DEFAULT_CONFIG
from gate_controller.core.values import Region
from gate_controller.passes.inspection import Inspection, inspect
from gate_controller.passes.text import MAX_TEXT_CHARS
from gate_controller.ports.clock import Clock, SystemClock
from gate_controller.ports.services import PassRejected, VerificationStep

if TYPE_CHECKING:
    from gate_controller.cli.pass_verify import Verification

_MARKS = {True: "passed", False: "REFUSED"}


@click.group("pass")
def pass_group() -> None:
    """Look into QR passes, and verify them as this gate would."""


def _shown_code(command: Callable[..., Any]) -> Callable[..., Any]:
    image = click.option("--image", type=click.Path(path_type=Path), help="Picture of the QR code, instead of TEXT.")
    return click.argument("text", metavar="[TEXT|-]", required=False)(
        image(click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command))
    )


@pass_group.command("inspect")
@_shown_code
@click.pass_context
def inspect_command(context: click.Context, text: str | None, image: Path | None, as_json: bool) -> None:
    """Decode the TEXT of a QR code (or of standard input, -, or of a picture) and show each field and step.

    Trusts nothing: no key is looked up, so what is shown may be forged.

    Exit code: 0 everything decodes, 1 a step failed, or not one code in the picture, 2 no text, or no picture.
    """
    inspection = inspect(_text(text, image))
    if as_json:
        print_json(as_dict(inspection))
    else:
        click.echo(as_text(inspection))
    if inspection.stopped is not None:
        context.exit(ExitCode.CHECK_FAILED)


@pass_group.command("verify")
@_shown_code
@click.option("--config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate.")
@click.option("--at", metavar="TIME", help="Verify as if it were TIME: seconds since the epoch, or 2027-01-15T08:00:00 (UTC unless it says otherwise).")
@click.pass_context
def verify_command(context: click.Context, text: str | None, image: Path | None, as_json: bool, config: Path, at: str | None) -> None:
    """Verify the TEXT of a QR code (or of standard input, -, or of a picture) as the configured gate would, and show every step.

    Uses nothing up: the presentation can still be used at the gate. With --at the pass is judged by that time, and the trust in the cache
    is as fresh as it is now (or will be then).

    Exit code: 0 accepted, 1 refused, or not one code in the picture, 2 usage, 8 the configuration, the trust or the replay memory cannot be
    used.
    """
    from gate_controller.cli.pass_verify import verify_as_configured  # with settings, trust and TUF: inspect needs none of them
    from gate_controller.settings import load

    clock: Clock = context.obj if context.obj is not None else SystemClock()
    moment = None if at is None else _time(at)
    settings = load(config)
    verification = verify_as_configured(settings, _text(text, image), clock.wall(), moment)
    if as_json:
        print_json(verification_as_dict(verification))
    else:
        click.echo(verification_as_text(verification))
    if isinstance(verification.result, PassRejected):
        context.exit(ExitCode.CHECK_FAILED)


def verification_as_dict(verification: Verification) -> dict[str, object]:
    """The verification as JSON values. Holds no identifier."""
    result = verification.result
    rejected = result if isinstance(result, PassRejected) else None
    facts = None if isinstance(result, PassRejected) else result.facts
    return {
        "accepted": facts is not None,
        "gate": verification.gate,
        "at": verification.at,
        "trust": {
            "versions": dict(verification.in_force.view.versions),
            "freshness": {region.value: verification.freshness(region).state.value for region in Region},
        },
        "reason": rejected and rejected.reason.code,
        "step": rejected and rejected.step,
        "detail": rejected and rejected.detail,
        "advice": rejected and rejected.reason.advice,
        "pass": facts
        and {
            "issuer": facts.issuer.value,
            "class": facts.traveller_class,
            "presented_at": facts.issued_at,
            "issued_at": facts.pass_issued_at,
            "expires_at": facts.pass_expires_at,
            "degraded": facts.degraded,
        },
        "steps": [_step_dict(step) for step in verification.steps],
    }


def verification_as_text(verification: Verification) -> str:
    """The verification for a terminal: gate, trust, steps, and a last line that says how it ended. Holds no identifier."""
    from gate_controller.cli.pass_verify import shown_time

    freshness = ", ".join(f"{region.value} {verification.freshness(region).state.value}" for region in Region)
    versions = " ".join(f"{role} {version}" for role, version in verification.in_force.view.versions.items())
    lines = [f"gate {verification.gate} at {shown_time(verification.at)}", f"trust: {versions}; {freshness}", "steps:", *map(_step_line, verification.steps)]
    result = verification.result
    if isinstance(result, PassRejected):
        return "\n".join([*lines, f"REFUSED: {result.reason.code}: {result.reason.advice}"])
    facts = result.facts
    mark = ", degraded: for low-risk travellers of age only" if facts.degraded else ""
    return "\n".join([*lines, f"accepted: {facts.issuer.value} pass of class {facts.traveller_class}, good until {shown_time(facts.pass_expires_at)}{mark}"])


def as_dict(inspection: Inspection) -> dict[str, object]:
    """The inspection as JSON values."""
    return {
        "kind": inspection.kind,
        "decoded": inspection.stopped is None,
        "fields": dict(inspection.fields),
        "steps": [_step_dict(step) for step in inspection.steps],
    }


def as_text(inspection: Inspection) -> str:
    """The inspection for a terminal: fields, steps, and a last line that says how it ended."""
    width = max(len(name) for name, _ in inspection.fields)
    lines = [f"kind: {inspection.kind} (nothing here is verified against a region's key)"]
    lines += [f"  {name:<{width}}  {value}" for name, value in inspection.fields]
    lines.append("steps:")
    lines += map(_step_line, inspection.steps)
    stopped = inspection.stopped
    lines.append("everything decodes" if stopped is None else f"step {stopped.number} failed: {stopped.detail}")
    return "\n".join(lines)


def _step_dict(step: VerificationStep) -> dict[str, object]:
    return {"number": step.number, "name": step.name, "passed": step.passed, "detail": step.detail}


def _step_line(step: VerificationStep) -> str:
    mark = ("-" if step.detail else "not reached") if step.passed is None else _MARKS[step.passed]
    return f"  {step.number} {step.name:<25} {mark:<8} {step.detail}".rstrip()


def _text(text: str | None, image: Path | None) -> str:
    if (text is None) == (image is None):
        raise click.UsageError("give either the TEXT of a code (- for standard input) or --image FILE")
    if image is not None:
        return text_in(image)
    return _standard_input() if text == "-" else str(text)


def _standard_input() -> str:
    """At most a little more than the longest pass; any bytes are some text in Latin-1, as the QR decoder gives it."""
    data = sys.stdin.buffer.read(2 * MAX_TEXT_CHARS)
    return data.decode("latin-1")


def _time(text: str) -> float:
    """Seconds since the epoch."""
    try:
        if text.replace(".", "", 1).isdecimal():
            return float(text)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is no time; write 1800000000 or 2027-01-15T08:00:00"
        raise click.BadParameter(message, param_hint="--at") from error
