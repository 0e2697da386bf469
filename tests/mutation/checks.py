"""The four checks that a mutant meets, each played in a process of its own: the core's tests, its properties, the exploration, the simulation.

A check gives the name of what found the mistake, or None. Nothing here depends on the clock, on chance or on what was found before: hypothesis
draws the same examples each time and keeps none, simulations have fixed seeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from gate_controller.core.policy import BiometricRule, CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.values import Direction, Region
from simulators.virtual.episode import Episode
from simulators.virtual.profile import PROFILES
from tests.mutation.mutant import Mutant
from tests.mutation.near import violation

TESTS, PROPERTIES, EXPLORATION, SIMULATION = CHECKS = ("tests", "properties", "exploration", "simulation")
NOT_JUDGES = {"test_diagram.py", "test_machine.py", "test_exceptions.py"}
"""Tests of tests/core that look at the table's text or compare it with itself: that they notice a change says nothing."""
PROPERTY_FILES = {"test_invariants.py", "test_stateful.py"}
CPU_LIMIT_S = {TESTS: 60, PROPERTIES: 120, EXPLORATION: 300, SIMULATION: 120}
"""A mutant that takes longer is found: it hangs. Seconds of processor time, many times what each takes without a mistake."""

HARSH = PROFILES["harsh"]
STORM = replace(HARSH, fault_rates={state: min(1.0, 5 * rate) for state, rate in HARSH.fault_rates.items()})
"""Five times as many faults."""
EPISODES = tuple((name, number) for number in range(20) for name in ("storm", "harsh"))
"""40 episodes of 25 travellers."""
POLICIES = {
    "both": CrossingPolicy(Region.MO, Direction.HK_TO_MO),
    "either, the exit opens": CrossingPolicy(Region.MO, Direction.HK_TO_MO, biometric_rule=BiometricRule.EITHER, emergency_opens_exit=True),
    "officer confirms": CrossingPolicy(Region.MO, Direction.HK_TO_MO, biometric_rule=BiometricRule.FACE_ONLY_WITH_OFFICER),
}
MOST_NODES = 300
"""Of each search, one for each state that the mistake is in."""


def kind_of(item: pytest.Item) -> str | None:
    """Which check a test of tests/core belongs to."""
    if item.path.name in NOT_JUDGES:
        return None
    drawn = item.path.name in PROPERTY_FILES and (item.path.name == "test_stateful.py" or getattr(item.obj, "is_hypothesis_test", False))  # type: ignore[attr-defined]
    return PROPERTIES if drawn else TESTS


def by_tests(items: Iterable[pytest.Item]) -> str | None:
    """The first test that fails."""
    for item in items:
        reports = runtestprotocol(item, nextitem=None, log=False)
        if any(report.failed for report in reports):
            return short(item)
    return None


def by_exploration(mutant: Mutant | None, hint: str | None) -> str | None:
    """The first violation near where the mistake is."""
    touched = mutant.touches if mutant is not None else ()
    states = frozenset(State(name.removeprefix("state ")) for name in touched if name.startswith("state "))
    for name in _hinted(POLICIES, hint):
        found = violation(POLICIES[name], states, MOST_NODES)
        if found is not None:
            return f"{name}: {found}"
    return None


def by_simulation(hint: str | None) -> str | None:
    """The first violation in a fixed set of episodes."""
    places = {f"{name} {number}": (name, number) for name, number in EPISODES}
    for place in _hinted(places, hint):
        name, number = places[place]
        result = Episode(STORM if name == "storm" else HARSH, 1, number, 25).run()
        if result.violations:
            return f"{place}: {result.violations[0][1].invariant}"
    return None


def _hinted(names: Iterable[str], hint: str | None) -> list[str]:
    """What found it last time comes first; the part after the colon says only what was wrong."""
    last = (hint or "").partition(": ")[0]
    return sorted(names, key=lambda name: name != last)


def short(item: pytest.Item) -> str:
    """A test's name without the directories."""
    return f"{Path(item.path).name}::{item.name}"


def in_order(items: list[pytest.Item], mutant: Mutant, reached: dict[str, list[str]], hint: str | None) -> list[pytest.Item]:
    """What found it last time, then the tests that reach the mistake, the nearest first, then all others."""
    rank = {name: place for place, name in enumerate(chain.from_iterable(_reaching(touched, reached) for touched in reversed(mutant.touches)))}
    return sorted(items, key=lambda item: -1 if short(item) == hint else len(rank) - rank[short(item)] if short(item) in rank else len(rank) + 1)


def _reaching(touched: str, reached: dict[str, list[str]]) -> list[str]:
    return [test for test, names in reached.items() if touched in names]
