"""The page of all exceptions (docs/exceptions.md), written from exceptions.toml. Run as a module to write it anew; test_exceptions.py checks it."""

from __future__ import annotations

import re
import tomllib
from itertools import groupby
from pathlib import Path
from typing import Any

from gate_controller.core.reasons import Reason
from gate_controller.core.states import State

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).with_name("exceptions.toml")
PAGE = ROOT / "docs" / "exceptions.md"
HEAD = """# What may go wrong, and what the gate does

Generated from `tests/core/exceptions.toml` by `python -m tests.core.exceptions_page`; do not edit. Reasons are the codes in records and events
(`gate_controller/core/reasons.py`), states those of [the lane](state-diagram.md). *In simulation*: the fault or habit that brings it about in a run with the
harshest faults, and the episode that shows it: `gatectl simulate --virtual --faults harsh --seed SEED --only EPISODE`
(`python -m tests.virtual.find_seeds` finds them anew after a change of the core).
"""


def items() -> list[dict[str, Any]]:
    """All exceptions, in the order of the file."""
    found: list[dict[str, Any]] = tomllib.loads(DATA.read_text())["exception"]
    return found


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for group, each in groupby(items(), key=lambda item: item["group"]):
        lines = [f"## {group}", "", "| what | what the gate does | reasons | states | tests | in simulation |", "|---|---|---|---|---|---|"]
        for item in each:
            tests = "<br>".join(f"`{test}`" for test in item["tests"])
            cells = (item["name"], item["does"], ", ".join(item["reasons"]), ", ".join(item["states"]), tests, _in_simulation(item))
            lines.append("| " + " | ".join(cells) + " |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _in_simulation(item: dict[str, Any]) -> str:
    """What brings it about there and the episode that shows it, or why none does."""
    if "simulation" not in item:
        return f"no: {item['not_simulated']}"
    simulation = item["simulation"]
    return f"{simulation['by'] + ': ' if 'by' in simulation else ''}seed {simulation['seed']}, episode {simulation['only']}"


def mistakes() -> list[str]:
    """What the file says and is not so."""
    codes, states = {reason.code for reason in Reason}, {state.value for state in State}
    wrong = []
    for item in items():
        wrong += [f"{item['name']}: no reason {code}" for code in item["reasons"] if code not in codes]
        wrong += [f"{item['name']}: no state {state}" for state in item["states"] if state not in states]
        wrong += [f"{item['name']}: no test {test}" for test in item["tests"] if not _exists(test)]
        if ("simulation" in item) is ("not_simulated" in item):
            wrong.append(f"{item['name']}: either an episode of the simulation, or why there is none")
        if not item["tests"] and "Not done" not in item["does"]:
            wrong.append(f"{item['name']}: no test at all")
    return wrong


def _exists(test: str) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / "tests" / file
    return path.is_file() and re.search(rf"^def {re.escape(name)}\(", path.read_text(), re.MULTILINE) is not None


if __name__ == "__main__":
    PAGE.write_text(page())
