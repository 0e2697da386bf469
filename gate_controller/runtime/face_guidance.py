"""What to tell a traveller whose face cannot be used: one thing at a time, and calmly.

Words are the display's. Says nothing of what was measured, and nothing of a match or of presentation attack detection.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum

from gate_controller.core.prompts import Prompt
from gate_controller.ports.devices import FaceAnalysis, FaceQuality

PERSISTENT_FRAMES = 8
"""A cause must stand for so many frames before it is told, and be gone for as many before that is told."""
HOLD_S = 2.0
"""No prompt follows another sooner: nobody can read faster."""

TOO_LARGE = 0.75
"""Width of a face in frame heights, from which there is nothing left around it."""
TOO_SMALL_PX = 20.0
"""Distance between the eyes below which a face is too far away."""
COVERED = 0.03
"""Less than this is to be seen of an eye that is behind dark glasses or a hand."""
TURNED = 0.35
ROLLED_DEG = 25.0
DARK, BRIGHT = 25.0, 225.0
BLURRED = 25.0


class Cause(Enum):
    """Why a face cannot be used; the value is for the engineer's log."""

    NOBODY = "nobody"
    TOO_FAR = "too_far"
    TOO_NEAR = "too_near"
    TURNED = "turned"
    EYES_COVERED = "eyes_covered"
    DARK = "dark"
    BRIGHT = "bright"
    BLURRED = "blurred"
    OFF_CENTRE = "off_centre"
    UNSURE = "unsure"


PROMPTS = {Cause.TOO_FAR: Prompt.COME_CLOSER, Cause.TOO_NEAR: Prompt.STEP_BACK, Cause.DARK: Prompt.MORE_LIGHT, Cause.BLURRED: Prompt.HOLD_STILL}
"""Everything else is helped by looking at the camera, face uncovered. Too much light is the engineer's alone, who finds all causes in the log."""


def cause(seen: FaceAnalysis, least_quality: float) -> Cause | None:
    """Why the traveller's face in a frame cannot be used, the first thing to change first; None when it can."""
    quality = seen.quality
    if quality is None:
        return Cause.TOO_FAR if seen.distant else Cause.NOBODY
    if quality.share >= TOO_LARGE:
        return Cause.TOO_NEAR
    return _poor(quality) if quality.score < least_quality else None


def _poor(quality: FaceQuality) -> Cause:
    checks = (
        (Cause.TOO_FAR, quality.eye_distance_px < TOO_SMALL_PX),
        (Cause.DARK, quality.brightness < DARK),
        (Cause.BRIGHT, quality.brightness > BRIGHT),
        (Cause.TURNED, quality.turn > TURNED or quality.roll_deg > ROLLED_DEG),
        (Cause.EYES_COVERED, quality.eyes < COVERED),
        (Cause.OFF_CENTRE, quality.off_centre > 0.35),
        (Cause.BLURRED, quality.sharpness < BLURRED),
    )
    return next((each for each, so in checks if so), Cause.UNSURE)


class Guide:
    """Prompts of one check. Used by the face worker's thread."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new check: nothing was told yet."""
        self.causes: Counter[str] = Counter()
        self._candidate: Prompt | None = None
        self._frames = 0
        self._told: Prompt | None = None
        self._told_at: float | None = None

    def advise(self, why: Cause | None, now: float) -> Prompt | None:
        """What to show from now on; None to leave what is shown.

        Args:
            why: What is wrong in this frame; None: nothing.
            now: Monotonic seconds.
        """
        if why is not None:
            self.causes[why.value] += 1
        wanted = None if why is None else PROMPTS.get(why, Prompt.LOOK_HERE)
        self._frames = self._frames + 1 if wanted is self._candidate else 1
        self._candidate = wanted
        if wanted is self._told or self._frames < PERSISTENT_FRAMES or (self._told_at is not None and now - self._told_at < HOLD_S):
            return None
        self._told, self._told_at = wanted, now
        return wanted or Prompt.FINGER_AND_FACE
