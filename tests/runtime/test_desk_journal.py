"""The desk and the journal: traces behind their records, and what time alone demands."""

from __future__ import annotations

import contextlib

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.values import Device, Direction
from gate_controller.journal import EntryKind, JournalReader, SqliteJournal
from gate_controller.runtime.desk import Desk, Stores
from gate_controller.runtime.rederive import rederive
from tests.runtime.test_trace import Recorded


@pytest.fixture
def desk(stores, trust, session, around, sink, matcher):
    desk = Desk(Stores(stores, stores, stores, stores, trust), session, around, sink, lambda: "", (matcher.model,), Direction.HK_TO_MO)
    desk._recover()
    return desk


class Watched(Recorded):
    """Keeps the trace itself, as the gate hands it to the desk."""

    def tell(self, event):
        self.recorder.before()
        commands = self.controller.handle(event, self.now)
        trace = self.recorder.after(event, self.now, commands)
        self.records |= {command.record.crossing_id: command.record for command in commands if isinstance(command, c.RecordCrossing)}
        if trace is not None:
            self.traces[trace.crossing_id] = trace


def test_a_trace_is_written_behind_its_record_and_derives_it(desk, stores, tmp_path):
    lane = Watched().start().admit().verify().leave()
    with contextlib.closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        stores.record, stores.trace, stores.event = journal.record, journal.trace, journal.event
        desk._obey(c.RecordCrossing(lane.records["x"]))
        desk._obey(lane.traces["x"])
    with JournalReader(tmp_path / "journal.db") as reader:
        record, trace = reader.crossing("x")
    assert (record.kind, trace.kind) == (EntryKind.CROSSING, EntryKind.TRACE)
    assert rederive(trace.body["trace"]).record == lane.records["x"]


def test_a_trace_waits_with_its_record_while_the_disk_is_full(desk, stores):
    lane = Watched().start().admit().verify().leave()
    stores.broken.add("journal")
    desk._obey(c.RecordCrossing(lane.records["x"]))
    desk._obey(lane.traces["x"])
    stores.broken.clear()
    stores.written.clear()
    desk._probe()
    assert stores.written == [("event", "journal_ready"), ("record", "x"), ("trace", "x")]


def test_a_full_backlog_drops_traces_and_notes_before_records(desk, stores, monkeypatch):
    lane = Watched().start().admit().verify().leave()
    monkeypatch.setattr("gate_controller.runtime.desk.BACKLOG", 2)
    stores.broken.add("journal")
    for command in (lane.traces["x"], c.NoteEvent("one"), c.RecordCrossing(lane.records["x"]), c.NoteEvent("two")):
        desk._obey(command)
    stores.broken.clear()
    stores.written.clear()
    desk._probe()
    assert stores.written == [("event", "journal_ready"), ("record", "x"), ("event", "two")]


def test_a_trace_that_the_journal_refuses_is_set_aside(desk, stores):
    lane = Watched().start().admit().verify().leave()

    def refuses(*_):
        raise ValueError

    stores.trace = refuses
    desk._obey(lane.traces["x"])
    stores.written.clear()
    desk._probe()
    desk._probe()
    assert ("event", "record_set_aside") in stores.written
    assert stores.fields["record_set_aside"]["kind"] == "trace"


def test_the_journal_is_tended_once_a_second_and_lost_when_it_cannot_be(desk, stores, clock, inbox):
    tended = []
    stores.tend = tended.append
    desk._probe()
    desk._probe()
    assert tended == [clock.wall()] * 2

    def full(_wall):
        stores.broken.add("journal")
        stores._may("journal")

    stores.tend = full
    desk._probe()
    assert [event.device for event in inbox.of(e.DeviceLost)] == [Device.JOURNAL]
    stores.tend = tended.append
    desk._probe()
    assert len(tended) == 2, "not while it is lost"
    stores.broken.clear()
    desk._probe()
    assert len(tended) == 3
