from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from structlog.testing import capture_logs

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Device, Direction, Outcome, PassFacts, Region
from gate_controller.ports.devices import FaceModel
from gate_controller.ports.errors import StoreError, StoreRefusedError
from gate_controller.ports.services import EnrolmentState, PassAccepted, PassRejected
from gate_controller.runtime import desk as desk_module
from gate_controller.runtime.desk import Desk, Stores

FACTS = PassFacts(b"p" * 16, b"r" * 16, Region.HK, 1, 5, 4, 9)
ADMISSION = c.RecordAdmission("x", b"p" * 16, 5, 9, Region.HK, Direction.HK_TO_MO)
RECORD = c.RecordCrossing(c.CrossingRecord("x", Outcome.COMPLETED, None, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO))


@pytest.fixture
def desk(stores, trust, session, around, sink, matcher, reader):
    desk = Desk(Stores(stores, stores, stores, stores, trust), session, around, sink, lambda: reader.template_format, (matcher.model,), Direction.HK_TO_MO)
    desk._recover()
    return desk


def lost(inbox):
    return [event.device for event in inbox.of(e.DeviceLost)]


def test_all_stores_report_ready_at_the_start(desk, inbox):
    assert {event.device for event in inbox.of(e.DeviceReady)} == {Device.PASS_VERIFIER, Device.TRUST, Device.ENROLMENT, Device.JOURNAL}


def test_the_verifiers_answer_becomes_an_event(desk, stores, inbox):
    stores.decision = PassAccepted(FACTS)
    desk._obey(c.VerifyPass("x", "T"))
    stores.decision = PassRejected(Reason.PASS_EXPIRED, 6)
    desk._obey(c.VerifyPass("y", "T"))
    assert inbox.of(e.PassVerified) == [e.PassVerified("x", FACTS)]
    assert inbox.of(e.PassRefused) == [e.PassRefused("y", Reason.PASS_EXPIRED)]


def test_templates_stay_in_the_session_and_only_facts_reach_the_core(desk, stores, session, inbox, make_record):
    stores.records[Region.HK, b"r" * 16] = make_record(b"finger")
    session.expect("x")
    desk._obey(c.FindEnrolment("x", Region.HK, b"r" * 16))
    facts = inbox.of(e.EnrolmentFound)[0].facts
    assert (facts.fingers, facts.face, facts.suspended) == (1, True, False)
    assert session.record("x") is stores.records[Region.HK, b"r" * 16]
    assert session.record("y") is None


def test_another_regions_record_with_the_same_reference_is_never_found(desk, stores, session, inbox, make_record):
    stores.records[Region.MO, b"r" * 16] = make_record(b"somebody else")
    session.expect("x")
    desk._obey(c.FindEnrolment("x", Region.HK, b"r" * 16))
    assert inbox.of(e.EnrolmentNotFound) == [e.EnrolmentNotFound("x")]
    assert session.record("x") is None


@pytest.mark.parametrize(("born", "age"), [(date(2015, 11, 22), 11), (date(2015, 11, 23), 11), (date(2015, 11, 24), 10), (date(2016, 2, 29), 10)])
def test_age_counts_completed_years_in_the_lanes_own_time_zone(desk, stores, inbox, make_record, clock, born, age):
    clock.wall = datetime(2026, 11, 22, 17, 0, tzinfo=UTC).timestamp  # the 23rd has begun in the lane
    stores.records[Region.HK, b"r" * 16] = make_record(b"finger", born=born)
    desk._obey(c.FindEnrolment("x", Region.HK, b"r" * 16))
    assert inbox.of(e.EnrolmentFound)[0].facts.age_years == age


def test_not_found_is_said_and_a_fault_is_not(desk, stores, inbox):
    desk._obey(c.FindEnrolment("x", Region.HK, b"z" * 16))
    assert inbox.of(e.EnrolmentNotFound) == [e.EnrolmentNotFound("x")]
    stores.broken.add("enrolment")
    desk._obey(c.FindEnrolment("y", Region.HK, b"z" * 16))
    assert len(inbox.of(e.EnrolmentNotFound)) == 1
    assert lost(inbox) == [Device.ENROLMENT]


@pytest.mark.invariant("INV-8")
def test_the_claim_comes_before_the_journal_and_both_before_the_answer(desk, stores, inbox):
    stores.written.clear()
    desk._obey(ADMISSION)
    assert stores.claimed == [b"p" * 16]
    assert stores.written == [("admit", "x")]
    assert inbox.of(e.AdmissionRecorded) == [e.AdmissionRecorded("x")]


@pytest.mark.invariant("INV-8")
def test_a_presentation_that_cannot_be_claimed_is_refused_or_a_fault_but_never_admitted(desk, stores, inbox):
    stores.claim_answer = False
    desk._obey(ADMISSION)
    assert inbox.of(e.PassRefused) == [e.PassRefused("x", Reason.PRESENTATION_REPLAYED)]
    stores.claim_answer = True
    stores.broken.add("replay")
    desk._obey(ADMISSION)
    stores.broken = {"journal"}
    desk._obey(ADMISSION)
    assert lost(inbox) == [Device.PASS_VERIFIER, Device.JOURNAL]
    assert inbox.of(e.AdmissionRecorded) == []


