"""Finds faces with YuNet through OpenCV, decides which one is the traveller's, and measures how good it is.

Does not encode or compare faces, holds no policy, and knows nothing of presentation attacks.

YuNet's landmarks are drawn towards an upright face: measured on the synthetic people, a face rolled by 10 degrees is reported as rolled by
about 3, one by 45 as 0 to 21, and an upside-down one as upright. So roll is measured elsewhere (drivers.face.dlib_landmarks), and the detection's
confidence (0.9 upright, 0.8 at 45 and at 180 degrees) is part of the quality score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gate_controller.ports.devices import FaceQuality, Image
from gate_controller.ports.errors import ConfigurationError, DeviceRejectedError

DETECTION_WIDTH = 320
"""Width the frame is scaled to for YuNet: the width at which it was measured; a face is then found from about 10 px up."""

TALLEST = 2 * DETECTION_WIDTH
"""Limit of the scaled frame's height, so that a strip of an image does not become a huge one."""

SMALLEST_IMAGE = 16
"""Images with a shorter side hold no face that could be encoded."""

LARGEST_IMAGE = 8192
"""Pixels of a longer side are no camera's: such an image is refused before anything is made of it."""

CHIP = 112
"""Side of the aligned face crop in pixels, the size SFace takes; sharpness and brightness are measured on it, so they do not depend on the camera."""

# The crop's eyes and mouth corners (right eye, left eye, nose tip, right and left mouth corner), the alignment SFace was trained with.
_CHIP_LANDMARKS = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32)


@dataclass(frozen=True, slots=True)
class Face:
    """One detected face.

    Attributes:
        row: YuNet's 15 numbers, in pixels of the frame: box x, y, width, height; x and y of the right eye, left eye, nose tip, right and left
            mouth corner (right and left are the person's); confidence.
    """

    row: NDArray[np.float32]

    @property
    def width(self) -> float:
        """Width of the box in pixels."""
        return float(self.row[2])

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of the box."""
        return float(self.row[0] + self.row[2] / 2), float(self.row[1] + self.row[3] / 2)

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """The five landmarks, 5 x 2."""
        return self.row[4:14].reshape(5, 2)

    @property
    def confidence(self) -> float:
        """The detection's confidence, 0..1."""
        return float(self.row[14])

    def off_centre(self, image: Image) -> float:
        """Distance of the face from the frame's centre, in frame widths."""
        height, width = image.shape[:2]
        x, y = self.centre
        return math.hypot(x - width / 2, y - height / 2) / float(width)


