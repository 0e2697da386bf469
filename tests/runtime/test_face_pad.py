"""Presentation attack detection in the face worker: what is judged is what is compared."""

from __future__ import annotations

import random
from itertools import groupby

import pytest
from structlog.testing import capture_logs

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Modality
from gate_controller.ports.errors import DeviceRejectedError
from gate_controller.ports.pad import ChallengeKind, ChallengeOutcome, PadAssessment
from gate_controller.runtime.face_run import VERIFY_EVERY_S
from gate_controller.runtime.face_worker import FaceWorker

LIVE, ATTACK, UNSURE = 0.1, 0.9, 0.5
HOLDER, OTHER = 1, 2
FPS = 15


class Lane:
    """A face worker, and who is before its camera."""

    def __init__(self, worker, camera, matcher, judge, inbox, face) -> None:
        self.worker, self.camera, self.matcher, self.judge, self.inbox, self.face = worker, camera, matcher, judge, inbox, face
        camera.advances = 1 / FPS
        self.worker.submit(c.GatherPadEvidence("x"))

    def show(self, seconds: float, person: int, judged: float | None, **how) -> None:
        """Somebody before the camera: the holder matches, anybody else does not; the judge gives `judged`."""
        self.judge.score = judged
        self.matcher.always = self.face(distance=0.4 if person == HOLDER else 1.4, person=person, **how)
        for _ in range(round(seconds * FPS)):
            self.worker.step()

    def nobody(self, seconds: float) -> None:
        self.matcher.always = None
        for _ in range(round(seconds * FPS)):
            self.worker.step()

    def check(self, timeout_s: float = 10.0) -> None:
        """The doors are shut, one person is inside: the core starts its checks."""
        self.worker.submit(c.StartCheck("x", Modality.FACE, timeout_s))
        self.worker.submit(c.StartCheck("x", Modality.PAD, timeout_s))

    def ends(self) -> dict[Modality, tuple[CheckOutcome, Reason | None]]:
        ended = self.inbox.of(e.CheckEnded)
        assert len({each.modality for each in ended}) == len(ended), "a check ends once"
        return {each.modality: (each.outcome, each.reason) for each in ended}

    def prompts(self) -> list[Prompt]:
        return [each.prompt for each in self.inbox.of(e.CheckProgressed)]


PASSED = {Modality.FACE: (CheckOutcome.SUCCESSFUL, None), Modality.PAD: (CheckOutcome.SUCCESSFUL, None)}
ALARM = (CheckOutcome.FAILED, Reason.PAD_ALARM)


class ScriptedChallenger:
    def __init__(self, *outcomes: ChallengeOutcome) -> None:
        self.outcomes = list(outcomes)
        self.asked = 0

    def begin(self) -> None:
        pass

    def observe(self, frame, face) -> None:
        pass

    def ask(self, now) -> ChallengeKind:
        self.asked += 1
        return ChallengeKind.TURN_LEFT

    def outcome(self, now) -> ChallengeOutcome:
        return self.outcomes.pop(0) if self.outcomes else ChallengeOutcome.PENDING


@pytest.fixture
def make_lane(camera, matcher, judge, session, around, make_record, make_face, monkeypatch, inbox):
    monkeypatch.setattr("gate_controller.runtime.face_worker.IDLE_INTERVAL_S", 0.0)
    session.expect("x")
    session.keep("x", make_record(b"finger"))

    def make(judge=judge, **parts):
        return Lane(FaceWorker(camera, matcher, session, parts.pop("around", around), judge=judge, **parts), camera, matcher, judge, inbox, make_face)

    return make


@pytest.fixture
def lane(make_lane):
    return make_lane()


def test_evidence_from_the_entry_on_lets_both_end_with_the_first_frames_of_the_check(lane):
    lane.show(2.0, HOLDER, LIVE)
    assert lane.ends() == {}
    lane.check()
    lane.show(1 / FPS, HOLDER, LIVE)
    assert lane.ends() == PASSED


