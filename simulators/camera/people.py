"""People who do not exist, from the pictures in simulators/data/faces: still, or a second one in view. Those who move are drawn by simulators.pad."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from simulators.camera.optics import Picture
from simulators.camera.scenes import FACES, FaceScene

_LIVE = (0, 0, 0, 0, 1, 2, 3, 4, 5, 5, 5, 5, 4, 3, 2, 1)  # of the second one: eyes closed at 3, the head turns and nods on the way
_HEAD = (0.5, 0.48)  # middle of the head in a picture, in widths and heights
_HEAD_RADII = (0.20, 0.46)
_SECOND = {"beside": (0.75, 0.86, 0.55), "background": (0.4, 0.14, 0.35)}  # scale, and where the head is in the frame


@lru_cache(maxsize=16)
def picture(person: str, name: str) -> Picture:
    """One stored picture, 480 x 640 x 3.

    Raises:
        ValueError: There is no such picture.
    """
    loaded = cv2.imread(str(FACES / f"{person}_{name}.jpg"), cv2.IMREAD_COLOR)
    if loaded is None:
        msg = f"there is no picture {name} of {person}"
        raise ValueError(msg)
    return np.asarray(loaded, np.uint8)


def still(scene: FaceScene, width: int, height: int) -> Picture:
    """A portrait that stands still, scaled to the frame's height, in the middle; the sides go on as the picture mirrored."""
    source = picture(scene.person, scene.picture)
    rows, columns = source.shape[:2]
    scale = height / rows
    place = np.array([[scale, 0, (width - scale * columns) / 2], [0, scale, 0]])
    return np.asarray(cv2.warpAffine(source, place, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def add_second(frame: Picture, scene: FaceScene, phase: int) -> None:
    """Put the head of the second person into the frame, with a soft edge."""
    if scene.second is None:
        return
    # There and back, as everything that moves.
    step = min(phase, scene.period - phase)
    source = picture(scene.second, f"live{_LIVE[step % len(_LIVE)]}")
    scale, x, y = _SECOND[scene.second_place]
    height, width = frame.shape[:2]
    rows, columns = source.shape[:2]
    scale *= height / rows
    place = np.array([[scale, 0, x * width - scale * _HEAD[0] * columns], [0, scale, y * height - scale * _HEAD[1] * rows]])
    mask = np.zeros((rows, columns), np.uint8)
    centre = round(_HEAD[0] * columns), round(_HEAD[1] * rows)
    cv2.ellipse(mask, centre, (round(_HEAD_RADII[0] * columns), round(_HEAD_RADII[1] * rows)), 0, 0, 360, (255,), -1)
    alpha = cv2.warpAffine(cv2.GaussianBlur(mask, (0, 0), 5), place, (width, height))
    left, top, wide, high = cv2.boundingRect(alpha)
    here = slice(top, top + high), slice(left, left + wide)
    share = alpha[here][..., None].astype(np.float32) / 255
    head = cv2.warpAffine(source, place, (width, height))[here]
    frame[here] = (frame[here] * (1 - share) + head * share).astype(np.uint8)
