"""What the program's source names: kinds of events, kinds of journal rows, metrics. Reads the source; runs nothing but imports of modules.

A name that is put together while the program runs cannot be read so; `device_{state}` is the one there is.
"""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gate_controller.control.feed import LOST

PACKAGE = Path(__file__).parents[2] / "gate_controller"
COMPOSED = {"device_": ("device_ready", "device_lost")}
"""Kinds that begin with a fixed text: what DeviceReport's states make of it."""
FEED, JOURNAL = "feed", "journal"
_CALLS = {"publish": FEED, "frame": FEED, "_note": JOURNAL, "note": JOURNAL, "NoteEvent": JOURNAL, "event": JOURNAL}
_SUFFIX = {"Counter": "_total", "CounterMetricFamily": "_total"}
_METRICS = {name + family for name in ("Counter", "Gauge", "Histogram", "Summary", "Info") for family in ("", "MetricFamily")}


@dataclass(frozen=True, slots=True)
class Kind:
    """An event's kind where the source makes it; fields None where they cannot be read from that place."""

    where: str
    kind: str
    fields: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class MetricFound:
    """A metric where the source makes it."""

    name: str
    type: str
    text: str
    labels: tuple[str, ...]


def kinds() -> set[Kind]:
    """Every kind of event that is published or journalled."""
    found = {Kind(FEED, LOST, None)}  # the feed puts it in the place of another event
    for module, call in _calls():
        name = _name(call)
        if name == "TrustNotice":
            fields = _fields(call)
            told = _texts(module, call.args[0])
            found |= {Kind(JOURNAL, kind, fields) for kind in told}
            found |= {Kind(FEED, "freshness" if kind == "freshness_changed" else kind, fields) for kind in told}
        elif name in _CALLS and call.args:
            found |= {Kind(_CALLS[name], kind, _fields(call)) for kind in _texts(module, call.args[0])}
    return found


def metrics() -> dict[str, MetricFound]:
    """Every metric, by the name it has in the text format."""
    found = {}
    for _, call in _calls():
        name = _name(call)
        if name in _METRICS and len(call.args) >= 2 and all(isinstance(each, ast.Constant) for each in call.args[:2]):
            metric, text = (str(ast.literal_eval(each)) for each in call.args[:2])
            given = next((each.value for each in call.keywords if each.arg in {"labels", "labelnames"}), call.args[2] if len(call.args) > 2 else None)
            labels = tuple(str(each) for each in ast.literal_eval(given)) if isinstance(given, (ast.List, ast.Tuple)) else ()
            whole = metric if metric.endswith(_SUFFIX.get(name, "")) else metric + _SUFFIX[name]
            found[whole] = MetricFound(whole, name.removesuffix("MetricFamily").lower(), text, labels)
    return found


@functools.cache
def _calls() -> list[tuple[str, ast.Call]]:
    return list(_walked())


def _walked() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        if not module.startswith("gate_controller.cli"):  # its click.option("...") and the simulation's own sinks are no events
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield module, node


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""


def _texts(module: str, node: ast.expr) -> set[str]:
    """The texts an argument can be; none where it is a parameter, because then the caller is the one who names it."""
    match node:
        case ast.Constant(str(text)):
            return {text}
        case ast.IfExp():
            return _texts(module, node.body) | _texts(module, node.orelse)
        case ast.JoinedStr([ast.Constant(str(begin)), *_]):
            return set(COMPOSED[begin])
        case ast.Name(name) if name.isupper():
            return _known(getattr(importlib.import_module(module), name))
        case ast.Attribute(ast.Name(owner), name) if name.isupper():
            return _known(getattr(getattr(importlib.import_module(module), owner), name))
    return set()


def _known(value: Any) -> set[str]:
    return {value} if isinstance(value, str) else set()


def _fields(call: ast.Call) -> frozenset[str] | None:
    """The fields, where they stand in the call itself."""
    if _name(call) == "_note" and call.keywords:
        return frozenset(str(each.arg) for each in call.keywords)
    if len(call.args) < 2:
        return frozenset() if _name(call) == "NoteEvent" else None
    match call.args[1]:
        case ast.Dict(keys) if all(isinstance(key, ast.Constant) for key in keys):
            return frozenset(str(key.value) for key in keys if isinstance(key, ast.Constant))
        case ast.Tuple(pairs) if all(isinstance(pair, ast.Tuple) and isinstance(pair.elts[0], ast.Constant) for pair in pairs):
            return frozenset(str(ast.literal_eval(pair.elts[0])) for pair in pairs if isinstance(pair, ast.Tuple))
    return None
