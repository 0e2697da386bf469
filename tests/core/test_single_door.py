"""A lane without an entry door: the traveller walks in through an open entry with a beam; the one door is the exit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.policy import LaneKind
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import CheckOutcome, Device, Direction, Door, DoorPosition, Modality, Occupancy, Outcome, TriState


@pytest.fixture
def lane(new_lane):
    return new_lane(lane=LaneKind.SINGLE_DOOR).start()


def walk_in(lane):
    """Through the entry, up to the exit, counted."""
    lane.see(entry_beam=TriState.ACTIVE, occupancy=Occupancy.ONE)
    lane.see(entry_beam=TriState.INACTIVE)
    lane.wait(0.5)


def walk_out(lane):
    """Back out of the entry."""
    lane.see(entry_beam=TriState.ACTIVE)
    lane.see(occupancy=Occupancy.ZERO)
    lane.see(entry_beam=TriState.INACTIVE)
    lane.wait(0.5)


def inside(lane):
    lane.admit()
    walk_in(lane)
    assert lane.state is State.IDENTITY_CHECK
    lane.tell(e.CheckEnded("x", Modality.PAD, CheckOutcome.SUCCESSFUL))
    return lane


def ended(lane, crossing_id="x"):
    record = lane.record(crossing_id)
    return record.outcome, record.reason


def refused_face(lane):
    inside(lane).tell(e.CheckEnded("x", Modality.FACE, CheckOutcome.FAILED, Reason.FACE_MISMATCH))
    assert lane.state is State.OFFICER_REFERRAL
    return lane


def commanded(lane):
    return {command.door for command in lane.out if isinstance(command, c.OpenDoor | c.CloseDoor)}


@pytest.mark.parametrize("direction", list(Direction))
def test_a_good_traveller_completes_and_the_entry_is_never_commanded(new_lane, direction):
    lane = inside(new_lane(lane=LaneKind.SINGLE_DOOR, direction=direction).start())
    lane.verify().leave()
    record = lane.record()
    assert (record.outcome, record.reason, record.direction) == (Outcome.COMPLETED, None, direction)
    assert (record.authorised, record.entered, record.verified, record.exited, record.chamber_empty) == (True,) * 5
    assert lane.state is State.READY
    assert commanded(lane) == {Door.EXIT}


def test_nobody_enters(lane):
    lane.admit()
    lane.wait(lane.policy.entry_open_s + 0.1)
    assert ended(lane) == (Outcome.ABANDONED, Reason.NOBODY_ENTERED)
    assert lane.state is State.READY, "an entry without a door cannot have failed to open"


def test_whoever_walks_back_out_during_the_check_has_backed_out_and_nothing_latches(lane):
    inside(lane)
    walk_out(lane)
    assert ended(lane) == (Outcome.ABANDONED, Reason.BACKED_OUT)
    assert (lane.state, lane.controller.officer_call) == (State.READY, None)


def test_whoever_is_gone_past_an_entry_beam_that_saw_nothing_has_backed_out_too(lane):
    inside(lane).see(occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    assert ended(lane) == (Outcome.ABANDONED, Reason.BACKED_OUT)
    assert lane.state is State.READY, "the exit was shut; there is no other way"


@pytest.mark.invariant("INV-2")
def test_whoever_is_inside_after_somebody_stood_in_the_entry_is_not_let_out_on_the_checks_before(lane):
    inside(lane).tell(e.CheckEnded("x", Modality.FACE, CheckOutcome.SUCCESSFUL))
    lane.see(entry_beam=TriState.ACTIVE)
    assert lane.state is State.OCCUPANCY_CHECK
    assert c.EndBiometrics("x") in lane.out
    lane.tell(e.CheckEnded("x", Modality.FINGERPRINT, CheckOutcome.SUCCESSFUL))
    lane.see(entry_beam=TriState.INACTIVE)
    assert (lane.state, lane.controller.reason) == (State.RETURN_PATH, Reason.TAILGATING)
    assert lane.ordered(c.OpenDoor) == []
    walk_out(lane)
    assert ended(lane) == (Outcome.RETURNED, Reason.TAILGATING)
    assert lane.state is State.READY


def test_an_entry_beam_that_sees_nobody_come_in_latches_since_it_is_all_that_tells_who_comes(lane):
    lane.admit()
    lane.see(occupancy=Occupancy.ONE)
    lane.wait(0.5)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.BEAM_BLIND)
    walk_out(lane)
    assert ended(lane) == (Outcome.ABANDONED, Reason.BACKED_OUT)
    assert (lane.state, lane.controller.reason) == (State.OUT_OF_SERVICE, Reason.BEAM_BLIND)


def test_a_beam_that_was_unknown_while_somebody_came_in_is_not_called_blind(lane):
    lane.admit()
    lane.see(entry_beam=TriState.UNKNOWN)
    lane.see(entry_beam=TriState.INACTIVE, occupancy=Occupancy.ONE)
    lane.wait(0.5)
    assert lane.state is State.IDENTITY_CHECK


def test_two_who_walk_in_are_asked_back(lane):
    lane.admit()
    lane.see(entry_beam=TriState.ACTIVE, occupancy=Occupancy.MANY)
    lane.wait(0.5)
    assert (lane.state, lane.controller.prompt) == (State.RETURN_PATH, Prompt.ONE_AT_A_TIME)
    lane.wait(lane.policy.door_open_s + 0.1)
    assert lane.state is State.RETURN_PATH, "there is no door that could have failed to open"
    walk_out(lane)
    assert ended(lane) == (Outcome.RETURNED, Reason.TAILGATING)


def test_the_way_back_has_not_ended_while_somebody_stands_in_the_entry(lane):
    refused_face(lane).tell(e.OfficerReturned("y", "officer 7", "wrong pass"))
    lane.see(entry_beam=TriState.ACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(1)
    assert lane.state is State.RETURN_PATH
    lane.see(entry_beam=TriState.INACTIVE)
    assert ended(lane) == (Outcome.RETURNED, Reason.FACE_MISMATCH)


@pytest.mark.invariant("INV-2")
def test_somebody_who_follows_through_the_entry_shuts_the_open_exit(lane):
    inside(lane).verify()
    lane.see(exit_door=DoorPosition.OPEN)
    out = lane.see(entry_beam=TriState.ACTIVE)
    assert c.CloseDoor(Door.EXIT) in out
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.TAILGATING)
    lane.see(exit_door=DoorPosition.CLOSED)
    walk_out(lane)
    assert ended(lane) == (Outcome.ABORTED, Reason.LEFT_UNSEEN)
    assert lane.state is State.OUT_OF_SERVICE, "the exit was open: who went where, an officer has to say"


@pytest.mark.invariant("INV-6")
@pytest.mark.parametrize("ends", ["returned", "released", "goes", "rearmed"])
def test_where_somebody_steps_in_before_the_counter_has_settled_nothing_is_known_of_the_traveller(lane, ends):
    """The traveller may be beyond and somebody else inside, or still inside: neither completed nor returned would be known to be true."""
    inside(lane).verify()
    lane.see(exit_door=DoorPosition.OPEN, exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.1)
    out = lane.see(entry_beam=TriState.ACTIVE)
    assert c.CloseDoor(Door.EXIT) in out
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.TAILGATING)
    walk_in(lane)
    lane.see(exit_door=DoorPosition.CLOSED)
    if ends == "returned":
        lane.tell(e.OfficerReturned("y", "officer 7", "follower"))
        assert lane.state is State.RETURN_PATH
    elif ends == "released":
        lane.tell(e.OfficerReleased("y", "officer 7", "compared by hand"))
        lane.leave()
    if ends == "rearmed":
        lane.see(occupancy=Occupancy.UNKNOWN)
        lane.wait(0.5)
        lane.tell(e.Rearmed("officer 7"))
    elif ends != "released":
        walk_out(lane)
    told = {
        "returned": (Outcome.ABORTED, Reason.TAILGATING, False),
        "released": (Outcome.RELEASED_BY_OFFICER, Reason.OFFICER_RELEASED, True),
        "goes": (Outcome.ABORTED, Reason.LEFT_UNSEEN, False),
        "rearmed": (Outcome.ABORTED, Reason.TAILGATING, False),
    }
    assert (*ended(lane), lane.record().exited) == told[ends]
    assert c.CallOfficer(Reason.TAILGATING) in lane.out


@pytest.mark.invariant("INV-6")
def test_whoever_stands_in_the_exit_and_has_somebody_wave_through_the_entry_has_not_departed(lane):
    inside(lane).verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.see(exit_beam=TriState.ACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.1)
    lane.see(exit_beam=TriState.INACTIVE)
    lane.see(entry_beam=TriState.ACTIVE)
    assert lane.state is State.OFFICER_REFERRAL
    lane.see(entry_beam=TriState.INACTIVE, occupancy=Occupancy.ONE)
    lane.wait(0.5)
    lane.see(exit_door=DoorPosition.CLOSED)
    walk_out(lane)
    assert (*ended(lane), lane.record().exited) == (Outcome.ABORTED, Reason.LEFT_UNSEEN, False)
    assert lane.state is State.OUT_OF_SERVICE


@pytest.mark.invariant("INV-6")
def test_whoever_stood_in_the_exit_where_nobody_is_counted_and_steps_back_has_not_departed(lane):
    """The chamber was counted empty for long enough, and then somebody is there who did not come by the entry."""
    inside(lane).verify()
    lane.see(exit_door=DoorPosition.OPEN)
    lane.see(exit_beam=TriState.ACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    lane.see(exit_beam=TriState.INACTIVE)
    assert lane.state is State.CLEARING
    lane.see(occupancy=Occupancy.ONE)
    lane.wait(0.4)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.REVERSE_ENTRY)
    lane.see(exit_door=DoorPosition.CLOSED)
    walk_out(lane)
    assert (*ended(lane), lane.record().exited) == (Outcome.ABORTED, Reason.LEFT_UNSEEN, False)


@pytest.mark.invariant("INV-6")
def test_whoever_stands_in_the_exit_until_it_closes_and_goes_back_by_the_entry_has_not_departed(lane):
    """Behind an entry door this is a traveller who left late; where there is none, they may have gone either way."""
    inside(lane).verify()
    lane.see(exit_door=DoorPosition.OPEN, exit_beam=TriState.ACTIVE)
    lane.wait(lane.policy.exit_open_s + 0.1)
    assert lane.controller.reason is Reason.NEVER_EXITED
    lane.see(exit_beam=TriState.INACTIVE, exit_door=DoorPosition.CLOSED)
    walk_out(lane)
    assert (*ended(lane), lane.record().exited) == (Outcome.ABORTED, Reason.LEFT_UNSEEN, False)
    assert lane.state is State.OUT_OF_SERVICE


@pytest.mark.invariant("INV-6")
def test_once_the_exit_was_open_an_officer_returns_somebody_of_whom_it_is_not_known_who_they_are(lane):
    inside(lane).verify()
    lane.see(exit_door=DoorPosition.OPEN, exit_beam=TriState.ACTIVE)
    lane.tell(e.DeviceLost(Device.IO_BOARD))  # one goes, another comes, and nobody sees it
    lane.tell(e.DeviceReady(Device.IO_BOARD))
    lane.see(exit_door=DoorPosition.CLOSED, exit_beam=TriState.INACTIVE, occupancy=Occupancy.ONE)
    lane.wait(0.5)
    for _ in range(2):
        lane.tell(e.OfficerReturned("y", "officer 7", "not the one on the picture"))
        assert lane.state is State.RETURN_PATH
        lane.wait(lane.policy.return_path_s)
        assert lane.state is State.OFFICER_REFERRAL, "they stay, and are asked again"
    walk_out(lane)
    record = lane.record()
    assert (record.outcome, record.officer, record.officer_reason) == (Outcome.ABORTED, "officer 7", "not the one on the picture")


def test_an_officer_who_lets_somebody_through_may_have_somebody_come_in(lane):
    refused_face(lane).tell(e.OfficerReleased("y", "officer 7", "compared by hand"))
    lane.see(exit_door=DoorPosition.OPEN)
    lane.see(entry_beam=TriState.ACTIVE)
    assert lane.state is State.EXIT_OPEN
    lane.see(entry_beam=TriState.INACTIVE)
    lane.leave()
    assert ended(lane) == (Outcome.RELEASED_BY_OFFICER, Reason.OFFICER_RELEASED)


def test_whoever_is_refused_may_simply_go(lane):
    refused_face(lane)
    walk_out(lane)
    assert ended(lane) == (Outcome.ABANDONED, Reason.BACKED_OUT)
    assert (lane.state, lane.controller.officer_call) == (State.READY, None)


def test_a_refused_pass_admits_nobody(lane):
    lane.tell(e.PassRead("x", "T"))
    lane.tell(e.PassRefused("x", Reason.PRESENTATION_STALE))
    assert ended(lane) == (Outcome.REFUSED, Reason.PRESENTATION_STALE)
    walk_in(lane)
    assert (lane.state, lane.controller.reason) == (State.RETURN_PATH, Reason.WALKED_IN)


def test_whoever_walks_in_without_a_pass_is_asked_back_without_an_alarm_and_blocks_the_lane(lane):
    walk_in(lane)
    assert (lane.state, lane.controller.prompt, lane.controller.officer_call) == (State.RETURN_PATH, Prompt.GO_BACK, None)
    lane.tell(e.PassRead("y", "T"))
    assert lane.ordered(c.VerifyPass) == []
    walk_out(lane)
    assert lane.state is State.READY
    assert lane.monitor.records == {}


def test_whoever_walked_in_and_stays_is_an_officers_business(lane):
    walk_in(lane)
    lane.wait(lane.policy.return_path_s)
    assert (lane.state, lane.controller.officer_call) == (State.OFFICER_REFERRAL, (Reason.STAYED_INSIDE, 0, None))
    walk_out(lane)
    assert lane.state is State.READY


def test_whoever_walks_in_before_the_answer_is_refused(lane):
    lane.tell(e.PassRead("x", "T"))
    walk_in(lane)
    lane.tell(e.AdmissionRecorded("x"))
    assert lane.state is State.RETURN_PATH
    walk_out(lane)
    assert ended(lane) == (Outcome.REFUSED, Reason.WALKED_IN)


def test_whoever_walks_into_a_closed_lane_is_asked_back_and_the_lane_stays_closed(lane):
    lane.tell(e.MaintenanceSwitched(on=True, identity="engineer 3"))
    lane.see(entry_beam=TriState.ACTIVE, occupancy=Occupancy.ONE)
    lane.tell(e.MaintenanceSwitched(on=False, identity="engineer 3"))
    lane.see(entry_beam=TriState.INACTIVE)
    lane.wait(0.5)
    assert (lane.state, lane.controller.reason, lane.controller.officer_call) == (State.RETURN_PATH, Reason.WALKED_IN, None)


def test_a_hurried_next_traveller_keeps_the_crossing_before_open_until_the_lane_is_empty(lane):
    inside(lane).verify()
    lane.see(exit_door=DoorPosition.OPEN, exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    assert lane.state is State.CLEARING
    walk_in(lane)
    lane.see(exit_door=DoorPosition.CLOSED)
    lane.wait(3 * lane.policy.clearing_s)
    assert (lane.state, lane.controller.prompt, lane.controller.officer_call) == (State.CLEARING, Prompt.GO_BACK, None)
    walk_out(lane)
    assert ended(lane) == (Outcome.COMPLETED, None)
    assert lane.state is State.READY


def test_whoever_comes_in_through_the_closing_exit_is_an_alarm(lane):
    inside(lane).verify()
    lane.see(exit_door=DoorPosition.OPEN, exit_beam=TriState.ACTIVE)
    lane.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
    lane.wait(0.5)
    lane.see(exit_beam=TriState.ACTIVE, occupancy=Occupancy.ONE)
    lane.see(exit_beam=TriState.INACTIVE, exit_door=DoorPosition.CLOSED)
    lane.wait(lane.policy.clearing_s)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.REVERSE_ENTRY)


def test_whoever_comes_in_through_the_open_exit_is_an_alarm(lane):
    inside(lane).verify()
    lane.see(exit_door=DoorPosition.OPEN, occupancy=Occupancy.MANY)
    lane.wait(0.5)
    assert (lane.state, lane.controller.reason) == (State.OFFICER_REFERRAL, Reason.REVERSE_ENTRY)


@pytest.mark.parametrize("before", ["ready", "entry_open", "return_path"])
def test_a_forced_exit_latches_by_its_own_name(lane, before):
    if before != "ready":
        lane.admit()
    if before == "return_path":
        lane.see(occupancy=Occupancy.MANY)
        lane.wait(0.5)
    assert lane.state.value == before
    lane.see(exit_door=DoorPosition.OPEN)
    lane.wait(0.4)
    assert lane.controller.reason is Reason.DOOR_FORCED
    assert "latched" in [note.kind for note in lane.ordered(c.NoteEvent)]


@pytest.mark.invariant("INV-5")
@pytest.mark.parametrize("opens", [True, False])
def test_an_emergency_commands_the_exit_as_the_policy_says_and_no_entry(new_lane, opens):
    lane = inside(new_lane(lane=LaneKind.SINGLE_DOOR, emergency_opens_exit=opens).start())
    out = lane.see(emergency=TriState.ACTIVE)
    moved = [command for command in out if isinstance(command, c.OpenDoor | c.CloseDoor)]
    assert moved == [c.OpenDoor(Door.EXIT, 11.0, emergency=True) if opens else c.CloseDoor(Door.EXIT)]
    walk_out(lane)
    lane.see(emergency=TriState.INACTIVE)
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.READY


def test_a_forced_stop_has_no_entry_to_open(lane):
    inside(lane).tell(e.StopRequested(now=True))
    assert ended(lane) == (Outcome.ABORTED, Reason.STOPPING)
    assert commanded(lane) == {Door.EXIT}


def test_after_a_bug_no_entry_is_commanded_either(lane):
    lane.admit()
    lane.controller._lane.one_inside = None  # a bug planted on purpose
    for inputs in (lane.inputs, replace(lane.inputs, emergency=TriState.ACTIVE)):
        out = lane.controller.handle(e.InputsRead(inputs), lane.now)
        assert [command.door for command in out if isinstance(command, c.OpenDoor | c.CloseDoor)] == [Door.EXIT]
