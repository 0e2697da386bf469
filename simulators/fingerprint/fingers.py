"""Simulated fingers: features from a name, captures with noise, images, templates, and their comparison.

A finger is a name; its features are derived from the SHAKE-256 of it. Nothing downstream of `capture` ever sees the name:
an image is bytes, a template is bytes, and a comparison looks at bytes only. A name may end in a condition:

    #dry       too little contrast: too few features (07)
    #smudged   unreadable ridges: too messy (06)
    #moving    the image cannot be taken (03)
    #worn      a poor but genuine finger: matches up to security level 3
    #alike     another finger that resembles the named one: matches at security level 1 only

Does not resemble a real feature extractor; scores (0..200) and thresholds are this simulation's own.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gate_controller.ports.devices import Family
from simulators.fingerprint.families import PROFILES

Features = NDArray[np.uint8]
"""FEATURES values of 0..255."""

FEATURES: Final = 240
VIEW_BYTES: Final = 256
"""A template is a row of views: a 16-byte header (magic, family, number, reserved, CRC-32) and the features."""
_MAGIC: Final = b"\x03\x03"
_FAMILY_CODES: Final = {Family.ZFM20: 1, Family.R307: 2, Family.R503: 3}
_TOLERANCE: Final = 16
_THRESHOLDS: Final = {1: 52, 2: 97, 3: 99, 4: 166, 5: 172}
_SAME_FINGER: Final = 80
"""Least score of two captures that RegModel merges."""


class Condition(Enum):
    """What is the matter with a finger."""

    NORMAL = ""
    DRY = "dry"
    SMUDGED = "smudged"
    MOVING = "moving"
    WORN = "worn"
    ALIKE = "alike"


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """One touch of a finger: its features with this touch's noise, and its condition."""

    features: Features
    condition: Condition


class Unreadable(Enum):
    """Why no features could be had from an image."""

    TOO_MESSY = "too messy"
    TOO_FEW_FEATURES = "too few features"


@lru_cache(maxsize=4096)
def _clean(finger: str) -> Features:
    features = np.frombuffer(hashlib.shake_256(finger.encode()).digest(FEATURES), dtype=np.uint8)
    features.flags.writeable = False
    return features


def _noise(seed: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "big"))


def condition_of(finger: str) -> Condition:
    """The condition a finger's name ends in.

    Raises:
        ValueError: There is no such condition, or no name.
    """
    name, _, condition = finger.partition("#")
    if not name:
        raise ValueError("a finger needs a name")
    return Condition(condition)


def capture(finger: str, touch: str) -> Capture:
    """The features of one touch; the same finger and touch always give the same noise.

    Raises:
        ValueError: See condition_of.
    """
    condition = condition_of(finger)
    name = finger.partition("#")[0]
    features = _clean(name).astype(np.int16)
    if condition is Condition.ALIKE:
        other = _clean(f"{name}, but somebody else")
        features[FEATURES * 3 // 10 :] = other[FEATURES * 3 // 10 :]
    rng = _noise(f"{finger}\0{touch}")
    spread = 16.0 if condition is Condition.WORN else 5.0
    features += np.rint(rng.normal(0.0, spread, FEATURES)).astype(np.int16)
    lost = rng.random(FEATURES) < 0.02
    features[lost] = rng.integers(0, 256, int(lost.sum()))
    return Capture(np.clip(features, 0, 255).astype(np.uint8), condition)


def image_of(captured: Capture, size: int, touch: str) -> bytes:
    """The image of a capture: its features tiled over `size` bytes under pixel noise; blank when dry, noise when smudged."""
    rng = _noise(f"pixels\0{touch}")
    if captured.condition is Condition.DRY:
        return rng.integers(0, 4, size, dtype=np.uint8).tobytes()
    if captured.condition is Condition.SMUDGED:
        return rng.integers(0, 256, size, dtype=np.uint8).tobytes()
    tiled = np.resize(captured.features, size).astype(np.int16) + rng.integers(-6, 7, size, dtype=np.int16)
    pixels: Features = np.clip(tiled, 0, 255).astype(np.uint8)
    return pixels.tobytes()


def extract(image: bytes) -> Features | Unreadable:
    """Features of an image, wherever it came from."""
    tiles = len(image) // FEATURES
    pixels = np.frombuffer(image[: tiles * FEATURES], dtype=np.uint8).reshape(tiles, FEATURES).astype(np.float32)
    if float(np.std(pixels)) < 8.0:
        return Unreadable.TOO_FEW_FEATURES
    middle = np.median(pixels, axis=0)
    if float(np.mean(np.abs(pixels - middle))) > 16.0:
        return Unreadable.TOO_MESSY
    return np.rint(middle).astype(np.uint8)


def encode_template(views: list[Features], family: Family, size: int) -> bytes:
    """A template of `size` bytes; fewer views than fit are repeated."""
    blocks = []
    for number in range(size // VIEW_BYTES):
        body = views[number % len(views)].tobytes()
        header = _MAGIC + bytes([_FAMILY_CODES[family], number]) + bytes(8) + zlib.crc32(body).to_bytes(4, "big")
        blocks.append(header + body)
    return b"".join(blocks)


def decode_template(data: bytes, family: Family, size: int) -> list[Features] | None:
    """The views of a template, or None when a module of this family and template size would refuse it."""
    if len(data) != size:
        return None
    views = []
    for number in range(size // VIEW_BYTES):
        block = data[number * VIEW_BYTES : (number + 1) * VIEW_BYTES]
        header, body = block[:16], block[16:]
        if header[:4] != _MAGIC + bytes([_FAMILY_CODES[family], number]) or header[12:] != zlib.crc32(body).to_bytes(4, "big"):
            return None
        views.append(np.frombuffer(body, dtype=np.uint8))
    return views


def compare(probe: list[Features], reference: list[Features]) -> int:
    """Score of the most similar pair of views: 200 times the share of features within tolerance."""
    probes = np.stack(probe).astype(np.int16)[:, None, :]
    references = np.stack(reference).astype(np.int16)[None, :, :]
    return int(np.rint(np.mean(np.abs(probes - references) <= _TOLERANCE, axis=2).max() * 200))


def threshold(security_level: int) -> int:
    """Least score that is a match at a security level of 1..5."""
    return _THRESHOLDS[security_level]


def is_same_finger(first: list[Features], second: list[Features]) -> bool:
    """Whether RegModel merges two captures."""
    return compare(first, second) >= _SAME_FINGER


@lru_cache(maxsize=4096)
def enrolment_template(finger: str, family: Family, size: int | None = None) -> bytes:
    """The template a simulated authority enrols: several touches merged, as RegModel does.

    Args:
        finger: Name of the finger, with its condition if any.
        family: Family of the authority's reader.
        size: Length in bytes; the family's usual one when None.

    Raises:
        ValueError: The finger's condition does not exist or cannot be enrolled.
    """
    if condition_of(finger) in {Condition.DRY, Condition.SMUDGED, Condition.MOVING}:
        raise ValueError("a finger in this condition cannot be enrolled")
    size = PROFILES[family].template_bytes if size is None else size
    views = [capture(finger, f"enrolment {number}").features for number in range(size // VIEW_BYTES)]
    return encode_template(views, family, size)
