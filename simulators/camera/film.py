"""A scene's frames, each rendered once and then given out again: rendering costs 20 to 60 ms, giving out nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import cv2

from simulators.camera.optics import Picture
from simulators.camera.render import render
from simulators.camera.scenes import Scene

Form = TypeVar("Form")
_QUALITY = 85


class Film(Generic[Form]):
    """Frames of one scene in the form that `finish` gives them.

    Args:
        scene: What is seen.
        width: Of a frame, pixels.
        height: Of a frame, pixels.
        seed: Of the noise.
        finish: Made of each rendered picture.
    """

    def __init__(self, scene: Scene, width: int, height: int, seed: int, finish: Callable[[Picture], Form]) -> None:
        self.scene = scene
        self._size = width, height
        self._seed = seed
        self._finish = finish
        self._frames: dict[int, Form] = {}
        self._rendering = threading.Lock()

    def frame(self, number: int) -> Form:
        """The frame with this number; consecutive ones differ. Several threads may ask: none is rendered twice."""
        phase = number % self.scene.period
        with self._rendering:
            if phase not in self._frames:
                self._frames[phase] = self._finish(render(self.scene, phase, *self._size, self._seed))
            return self._frames[phase]


def jpeg(picture: Picture) -> bytes:
    """The picture as a JPEG file."""
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