@pytest.mark.invariant("INV-6")
def test_nothing_is_lost_while_the_disk_is_full(desk, stores, inbox):
    stores.broken.add("journal")
    desk._obey(RECORD)
    desk._obey(c.NoteEvent("door_forced"))
    assert lost(inbox) == [Device.JOURNAL]
    stores.broken.clear()
    stores.written.clear()
    desk._probe()
    assert stores.written == [("event", "journal_ready"), ("record", "x"), ("event", "door_forced")]
    assert inbox.of(e.DeviceReady)[-1].device is Device.JOURNAL


def test_a_bug_in_a_store_is_a_lost_device_not_a_dead_thread(desk, stores, inbox):
    def broken(text, now):
        raise ZeroDivisionError

    stores.verify = broken
    desk._obey(c.VerifyPass("x", "T"))
    assert lost(inbox) == [Device.PASS_VERIFIER]


def refusing(stores, *crossings: str, error: Exception | None = None):
    """Have the journal refuse the records of some crossings, and nothing else."""
    accept = stores.record

    def record(record, wall) -> None:
        if record.crossing_id in crossings:
            raise error or StoreRefusedError("journal: a second outcome", "the first one stands")
        accept(record, wall)

    stores.record = record


def of(crossing_id: str) -> c.RecordCrossing:
    return c.RecordCrossing(c.CrossingRecord(crossing_id, Outcome.COMPLETED, None, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO))


@pytest.mark.invariant("INV-6")
@pytest.mark.parametrize("error", [None, ZeroDivisionError()])
def test_a_record_that_a_working_journal_refuses_is_set_aside_and_the_others_are_written(desk, stores, inbox, error):
    refusing(stores, "bad", error=error)
    stores.written.clear()
    inbox.events.clear()
    desk._obey(of("bad"))
    desk._obey(of("good"))
    assert lost(inbox) == [Device.JOURNAL]
    desk._probe()
    assert stores.written == [("event", "journal_ready"), ("event", "record_set_aside"), ("record", "good")]
    assert [event.device for event in inbox.of(e.DeviceReady)] == [Device.JOURNAL]
    assert [entry.command for entry in desk._refused] == [of("bad")]
    desk._obey(of("next"))
    assert stores.written[-1] == ("record", "next")
    assert lost(inbox) == [Device.JOURNAL], "it does not flap"


@pytest.mark.invariant("INV-6")
def test_a_disk_that_takes_short_rows_and_no_long_one_keeps_the_lane_closed_until_it_is_written(desk, stores, inbox):
    """The last pages of a full disk: the notes fit, the record of the crossing does not."""
    refusing(stores, "long", error=StoreError("journal: the disk is full (SQLITE_FULL)", "free space"))
    accept = type(stores).record.__get__(stores)
    inbox.events.clear()
    desk._obey(of("long"))
    for _ in range(5):
        desk._probe()
    assert lost(inbox) == [Device.JOURNAL]
    assert not inbox.of(e.DeviceReady)
    assert not desk._refused
    stores.record = accept
    stores.written.clear()
    desk._probe()
    assert ("record", "long") in stores.written
    assert [event.device for event in inbox.of(e.DeviceReady)] == [Device.JOURNAL]


@pytest.mark.invariant("INV-6")
def test_a_record_is_not_set_aside_while_the_journal_takes_nothing_else_either(desk, stores, inbox):
    stores.broken.add("journal")
    desk._obey(RECORD)
    desk._probe()

    def event(kind, fields, wall) -> None:
        if kind != "journal_ready":
            stores._may("journal")

    stores.event = event
    desk._probe()
    desk._probe()
    assert not desk._refused
    del stores.event
    stores.broken.clear()
    stores.written.clear()
    desk._probe()
    assert ("record", "x") in stores.written


def test_a_bug_in_a_probe_leaves_the_desk_alive_and_the_store_lost(desk, stores, inbox):
    stores.broken.add("journal")
    desk._obey(RECORD)
    stores.broken.clear()
    inbox.events.clear()

    def broken(kind, fields, wall):
        raise ZeroDivisionError

    stores.event = broken
    desk._probe()
    assert inbox.of(e.DeviceReady) == []


def test_a_bug_anywhere_at_the_desk_loses_the_journal_and_not_the_thread(desk, inbox):
    def broken() -> bool:
        raise ZeroDivisionError

    assert desk._safely(broken)
    assert lost(inbox) == [Device.JOURNAL]


def test_crossings_cut_short_are_closed_before_the_journal_counts_as_ready(stores, trust, session, around, sink, matcher, inbox):
    desk = Desk(Stores(stores, stores, stores, stores, trust), session, around, sink, lambda: "", (matcher.model,), Direction.HK_TO_MO)
    closings = []

    def close_open(wall, direction):
        closings.append(wall)
        if len(closings) == 1:
            raise StoreError("journal: locked", "wait")
        return ["cut short"]

    stores.close_open = close_open
    desk._recover()
    assert lost(inbox) == [Device.JOURNAL]
    desk._probe()
    desk._probe()
    assert len(closings) == 2
    assert inbox.of(e.DeviceReady)[-1].device is Device.JOURNAL


