"""The passive judge's manners: what it keeps, when it begins again, what it refuses. No sequence of people needed."""

import gc
import hashlib
import json
import math
import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.pad import PASSIVE, fusion, passive
from gate_controller.ports.devices import Frame
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import ConfigurationError, DeviceRejectedError
from gate_controller.ports.pad import FacePlace

LANDMARKS = np.array([[135, 95], [185, 95], [160, 125], [140, 145], [180, 145]], np.float32)
TEXTURE = cv2.GaussianBlur(np.random.default_rng(1).normal(128, 120, (280, 360, 3)), (0, 0), 2).clip(0, 255).astype(np.uint8)


def place(x=110.0, y=60.0, width=100.0):
    return FacePlace((x, y, width, 1.2 * width), LANDMARKS)


class Camera:
    """Gives frames of a textured plane that trembles."""

    def __init__(self, judge):
        self.judge, self.now, self.number = judge, 0.0, 0
        self.random = np.random.default_rng(2)

    def show(self, frames, face=None, step_s=1 / 15, image=None):
        for _ in range(frames):
            self.now += step_s
            self.number += 1
            dx, dy = self.random.normal(0, 1.5, 2)
            seen = cv2.warpAffine(TEXTURE, np.array([[1, 0, dx - 20], [0, 1, dy - 20]]), (320, 240)) if image is None else image
            self.judge.observe(Frame(seen, self.now, self.number), face or place())
        return self.judge.assess()


@pytest.fixture
def camera(passive):
    return Camera(passive)


def test_a_trembling_plane_is_an_attack(camera):
    before = camera.show(10)
    assert before.score is None, "no stretch is complete"
    after = camera.show(6)
    assert after.score > 0.9
    assert after.frames == 16
    assert after.span_s == pytest.approx(1.0)
    assert {cue.name for cue in after.cues} == {"shake", "together", "depth", "still", "grid", "blink"}


@pytest.mark.parametrize("change", ["jump", "size", "away"])
def test_another_face_begins_again(camera, change):
    """Else a live face would earn the score, and a picture take its place."""
    camera.show(20)
    if change == "away":
        camera.now += 0.3
        camera.judge.observe(Frame(np.zeros((240, 320, 3), np.uint8), camera.now, 0), None)
        camera.now += 0.3
    assert camera.show(1, {"jump": place(x=175), "size": place(width=210), "away": None}[change]).score is None
    assert camera.judge.assess().restarts == 1
    assert camera.judge.assess().frames == 1


@pytest.mark.parametrize(("stall_s", "restarts"), [(0.8, 0), (1.2, 1)])
def test_a_camera_that_gave_no_frame_for_a_moment_is_no_face_that_went_away(camera, stall_s, restarts):
    camera.show(20)
    camera.now += stall_s
    assert camera.show(1).restarts == restarts


def test_a_face_that_walks_is_the_same_face(camera):
    for number in range(20):
        camera.show(1, place(x=60 + 5 * number, width=60 + 2 * number))
    assert camera.judge.assess().restarts == 0


def test_frames_without_a_face_count_for_nothing(camera):
    broken = FacePlace((10.0, 10.0, float("nan"), 50.0), LANDMARKS)
    for face in (broken, FacePlace((0, 0, 50, 50), LANDMARKS * np.nan), FacePlace((0, 0, 3, 3), LANDMARKS), FacePlace((0, 0, 50, 50), LANDMARKS[:4])):
        camera.show(1, face)
    camera.judge.observe(Frame(TEXTURE, 9.0, 9), None)
    assert camera.judge.assess().frames == 0
    assert camera.judge.assess().score is None


def test_asking_changes_nothing(camera):
    camera.show(14)
    assert camera.judge.assess() == camera.judge.assess()


def test_no_frame_outlives_the_decision(camera):
    image = TEXTURE[:240, :320].copy()
    alive = weakref.ref(image)
    camera.show(1, image=image)
    del image
    gc.collect()
    assert alive() is None, "not even while judging"
    camera.show(14)
    camera.judge.end()
    camera.judge.end()
    assert camera.judge._tracker._last is None
    ended = camera.judge.assess()
    assert (ended.score, ended.frames, ended.span_s) == (None, 0, 0.0)


def test_what_is_kept_does_not_grow(camera):
    camera.show(90, step_s=0.09)
    judge = camera.judge
    assert judge.stretches == passive.STRETCHES, "of 10"
    assert len(judge._grids) == 4 * passive.STRETCHES
    assert len(judge._tracker._places) <= 15


def test_what_is_shown_now_counts_and_not_what_was_shown_before(camera):
    trembling = camera.show(40)
    assert trembling.score > 0.9
    noise = np.random.default_rng(4)
    for _ in range(60):
        camera.show(1, image=np.clip(TEXTURE[:240, :320] + noise.normal(0, 2, (240, 320, 3)), 0, 255).astype(np.uint8))
    assert camera.judge.values()["shake"] < 0


