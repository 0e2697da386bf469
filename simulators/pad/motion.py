"""How people and hands move: smooth functions of time out of a few sines, a pure function of the random generator given.

Chosen after textbook orders of magnitude, not recorded: postural sway below 1 Hz, breath at a quarter of a hertz, a blink of a quarter of a second,
tremor of an outstretched hand at 4 to 12 Hz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

BLINK_S = 0.28
"""From open to open."""


@dataclass(frozen=True, slots=True)
class Wander:
    """A sum of sines: amplitudes x frequencies x phases, one row for each axis."""

    amplitudes: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    phases: NDArray[np.float64]

    @classmethod
    def draw(cls, random: np.random.Generator, axes: int, rms: NDArray[np.float64] | list[float], band_hz: tuple[float, float], sines: int = 4) -> Self:
        """Random sines in a band, of this root mean square for each axis."""
        shape = (axes, sines)
        share = random.uniform(0.4, 1.0, shape)
        share /= np.sqrt((share**2).sum(axis=1, keepdims=True) / 2)
        return cls(share * np.asarray(rms)[:, None], random.uniform(*band_hz, shape), random.uniform(0, 2 * np.pi, shape))

    def at(self, time_s: float) -> NDArray[np.float64]:
        """One value for each axis."""
        value: NDArray[np.float64] = (self.amplitudes * np.sin(2 * np.pi * self.frequencies * time_s + self.phases)).sum(axis=1)
        return value


def eyes_open(time_s: float, blinks_s: tuple[float, ...]) -> float:
    """How far the eyes are open, 1 to 0; each blink begins at its time, closes in a third of it and opens in the rest."""
    opened = 1.0
    for begin in blinks_s:
        at = (time_s - begin) / BLINK_S
        if 0 < at < 1:
            opened = min(opened, abs(at - 1 / 3) / (1 / 3 if at < 1 / 3 else 2 / 3) * 1.3 - 0.3)
    return max(0.0, opened)


class Life:
    """A standing person: turns and nods a little, sways, breathes, blinks.

    Args:
        random: What to draw from.
        restless: 1 for somebody who looks about, .2 for somebody who tries to stand still.
        duration_s: Of the sequence; one blink lies within it, more in a long one.
    """

    def __init__(self, random: np.random.Generator, restless: float, duration_s: float) -> None:
        self._turn = Wander.draw(random, 3, list(np.radians([2.6, 1.5, 0.8]) * restless), (0.15, 0.8))
        self._fidget = Wander.draw(random, 3, list(np.radians([0.12, 0.1, 0.06])), (2.0, 8.0))
        self._sway = Wander.draw(random, 3, [7.0 * restless, 2.5 * restless, 0.012 * restless], (0.12, 0.6))
        self._breath = Wander.draw(random, 1, [1.2], (0.2, 0.33), 1)
        self.blinks_s = tuple(np.arange(random.uniform(0.3, max(0.4, min(2.0, duration_s - 0.6))), duration_s, random.uniform(2.2, 4.0)))

    def angles(self, time_s: float) -> NDArray[np.float64]:
        """Yaw, pitch, roll in radians."""
        return self._turn.at(time_s) + self._fidget.at(time_s)

    def sway(self, time_s: float) -> NDArray[np.float64]:
        """Sideways, up and down in millimetres, and the change of size by coming nearer, as a share."""
        return self._sway.at(time_s)

    def breath_mm(self, time_s: float) -> float:
        """How far the shoulders are lifted."""
        return float(self._breath.at(time_s)[0])

    def eyes(self, time_s: float) -> float:
        """How far the eyes are open."""
        return eyes_open(time_s, self.blinks_s)


class Hand:
    """A hand that holds a flat thing before the camera: tremor and slow drift in six degrees of freedom.

    Args:
        random: What to draw from.
        steady: 1 for an outstretched arm, less for an arm that is propped up, 0 for a stand.
    """

    def __init__(self, random: np.random.Generator, steady: float = 1.0) -> None:
        tremor = random.uniform(0.25, 0.9)
        self._shake = Wander.draw(random, 6, [steady * tremor * each for each in (1.0, 1.0, 0.8, 0.004, 0.004, 0.004)], (4.0, 12.0))
        self._drift = Wander.draw(random, 6, [steady * each for each in (4.0, 3.0, 6.0, 0.02, 0.02, 0.012)], (0.15, 0.9))

    def at(self, time_s: float) -> NDArray[np.float64]:
        """Sideways, down, towards the camera in millimetres; turns about those axes' uprights (yaw, pitch, roll) in radians."""
        return self._shake.at(time_s) + self._drift.at(time_s)
