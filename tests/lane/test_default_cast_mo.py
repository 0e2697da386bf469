from __future__ import annotations

import pytest

from gate_controller.core.values import Region
from simulators.travellers.cast import Kind

pytestmark = [pytest.mark.wire, pytest.mark.lane]


@pytest.fixture(scope="module")
def crossed(run_cast):
    return run_cast(region=Region.MO, travellers=10, seed=1)


def test_the_cast_holds_everybody(crossed):
    visits, _ = crossed
    kinds = [visit.member.kind for visit in visits.values()]
    assert sorted(kind.value for kind in kinds) == sorted([Kind.GOOD.value] * 3 + [kind.value for kind in Kind if kind is not Kind.GOOD])
    assert {visit.member.region for visit in visits.values() if visit.member.kind is Kind.GOOD} == set(Region)


def test_each_ends_as_it_must_with_the_right_reason(crossed):
    visits, _ = crossed
    wrong = {name: visit.as_json() for name, visit in visits.items() if not visit.as_expected}
    assert wrong == {}


@pytest.mark.invariant("INV-1")
def test_the_worlds_doors_never_disagree_with_the_interlock(crossed):
    assert crossed[1] == []


@pytest.mark.invariant("INV-2")
def test_only_those_who_completed_really_left_through_the_exit(crossed):
    visits, _ = crossed
    by_exit = {name for name, visit in visits.items() if visit.truth.left_by is not None and visit.truth.left_by.value == "exit_door"}
    assert by_exit == {name for name, visit in visits.items() if visit.as_json()["outcome"] == "completed"}


def test_a_completed_crossing_tells_its_steps_in_order(crossed):
    visits, _ = crossed
    good = next(visit.as_json() for visit in visits.values() if visit.member.kind is Kind.GOOD)
    names = [name for name, _ in good["steps"]]
    assert names[:4] == ["pass_read", "pass_verified", "authorised", "admitted"]
    assert {"face_successful", "fingerprint_successful"} < set(names)
    assert names[-3:] == ["exit_commanded", "exited", "chamber_empty"]
    assert [at for _, at in good["steps"]] == sorted(at for _, at in good["steps"])
