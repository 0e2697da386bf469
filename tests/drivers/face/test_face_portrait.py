"""The quality gate of enrolment."""

import cv2
import numpy as np
import pytest

from drivers.face.portrait import PortraitError, PortraitLimits, template_from


def test_every_synthetic_portrait_can_be_enrolled(sface, people, enrolled):
    for person in people:
        template = enrolled(person)
        assert template.model == sface.model
        vector = np.frombuffer(template.data, "<f4")
        assert vector.shape == (128,)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def degraded(name, good):
    match name:
        case "no_face":
            return np.full_like(good, 128)
        case "too_small":
            return np.ascontiguousarray(cv2.copyMakeBorder(cv2.resize(good, (320, 240)), 120, 120, 160, 160, cv2.BORDER_REPLICATE))
        case "off_centre":
            return cv2.warpAffine(good, np.array([[1.0, 0, 170], [0, 1, 0]]), (640, 480), borderMode=cv2.BORDER_REPLICATE)
        case "tilted":
            return cv2.warpAffine(good, cv2.getRotationMatrix2D((320, 240), -35, 1), (640, 480), borderMode=cv2.BORDER_REPLICATE)
        case "too_dark":
            return (good * 0.15).astype(np.uint8)
        case "too_bright":
            return np.clip(good.astype(int) * 1.6, 0, 255).astype(np.uint8)
        case "blurred":
            return cv2.GaussianBlur(good, (0, 0), 3)
    raise AssertionError(name)


@pytest.mark.parametrize("code", ["no_face", "too_small", "off_centre", "tilted", "too_dark", "too_bright", "blurred"])
def test_a_bad_portrait_is_refused_by_name_with_a_remedy(sface, picture, code):
    with pytest.raises(PortraitError) as refused:
        template_from(sface, degraded(code, picture("person05_1")))
    assert refused.value.code == code
    assert refused.value.remedy


def test_two_people_in_a_portrait_are_refused(sface, compose):
    with pytest.raises(PortraitError, match="2 faces") as refused:
        template_from(sface, compose(("person01_1", 0.8, 40, 60), ("person02_1", 0.8, 340, 60)))
    assert refused.value.code == "several_faces"


def test_limits_are_the_callers(sface, picture):
    with pytest.raises(PortraitError) as refused:
        template_from(sface, picture("person01_1"), PortraitLimits(eye_distance_px=200))
    assert refused.value.code == "too_small"


def test_a_refusal_says_nothing_of_the_person(sface, picture):
    with pytest.raises(PortraitError) as refused:
        template_from(sface, degraded("blurred", picture("person01_1")))
    assert "person" not in str(refused.value)
