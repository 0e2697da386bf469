"""A piece of the exploration in the ordinary suite, and that it finds what is planted. The whole of it: `make explore`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.table import TABLE
from gate_controller.core.values import Direction, Region
from tests.exploration.help import NotHelpedError, longest_wait
from tests.exploration.run import explore, explore_together

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
    found = explore(POLICY, most_nodes=MOST)
    assert found.traces == {}
    assert found.nodes >= MOST


PLANTED = {
    "INV-5: an emergency is reported": lambda row: None if row.target is State.EMERGENCY else row,
    "INV-5: re-armed": lambda row: replace(row, when=()) if row.trigger == "rearmed" and row.target is State.OUT_OF_SERVICE else row,
}


@pytest.mark.parametrize("expected", PLANTED)
def test_a_planted_mistake_is_found_with_the_shortest_way_to_it(expected):
    table = tuple(row for row in map(PLANTED[expected], TABLE) if row is not None)
    found = explore(POLICY, table, most_nodes=MOST)
    what, trace = next(iter(found.traces.items()))
    assert what.startswith(expected)
    assert 2 <= len(trace) <= 4


def test_two_processes_find_what_one_finds():
    one, two = explore(POLICY, most_nodes=400), explore_together(POLICY, most_nodes=400)
    assert two.nodes >= 400
    assert (one.traces, two.traces) == ({}, {})


def test_waiting_for_help():
    assert longest_wait({}) == 0
    assert longest_wait({1: [2, 3], 3: [4]}) == 2
    with pytest.raises(NotHelpedError, match="nothing more is due"):
        longest_wait({1: [2], 2: []})
    with pytest.raises(NotHelpedError, match="circles"):
        longest_wait({1: [2], 2: [3, 1], 4: [1]})
