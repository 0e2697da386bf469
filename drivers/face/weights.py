"""Which weights files the face drivers know, and the check every file passes before a net is built from it.

Does not fetch anything: `make models` does (requirements/fetch_models.py), and a gate's package ships the files. dlib's come with face_recognition_models.
Imports nothing heavy.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from gate_controller.ports.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Weights:
    """One weights file.

    Attributes:
        file: File name inside the directory of models.
        sha256: Hex digest of its bytes.
    """

    file: str
    sha256: str


# From the OpenCV Zoo: YuNet is MIT, SFace is Apache-2.0.
YUNET_2023MAR = Weights("face_detection_yunet_2023mar.onnx", "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4")
SFACE_2021DEC = Weights("face_recognition_sface_2021dec.onnx", "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79")

# From dlib's author, in the public domain (CC0), in the package face_recognition_models.
DLIB_RESNET_V1 = Weights("dlib_face_recognition_resnet_model_v1.dat", "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30")
DLIB_LANDMARKS_5 = Weights("shape_predictor_5_face_landmarks.dat", "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888")


def read_checked(directory: Path, weights: Weights, remedy: str = "run `make models`") -> bytes:
    """The file's bytes, which are exactly the ones that were checked (a net built from a path could read others).

    Args:
        directory: Where it is.
        weights: Which it is.
        remedy: How to get it, for the error.

    Raises:
        ConfigurationError: The file is missing, unreadable, or not the one that `weights` names.
    """
    path = directory / weights.file
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"face model {path}: {error.strerror or error}"
        raise ConfigurationError(msg, f"{remedy}, or set the directory of models") from error
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        msg = f"face model {path}: not the expected file (sha256 differs)"
        raise ConfigurationError(msg, f"{remedy}, or configure this file with its own sha256")
    return data
