"""Enrols the cast: face templates from the portraits, finger templates from the fingers' names.

Does the face part with OpenCV's own API, written here anew: an error in the gate's face driver must not be hidden by
the same error in the reference. Stores nothing; whoever calls puts the records where the gate looks for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from gate_controller.core.values import Region
from gate_controller.ports.devices import FaceModel, FaceTemplate, Family, FingerprintTemplate
from gate_controller.ports.errors import ConfigurationError
from gate_controller.ports.services import EnrolmentRecord
from simulators.fingerprint import enrolment_template
from simulators.travellers.cast import Identity

FACES = Path(__file__).parent.parent / "data" / "faces"
DETECTOR_FILE = "face_detection_yunet_2023mar.onnx"
RECOGNISER_FILE = "face_recognition_sface_2021dec.onnx"
MODEL_NAME = "sface-2021dec"
DETECTOR_WIDTH_PX = 320
RIGHT_INDEX = 2
"""Finger position code of ISO/IEC 19794-2."""


class PortraitEncoder:
    """Makes the face template of a portrait, as an enrolment office would.

    Args:
        models: Directory of the model files.
        faces: Directory of the portraits, `<person>_1.jpg`.

    Raises:
        ConfigurationError: A model file is missing or no model.
    """

    def __init__(self, models: Path, faces: Path = FACES) -> None:
        self._faces = faces
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # OpenCV 5 warns at every net that it runs on the CPU
        detector, recogniser = models / DETECTOR_FILE, models / RECOGNISER_FILE
        try:
            self.model = FaceModel(MODEL_NAME, hashlib.sha256(recogniser.read_bytes()).hexdigest())
            self._detector = cv2.FaceDetectorYN.create(str(detector), "", (DETECTOR_WIDTH_PX, DETECTOR_WIDTH_PX), 0.7)
            self._recogniser = cv2.FaceRecognizerSF.create(str(recogniser), "")
        except (OSError, cv2.error) as error:
            msg = f"face models in {models}: {getattr(error, 'strerror', None) or 'not usable'}"
            raise ConfigurationError(msg, "run `make models`, or name the directory that holds them") from error
        self._encode = lru_cache(maxsize=None)(self._encode_portrait)

    def template(self, person: str) -> FaceTemplate:
        """The face template of `person`.

        Raises:
            ConfigurationError: There is no such portrait, or not exactly one face in it.
        """
        return FaceTemplate(self.model, self._encode(person))

    def _encode_portrait(self, person: str) -> bytes:
        image = cv2.imread(str(self._faces / f"{person}_1.jpg"))
        if image is None:
            msg = f"portrait of {person}: no such picture in {self._faces}"
            raise ConfigurationError(msg, "use the pictures in simulators/data/faces")
        height, width = image.shape[:2]
        scale = DETECTOR_WIDTH_PX / width
        small = cv2.resize(image, (DETECTOR_WIDTH_PX, round(height * scale)), interpolation=cv2.INTER_AREA)
        self._detector.setInputSize((small.shape[1], small.shape[0]))
        _, found = self._detector.detect(small)
        if found is None or len(found) != 1:
            msg = f"portrait of {person}: {0 if found is None else len(found)} faces in it"
            raise ConfigurationError(msg, "a portrait shows exactly one face")
        box_and_landmarks = found[0].copy()
        box_and_landmarks[:14] /= scale
        embedding = self._recogniser.feature(self._recogniser.alignCrop(image, box_and_landmarks)).ravel().astype(np.float64)
        return (embedding / np.linalg.norm(embedding)).astype("<f4").tobytes()


def enrol(
    identities: Iterable[Identity],
    face_template: Callable[[str], FaceTemplate],
    family: Family,
    finger_bytes: int | None = None,
) -> list[EnrolmentRecord]:
    """Enrolment records of `identities`, registered with both regions.

    Args:
        identities: Who is enrolled.
        face_template: Gives the template of a person's portrait (`PortraitEncoder.template`).
        family: Family of the lane's fingerprint readers.
        finger_bytes: Size of a finger template; None for the family's usual one.
    """
    records = []
    for identity in identities:
        finger = enrolment_template(identity.finger, family, finger_bytes)
        records.append(
            EnrolmentRecord(
                reference=identity.reference,
                version=1,
                birth_date=identity.birth_date,
                registered_with=frozenset(Region),
                registered_at=identity.registered_at,
                suspended=False,
                faces=(face_template(identity.face),),
                fingers=(FingerprintTemplate(f"zhiantec/{family.value}/{len(finger)}", RIGHT_INDEX, finger),),
            )
        )
    return records
