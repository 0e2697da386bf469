"""Newer trust is taken while travellers cross: from the next presentation on it counts, and nobody notices anything else."""

from __future__ import annotations

import pytest

from gate_controller.cli.simulation import SimulatedGate
from simulators.travellers.cast import Kind

pytestmark = [pytest.mark.wire, pytest.mark.lane]
SEED = 61
"""Its cast begins with two good travellers."""


def test_a_pass_revoked_while_somebody_crosses_is_refused_and_nobody_is_lost(plan, wait_status, outcome):
    with SimulatedGate(plan(travellers=2, seed=SEED)) as gate:
        first, second = gate.cast.members
        assert (first.kind, second.kind) == (Kind.GOOD, Kind.GOOD)
        before = gate.client.status()["trust_store"]["versions"]
        visits = gate.visits()
        gate.simulation.open_queue()
        inside = {"occupancy_check", "identity_check"}
        wait_status(gate, lambda status: gate.simulation.presenter == first.name and status["state"] in inside, "the first is inside")
        gate.trust.revoke(second.region, index=2)
        assert gate.trust.bring(gate.config).changed
        status = wait_status(gate, lambda status: status["trust_store"]["versions"] != before, "newer trust is in force")
        assert status["trust_store"]["problem"] is None
        visit = {visit.member.name: visit for visit in visits}
        assert outcome(visit[first.name]) == ("completed", None)
        assert outcome(visit[second.name]) == ("refused", "pass_revoked")
        assert [len(each.records) for each in visit.values()] == [1, 1]
        assert gate.violations == []
