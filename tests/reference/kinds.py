"""Which kinds of events the code can make, read from its syntax: no list of them is kept beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FED, NOTED = frozenset({"publish"}), frozenset({"event", "note", "_note", "NoteEvent"})
_NOTES = frozenset({"NOTE"})


def _calls(names: frozenset[str]) -> Iterator[ast.expr]:
    """First arguments of the calls of a function of one of these names."""
    for path in sorted((ROOT / "gate_controller").rglob("*.py")):
        if "cli" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
                if called in names:
                    yield node.args[0]
            elif isinstance(node, ast.Assign) and names is NOTED and {each.id for each in node.targets if isinstance(each, ast.Name)} & _NOTES:
                yield node.value


def _texts(argument: ast.expr) -> Iterator[str]:
    for node in (argument.body, argument.orelse) if isinstance(argument, ast.IfExp) else (argument,):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _notices() -> set[str]:
    return {text for argument in _calls(frozenset({"TrustNotice"})) for text in _texts(argument)}


def fed() -> set[str]:
    """Kinds of the event stream (GET /v1/events); trust_* notices are published under their own names, a change of freshness as "freshness"."""
    return {text for argument in _calls(FED) for text in _texts(argument)} | (_notices() - {"freshness_changed"})


def noted() -> set[str]:
    """Names of the journal's events."""
    return {text for argument in _calls(NOTED) for text in _texts(argument)} | _notices()
