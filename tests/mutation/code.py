"""Mutants of the guards' own text, and of every place that orders something: made from the syntax trees of the core's modules.

Operators: a comparison inverted; UNKNOWN read as if it were the value asked for; an operand of `and`, `or` dropped; `not` dropped; a statement
of an action dropped. Not here: arithmetic, constants, and what `rows.py` changes.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import CodeType, FunctionType, ModuleType

from gate_controller.core import actions, commands, display, facts, guards, machine, why
from gate_controller.core.commands import CloseDoor, OpenDoor, SetLamp, StartCheck
from gate_controller.core.machine import Controller
from gate_controller.core.values import Door, Lamp, Modality
from tests.mutation.mutant import Mutant, change_function

ASKING = (guards, why, facts)
"""Modules whose questions are changed: guards, reasons, and the facts both are made of."""
ORDERING = (actions, display, machine)
"""Modules whose orders are dropped."""
UNKNOWN = {"TriState": ("UNKNOWN",), "DoorPosition": ("UNKNOWN",), "Occupancy": ("UNKNOWN",), "CheckOutcome": ("UNDETERMINED", "ABORTED")}
INVERSE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
}
Change = tuple[str, str, str]
"""What it is called, its kind, the text that stands there instead."""


def of_questions() -> Iterator[Mutant]:
    """Every guard, reason and fact: comparisons, operands, UNKNOWN."""
    for module in ASKING:
        yield from _of_module(module, _asked_otherwise)


def of_orders() -> Iterator[Mutant]:
    """Every statement of an action, and every place where a command is made."""
    for module in ORDERING:
        yield from _of_module(module, _not_ordered)


def _of_module(module: ModuleType, changes: Callable[[ast.AST], Iterator[Change]]) -> Iterator[Mutant]:
    for path, function in _functions(ast.parse(_source(module))):
        if function.name == "__init__":
            continue
        seen: dict[str, int] = {}
        for place, node in enumerate(ast.walk(function)):
            for what, kind, instead in changes(node):
                seen[what] = seen.get(what, 0) + 1
                label = what if seen[what] == 1 else f"{what} #{seen[what]}"
                apply = partial(_rewrite, module, path, place, instead)
                yield Mutant(f"code:{path} {label}", kind, (path,), apply)


@cache
def _source(module: ModuleType) -> str:
    """Read once, before any mutant: whoever edits the core during a run does not change what is put into it."""
    return inspect.getsource(module)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef):
                    yield f"{node.name}.{each.name}", each


# -- the changes -------------------------------------------------------------------------------------------------------------


def _asked_otherwise(node: ast.AST) -> Iterator[Change]:
    text = ast.unparse(node)
    if isinstance(node, ast.Compare):
        left, operator, right = node.left, node.ops[0], node.comparators[0]
        yield f"inverted: {text}", "comparison inverted", ast.unparse(ast.Compare(left, [INVERSE[type(operator)]()], [right]))
        instead = _unknown_counts(left, operator, right)
        if instead:
            yield f"unknown counts: {text}", "UNKNOWN read as known", instead
    elif isinstance(node, ast.BoolOp):
        for number, operand in enumerate(node.values):
            rest = [ast.unparse(each) for place, each in enumerate(node.values) if place != number]
            yield (
                f"-operand: {ast.unparse(operand)}",
                "operand dropped",
                (" and " if isinstance(node.op, ast.And) else " or ").join(f"({each})" for each in rest),
            )
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"-not: {text}", "comparison inverted", ast.unparse(node.operand)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "self.stable" and _unknowns(node.args[0]):
        yield f"unknown counts: {text}", "UNKNOWN read as known", f"self.stable({', '.join([ast.unparse(node.args[0]), *_unknowns(node.args[0])])})"


def _unknown_counts(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> str:
    """The comparison with UNKNOWN counted as if it were what is asked for; nothing where no tri-state is compared."""
    one, other = ast.unparse(left), ast.unparse(right)
    if isinstance(operator, ast.Is | ast.IsNot) and _unknowns(right):
        return f"{one} {'in' if isinstance(operator, ast.Is) else 'not in'} ({', '.join([other, *_unknowns(right)])})"
    if isinstance(operator, ast.In) and other == "AJAR":
        return f"{one} in {{*AJAR, DoorPosition.UNKNOWN}}"
    if isinstance(operator, ast.In) and _unknowns(left):
        return " or ".join(f"{each} in {other}" for each in (one, *_unknowns(left)))
    return ""


def _unknowns(value: ast.expr) -> list[str]:
    """For a literal like TriState.INACTIVE: what its kind has for not knowing; nothing for anything else."""
    if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
        names = UNKNOWN.get(value.value.id, ())
        return [f"{value.value.id}.{name}" for name in names] if value.attr not in names else []
    return []


def _not_ordered(node: ast.AST) -> Iterator[Change]:
    called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    noted = isinstance(node, ast.Assign | ast.AugAssign) and all(isinstance(target, ast.Attribute) for target in _targets(node))
    if called or noted:
        yield f"-statement: {ast.unparse(node)}", "statement of an action dropped", "pass"
    elif isinstance(node, ast.List):
        for number, each in enumerate(node.elts):
            rest = [ast.unparse(other) for place, other in enumerate(node.elts) if place != number]
            yield f"-element: {ast.unparse(each)}", "statement of an action dropped", f"[{', '.join(rest)}]"


def _targets(node: ast.Assign | ast.AugAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


# -- putting them into effect ------------------------------------------------------------------------------------------------


def _rewrite(module: ModuleType, path: str, place: int, instead: str) -> None:
    tree = ast.parse(_source(module))
    function = next(node for name, node in _functions(tree) if name == path)
    there = next(node for number, node in enumerate(ast.walk(function)) if number == place)
    _Replace(there, _parsed(instead, there)).visit(function)
    ast.fix_missing_locations(tree)
    code = _code(compile(tree, inspect.getfile(module), "exec", dont_inherit=True), path.split("."))
    change_function(_living(module, path), code)


def _parsed(text: str, there: ast.AST) -> ast.AST:
    statement = ast.parse(text).body[0]
    return statement.value if isinstance(there, ast.expr) and isinstance(statement, ast.Expr) else statement


class _Replace(ast.NodeTransformer):
    def __init__(self, there: ast.AST, instead: ast.AST) -> None:
        self._there, self._instead = there, instead

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._there:
            return ast.copy_location(self._instead, node)
        return self.generic_visit(node)


def _code(code: CodeType, path: list[str]) -> CodeType:
    for name in path:
        code = next(each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name)
    return code


def _living(module: ModuleType, path: str) -> FunctionType:
    owner, _, name = path.rpartition(".")
    found = inspect.getattr_static(getattr(module, owner) if owner else module, name)
    while not isinstance(found, FunctionType):  # a property, a cached or static method
        found = found.fget if isinstance(found, property) else found.__wrapped__ if hasattr(found, "__wrapped__") else found.__func__
    return found


# -- every kind of command dropped -------------------------------------------------------------------------------------------


def of_commands() -> Iterator[Mutant]:
    """Every kind of command never handed out: doors, lamps and checks one by one, openings in an emergency apart."""
    handle = Controller.handle
    for name, lost in _kinds():

        def without(self, event, now, _lost=lost):
            return [command for command in handle(self, event, now) if not _lost(command)]

        yield Mutant(f"command:{name} lost", "command dropped", (), partial(setattr, Controller, "handle", without))


def _kinds() -> Iterator[tuple[str, Callable[[object], bool]]]:
    for door in Door:
        for emergency in (False, True):
            yield (
                f"OpenDoor {door.value}{' in an emergency' * emergency}",
                lambda each, d=door, e=emergency: isinstance(each, OpenDoor) and (each.door, each.emergency) == (d, e),
            )
        yield f"CloseDoor {door.value}", lambda each, d=door: isinstance(each, CloseDoor) and each.door is d
    for lamp in Lamp:
        yield f"SetLamp {lamp.value}", lambda each, x=lamp: isinstance(each, SetLamp) and each.lamp is x
    for modality in Modality:
        yield f"StartCheck {modality.value}", lambda each, x=modality: isinstance(each, StartCheck) and each.modality is x
    for kind in commands.Command.__args__:
        if kind not in {OpenDoor, CloseDoor, SetLamp, StartCheck}:
            yield kind.__name__, lambda each, x=kind: isinstance(each, x)
