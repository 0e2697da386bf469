"""The in-memory matcher's own part; what it shares with the real ones is in the contract."""

import numpy as np
import pytest

from simulators.face_memory import MODEL, MemoryFaceMatcher, SeenFace, image_of, tagged_image, template_of


def analyse(*faces, **options):
    return MemoryFaceMatcher(**options).analyse(tagged_image(faces))


def test_frames_of_one_scene_differ_as_a_cameras_do():
    assert not np.array_equal(image_of(["a"], 1), image_of(["a"], 2))
    assert np.array_equal(image_of(["a"], 1), image_of(["a"], 1))


def test_the_tag_must_survive_or_there_is_no_face():
    image = tagged_image([SeenFace("a")])
    matcher = MemoryFaceMatcher()
    assert matcher.analyse(image).faces == 1
    dimmed, flipped, cropped = (image * 0.5).astype(np.uint8), image[::-1].copy(), image[:1, :5].copy()
    one_bit = image.copy()
    one_bit[0, 12, 0] ^= 1
    for damaged in (dimmed, flipped, cropped, one_bit):
        assert matcher.analyse(damaged).probe is None


def test_a_worse_capture_lies_farther_from_the_reference_and_in_the_end_does_not_match():
    matcher = MemoryFaceMatcher()
    distances = [matcher.compare(analyse(SeenFace("a", quality=quality)).probe, template_of("a")) for quality in (1, 0.5, 0.2, 0.05)]
    assert distances == sorted(distances)
    assert distances[0] < 0.6
    assert distances[-1] > 1.0


def test_many_names_stay_apart():
    matcher = MemoryFaceMatcher()
    probes = [analyse(SeenFace(f"traveller {number}")).probe for number in range(60)]
    templates = [template_of(f"traveller {number}") for number in range(60)]
    distances = np.array([[matcher.compare(probe, template) for template in templates] for probe in probes])
    same = np.eye(60, dtype=bool)
    assert distances[same].max() < 0.82 < distances[~same].min()


def test_the_probe_is_the_largest_central_face():
    beside, front = SeenFace("beside", 220, 0.4), SeenFace("front", 150, 0.05)
    analysis = analyse(beside, front)
    assert analysis.faces == 2
    assert MemoryFaceMatcher().compare(analysis.probe, template_of("front")) < 0.82


@pytest.mark.parametrize(("face", "faces", "has_probe"), [(SeenFace("a", 79), 1, False), (SeenFace("a", 47), 0, False), (SeenFace("a", 200, 0.5), 1, False)])
def test_small_and_outer_faces_are_no_probe(face, faces, has_probe):
    analysis = analyse(face)
    assert (analysis.faces, analysis.probe is not None) == (faces, has_probe)


def test_more_faces_than_fit_are_an_error():
    with pytest.raises(ValueError, match="do not fit"):
        tagged_image([SeenFace("x" * 100)] * 100)


def test_the_model_does_not_pass_for_a_real_one():
    assert MODEL.name.startswith("simulated")
