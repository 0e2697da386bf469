"""Presentation attack detection as a check of its own: what the exit asks of it, what it says to whom, and how long the exit waited for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.policy import BiometricRule, PadRule
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import BIOMETRICS, CheckOutcome, Device, Door, Modality, Outcome, TriState
from tests.core.scenes import BROKEN, CLEAR, CLOSED, MANY, NOBODY, OPEN, single_identity
from tests.core.test_invariants import play, steps, walks

LIVE, ATTACK, UNDETERMINED, NOT_PERFORMED, ABORTED = (
    CheckOutcome.SUCCESSFUL,
    CheckOutcome.FAILED,
    CheckOutcome.UNDETERMINED,
    CheckOutcome.NOT_SUPPORTED,
    CheckOutcome.ABORTED,
)
REASONS = {LIVE: None, ATTACK: Reason.PAD_ALARM, UNDETERMINED: Reason.PAD_UNDETERMINED, NOT_PERFORMED: Reason.PAD_NOT_PERFORMED, ABORTED: None}
BOTH, EITHER, OFFICER = BiometricRule.BOTH, BiometricRule.EITHER, BiometricRule.FACE_ONLY_WITH_OFFICER
REQUIRED, SIGNALLED = PadRule.REQUIRED, PadRule.SIGNALLED


def judged(outcome):
    return e.CheckEnded("x", Modality.PAD, outcome, REASONS[outcome])


def unjudged(new_lane, **policy):
    lane = new_lane(**policy).start().admit().enter(judged=None)
    lane.out.clear()
    return lane


def where(lane):
    return lane.state, lane.controller.reason


def fields_of(lane, kind):
    return [dict(command.fields) for command in lane.ordered(c.NoteEvent) if command.kind == kind]


# -- when it begins and ends -----------------------------------------------------------------------------------------------


def test_the_face_is_watched_from_the_entry_on_and_judged_with_the_other_checks(new_lane):
    lane = new_lane().start().admit()
    assert lane.ordered(c.GatherPadEvidence) == [c.GatherPadEvidence("x")]
    assert lane.state is State.ENTRY_OPEN
    lane.enter(judged=None)
    assert c.StartCheck("x", Modality.PAD, lane.policy.identity_s) in lane.out
    lane.tell(judged(ATTACK))
    assert lane.ordered(c.EndBiometrics) == [c.EndBiometrics("x")]


def test_a_judgement_that_nobody_asked_for_yet_counts_for_nothing(new_lane):
    lane = new_lane().start().admit()
    lane.tell(judged(LIVE))
    lane.enter(judged=None).verify()
    assert where(lane) == (State.IDENTITY_CHECK, None)


def test_a_judgement_of_another_crossing_counts_for_nothing(new_lane):
    lane = unjudged(new_lane).verify()
    lane.tell(e.CheckEnded("y", Modality.PAD, LIVE))
    assert where(lane) == (State.IDENTITY_CHECK, None)


@pytest.mark.invariant("INV-2")
@pytest.mark.parametrize(("later", "reason"), [(ATTACK, Reason.PAD_ALARM), (UNDETERMINED, Reason.PAD_UNDETERMINED)])
def test_an_alarm_takes_back_what_was_judged_live_as_long_as_the_exit_is_shut(new_lane, later, reason):
    lane = unjudged(new_lane)
    lane.tell(judged(LIVE))
    assert lane.state is State.IDENTITY_CHECK
    lane.tell(judged(later))
    assert where(lane) == (State.OFFICER_REFERRAL, reason)
    lane.verify()
    assert lane.state is State.OFFICER_REFERRAL


def test_the_first_judgement_stands(new_lane):
    lane = unjudged(new_lane)
    lane.tell(judged(LIVE))
    lane.tell(judged(NOT_PERFORMED))
    lane.verify()
    assert (lane.state, lane.controller.crossing_id) == (State.EXIT_OPEN, "x")
    lane = unjudged(new_lane).verify()
    lane.tell(judged(UNDETERMINED))
    lane.tell(judged(LIVE))
    assert where(lane) == (State.OFFICER_REFERRAL, Reason.PAD_UNDETERMINED)


# -- what the exit asks of it ------------------------------------------------------------------------------------------------

MATCHES = {BOTH: BIOMETRICS, EITHER: (Modality.FINGERPRINT,), OFFICER: (Modality.FACE,)}
RELEASES = {BOTH: (State.EXIT_OPEN, None), EITHER: (State.EXIT_OPEN, None), OFFICER: (State.OFFICER_REFERRAL, Reason.OFFICER_CONFIRMATION)}


@pytest.mark.invariant("INV-2")
@pytest.mark.parametrize("judged_first", [True, False])
@pytest.mark.parametrize("outcome", list(CheckOutcome))
@pytest.mark.parametrize("pad_rule", list(PadRule))
@pytest.mark.parametrize("rule", list(BiometricRule))
def test_what_opens_the_exit(new_lane, rule, pad_rule, outcome, judged_first):
    """The face judged live, or where the policy says so, not judged at all; whatever the biometric rule, and whichever ends first."""
    lane = unjudged(new_lane, biometric_rule=rule, pad_rule=pad_rule)
    told = [e.CheckEnded("x", modality, LIVE) for modality in MATCHES[rule]]
    for event in [judged(outcome), *told] if judged_first else [*told, judged(outcome)]:
        assert lane.ordered(c.OpenDoor) == []
        lane.tell(event)
    passes = outcome is LIVE or (outcome is NOT_PERFORMED and pad_rule is SIGNALLED)
    assert where(lane) == (RELEASES[rule] if passes else (State.OFFICER_REFERRAL, REASONS[outcome] or Reason.PAD_UNDETERMINED))


@pytest.mark.parametrize("rule", list(BiometricRule))
def test_while_it_is_undecided_the_exit_waits_and_not_for_ever(new_lane, rule):
    lane = unjudged(new_lane, biometric_rule=rule, pad_rule=SIGNALLED).verify()
    assert where(lane) == (State.IDENTITY_CHECK, None)
    lane.wait(lane.policy.identity_s)
    assert where(lane) == (State.OFFICER_REFERRAL, Reason.IDENTITY_TIMED_OUT)


def test_waiting_for_it_begins_nothing_anew(new_lane):
    """What is noted when all else is done starts no check again, and gives nobody more time."""
    lane = unjudged(new_lane)
    lane.wait(lane.policy.identity_s - 5)
    lane.verify()
    assert lane.ordered(c.StartCheck) == []
    lane.wait(5)
    assert where(lane) == (State.OFFICER_REFERRAL, Reason.IDENTITY_TIMED_OUT)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rule=st.sampled_from(list(BiometricRule)),
    pad=st.sampled_from([(None, REQUIRED), (None, SIGNALLED), (ATTACK, SIGNALLED), (UNDETERMINED, SIGNALLED), (ABORTED, SIGNALLED), (NOT_PERFORMED, REQUIRED)]),
    walked=walks,
    script=st.lists(steps, max_size=40),
)
@pytest.mark.invariant("INV-2")
def test_no_sequence_of_events_opens_the_exit_by_itself_without_a_judgement(new_lane, rule, pad, walked, script):
    outcome, pad_rule = pad
    lane = new_lane(biometric_rule=rule, pad_rule=pad_rule).start()
    tell = lane.tell

    def never_live(event):
        if isinstance(event, e.CheckEnded) and event.modality is Modality.PAD:
            if outcome is None:
                return []
            event = replace(event, outcome=outcome, reason=REASONS[outcome])
        out = tell(event)
        opened = [command for command in out if isinstance(command, c.OpenDoor) and command.door is Door.EXIT and not command.emergency]
        assert opened == [] or isinstance(event, e.OfficerReleased)
        return out

    lane.tell = never_live
    play(lane, walked + script)
    assert all(record.outcome is not Outcome.COMPLETED and not record.verified for record in lane.monitor.records.values())


# -- which reason ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "ends", "reason"),
    [
        (EITHER, [(Modality.FINGERPRINT, ATTACK), (Modality.PAD, ATTACK)], Reason.PAD_ALARM),
        (EITHER, [(Modality.FINGERPRINT, ATTACK), (Modality.PAD, UNDETERMINED)], Reason.PAD_UNDETERMINED),
        (EITHER, [(Modality.FINGERPRINT, LIVE), (Modality.PAD, NOT_PERFORMED)], Reason.PAD_NOT_PERFORMED),
        (OFFICER, [(Modality.FINGERPRINT, ATTACK), (Modality.PAD, ATTACK)], Reason.PAD_ALARM),
        (OFFICER, [(Modality.FACE, LIVE), (Modality.PAD, ATTACK)], Reason.PAD_ALARM),
        (BOTH, [(Modality.PAD, ATTACK), (Modality.FACE, LIVE)], Reason.PAD_ALARM),
        (BOTH, [(Modality.FACE, ATTACK), (Modality.PAD, ATTACK)], Reason.FACE_MISMATCH),
    ],
)
def test_the_officer_is_told_why(new_lane, rule, ends, reason):
    lane = unjudged(new_lane, biometric_rule=rule)
    mismatch = {Modality.FINGERPRINT: Reason.FINGERPRINT_MISMATCH, Modality.FACE: Reason.FACE_MISMATCH}
    for modality, outcome in ends:
        lane.tell(judged(outcome) if modality is Modality.PAD else e.CheckEnded("x", modality, outcome, mismatch[modality] if outcome is ATTACK else None))
    assert where(lane) == (State.OFFICER_REFERRAL, reason)
    assert lane.ordered(c.CallOfficer) == [c.CallOfficer(reason)]


def test_a_suspected_picture_is_named_before_whatever_else_failed(new_lane):
    """Both are known when the lane looks at its checks: the alarm is what the officer must hear."""
    lane = unjudged(new_lane)
    crossing = lane.controller._lane.crossing
    crossing.checks = {Modality.FACE: ATTACK, Modality.FINGERPRINT: ATTACK, Modality.PAD: ATTACK}
    crossing.check_reasons = {Modality.FACE: Reason.SEVERAL_FACES, Modality.FINGERPRINT: Reason.FINGERPRINT_MISMATCH}
    lane.tell(e.TimerExpired())
    assert where(lane) == (State.OFFICER_REFERRAL, Reason.PAD_ALARM)


# -- what the traveller sees ---------------------------------------------------------------------------------------------------


def nobody_comes(lane):
    lane.wait(lane.policy.officer_acknowledge_s)


def sent_back(lane):
    lane.tell(e.OfficerReturned("x", "officer 7", "seen"))
    lane.see(entry_door=OPEN)
    lane.see(entry_beam=BROKEN, occupancy=NOBODY)
    lane.see(entry_beam=CLEAR)
    lane.wait(0.5)
    lane.see(entry_door=CLOSED)


def let_through(lane):
    lane.tell(e.OfficerReleased("x", "officer 7", "looked at the passport"))
    lane.leave()


@pytest.mark.parametrize("reason", [Reason.PAD_ALARM, Reason.PAD_UNDETERMINED, Reason.PAD_NOT_PERFORMED])
@pytest.mark.parametrize("follows", [nobody_comes, sent_back, let_through])
def test_whoever_is_inside_cannot_tell_an_alarm_from_a_face_that_did_not_match(new_lane, follows, reason):
    """Prompts, lamps and doors are the same at the same times until the lane is ready again; only the officer and the journal hear of it."""
    outcome = next(outcome for outcome, its in REASONS.items() if its is reason)
    seen = []
    for event in (e.CheckEnded("x", Modality.FACE, ATTACK, Reason.FACE_MISMATCH), judged(outcome)):
        lane = unjudged(new_lane)
        lane.tell(event)
        assert lane.ordered(c.CallOfficer) == [c.CallOfficer(event.reason)]
        follows(lane)
        for_officers = (c.CallOfficer, c.NoteEvent, c.RecordCrossing)
        seen.append([command for command in lane.out if not isinstance(command, for_officers)] + [lane.state, lane.controller.prompt])
    assert seen[0] == seen[1]
    assert event.reason.prompt is Reason.FACE_MISMATCH.prompt


# -- what is recorded ------------------------------------------------------------------------------------------------------------


def test_how_long_the_exit_waited_for_it_alone_is_recorded(new_lane):
    lane = unjudged(new_lane)
    began = lane.now
    lane.wait(1.0)
    lane.verify()
    lane.tell(e.CheckEnded("x", Modality.FACE, LIVE))  # told twice, noted once
    lane.tell(e.CheckEnded("y", Modality.FACE, LIVE))
    lane.wait(0.7)
    lane.tell(judged(LIVE))
    lane.leave()
    at = {step.name: step.at_s for step in lane.record().steps}
    assert [step.name for step in lane.record().steps][5:9] == ["fingerprint_successful", "face_successful", "pad_awaited", "pad_successful"]
    assert at["pad_successful"] - at["pad_awaited"] == pytest.approx(0.7)
    assert at["pad_awaited"] == at["face_successful"]
    assert at["pad_awaited"] - at["entered"] == pytest.approx(1.0)
    assert lane.now > began


def test_a_match_that_was_held_back_for_the_judgement_waited_from_the_match_on(new_lane):
    """The face worker tells match and judgement together."""
    lane = unjudged(new_lane)
    lane.wait(0.5)
    lane.tell(e.CheckEnded("x", Modality.FINGERPRINT, LIVE))
    lane.wait(2.0)
    lane.tell(e.CheckEnded("x", Modality.FACE, LIVE, held_s=0.8))
    lane.tell(judged(LIVE))
    lane.leave()
    at = {step.name: step.at_s for step in lane.record().steps}
    assert at["pad_successful"] - at["pad_awaited"] == pytest.approx(0.8)


@pytest.mark.parametrize(("held_s", "waited"), [(2.5, 1.5), (0.5, 0.5)])
def test_and_not_before_the_other_check_had_ended(new_lane, held_s, waited):
    lane = unjudged(new_lane)
    lane.wait(1.5)
    lane.tell(e.CheckEnded("x", Modality.FINGERPRINT, LIVE))
    lane.wait(1.5)
    lane.tell(e.CheckEnded("x", Modality.FACE, LIVE, held_s=held_s))
    lane.tell(judged(LIVE))
    lane.leave()
    at = {step.name: step.at_s for step in lane.record().steps}
    assert at["pad_successful"] - at["pad_awaited"] == pytest.approx(waited)


@pytest.mark.parametrize("rule", list(BiometricRule))
def test_where_it_ended_first_nothing_waited_for_it(new_lane, rule):
    lane = new_lane(biometric_rule=rule).start().admit().enter().verify()
    lane.tell(e.OfficerReleased("x", "officer 7", "seen"))
    lane.leave()
    assert "pad_awaited" not in [step.name for step in lane.record().steps]


def test_an_omission_passes_where_the_policy_says_so_and_is_marked_in_the_record(new_lane):
    lane = unjudged(new_lane, pad_rule=SIGNALLED)
    lane.tell(judged(NOT_PERFORMED))
    lane.verify().leave()
    record = lane.record()
    assert (record.outcome, record.verified) == (Outcome.COMPLETED, True)
    assert record.checks[Modality.PAD] is NOT_PERFORMED
    assert "pad_not_supported" in [step.name for step in record.steps]


@pytest.mark.parametrize("outcome", [ATTACK, UNDETERMINED, NOT_PERFORMED])
def test_the_record_says_how_it_ended_and_the_officers_hand_is_beside_it(new_lane, outcome):
    lane = unjudged(new_lane)
    lane.tell(judged(outcome))
    let_through(lane)
    record = lane.record()
    assert (record.outcome, record.officer, record.verified) == (Outcome.RELEASED_BY_OFFICER, "officer 7", False)
    assert record.checks == {Modality.PAD: outcome}


def test_whoever_is_sent_back_after_an_alarm_is_recorded_with_it(new_lane):
    lane = unjudged(new_lane)
    lane.tell(judged(ATTACK))
    sent_back(lane)
    assert (lane.record().outcome, lane.record().reason) == (Outcome.RETURNED, Reason.PAD_ALARM)


# -- what else happens meanwhile -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happens", "state", "reason"),
    [
        (lambda lane: lane.tell(e.DeviceLost(Device.FACE_CAMERA, "absent")), State.OFFICER_REFERRAL, Reason.FACE_CAMERA_LOST),
        (lambda lane: lane.tell(e.AssistanceRequested("officer 7")), State.OFFICER_REFERRAL, Reason.ASSISTANCE_REQUESTED),
        (lambda lane: (lane.see(occupancy=MANY), lane.wait(0.4)), State.RETURN_PATH, Reason.TAILGATING),
        (lambda lane: lane.see(tamper=TriState.ACTIVE), State.OFFICER_REFERRAL, Reason.TAMPER),
        (lambda lane: lane.see(emergency=TriState.ACTIVE), State.EMERGENCY, Reason.EMERGENCY),
    ],
)
def test_while_the_exit_waits_for_it_everything_else_still_counts(new_lane, happens, state, reason):
    lane = unjudged(new_lane).verify()
    happens(lane)
    assert where(lane) == (state, reason)
    assert c.EndBiometrics("x") in lane.out
    exits = [command for command in lane.ordered(c.OpenDoor) if command.door is Door.EXIT]
    lane.tell(judged(LIVE))
    assert [command for command in lane.ordered(c.OpenDoor) if command.door is Door.EXIT] == exits, "a judgement that comes late opens nothing"


def test_a_judgement_from_before_somebody_stood_in_a_doorless_entry_is_void(new_lane):
    lane = single_identity(new_lane)
    lane.tell(e.CheckEnded("x", Modality.FINGERPRINT, LIVE))
    lane.see(entry_beam=TriState.ACTIVE)
    assert lane.state is State.OCCUPANCY_CHECK
    lane.see(entry_beam=TriState.INACTIVE)
    lane.tell(e.CheckEnded("x", Modality.FACE, LIVE))
    assert lane.ordered(c.OpenDoor) == []
    assert fields_of(lane, "latched") == []
