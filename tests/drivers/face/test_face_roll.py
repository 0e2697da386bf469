"""A head tilted to a shoulder is measured as tilted, counts for less, and is refused for a portrait."""

import cv2
import pytest

from drivers.face.portrait import PortraitError, template_from


def rolled(image, degrees):
    height, width = image.shape[:2]
    return cv2.warpAffine(image, cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1), (width, height), borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("person", ["person02", "person05", "person07", "person12"])
def test_roll_is_what_it_is(sface, picture, person):
    portrait = picture(f"{person}_1")
    upright = sface.locate(portrait).quality.roll_deg
    assert upright < 6
    for degrees in (-30, -20, -10, 10, 20, 30):
        measured = sface.locate(rolled(portrait, degrees)).quality.roll_deg
        assert measured == pytest.approx(abs(degrees), abs=5), degrees  # the portraits themselves are not level to the degree


def test_a_small_face_is_measured_too(sface, picture):
    small = cv2.resize(rolled(picture("person04_1"), 15), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert sface.locate(small).quality.roll_deg == pytest.approx(15, abs=4)


def test_the_more_it_is_rolled_the_less_it_counts(sface, picture):
    scores = [sface.locate(rolled(picture("person09_1"), degrees)).quality.score for degrees in (0, 20, 28, 36)]
    assert scores[0] > 0.95
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.3


def test_a_face_cut_by_the_edge_of_the_frame_is_measured_as_well(sface, picture):
    cut = rolled(picture("person05_1"), 10)[:, 250:]
    assert sface.locate(cut).quality.roll_deg == pytest.approx(10, abs=5)


def test_a_portrait_is_upright_or_refused(sface, picture):
    template_from(sface, rolled(picture("person02_1"), 4))
    with pytest.raises(PortraitError) as refused:
        template_from(sface, rolled(picture("person02_1"), 13))
    assert refused.value.code == "tilted"
