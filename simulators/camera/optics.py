"""Light and noise that every scene shares: the chamber's wall, a covered lens, the sensor. Knows no scene."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""Height x width x 3, BGR, uint8."""

_NOISE_MARGIN = 64


def black(number: int, width: int, height: int, seed: int = 0) -> Picture:
    """A covered lens: no light, but the sensor still adds its noise."""
    return add_noise(np.full((height, width, 3), 2, np.uint8), 1.5, number % 8, seed)


@lru_cache(maxsize=4)
def chamber(width: int, height: int) -> Picture:
    """Background: a grey wall, lit from above."""
    across = 12 * np.sin(np.linspace(0.3, 2.8, width))
    down = np.linspace(118, 82, height)
    wall: NDArray[np.float64] = (down[:, None] + across[None, :])[..., None] * np.array([1.02, 1.0, 0.97])
    return np.clip(wall, 0, 255).astype(np.uint8)


def add_noise(light: Picture, sigma: float, phase: int, seed: int) -> Picture:
    """The picture with the sensor's noise; another one for every phase and seed."""
    height, width = light.shape[:2]
    plane = _noise(width, height, round(sigma, 1))
    # A window of one large plane, elsewhere for every phase: as good as fresh noise, and forty times cheaper.
    top, left = np.random.default_rng((seed, phase)).permutation(_NOISE_MARGIN)[:2]
    return np.asarray(cv2.add(light, plane[top : top + height, left : left + width], dtype=cv2.CV_8U), np.uint8)


@lru_cache(maxsize=4)
def _noise(width: int, height: int, sigma: float) -> NDArray[np.int16]:
    shape = height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3
    plane: NDArray[np.int16] = np.rint(np.random.default_rng(width * height).normal(0, sigma, shape)).astype(np.int16)
    return plane
