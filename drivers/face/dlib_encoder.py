"""dlib's face model through face_recognition: five landmarks, a crop of 150 x 150, 128 numbers of their own length (1.2 to 1.5).

Finds no faces: the detection is YuNet's. dlib's landmarks expect the square that its own HOG detector would have given; on 24 portraits of the
synthetic people the embedding made from the square of drivers.face.dlib_landmarks lies .04 (at most .1) from the one made from HOG's.

The net is run by dlib here; drivers.face.dlib_opencv has the same in a fraction of the time.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.face.detection import Face
from drivers.face.dlib_landmarks import REMEDY, models, square
from drivers.face.templates import Embeddings
from drivers.face.weights import DLIB_RESNET_V1, read_checked
from gate_controller.ports.devices import FaceModel, Image
from gate_controller.ports.errors import ConfigurationError, DeviceRejectedError


class DlibEncoder:
    """dlib_face_recognition_resnet_model_v1 as face_recognition ships it.

    Raises:
        ConfigurationError: face_recognition or dlib are not installed, or hold other weights.
    """

    def __init__(self) -> None:
        read_checked(models(), DLIB_RESNET_V1, REMEDY)  # before dlib builds its nets: what it makes of a damaged file is nobody's cause
        self._face_recognition = _load()
        self._embeddings = dlib_embeddings(DLIB_RESNET_V1.sha256)

    @property
    def embeddings(self) -> Embeddings:
        """Not of unit length: dlib's thresholds are distances between its own vectors."""
        return self._embeddings

    def encode(self, image: Image, face: Face, chip: Image) -> NDArray[np.float32]:  # noqa: ARG002 - dlib aligns by landmarks of its own
        """See Encoder."""
        rgb = np.ascontiguousarray(image[:, :, ::-1])
        try:
            (encoding,) = self._face_recognition.face_encodings(rgb, known_face_locations=[corners(face)], model="small")
        except RuntimeError as error:
            msg = f"dlib failed on a face: {error}"
            raise DeviceRejectedError(msg, "report this as a bug") from error
        return np.asarray(encoding, np.float32)


def dlib_embeddings(sha256: str) -> Embeddings:
    """What encodings made with these weights look like, whoever runs the net."""
    return Embeddings(FaceModel("dlib-resnet-v1", sha256), 128, 0.5, 2.5)


def corners(face: Face) -> tuple[int, int, int, int]:
    """Top, right, bottom, left of the square dlib's landmarks start from."""
    x, y, half = square(face)
    return round(y - half), round(x + half), round(y + half), round(x - half)


def _load() -> Any:
    with warnings.catch_warnings():
        # face_recognition_models 0.3.0 finds its files through pkg_resources and cannot do otherwise.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
        try:
            import face_recognition_models  # noqa: F401, I001 - first: face_recognition ends the process when its models are not there

            import face_recognition
        except (ImportError, RuntimeError, OSError) as error:  # RuntimeError: dlib, of any of the files that face_recognition loads and this never uses
            msg = f"face.dlib needs face_recognition and dlib: {error}"
            raise ConfigurationError(msg, 'install the locked requirements, or set net = "opencv", or use face.sface') from error
    return face_recognition
