"""The default cast in a Macao lane, and its first five travellers again with three things swapped."""

from __future__ import annotations

import pytest

from gate_controller.core.values import Region
from simulators.authority import Authorities
from simulators.travellers.cast import ROUND, Cast, Kind, Override, Part, build_cast

pytestmark = [pytest.mark.wire, pytest.mark.lane]
SEED = 177
"""Its cast begins with three good travellers, a wrong finger and an unknown issuer: all that the swaps need."""
FIRST = 5


def cast_of(seed: int) -> Cast:
    return build_cast(seed=seed, count=12, region=Region.MO, now=1_800_000_000, authorities=Authorities("any"), audience="MO-SIM")


@pytest.fixture(scope="module")
def crossed(run_cast):
    return run_cast(region=Region.MO, travellers=12, seed=SEED)


def test_the_cast_holds_everybody(crossed):
    visits, _ = crossed
    kinds = [visit.member.kind for visit in visits.values()]
    assert sorted(kind.value for kind in kinds) == sorted(kind.value for kind in ROUND), "whoever brings a picture comes after the twelve"
    assert {visit.member.region for visit in visits.values() if visit.member.kind is Kind.GOOD} == set(Region)


def test_each_ends_as_it_must_with_the_right_reason(crossed):
    visits, _ = crossed
    wrong = {
        name: [(record["outcome"], record["reason"], record["steps"]) for record in visit.records] for name, visit in visits.items() if not visit.as_expected
    }
    assert wrong == {}, wrong  # all of them: pytest shortens


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
    before = dict(list(crossed[0].items())[:FIRST])
    members = [visit.member for visit in before.values()]
    first, second, third = (member.name for member in members if member.kind is Kind.GOOD)
    stranger = next(member.name for member in members if member.kind is Kind.UNKNOWN_ISSUER)
    overrides = (Override(first, Part.PHONE, stranger), Override(second, Part.FACE, first), Override(third, Part.FINGER, second))
    after, violations = run_cast(region=Region.MO, travellers=FIRST, seed=SEED, overrides=overrides)
    assert violations == []
    changed = {name: outcome(after[name]) for name in before if outcome(after[name]) != outcome(before[name])}
    assert changed == {
        first: ("refused", "pass_unknown_key"),
        second: ("returned", "face_mismatch"),
        third: ("returned", "fingerprint_mismatch"),
    }


def test_the_same_seed_gives_the_same_cast():
    first, second = cast_of(SEED), cast_of(SEED)
    assert [(member.name, member.face, member.finger, member.speed) for member in first.members] == [
        (member.name, member.face, member.finger, member.speed) for member in second.members
    ]
