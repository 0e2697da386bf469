"""What is no image, and what locating and measuring tell of a face."""

import time

import cv2
import numpy as np
import pytest


@pytest.mark.parametrize(
    "image",
    [
        np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (20_000, 20_000, 3)),
        np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (16, 8_193, 3)),
        np.zeros((480, 640, 3), np.float64),
        np.zeros((480, 640), np.uint8),
        np.zeros((480, 640, 4), np.uint8),
        np.zeros(0, np.uint8),
    ],
    ids=["20,000 x 20,000", "a side too long", "numbers with a point", "grey", "with alpha", "nothing"],
)
@pytest.mark.parametrize("method", ["locate", "analyse"])
def test_what_is_no_image_is_refused_in_one_line_and_at_once(sface, image, method):
    began = time.process_time()
    with pytest.raises(ValueError, match="image") as caught:
        getattr(sface, method)(image)
    assert "\n" not in str(caught.value)
    assert time.process_time() - began < 1, "nothing was made of it"


def test_locating_sees_what_analysing_sees_but_encodes_nothing(sface, picture):
    for name in ("person01_1", "person07_live2"):
        located, analysed = sface.locate(picture(name)), sface.analyse(picture(name))
        assert located.probe is None
        assert located.place.box == analysed.place.box
        assert (located.place.landmarks == analysed.place.landmarks).all()
        assert located.quality == analysed.quality == analysed.probe.quality


def test_a_face_too_small_is_told_from_nobody(sface, compose):
    far = sface.locate(compose(("person01_2", 0.3, 270, 180)))
    nobody = sface.locate(np.full((480, 640, 3), 90, np.uint8))
    assert (far.place, far.distant) == (None, True)
    assert (nobody.place, nobody.distant) == (None, False)


def test_a_face_far_in_the_background_is_nobody_in_the_chamber(sface, compose):
    alone, behind = (sface.locate(compose(("person05_2", 0.9, 150, 60), *more)) for more in ((), [("person01_2", 0.2, 500, 60)]))
    assert alone.faces == behind.faces == 1


def test_covered_eyes_cost_quality(sface, picture, people):
    for person in people[::4]:
        portrait = picture(f"{person}_1")
        seen = sface.locate(portrait)
        place, plain = seen.place, seen.quality
        distance = float(np.linalg.norm(place.landmarks[1] - place.landmarks[0]))
        covered = portrait.copy()
        for x, y in place.landmarks[:2]:
            cv2.ellipse(covered, (round(float(x)), round(float(y))), (round(0.45 * distance), round(0.35 * distance)), 0, 0, 360, (20, 20, 20), -1)
        glasses = sface.locate(covered).quality
        assert plain.eyes > 0.05
        assert plain.score > 0.9
        assert glasses is None or glasses.score < plain.score


def test_a_mouth_behind_a_plain_mask_is_not_seen(sface, picture, people):
    for person in people[::4]:
        portrait = picture(f"{person}_1")
        seen = sface.locate(portrait)
        right_eye, left_eye, _, *mouth = seen.place.landmarks
        across, eyes = left_eye - right_eye, (right_eye + left_eye) / 2
        down = np.mean(mouth, axis=0) - eyes
        outline = [(0.55, -0.9), (0.55, 0.9), (1.4, 0.7), (1.75, 0), (1.4, -0.7)]
        masked = portrait.copy()
        cv2.fillPoly(masked, [np.array([eyes + far * down + side * across for far, side in outline], np.int32)], (200, 180, 160))
        assert seen.quality.mouth > 0.09
        assert sface.locate(masked).quality.mouth < 0.05
