"""The whole gate as processes: real drivers on wire simulators, a daemon, travellers. Outcomes are read from its control socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gate_controller.cli.simulation import Plan, SimulatedGate, Visit
from gate_controller.ports.control import JsonObject

MODELS = Path(__file__).parents[2] / "var" / "models"
GENEROUS_S = 240.0
HURRY = 2.0
"""Doors and people are twice as fast as usual; everything else takes as long as it takes."""


def outcome_of(visit: Visit) -> tuple[str | None, str | None]:
    facts = visit.as_json()
    return facts["outcome"], facts["reason"]


@pytest.fixture(scope="session")
def run_cast() -> Callable[..., tuple[dict[str, Visit], list[object]]]:
    """Let a cast cross; gives the visits by traveller and the world's list of violations."""

    def run(**plan: object) -> tuple[dict[str, Visit], list[object]]:
        with SimulatedGate(Plan(kiosk_port=0, models=MODELS, hurry=HURRY, pad=False, **plan)) as gate:
            visits = {visit.member.name: visit for visit in gate.visits()}
            return visits, list(gate.violations)

    return run


@pytest.fixture(scope="session")
def outcome() -> Callable[[Visit], tuple[str | None, str | None]]:
    return outcome_of


@pytest.fixture(scope="session")
def plan() -> Callable[..., Plan]:
    return lambda **fields: Plan(kiosk_port=0, models=MODELS, hurry=HURRY, pad=False, **fields)


@pytest.fixture(scope="session")
def wait_status() -> Callable[[SimulatedGate, Callable[[JsonObject], bool], str], JsonObject]:
    """Wait until the gate's status is as wanted; generous, since only the order of things is under test."""

    def wait(gate: SimulatedGate, wanted: Callable[[JsonObject], bool], what: str) -> JsonObject:
        limit = time.monotonic() + GENEROUS_S
        status: JsonObject = {}
        while time.monotonic() < limit:
            status = gate.client.status()
            if wanted(status):
                return status
            time.sleep(0.02)
        pytest.fail(f"{what}: not in {GENEROUS_S:g} s; the status is {status}")

    return wait
