"""A synthetic person with depth: cut out of one stored picture, turned, nodded and blinked by moving its pixels.

Not a renderer: what the picture does not show (the far side of a nose) stays hidden, so turns stay below about 10 degrees.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.camera.people import picture
from simulators.camera.scenes import FACES

Grid = NDArray[np.float32]
"""Rows x columns x 2: a place (x, y) for every point of a grid."""

Layer = NDArray[np.uint8]
"""Rows x columns x 4: BGR already multiplied by its share, and the share."""

_EDGE_COLUMNS, _EDGE_ROWS = 60, 220  # where a portrait shows nothing but its plain background
_SHARE_FROM, _SHARE_TO = 10.0, 26.0  # distance to that background, in grey levels, over which a pixel becomes the person's


@dataclass(frozen=True, slots=True)
class Pose:
    """How a head is held. Angles in radians, lengths in pixels of the stored picture; zero is as in the picture.

    Attributes:
        yaw: Turned about the upright axis.
        pitch: Nodded.
        roll: Tilted in the picture's plane.
        breath: How far the shoulders are lifted.
        eyes: 1 open, 0 closed.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    breath: float = 0.0
    eyes: float = 1.0


class Person:
    """One person as one stored picture shows them.

    Args:
        name: e.g. "person01".
        base: The stored picture that is moved: "live0" or a portrait, "1" to "4".
    """

    def __init__(self, name: str, base: str) -> None:
        self._points = landmarks(name, base)
        self._open = picture(name, base)
        self._closed = _with_closed_eyes(name, base)
        self._background = _plain_background(self._open)
        share = _share(self._open)
        self._cut_open, self._cut_closed = (_cut_out(image, share, self._background) for image in (self._open, self._closed))
        eyes = self._points[:2]
        self._eye_distance = float(np.linalg.norm(eyes[1] - eyes[0]))
        self._eyes = eyes.mean(axis=0)

    @property
    def eye_distance(self) -> float:
        """Pixels of the stored picture."""
        return self._eye_distance

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of the face in the stored picture."""
        x, y = self._points.mean(axis=0)
        return float(x), float(y)

    def layer(self, eyes: float) -> Layer:
        """The person without their background."""
        return _blend(self._cut_open, self._cut_closed, eyes)

    def whole(self, eyes: float) -> Layer:
        """The stored picture with its own plain background: what a photo of the person shows."""
        seen = _blend(self._open, self._closed, eyes)
        return four(seen)

    def plain(self) -> NDArray[np.uint8]:
        """That background alone, with nobody before it."""
        return np.clip(self._background, 0, 255).astype(np.uint8)

    def posed(self, places: Grid, pose: Pose) -> Grid:
        """Where in the stored picture to look for what the posed person shows at `places` (also in the stored picture's pixels)."""
        x, y = places[..., 0], places[..., 1]
        d = self._eye_distance
        cx, cy = self._eyes[0], self._eyes[1] + 0.3 * d
        inside = 1 - ((x - cx) / (1.25 * d)) ** 2 - ((y - cy) / (1.7 * d)) ** 2
        nose = ((x - self._points[2][0]) ** 2 + (y - self._points[2][1]) ** 2) / (0.25 * d) ** 2
        depth = 1.2 * d * np.sqrt(np.clip(inside, 0, None)) + 0.35 * d * np.exp(-nose)
        neck = self._eyes[1] + 2.6 * d
        share = np.clip((neck - y) / (1.0 * d), 0, 1)  # the head turns, the shoulders do not, the neck gives way
        share = share * share * (3 - 2 * share)
        moved_x = share * (pose.yaw * depth - pose.roll * (y - neck) - pose.yaw**2 / 2 * (x - cx))
        moved_y = share * (pose.pitch * depth + pose.roll * (x - cx)) - (1 - share) * pose.breath
        return np.stack([x - moved_x, y - moved_y], axis=-1).astype(np.float32)


@lru_cache(maxsize=1)
def _all_landmarks() -> dict[str, list[list[float]]]:
    return dict(json.loads((FACES / "landmarks.json").read_text()))


def landmarks(name: str, base: str) -> NDArray[np.float64]:
    """Right eye, left eye, nose tip, right and left mouth corner of one stored picture, 5 x 2; found by YuNet once and kept as data.

    Raises:
        ValueError: None are kept for it.
    """
    try:
        return np.array(_all_landmarks()[f"{name}_{base}"])
    except KeyError:
        msg = f"no landmarks of {name}_{base}"
        raise ValueError(msg) from None


@lru_cache(maxsize=8)
def person(name: str, base: str) -> Person:
    """The person, cut out once."""
    return Person(name, base)


def _plain_background(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A smooth surface of second order through the picture's upper edges, where it shows nothing but its background."""
    rows, columns = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    edge = np.zeros((rows, columns), bool)
    edge[:_EDGE_ROWS, :_EDGE_COLUMNS] = edge[:_EDGE_ROWS, -_EDGE_COLUMNS:] = edge[:16] = True
    fitted, *_ = np.linalg.lstsq(terms[edge], image[edge].astype(np.float64), rcond=None)
    return np.asarray(terms @ fitted, np.float32)


def _share(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The person's share of every pixel, 0 to 255."""
    far = np.abs(cv2.GaussianBlur(image, (0, 0), 1.2).astype(np.float32) - _plain_background(image)).max(axis=2)
    sure = (far > _SHARE_TO).astype(np.uint8)
    sure = cv2.morphologyEx(sure, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 25)))
    count, labels, sizes, _ = cv2.connectedComponentsWithStats(sure)
    body = labels == 1 + int(np.argmax(sizes[1:, cv2.CC_STAT_AREA])) if count > 1 else sure > 0
    contours, _ = cv2.findContours(body.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(image.shape[:2], np.uint8)
    cv2.drawContours(filled, contours, -1, (255,), -1)
    core = cv2.erode(filled, np.ones((5, 5), np.uint8))
    ramp = np.clip((far - _SHARE_FROM) / (_SHARE_TO - _SHARE_FROM) * 255, 0, 255).astype(np.uint8)
    ramp = np.where(cv2.dilate(filled, np.ones((5, 5), np.uint8)) > 0, ramp, 0).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(np.maximum(core, ramp), (0, 0), 1.0), np.uint8)


def four(colours: NDArray[np.uint8], share: NDArray[np.uint8] | None = None) -> Layer:
    """A layer of colours (already multiplied by their share) and share; without one it covers everything."""
    layer = np.empty((*colours.shape[:2], 4), np.uint8)
    layer[..., :3] = colours
    layer[..., 3] = 255 if share is None else share
    return layer


def _blend(opened: NDArray[np.uint8], closed: NDArray[np.uint8], eyes: float) -> NDArray[np.uint8]:
    return opened if eyes >= 1 else np.asarray(cv2.addWeighted(opened, max(0.0, eyes), closed, 1 - max(0.0, eyes), 0), np.uint8)


def _cut_out(image: NDArray[np.uint8], share: NDArray[np.uint8], background: NDArray[np.float32]) -> Layer:
    # Of a mixed pixel only the person's part is kept, lest a rim of the old background follows them about.
    part = share[..., None].astype(np.float32) / 255
    return four(np.clip(image - (1 - part) * background, 0, 255 * part).astype(np.uint8), share)


def _with_closed_eyes(name: str, base: str) -> NDArray[np.uint8]:
    """The base picture with the lids of the live frame in which they are closed."""
    image = picture(name, base)
    here, there = landmarks(name, base), landmarks(name, "live3")
    # By nose and mouth as well as the eyes: a closed eye's landmark is less certain.
    to_here, _ = cv2.estimateAffinePartial2D(there.astype(np.float32), here.astype(np.float32), method=cv2.LMEDS)
    moved = cv2.warpAffine(picture(name, "live3"), to_here, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    distance = float(np.linalg.norm(here[1] - here[0]))
    mask = np.zeros(image.shape[:2], np.uint8)
    for x, y in here[:2]:
        cv2.ellipse(mask, (round(x), round(y)), (round(0.36 * distance), round(0.24 * distance)), 0, 0, 360, (255,), -1)
    ring = (cv2.dilate(mask, np.ones((9, 9), np.uint8)) > 0) & (mask == 0)
    gain = image[ring].mean(axis=0) / np.maximum(moved[ring].mean(axis=0), 1)  # the two pictures are lit differently
    part = cv2.GaussianBlur(mask, (0, 0), 0.05 * distance)[..., None].astype(np.float32) / 255
    return np.asarray(np.clip(image * (1 - part) + moved * gain * part, 0, 255), np.uint8)
