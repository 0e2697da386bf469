"""Judges whether frames may be used: a frozen or a dark camera answers, but shows nothing that is.

Pure: frames and times in, verdicts out. Does not see a picture of a picture (that is presentation attack detection),
nor a camera that was turned aside.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from drivers.camera.options import CameraOptions
from gate_controller.ports.devices import Image
from gate_controller.ports.errors import DeviceUntrustedError

_SAMPLING = 4
_PATCH = 16


@dataclass(frozen=True, slots=True)
class Verdict:
    """`new` is False for a frame that repeats the one before; `fault` says why frames must not be used now."""

    new: bool
    fault: DeviceUntrustedError | None


class FrameTrust:
    """Follows one camera's frames, also across a reopening: a frozen camera stays frozen until its content changes, a dark one dark until light comes."""

    def __init__(self, options: CameraOptions) -> None:
        self._options = options
        self._last: Image | None = None
        self._same_since = 0.0
        self._dark_since: float | None = None

    def judge(self, image: Image, now: float) -> Verdict:
        """Judge the next frame.

        Args:
            image: Height x width x 3, uint8; a copy is kept until the next call.
            now: Monotonic seconds at which it arrived.
        """
        options = self._options
        new = self._last is None or not _identical(self._last, image)
        if new:
            self._last = image.copy()  # the frame goes to whoever takes it, and may be drawn on
            self._same_since = now
            self._dark_since = (self._dark_since if self._dark_since is not None else now) if is_dark(image, options.dark_level) else None
        # A sensor's noise makes every frame differ: an identical one is a buffer given out again.
        if now - self._same_since >= options.frozen_after_s:
            return Verdict(new, frozen(options, f"for {options.frozen_after_s:g} s"))
        if self._dark_since is not None and now - self._dark_since >= options.dark_after_s:
            return Verdict(
                new, DeviceUntrustedError(f"{options.endpoint} is dark: no light for {options.dark_after_s:g} s", "is the lens covered, or the light off?")
            )
        return Verdict(new, None)


def frozen(options: CameraOptions, how: str) -> DeviceUntrustedError:
    """The error for a camera that gives out the same picture again; `how` long or often, e.g. "for 2 s"."""
    return DeviceUntrustedError(f"{options.endpoint} is frozen: the picture has not changed {how}", "unplug and replug the camera")


def is_dark(image: Image, level: int) -> bool:
    """Whether no patch of about 64 x 64 px is brighter than `level` on average: a lit phone at night is not dark, hot pixels are.

    Args:
        image: Height x width x 3, uint8.
        level: 0..255.
    """
    sampled = image[::_SAMPLING, ::_SAMPLING]
    size = max(1, sampled.shape[1] // _PATCH), max(1, sampled.shape[0] // _PATCH)
    return int(np.max(cv2.resize(sampled, size, interpolation=cv2.INTER_AREA))) < level


def _identical(one: Image, other: Image) -> bool:
    if one.shape != other.shape:
        return False
    # Every 16th row tells nearly all frames apart at a fortieth of the cost.
    return np.array_equal(one[::16], other[::16]) and np.array_equal(one, other)
