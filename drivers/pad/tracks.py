"""Follows points on the face and around it through a short stretch of frames. Measures nothing about them: motion.py does.

Points are followed by pyramidal Lucas-Kanade in a grey picture scaled so that the face is FACE_PX wide, whatever the camera; so lengths are in
faces. Only points with texture in two directions count: on a plain wall there is nothing to follow, and nothing is claimed of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gate_controller.ports.devices import Image
from gate_controller.ports.pad import FacePlace

FACE_PX = 96
"""Width of the face in the grey picture."""

WIDEST = 720
"""Limit of the grey picture's width, so that a small face does not make it huge."""

FACE, AROUND, FAR = 0, 1, 2
"""Regions: the face itself; head, shoulders and wall beside it; the rest."""

_MOST = {FACE: 60, AROUND: 90, FAR: 40}
_APART = 5  # pixels between points
_TEXTURE = 6e-5  # least eigenvalue of a point's gradient matrix; noise of a camera in poor light stays below it
_WINDOW = (13, 13)


def grey_of(image: Image, scale: float) -> NDArray[np.uint8]:
    """The picture in grey, smaller by `scale`."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)  # first, for scaling one channel costs a third of scaling three
    return np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey, np.uint8)


def scale_for(face: FacePlace, width: int) -> float:
    """Factor that makes the face FACE_PX wide; never above 1: enlarging adds nothing."""
    return min(1.0, FACE_PX / face.box[2], WIDEST / width)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A finished stretch: points that were followed all the way.

    Attributes:
        places: Frames x points x 2, in faces from the face's middle in the first frame.
        regions: Points: FACE, AROUND or FAR.
        stamps: Frames, seconds.
    """

    places: NDArray[np.float64]
    regions: NDArray[np.int8]
    stamps: NDArray[np.float64]


class Tracker:
    """One stretch at a time.

    Args:
        length_s: Of a stretch.
    """

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._last: NDArray[np.uint8] | None = None
        self.forget()

    def forget(self) -> None:
        """Drop everything."""
        self._last = None
        self._scale = 1.0
        self._width = 1.0
        self._middle = np.zeros(2)
        self._points = np.zeros((0, 2), np.float32)
        self._alive = np.zeros(0, bool)
        self._regions = np.zeros(0, np.int8)
        self._places: list[NDArray[np.float32]] = []
        self._stamps: list[float] = []

    def follow(self, image: Image, face: FacePlace, stamp: float) -> Stretch | None:
        """Take one more frame; the stretch when it is complete, and the next one begins."""
        if self._last is None:
            self._start(grey_of(image, scale := scale_for(face, image.shape[1])), face, scale, stamp)
            return None
        now = grey_of(image, self._scale)
        if now.shape != self._last.shape:
            self._start(grey_of(image, scale := scale_for(face, image.shape[1])), face, scale, stamp)
            return None
        if len(self._points):
            found, status, _ = cv2.calcOpticalFlowPyrLK(self._last, now, self._points, self._points.copy(), winSize=_WINDOW, maxLevel=2)
            self._alive &= status.ravel() == 1
            self._points = np.asarray(found, np.float32)
        self._last = now
        self._places.append(self._points)
        self._stamps.append(stamp)
        if stamp - self._stamps[0] < self._length_s:
            return None
        done = self._finish()
        self._start(now if (scale := scale_for(face, image.shape[1])) == self._scale else grey_of(image, scale), face, scale, stamp)
        return done

    def _start(self, grey: NDArray[np.uint8], face: FacePlace, scale: float, stamp: float) -> None:
        self._last, self._scale = grey, scale
        x, y, width, height = (value * scale for value in face.box)
        self._width, self._middle = max(width, 1.0), np.array([x + width / 2, y + height / 2])
        self._points, self._regions = _choose(grey, self._middle, width, height)
        self._alive = np.ones(len(self._points), bool)
        self._places, self._stamps = [self._points], [stamp]

    def _finish(self) -> Stretch:
        places = np.stack(self._places)[:, self._alive]
        return Stretch((places - self._middle) / self._width, self._regions[self._alive], np.array(self._stamps))


def _choose(grey: NDArray[np.uint8], middle: NDArray[np.float64], width: float, height: float) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    strength = cv2.cornerMinEigenVal(grey, 5, ksize=3)
    peaks = (strength == cv2.dilate(strength, np.ones((2 * _APART + 1, 2 * _APART + 1), np.uint8))) & (strength > _TEXTURE)
    peaks[:3] = peaks[-3:] = False
    peaks[:, :3] = peaks[:, -3:] = False
    y, x = np.nonzero(peaks)
    across, down = (x - middle[0]) / width, (y - middle[1]) / height
    in_face = (across / 0.5) ** 2 + (down / 0.55) ** 2 < 1
    around = (np.abs(across) < 1.5) & (down > -1.3) & (down < 1.4)
    regions = np.where(in_face, FACE, np.where(around, AROUND, FAR)).astype(np.int8)
    chosen: list[int] = []
    for region, most in _MOST.items():
        own = np.nonzero(regions == region)[0]
        chosen += own[np.argsort(-strength[y[own], x[own]])[:most]].tolist()
    points = np.stack([x[chosen], y[chosen]], axis=-1).astype(np.float32).reshape(-1, 2)
    return points, regions[chosen]