def test_before_the_check_few_frames_are_encoded(lane, matcher):
    lane.show(3.0, HOLDER, LIVE)
    assert matcher.encoded <= 3.0 / 0.3 + 1
    assert matcher.located >= 30


def all_ends(lane):
    return [(each.modality, each.outcome, each.reason) for each in lane.inbox.of(e.CheckEnded)]


@pytest.mark.invariant("INV-2")
def test_a_picture_that_is_held_up_while_the_finger_is_awaited_takes_live_back(lane):
    lane.show(2.0, HOLDER, LIVE)
    lane.check()
    lane.show(0.2, HOLDER, LIVE)
    assert lane.ends() == PASSED
    lane.show(5.0, HOLDER, ATTACK)
    assert all_ends(lane)[2:] == [(Modality.PAD, *ALARM)], "told once"


@pytest.mark.invariant("INV-2")
def test_somebody_else_before_the_camera_while_the_finger_is_awaited_takes_live_back(lane):
    lane.show(2.0, HOLDER, LIVE)
    lane.check()
    lane.show(0.2, HOLDER, LIVE)
    lane.show(2.0, OTHER, LIVE)
    assert all_ends(lane)[2:] == [(Modality.PAD, CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED)]


@pytest.mark.invariant("INV-2")
def test_also_who_takes_the_face_s_place_with_a_jump(lane, judge):
    lane.show(2.0, HOLDER, LIVE)
    lane.check()
    lane.show(0.2, HOLDER, LIVE)
    judge.jump()
    lane.show(2.0, OTHER, LIVE)
    assert all_ends(lane)[2:] == [(Modality.PAD, CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED)]


def test_the_same_face_that_jumps_keeps_what_was_judged(lane, judge):
    lane.show(2.0, HOLDER, LIVE)
    lane.check()
    lane.show(0.2, HOLDER, LIVE)
    judge.jump()
    lane.show(2.0, HOLDER, LIVE)
    assert lane.ends() == PASSED


def test_whoever_looks_down_at_the_reader_keeps_what_was_judged(lane):
    lane.show(2.0, HOLDER, LIVE)
    lane.check()
    lane.show(0.2, HOLDER, LIVE)
    lane.nobody(3.0)
    lane.show(1.0, HOLDER, LIVE)
    assert lane.ends() == PASSED


def test_a_match_tells_for_how_long_it_was_held_back(lane):
    lane.check()
    lane.show(1.5, HOLDER, None)
    lane.show(1.5, HOLDER, LIVE)
    ended = {each.modality: each for each in lane.inbox.of(e.CheckEnded)}
    assert ended[Modality.FACE].held_s > 1.0
    assert ended[Modality.PAD].held_s == 0.0


def test_a_match_waits_until_the_face_is_judged(lane):
    lane.check()
    lane.show(1.0, HOLDER, None)
    assert lane.ends() == {}
    lane.show(1.0, HOLDER, LIVE)
    assert lane.ends() == PASSED
    assert lane.prompts() == []


@pytest.mark.parametrize("seconds_live", [0.5, 2.0, 6.0])
def test_a_living_face_does_not_earn_a_pass_for_the_picture_shown_after_it(lane, seconds_live):
    lane.show(seconds_live, OTHER, LIVE)
    lane.check()
    lane.show(0.3, HOLDER, LIVE)  # the judge's evidence is still the living face's
    assert lane.ends() == {}
    lane.show(2.0, HOLDER, ATTACK)
    assert lane.ends()[Modality.PAD] == ALARM


def test_nor_when_the_picture_comes_during_the_check_or_after_a_gap(lane):
    lane.check()
    lane.show(0.1, OTHER, LIVE)
    lane.nobody(0.4)  # shorter than what the judge takes for another presentation
    lane.show(0.6, HOLDER, LIVE)
    assert lane.ends() == {}
    lane.show(8.5, HOLDER, UNSURE)
    assert lane.ends() == {Modality.FACE: (CheckOutcome.SUCCESSFUL, None), Modality.PAD: (CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED)}


