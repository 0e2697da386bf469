"""The pages of docs/reference, as Markdown. Every word about a thing is taken from where the thing is: see found.py and events.toml for events."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from gate_controller.cli import exit_codes, failures
from gate_controller.cli.config import key_name, known_keys
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.main import gatectl
from gate_controller.composition.registry import load_drivers
from gate_controller.control.texts import Language, text
from gate_controller.core import reasons, states, values
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.diagnostics.catalogue import CHECKS
from gate_controller.ports import errors
from gate_controller.settings.fields import KeyDescription
from tests.reference.found import FEED, JOURNAL, metrics

EVENTS = Path(__file__).with_name("events.toml")
JSON_FIELDS = Path(__file__).with_name("json_fields.toml")
_HEAD = "Generated from the code by `make reference`; do not edit."
_CODES = ("Outcome", "Occupancy", "DoorPosition", "Device", "Modality", "CheckOutcome")
"""Enumerations of the core whose values events and status carry."""

Row = tuple[str, ...]


def told_events() -> dict[str, dict[str, dict[str, Any]]]:
    """What events.toml says: kind by kind, of the feed and of the journal."""
    return tomllib.loads(EVENTS.read_text())


def told_json() -> dict[str, Any]:
    """What json_fields.toml says: the objects that commands print with --json, and that of an error."""
    return tomllib.loads(JSON_FIELDS.read_text())


def commands() -> Iterator[tuple[click.Context, click.Command]]:
    """Every command of gatectl, groups before their commands."""
    return _below(gatectl, click.Context(gatectl, info_name="gatectl"))


def _below(command: click.Command, context: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    yield context, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            yield from _below(sub, click.Context(sub, info_name=name, parent=context))


def commands_page() -> str:
    """commands.md."""
    parts = ["# Commands", _HEAD, "What a command prints with `--json` [is stable](json.md). [Exit codes](exit-codes.md) are, too."]
    parts.append(_table(("command", ""), ((f"[`{c.command_path}`](#{_anchor(c.command_path)})", _first(each)) for c, each in commands() if _runs(each))))
    for context, command in commands():
        if _runs(command):
            parts += _command(context, command)
    return _page(parts)


def _command(context: click.Context, command: click.Command) -> Iterator[str]:
    yield f"## {context.command_path}"
    yield "```\n" + " ".join([context.command_path, *command.collect_usage_pieces(context)]) + "\n```"
    yield inspect.cleandoc(command.help or "").replace("\b\n", "").replace("<", "&lt;")
    rows = [_parameter(context, each) for each in command.params]
    if rows:
        yield _table(("option or argument", ""), rows)


def _parameter(context: click.Context, parameter: click.Parameter) -> Row:
    record = parameter.get_help_record(context)
    if record is None:  # an argument: click leaves it to the command's own words
        return f"`{parameter.make_metavar(context)}`", "" if parameter.required else "may be left out"
    return f"`{record[0]}`", record[1]


def _runs(command: click.Command) -> bool:
    return not isinstance(command, click.Group) or command.invoke_without_command


def _first(command: click.Command) -> str:
    return re.split(r"(?<=\.)\s", inspect.cleandoc(command.help or ""), maxsplit=1)[0].replace("\n", " ")


def configuration_page() -> str:
    """configuration.md."""
    parts = ["# Configuration", _HEAD, "`gatectl config explain KEY` says the same on the gate, `gatectl config check` what is wrong with a file."]
    parts.append("Keys of `[policy]` stand in the policy that gate.toml names, and may be set anew below `[policy]` in gate.toml itself.")
    sections: dict[str, list[Row]] = {}
    for origin, key in known_keys(load_drivers()):
        sections.setdefault(_section(origin, key), []).append(_key(key))
    for section, rows in sections.items():
        parts += [f"## {section}", _table(("key", "meaning", "value", "default"), rows)]
    return _page(parts)


def _section(origin: str, key: KeyDescription) -> str:
    depth = 2 if key.path[0] == "policy" or origin else 1
    return f"[{'.'.join(key.path[:depth])}]{origin.replace('(', 'with driver ').replace(')', '')}"


def _key(key: KeyDescription) -> Row:
    value = key.values + (f", {key.unit}" if key.unit else "")
    default = f"`{key.default}`" if key.default else "must be given" if key.required else "may be left out"
    return f"`{key_name(key)}`", key.description, value, default


def reasons_page() -> str:
    """reason-codes.md."""
    parts = ["# Reason codes", _HEAD, "What to do is in the [handbook](../handbook.md). A traveller is told the prompt, never the reason."]
    for group, members in _groups():
        rows = ((f"`{reason.code}`", reason.advice, f"`{reason.prompt.value}`") for reason in members)
        parts += [f"## {group}", _table(("reason", "what it means", "prompt"), rows)]
    lost = ((f"`{kind.code}`", inspect.cleandoc(kind.__doc__ or "").split("`code`")[0].strip()) for kind in _family(errors.DeviceError))
    parts += ["## Codes of a lost device", _table(("code", "what it means"), lost)]
    parts += ["## Prompts", _table(("prompt", "in English", ""), ((f"`{each.value}`", *_said(each)) for each in Prompt))]
    return _page(parts)


def _said(prompt: Prompt) -> Row:
    said = text(prompt, Language.ENGLISH)
    return said.title, said.detail


def _groups() -> list[tuple[str, list[Reason]]]:
    """The reasons under the headings that their source has as comments."""
    groups: list[tuple[str, list[Reason]]] = []
    for line in inspect.getsource(reasons.Reason).splitlines():
        heading = re.fullmatch(r"    # (.*[^.])", line)
        member = re.match(r"    ([A-Z0-9_]+) = \(", line)
        if heading:
            groups.append((heading[1], []))
        elif member:
            groups[-1][1].append(getattr(Reason, member[1]))
    return groups


def _family(kind: type[errors.DeviceError]) -> Iterator[type[errors.DeviceError]]:
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from _family(each)


def events_page() -> str:
    """events.md."""
    told = told_events()
    parts = ["# Events", _HEAD, "None holds a name, an image, a template, a reference or a document number."]
    parts += [
        "## The stream",
        "`gatectl events`, and `GET /v1/events` of the control socket as server-sent events: `sequence`, `at` (seconds since the epoch), `fields`.",
    ]
    parts.append(_table(("event", "when", "fields"), _event_rows(told[FEED])))
    parts += [
        "## The journal's events",
        "`gatectl journal tail`; rows of the kind `event`. Those with an `identity` are deleted when their time is over: [the journal](../journal.md).",
    ]
    parts.append(_table(("event", "when", "fields"), _event_rows(told[JOURNAL])))
    parts += ["## Words in them", _table(("field", "values"), _words())]
    return _page(parts)


def _event_rows(events: dict[str, dict[str, Any]]) -> Iterator[Row]:
    for kind, each in events.items():
        yield f"`{kind}`", each["when"], ", ".join(f"`{name}`" for name in each["fields"])


def _words() -> Iterator[Row]:
    yield "state", ", ".join(f"`{each.value}`" for each in states.State)
    for name in _CODES:
        yield re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower(), ", ".join(f"`{each.value}`" for each in getattr(values, name))


def checks_page() -> str:
    """checks.md."""
    parts = ["# Checks of gatectl doctor", _HEAD, "A check's id never changes. Which ones apply depends on the configuration."]
    return _page([*parts, _table(("check", "what passes, and what it means if it does not"), ((f"`{check}`", meaning) for check, meaning in CHECKS.items()))])


def exit_codes_page() -> str:
    """exit-codes.md."""
    rows = [(str(code.value), f"`{code.name.lower()}`", meaning, ", ".join(_errors(code))) for code, meaning in exit_meanings().items()]
    parts = [
        "# Exit codes",
        _HEAD,
        "Of `gatectl`. 130: interrupted (Ctrl-C). An error is one line on standard error: what, where; and one that says the remedy. With `--json` [an object](json.md#errors) on standard output, too.",
    ]
    return _page([*parts, _table(("code", "name", "meaning", "errors that end so"), rows)])


def exit_meanings() -> dict[ExitCode, str]:
    """What each exit code's own docstring says."""
    body = next(node for node in ast.parse(inspect.getsource(exit_codes)).body if isinstance(node, ast.ClassDef)).body
    found = {}
    for member, following in itertools.pairwise(body):
        if isinstance(member, ast.Assign) and isinstance(following, ast.Expr):
            found[ExitCode[ast.unparse(member.targets[0])]] = str(ast.literal_eval(following.value))
    return found


