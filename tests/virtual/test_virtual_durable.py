"""The virtual journal and the real one tell a restart the same, whatever was written before."""

from __future__ import annotations

import contextlib
from pathlib import Path
from random import Random

import pytest

from gate_controller.composition.journal import latched_before
from gate_controller.core.commands import CrossingRecord, NoteEvent, RecordCrossing
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.journal import SqliteJournal
from gate_controller.journal.key_file import signer_beside
from simulators.virtual.desk import Durable

NOTES = {
    "emergency": {},
    "latched": {"reason": "door_forced"},
    "rearmed": {"identity": "officer 7"},
    "rearm_refused": {"identity": "officer 7"},
}


@pytest.mark.invariant("INV-5")
@pytest.mark.parametrize("seed", range(4))
def test_both_journals_close_the_same_and_latch_the_same(tmp_path: Path, seed: int) -> None:
    path, rng, durable, number, under_way = tmp_path / "journal.db", Random(seed), Durable(), 0, ""
    with contextlib.closing(SqliteJournal(path, signer_beside(path, "gate-1"))) as journal:

        def note(kind: str, fields: dict[str, str]) -> None:
            journal.event(kind, fields, 1.0)
            durable.write(NoteEvent(kind, tuple(sorted(fields.items()))))

        for _ in range(60):
            act = rng.choice([*NOTES, "admission", "officer_released", "officer_returned", "outcome", "outcome", "restart"])
            if act in NOTES:
                note(act, NOTES[act])
            elif act == "restart":
                before = set(durable.outcomes)
                durable.close_open()
                assert set(journal.close_open(1.0, Direction.HK_TO_MO)) == set(durable.outcomes) - before
                under_way = ""
            elif act == "outcome" and under_way:
                record = CrossingRecord(under_way, Outcome.COMPLETED, None, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO)
                journal.record(record, 1.0)
                durable.write(RecordCrossing(record))
                under_way = ""
            elif act == "admission" and not under_way:
                number, under_way = number + 1, f"x{number}"
                journal.admit(under_way, Region.HK, Direction.HK_TO_MO, 1.0)
                durable.admitted.append(under_way)
            elif act.startswith("officer"):
                if not under_way:
                    number, under_way = number + 1, f"officer-{number}"
                note(act, {"identity": "officer 7", "reason": "papers seen", "crossing_id": under_way})
            assert latched_before(path) is durable.latched_before()