def test_a_lost_store_is_looked_at_by_time_however_busy_the_desk_is(desk, stores, inbox, clock):
    stores.broken.add("journal")
    desk._obey(RECORD)
    stores.broken.clear()
    inbox.events.clear()
    for _ in range(3):
        clock.now += 0.5
        desk.submit(c.NoteEvent("busy"))
        desk._turn()
    assert [event.device for event in inbox.of(e.DeviceReady)] == [Device.JOURNAL]


@pytest.mark.invariant("INV-6")
def test_the_backlog_is_bounded_and_drops_the_oldest_notes_but_no_record(desk, stores, monkeypatch):
    monkeypatch.setattr(desk_module, "BACKLOG", 3)
    stores.broken.add("journal")
    for command in (of("a"), c.NoteEvent("one"), c.NoteEvent("two"), of("b"), of("c"), of("d")):
        desk._obey(command)
    stores.broken.clear()
    stores.written.clear()
    desk._probe()
    assert stores.written[1:] == [("record", name) for name in "abcd"]


def test_the_desk_writes_what_it_owes_before_it_ends(desk, stores):
    stores.broken.add("journal")
    desk._obey(RECORD)
    stores.broken.clear()
    desk.stop()
    assert not desk._turn()
    assert stores.written[-1] == ("record", "x")


@pytest.mark.invariant("INV-7")
def test_a_look_up_that_ends_after_its_crossing_leaves_no_template_behind(desk, stores, session, make_record):
    stores.records[Region.HK, b"r" * 16] = make_record(b"finger")
    session.expect("x")
    session.forget()
    desk._obey(c.FindEnrolment("x", Region.HK, b"r" * 16))
    assert session.record("x") is None
    session.expect("y")
    desk._obey(c.FindEnrolment("x", Region.HK, b"r" * 16))
    assert session.record("x") is None
    assert session._record is None


def test_a_face_counts_when_every_model_in_use_has_a_template_of_it(stores, session, around, sink, trust, matcher, make_record):
    record, other = make_record(b"finger"), FaceModel("other", "11" * 32)
    for models, enough in (((matcher.model,), True), ((matcher.model, other), True), ((matcher.model, FaceModel("third", "33" * 32)), False)):
        desk = Desk(Stores(stores, stores, stores, stores, trust), session, around, sink, lambda: "", models, Direction.HK_TO_MO)
        with capture_logs() as logs:
            assert desk._facts(record).face is enough
        # Which model the lane wants, and which the record has: an engineer enrols anew, or installs the other weights.
        said = [(line["model"], line["enrolled"]) for line in logs if line["event"] == "no face template of this lane's model"]
        held = ", ".join(sorted(template.model.label for template in record.faces))
        assert said == ([] if enough else [("third (33333333)", held)])
        assert len(held.split(", ")) == len({template.model for template in record.faces})


def test_new_enrolments_are_journalled_when_they_are_taken_up(desk, stores, inbox):
    desk._probe()
    stores.written.clear()
    stores.enrolments = {Region.HK: EnrolmentState(5, 0, 30, 1_800_000_000)}
    desk._probe()
    desk._probe()
    assert stores.written == [("event", "enrolments_in_force")], "told once"
    assert stores.fields["enrolments_in_force"] == {"region": "HK", "snapshot": "5", "delta": "0", "records": "30", "issued_at": "1800000000"}
    stores.enrolments = {Region.HK: EnrolmentState(5, 1, 29), Region.MO: EnrolmentState(2, 0, 7)}
    stores.broken.add("journal")
    desk._probe()
    stores.broken.clear()
    desk._probe()
    told = [what for what in stores.written if what[1] == "enrolments_in_force"]
    assert len(told) == 3, "also when the journal did not work at that moment"


def test_enrolments_that_cannot_be_used_are_lost_before_a_traveller_meets_them(desk, stores, inbox):
    desk._probe()
    stores.broken.add("enrolment")
    desk._probe()
    assert lost(inbox) == [Device.ENROLMENT]
    stores.broken.clear()
    desk._probe()
    assert inbox.of(e.DeviceReady)[-1].device is Device.ENROLMENT


@pytest.mark.parametrize(("ago_s", "registered_for_s"), [(10_800.0, 10_800.0), (0.0, 0.0), (-5.0, 0.0)])
def test_what_the_record_says_reaches_the_core_as_facts(desk, stores, inbox, make_record, clock, ago_s, registered_for_s):
    record = make_record(b"finger")
    told = replace(record, registered_at=int(clock.wall() - ago_s), registered_with=frozenset(Region), suspended=True)
    stores.records[Region.HK, b"r" * 16] = told
    desk._obey(c.FindEnrolment("x", Region.HK, b"r" * 16))
    facts = inbox.of(e.EnrolmentFound)[0].facts
    assert (facts.registered_with, facts.suspended) == (frozenset(Region), True)
    assert facts.registered_for_s == pytest.approx(registered_for_s, abs=1.0)
