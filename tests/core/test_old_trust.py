"""Trust that grows old: low-risk travellers only, then nobody; whoever is inside finishes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import Device, Outcome


def ended(record: c.CrossingRecord) -> tuple[Outcome, Reason | None]:
    return record.outcome, record.reason


@pytest.mark.parametrize(
    ("degraded", "age", "reason"), [(True, 17, Reason.PASS_STATUS_STALE), (True, 18, None), (False, 17, None), (True, 10, Reason.UNDER_AGE)]
)
def test_on_an_old_status_list_only_adults_are_admitted(lane, adult, verified_pass, degraded, age, reason):
    lane.tell(e.PassRead("x", "ECH1:..."))
    lane.tell(e.PassVerified("x", replace(verified_pass, degraded=degraded)))
    (admission,) = [command for command in lane.tell(e.EnrolmentFound("x", replace(adult, age_years=age))) if isinstance(command, c.RecordAdmission)] or [None]
    if reason is None:
        assert admission.degraded is degraded
    else:
        assert (admission, ended(lane.record()), lane.record().degraded) == (None, (Outcome.REFUSED, reason), True)


def test_a_decision_on_an_old_status_list_is_recorded_as_one(lane, verified_pass):
    lane.tell(e.PassRead("x", "ECH1:..."))
    lane.tell(e.PassRefused("x", Reason.PASS_STATUS_STALE))
    assert lane.record("x").degraded
    lane.wait(5)
    lane.admit("y", facts=replace(verified_pass, degraded=True)).enter().verify("y").leave()
    assert (ended(lane.record("y")), lane.record("y").degraded) == ((Outcome.COMPLETED, None), True)
    lane.admit("z").enter().verify("z").leave()
    assert not lane.record("z").degraded


def test_whoever_is_inside_when_trust_is_lost_finishes_and_nobody_follows(lane):
    lane.admit().enter()
    lane.tell(e.DeviceLost(Device.TRUST, "status_list_age"))
    assert lane.state is State.IDENTITY_CHECK
    lane.verify().leave()
    assert ended(lane.record()) == (Outcome.COMPLETED, None)
    assert (lane.state, lane.controller.reason) == (State.OUT_OF_SERVICE, Reason.TRUST_LOST)


def test_whoever_is_at_the_door_when_trust_is_lost_is_refused(lane, verified_pass, adult):
    lane.tell(e.PassRead("x", "ECH1:..."))
    lane.tell(e.PassVerified("x", verified_pass))
    lane.tell(e.DeviceLost(Device.TRUST, "status_list_age"))
    assert ended(lane.record()) == (Outcome.REFUSED, Reason.TRUST_LOST)
    lane.tell(e.EnrolmentFound("x", adult))
    assert lane.ordered(c.OpenDoor) == []


def test_a_second_answer_of_the_verifier_changes_nothing(lane, verified_pass, adult):
    lane.tell(e.PassRead("x", "ECH1:..."))
    lane.tell(e.PassVerified("x", replace(verified_pass, degraded=True)))
    assert lane.tell(e.PassVerified("x", verified_pass)) == []
    lane.tell(e.EnrolmentFound("x", adult))
    assert [command.degraded for command in lane.ordered(c.RecordAdmission)] == [True]