def test_a_picture_that_was_noticed_is_an_alarm_whatever_comes_after_it(lane):
    lane.show(2.0, HOLDER, ATTACK)
    lane.nobody(1.0)
    lane.show(4.0, HOLDER, LIVE)
    lane.check()
    lane.show(2.0, HOLDER, LIVE)
    assert lane.ends()[Modality.PAD] == ALARM


def test_an_alarm_during_the_check_is_told_at_once_and_before_the_match(lane, inbox):
    lane.check()
    lane.show(1.4, HOLDER, UNSURE)
    lane.show(0.3, HOLDER, ATTACK)
    assert inbox.of(e.CheckEnded)[0].modality is Modality.PAD
    assert lane.ends()[Modality.PAD] == ALARM


def test_two_people_who_take_turns_are_never_one(lane):
    lane.show(2.0, HOLDER, LIVE)
    lane.show(0.4, OTHER, LIVE)
    lane.check()
    lane.show(1.2, HOLDER, LIVE)
    assert lane.ends() == {}
    lane.show(0.8, HOLDER, LIVE)
    assert lane.ends() == PASSED, "the holder, judged anew"


def test_somebody_elses_face_is_judged_and_fails_the_comparison(lane):
    lane.show(2.0, OTHER, LIVE)
    lane.check()
    lane.show(2.0, OTHER, LIVE)
    assert lane.ends() == {Modality.FACE: (CheckOutcome.FAILED, Reason.FACE_MISMATCH), Modality.PAD: (CheckOutcome.SUCCESSFUL, None)}


def test_where_the_judge_sees_another_face_the_comparison_begins_anew(lane, judge):
    lane.check()
    lane.show(1.4, HOLDER, UNSURE)  # matched, and waits
    judge.jump()
    lane.show(1.0, HOLDER, LIVE)
    assert lane.ends() == {}, "the evidence is of one second"
    lane.show(0.8, HOLDER, LIVE)
    assert lane.ends() == PASSED


def test_live_that_comes_late_does_not_count(lane):
    lane.show(3.0, HOLDER, UNSURE)
    lane.check()
    lane.show(9.5, HOLDER, LIVE)
    assert lane.ends()[Modality.PAD] == (CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED)


def test_nor_does_beginning_anew_buy_more_time(lane, judge):
    for _ in range(4):
        lane.show(2.2, HOLDER, UNSURE)
        judge.jump()
    lane.check()
    lane.show(9.5, HOLDER, LIVE)
    assert lane.ends()[Modality.PAD] == (CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED)


def test_live_must_still_stand_when_the_face_matches(lane):
    lane.show(2.0, HOLDER, LIVE)
    lane.show(1.0, HOLDER, UNSURE)
    lane.check()
    lane.show(1.0, HOLDER, UNSURE)
    assert lane.ends() == {}
    lane.show(0.2, HOLDER, LIVE)
    assert lane.ends() == PASSED


def test_faces_too_poor_to_compare_are_no_evidence(lane, judge):
    lane.show(2.0, HOLDER, LIVE, score=0.1)
    assert all(place is None for place in judge.shown)
    lane.show(1.0, HOLDER, LIVE, faces=2)
    assert all(place is None for place in judge.shown), "nor are two at once"


def test_one_poor_frame_that_resembles_nobody_ends_no_run(lane, matcher, make_face):
    lane.show(2.0, HOLDER, LIVE)
    lane.check()
    matcher.script.append(make_face(person=OTHER, score=0.3))
    lane.show(0.3, HOLDER, LIVE)
    assert lane.ends() == PASSED


