"""What a single frame says: the grid of a screen or a print. Works on the camera's own pixels: scaling would wash a grid away.

Does not look for borders: a border that moves is what motion.py sees, and one that stands still is the door. Does not judge tone or colour: measured on
the synthetic people, lifted blacks and narrow colours told skins and lamps apart rather than paper and glass, and nobody is to be suspected for their skin.
"""

from __future__ import annotations

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


def grid(image: Image, face: FacePlace) -> float | None:
    """The sharpest peak in the spectrum of the face's fine structure, against its neighbourhood: natural logarithm of the ratio of energies.

    None when the face is not within the frame or too small.
    """
    x, y, width, height = face.box
    left, top = max(0, round(x)), max(0, round(y))
    part = image[top : max(0, round(y + height)), left : max(0, round(x + width))]
    if min(part.shape[:2]) < 2 * SIDE:
        return None
    grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    peaks = []
    for across, down in _PATCHES:
        column, row = round(x + width * (0.5 + across) - SIDE / 2) - left, round(y + height / 2 + width * down - SIDE / 2) - top
        if min(row, column) < 0:
            continue
        patch = grey[row : row + SIDE, column : column + SIDE]
        if patch.shape == (SIDE, SIDE):
            peaks.append(_peak(patch.astype(np.float32)))
    return max(peaks, default=None)


def _peak(grey: NDArray[np.float32]) -> float:
    energy = (np.abs(np.fft.fft2((grey - cv2.GaussianBlur(grey, (0, 0), 4)) * _HANN)) ** 2).astype(np.float32)
    # Edges of the face make streaks through the spectrum, a grid makes a point: so a peak is measured against what is near it.
    near = cv2.blur(energy, (7, 7), borderType=cv2.BORDER_REFLECT) * 49 - cv2.blur(energy, (3, 3), borderType=cv2.BORDER_REFLECT) * 9
    return float(np.log((energy / (near / 40 + 1.0))[_LOOKED_AT].max() + 1e-3))
