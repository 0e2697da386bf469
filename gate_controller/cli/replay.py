"""gatectl replay: derive the decision of a recorded crossing again from its recorded events, and see whether it is the same.

Reads the journal, writes nothing, and moves no door. Whether the journal itself is whole is `gatectl journal verify`'s question.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.failures import CommandFailedError
from gate_controller.cli.json_output import print_json
from gate_controller.cli.run import DEFAULT_CONFIG
from gate_controller.cli.socket_option import one_line
from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.values import UNKNOWN_INPUTS, LaneInputs
from gate_controller.journal import Entry, EntryKind, JournalReader, rows
from gate_controller.runtime.rederive import Derivation, DerivedStep, UnreadableTraceError, rederive
from gate_controller.settings import load

HIDDEN = frozenset({"held_s", "crossing_id", "text", "reference", "pass_id", "record", "inputs", "issued_at", "expires_at", "facts"})
"""Fields that a time line does without."""


@click.command("replay")
@click.argument("crossing_id", metavar="CROSSING")
@click.option("--config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate.")
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), default=None, help="The file, if not the configuration's.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def replay_command(crossing_id: str, config: Path, journal: Path | None, as_json: bool) -> int:
    """Derive the decision of CROSSING again and print its time line.

    Exit code: 0 the same, 1 different (the first difference is named), 3 no such crossing, or its trace was never kept or is deleted, 8 the journal cannot be read.
    """
    with JournalReader(journal or load(config).journal.path) as reader:
        found = {entry.kind: entry for entry in reader.crossing(crossing_id)}
    trace, recorded = found.get(EntryKind.TRACE), found.get(EntryKind.CROSSING)
    if trace is None or recorded is None or not trace.body or not recorded.body:
        what = f"nothing to derive from: {_why_not(found)}"
        raise CommandFailedError(what, "gatectl journal tail shows what there is", ExitCode.NOTHING_TO_DO)
    try:
        derived, difference, lines, steps = _compared(trace, recorded)
    except UnreadableTraceError as error:
        derived, difference, lines, steps = Derivation(), f"row {trace.id}: the trace cannot be used: {one_line(error)}", [], []
    if as_json:
        told = {"same": not difference, "difference": difference or None, "same_program": derived.same_program, "steps": steps}
        print_json({"crossing_id": crossing_id, **told})
    else:
        for line in lines:
            click.echo(line)
        if not derived.same_program:
            click.echo("decided by another version of the core; derived by this one")
        outcome = one_line(f"{recorded.body.get('outcome')} {recorded.body.get('reason') or ''}".strip())
        click.echo(f"different: {difference}" if difference else f"same: {outcome}, {len(derived.steps)} events")
    return ExitCode.CHECK_FAILED if difference else ExitCode.OK


def _compared(trace: Entry, recorded: Entry) -> tuple[Derivation, str, list[str], list[dict[str, Any]]]:
    """What was derived, the first difference, the time line, and its steps as JSON.

    Raises:
        UnreadableTraceError: The trace is no trace; also where its values have other types than the core's, which shows when they are used or written out.
    """
    try:
        derived = rederive(trace.body["trace"])
        difference, lines, inputs = _difference(derived, recorded), [], derived.inputs
        for number, step in enumerate(derived.steps, 1):
            lines.append(_line(number, step, inputs))
            inputs = step.event.inputs if isinstance(step.event, e.InputsRead) else inputs
        steps = [_as_json(step) for step in derived.steps]
    except UnreadableTraceError:
        raise
    except (AttributeError, TypeError, LookupError, ValueError, ArithmeticError, RecursionError) as error:
        raise UnreadableTraceError(f"{type(error).__name__}: a value in it is not what belongs there") from error  # noqa: EM102
    return derived, difference, lines, steps


def _why_not(found: dict[EntryKind, Entry]) -> str:
    if EntryKind.CROSSING not in found:
        return "no such crossing" if EntryKind.ADMISSION not in found else "the crossing has not ended"
    if EntryKind.TRACE not in found:
        return "the crossing left no trace (it was ended after a restart, or by a failure outside the core)"
    return "its trace is deleted: its time is over"


def _difference(derived: Derivation, recorded: Entry) -> str:
    """The first difference in one line; empty when there is none."""
    for number, step in enumerate(derived.steps, 1):
        if not step.same:
            return f"step {number}, {_event(step.event)} at {step.at_s:.3f} s, led to another state or other commands than recorded"
    if derived.record is None:
        return "the events do not end in a record"
    again = rows.crossing(derived.record, 0).fields
    for name, value in recorded.body.items():
        if name != "wall_ms" and again.get(name) != value:
            return f"row {recorded.id}: {one_line(name)} is recorded as {json.dumps(value)}, derived as {json.dumps(again.get(name))}"
    return ""


def _line(number: int, step: DerivedStep, inputs: LaneInputs) -> str:
    state = step.state.value + (f" ({step.reason.code})" if step.reason else "")
    commands = ", ".join(_short(command) for command in step.commands)
    return f"{number:>4}  {step.at_s:>9.3f} s  {_event(step.event, inputs):<44}  {state:<34}  {commands}{'' if step.same else '   <- differs'}".rstrip()


def _event(event: e.Event, before: LaneInputs = UNKNOWN_INPUTS) -> str:
    """An event; of inputs what is not as before."""
    if isinstance(event, e.InputsRead):
        names = [each.name for each in fields(LaneInputs) if getattr(event.inputs, each.name) is not getattr(before, each.name)]
        return " ".join(["InputsRead", *(f"{name}={getattr(event.inputs, name).value}" for name in names)])
    return _short(event)


def _short(what: e.Event | c.Command) -> str:
    """Name and values, without ids."""
    if isinstance(what, c.SetLamp):
        return f"SetLamp {what.lamp.value} {'on' if what.on else 'off'}"
    values = [_text(getattr(what, each.name)) for each in fields(what) if each.name not in HIDDEN]
    return " ".join([type(what).__name__, *(value for value in values if value)])


def _text(value: object) -> str:
    if isinstance(value, Enum):
        return str(getattr(value, "code", None) or (value.value if isinstance(value.value, str) else value.name.lower()))
    if value is None or value is False or is_dataclass(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else one_line(value)


def _as_json(step: DerivedStep) -> dict[str, Any]:
    return {
        "at_s": round(step.at_s, 6),
        "event": _event(step.event),
        "state": step.state.value,
        "reason": step.reason.code if step.reason else None,
        "commands": [_short(command) for command in step.commands],
        "same": step.same,
    }