@pytest.mark.invariant("INV-4")
def test_a_judge_that_fails_is_an_omission_and_keeps_nothing(lane, judge):
    lane.show(1.0, HOLDER, LIVE)
    judge.raises = DeviceRejectedError("judge: no", "repair it")
    lane.show(0.2, HOLDER, LIVE)
    lane.check()
    lane.show(1.0, HOLDER, LIVE)
    assert lane.ends() == {
        Modality.FACE: (CheckOutcome.SUCCESSFUL, None),
        Modality.PAD: (CheckOutcome.NOT_SUPPORTED, Reason.PAD_NOT_PERFORMED),
    }
    assert judge.ended >= 1


def test_an_alarm_outlives_the_judge(lane, judge):
    lane.show(2.0, HOLDER, ATTACK)
    judge.raises = DeviceRejectedError("judge: no", "repair it")
    lane.check()
    lane.show(0.2, HOLDER, LIVE)
    assert lane.ends()[Modality.PAD] == ALARM


def test_without_a_judge_the_omission_is_told_at_once(make_lane):
    lane = make_lane(judge=None)
    lane.judge = type("Nobody", (), {"score": None})()
    lane.check()
    lane.show(1.0, HOLDER, LIVE)
    assert lane.ends()[Modality.PAD] == (CheckOutcome.NOT_SUPPORTED, Reason.PAD_NOT_PERFORMED)
    assert lane.ends()[Modality.FACE] == (CheckOutcome.SUCCESSFUL, None)


@pytest.mark.invariant("INV-7")
@pytest.mark.parametrize("end", ["command", "lost", "record"])
def test_nothing_of_a_crossing_is_left_after_it(lane, judge, session, make_record, end):
    lane.show(2.0, HOLDER, ATTACK)
    ended = judge.ended
    if end == "command":
        lane.worker.submit(c.EndBiometrics("x"))
    elif end == "lost":
        lane.worker.lost()
        lane.worker.submit(c.EndBiometrics("x"))
    else:
        session.forget()
    lane.nobody(0.2)
    assert judge.ended > ended
    shown = len(judge.shown)
    lane.show(1.0, HOLDER, LIVE)
    assert len(judge.shown) == shown, "nobody is watched between crossings"
    session.expect("x")
    session.keep("x", make_record(b"finger"))
    lane.worker.submit(c.GatherPadEvidence("x"))
    lane.show(2.0, HOLDER, LIVE)
    lane.check()
    lane.show(0.5, HOLDER, LIVE)
    assert lane.ends() == PASSED, "an alarm is of one crossing"


def test_a_challenge_is_asked_when_it_stays_undetermined_and_two_in_a_row_are_live(make_lane, challenged):
    met = ChallengeOutcome.MET
    challenger = ScriptedChallenger(ChallengeOutcome.PENDING, met, ChallengeOutcome.PENDING, met)
    lane = make_lane(around=challenged, challenger=challenger)
    lane.check()
    lane.show(3.9, HOLDER, UNSURE)
    assert challenger.asked == 0
    lane.show(1.0, HOLDER, UNSURE)
    assert lane.ends() == PASSED
    assert lane.prompts() == [Prompt.TURN_LEFT, Prompt.TURN_LEFT]


def test_who_does_not_meet_it_is_not_accused(make_lane, challenged):
    challenger = ScriptedChallenger(ChallengeOutcome.MET, ChallengeOutcome.FAILED)
    lane = make_lane(around=challenged, challenger=challenger)
    lane.check()
    lane.show(9.5, HOLDER, UNSURE)
    assert lane.ends()[Modality.PAD] == (CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED)
    assert challenger.asked == 2


def test_a_picture_that_meets_a_challenge_is_still_an_alarm(make_lane, challenged):
    lane = make_lane(around=challenged, challenger=ScriptedChallenger(ChallengeOutcome.MET, ChallengeOutcome.PENDING))
    lane.check()
    lane.show(4.2, HOLDER, UNSURE)
    lane.show(1.0, HOLDER, ATTACK)
    assert lane.ends()[Modality.PAD] == ALARM


