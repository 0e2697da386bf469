"""Turns scenes into pictures: a pure function of scene, frame number, size and seed.

Scenes are still lifes with a little life in them: after `period` frames everything repeats, so that a server may render
each frame once. Consecutive frames always differ, as a sensor's do. Models no exposure control and no rolling shutter.
"""

from __future__ import annotations

import cv2
import numpy as np

from simulators.camera import people, phone
from simulators.camera.optics import Picture, add_noise, chamber
from simulators.camera.scenes import EmptyScene, FaceScene, PhoneScene, Scene


def render(scene: Scene, number: int, width: int, height: int, seed: int = 0) -> Picture:
    """The frame with this number.

    Raises:
        ValueError: The code of a PhoneScene does not fit into the frame.
    """
    phase = number % scene.period
    match scene:
        case EmptyScene():
            light = chamber(width, height)
        case PhoneScene():
            light = phone.draw(scene, phase, width, height)
        case FaceScene():
            light = people.draw(scene, phase, width, height)
    if scene.dim < 1:
        light = np.asarray(cv2.convertScaleAbs(light, alpha=scene.dim), np.uint8)
    return add_noise(light, scene.noise, phase, seed)
