"""How far the eyes are open, and blinks in it. Knows no identity and no gaze.

An open eye is a dark iris between white and lids: strong differences up and down. A closed one is a line. So openness is the spread of grey in
the eye's patch against that of the cheek's brightness; only its course over time means anything.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from gate_controller.ports.devices import Image
from gate_controller.ports.pad import FacePlace

_ACROSS, _DOWN = 0.19, 0.11  # half the patch, in eye distances
_KEPT = 90


def openness(image: Image, face: FacePlace) -> float | None:
    """Mean of both eyes; None when an eye is outside of the frame or too small."""
    right, left = face.landmarks[0], face.landmarks[1]
    distance = float(np.hypot(*(left - right)))
    if distance < 16:
        return None
    spreads = []
    for x, y in (right, left):
        x0, x1 = round(float(x) - _ACROSS * distance), round(float(x) + _ACROSS * distance) + 1
        y0, y1 = round(float(y) - _DOWN * distance), round(float(y) + _DOWN * distance) + 1
        if x0 < 0 or y0 < 0 or x1 > image.shape[1] or y1 > image.shape[0]:
            return None
        grey = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_BGR2GRAY).astype(np.float32)
        spreads.append(float(grey.std() / max(8.0, float(np.percentile(grey, 90)))))
    return sum(spreads) / 2


class Blinks:
    """Counts blinks: a fall below two thirds of the usual openness that lasts no longer than half a second."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self.count = 0
        self._closed_since: float | None = None

    def forget(self) -> None:
        """Drop everything."""
        self._seen.clear()
        self.count = 0
        self._closed_since = None

    def take(self, value: float, stamp: float) -> None:
        """One frame's openness."""
        self._seen.append((stamp, value))
        usual = float(np.median([each for _, each in self._seen]))
        if value < 0.66 * usual and len(self._seen) > 4:
            if self._closed_since is None:
                self._closed_since = stamp
        elif self._closed_since is not None and value > 0.8 * usual:
            if stamp - self._closed_since <= 0.5:
                self.count += 1
            self._closed_since = None

    def dip(self) -> float | None:
        """Least openness over the usual one, 0 to 1; None while there is too little."""
        if len(self._seen) < 5:
            return None
        values = np.array([each for _, each in self._seen])
        return float(values.min() / max(1e-6, float(np.median(values))))
