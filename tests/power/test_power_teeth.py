"""That the check bites: without syncs it finds lost acknowledged data in every store, and each single sync of the product is missed by it when it is left out."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate_controller.passes import replay
from gate_controller.ports import sqlite
from gate_controller.trust import floor
from tests.power import sqlite_calls
from tests.power.cuts import Workload, cut, cut_at, cut_at_marks, record
from tests.power.disk import Names, Sync
from tests.power.journal_cuts import JournalCuts
from tests.power.replay_cuts import ReplayCuts
from tests.power.trust_cuts import TrustCuts

pytestmark = pytest.mark.skipif(sqlite_calls.unavailable() is not None, reason=sqlite_calls.unavailable() or "")

LOST = {
    "replay memory": "what had been acknowledged is lost",
    "journal": "rows that had been acknowledged are lost",
    "trust store": "the floor is lower than was acknowledged",
}
SMALL: tuple[Callable[[random.Random], Workload], ...] = (lambda rng: ReplayCuts(rng, 10), lambda rng: JournalCuts(rng, 10), lambda rng: TrustCuts(rng, 3))
"""In the order of LOST."""


@pytest.mark.parametrize("make", SMALL, ids=LOST)
def test_with_synchronous_off_acknowledged_data_is_found_lost(make: Callable[[random.Random], Workload], monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite.connect

    def without_synchronous(path: Path, *arguments: Any) -> sqlite3.Connection:
        connection = connect(path, *arguments)
        if path.suffix != ".new":  # the store itself is made as ever, so that what is lost is lost without a word
            connection.execute("PRAGMA synchronous=OFF").fetchall()
        return connection

    for module in (sqlite, replay, floor):
        monkeypatch.setattr(module, "connect", without_synchronous)
    workload = make(random.Random(1))
    log = record(workload)
    found = cut_at_marks(workload, log).violations
    assert any(LOST[workload.name] in what for what in found), found


@pytest.mark.parametrize("make", SMALL, ids=LOST)
def test_on_a_disk_that_ignores_every_sync_acknowledged_data_is_found_lost(make: Callable[[random.Random], Workload]) -> None:
    workload = make(random.Random(1))
    found = cut(workload, record(workload).without(lambda _: True), 60, random.Random(1), stop_at_first=True)
    assert found.violations


def test_with_synchronous_full_nothing_is_found_lost_at_the_same_moments() -> None:
    for make in SMALL:
        workload = make(random.Random(1))
        assert not cut_at_marks(workload, record(workload)).violations


@pytest.mark.parametrize(
    ("store", "left_out"),
    [("replay memory", "the database"), ("journal", "the log"), ("journal", "make_key"), ("journal", "write_new < write_last_signed")],
)
def test_without_one_kind_of_sync_acknowledged_data_is_found_lost(store: str, left_out: str) -> None:
    workload = SMALL[list(LOST).index(store)](random.Random(1))
    log = record(workload)
    assert any(isinstance(op, Sync) and left_out in op.where for op in log.ops)
    assert cut_at_marks(workload, log.without(lambda sync: left_out in sync.where)).violations


@pytest.mark.parametrize(
    "left_out",
    ["write_new < _write_tree", "sync < _write_tree", "write_new < _point_to", "sync < _point_to", "_make < lock", "< export_trust"],
)
def test_without_one_of_the_trust_stores_own_syncs_acknowledged_data_is_found_lost(left_out: str) -> None:
    workload = SMALL[2](random.Random(1))
    log = record(workload)
    assert any(isinstance(op, Sync) and left_out in op.where for op in log.ops)
    assert cut_at_marks(workload, log.without(lambda sync: left_out in sync.where)).violations


def test_a_sync_that_only_keeps_an_order_is_missed_too() -> None:
    """The generation must have its name before `current` names it; a later sync of the same directory makes both durable, but not in this order."""
    workload = SMALL[2](random.Random(1))
    log = record(workload).without(lambda sync: sync.where.startswith("sync < install"))
    renamed = [number for number, op in enumerate(log.ops, 1) if isinstance(op, Names) and op.changes[-1][0] == "current"]
    assert cut_at(workload, log, renamed[-1:], 8, random.Random(1)).violations
