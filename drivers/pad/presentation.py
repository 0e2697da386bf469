"""Tells one presentation of a face from the next, so that evidence belongs to one face.

Else a live face would earn the score, and a picture take its place. Compares places, not identities: that the face judged is also the face compared
is for the worker, which drops its probes at a restart.
"""

from __future__ import annotations

import math

import numpy as np

from gate_controller.ports.devices import Frame, Image
from gate_controller.ports.pad import FacePlace

AWAY_S = 0.5
"""A face that was away for longer is another presentation."""
STALL_S = 1.0
"""So long no frame may come at all, while both the one before and the one after show the face: a host that is busy is not a face that went away."""
JUMP = 0.6
"""A face that moved further between two frames, in its own widths, is another one; so is one that grew or shrank to half or double."""


class Presentation:
    """The frames and seconds of the presentation under way, and how often it began again."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget everything."""
        self._stamp = -math.inf
        self._face: FacePlace | None = None
        self._first = self._last = 0.0
        self.frames = self.restarts = 0

    @property
    def span_s(self) -> float:
        """Seconds from its first frame to its newest."""
        return self._last - self._first

    def takes(self, frame: Frame, face: FacePlace | None) -> FacePlace | None:
        """The face to be judged in this frame, or None.

        When `restarts` has grown, what was gathered before belongs to another face.

        Raises:
            ValueError: Not an image, or a stamp that does not grow.
        """
        check_image(frame.image)
        if not frame.stamp > self._stamp:
            msg = f"stamp {frame.stamp:g} after {self._stamp:g}: stamps grow"
            raise ValueError(msg)
        before, self._stamp = self._stamp, frame.stamp
        if face is None or not sound(face):
            return None
        away_s = STALL_S if before == self._last else AWAY_S
        if self._face is not None and (frame.stamp - self._last > away_s or _another(self._face, face)):
            self.restarts += 1
            self.frames = 0
        if not self.frames:
            self._first = frame.stamp
        self._face, self._last = face, frame.stamp
        self.frames += 1
        return face


def check_image(image: Image) -> None:
    """Refuse what is no image.

    Raises:
        ValueError: Not height x width x 3, uint8.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        msg = f"an image is height x width x 3, uint8; this is {image.shape}, {image.dtype}"
        raise ValueError(msg)


def sound(face: FacePlace) -> bool:
    """Whether the place is one: finite, with a size."""
    return bool(np.isfinite(face.box).all() and np.isfinite(face.landmarks).all() and min(face.box[2:]) >= 8 and face.landmarks.shape == (5, 2))


def _another(before: FacePlace, now: FacePlace) -> bool:
    x, y, width, height = before.box
    at = now.box[0] + now.box[2] / 2, now.box[1] + now.box[3] / 2
    moved = math.hypot(at[0] - x - width / 2, at[1] - y - height / 2)
    return moved > JUMP * width or not 0.5 < now.box[2] / width < 2
