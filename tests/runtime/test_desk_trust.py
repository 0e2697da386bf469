"""What the desk makes of the trust it looks at once a second."""

from __future__ import annotations

import dataclasses

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.values import Device, Direction, Region
from gate_controller.ports.trust import TrustClosed, TrustNotice
from gate_controller.runtime.desk import Desk, Stores

STALE = TrustNotice(
    "freshness_changed", {"region": "HK", "from": "fresh", "to": "stale", "restricted_in_s": 7200, "reminder": False}, "HK: stale", warning=True
)
OLD = TrustClosed("status_list_age", "HK: closed (the status list is too old)", "import current trust")


@pytest.fixture
def desk(stores, trust, session, around, sink, matcher):
    desk = Desk(Stores(stores, stores, stores, stores, trust), session, around, sink, lambda: "", (matcher.model,), Direction.HK_TO_MO)
    desk._recover()
    return desk


def test_the_time_is_told_to_the_trust_every_second_however_busy_the_desk_is(desk, trust, clock):
    trust.observed.clear()
    for _ in range(10):
        clock.now += 0.25
        desk.submit(c.NoteEvent("busy"))
        desk._turn()
    assert trust.observed == [clock.wall() - 1.5, clock.wall() - 0.5]


def test_a_change_is_journalled_logged_and_published_once(desk, trust, stores, sink):
    trust.notices = [STALE]
    stores.written.clear()
    desk._probe()
    desk._probe()
    assert stores.written == [("event", "freshness_changed")]
    assert stores.fields["freshness_changed"] == {"region": "HK", "from": "fresh", "to": "stale", "restricted_in_s": "7200", "reminder": "false"}
    assert sink.published == [("freshness", dict(STALE.fields))]


def test_a_change_while_the_journal_is_lost_is_journalled_later(desk, trust, stores):
    stores.broken.add("journal")
    trust.notices = [STALE]
    desk._probe()
    stores.broken.clear()
    stores.written.clear()
    desk._probe()
    assert ("event", "freshness_changed") in stores.written


def test_closed_trust_is_a_lost_device_with_its_cause(desk, trust, inbox):
    trust.closed = OLD
    desk._probe()
    desk._probe()
    trust.closed = dataclasses.replace(OLD, code="clock_behind")
    desk._probe()
    trust.closed = None
    inbox.events.append("then")
    desk._probe()
    desk._probe()
    lost = [e.DeviceLost(Device.TRUST, "status_list_age"), e.DeviceLost(Device.TRUST, "clock_behind")]
    assert inbox.events[-4:] == [*lost, "then", e.DeviceReady(Device.TRUST)]
    assert [(report.code, report.detail, report.remedy) for report in inbox.reports[-3:-1]] == [
        (code, OLD.what, OLD.remedy) for code in ("status_list_age", "clock_behind")
    ]


def test_a_time_that_cannot_be_remembered_is_lost_trust(desk, trust, inbox, stores):
    trust.broken, trust.notices = "trust floor: disk full", [STALE]
    desk._probe()
    assert inbox.reports[-1].code == "store"
    assert ("event", "freshness_changed") in stores.written, "a change is told all the same"
    trust.broken = ""
    desk._probe()
    assert inbox.events[-1] == e.DeviceReady(Device.TRUST)


def test_a_bug_in_the_trust_is_lost_trust(desk, trust, inbox):
    trust.look = lambda _wall: 1 / 0
    desk._probe()
    assert inbox.of(e.DeviceLost) == [e.DeviceLost(Device.TRUST, "store")]


def test_a_degraded_admission_is_journalled_as_such(desk, stores):
    for crossing_id, degraded in (("x", True), ("y", False)):
        desk._obey(c.RecordAdmission(crossing_id, b"p" * 16, 5, 9, Region.HK, Direction.HK_TO_MO, degraded))
    assert stores.degraded == {"x"}
