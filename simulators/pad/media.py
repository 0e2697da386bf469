"""What a picture of a person may be on: paper, a phone, a tablet. Tone, texture, shape and place in space; knows no camera noise.

Not modelled: gloss of paper, a screen's own colour gamut beyond a tint, frames torn by the refresh, fingers, the attacker behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.pad.person import Grid, Layer, four

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Medium:
    """A flat (or bent) thing that shows a picture.

    Attributes:
        eyes_mm: Distance between the eyes as shown: 63 is life-size.
        margin_mm: Border beside, above and below the picture; None: the picture goes on beyond what the camera sees.
        border: Colour of the border, BGR.
        rounded: Length of the picture's sides in eye distances: width, height.
        gain: What white becomes, as a share.
        lift: What black becomes, in grey levels.
        tint: Factor for each of BGR.
        soft_px: Sigma of the blur that making it added, in pixels of the picture.
        pitch_mm: Of its screen's pixels or halftone's lines.
        texture: Amplitude of that grid as the camera sees it, as a share of the light; colours are offset when `coloured`.
        coloured: Whether the grid has a phase of its own for each colour (sub-pixels), or one for all (a black halftone).
        bend_mm: Radius to which paper is bent about its upright axis; 0 is flat.
        glare: Brightness of a lamp's reflection that stays where it is while the thing moves.
        cut: Cut out along the person's outline: no background around the head.
    """

    eyes_mm: float
    margin_mm: tuple[float, float, float] | None
    border: tuple[int, int, int]
    rounded: tuple[float, float]
    gain: float
    lift: float
    tint: tuple[float, float, float]
    soft_px: float
    pitch_mm: float
    texture: float
    coloured: bool
    bend_mm: float = 0.0
    glare: float = 0.0
    cut: bool = False

    def tone(self, shown: Layer) -> Layer:
        """The picture as the medium renders it: softer, with less range, tinted."""
        soft = cv2.GaussianBlur(shown, (0, 0), self.soft_px) if self.soft_px > 0 else shown
        steps = np.arange(256)
        tables = [np.clip((steps * self.gain + self.lift) * factor, 0, 255).astype(np.uint8) for factor in self.tint]
        toned = np.asarray(cv2.LUT(soft, np.stack([*tables, steps.astype(np.uint8)], axis=-1)[:, None]), np.uint8)
        # Colours come multiplied by their share; the lift may not glow outside the cut.
        return four(np.minimum(toned[..., :3], toned[..., 3:]), toned[..., 3]) if self.cut else toned

    def shape(self, plane: Grid, view: NDArray[np.float64], distance_mm: float) -> Grid:
        """Places on the flat plane to places along the bent paper.

        Args:
            plane: Millimetres from the middle where rays meet the plane.
            view: Slope of the rays against the plane (x, y), from the hand's turn.
            distance_mm: Of the camera.
        """
        if not self.bend_mm:
            return plane
        x, y = plane[..., 0], plane[..., 1]
        for _ in range(2):  # the ray meets the paper where the paper is, so look again with the depth found
            behind = self.bend_mm * (1 - np.cos(np.clip(x / self.bend_mm, -1.4, 1.4)))
            near = 1 + behind / distance_mm
            x, y = plane[..., 0] * near + behind * view[0], plane[..., 1] * near + behind * view[1]
        along = self.bend_mm * np.arcsin(np.clip(x / self.bend_mm, -0.99, 0.99))
        return np.stack([along, y], axis=-1).astype(np.float32)

    def lay(self, seen: Layer, plane: Grid) -> Layer:
        """Adds border, edge and grid to the picture already resampled to the camera.

        Args:
            seen: The picture, rows x columns x 4.
            plane: Millimetres along the medium from its middle, for every pixel.
        """
        if self.margin_mm is None:
            return self._grid(seen, plane)
        side, above, below = self.margin_mm
        wide, high = self.rounded[0] * self.eyes_mm / 2, self.rounded[1] * self.eyes_mm / 2
        x, y = plane[..., 0], plane[..., 1]
        per_mm = 1 / max(1e-6, float(np.abs(np.diff(x[len(x) // 2])).mean()))
        beside, level = wide - np.abs(x), high - np.abs(y)
        inside = cv2.merge([_edge(np.minimum(beside, level), per_mm)] * 4)
        thing = cv2.merge([_edge(np.minimum(beside + side, np.minimum(y + high + above, high + below - y)), per_mm)] * 4)
        border = cv2.multiply(cv2.bitwise_not(inside), np.array([*self.border, 255.0]), scale=1 / 255)
        body = cv2.add(cv2.multiply(seen, inside, scale=1 / 255), border)
        return self._grid(np.asarray(cv2.multiply(body, thing, scale=1 / 255), np.uint8), plane)

    def _grid(self, seen: Layer, plane: Grid) -> Layer:
        turns = plane * np.float32(1024 / self.pitch_mm)
        x, y = turns[..., 0].astype(np.int32), turns[..., 1].astype(np.int32)
        strength = np.ones((*x.shape, 4), np.float32)
        down = np.float32(0.5 * self.texture) * _COSINE[y & 1023] + 1
        across = np.float32(self.texture) * _COSINE
        for each in range(3):
            shift = round(each * 1024 / 3) if self.coloured else 0
            strength[..., each] = down + across[(x + shift) & 1023]
        return np.asarray(cv2.multiply(seen, strength, dtype=cv2.CV_8U), np.uint8)


_COSINE = np.cos(np.arange(1024) * (2 * np.pi / 1024)).astype(np.float32)


def _edge(inside_mm: NDArray[np.float32], per_mm: float) -> NDArray[np.uint8]:
    """255 inside, 0 outside, a pixel wide in between."""
    return np.asarray(np.clip((inside_mm * per_mm + 0.5) * 255, 0, 255), np.uint8)


def paper(random: np.random.Generator, *, close: bool = False, bent: bool = False, cut: bool = False) -> Medium:
    """A photo print: matt, lifted blacks, a faint halftone."""
    return Medium(
        eyes_mm=float(random.uniform(48, 66)),
        margin_mm=None if close or cut else (float(random.uniform(4, 14)),) * 3,
        border=(228, 232, 235),
        rounded=(5.0, 4.6),
        gain=float(random.uniform(0.72, 0.9)),
        lift=float(random.uniform(12, 36)),
        tint=(float(random.uniform(0.94, 1.02)), 1.0, float(random.uniform(0.98, 1.05))),
        soft_px=float(random.uniform(0.3, 1.0)),
        pitch_mm=25.4 / float(random.uniform(133, 175)),
        texture=float(random.uniform(0.002, 0.008)),
        coloured=False,
        bend_mm=float(random.uniform(140, 320)) if bent else 0.0,
        cut=cut,
    )


def screen(random: np.random.Generator, *, close: bool = False) -> Medium:
    """A phone with a dark rim; close: a tablet before the lens, no rim in view."""
    return Medium(
        eyes_mm=float(random.uniform(45, 62)) if close else float(random.uniform(20, 27)),
        margin_mm=None if close else (float(random.uniform(2, 4)), float(random.uniform(7, 14)), float(random.uniform(7, 14))),
        border=(16, 16, 18),
        rounded=(4.6, 4.9),
        gain=float(random.uniform(0.92, 1.12)),
        lift=float(random.uniform(2, 12)),
        tint=(float(random.uniform(1.0, 1.1)), 1.0, float(random.uniform(0.92, 1.0))),
        soft_px=float(random.uniform(0.0, 0.5)),
        pitch_mm=25.4 / float(random.uniform(220, 270) if close else random.uniform(326, 460)),
        texture=float(random.uniform(0.012, 0.04)),
        coloured=True,
        glare=float(random.uniform(8, 55)),
    )
