"""Which face is the traveller's, how many are counted, and what odd images do."""

import cv2
import numpy as np
import pytest

from drivers.face import SFACE


def nearest(matcher, probe, enrolled, names):
    distances = {name: matcher.compare(probe, enrolled(name)) for name in names}
    return min(distances, key=distances.get)


def test_the_larger_of_two_central_faces_is_the_probe_and_both_are_counted(sface, compose, enrolled):
    for large, small in (("person01", "person08"), ("person08", "person01")):
        frame = compose((f"{large}_2", 0.9, 100, 60), (f"{small}_2", 0.5, 420, 120))
        analysis = sface.analyse(frame)
        assert analysis.faces == 2
        assert nearest(sface, analysis.probe, enrolled, (large, small)) == large


def test_a_larger_face_at_the_edge_does_not_win_over_the_one_in_front(sface, compose, enrolled):
    frame = compose(("person08_2", 0.6, 190, 120), ("person01_2", 1.0, 400, 60))
    analysis = sface.analyse(frame)
    assert analysis.faces == 2
    assert nearest(sface, analysis.probe, enrolled, ("person01", "person08")) == "person08"


def test_a_face_in_the_corner_is_counted_but_is_nobodys_probe(context, compose):
    matcher = SFACE.build(SFACE.options(min_face_px=48), context)
    for x, y, has_probe in ((270, 180, True), (538, 366, False)):
        analysis = matcher.analyse(compose(("person01_2", 0.3, x, y)))
        assert (analysis.faces, analysis.probe is not None) == (1, has_probe)


def test_a_small_face_behind_is_counted_and_is_not_the_probe(sface, compose, enrolled):
    analysis = sface.analyse(compose(("person05_2", 0.9, 150, 60), ("person01_2", 0.35, 500, 60)))
    assert analysis.faces == 2
    assert nearest(sface, analysis.probe, enrolled, ("person01", "person05")) == "person05"


def test_faces_below_the_configured_sizes_are_neither_probe_nor_counted(context, compose):
    frame = compose(("person01_2", 0.5, 240, 120))  # about 95 px wide
    for min_face, second_face, faces, has_probe in ((80, 48, 1, True), (150, 48, 1, False), (150, 150, 0, False)):
        matcher = SFACE.build(SFACE.options(min_face_px=min_face, second_face_px=second_face), context)
        analysis = matcher.analyse(frame)
        assert (analysis.faces, analysis.probe is not None) == (faces, has_probe)


def test_a_portrait_format_camera_works_as_well(sface, compose, enrolled):
    analysis = sface.analyse(compose(("person02_2", 1.5, 100, 300), size=(1280, 720)))
    assert analysis.faces == 1
    assert sface.compare(analysis.probe, enrolled("person02")) < 0.82


def test_a_mirrored_camera_does_not_change_who_it_is(sface, picture, enrolled):
    probe = sface.analyse(np.ascontiguousarray(picture("person04_2")[:, ::-1])).probe
    assert sface.compare(probe, enrolled("person04")) < 0.82


@pytest.mark.parametrize("kind", ["sface", "dlib"])
def test_images_without_a_face_give_no_probe_and_no_error(kind, request):
    matcher = request.getfixturevalue(kind)
    random = np.random.default_rng(1)
    images = {
        "black": np.zeros((480, 640, 3), np.uint8),
        "white": np.full((480, 640, 3), 255, np.uint8),
        "noise": random.integers(0, 256, (480, 640, 3), dtype=np.uint8),
        "one pixel": np.zeros((1, 1, 3), np.uint8),
        "no pixel": np.zeros((0, 640, 3), np.uint8),
        "strip": random.integers(0, 256, (20, 5000, 3), dtype=np.uint8),
        "tower": random.integers(0, 256, (5000, 20, 3), dtype=np.uint8),
    }
    for name, image in images.items():
        analysis = matcher.analyse(image)
        assert (analysis.faces, analysis.probe) == (0, None), name


def test_degraded_faces_never_pass_for_somebody_else_and_lose_quality(sface, picture, people, enrolled):
    good = picture("person05_2")
    turned = cv2.getRotationMatrix2D((320, 240), 50, 1)
    degraded = {
        "blurred": cv2.GaussianBlur(good, (0, 0), 6),
        "dark": (good * 0.06).astype(np.uint8),
        "overexposed": np.clip(good.astype(int) * 2, 0, 255).astype(np.uint8),
        "upside down": np.ascontiguousarray(good[::-1, ::-1]),
        "rolled": cv2.warpAffine(good, turned, (640, 480)),
        "in the corner": cv2.warpAffine(good, np.array([[1.0, 0, -250], [0, 1, 150]]), (640, 480)),
    }
    templates = [enrolled(person) for person in people if person != "person05"]
    reference = sface.analyse(good).probe.quality.score
    assert reference > 0.95
    for name, image in degraded.items():
        probe = sface.analyse(image).probe
        if probe is not None:
            assert probe.quality.score < 0.7 * reference, (name, probe.quality)
            assert min(sface.compare(probe, template) for template in templates) > 0.82, name


def test_views_and_read_only_images_are_taken_and_left_alone(sface, picture):
    original = picture("person06_2")
    wide = np.zeros((480, 1280, 3), np.uint8)
    wide[:, 320:960] = original
    view = wide[:, 320:960]
    assert not view.flags.c_contiguous
    before = view.copy()
    a, b = sface.analyse(view).probe, sface.analyse(original).probe
    assert np.array_equal(view, before)
    assert np.allclose(a.embedding, b.embedding, atol=1e-6)
