"""What a single frame says: grids of screens and prints, tone. Works on the camera's own pixels: scaling would wash a grid away.

Does not look for borders: a border that moves is what motion.py sees, and one that stands still is the door.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gate_controller.ports.devices import Image
from gate_controller.ports.pad import FacePlace

SIDE = 32
"""Side of a patch whose spectrum is taken, camera pixels. Small: a tilted screen's grid changes its pitch across a larger one, and the peak smears."""

_PATCHES = ((-0.25, 0.12), (0.25, 0.12), (0.0, -0.3), (0.0, 0.05))  # cheeks, forehead, nose: from the face's middle, in face widths
_HANN = np.outer(np.hanning(SIDE), np.hanning(SIDE)).astype(np.float32)
_CYCLES = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))  # a pixel
_BLOCKS = np.zeros((SIDE, SIDE), bool)  # a JPEG repeats every 8 pixels: lines and columns of its harmonics are no grid of the scene
_BLOCKS[:: SIDE // 8] = _BLOCKS[:, :: SIDE // 8] = True
_LOOKED_AT = (_CYCLES > 0.12) & (_CYCLES < 0.5) & ~_BLOCKS


@dataclass(frozen=True, slots=True)
class TextureCues:
    """Of one frame.

    Attributes:
        grid: The sharpest peak in the spectrum of fine structure, against its neighbourhood; natural logarithm of the ratio of energies.
        haze: The face's darkest part (2 %) as a share of its brightest (98 %): paper and lit glass lift the blacks.
    """

    grid: float
    haze: float


def cues(image: Image, face: FacePlace) -> TextureCues | None:
    """Of one frame; None when the face is not within it or smaller than a patch."""
    x, y, width, height = face.box
    left, top, right, bottom = max(0, round(x)), max(0, round(y)), round(x + width), round(y + height)
    part = image[top:bottom, left:right]
    if min(part.shape[:2]) < 2 * SIDE:
        return None
    grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    black, white = np.percentile(grey[::2, ::2], [2, 98])
    peaks = []
    for across, down in _PATCHES:
        column, row = round(width * (0.5 + across) - SIDE / 2), round(height / 2 + width * down - SIDE / 2)
        patch = grey[max(0, row) : row + SIDE, max(0, column) : column + SIDE]
        if patch.shape == (SIDE, SIDE):
            peaks.append(_peak(patch.astype(np.float32)))
    return TextureCues(max(peaks), float(black / max(1.0, white))) if peaks else None


def _peak(grey: NDArray[np.float32]) -> float:
    energy = (np.abs(np.fft.fft2((grey - cv2.GaussianBlur(grey, (0, 0), 4)) * _HANN)) ** 2).astype(np.float32)
    # Edges of the face make streaks through the spectrum, a grid makes a point: so a peak is measured against what is near it.
    near = cv2.blur(energy, (7, 7), borderType=cv2.BORDER_REFLECT) * 49 - cv2.blur(energy, (3, 3), borderType=cv2.BORDER_REFLECT) * 9
    return float(np.log((energy / (near / 40 + 1.0))[_LOOKED_AT].max()))
