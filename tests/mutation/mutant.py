"""What a mutant is: one deliberate mistake in the core, put into effect inside a process that is thrown away afterwards.

Nothing of the product's files is written. Rows, dictionaries and functions are changed where they stand, so every module that imported them
has the mistake, too. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from types import CodeType, FunctionType

from gate_controller.core.table import TABLE, Row

NEVER = "never"
"""The trigger of a row that no event has."""


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes:
        id: Stable as long as the place in the source is: kind, place, change.
        kind: What was done, in a few words; the page counts by it.
        touches: What a test should reach to notice, the nearest first: "row N" (its place in TABLE), "state S" or "Class.method".
        apply: Puts it into effect. Only for a process of its own.
    """

    id: str
    kind: str
    touches: tuple[str, ...]
    apply: Callable[[], None]


class NoEffectError(AssertionError):
    """The mistake is no mistake: what it changed is as it was."""


def change_row(number: int, **changes: object) -> None:
    """Change a row of TABLE in place: frozen for everybody else."""
    row = TABLE[number]
    before = {name: getattr(row, name) for name in changes}
    if before == changes:
        msg = f"row {number} is as it was"
        raise NoEffectError(msg)
    for name, value in changes.items():
        object.__setattr__(row, name, value)


def swap_rows(one: int, other: int) -> None:
    """Let two rows of TABLE change places."""
    first, second = ({each.name: getattr(TABLE[number], each.name) for each in fields(Row)} for number in (one, other))
    change_row(one, **second)
    change_row(other, **first)


def change_function(function: FunctionType, code: CodeType) -> None:
    """Give a function another body, wherever it is referred to."""
    if _means(function.__code__) == _means(code):
        msg = f"{function.__qualname__} is as it was"
        raise NoEffectError(msg)
    function.__code__ = code


def _means(code: CodeType) -> tuple[object, ...]:
    return (code.co_code, code.co_names, *(_means(each) if isinstance(each, CodeType) else each for each in code.co_consts))
