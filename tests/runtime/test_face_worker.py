from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Modality
from gate_controller.ports.devices import FaceModel, FaceTemplate
from gate_controller.ports.errors import DeviceUntrustedError
from gate_controller.runtime.face_guidance import PERSISTENT_FRAMES
from gate_controller.runtime.face_run import FRESH_S, VERIFY_EVERY_S
from gate_controller.runtime.face_worker import FaceWorker


@pytest.fixture
def worker(camera, matcher, session, around, make_record, monkeypatch):
    monkeypatch.setattr("gate_controller.runtime.face_worker.IDLE_INTERVAL_S", 0.0)
    session.expect("x")
    session.keep("x", make_record(b"finger"))
    return FaceWorker(camera, matcher, session, around)


def check(worker, *, steps: int = 16):
    worker.submit(c.StartCheck("x", Modality.FACE, 10.0))
    for _ in range(steps):
        worker.step()
    ends = worker.around.post.of(e.CheckEnded)
    assert len(ends) <= 1
    return (ends[0].outcome, ends[0].reason) if ends else None


def test_the_best_of_several_frames_decides_not_the_first(worker, matcher):
    matcher.script.extend([(1, 1.4, 0.3), (1, 0.5, 0.9), (1, 1.3, 0.4)])
    assert check(worker) == (CheckOutcome.SUCCESSFUL, None)


def test_a_good_distance_on_a_poor_frame_does_not_decide(worker, matcher):
    matcher.script.extend([(1, 0.5, 0.3), (1, 1.4, 0.9), (1, 1.4, 0.4)] * 3)
    assert check(worker) == (CheckOutcome.FAILED, Reason.FACE_MISMATCH)


def test_frames_below_the_quality_limit_are_not_used(worker, matcher):
    matcher.script.extend([(1, 0.1, 0.1)] * 10)
    assert check(worker) is None


def test_the_threshold_itself_still_matches_and_nothing_above_it_does(worker, matcher):
    matcher.script.extend([(1, 1.0, 0.9)] * 3)
    assert check(worker) == (CheckOutcome.SUCCESSFUL, None)


@pytest.mark.invariant("INV-3")
def test_a_distance_that_is_no_number_never_matches(worker, matcher):
    matcher.script.extend([(1, float("nan"), 0.9)] * 9)
    assert check(worker) == (CheckOutcome.FAILED, Reason.FACE_MISMATCH)


def test_a_second_face_ends_the_check(worker, matcher):
    matcher.script.extend([(2, 0.1, 0.9)] * 3)
    assert check(worker) == (CheckOutcome.FAILED, Reason.SEVERAL_FACES)


def test_nobody_in_front_of_the_camera(worker, inbox, clock):
    assert check(worker, steps=PERSISTENT_FRAMES + 2) is None
    assert [event.prompt for event in inbox.of(e.CheckProgressed)] == [Prompt.LOOK_HERE]
    clock.now += 11
    worker.step()
    assert check(worker, steps=0) == (CheckOutcome.UNDETERMINED, Reason.FACE_NOT_CAPTURED)


def test_a_broken_template_is_said_as_such(worker, matcher, session, make_record):
    session.keep("x", make_record(b"finger", face=b"broken"))
    matcher.script.extend([(1, 0.1, 0.9)] * 3)
    assert check(worker) == (CheckOutcome.NOT_SUPPORTED, Reason.REFERENCE_REFUSED)


def test_a_record_without_a_template_of_this_model(worker, session):
    session.forget()
    with capture_logs() as logs:
        assert check(worker) == (CheckOutcome.NOT_SUPPORTED, Reason.NO_TEMPLATE)
    assert [line["enrolled"] for line in logs if line["event"] == "no face template of this lane's model"] == ["none"]


def test_ending_stops_the_check(worker, matcher, inbox):
    check(worker, steps=1)
    worker.submit(c.EndBiometrics("x"))
    matcher.script.extend([(1, 0.1, 0.9)] * 5)
    for _ in range(4):
        worker.step()
    assert inbox.of(e.CheckEnded) == []