def test_a_camera_that_is_too_slow_to_see_a_tremor_gives_no_score(camera):
    assert camera.show(30, step_s=0.2).score is None


def test_a_wall_without_anything_to_follow_gives_no_score(camera):
    """Else whoever has a clean picture would pass."""
    noise = np.random.default_rng(4)
    for _ in range(30):
        camera.show(1, image=np.clip(150 + noise.normal(0, 2, (240, 320, 3)), 0, 255).astype(np.uint8))
    assert camera.judge.stretches
    assert camera.judge.assess().score is None


def test_faster_cameras_are_thinned_out(camera):
    camera.show(60, step_s=1 / 60)
    assert len(camera.judge._tracker._places) <= 18
    assert camera.judge.assess().frames == 60


@pytest.mark.parametrize(
    "image", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3), np.float32), np.zeros((5, 5, 4), np.uint8)], ids=str
)
def test_what_is_no_image_is_refused(camera, image):
    with pytest.raises(ValueError, match="an image is"):
        camera.show(1, image=image)


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (2000, 2), (20, 20)])
def test_images_of_odd_sizes_are_looked_at(camera, shape):
    camera.show(15, image=np.full((*shape, 3), 90, np.uint8))
    assert camera.judge.assess().frames == 15


def test_a_camera_that_changes_its_size_begins_a_new_stretch(camera):
    camera.show(5)
    camera.show(5, image=TEXTURE[:200, :300])
    assert camera.show(1).frames == 11


def test_stamps_grow(camera):
    camera.show(1)
    with pytest.raises(ValueError, match="stamps grow"):
        camera.show(1, step_s=0)


def test_a_failure_of_opencv_is_a_devices(camera, monkeypatch):
    def fail(*_):
        raise cv2.error("broken")

    monkeypatch.setattr(passive.texture, "grid", fail)
    with pytest.raises(DeviceRejectedError, match="320x240"):
        camera.show(1)


VALUES = st.dictionaries(st.sampled_from(list(fusion.load()[0].cues)), st.one_of(st.none(), st.floats(allow_nan=True)))


@given(VALUES)
def test_any_measurement_gives_a_score(values):
    coefficients = fusion.load()[0]
    cues = coefficients.contributions(values)
    assert 0 <= coefficients.score(cues) <= 1
    assert all(cue.weight == 0 for cue in cues if values.get(cue.name) is None)


def test_nothing_that_moves_is_no_sign_of_life():
    """A print on a stand: no tremor, no grid, and nothing that lives."""
    coefficients = fusion.load()[0]
    still = {"shake": -2.3, "together": 0.0, "depth": 0.3, "still": None, "grid": 2.0, "blink": 0.0}
    assert coefficients.score(coefficients.contributions(still)) >= 0.5
    assert coefficients.score(coefficients.contributions({**still, "depth": 3.0, "blink": 1.0})) < 0.1


def test_no_cue_outvotes_all_others():
    coefficients = fusion.load()[0]
    heaviest = max(abs(each.weight) for each in coefficients.cues.values())
    assert heaviest < sum(abs(each.weight) for each in coefficients.cues.values()) / 2


def test_the_coefficients_say_where_they_come_from():
    coefficients, digest = fusion.load()
    assert "real people" in coefficients.provenance["never_seen"]
    assert "synthetic" in coefficients.provenance["tuned_on"]
    assert len(digest) == 64


def test_coefficients_of_ones_own_are_checked(tmp_path, context):
    content = json.dumps({**fusion.load()[0].model_dump(), "name": "site-7"}).encode()
    (tmp_path / "own.json").write_bytes(content)
    own = DriverContext(context.clock, tmp_path, context.warn)
    digest = hashlib.sha256(content).hexdigest()
    assert PASSIVE.build(PASSIVE.options(coefficients="own.json", coefficients_sha256=digest), own).name == f"site-7 ({digest[:8]})"
    with pytest.raises(ConfigurationError, match=r"PAD model .*sha256 differs"):
        PASSIVE.build(PASSIVE.options(coefficients="own.json", coefficients_sha256="0" * 64), own)
    with pytest.raises(ValidationError, match="go together"):
        PASSIVE.options(coefficients="own.json")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"name": "x", "provenance": {}, "bias": NaN, "cues": {}}'])
def test_broken_coefficients_are_refused(content):
    with pytest.raises(ConfigurationError, match="PAD coefficients"):
        fusion.load(content)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("spoilt", ["face_depth", "shake", "together"])
def test_what_is_no_number_is_not_measured_and_leaves_the_judgement_to_no_other_stretch(spoilt: str, bad: float) -> None:
    judge = passive.PassiveJudge(*fusion.load())
    sound = passive.MotionCues(face_depth=2.0, shake=0.05, together=0.0, still=0.5)
    judge._motions.extend([sound, sound])
    assert judge.assess().score is not None
    judge._motions.append(replace(sound, **{spoilt: bad}))
    assert judge.assess().score is None
