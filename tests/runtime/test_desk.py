from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Device, Direction, Outcome, PassFacts, Region
from gate_controller.ports.services import PassAccepted, PassRejected
from gate_controller.runtime.desk import Desk, Stores

FACTS = PassFacts(b"p" * 16, b"r" * 16, Region.HK, 1, 5, 4, 9)
ADMISSION = c.RecordAdmission("x", b"p" * 16, 5, 9, Region.HK, Direction.HK_TO_MO)
RECORD = c.RecordCrossing(c.CrossingRecord("x", Outcome.COMPLETED, None, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO))


@pytest.fixture
def desk(stores, session, around, matcher, reader):
    desk = Desk(Stores(stores, stores, stores, stores), session, around, lambda: reader.template_format, matcher.model)
    desk._recover()
    return desk


def lost(inbox):
    return [event.device for event in inbox.of(e.DeviceLost)]


def test_all_stores_report_ready_at_the_start(desk, inbox):
    assert {event.device for event in inbox.of(e.DeviceReady)} == {Device.PASS_VERIFIER, Device.ENROLMENT, Device.JOURNAL}


def test_the_verifiers_answer_becomes_an_event(desk, stores, inbox):
    stores.decision = PassAccepted(FACTS)
    desk._obey(c.VerifyPass("x", "T"))
    stores.decision = PassRejected(Reason.PASS_EXPIRED, 6)
    desk._obey(c.VerifyPass("y", "T"))
    assert inbox.of(e.PassVerified) == [e.PassVerified("x", FACTS)]
    assert inbox.of(e.PassRefused) == [e.PassRefused("y", Reason.PASS_EXPIRED)]


def test_templates_stay_in_the_session_and_only_facts_reach_the_core(desk, stores, session, inbox, make_record):
    stores.records[b"r" * 16] = make_record(b"finger")
    desk._obey(c.FindEnrolment("x", b"r" * 16))
    facts = inbox.of(e.EnrolmentFound)[0].facts
    assert (facts.fingers, facts.face, facts.suspended) == (1, True, False)
    assert session.record("x") is stores.records[b"r" * 16]
    assert session.record("y") is None


@pytest.mark.parametrize(("born", "age"), [(date(2015, 11, 22), 11), (date(2015, 11, 23), 11), (date(2015, 11, 24), 10), (date(2016, 2, 29), 10)])
def test_age_counts_completed_years_in_the_lanes_own_time_zone(desk, stores, inbox, make_record, clock, born, age):
    clock.wall = datetime(2026, 11, 22, 17, 0, tzinfo=UTC).timestamp  # the 23rd has begun in the lane
    stores.records[b"r" * 16] = make_record(b"finger", born=born)
    desk._obey(c.FindEnrolment("x", b"r" * 16))
    assert inbox.of(e.EnrolmentFound)[0].facts.age_years == age


def test_not_found_is_said_and_a_fault_is_not(desk, stores, inbox):
    desk._obey(c.FindEnrolment("x", b"z" * 16))
    assert inbox.of(e.EnrolmentNotFound) == [e.EnrolmentNotFound("x")]
    stores.broken.add("enrolment")
    desk._obey(c.FindEnrolment("y", b"z" * 16))
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
