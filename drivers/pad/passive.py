"""The passive judge: watches frames, asks nothing of the traveller.

Keeps one small grey picture, the places of some 200 points over less than a second, and a bounded number of measurements; nothing of a frame is
kept beyond that, and all of it is dropped at the end. When another face is there, all evidence is dropped and gathering begins again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import cv2
import numpy as np

from drivers.pad import eyes, motion, texture
from drivers.pad.fusion import Coefficients
from drivers.pad.motion import FLOOR, LEAST_FRAMES, MotionCues
from drivers.pad.presentation import Presentation
from drivers.pad.tracks import Tracker
from gate_controller.ports.devices import Frame, Image
from gate_controller.ports.errors import DeviceRejectedError
from gate_controller.ports.pad import FacePlace, PadAssessment

STRETCH_S = 0.75
MOTION_EVERY_S = 0.055
"""Frames nearer than this to the last one are not followed: 15 to 18 a second show a tremor, more only cost."""
TEXTURE_EVERY_S = 0.18
STRETCHES = 4
"""Of which evidence is made, the newest: what was shown three seconds ago does not excuse what is shown now."""

NEEDED = ("shake", "together", "depth")
"""Cues without which there is no score: what is left would pass anybody whose picture is clean."""


class PassiveJudge:
    """A PadJudge.

    Args:
        coefficients: Of the fusion.
        digest: sha256 of their file.
    """

    def __init__(self, coefficients: Coefficients, digest: str) -> None:
        self._coefficients = coefficients
        self._name = f"{coefficients.name} ({digest[:8]})"
        self._tracker = Tracker(STRETCH_S)
        self._blinks = eyes.Blinks()
        self._presentation = Presentation()
        self.begin()

    @property
    def name(self) -> str:
        """See PadJudge."""
        return self._name

    @property
    def stretches(self) -> int:
        """Stretches of motion measured since the evidence began."""
        return len(self._motions)

    def begin(self) -> None:
        """See PadJudge."""
        self._presentation.begin()
        self._forget()

    def end(self) -> None:
        """See PadJudge."""
        self.begin()

    def observe(self, frame: Frame, face: FacePlace | None) -> None:
        """See PadJudge.

        Raises:
            ValueError: Not an image, or a stamp that does not grow.
            DeviceRejectedError: OpenCV failed on the frame.
        """
        restarts = self._presentation.restarts
        judged = self._presentation.takes(frame, face)
        if judged is None:
            return
        if self._presentation.restarts > restarts:
            self._forget()
        try:
            self._look(frame.image, judged, frame.stamp)
        except (cv2.error, np.linalg.LinAlgError) as error:
            msg = f"presentation attack detection failed on a {frame.image.shape[1]}x{frame.image.shape[0]} frame: {' '.join(str(error).split())}"
            raise DeviceRejectedError(msg, "report this frame size as a bug") from error

    def assess(self) -> PadAssessment:
        """See PadJudge. No score before the first stretch of motion is complete, nor where there was too little to follow."""
        seen, values = self._presentation, self.values()
        cues = self._coefficients.contributions(values)
        if any(values[name] is None for name in NEEDED):
            return PadAssessment(None, seen.frames, seen.span_s, seen.restarts, cues)
        return PadAssessment(self._coefficients.score(cues), seen.frames, seen.span_s, seen.restarts, cues)

    def values(self) -> dict[str, float | None]:
        """Every cue over the presentation so far, by name; None where it could not be measured."""
        shakes = _measured(m.shake for m in self._motions)
        depths = _measured(m.face_depth for m in self._motions)
        stills = _measured(m.still for m in self._motions)
        together = _measured(m.together for m in self._motions)
        return {
            "shake": _log(np.mean(shakes)) if shakes else None,
            "together": float(np.mean(together)) if together else None,
            "depth": _log(max(depths)) if depths else None,
            "still": float(np.mean(stills)) if stills else None,
            "grid": float(np.quantile(self._grids, 0.9)) if self._grids else None,
            "blink": float(self._blinks.count > 0) if self._presentation.span_s >= 1 else None,
        }

    def _forget(self) -> None:
        self._tracker.forget()
        self._blinks.forget()
        self._followed = self._textured = -math.inf
        self._motions: deque[MotionCues] = deque(maxlen=STRETCHES)
        self._grids: deque[float] = deque(maxlen=4 * STRETCHES)

    def _look(self, image: Image, face: FacePlace, stamp: float) -> None:
        if stamp - self._followed >= MOTION_EVERY_S:
            self._followed = stamp
            stretch = self._tracker.follow(image, face, stamp)
            if stretch is not None and len(stretch.stamps) >= LEAST_FRAMES:
                self._motions.append(motion.cues(stretch))
        if stamp - self._textured >= TEXTURE_EVERY_S:
            self._textured = stamp
            found = texture.grid(image, face)
            if found is not None:
                self._grids.append(found)
        opened = eyes.openness(image, face)
        if opened is not None:
            self._blinks.take(opened, stamp)


def _log(length: float | np.floating) -> float:
    """Of a length against the tracker's noise."""
    return math.log(max(float(length), 0.1 * FLOOR) / FLOOR)


def _measured(values: Iterable[float | None]) -> list[float]:
    """Those that were measured; none at all where one is no number: what spoils one stretch must not leave the judgement to the others."""
    found = [value for value in values if value is not None]
    return found if all(map(math.isfinite, found)) else []
