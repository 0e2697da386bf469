"""All mutants, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from tests.mutation.code import of_commands, of_orders, of_questions
from tests.mutation.mutant import Mutant
from tests.mutation.rows import of_rows, of_states


def mutants() -> list[Mutant]:
    """Every mutant once. Two that do the same have been told apart by their ids, or this fails."""
    found: dict[str, Mutant] = {}
    for mutant in _all():
        if mutant.id in found:
            msg = f"two mutants are called {mutant.id}"
            raise AssertionError(msg)
        found[mutant.id] = mutant
    return list(found.values())


def _all() -> Iterator[Mutant]:
    yield from chain(of_rows(), of_states(), of_questions(), of_orders(), of_commands())
