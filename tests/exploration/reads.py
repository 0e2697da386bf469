"""Which facts each state's rows read, taken from the core's own source: what a method of the core reads is what its text names, and what the
methods it calls read. An over-approximation (a branch not taken counts, too), which is the safe side for leaving facts out.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache

from gate_controller.core.actions import ENTER, Actions
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.table import TABLE, Row
from gate_controller.core.values import Door

OF_A_DOORLESS_ENTRY = {"doorless_entry", "walked_in"}
"""Guards that never hold in a lane with two doors."""


def possible(table: tuple[Row, ...], policy: CrossingPolicy) -> tuple[Row, ...]:
    """The rows that a lane under this policy may ever take."""
    return tuple(row for row in table if Door.ENTRY not in policy.doors or not OF_A_DOORLESS_ENTRY.intersection(row.when))


@cache
def reads(method: str) -> frozenset[str]:
    """Facts that a method of the core reads, directly or through others, a signal as "inputs.<name>"; the methods themselves are named, too."""
    return frozenset(_reads(method, set()))


@cache
def decided_by(state: State, table: tuple[Row, ...] = TABLE) -> frozenset[str]:
    """Facts that decide whether a row of `state` is taken: read by its rows' guards alone."""
    return frozenset().union(*(reads(name.removeprefix("!")) for row in table if state in row.sources for name in row.when))


@cache
def asked_in(state: State, table: tuple[Row, ...] = TABLE) -> frozenset[str]:
    """Facts that decide in `state`: read by a guard, a reason or an action of its rows, or by what entering their targets does."""
    found: set[str] = set()
    for row in table:
        if state in row.sources:
            found |= _of_row(row)
    return frozenset(found)


def _of_row(row: Row) -> set[str]:
    methods = {name.removeprefix("!") for name in row.when} | set(row.do)
    methods |= {row.reason} if isinstance(row.reason, str) else set()
    methods |= set(ENTER[row.target]) if row.target is not None else set()
    return set().union(*(reads(method) for method in methods))


def _reads(method: str, seen: set[str]) -> set[str]:
    found = {method}
    seen.add(method)
    function = inspect.getattr_static(Actions, method)
    function = function.fget if isinstance(function, property) else inspect.unwrap(getattr(function, "__func__", function))
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found |= {f"inputs.{node.attr}" for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self.inputs"}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"):
            continue
        name = node.attr
        if not isinstance(node.ctx, ast.Store):
            found.add(name)
        if name not in seen and hasattr(Actions, name):
            found |= _reads(name, seen)
    return found