@pytest.mark.invariant("INV-4")
def test_a_camera_lost_during_the_check_ends_nothing(worker, camera, matcher, inbox):
    check(worker, steps=1)
    camera.broken = True
    with pytest.raises(Exception, match="no frame") as caught:
        worker.step()
    worker._lose(caught.value)
    camera.broken = False
    matcher.script.extend([(1, 0.1, 0.9)] * 5)
    for _ in range(5):
        worker.step()
    assert inbox.of(e.CheckEnded) == []
    assert [event.device.value for event in inbox.of(e.DeviceLost)] == ["face_camera"]


def test_the_check_answers_before_the_core_gives_up(worker, inbox, clock):
    assert check(worker, steps=2) is None
    clock.now += 9.1  # of 10 s
    worker.step()
    assert [event.reason for event in inbox.of(e.CheckEnded)] == [Reason.FACE_NOT_CAPTURED]


def test_any_of_the_enrolled_templates_of_this_model_will_do(worker, matcher, session, make_record):
    record = make_record(b"finger")
    old = replace(record.faces[1], data=b"old face")  # one further away, enrolled first
    session.keep("x", replace(record, faces=(record.faces[0], old, replace(old, data=b"broken"), record.faces[1])))
    matcher.script.extend([(1, 0.9, 0.9)] * 3)
    assert check(worker) == (CheckOutcome.SUCCESSFUL, None)


def test_a_second_face_for_a_moment_now_and_then_is_no_second_person(worker, matcher):
    matcher.script.extend([(1, 1.4, 0.9), (2, 1.4, 0.9), (1, 1.4, 0.1), (1, 1.4, 0.1)] * 6)
    assert check(worker, steps=24) is None


class TestSecondModel:
    """Both must agree."""

    @pytest.fixture
    def second(self, matcher):
        return type(matcher)(FaceModel("second-face", "22" * 32))

    @pytest.fixture
    def worker(self, worker, camera, matcher, second, session, around, make_record):
        record = make_record(b"finger")
        both = (*record.faces, FaceTemplate(second.model, b"face"))
        session.keep("x", replace(record, faces=both))
        matcher.script.extend([(1, 0.3, 0.9)] * 9)
        return FaceWorker(camera, matcher, session, replace(around, options=replace(around.options, face_threshold_2=0.4)), second=second)

    def test_both_agree(self, worker, second):
        second.script.append((1, 0.39, 0.9))
        assert check(worker) == (CheckOutcome.SUCCESSFUL, None)
        assert second.encoded == 1, "it sees the best frame only"

    def test_the_second_does_not(self, worker, second):
        second.script.extend([(1, 0.41, 0.9)] * 3)
        assert check(worker) == (CheckOutcome.FAILED, Reason.FACE_MISMATCH)

    def test_the_second_sees_nobody(self, worker, camera, matcher):
        camera.advances = 1 / 15
        matcher.script.clear()
        matcher.always = (1, 0.3, 0.9)
        with capture_logs() as logs:
            assert check(worker, steps=300) == (CheckOutcome.UNDETERMINED, Reason.FACE_NOT_CAPTURED)
        assert {"event": "the second model finds no face where the first does", "log_level": "info", "model": "second-face"} in logs

    @pytest.mark.parametrize("first", [True, False])
    def test_which_model_did_not_agree_is_for_the_engineers_log(self, worker, matcher, second, first):
        if first:
            matcher.script.clear()
            matcher.script.extend([(1, 1.3, 0.9)] * 9)
        second.script.extend([(1, 0.41, 0.9)] * 3)
        with capture_logs() as logs:
            assert check(worker) == (CheckOutcome.FAILED, Reason.FACE_MISMATCH)
        named = {line["model"] for line in logs if line["event"] == "the face is not the enrolled one"}
        assert named == {matcher.model.name if first else "second-face"}

    def test_the_first_does_not_and_the_second_is_not_asked(self, worker, matcher, second):
        matcher.script.clear()
        matcher.script.extend([(1, 1.3, 0.9)] * 9)
        assert check(worker) == (CheckOutcome.FAILED, Reason.FACE_MISMATCH)
        assert second.encoded == 0

    def test_a_record_without_a_template_for_it_is_said_as_such(self, worker, session, make_record):
        session.keep("x", make_record(b"finger"))
        assert check(worker) == (CheckOutcome.NOT_SUPPORTED, Reason.NO_TEMPLATE)

    @pytest.mark.invariant("INV-7")
    def test_no_image_is_kept_once_it_is_decided_while_the_finger_is_awaited(self, worker, matcher, second, camera):
        camera.advances = 1 / 15
        second.script.append((1, 0.39, 0.9))
        matcher.always = (1, 0.3, 0.9)
        assert check(worker, steps=150) == (CheckOutcome.SUCCESSFUL, None)
        assert [taken for taken in worker._run.taken if taken.image is not None] == []

    @pytest.mark.invariant("INV-7")
    def test_before_the_check_only_what_may_count_for_it_is_kept(self, worker, matcher, camera):
        camera.advances = 1 / 15
        matcher.script.clear()
        matcher.always = (1, 0.3, 0.9)
        worker.submit(c.GatherPadEvidence("x"))
        for _ in range(150):
            worker.step()
        assert len(worker._run.taken) <= FRESH_S / VERIFY_EVERY_S + 1


