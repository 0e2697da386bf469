"""A piece of the exploration in the ordinary suite, and that it finds what is planted. The whole of it: `make explore`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.table import TABLE
from gate_controller.core.values import Direction, Region
from tests.exploration.search import Search

POLICY = CrossingPolicy(Region.MO, Direction.HK_TO_MO)
MOST = 1500


@pytest.mark.invariant("INV-1")
@pytest.mark.invariant("INV-2")
@pytest.mark.invariant("INV-3")
@pytest.mark.invariant("INV-4")
@pytest.mark.invariant("INV-5")
@pytest.mark.invariant("INV-6")
@pytest.mark.invariant("INV-8")
def test_the_states_nearest_to_the_start_break_no_invariant():
    found = Search(POLICY, most_nodes=MOST).run()
    assert found.violations == {}
    assert found.nodes >= MOST


PLANTED = {
    "INV-5: an emergency is reported": lambda row: None if row.target is State.EMERGENCY else row,
    "INV-5: re-armed": lambda row: replace(row, when=()) if row.trigger == "rearmed" and row.target is State.OUT_OF_SERVICE else row,
}


@pytest.mark.parametrize("expected", PLANTED)
def test_a_planted_mistake_is_found_with_the_shortest_way_to_it(expected):
    table = tuple(row for row in map(PLANTED[expected], TABLE) if row is not None)
    found = Search(POLICY, table, most_nodes=MOST).run()
    what, trace = next(iter(found.violations.items()))
    assert what.startswith(expected)
    assert 2 <= len(trace) <= 4
