"""What keeps the lane closed after a restart, as the journal tells it (INV-5, ADR 13)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from gate_controller.composition.journal import latched_before, open_journal
from gate_controller.core.commands import CrossingRecord
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.journal import SqliteJournal
from gate_controller.journal.key_file import signer_beside
from gate_controller.ports.errors import StoreHeldError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path):
    with contextlib.closing(SqliteJournal(path, signer_beside(path, "gate-1"))) as journal:
        yield journal


def note(journal, kind, **fields):
    journal.event(kind, fields, 1.0)


def test_a_lane_that_lost_power_while_idle_comes_back_by_itself(journal, path):
    journal.admit("a", Region.HK, Direction.HK_TO_MO, 1.0)
    journal.record(CrossingRecord("a", Outcome.COMPLETED, None, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO), 2.0)
    note(journal, "journal_ready")
    assert latched_before(path) is None


def test_one_that_lost_power_with_a_traveller_admitted_waits_for_an_officer(journal, path):
    journal.admit("a", Region.HK, Direction.HK_TO_MO, 1.0)
    assert latched_before(path) is Reason.RESTARTED
    assert journal.close_open(2.0, Direction.HK_TO_MO) == ["a"]
    assert latched_before(path) is Reason.RESTARTED, "also when it loses power once more before the officer comes"
    note(journal, "rearmed", identity="officer 7")
    assert latched_before(path) is None


def test_so_does_one_whose_officer_was_letting_somebody_out_by_hand(journal, path):
    note(journal, "officer_released", identity="officer 7", reason="papers seen", crossing_id="by-hand")
    assert latched_before(path) is Reason.RESTARTED
    assert journal.close_open(2.0, Direction.HK_TO_MO) == ["by-hand"]
    note(journal, "rearmed", identity="officer 7")
    assert latched_before(path) is None


@pytest.mark.invariant("INV-5")
@pytest.mark.parametrize("after", [[], ["latched"], ["admission"], ["latched", "emergency_test"]])
def test_an_emergency_stays_the_reason_whatever_came_after_it(journal, path, after):
    note(journal, "emergency")
    for what in after:
        if what == "admission":
            journal.admit("a", Region.HK, Direction.HK_TO_MO, 1.0)
            journal.close_open(2.0, Direction.HK_TO_MO)
        else:
            note(journal, what, reason="door_forced")
    assert latched_before(path) is Reason.EMERGENCY
    note(journal, "rearmed", identity="officer 7")
    assert latched_before(path) is None


def test_of_two_latches_the_last_counts_and_one_before_the_rearm_does_not(journal, path):
    note(journal, "emergency")
    note(journal, "rearmed", identity="officer 7")
    note(journal, "latched", reason="left_unseen")
    note(journal, "latched", reason="door_forced")
    assert latched_before(path) is Reason.DOOR_FORCED


def test_a_reason_of_a_later_version_counts_as_the_gravest(journal, path):
    note(journal, "latched", reason="not_known_here")
    assert latched_before(path) is Reason.EMERGENCY


@pytest.fixture
def simulated(tmp_path: Path):
    """Settings of a simulated gate with its journal in a directory that exists."""
    path = tmp_path / "state" / "journal.db"
    path.parent.mkdir()
    return SimpleNamespace(
        gate=SimpleNamespace(id="gate-1", mode="simulation"),
        journal=SimpleNamespace(path=path, signing_key_file=None, signing_key_credential=None, retention_days=None),
    )


@pytest.mark.invariant("INV-4")
@pytest.mark.parametrize("put_aside", [("",), ("", "-wal", "-shm", ".last-signed")], ids=["the file", "with what was signed last"])
def test_a_journal_that_was_put_aside_does_not_say_that_nobody_is_inside(simulated, put_aside):
    path, clock = simulated.journal.path, SimpleNamespace(wall=lambda: 1000.0)
    with contextlib.closing(open_journal(simulated, clock)) as first:
        assert not first.begun_anew
        first.admit("a", Region.HK, Direction.HK_TO_MO, 1.0)
        first._lock_file, held = -1, first._lock_file  # killed: nothing is signed at the end
        os.close(held)
        first._connection.close()
        for each in (path.with_name(f"{path.name}{suffix}") for suffix in put_aside):
            if each.exists():
                each.rename(each.with_name(f"aside-{each.name}"))
        with contextlib.closing(open_journal(simulated, clock)) as anew:
            assert anew.begun_anew
        assert latched_before(path) is Reason.RESTARTED
        with contextlib.closing(open_journal(simulated, clock)) as once_more:
            assert not once_more.begun_anew
        assert latched_before(path) is Reason.RESTARTED, "until an officer has looked"


def test_a_first_journal_latches_nothing(simulated):
    with contextlib.closing(open_journal(simulated, SimpleNamespace(wall=lambda: 1000.0))) as journal:
        assert not journal.begun_anew
    assert latched_before(simulated.journal.path) is None


def test_a_journal_behind_a_link_has_one_writer(simulated, tmp_path):
    link = tmp_path / "elsewhere.db"
    with contextlib.closing(open_journal(simulated, SimpleNamespace(wall=lambda: 1000.0))):
        link.symlink_to(simulated.journal.path)
        with pytest.raises(StoreHeldError):
            SqliteJournal(link, signer_beside(simulated.journal.path, "gate-1"))
