"""A device that dies: noticed, named, fail-secure; and the lane comes back with it."""

from __future__ import annotations

import pytest

from gate_controller.cli.simulation import SimulatedGate

pytestmark = [pytest.mark.wire, pytest.mark.lane]
DEVICES = ("fingerprint", "io_board", "qr_camera", "face_camera")


@pytest.fixture(scope="module")
def gate(plan):
    with SimulatedGate(plan(travellers=1, seed=1)) as gate:
        yield gate


@pytest.mark.parametrize("device", DEVICES)
def test_an_idle_lane_closes_names_the_device_and_recovers(gate, wait_status, device):
    wait_status(gate, lambda status: status["state"] == "ready", "ready before the fault")
    gate.lane.kill(device)
    lost = wait_status(gate, lambda status: status["state"] == "out_of_service", f"{device} killed")
    assert lost["reason"] in {f"{device}_lost", "inputs_unknown"}
    lost = wait_status(gate, lambda status: status["devices"][device]["state"] == "lost", f"{device} reported lost")
    assert lost["devices"][device]["remedy"]
    assert lost["devices"][device]["code"] in {"absent", "timeout", "protocol", "untrusted"}
    assert [name for name, report in lost["devices"].items() if report["state"] == "lost"] == [device]
    gate.lane.restart(device)
    wait_status(gate, lambda status: status["state"] == "ready", f"{device} restarted")


@pytest.mark.parametrize("device", ["fingerprint", "face_camera", "io_board"])
def test_with_a_traveller_inside_an_officer_is_called_and_the_exit_stays_shut(plan, wait_status, device):
    with SimulatedGate(plan(travellers=1, seed=two_seeds_good())) as gate:
        gate.simulation.open_queue()
        wait_status(gate, lambda status: status["state"] in {"occupancy_check", "identity_check"}, "the traveller is inside")
        gate.lane.kill(device)
        status = wait_status(gate, lambda status: status["officer_call"] is not None or status["state"] == "out_of_service", f"{device} killed")
        assert status["state"] in {"officer_referral", "return_path", "out_of_service"}
        gate.lane.restart(device)
        visit = next(gate.visits())
        assert visit.as_json()["outcome"] in {"returned", "abandoned", "aborted"}
        assert visit.truth.left_by is None or visit.truth.left_by.value == "entry_door"
        assert gate.violations == []


def two_seeds_good() -> int:
    """A seed whose first traveller is a good one."""
    from gate_controller.core.values import Region
    from simulators.authority import Authorities
    from simulators.travellers.cast import Kind, build_cast

    for seed in range(100):
        cast = build_cast(seed=seed, count=1, region=Region.MO, now=1_800_000_000, authorities=Authorities("any"), audience="MO-SIM")
        if cast.members[0].kind is Kind.GOOD:
            return seed
    pytest.fail("no seed begins with a good traveller")
