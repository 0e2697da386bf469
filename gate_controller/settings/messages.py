"""pydantic's findings as problems with lines. Never repeats a value of the file: it may be a password."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from gate_controller.settings import fields
from gate_controller.settings.locate import KeyPath
from gate_controller.settings.problems import Located, Problem


def problems_of(error: ValidationError, model: type[BaseModel], data: Any, source: Located, prefix: KeyPath = ()) -> list[Problem]:
    """Every finding of `error` as a problem.

    Args:
        error: What validating `data` by `model` raised.
        model: The model.
        data: The data, as the file has it.
        source: Where the keys stand.
        prefix: Where in the configuration `data` stands.
    """
    found: dict[KeyPath, list[Any]] = {}
    for finding in error.errors(include_url=False, include_input=False):
        found.setdefault(_path(finding["loc"], data, finding["type"]), []).append(finding)
    return [_problem(path, findings, model, source, prefix) for path, findings in found.items()]


def _path(location: Iterable[str | int], data: Any, kind: str) -> KeyPath:
    """The key that a finding is about: its location without what is no key (the tags of unions, marks of dictionary keys)."""
    path: KeyPath = ()
    node = data
    parts = list(location)
    for place, part in enumerate(parts):
        here = isinstance(node, dict) and part in node
        if here or (isinstance(node, list) and isinstance(part, int) and part < len(node)):
            node = node[part]
            path = (*path, part)
        elif kind == "missing" and place == len(parts) - 1:
            path = (*path, part)
    return path


def _problem(path: KeyPath, findings: list[Any], model: type[BaseModel], source: Located, prefix: KeyPath) -> Problem:
    whole = (*prefix, *path)
    kinds = {finding["type"] for finding in findings}
    if "extra_forbidden" in kinds:
        return source.problem(whole, "no such key", fields.did_you_mean(str(path[-1]), fields.known_keys(model, path[:-1])))
    known = fields.describe(model, path)
    meaning = "; ".join(part for part in (known.description, known.values, known.unit) if part) if known else ""
    if kinds == {"missing"}:
        return source.problem(whole, "is missing", meaning, section=fields.is_section(model, path))
    text = "; or: ".join(dict.fromkeys(_text(finding) for finding in findings))
    return source.problem(whole, text, meaning)


def _text(finding: Any) -> str:
    message: str = finding["msg"]
    for told in ("Value error, ", "Assertion failed, "):
        message = message.removeprefix(told)
    if finding["type"] == "string_pattern_mismatch":
        message = f"Input should match {finding['ctx']['pattern']}"
    return message
