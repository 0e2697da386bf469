"""The sequences themselves: repeatable, alive, the same camera for live and attack. What they show is judged elsewhere."""

import itertools

import cv2
import numpy as np
import pytest

from simulators.pad.camera import Camera, plane_view, through
from simulators.pad.motion import BLINK_S, Hand, Life, eyes_open
from simulators.pad.person import Pose, landmarks, person
from simulators.pad.sequences import ATTACKS, FPS, LIVE, frames


@pytest.mark.parametrize("kind", LIVE + ATTACKS)
def test_every_kind_gives_frames_that_differ_as_a_cameras_do(kind):
    first, second = frames(kind, "person03", count=2)
    assert first.image.shape == (480, 640, 3)
    assert first.image.dtype == np.uint8
    assert not np.array_equal(first.image, second.image)
    assert second.stamp - first.stamp == pytest.approx(1 / FPS)


def test_live_and_attack_have_as_many_kinds():
    assert len(LIVE) == len(ATTACKS) == len({*LIVE, *ATTACKS}) / 2


def test_the_same_arguments_give_the_same_pictures_and_another_seed_others():
    one, again, other = (next(iter(frames("screen_replay", "person04", seed, 1))).image for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_larger_frames():
    assert next(iter(frames("live", "person05", width=1280, height=720))).image.shape == (720, 1280, 3)


@pytest.mark.parametrize(
    ("kind", "name", "says"), [("live_dead", "person01", "no kind"), ("live", "person99", "no landmarks"), ("live", "../x", "no landmarks")]
)
def test_what_there_is_not_is_refused(kind, name, says):
    with pytest.raises(ValueError, match=says):
        next(iter(frames(kind, name)))


def test_a_stand_does_not_tremble_and_a_hand_does():
    def change(steady):
        first, second = (cv2.GaussianBlur(shot.image, (0, 0), 2).astype(float) for shot in frames("print", "person06", 0, 2, steady=steady))
        return np.abs(first - second).mean()

    assert change(1.0) > 2 * change(0.0)


def test_a_blink_closes_and_opens_the_eyes():
    times = np.arange(0, 1, 0.01)
    course = [eyes_open(float(time_s), (0.4,)) for time_s in times]
    assert min(course) == 0
    assert all(opened == 1 for time_s, opened in zip(times, course, strict=True) if not 0.4 < time_s < 0.4 + BLINK_S)
    who = person("person02", "live0")
    changed = np.argwhere(np.abs(who.whole(1.0)[..., :3].astype(int) - who.whole(0.0)[..., :3]).max(axis=2) > 20)
    eyes = landmarks("person02", "live0")[:2, ::-1]
    away = np.min([np.linalg.norm(changed - eye, axis=1) for eye in eyes], axis=0)
    assert len(changed) > 300
    assert away.max() < 0.5 * who.eye_distance, "nothing but the eyes"


def test_life_and_hand_are_of_the_size_they_are_said_to_be():
    life = Life(np.random.default_rng(1), 1.0, 2.0)
    angles = np.degrees([life.angles(time_s) for time_s in np.arange(0, 60, 0.5)])
    assert 1.5 < angles[:, 0].std() < 4
    hand = Hand(np.random.default_rng(1))
    held = np.array([hand.at(time_s)[0] for time_s in np.arange(0, 20, 1 / 40)])
    spectrum, hz = np.abs(np.fft.rfft((held - held.mean()) * np.hanning(800))) ** 2, np.fft.rfftfreq(800, 1 / 40)
    assert spectrum[(hz > 3.9) & (hz < 12.1)].sum() > 20 * spectrum[(hz > 1.5) & (hz < 3.5)].sum(), "tremor at 4 to 12 Hz"
    assert not Hand(np.random.default_rng(1), steady=0.0).at(1.0).any()


def test_a_turned_head_moves_its_nose_more_than_its_outline_and_not_its_shoulders():
    who = person("person01", "live0")
    nose = landmarks("person01", "live0")[2]
    places = np.array([[nose, [nose[0] + 1.2 * who.eye_distance, nose[1]], [nose[0], 470]]], np.float32)
    moved = np.linalg.norm(who.posed(places, Pose(yaw=0.05)) - places, axis=2)[0]
    assert moved[0] > 3 * moved[1]
    assert moved[2] < 0.1


def test_a_flat_thing_is_seen_through_a_pinhole():
    view = plane_view(500.0, np.array([10.0, -5.0, 50.0, 0.0, 0.0, 0.0]), 550.0, (0.0, 0.0))
    assert through(view, np.zeros((1, 1, 2), np.float32)).ravel() == pytest.approx([10, -5])
    assert through(view, np.full((1, 1, 2), 20.0, np.float32)).ravel() == pytest.approx([30, 15])
    tilted = plane_view(500.0, np.array([0, 0, 0, 0.3, 0, 0]), 500.0, (0.0, 0.0))
    left, right = (abs(float(through(tilted, np.array([[[side, 0]]], np.float32)).ravel()[0])) for side in (-50.0, 50.0))
    assert left < right < 50, "the far half is seen smaller"


def test_coarse_places_come_back_exact_at_full_size():
    camera = Camera(64, 48)
    fine = camera.fine(camera.places())
    for (row, y), (column, x) in itertools.product(enumerate(range(-24, 24)), enumerate(range(-32, 32))):
        assert fine[row, column].tolist() == pytest.approx([x, y])
