"""dlib's face model with its net run by OpenCV: the same landmarks, the same crop, the same weights, and the same encodings in a fraction of the time.

dlib-bin's net has no BLAS behind it; OpenCV's has kernels of its own. The encodings differ by rounding only (at most 4e-7 in a number on the synthetic
people, where distances that matter differ by .01): a template made by either serves the other, so both carry one model's name and hash.

Landmarks and crop are dlib's own code (`dlib.shape_predictor`, `dlib.get_face_chip`), and face_recognition is not imported: it would load every model it has.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.face.detection import Face, as_buffer, nets_from_bytes
from drivers.face.dlib_encoder import corners, dlib_embeddings
from drivers.face.dlib_landmarks import REMEDY, models, predictor
from drivers.face.dlib_net import CHIP, LENGTH, MEAN, to_onnx
from drivers.face.templates import Embeddings
from drivers.face.weights import DLIB_RESNET_V1, read_checked
from gate_controller.ports.devices import Image
from gate_controller.ports.errors import DeviceRejectedError

_PADDING = 0.25
"""Room around the face in the crop, in face widths: face_recognition's, and what the net was trained with."""


class DlibOpencvEncoder:
    """dlib_face_recognition_resnet_model_v1 through cv2.dnn. Used by one thread at a time.

    Raises:
        ConfigurationError: dlib or face_recognition_models are not installed, or hold other weights.
    """

    def __init__(self) -> None:
        net = to_onnx(read_checked(models(), DLIB_RESNET_V1, REMEDY))
        self._landmarks = predictor()
        import dlib

        self._chip = dlib.get_face_chip
        self._rectangle = dlib.rectangle
        with nets_from_bytes("face recogniser"):
            self._net = cv2.dnn.readNetFromONNX(as_buffer(net))
            self._run(np.full((CHIP, CHIP, 3), 128, np.uint8))  # the first run is the slow one
        self._embeddings = dlib_embeddings(DLIB_RESNET_V1.sha256)

    @property
    def embeddings(self) -> Embeddings:
        """Not of unit length: dlib's thresholds are distances between its own vectors."""
        return self._embeddings

    def encode(self, image: Image, face: Face, chip: Image) -> NDArray[np.float32]:  # noqa: ARG002 - dlib aligns by landmarks of its own
        """See Encoder."""
        top, right, bottom, left = corners(face)
        rgb = np.ascontiguousarray(image[:, :, ::-1])
        try:
            crop = self._chip(rgb, self._landmarks(rgb, self._rectangle(left, top, right, bottom)), CHIP, _PADDING)
            return self._run(crop)
        except (RuntimeError, cv2.error) as error:
            msg = f"dlib's model failed on a face: {error}"
            raise DeviceRejectedError(msg, "report this as a bug") from error

    def _run(self, crop: Image) -> NDArray[np.float32]:
        self._net.setInput(cv2.dnn.blobFromImage(crop, 1 / 256, (CHIP, CHIP), MEAN))
        return np.array(self._net.forward(), np.float32).reshape(LENGTH)  # a copy: the net writes its next output to the same place