class TestPrompts:
    @pytest.fixture(autouse=True)
    def _time(self, camera):
        camera.advances = 1 / 15

    def prompts(self, inbox):
        return [event.prompt for event in inbox.of(e.CheckProgressed)]

    def test_too_far_away(self, worker, matcher, make_face, inbox):
        matcher.always = make_face(distant=True)
        check(worker, steps=30)
        assert self.prompts(inbox) == [Prompt.COME_CLOSER]

    def test_too_near(self, worker, matcher, make_face, inbox):
        matcher.always = make_face(share=0.8, score=0.1)
        check(worker, steps=30)
        assert self.prompts(inbox) == [Prompt.STEP_BACK]

    def test_turned_away_or_covered(self, worker, matcher, make_face, inbox):
        matcher.always = make_face(score=0.1)
        check(worker, steps=30)
        assert self.prompts(inbox) == [Prompt.LOOK_HERE]

    def test_a_prompt_that_was_followed_goes_away(self, worker, matcher, make_face, inbox, around):
        worker.around = replace(around, options=replace(around.options, face_attempts=1000))
        matcher.always = make_face(distant=True)
        check(worker, steps=20)
        matcher.always = make_face(distance=1.4)
        for _ in range(40):
            worker.step()
        assert self.prompts(inbox) == [Prompt.COME_CLOSER, Prompt.FINGER_AND_FACE]

    def test_prompts_do_not_flicker(self, worker, matcher, make_face, inbox):
        matcher.script.extend([make_face(distant=True), make_face(score=0.1)] * 60)
        check(worker, steps=120)
        assert self.prompts(inbox) == []

    def test_and_none_follows_another_before_it_could_be_read(self, worker, matcher, make_face, inbox, clock):
        matcher.script.extend(([make_face(distant=True)] * 9 + [make_face(score=0.1)] * 9) * 6)
        began = clock.now
        check(worker, steps=108)
        assert 1 <= len(self.prompts(inbox)) <= 1 + (clock.now - began) / 2


class TestBadInput:
    @pytest.mark.invariant("INV-4")
    @pytest.mark.parametrize("problem", ["an image is height x width x 3, uint8; this is (1,), float64", "an image of 20000x20000 pixels; at most 8192 a side"])
    def test_what_is_no_image_costs_the_camera_and_nothing_else(self, worker, camera, matcher, inbox, problem):
        check(worker, steps=1)
        matcher.raises = ValueError(problem)
        with pytest.raises(DeviceUntrustedError, match="face_camera") as caught:
            worker.step()
        assert "\n" not in str(caught.value)
        worker._lose(caught.value)
        assert inbox.of(e.CheckEnded) == []
        assert [event.code for event in inbox.of(e.DeviceLost)] == ["untrusted"]


def test_how_long_a_camera_may_be_without_a_frame_is_configured(worker, camera, clock, monkeypatch):
    deadlines = []
    given = camera.frame
    monkeypatch.setattr(camera, "frame", lambda newer_than, deadline: deadlines.append(deadline - clock.monotonic()) or given(newer_than, deadline))
    worker.around = replace(worker.around, options=replace(worker.around.options, camera_lost_after_s=2.5))
    worker.step()
    assert deadlines == [pytest.approx(2.5)]
