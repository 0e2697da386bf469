"""The cues on motion, grids and eyes whose answer is known."""

import cv2
import numpy as np
import pytest

from drivers.pad import eyes, motion, texture
from drivers.pad.motion import FLOOR
from drivers.pad.tracks import AROUND, FACE, FAR, Stretch
from gate_controller.ports.pad import FacePlace

FRAMES = 12
RANDOM = np.random.default_rng(3)
FACE_POINTS = np.stack([RANDOM.uniform(-0.4, 0.4, 40), RANDOM.uniform(-0.5, 0.5, 40)], axis=-1)
AROUND_POINTS = np.stack([np.concatenate([RANDOM.uniform(-1.4, -0.6, 20), RANDOM.uniform(0.6, 1.4, 20)]), RANDOM.uniform(-1, 0.5, 40)], axis=-1)
POINTS = np.concatenate([FACE_POINTS, AROUND_POINTS])
REGIONS = np.array([FACE] * 40 + [AROUND] * 40, np.int8)
TREMBLE = RANDOM.normal(0, 0.01, (FRAMES, 2))


def stretch(places, noise=FLOOR / 3):
    places = places + np.random.default_rng(5).normal(0, noise, places.shape)
    return motion.cues(Stretch(places, REGIONS, np.arange(FRAMES) / 15))


def held_picture(tilt):
    """A plane in front of a pinhole camera, trembling and turning: exact perspective."""
    out = []
    for number in range(FRAMES):
        turn = tilt * number / FRAMES
        x, y = POINTS[:, 0] * np.cos(turn), POINTS[:, 1]
        near = 4 / (4 + POINTS[:, 0] * np.sin(turn))
        out.append(np.stack([x * near, y * near], axis=-1) + TREMBLE[number])
    return np.stack(out)


def person(turn, sway=0.0):
    """A face with depth that turns, before a wall that stays."""
    depth = np.sqrt(np.clip(0.6**2 - (FACE_POINTS**2).sum(axis=1), 0, None))
    out = []
    for number in range(FRAMES):
        angle = turn * np.sin(number / 4)
        face = FACE_POINTS + np.stack([depth * np.sin(angle), np.zeros(40)], axis=-1) + (sway * number / FRAMES, 0)
        out.append(np.concatenate([face, AROUND_POINTS]))
    return np.stack(out)


def test_a_held_picture_is_one_plane_and_trembles_as_one():
    for tilt in (0.0, 0.15):
        cues = stretch(held_picture(tilt))
        assert cues.face_depth < 3 * FLOOR
        assert cues.together > 0.95
        assert cues.shake == pytest.approx(0.01 * np.sqrt(2), rel=0.4)
        assert cues.still == 0


def test_a_person_has_depth_before_a_wall_that_stays():
    cues = stretch(person(0.05, sway=0.03))
    assert cues.face_depth > 3 * FLOOR
    assert abs(cues.together) < 0.3
    assert cues.shake < FLOOR
    assert cues.still > 0.9


def test_sway_alone_shows_no_depth_but_the_wall_stands_still():
    cues = stretch(person(0.0, sway=0.05))
    assert cues.face_depth < 2 * FLOOR
    assert cues.still > 0.9


def test_where_nothing_moves_nothing_is_claimed_of_planes():
    cues = stretch(np.repeat(POINTS[None], FRAMES, 0))
    assert cues.still is None
    assert cues.together < 0.5


TRUNK_POINTS = np.stack([RANDOM.uniform(-1.2, 1.2, 20), RANDOM.uniform(0.7, 1.3, 20)], axis=-1)
HEAD, HAIR, TRUNK = slice(0, 40), slice(40, 80), slice(80, 100)


def whole_person(moves, stamps=None):
    """A head, hair or wall beside it, and a trunk: `moves` gives each one's way from its place, frames x 2."""
    regions = np.array([FACE] * 40 + [AROUND] * 60, np.int8)
    places = np.repeat(np.concatenate([FACE_POINTS, AROUND_POINTS, TRUNK_POINTS])[None], FRAMES, 0)
    for part, way in zip((HEAD, HAIR, TRUNK), moves, strict=True):
        places[:, part] += way[:, None]
    places += np.random.default_rng(5).normal(0, FLOOR / 3, places.shape)
    return motion.cues(Stretch(places, regions, np.arange(FRAMES) / 15 if stamps is None else stamps))


def swaying(hz, reach, stamps):
    return np.stack([reach * np.sin(2 * np.pi * hz * stamps), np.zeros(len(stamps))], axis=-1)


