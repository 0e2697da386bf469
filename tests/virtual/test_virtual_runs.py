"""Runs in virtual time: no violation, the same whatever the processes, every kind of thing met."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from simulators.virtual.batch import TRAVELLERS, Run, play, play_all
from simulators.virtual.episode import Episode
from simulators.virtual.profile import PROFILES
from simulators.virtual.result import Result

DIGEST = "import sys; from simulators.virtual.batch import Run, play; print(play(Run('harsh', 7, 50), 0, 2).digest)"


def total(run: Run, jobs: int = 1) -> Result:
    whole = Result()
    for result in play_all(run, jobs):
        whole.add(result)
    return whole


@pytest.mark.invariant("INV-1")
@pytest.mark.invariant("INV-2")
@pytest.mark.invariant("INV-3")
@pytest.mark.invariant("INV-4")
@pytest.mark.invariant("INV-5")
@pytest.mark.invariant("INV-6")
@pytest.mark.invariant("INV-8")
def test_a_thousand_travellers_and_the_harshest_faults_violate_nothing():
    whole = total(Run("harsh", 1, 1000))
    assert whole.violations == []
    assert whole.crossed > 900
    assert whole.identity_share >= 0.5
    assert len(whole.outcomes) == 7, "every outcome is met"


@pytest.mark.invariant("INV-2")
@pytest.mark.invariant("INV-4")
@pytest.mark.invariant("INV-8")
def test_lanes_with_a_single_door_violate_nothing_either():
    whole = total(Run("harsh", 1, 400, single_door=True))
    assert whole.violations == []
    assert whole.identity_share >= 0.5
    assert whole.reasons["walked_in"]
    assert not any(count for (kind, _), count in whole.faults.items() if kind in {"entry forced", "entry stuck", "entry contacts disagree"})


def test_every_admitted_traveller_is_accounted_for():
    whole = total(Run("harsh", 2, 300))
    assert whole.admissions == whole.admitted.total() > 200
    assert whole.unaccounted == 0


@pytest.mark.parametrize("single_door", [False, True])
def test_without_faults_everybody_crosses(single_door: bool):
    whole = total(Run("none", 1, 100, single_door=single_door))
    assert whole.violations == []
    assert whole.outcomes == {"completed": 100}
    assert not whole.exempt


def test_the_same_seed_gives_the_same_run_in_another_process_whatever_its_hash_seed():
    here = play(Run("harsh", 7, 50), 0, 2).digest
    hashed = {**os.environ, "PYTHONHASHSEED": "1"}  # sets of names are walked in another order there
    there = subprocess.run([sys.executable, "-c", DIGEST], env=hashed, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


def test_another_seed_gives_another_run():
    assert play(Run("harsh", 7, 50), 0, 2).digest != play(Run("harsh", 8, 50), 0, 2).digest


def test_an_episode_played_alone_is_the_one_of_the_run():
    run = Run("harsh", 3, 3 * TRAVELLERS)
    traced: list[str] = []
    alone = Episode(PROFILES["harsh"], 3, 1, TRAVELLERS).run(traced.append)
    assert alone.digest == play(run, 1, 2).digest
    assert any("PassRead" in line for line in traced)


def test_the_number_of_jobs_changes_nothing(monkeypatch):
    monkeypatch.setattr("simulators.virtual.batch.CHUNK", 1)
    run = Run("harsh", 5, 50)
    assert total(run, jobs=2).digest == total(run, jobs=1).digest
