"""The camera of the sequences: a pinhole, one resampling, a lens, light, a sensor, a JPEG. The same for live and attack.

Not modelled: rolling shutter, motion blur, exposure control, depth of field beyond a soft wall.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.camera.optics import add_noise
from simulators.pad.person import Grid, Layer

Image = NDArray[np.uint8]
_COARSE = 4  # places are computed for every fourth pixel and go on linearly between them: everything that moves here is smooth


@dataclass(frozen=True, slots=True)
class Camera:
    """Size and optics.

    Attributes:
        width: Pixels.
        height: Pixels.
        focal: Pixels.
        blur: Sigma of the lens in pixels.
        noise: Standard deviation of the sensor's noise in grey levels.
        quality: Of the JPEG the camera sends.
        seed: Of the noise.
    """

    width: int = 640
    height: int = 480
    focal: float = 560.0
    blur: float = 0.6
    noise: float = 2.0
    quality: int = 90
    seed: int = 0

    def places(self) -> Grid:
        """Pixels from the middle of the frame, for every fourth pixel and one beyond each edge: what `fine` takes back to full size."""
        first = -(_COARSE + 1) / 2  # where `resize` takes the first pixel of a grid to be, one grid step outside
        across = np.arange(self.width // _COARSE + 2) * _COARSE + first - self.width / 2
        down = np.arange(self.height // _COARSE + 2) * _COARSE + first - self.height / 2
        x, y = np.meshgrid(across, down)
        return np.stack([x, y], axis=-1).astype(np.float32)

    def fine(self, coarse: Grid) -> Grid:
        """Values at `places` to values at every pixel."""
        full = cv2.resize(coarse, (self.width + 2 * _COARSE, self.height + 2 * _COARSE), interpolation=cv2.INTER_LINEAR)
        return np.asarray(full[_COARSE:-_COARSE, _COARSE:-_COARSE], np.float32)

    def look(self, layer: Layer, where: Grid) -> Layer:
        """The only resampling of a stored picture: `where` in it to look, for every pixel of the frame."""
        x, y = cv2.split(where)
        return np.asarray(cv2.remap(layer, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    def over(self, layer: Layer, behind: Image) -> Image:
        """The layer in front of what is behind it."""
        through = cv2.merge([255 - layer[..., 3]] * 3)
        return np.asarray(cv2.add(layer[..., :3], cv2.multiply(behind, through, scale=1 / 255)), np.uint8)

    def expose(self, light: Image, number: int, gain: float | NDArray[np.float32] = 1.0) -> Image:
        """Lens, light, sensor and JPEG."""
        seen = cv2.GaussianBlur(light, (0, 0), self.blur)
        seen = cv2.convertScaleAbs(seen, alpha=gain) if isinstance(gain, float) else cv2.multiply(seen, gain, dtype=cv2.CV_8U)
        noisy = add_noise(np.asarray(seen, np.uint8), self.noise, number, self.seed)
        return compressed(noisy, self.quality)


def compressed(image: Image, quality: int) -> Image:
    """Through a JPEG of this quality."""
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR), np.uint8)


def plane_view(focal: float, held: NDArray[np.float64], distance_mm: float, middle_px: tuple[float, float]) -> NDArray[np.float64]:
    """Homography from a flat thing's millimetres to pixels from the middle of the frame.

    Args:
        focal: Pixels.
        held: x, y, nearer in mm; yaw, pitch, roll in radians: how the hand holds it now.
        distance_mm: Of its middle when the hand is at rest.
        middle_px: Where its middle is seen when the hand is at rest.
    """
    yaw, pitch, roll = held[3:]
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = about_y @ about_x @ about_z
    at = [held[0] + middle_px[0] * distance_mm / focal, held[1] + middle_px[1] * distance_mm / focal, distance_mm - held[2]]
    view: NDArray[np.float64] = np.diag([focal, focal, 1.0]) @ np.column_stack([turned[:, 0], turned[:, 1], at])
    return view


def through(homography: NDArray[np.floating], places: Grid) -> Grid:
    """Places mapped by a homography."""
    return np.asarray(cv2.perspectiveTransform(places.reshape(1, -1, 2), homography), np.float32).reshape(places.shape)


def wall(width: int, height: int, random: np.random.Generator, style: str) -> Image:
    """What is behind the traveller: "door" (panels, signs, a handle), "window" (a lit frame around the head), or "plain".

    Soft, since the lens is focused on the traveller.
    """
    tone = random.uniform(70, 165)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    slope = random.uniform(-30, 30, 2)
    flat = (tone + slope[0] * (x - 0.5) + slope[1] * (y - 0.5))[..., None] * random.uniform(0.94, 1.06, 3)
    image: Image = np.clip(flat, 0, 255).astype(np.uint8)
    if style == "plain":
        return image
    if style == "window":
        half, top = random.uniform(0.26, 0.36) * height, random.uniform(0.04, 0.12) * height
        left, right = round(width / 2 - half), round(width / 2 + half)
        cv2.rectangle(image, (left, round(top)), (right, height), _colour(random), -1)
        cv2.rectangle(image, (left, round(top)), (right, height), _colour(random), round(random.uniform(4, 12)))
    for _ in range(int(random.integers(5, 11))):
        at, size = random.uniform(0, 1, 2) * (width, height), random.uniform(0.04, 0.3, 2) * height
        corner = np.round(at + size).astype(int)
        cv2.rectangle(image, (round(at[0]), round(at[1])), (int(corner[0]), int(corner[1])), _colour(random), int(random.choice([-1, 2, 4])))
    for _ in range(int(random.integers(2, 5))):
        place = (round(random.uniform(0, width)), round(random.uniform(0.05, 0.9) * height))
        cv2.putText(image, str(random.integers(10, 99999)), place, cv2.FONT_HERSHEY_SIMPLEX, float(random.uniform(0.5, 1.4)), _colour(random), 2)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), random.uniform(0.8, 1.8)), np.uint8)


def _colour(random: np.random.Generator) -> tuple[int, int, int]:
    base = random.uniform(35, 215)
    blue, green, red = np.clip(base * random.uniform(0.85, 1.15, 3), 0, 255).astype(int)
    return int(blue), int(green), int(red)
