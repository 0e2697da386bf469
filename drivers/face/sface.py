"""SFace (OpenCV Zoo, Apache-2.0) through OpenCV: a face crop of 112 x 112 to 128 numbers, scaled to unit length."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.face.detection import CHIP, Face, as_buffer, nets_from_bytes
from drivers.face.templates import Embeddings
from gate_controller.ports.devices import FaceModel, Image
from gate_controller.ports.errors import ConfigurationError, DeviceRejectedError

_ROUNDING = 1e-3


class SfaceEncoder:
    """A recogniser that `cv2.FaceRecognizerSF` can run: SFace, or another net of the same input (112 x 112 BGR crop, aligned as SFace's).

    Args:
        weights: The ONNX file's bytes, already checked.
        model: What its templates will say made them.

    Raises:
        ConfigurationError: OpenCV cannot build or run the net.
    """

    def __init__(self, weights: bytes, model: FaceModel) -> None:
        with nets_from_bytes("face recogniser"):
            self._net = cv2.FaceRecognizerSF.create("onnx", as_buffer(weights), as_buffer(b""))
            # The first run is the slow one, and tells how long an embedding is.
            blank = np.asarray(self._net.feature(np.full((CHIP, CHIP, 3), 128, np.uint8)))
        if blank.shape[:1] != (1,) or blank.ndim != 2:
            msg = f"face recogniser {model.name}: its output has shape {blank.shape}, not 1 x N"
            raise ConfigurationError(msg, "name a net that makes embeddings")
        self._embeddings = Embeddings(model, blank.shape[1], 1 - _ROUNDING, 1 + _ROUNDING)

    @property
    def embeddings(self) -> Embeddings:
        """Unit vectors."""
        return self._embeddings

    def encode(self, image: Image, face: Face, chip: Image) -> NDArray[np.float32]:  # noqa: ARG002 - the crop is all SFace needs
        """See Encoder."""
        try:
            raw: NDArray[np.float32] = np.asarray(self._net.feature(chip), np.float32)[0]
        except cv2.error as error:
            msg = f"face recogniser failed: {error.err}"
            raise DeviceRejectedError(msg, "check the weights files with `make models`") from error
        norm = np.linalg.norm(raw)
        return np.asarray(raw / norm if norm > 0 else raw, np.float32)  # a zero vector is then refused as one that cannot be an embedding
