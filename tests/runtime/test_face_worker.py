from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Modality
from gate_controller.runtime.face_worker import NOBODY_FRAMES, FaceWorker


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
    assert check(worker, steps=NOBODY_FRAMES + 2) is None
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
    assert check(worker) == (CheckOutcome.NOT_SUPPORTED, Reason.NO_TEMPLATE)


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
