"""The power is cut at calls of each store's workload: a few hundred disks in the suite, `make power` has tens of thousands. And the places where something was found."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gate_controller.journal import Signer
from gate_controller.journal.key_file import make_key
from gate_controller.ports import sqlite
from tests.power import sqlite_calls
from tests.power.cuts import Workload, cut, killed_at, record
from tests.power.disk import Mark, Names, Resize, Sync
from tests.power.journal_cuts import JournalCuts
from tests.power.replay_cuts import ReplayCuts
from tests.power.trust_cuts import TrustCuts

pytestmark = pytest.mark.skipif(sqlite_calls.unavailable() is not None, reason=sqlite_calls.unavailable() or "")


@pytest.mark.invariant("INV-8")
@pytest.mark.parametrize(
    ("make", "images"), [(lambda rng: ReplayCuts(rng, 20), 120), (lambda rng: JournalCuts(rng, 30), 50), (lambda rng: TrustCuts(rng, 3), 24)]
)
def test_what_was_acknowledged_is_there_after_the_power_comes_back(make: Callable[[random.Random], Workload], images: int) -> None:
    workload = make(random.Random(1))
    tally = cut(workload, record(workload), images, random.Random(1))
    assert not tally.violations, tally.examples
    assert all(tally.images[kind] for kind in ("power cut", "power cut in recovery", "killed, then power cut"))


def test_a_claim_by_a_process_killed_before_its_last_sync_does_not_damage_the_next_ones() -> None:
    workload = ReplayCuts(random.Random(1), 4)
    log = record(workload)
    ends = [number + 1 for number, op in enumerate(log.ops) if isinstance(op, Resize)]
    tally = killed_at(workload, log, ends[3:5], 60, random.Random(1))
    assert not tally.violations, tally.examples


@pytest.mark.parametrize("settled", [True, False])
def test_rows_of_a_killed_process_that_are_seen_are_durable(settled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the log was synced: the next process finds the rows, and nobody inside to be closed. Without its own sync they are found lost."""
    if not settled:
        monkeypatch.setattr(sqlite, "settle_log", lambda *_: None)
    workload = JournalCuts(random.Random(1), 10)
    log = record(workload)
    not_yet = [
        number
        for number, op in enumerate(log.ops)
        if isinstance(op, Sync)
        and op.where == "SQLite, the log"
        and isinstance(after := log.ops[min(number + 2, len(log.ops) - 1)], Mark)
        and not after.state.inside
    ]
    tally = killed_at(workload, log, not_yet[-3:], 0, random.Random(1))
    assert bool(tally.violations) is not settled, tally.examples


@pytest.mark.parametrize("made", ["cache", "current", "stick", "metadata"])
def test_what_a_killed_process_had_just_made_is_durable_before_anybody_builds_on_it(made: str) -> None:
    workload = TrustCuts(random.Random(1), 2)
    log = record(workload)
    made_at = [number for number, op in enumerate(log.ops, 1) if isinstance(op, Names) and op.changes[-1][0] == made and op.changes[-1][1] is not None]
    tally = killed_at(workload, log, made_at[-1:], 0, random.Random(1))
    assert not tally.violations, tally.examples


def test_half_a_signing_key_is_not_in_the_way(tmp_path: Path) -> None:
    key = tmp_path / "journal.key"
    key.with_name("journal.key.new").write_text("5a5a")
    make_key(key)
    Signer.from_file("e-channel/MO-GB-07/journal", key)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.key"]
