"""What travellers, their luggage and their luck do; and that the table of all exceptions names reasons, states and tests that exist."""

from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import BIOMETRICS, CheckOutcome, Door, DoorPosition, Modality, Occupancy, Outcome, TriState
from tests.core import exceptions_page


def ended(lane):
    return lane.record().outcome, lane.record().reason


def leaving(lane):
    lane.admit().enter().verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.see(exit_beam=TriState.ACTIVE)
    return lane


def test_a_bag_left_in_the_exit_is_taken_away_by_an_officer_and_its_owner_has_crossed(lane):
    leaving(lane)
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(lane.policy.exit_open_s + 0.1)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.BEAM_BLOCKED)
    lane.see(exit_door=DoorPosition.CLOSED)
    lane.wait(2 * lane.policy.officer_acknowledge_s)
    assert lane.state is State.OFFICER_REFERRAL, "nobody is inside: there is nobody to be sent back"
    lane.see(exit_beam=TriState.INACTIVE)
    lane.wait(0.5)
    assert ended(lane) == (Outcome.COMPLETED, None)


def test_whoever_only_stood_in_the_exit_and_came_back_in_has_not_crossed(lane):
    leaving(lane)
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(lane.policy.exit_open_s + 0.1)
    lane.see(occupancy=Occupancy.ONE, exit_beam=TriState.INACTIVE, exit_door=DoorPosition.CLOSED)
    lane.wait(1)
    assert lane.state is State.OFFICER_REFERRAL
    assert "x" not in lane.monitor.records


def test_a_trolley_that_is_counted_after_its_owner_left_needs_an_officer(lane):
    leaving(lane)
    lane.see(exit_beam=TriState.INACTIVE)
    lane.wait(lane.policy.exit_open_s + 0.1)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.NEVER_EXITED)
    lane.see(exit_door=DoorPosition.CLOSED)
    lane.wait(3 * lane.policy.officer_acknowledge_s)
    assert lane.state is State.OFFICER_REFERRAL, "what is counted may be somebody who came in from the other side"


def test_something_left_in_the_entry_by_whoever_backed_out_is_named(lane):
    lane.admit()
    lane.see(entry_door=DoorPosition.OPEN, occupancy=Occupancy.ONE)
    lane.wait(0.5)
    lane.see(entry_beam=TriState.ACTIVE, occupancy=Occupancy.ZERO, entry_door=DoorPosition.CLOSED)
    lane.wait(lane.policy.clearing_s + 0.5)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.BEAM_BLOCKED)
    lane.see(entry_beam=TriState.INACTIVE)
    lane.wait(0.5)
    assert ended(lane) == (Outcome.ABANDONED, Reason.BACKED_OUT)


@pytest.mark.invariant("INV-4")
def test_somebody_who_collapses_inside_has_an_officer_called(lane):
    lane.admit().enter()
    lane.wait(lane.policy.identity_s + 0.1)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.IDENTITY_TIMED_OUT)
    lane.wait(lane.policy.officer_acknowledge_s + 0.1)
    assert lane.state is State.RETURN_PATH
    lane.see(entry_door=DoorPosition.OPEN)
    lane.wait(lane.policy.return_path_s)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.STAYED_INSIDE)
    assert lane.controller.officer_call[1] >= 1, "and once more, louder"


def test_a_phone_shown_at_the_wrong_time_changes_nothing(lane, verified_pass):
    lane.admit().enter()
    before = len(lane.out)
    lane.tell(e.PassRead("y", "T"))
    lane.tell(e.PassVerified("y", verified_pass))
    lane.tell(e.AdmissionRecorded("y"))
    assert (lane.state, lane.out[before:]) == (State.IDENTITY_CHECK, [])


def test_a_finger_given_before_it_is_asked_for_decides_nothing(lane):
    lane.admit()
    for modality in BIOMETRICS:
        lane.tell(e.CheckEnded("x", modality, CheckOutcome.SUCCESSFUL))
    lane.enter()
    assert lane.state is State.IDENTITY_CHECK
    lane.wait(1)
    assert [command.door for command in lane.ordered(c.OpenDoor)] == [Door.ENTRY]


def referral(lane):
    lane.admit().enter()
    lane.tell(e.CheckEnded("x", Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH))


def way_back(lane):
    referral(lane)
    lane.wait(lane.policy.officer_acknowledge_s + 0.1)


CALLS = {
    State.OUT_OF_SERVICE: lambda lane: lane.see(exit_door=DoorPosition.OPEN) + lane.wait(0.5),
    State.OFFICER_REFERRAL: referral,
    State.EMERGENCY: lambda lane: lane.see(emergency=TriState.ACTIVE),
}
"""How the lane comes to call an officer, by the state in which it waits for one."""


@pytest.mark.invariant("INV-4")
@pytest.mark.parametrize("state", CALLS, ids=lambda state: state.value)
def test_a_call_stays_until_somebody_takes_it_by_name_and_escalates_until_somebody_acts(lane, state):
    lane.out.clear()
    CALLS[state](lane)
    assert lane.state is state
    reason, escalation, taken_by = lane.controller.officer_call
    assert (escalation, taken_by) == (0, None)
    assert lane.ordered(c.CallOfficer) == [c.CallOfficer(reason, 0)]
    lane.tell(e.OfficerAcknowledged("officer 7"))
    assert lane.controller.officer_call == (reason, 0, "officer 7")
    lane.wait(lane.policy.officer_acknowledge_s + 1)
    assert lane.controller.officer_call == (reason, 0, "officer 7"), "whoever took it has time to come"
    lane.wait(lane.policy.officer_attend_s - lane.policy.officer_acknowledge_s)
    assert lane.controller.officer_call[1:] == (1, None), "and did not"
    assert lane.ordered(c.CallOfficer)[-1].escalation == 1
    lane.wait(lane.policy.officer_acknowledge_s + lane.policy.door_open_s + 1)
    assert lane.controller.officer_call[1] == 2, "louder, also when the way back was opened meanwhile"
    assert lane.ordered(c.EndOfficerCall) == []


@pytest.mark.invariant("INV-4")
def test_a_call_stays_and_can_be_taken_while_the_way_back_is_open(lane):
    lane.out.clear()
    way_back(lane)
    assert lane.state is State.RETURN_PATH
    assert lane.controller.officer_call == (Reason.FACE_MISMATCH, 1, None)
    lane.tell(e.OfficerAcknowledged("officer 7"))
    assert lane.controller.officer_call == (Reason.FACE_MISMATCH, 1, "officer 7")
    assert lane.ordered(c.EndOfficerCall) == []


def test_the_page_of_exceptions_is_current():
    assert exceptions_page.PAGE.read_text() == exceptions_page.page(), "run python -m tests.core.exceptions_page"


def test_every_exception_of_the_field_has_reasons_states_and_tests_that_exist():
    assert exceptions_page.mistakes() == []
    assert len({item["group"] for item in exceptions_page.items()}) == 9