@pytest.mark.parametrize("stamps", [np.arange(FRAMES) / 15, np.delete(np.arange(FRAMES + 2) / 15, [4, 9])], ids=["regular", "two frames left out"])
def test_somebody_who_looks_about_does_not_tremble(stamps):
    way = swaying(0.8, 0.1, stamps)
    assert whole_person([way, way, way], stamps).shake < FLOOR


def test_hair_that_trembles_with_its_head_is_no_picture():
    slow = swaying(0.5, 0.03, np.arange(FRAMES) / 15)
    cues = whole_person([slow + TREMBLE, slow + TREMBLE, slow])
    assert cues.shake < FLOOR
    assert cues.together < 0.4


def test_a_picture_cut_out_along_the_head_trembles_before_a_wall_that_does_not():
    cues = whole_person([TREMBLE, 0 * TREMBLE, TREMBLE])
    assert cues.shake == pytest.approx(0.01 * np.sqrt(2), rel=0.4)
    assert cues.together > 0.95
    assert cues.still > 0.9


def test_a_trunk_that_nothing_can_be_seen_of_leaves_what_is_about_the_head():
    assert whole_person([TREMBLE, TREMBLE, 0 * TREMBLE]).together > 0.95


def test_too_few_points_say_nothing():
    alone = Stretch(np.zeros((FRAMES, 3, 2)), np.array([FACE, AROUND, FAR], np.int8), np.arange(FRAMES) / 15)
    assert motion.cues(alone) == motion.MotionCues(None, None, None, None)
    short = Stretch(np.zeros((2, 80, 2)), REGIONS, np.arange(2) / 15)
    assert motion.cues(short).shake is None


PLACE = FacePlace((40.0, 40.0, 120.0, 140.0), np.array([[75, 95], [125, 95], [100, 120], [80, 145], [120, 145]], np.float32))


def skin():
    image = cv2.GaussianBlur(RANDOM.normal(150, 40, (220, 200, 3)), (0, 0), 6) + RANDOM.normal(0, 2, (220, 200, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def test_a_grid_stands_out_and_a_jpegs_blocks_do_not():
    plain = skin()
    x, y = np.meshgrid(np.arange(200), np.arange(220))
    grid = np.clip(plain * (1 + 0.03 * np.cos(2 * np.pi * (0.29 * x + 0.04 * y)))[..., None], 0, 255).astype(np.uint8)
    packed = cv2.imdecode(cv2.imencode(".jpg", plain, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
    assert texture.grid(grid, PLACE) > texture.grid(plain, PLACE) + 1
    assert texture.grid(packed, PLACE) < texture.grid(grid, PLACE) - 0.5


@pytest.mark.parametrize("box", [(190.0, 200.0, 120.0, 140.0), (-200.0, 0.0, 120.0, 140.0), (50.0, 50.0, 40.0, 40.0)])
def test_texture_says_nothing_of_a_face_that_is_not_there_or_small(box):
    assert texture.grid(skin(), FacePlace(box, PLACE.landmarks)) is None


def eye_picture(opened):
    image = np.full((220, 200, 3), 170, np.uint8)
    for x, y in PLACE.landmarks[:2]:
        cv2.circle(image, (int(x), int(y)), 5 if opened else 1, (30, 30, 30), -1)
    return image


def test_open_eyes_are_more_open_than_closed_ones():
    assert eyes.openness(eye_picture(opened=True), PLACE) > 1.5 * eyes.openness(eye_picture(opened=False), PLACE)
    assert eyes.openness(eye_picture(opened=True)[:, :90], PLACE) is None, "an eye outside of the frame"
    assert eyes.openness(eye_picture(opened=True), FacePlace(PLACE.box, PLACE.landmarks / 10)) is None, "too small"


@pytest.mark.parametrize(
    ("closed", "count"),
    [([], 0), ([10, 11], 1), ([10, 11, 20, 21, 22], 2), (range(10, 30), 0), ([29], 0)],
    ids=["none", "one", "two", "asleep", "not open again"],
)
def test_blinks_are_counted(closed, count):
    blinks = eyes.Blinks()
    for number in range(30):
        blinks.take(0.1 if number in closed else 0.3, number / 15)
    assert blinks.count == count


def test_blinks_keep_a_bounded_history():
    blinks = eyes.Blinks()
    for number in range(500):
        blinks.take(0.3, float(number))
    assert len(blinks._seen) <= 90
