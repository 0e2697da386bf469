"""A desk for lanes with two face models: a template of each, from one frame, or none at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gate_controller.enrolment.desk import Attendance, Refusal
from gate_controller.enrolment.desk.face import SecondModel
from gate_controller.ports.devices import FaceAnalysis, FaceModel, FaceProbe, FaceTemplate, Image
from gate_controller.ports.errors import DeviceUntrustedError
from simulators.face_memory import MODEL, MemoryFaceMatcher
from tests.enrolment.desk_rig import THRESHOLD, Desk, applicant
from tests.enrolment.test_desk_session import refused

SECOND = FaceModel("second-face", "22" * 32)


class SecondMatcher(MemoryFaceMatcher):
    """The simulated model under another name. `seen` are the images that it was shown; `spoils` changes what it makes of one."""

    def __init__(self, spoils: Callable[[FaceAnalysis], FaceAnalysis] = lambda seen: seen) -> None:
        super().__init__()
        self.seen: list[Image] = []
        self._spoils = spoils

    @property
    def model(self) -> FaceModel:
        return SECOND

    def analyse(self, image: Image) -> FaceAnalysis:
        self.seen.append(image)
        return self._spoils(super().analyse(image))

    def template(self, probe: FaceProbe) -> FaceTemplate:
        return replace(super().template(probe), model=SECOND)

    def compare(self, probe: FaceProbe, reference: FaceTemplate) -> float:
        assert reference.model == SECOND
        return super().compare(probe, replace(reference, model=MODEL))


def desk_with(matcher: SecondMatcher, threshold: float = THRESHOLD, **how: Any) -> Desk:
    return Desk(second=SecondModel(matcher, threshold), **how)


def test_the_record_has_a_template_of_each_model_from_the_same_frame() -> None:
    matcher = SecondMatcher()
    record, _ = desk_with(matcher).session().enrol(applicant(), Attendance())
    assert [face.model for face in record.faces] == [MODEL, SECOND]
    assert record.faces[0].data == record.faces[1].data, "the simulated models are one, so its frame was, too"
    assert len(matcher.seen) == 4, "the best frame, and the fresh ones"


@pytest.mark.parametrize(
    "spoils", [lambda seen: replace(seen, probe=None), lambda seen: replace(seen, probe=seen.probe and replace(seen.probe, embedding=-seen.probe.embedding))]
)
def test_a_second_model_that_does_not_see_the_person_takes_nobody(spoils: Callable[[FaceAnalysis], FaceAnalysis]) -> None:
    every_other = iter(range(1_000_000))
    matcher = SecondMatcher(lambda seen: spoils(seen) if next(every_other) % 4 == 3 else seen)
    refused(desk_with(matcher), Refusal.FACE_NOT_GOOD_ENOUGH)


def test_its_own_threshold_counts() -> None:
    refused(desk_with(SecondMatcher(), threshold=0.1), Refusal.FACE_NOT_GOOD_ENOUGH)


def test_a_second_model_that_makes_nonsense_is_a_fault() -> None:
    matcher = SecondMatcher(lambda seen: replace(seen, probe=seen.probe and replace(seen.probe, embedding=seen.probe.embedding[:3])))
    with pytest.raises(DeviceUntrustedError, match="second face model"):
        desk_with(matcher).session().enrol(applicant(), Attendance())


@pytest.mark.invariant("INV-7")
def test_few_images_are_kept_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    from gate_controller.enrolment.desk import face

    kept: list[int] = []
    drop = face.FaceTaker._drop_images

    def counting(self: Any, good: list[Any]) -> None:
        drop(self, good)
        kept.append(sum(each.image is not None for each in good))

    monkeypatch.setattr(face.FaceTaker, "_drop_images", counting)
    desk_with(SecondMatcher()).session().enrol(applicant(), Attendance())
    assert max(kept) == 4
