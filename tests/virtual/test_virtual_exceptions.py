"""Each row of the table of exceptions is shown by the episode that it names."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.virtual.faults import KINDS
from simulators.virtual.habits import MISBEHAVING, UNINVITED
from tests.core import exceptions_page
from tests.virtual.shown import shown, trace

ROWS = [item for item in exceptions_page.items() if "simulation" in item]
NOTES = {"rearm_refused"}


@pytest.mark.parametrize("item", ROWS, ids=lambda item: item["name"])
def test_the_episode_shows_the_exception(item: dict[str, Any]) -> None:
    simulation = item["simulation"]
    by = simulation.get("by")
    assert by is None or by in {*KINDS, *(habit.name for habit in MISBEHAVING + UNINVITED), *NOTES}
    assert shown(trace(simulation["seed"], simulation["only"]), simulation, item["reasons"]), "python -m tests.virtual.find_seeds finds them anew"


def test_the_rows_without_an_episode_are_those_of_other_layers():
    assert {item["name"] for item in exceptions_page.items() if "simulation" not in item} == {
        "upload down",
        "bad configuration",
        "duplicate device",
    }
