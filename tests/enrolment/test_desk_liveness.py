"""Presentation attacks at the desk: whose face was judged is whose face is taken, and it is judged again after the fingers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gate_controller.enrolment.desk import Attendance, Instruction, Refusal, Said
from gate_controller.ports.devices import Frame
from gate_controller.ports.errors import DeviceTimeoutError, DeviceUntrustedError
from gate_controller.ports.pad import PadDecision
from simulators.face_memory import MemoryFaceMatcher, SeenFace, template_of
from tests.enrolment.desk_rig import THRESHOLD, Desk, ScriptedJudge, applicant
from tests.enrolment.test_desk_session import refused

ALONE = Attendance()
MEI, BAO = SeenFace("mei"), SeenFace("bao")


def test_a_live_face_is_taken_when_the_judge_says_so() -> None:
    judge = ScriptedJudge(lambda frames: 0.5 if frames < 20 else 0.1)
    desk = Desk(judge=judge)
    _, evidence = desk.session().enrol(applicant(), ALONE)
    assert (evidence.pad, evidence.judge) == (PadDecision.LIVE, "scripted 1")
    assert judge.frames >= 20
    assert judge.ended == 2, "once with the face, once after the fingers"


def test_an_attack_is_refused_and_the_desk_does_not_say_why() -> None:
    judge = ScriptedJudge(lambda _frames: 0.95)
    refusal = refused(Desk(judge=judge), Refusal.FACE_NOT_ACCEPTED)
    assert "attack" in refusal.confidential
    assert not any(word in f"{refusal} {refusal.reason.value}" for word in ("attack", "live", "judge"))
    assert judge.ended == 1


def test_a_face_that_stays_undecided_is_refused_in_the_same_words() -> None:
    undecided = refused(Desk(judge=ScriptedJudge(lambda _frames: 0.5)), Refusal.FACE_NOT_ACCEPTED)
    attack = refused(Desk(judge=ScriptedJudge(lambda _frames: 0.95)), Refusal.FACE_NOT_ACCEPTED)
    assert str(undecided) == str(attack)
    assert undecided.confidential != attack.confidential


def test_what_is_shown_now_must_still_be_live_when_the_face_is_taken() -> None:
    """As in a lane: live once, and undecided from then on, is a picture that came in between, or might be."""
    refused(Desk(judge=ScriptedJudge(lambda frames: 0.1 if frames == 10 else 0.5)), Refusal.FACE_NOT_ACCEPTED)


def test_live_reached_too_late_is_not_believed() -> None:
    """Whoever may go on until the judge is content will find a way to content it."""
    refused(Desk(judge=ScriptedJudge(lambda frames: 0.5 if frames < 60 else 0.1)), Refusal.FACE_NOT_ACCEPTED)


def test_the_time_without_an_answer_is_not_forgotten_when_the_judge_begins_anew() -> None:
    judge = ScriptedJudge(lambda frames: 0.1 if frames % 20 == 0 and frames > 45 else 0.5, lambda frames: frames // 15)
    desk = Desk(judge=judge)
    refused(desk, Refusal.FACE_NOT_ACCEPTED)
    assert desk.camera.frames < 60, "it is over as soon as nothing can come of it"


def test_a_judge_that_fails_is_no_pass() -> None:
    class Broken(ScriptedJudge):
        def observe(self, frame: object, face: object) -> None:
            raise DeviceTimeoutError("the judge is gone")

    refused(Desk(judge=Broken(lambda _frames: 0.1)), Refusal.FACE_NOT_ACCEPTED)


def test_frames_from_before_the_judge_began_anew_are_dropped() -> None:
    """Another face may have been there: what is compared must be what was judged."""
    desk = Desk(judge=ScriptedJudge(lambda _frames: 0.1, lambda frames: int(frames >= 10)))
    desk.session().enrol(applicant(), ALONE)
    assert [said.done for said in desk.said if said.of == 11].count(1) == 2


class LiveWhileMei(ScriptedJudge):
    """The judge that is easiest to deceive: one frame of Mei, alive, and all that follows is live until it begins anew. It tells places, not people."""

    def __init__(self) -> None:
        super().__init__(lambda _frames: 0.1 if self.seen_mei else 0.5)
        self.seen_mei = False

    def begin(self) -> None:
        super().begin()
        self.seen_mei = False

    def observe(self, frame: Frame, face: object) -> None:
        super().observe(frame, face)
        matcher = MemoryFaceMatcher()
        probe = matcher.analyse(frame.image).probe
        if face is not None and probe is not None and matcher.compare(probe, template_of("mei")) < THRESHOLD + 0.3:
            self.seen_mei = True


POOR = SeenFace("mei", quality=0.5)


@pytest.mark.parametrize(
    "people",
    [
        lambda frame: [POOR] if frame < 30 else [BAO],
        lambda frame: [POOR] if frame < 30 else [POOR, BAO] if frame < 34 else [BAO],
        lambda frame: [MEI] if frame < 6 else [POOR] if frame < 12 else [BAO],
        lambda frame: [MEI] if frame < 6 else [] if frame < 9 else [BAO],
        lambda frame: [MEI] if frame < 11 else [BAO],
    ],
    ids=["poor, then a picture", "poor, two, then a picture", "good, poor, then a picture", "good, away, then a picture", "at the last frame"],
)
def test_liveness_that_one_person_earned_is_not_another_s(people: Callable[[int], list[SeenFace]]) -> None:
    refused(Desk(people=people, judge=LiveWhileMei()), Refusal.FACE_NOT_ACCEPTED)


def test_frames_that_are_not_good_enough_to_be_taken_are_not_judged() -> None:
    judge = ScriptedJudge(lambda _frames: 0.1)
    refused(Desk(people=lambda _frame: [POOR], judge=judge), Refusal.FACE_NOT_GOOD_ENOUGH)
    assert judge.frames == 0


def test_being_asked_closer_costs_no_time_for_the_decision() -> None:
    judge = ScriptedJudge(lambda frames: 0.5 if frames < 15 else 0.1)
    desk = Desk(judge=judge, people=lambda frame: [MEI] if frame < 8 or frame > 60 else [SeenFace("mei", width_px=100)])
    desk.session().enrol(applicant(), ALONE)


def test_after_the_fingers_the_person_is_seen_alive_once_more() -> None:
    desk = Desk(judge=LiveWhileMei())
    hear = desk.hear

    def swap(said: Said) -> None:
        hear(said)
        if said.instruction is Instruction.FINGER_TAKEN and said.done == 2:
            desk.camera.people = lambda _frame: [BAO]

    desk.hear = swap
    refused(desk, Refusal.ANOTHER_PERSON)


def test_a_judge_that_cannot_use_a_frame_is_no_pass_and_no_bug() -> None:
    class Choosy(ScriptedJudge):
        def observe(self, frame: Frame, face: object) -> None:
            raise ValueError("not an image")

    refused(Desk(judge=Choosy(lambda _frames: 0.1)), Refusal.FACE_NOT_ACCEPTED)


@pytest.mark.parametrize("call", ["analyse", "compare", "template"])
def test_a_model_that_cannot_use_a_frame_is_a_fault_and_no_bug(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    def choosy(*_: object) -> None:
        raise ValueError("not finite")

    monkeypatch.setattr(desk.matcher, call, choosy)
    with pytest.raises(DeviceUntrustedError):
        desk.session().enrol(applicant(), ALONE)
    assert not desk.camera.is_open


def test_frames_that_are_stamped_out_of_order_are_passed_over() -> None:
    judge = ScriptedJudge(lambda _frames: 0.1)
    desk = Desk(judge=judge)
    frame_of, stamps = desk.camera.frame, []
    observe = judge.observe

    def stutter(newer_than: int, deadline: float) -> Frame:
        frame = frame_of(newer_than, deadline)
        return replace(frame, stamp=frame.stamp - 1) if frame.sequence % 5 == 0 else frame

    def note(frame: Frame, face: object) -> None:
        stamps.append(frame.stamp)
        observe(frame, face)

    desk.camera.frame, judge.observe = stutter, note  # type: ignore[method-assign]
    desk.session().enrol(applicant(), ALONE)
    assert stamps == sorted(set(stamps))


def test_a_camera_whose_time_stands_still_is_a_fault() -> None:
    desk = Desk()
    frame_of = desk.camera.frame
    desk.camera.frame = lambda newer, deadline: replace(frame_of(newer, deadline), stamp=1.0)  # type: ignore[method-assign]
    with pytest.raises(DeviceUntrustedError):
        desk.session().enrol(applicant(), ALONE)
