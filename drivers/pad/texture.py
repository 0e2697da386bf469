"""What a single frame says: grids of screens and prints, tone. Works on the camera's own pixels: scaling would wash a grid away.

Does not look for borders or devices.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gate_controller.ports.devices import Image
from gate_controller.ports.pad import FacePlace

SIDE = 128
"""Side of the patch whose spectrum is taken, camera pixels."""

_HANN = np.outer(np.hanning(SIDE), np.hanning(SIDE)).astype(np.float32)
_CYCLES = np.hypot(*np.meshgrid(np.fft.rfftfreq(SIDE), np.fft.fftfreq(SIDE))).astype(np.float32)
_BANDS = [np.abs(_CYCLES - middle) < 0.03 for middle in np.arange(0.13, 0.69, 0.06)]


@dataclass(frozen=True, slots=True)
class TextureCues:
    """Of one frame.

    Attributes:
        grid: Highest peak of the spectrum in grey over the middle of its band, natural logarithm of the ratio of energies.
        colour_grid: The same in the difference of blue and red, where faces have next to no fine structure.
        black: Grey level of the face's darkest part (2 %).
        white: Grey level of its brightest part (98 %).
        colourfulness: Mean distance from grey over the face, as a share of its brightness.
    """

    grid: float
    colour_grid: float
    black: float
    white: float
    colourfulness: float


def cues(image: Image, face: FacePlace) -> TextureCues | None:
    """Of one frame; None when the patch on the face's middle does not lie within it."""
    x, y, width, height = face.box
    left, top = round(x + width / 2 - SIDE / 2), round(y + height / 2 - SIDE / 2)
    if left < 0 or top < 0 or left + SIDE > image.shape[1] or top + SIDE > image.shape[0]:
        return None
    patch = image[top : top + SIDE, left : left + SIDE].astype(np.float32)
    blue, green, red = cv2.split(patch)
    grey = np.asarray((blue + 2 * green + red) / 4, np.float32)
    black, white = np.percentile(grey, [2, 98])
    colour = float((np.abs(red - green) + np.abs(green - blue)).mean() / max(1.0, float(grey.mean())))
    return TextureCues(_peak(grey), _peak(blue - red), float(black), float(white), colour)


def _peak(plane: cv2.typing.MatLike) -> float:
    fine = plane - cv2.GaussianBlur(plane, (0, 0), 4)
    energy = np.abs(np.fft.rfft2(fine * _HANN)) ** 2
    return max(float(np.log((energy[band].max() + 1.0) / (np.median(energy[band]) + 1.0))) for band in _BANDS)
