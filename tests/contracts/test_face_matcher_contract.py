"""What every FaceMatcher keeps to, over the real models and the in-memory one."""

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drivers.face import DLIB, SFACE
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import FaceModel, FaceTemplate
from gate_controller.ports.drivers import DriverContext
from simulators.face_memory import MemoryFaceMatcher, image_of, template_of

TOP = Path(__file__).parents[2]
PEOPLE = ("person02", "person05", "person09")


@cache
def read(name):
    image = cv2.imread(str(TOP / "simulators" / "data" / "faces" / f"{name}.jpg"))
    assert image is not None, name
    return image


@dataclass
class Bench:
    """A matcher and pictures it can read."""

    matcher: Any
    threshold: float
    in_memory: bool
    enrolled: dict[str, FaceTemplate] = field(default_factory=dict)

    def show(self, *people, capture=2):
        """A picture of these people, the nearest first."""
        if self.in_memory:
            return image_of(people, capture)
        if len(people) == 1:
            return read(f"{people[0]}_{capture}").copy()
        frame = np.full((480, 640, 3), 90, np.uint8)
        for person, scale, x, y in zip(people, (0.9, 0.55), (120, 440), (60, 110), strict=True):
            head = cv2.resize(read(f"{person}_{capture}")[60:440, 150:490], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            frame[y : y + head.shape[0], x : x + head.shape[1]] = head
        return frame

    def enrol(self, person):
        if self.in_memory:
            return template_of(person)
        if person not in self.enrolled:
            self.enrolled[person] = self.matcher.template(self.matcher.analyse(read(f"{person}_1")).probe)
        return self.enrolled[person]


@pytest.fixture(scope="module", params=["sface", "dlib", "dlib by dlib", "memory"])
def bench(request):
    context = DriverContext(SystemClock(), TOP / "var" / "models", print)
    match request.param:
        case "sface":
            return Bench(SFACE.build(SFACE.options(), context), 0.82, in_memory=False)
        case "dlib":
            return Bench(DLIB.build(DLIB.options(), context), 0.40, in_memory=False)
        case "dlib by dlib":
            return Bench(DLIB.build(DLIB.options(net="dlib"), context), 0.40, in_memory=False)
    return Bench(MemoryFaceMatcher(), 0.82, in_memory=True)


@pytest.fixture(scope="module")
def probe(bench):
    return bench.matcher.analyse(bench.show("person02")).probe


def test_the_model_has_a_name_and_a_digest(bench):
    assert bench.matcher.model.name
    assert len(bytes.fromhex(bench.matcher.model.weights_sha256)) == 32


def test_nobody_in_view_is_an_analysis_without_a_probe(bench):
    empty = image_of(()) if bench.in_memory else np.full((480, 640, 3), 90, np.uint8)
    analysis = bench.matcher.analyse(empty)
    assert (analysis.faces, analysis.probe) == (0, None)


def test_one_person_gives_a_probe_of_this_model_with_its_quality(bench):
    analysis = bench.matcher.analyse(bench.show("person05"))
    assert analysis.faces == 1
    assert analysis.probe.model == bench.matcher.model
    assert analysis.probe.embedding.dtype == np.float32
    assert analysis.probe.embedding.ndim == 1
    quality = analysis.probe.quality
    assert 0.5 < quality.score <= 1
    assert 30 < quality.eye_distance_px < 200
    assert quality.sharpness > 0
    assert 0 < quality.brightness < 255
    assert 0 <= quality.off_centre < 0.2
    assert 0 <= quality.roll_deg < 15


def test_the_same_person_lies_below_the_threshold_and_others_above(bench):
    enrolled = {person: bench.enrol(person) for person in PEOPLE}
    for person in PEOPLE:
        seen = bench.matcher.analyse(bench.show(person, capture=4)).probe
        for other, template in enrolled.items():
            distance = bench.matcher.compare(seen, template)
            assert (distance <= bench.threshold) == (person == other), (person, other, distance)


def test_another_capture_is_near_but_not_the_same(bench, probe):
    other = bench.matcher.analyse(bench.show("person02", capture=4)).probe
    assert 0.01 < bench.matcher.compare(other, bench.matcher.template(probe)) <= bench.threshold


def test_two_people_are_counted_and_the_nearest_is_the_probe(bench):
    for people in (("person02", "person09"), ("person09", "person02")):
        analysis = bench.matcher.analyse(bench.show(*people))
        assert analysis.faces == 2
        near, far = (bench.matcher.compare(analysis.probe, bench.enrol(person)) for person in people)
        assert near <= bench.threshold < far


def test_a_probe_is_at_distance_0_of_its_own_template(bench, probe):
    assert bench.matcher.compare(probe, bench.matcher.template(probe)) == pytest.approx(0, abs=1e-6)


def test_the_same_image_gives_the_same_probe_and_is_not_changed(bench, probe):
    image = bench.show("person02")
    before = image.copy()
    again = bench.matcher.analyse(image).probe
    assert np.array_equal(image, before)
    assert np.array_equal(again.embedding, probe.embedding)


def test_an_earlier_probe_is_not_changed_by_later_frames(bench):
    first = bench.matcher.analyse(bench.show("person02")).probe
    kept = first.embedding.copy()
    bench.matcher.analyse(bench.show("person09"))
    assert np.array_equal(first.embedding, kept)


@pytest.mark.parametrize("shape", [(480, 640), (480, 640, 4), (480, 640, 1), (3,)])
def test_what_is_not_an_image_is_refused(bench, shape):
    with pytest.raises(ValueError, match="height x width x 3"):
        bench.matcher.analyse(np.zeros(shape, np.uint8))


def test_an_image_of_floats_is_refused(bench):
    with pytest.raises(ValueError, match="uint8"):
        bench.matcher.analyse(np.zeros((480, 640, 3), np.float32))


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (2, 700), (700, 2)])
def test_an_image_too_small_for_a_face_holds_none(bench, size):
    analysis = bench.matcher.analyse(np.zeros((*size, 3), np.uint8))
    assert (analysis.faces, analysis.probe) == (0, None)


