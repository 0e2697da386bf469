"""Mutants of the table, of the deadlines and of what entering a state does. Generated: a row that is added later has its mutants at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from gate_controller.core.actions import ENTER
from gate_controller.core.reasons import Reason
from gate_controller.core.states import DEADLINES, State
from gate_controller.core.table import TABLE, Row
from gate_controller.core.values import Outcome
from tests.mutation.mutant import NEVER, Mutant, NoEffectError, change_row, swap_rows

WRONG_TARGETS = (State.READY, State.OFFICER_REFERRAL, State.CLEARING)
"""Where a row is sent instead: two of these that it does not go to."""
FEW = 3


def name(row: Row) -> str:
    """A row's place, readable: states/trigger/guards."""
    states = "+".join(state.value for state in row.sources)
    if len(row.sources) > FEW:
        states = "any_but_" + "+".join(state.value for state in State if state not in row.sources)
    return f"{states}/{row.trigger}/{'+'.join(row.when) or 'always'}"


def of_rows() -> Iterator[Mutant]:
    """Every row: dropped, its guards, its target, its actions, outcome and reason changed."""
    for number, row in enumerate(TABLE):
        for change, kind, fields in _changes(row, number):
            yield Mutant(f"row:{name(row)} {change}", kind, _reached_by(number), partial(change_row, number, **fields))
    yield from _swapped()


def _changes(row: Row, number: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield "dropped", "row dropped", {"trigger": NEVER}
    if len(row.sources) > 1:
        for state in row.sources:
            yield f"-state:{state.value}", "row dropped in one state", {"sources": tuple(each for each in row.sources if each is not state)}
    for place, guard in enumerate(row.when):
        others = row.when[:place], row.when[place + 1 :]
        yield f"-guard:{guard}", "guard dropped", {"when": (*others[0], *others[1])}
        negated = guard[1:] if guard.startswith("!") else f"!{guard}"
        yield f"guard:{negated}", "guard negated", {"when": (*others[0], negated, *others[1])}
    for target in _targets(row):
        yield f"-> {target.value if target else 'stays'}", "transition retargeted", {"target": target}
    for place, action in enumerate(row.do):
        yield f"-do:{action}", "action dropped", {"do": (*row.do[:place], *row.do[place + 1 :])}
    if row.outcome is not None:
        yield "-outcome", "outcome dropped", {"outcome": None}
        wrong = Outcome.ABORTED if row.outcome is not Outcome.ABORTED else Outcome.COMPLETED
        yield f"outcome:{wrong.value}", "outcome changed", {"outcome": wrong}
    if row.reason is not None:
        wrong_reason = _reason_of_the_next(row, number)
        yield f"reason:{wrong_reason.name.lower()}", "reason changed", {"reason": wrong_reason}


def _targets(row: Row) -> list[State | None]:
    if row.target is None:
        return [row.sources[0]]
    wrong: list[State | None] = [state for state in WRONG_TARGETS if state is not row.target][:2]
    return [*wrong, None] if row.target in row.sources else wrong


def _reason_of_the_next(row: Row, number: int) -> Reason:
    following = (*TABLE[number + 1 :], *TABLE[:number])
    return next(other.reason for other in following if isinstance(other.reason, Reason) and other.reason is not row.reason)


def _swapped() -> Iterator[Mutant]:
    neighbours: dict[tuple[int, int], None] = {}
    for trigger in {row.trigger: None for row in TABLE}:
        for state in State:
            tried = [number for number, row in enumerate(TABLE) if row.trigger == trigger and state in row.sources]
            neighbours.update(dict.fromkeys(pair for pair in pairwise(tried) if not _exclude_each_other(*pair)))
    for one, other in sorted(neighbours):
        touched = _reached_by(one, other)
        yield Mutant(f"row:{name(TABLE[one])} after {name(TABLE[other])}", "neighbouring rows swapped", touched, partial(swap_rows, one, other))


def _exclude_each_other(one: int, other: int) -> bool:
    """Whether one row asks a guard and the other its opposite: which of them is tried first cannot matter."""
    return any(f"!{guard}" in TABLE[other].when or (guard.removeprefix("!") in TABLE[other].when and guard.startswith("!")) for guard in TABLE[one].when)


def of_states() -> Iterator[Mutant]:
    """Every deadline removed, and every action of entering a state dropped."""
    for state, deadlines in DEADLINES.items():
        for deadline in deadlines:
            yield Mutant(f"deadline:{state.value} -{deadline}", "deadline removed", (f"state {state.value}",), partial(_without_deadline, state, deadline))
    for state, actions in ENTER.items():
        for action in actions:
            yield Mutant(f"enter:{state.value} -do:{action}", "action on entry dropped", (f"state {state.value}",), partial(_without_action, state, action))


def _reached_by(*rows: int) -> tuple[str, ...]:
    """A test that takes one of the rows, or else comes to one of their states."""
    return (*[f"row {number}" for number in rows], *[f"state {state.value}" for number in rows for state in TABLE[number].sources])


def _without_deadline(state: State, deadline: str) -> None:
    del DEADLINES[state][deadline]


def _without_action(state: State, action: str) -> None:
    if action not in ENTER[state]:
        msg = f"{action} is not done on entering {state.value}"
        raise NoEffectError(msg)
    ENTER[state] = tuple(each for each in ENTER[state] if each != action)