class Detector:
    """YuNet. Used by one thread at a time.

    Args:
        weights: The ONNX file's bytes, already checked.
        confidence: Detections below it are dropped.

    Raises:
        ConfigurationError: OpenCV cannot build a net from the bytes.
    """

    def __init__(self, weights: bytes, confidence: float) -> None:
        with nets_from_bytes("face detector"):
            self._net = cv2.FaceDetectorYN.create("onnx", as_buffer(weights), as_buffer(b""), (DETECTION_WIDTH, DETECTION_WIDTH), confidence, 0.3, 50)

    def find(self, image: Image) -> list[Face]:
        """All faces in the frame, in no particular order.

        Raises:
            ValueError: Not an image as the ports define it.
            DeviceRejectedError: OpenCV failed on it.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            msg = f"an image is height x width x 3, uint8; this is {image.shape}, {image.dtype}"
            raise ValueError(msg)
        height, width = image.shape[:2]
        if max(height, width) > LARGEST_IMAGE:
            msg = f"an image of {width}x{height} pixels; at most {LARGEST_IMAGE} a side"
            raise ValueError(msg)
        if min(height, width) < SMALLEST_IMAGE:
            return []
        scale = min(DETECTION_WIDTH / width, TALLEST / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        try:
            self._net.setInputSize(size)
            found: Any = self._net.detect(cv2.resize(image, size))[1]  # OpenCV's stubs do not know that it may be None
        except cv2.error as error:
            msg = f"face detector failed on a {width}x{height} frame: {error.err}"
            raise DeviceRejectedError(msg, "report this frame size as a bug") from error
        if found is None:
            return []
        rows: NDArray[np.float32] = found[np.isfinite(found).all(axis=1)]
        rows[:, :14] *= np.tile([width / size[0], height / size[1]], 7).astype(np.float32)
        faces = [Face(row) for row in rows]
        return [face for face in faces if float(np.ptp(face.landmarks, axis=0).max()) >= 1]  # else there is nothing to align by


def choose_probe(faces: list[Face], image: Image, min_face_px: float) -> Face | None:
    """The traveller's face: the largest central one.

    Of the faces at least `min_face_px` wide, the one with the greatest area times nearness, where nearness is 1 in the frame's centre and falls
    to 0 at half a frame width from it. So the person in front of the camera wins over a larger face cut by the frame's edge and over any smaller
    one behind; a face at the edge is nobody's probe.
    """

    def weight(face: Face) -> float:
        return face.width**2 * max(0.0, 1 - 2 * face.off_centre(image))

    wide_enough = [face for face in faces if face.width >= min_face_px]
    best = max(wide_enough, key=weight, default=None)
    return best if best is not None and weight(best) > 0 else None


def count_plausible(faces: list[Face], second_face_px: float) -> int:
    """Faces near enough to the camera to be somebody in the chamber: at least `second_face_px` wide, wherever they are in the frame."""
    return sum(face.width >= second_face_px for face in faces)


def align(image: Image, face: Face) -> Image:
    """The face, turned and scaled to the fixed crop (112 x 112 x 3), as `cv2.FaceRecognizerSF.alignCrop` does. Outside the frame is black.

    Least squares similarity between the five landmarks and the crop's, with points as complex numbers: q = a p + b.
    """
    p, q = (points.astype(np.float64) @ (1, 1j) for points in (face.landmarks, _CHIP_LANDMARKS))
    spread = p - p.mean()
    a = np.vdot(spread, q - q.mean()) / np.vdot(spread, spread).real
    b = q.mean() - a * p.mean()
    matrix = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
    return np.asarray(cv2.warpAffine(image, matrix, (CHIP, CHIP)), np.uint8)


def measure(image: Image, face: Face, chip: Image, roll_deg: float) -> FaceQuality:
    """Quality of a face that is rolled by `roll_deg`.

    The score is the product of ramps from useless (0) to good (1). Their ends come from degrading the synthetic people until SFace's distance to
    the portrait grew: by .05 to .1 at the good end, to that of another person at the useless end. Lower brightness than the ramp's good end is
    normal for dark skin in correct light, so that end is low. A turn of 12 degrees is some .15 there, and open eyes leave .06 at least. A roll of 16
    degrees moves a face by .06 on average, 25 by .27, and 45 as far as another person. The mouth is measured and no part of the score: a lane compares a
    masked face as it is.
    """
    right_eye, left_eye = face.landmarks[0], face.landmarks[1]
    run, rise = float(left_eye[0] - right_eye[0]), float(left_eye[1] - right_eye[1])
    grey = np.asarray(cv2.cvtColor(chip, cv2.COLOR_BGR2GRAY), np.uint8)
    eye_distance = math.hypot(run, rise)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    brightness = float(grey.mean())
    off_centre = face.off_centre(image)
    nose = face.landmarks[2].astype(np.float64) - (right_eye + left_eye) / 2
    turn = abs(float(nose @ (left_eye - right_eye))) / max(1.0, eye_distance**2)
    eyes = _eyes(grey)
    score = math.prod(
        (
            _ramp(eye_distance, 5, 30),
            _ramp(sharpness, 5, 60),
            min(_ramp(brightness, 8, 35), _ramp(brightness, 250, 200)),
            _ramp(off_centre, 0.5, 0.2),
            _ramp(roll_deg, 40, 15),
            _ramp(turn, 0.6, 0.3),
            _ramp(eyes, 0.01, 0.05),
            _ramp(face.confidence, 0.7, 0.88),
        )
    )
    return FaceQuality(
        eye_distance, sharpness, brightness, off_centre, roll_deg, score, turn=turn, eyes=eyes, share=face.width / image.shape[0], mouth=_mouth(grey)
    )


def _bright(grey: NDArray[np.uint8]) -> float:
    return max(8.0, float(np.percentile(grey, 75)))


def _eyes(grey: NDArray[np.uint8]) -> float:
    """Spread of grey in the patches of both eyes of an aligned crop, against the crop's brightness: the smaller of the two."""
    return min(_spread(grey, x, y, 7, 4) for x, y in _CHIP_LANDMARKS[:2]) / _bright(grey)


def _mouth(grey: NDArray[np.uint8]) -> float:
    """The same of the mouth, from corner to corner."""
    x, y = _CHIP_LANDMARKS[3:].mean(axis=0)
    return _spread(grey, x, y, 15, 7) / _bright(grey)


def _spread(grey: NDArray[np.uint8], x: float, y: float, half_width: int, half_height: int) -> float:
    column, row = round(float(x)), round(float(y))
    return float(grey[row - half_height : row + half_height + 1, column - half_width : column + half_width + 1].std())


def _ramp(value: float, useless: float, good: float) -> float:
    return min(1.0, max(0.0, (value - useless) / (good - useless)))


def as_buffer(data: bytes) -> NDArray[np.uint8]:
    """Bytes as OpenCV takes a file's content."""
    return np.frombuffer(data, np.uint8)


@contextmanager
def nets_from_bytes(what: str) -> Iterator[None]:
    """Build nets inside: OpenCV's errors become ConfigurationError; its warning that OpenCV 5's graph engine has no targets is not printed."""
    logging: Any = cv2.utils.logging
    level = logging.setLogLevel(logging.LOG_LEVEL_ERROR)
    try:
        yield
    except cv2.error as error:
        msg = f"{what}: OpenCV cannot build a net from the weights file: {error.err}"
        raise ConfigurationError(msg, "use the files that `make models` fetches") from error
    finally:
        logging.setLogLevel(level)