def damaged(data, how):
    vector = np.frombuffer(data, "<f4").copy()
    match how:
        case "empty":
            return b""
        case "short":
            return data[:-4]
        case "long":
            return data + data[:4]
        case "odd":
            return data[:-1]
        case "one NaN":
            vector[7] = np.nan
        case "one infinity":
            vector[7] = np.inf
        case "zero":
            vector[:] = 0
        case "four times too long":
            vector *= 4
        case "all ff":
            return b"\xff" * len(data)
    return vector.tobytes()


@pytest.mark.parametrize("how", ["empty", "short", "long", "odd", "one NaN", "one infinity", "zero", "four times too long", "all ff"])
def test_a_broken_template_is_refused_and_never_a_distance(bench, probe, how):
    whole = bench.enrol("person02")
    with pytest.raises(ValueError):
        bench.matcher.compare(probe, FaceTemplate(whole.model, damaged(whole.data, how)))


@pytest.mark.parametrize("how", ["one NaN", "one infinity", "zero", "four times too long"])
def test_a_broken_probe_is_refused_and_never_a_distance(bench, probe, how):
    whole = bench.enrol("person02")
    broken = replace(probe, embedding=np.frombuffer(damaged(probe.embedding.tobytes(), how), np.float32))
    with pytest.raises(ValueError):
        bench.matcher.compare(broken, whole)
    with pytest.raises(ValueError):
        bench.matcher.template(broken)


def test_a_model_of_the_same_name_with_other_weights_is_another_model(bench, probe):
    template = bench.enrol("person02")
    retrained = FaceModel(template.model.name, "00" * 32)
    with pytest.raises(ValueError, match="model"):
        bench.matcher.compare(probe, replace(template, model=retrained))
    with pytest.raises(ValueError, match="model"):
        bench.matcher.compare(replace(probe, model=retrained), template)
