"""The default cast in a Macao lane, and the same cast with three things swapped."""

from __future__ import annotations

import pytest

from gate_controller.core.values import Region
from simulators.authority import Authorities
from simulators.travellers.cast import Kind, Override, Part, build_cast

pytestmark = [pytest.mark.wire, pytest.mark.lane]
SEED = 1


@pytest.fixture(scope="module")
def crossed(run_cast):
    return run_cast(region=Region.MO, travellers=10, seed=SEED)


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


def test_outcomes_come_from_the_devices_not_from_the_labels(crossed, run_cast, outcome):
    """Swap one's phone, another's face, a third's finger for somebody else's: exactly their outcomes change."""
    before, _ = crossed
    order = list(before)
    victim = next(order[place - 1] for place, name in enumerate(order) if before[name].member.kind is Kind.REPLAY)
    first, second = (name for name, visit in before.items() if visit.member.kind is Kind.GOOD and name != victim)
    stranger = next(name for name, visit in before.items() if visit.member.kind is Kind.UNKNOWN_ISSUER)
    overrides = (Override(first, Part.PHONE, stranger), Override(second, Part.FACE, first), Override(victim, Part.FINGER, second))
    after, violations = run_cast(region=Region.MO, travellers=10, seed=SEED, overrides=overrides)
    assert violations == []
    changed = {name: outcome(after[name]) for name in before if outcome(after[name]) != outcome(before[name])}
    assert changed == {
        first: ("refused", "pass_unknown_key"),
        second: ("returned", "face_mismatch"),
        victim: ("returned", "fingerprint_mismatch"),
    }


def test_the_same_seed_gives_the_same_cast():
    casts = [build_cast(seed=SEED, count=10, region=Region.MO, now=1_800_000_000, authorities=Authorities("any"), audience="MO-SIM") for _ in range(2)]
    assert [(member.name, member.face, member.finger, member.speed) for member in casts[0].members] == [
        (member.name, member.face, member.finger, member.speed) for member in casts[1].members
    ]
