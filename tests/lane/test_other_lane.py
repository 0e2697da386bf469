from __future__ import annotations

import pytest

from gate_controller.core.values import Region
from gate_controller.ports.devices import Family

pytestmark = [pytest.mark.wire, pytest.mark.lane]


def test_the_other_lane_works_as_well_with_another_family_of_reader(run_cast):
    """A wrong face, an unknown issuer and two good travellers."""
    visits, violations = run_cast(region=Region.HK, travellers=4, seed=85, family=Family.ZFM20)
    assert {name: visit.as_json() for name, visit in visits.items() if not visit.as_expected} == {}
    assert sorted(visit.member.kind.value for visit in visits.values()) == ["good", "good", "unknown-issuer", "wrong-face"]
    assert violations == []
