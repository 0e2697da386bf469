"""Turns scenes into pictures: a pure function of scene, frame number, size and seed.

Scenes are still lifes with a little life in them: after `period` frames everything repeats, so that a server may render
each frame once. Consecutive frames always differ, as a sensor's do. Models no exposure control and no rolling shutter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from simulators.camera import people, phone
from simulators.camera.optics import Picture, add_noise, chamber
from simulators.camera.scenes import FILM_FRAMES, EmptyScene, FaceScene, PhoneScene, Scene
from simulators.pad.sequences import film


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
            light = _face(scene, phase, width, height)
    return add_noise(_dimmed(scene, light), scene.noise, phase, seed)


_KINDS = {"live": "live_still", "print": "print", "screen": "screen_photo", "replay": "screen_replay"}
"""Of simulators.pad, by the scene's picture: people in a lane try to stand still."""

_FILM_SEED = 1
"""By which all twelve people are judged live, also when a busy machine stamps their frames up to 30 ms late."""

_FILM_NOISE = 0.5
"""Little: the scene's own comes on top."""


def _face(scene: FaceScene, phase: int, width: int, height: int) -> Picture:
    if scene.picture in _KINDS:
        frame = _filmed(_KINDS[scene.picture], scene.person, min(phase, scene.period - phase), width, height).copy()
    else:
        frame = people.still(scene, width, height)
    people.add_second(frame, scene, phase)
    return frame


@lru_cache(maxsize=2 * FILM_FRAMES)
def _filmed(kind: str, person: str, number: int, width: int, height: int) -> Picture:
    return _film(kind, person, width, height)(number)


@lru_cache(maxsize=4)
def _film(kind: str, person: str, width: int, height: int) -> Callable[[int], Picture]:
    return film(kind, person, _FILM_SEED, FILM_FRAMES, width=width, height=height, noise=_FILM_NOISE, style="door")


def _dimmed(scene: Scene, light: Picture) -> Picture:
    return np.asarray(cv2.convertScaleAbs(light, alpha=scene.dim), np.uint8) if scene.dim < 1 else light