def _errors(code: ExitCode) -> list[str]:
    return [f"`{kind.__name__}`" for kind, each in failures.EXIT_CODES if each is code]


def json_page() -> str:
    """json.md."""
    told = told_json()
    parts = [
        "# What --json prints",
        _HEAD,
        (
            'One object on one line, or one a line where there are many. Each has `"schema": 1`, but for the lines of `journal export`. Fields are added, never '
            "renamed or removed; the number would go up with that. What stands here are the top-level fields; what a later version adds is to be ignored."
        ),
        "## Errors",
        (
            "With any command: whatever is wrong, one object says it, as the last line of standard output; the lines for people are on standard error. What a command was to find out is no error: `doctor`, a device's test and `lanes` print their own object and end in 1 for what they found. "
            "An interruption (Ctrl-C) leaves none, but for `enrol`."
        ),
        _table(("field", ""), [("`schema`", "1"), *_json_rows(told["error"])]),
    ]
    for each in told["objects"]:
        numbered = [("`schema`", "1")] if each.get("schema", True) else []
        others = [("", each["others"])] if "others" in each else []
        parts += [
            f"## {', '.join(f'gatectl {command}' for command in each['commands'])}",
            _sentence(each["what"]),
            _table(("field", ""), [*numbered, *_json_rows(each["fields"], each.get("may_lack", ())), *others]),
        ]
    return _page(parts)


def _json_rows(fields: dict[str, str], may_lack: Iterable[str] = ()) -> Iterator[Row]:
    for name, what in fields.items():
        yield f"`{name}`", f"{what} (not always there)" if name in may_lack else what


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def metrics_page() -> str:
    """metrics.md."""
    parts = [
        "# Metrics",
        _HEAD,
        "`GET /v1/metrics` of the control socket, Prometheus' text format. Labels are codes, roles and regions; no id of a pass, a crossing or a person.",
    ]
    rows = ((f"`{each.name}`", each.type, each.text, ", ".join(f"`{label}`" for label in each.labels)) for each in metrics().values())
    return _page([*parts, _table(("metric", "type", "what", "labels"), rows)])


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _anchor(heading: str) -> str:
    return heading.replace(" ", "-")


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "checks.md": checks_page,
    "configuration.md": configuration_page,
    "reason-codes.md": reasons_page,
    "events.md": events_page,
    "exit-codes.md": exit_codes_page,
    "json.md": json_page,
    "metrics.md": metrics_page,
}
"""What writes each page."""
