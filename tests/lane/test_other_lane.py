from __future__ import annotations

import pytest

from gate_controller.core.values import Door, Region
from gate_controller.ports.devices import Family
from simulators.world import Lock

pytestmark = [pytest.mark.wire, pytest.mark.lane]

FAIL_SAFE_ENTRY = {Door.ENTRY: Lock.FAIL_SAFE, Door.EXIT: Lock.FAIL_SECURE}
SINGLE_DOOR = {Door.EXIT: Lock.FAIL_SECURE}


def test_the_other_lane_works_as_well_with_another_family_of_reader_and_a_fail_safe_entry(run_cast):
    """A wrong face, an unknown issuer and two good travellers."""
    visits, violations = run_cast(region=Region.HK, travellers=4, seed=85, family=Family.ZFM20, doors=FAIL_SAFE_ENTRY)
    assert {name: visit.as_json() for name, visit in visits.items() if not visit.as_expected} == {}
    assert sorted(visit.member.kind.value for visit in visits.values()) == ["good", "good", "unknown-issuer", "wrong-face"]
    assert violations == []


def test_a_lane_without_an_entry_door_lets_through_and_sends_back(run_cast):
    """A wrong finger, a good traveller, and two who come in at once."""
    visits, violations = run_cast(region=Region.HK, travellers=3, seed=47, doors=SINGLE_DOOR)
    assert {name: visit.as_json() for name, visit in visits.items() if not visit.as_expected} == {}
    assert [(visit.member.kind.value, visit.truth.left_by) for visit in visits.values()] == [
        ("wrong-finger", Door.ENTRY),
        ("good", Door.EXIT),
        ("tailgater", Door.ENTRY),
    ]
    assert violations == []