def test_the_traveller_sees_nothing_of_it_and_the_engineer_sees_numbers(lane):
    with capture_logs() as logs:
        lane.check()
        lane.show(3.0, HOLDER, ATTACK)
    assert lane.prompts() == []
    (alarm,) = [each for each in logs if each["log_level"] == "warning"]
    assert alarm["cues"] == {"shake": 1.5}
    assert alarm["score"] == ATTACK


@pytest.mark.invariant("INV-1")
@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_shown_in_turn_nobody_passes_by_somebody_elses_evidence(lane, seed):
    """A pass means: for the least time that the policy asks nobody else was seen for as long as faces go uncompared, and never an attack in the crossing."""
    draw = random.Random(seed)
    shown: list[tuple[int, float]] = []
    attacked = False
    checked = draw.randrange(6)
    for number in range(14):
        if number == checked:
            lane.check()
        person, score = draw.choice([(HOLDER, LIVE), (HOLDER, LIVE), (OTHER, LIVE), (HOLDER, UNSURE), (HOLDER, ATTACK), (0, LIVE)])
        frames = draw.choice([1, 2, 4, 8, 16, 30])
        for _ in range(frames):
            if person:
                lane.show(1 / FPS, person, score)
            else:
                lane.nobody(1 / FPS)
            shown.append((person, score))
            if lane.ends().get(Modality.PAD) == (CheckOutcome.SUCCESSFUL, None):
                break
            if lane.judge._frames >= 18 and score == ATTACK and person:
                attacked = True
        if lane.ends().get(Modality.PAD):
            break
    if lane.ends().get(Modality.PAD) == (CheckOutcome.SUCCESSFUL, None):
        assert not attacked
        if lane.ends()[Modality.FACE][0] is CheckOutcome.SUCCESSFUL:
            seen = [person for person, _ in shown if person][-18:]
            assert max((len(list(same)) for person, same in groupby(seen) if person != HOLDER), default=0) <= VERIFY_EVERY_S * FPS
            assert seen[-1] == HOLDER


def test_why_nothing_was_decided_is_for_the_engineers_log(lane):
    with capture_logs() as logs:
        lane.check()
        lane.show(30.0, HOLDER, 0.5)
    assert lane.ends()[Modality.PAD] == (CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED)
    (told,) = [line for line in logs if line["event"].startswith("it was not told in time")]
    assert told["score"] == 0.5
    assert set(told) >= {"frames", "span_s", "frames_per_s", "cues"}


def test_of_several_judges_the_engineers_log_says_which(lane):
    def assess():
        parts = (PadAssessment(LIVE, 40, 2.0), PadAssessment(ATTACK, 30, 1.5))
        return PadAssessment(ATTACK, 30, 1.5, parts=parts)

    lane.judge.assess = assess
    with capture_logs() as logs:
        lane.check()
        lane.show(1.0, HOLDER, LIVE)
    (alarm,) = [each for each in logs if each["log_level"] == "warning"]
    assert alarm["judges"] == [{"score": LIVE, "frames": 40}, {"score": ATTACK, "frames": 30}]


def test_a_camera_that_is_lost_and_back_in_the_same_crossing_clears_no_alarm(lane):
    lane.show(3.0, HOLDER, ATTACK)
    lane.worker.lost()
    lane.check()
    lane.show(4.0, HOLDER, LIVE)
    assert lane.ends()[Modality.PAD] == ALARM


def test_the_next_crossing_begins_without_it(lane):
    lane.show(3.0, HOLDER, ATTACK)
    lane.worker.lost()
    lane.worker.submit(c.GatherPadEvidence("y"))
    lane.worker.submit(c.StartCheck("y", Modality.FACE, 10.0))
    lane.worker.submit(c.StartCheck("y", Modality.PAD, 10.0))
    lane.show(4.0, HOLDER, LIVE)
    assert lane.ends()[Modality.PAD] == (CheckOutcome.SUCCESSFUL, None)
