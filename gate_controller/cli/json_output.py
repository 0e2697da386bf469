"""What `--json` prints: objects, each on a line of its own, each with the number of the schema. Chooses no field: each command does.

The fields are in docs/reference/json.md. Does not import what status and help do without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

SCHEMA = 1
"""Goes up when a field is renamed or removed; never so far."""


def print_json(fields: Mapping[str, Any]) -> None:
    """Print one object on standard output, as one line. What has a schema number of its own, as doctor's report, keeps it."""
    click.echo(json.dumps({"schema": SCHEMA, **fields}))


def print_result(as_json: bool, fields: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Print what was done or found: as an object that says "ok", or as lines."""
    if as_json:
        print_json({"ok": True, **fields})
    else:
        click.echo("\n".join(lines))


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether a command line has --json, also one that is wrong otherwise: before it is understood, nothing else can tell."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return any(each == "--json" or each.startswith("--json=") for each in options)
