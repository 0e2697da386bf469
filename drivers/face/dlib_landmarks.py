"""dlib's five landmarks: corners of both eyes and the foot of the nose, in a square around a face that somebody else has found.

Says nothing about who it is. The predictor's file comes with face_recognition_models and is checked by its hash; it is read once a process.
"""

from __future__ import annotations

import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from drivers.face.detection import Face
from drivers.face.weights import DLIB_LANDMARKS_5, read_checked
from gate_controller.ports.devices import Image
from gate_controller.ports.errors import ConfigurationError

REMEDY = "install the locked requirements"

_SQUARE = 2.25
"""Side of the square in distances between eyes and mouth."""
_PATCH, _MARGIN = 160, 30
"""Pixels of the patch that roll is measured on, and of the room around the square in it."""


def models() -> Path:
    """Where face_recognition_models keeps its files. Not imported: it would pull in pkg_resources.

    Raises:
        ConfigurationError: It is not installed.
    """
    spec = find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        msg = "the face drivers need face_recognition_models"
        raise ConfigurationError(msg, REMEDY)
    return Path(spec.origin).parent / "models"


def predictor() -> Any:
    """dlib's shape_predictor; called with an image (RGB or grey, uint8) and a dlib.rectangle. It keeps no state: threads may share it.

    Raises:
        ConfigurationError: dlib or the predictor's file is missing, or the file is another one.
    """
    read_checked(models(), DLIB_LANDMARKS_5, REMEDY)
    return _load(models() / DLIB_LANDMARKS_5.file)


@cache
def _load(path: Path) -> Any:
    try:
        import dlib
    except ImportError as error:
        msg = f"the face drivers need dlib: {error}"
        raise ConfigurationError(msg, REMEDY) from error
    return dlib.shape_predictor(str(path))


def square(face: Face) -> tuple[float, float, float]:
    """Centre x, centre y and half the side of the square the landmarks start from, the one dlib's own detector would have given.

    On 24 portraits of the synthetic people that square is, on average, 2.25 times the distance between eyes and mouth wide and centred midway between them.
    """
    landmarks = face.landmarks.astype(np.float64)
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    x, y = (eyes + mouth) / 2
    # A face in profile or looking down has hardly any distance between eyes and mouth left; its box then gives the size.
    half = max(_SQUARE * float(np.linalg.norm(mouth - eyes)), 0.5 * face.width) / 2
    return float(x), float(y), half


class RollMeter:
    """How far a head is tilted to a shoulder.

    By the line through the corners of both eyes as dlib finds them, since YuNet draws its landmarks towards an upright face. Measured on the synthetic people,
    turned in the picture's plane: up to 30 degrees right to 4; beyond 40 it may report far too little, as YuNet's eyes do, so the greater of both counts. An
    upside-down face looks upright to both: the detection's confidence is what falls there.

    Raises:
        ConfigurationError: As for predictor().
    """

    def __init__(self) -> None:
        self._landmarks = predictor()
        import dlib

        self._square = dlib.rectangle(_MARGIN, _MARGIN, _PATCH - _MARGIN, _PATCH - _MARGIN)

    def of(self, image: Image, face: Face) -> float:
        """Degrees, absolute."""
        x, y, half = square(face)
        scale = (_PATCH / 2 - _MARGIN) / half
        matrix = np.array([[scale, 0, _PATCH / 2 - scale * x], [0, scale, _PATCH / 2 - scale * y]])
        patch = cv2.cvtColor(cv2.warpAffine(image, matrix, (_PATCH, _PATCH), borderMode=cv2.BORDER_REPLICATE), cv2.COLOR_BGR2GRAY)
        found = self._landmarks(patch, self._square)
        corners = np.array([(found.part(number).x, found.part(number).y) for number in range(4)], np.float64)  # the left eye's two, then the right's
        by_dlib = _slope(corners[2:].mean(axis=0), corners[:2].mean(axis=0))
        return max(by_dlib, _slope(face.landmarks[0].astype(np.float64), face.landmarks[1].astype(np.float64)))


def _slope(right_eye: Any, left_eye: Any) -> float:
    run, rise = left_eye - right_eye
    return abs(math.degrees(math.atan2(rise, run)))
