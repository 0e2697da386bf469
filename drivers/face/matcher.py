"""The FaceMatcher both drivers share: detect with YuNet, choose the probe, measure it, encode it with the driver's model.

Holds no threshold (policy does) and keeps no image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.face.detection import Detector, Face, align, choose_probe, count_plausible, measure
from drivers.face.dlib_landmarks import RollMeter
from drivers.face.templates import Embeddings
from gate_controller.ports.devices import FaceAnalysis, FaceModel, FacePlace, FaceProbe, FaceTemplate, Image
from gate_controller.ports.errors import DeviceUntrustedError


class Encoder(Protocol):
    """A model that turns one face into an embedding."""

    @property
    def embeddings(self) -> Embeddings:
        """What its embeddings look like."""
        ...

    def encode(self, image: Image, face: Face, chip: Image) -> NDArray[np.float32]:
        """The embedding of `face` in `image`; `chip` is the face aligned to 112 x 112 (drivers.face.detection.align).

        Raises:
            DeviceError: The model failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Plausibility:
    """Which detections are people in the chamber.

    Attributes:
        min_face_px: Least width of the probe, in pixels of the frame.
        second_face_px: Least width of a face that is counted.
    """

    min_face_px: int
    second_face_px: int


class YunetMatcher:
    """A FaceMatcher. Used by one thread at a time."""

    def __init__(self, detector: Detector, encoder: Encoder, roll: RollMeter, plausibility: Plausibility) -> None:
        self._detector = detector
        self._encoder = encoder
        self._roll = roll
        self._plausibility = plausibility

    @property
    def model(self) -> FaceModel:
        """The model in use."""
        return self._encoder.embeddings.model

    def locate(self, image: Image) -> FaceAnalysis:
        """See FaceMatcher.

        Raises:
            ValueError: Not height x width x 3, uint8.
            DeviceRejectedError: OpenCV failed on the frame.
        """
        return self._seen(image)[0]

    def analyse(self, image: Image) -> FaceAnalysis:
        """See FaceMatcher. An image without faces, however odd, is an analysis without a probe.

        Raises:
            ValueError: Not height x width x 3, uint8.
            DeviceRejectedError: OpenCV or dlib failed on the frame.
            DeviceUntrustedError: The model made an embedding that cannot be one.
        """
        seen, face, chip = self._seen(image)
        if face is None or chip is None or seen.quality is None:
            return seen
        probe = FaceProbe(self.model, self._encoder.encode(image, face, chip), seen.quality)
        try:
            self._encoder.embeddings.of_probe(probe)
        except ValueError as error:
            msg = f"face model {self.model.name}: {error}"
            raise DeviceUntrustedError(msg, "check the weights files with `make models`") from error
        return replace(seen, probe=probe)

    def _seen(self, image: Image) -> tuple[FaceAnalysis, Face | None, Image | None]:
        """What is in the frame, the traveller's face, and its crop."""
        faces = self._detector.find(image)
        count = count_plausible(faces, self._plausibility.second_face_px)
        face = choose_probe(faces, image, self._plausibility.min_face_px)
        if face is None:
            return FaceAnalysis(count, None, distant=choose_probe(faces, image, 0) is not None), None, None
        chip = align(image, face)
        quality = measure(image, face, chip, self._roll.of(image, face))
        x, y, width, height = (float(value) for value in face.row[:4])
        return FaceAnalysis(count, None, FacePlace((x, y, width, height), face.landmarks), quality), face, chip

    def template(self, probe: FaceProbe) -> FaceTemplate:
        """The probe as a template for the enrolment store.

        Raises:
            ValueError: The probe is not one of this model's.
        """
        return self._encoder.embeddings.template(probe)

    def compare(self, probe: FaceProbe, reference: FaceTemplate) -> float:
        """L2 distance between probe and reference.

        Raises:
            ValueError: Either was made by another model, or is broken.
        """
        difference = self._encoder.embeddings.of_probe(probe) - self._encoder.embeddings.of_template(reference)
        return float(np.linalg.norm(difference))
