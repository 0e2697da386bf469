"""A FaceMatcher for virtual time: reads who is in a picture from a tag in its pixels, instead of running neural nets.

A picture for it is made by `tagged_image`: the first bytes of the pixels say which faces are in view and how well. The matcher makes embeddings from
the person's name with capture noise and compares them as any matcher does, so a distance is computed, never looked up. Degraded pictures lie farther
away; a picture whose tag does not survive (black, cropped, noisy) holds no face. A print or a screen matches its victim, as with a real model:
telling them apart is presentation attack detection's part, not this one's.

Says nothing about accuracy, and cannot read pictures of people. Shares no code with the drivers.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gate_controller.ports.devices import FaceAnalysis, FaceModel, FacePlace, FaceProbe, FaceQuality, FaceTemplate, Image

MODEL = FaceModel("simulated-face-1", hashlib.sha256(b"simulated face model 1: no weights").hexdigest())
_LENGTH = 128
_CAPTURE_NOISE = 0.33
"""Relative to the person's own vector, at quality 1: two good captures of a person then lie about .45 apart, two persons about 1.4."""
_MAGIC = b"face-tag-1"
_HEADER = struct.Struct(f"<{len(_MAGIC)}sHI")
_SIZE = (48, 64, 3)


@dataclass(frozen=True, slots=True)
class SeenFace:
    """One face in view.

    Attributes:
        person: Name of the person; two faces of the same name are the same person.
        width_px: Width of the face, as if the picture were 640 pixels wide.
        off_centre: Distance from the picture's centre, in picture widths.
        quality: 1 a good capture .. 0 a useless one.
    """

    person: str
    width_px: float = 200.0
    off_centre: float = 0.0
    quality: float = 1.0


def tagged_image(faces: Sequence[SeenFace], capture: int = 0) -> Image:
    """A picture, 48 x 64 x 3, of these faces; pictures with another `capture` differ, as a camera's frames do.

    Raises:
        ValueError: More faces than the picture's pixels can name.
    """
    image = np.random.default_rng(capture).integers(60, 200, _SIZE, dtype=np.uint8)
    text = json.dumps([capture, *(asdict(face) for face in faces)]).encode()
    tag = _HEADER.pack(_MAGIC, len(text), zlib.crc32(text)) + text
    if len(tag) > image.size:
        msg = f"{len(faces)} faces do not fit into one picture"
        raise ValueError(msg)
    image.reshape(-1)[: len(tag)] = np.frombuffer(tag, np.uint8)
    return image


def image_of(people: Sequence[str], capture: int = 0) -> Image:
    """A picture of these people, nearest first: the first in the middle, each further one smaller and farther out."""
    return tagged_image([SeenFace(person, 200 / (1 + place / 2), min(0.35 * place, 0.5)) for place, person in enumerate(people)], capture)


def template_of(person: str) -> FaceTemplate:
    """The person's enrolled template, from a capture of its own."""
    return FaceTemplate(MODEL, _embedding(SeenFace(person), "portrait").astype("<f4").tobytes())


class MemoryFaceMatcher:
    """The matcher.

    Args:
        min_face_px: Least width of the traveller's face.
        second_face_px: Least width of a face that counts.
    """

    def __init__(self, min_face_px: float = 80, second_face_px: float = 48) -> None:
        self._min_face_px = min_face_px
        self._second_face_px = second_face_px

    @property
    def model(self) -> FaceModel:
        """The simulated model."""
        return MODEL

    def locate(self, image: Image) -> FaceAnalysis:
        """See FaceMatcher.

        Raises:
            ValueError: Not height x width x 3, uint8.
        """
        return replace(self.analyse(image), probe=None)

    def analyse(self, image: Image) -> FaceAnalysis:
        """See FaceMatcher: the largest central face is the probe.

        Raises:
            ValueError: Not height x width x 3, uint8.
        """
        capture, faces = _read(image)
        count = sum(face.width_px >= self._second_face_px for face in faces)
        candidates = [face for face in faces if face.width_px >= self._min_face_px and face.off_centre < 0.5]
        if not candidates:
            return FaceAnalysis(count, None, distant=bool(faces))
        face = max(candidates, key=lambda each: each.width_px**2 * (1 - 2 * each.off_centre))
        quality = FaceQuality(0.45 * face.width_px, 1000 * face.quality, 120.0, face.off_centre, 0.0, face.quality, share=face.width_px / 480)
        return FaceAnalysis(count, FaceProbe(MODEL, _embedding(face, f"capture {capture}"), quality), _place(face), quality)

    def template(self, probe: FaceProbe) -> FaceTemplate:
        """The probe as a template.

        Raises:
            ValueError: The probe is broken or another model's.
        """
        return FaceTemplate(MODEL, _sound(probe.model, probe.embedding).astype("<f4").tobytes())

    def compare(self, probe: FaceProbe, reference: FaceTemplate) -> float:
        """See FaceMatcher."""
        if len(reference.data) != 4 * _LENGTH:
            msg = f"face template of {len(reference.data)} bytes instead of {4 * _LENGTH}"
            raise ValueError(msg)
        enrolled = _sound(reference.model, np.frombuffer(reference.data, "<f4").astype(np.float32))
        return float(np.linalg.norm(_sound(probe.model, probe.embedding) - enrolled))


def _place(face: SeenFace) -> FacePlace:
    """As if the picture were 640 x 480, the face in the middle of its height."""
    x, y = 320 + 640 * face.off_centre, 240.0
    marks = np.array([(-0.22, -0.12), (0.22, -0.12), (0, 0.08), (-0.18, 0.28), (0.18, 0.28)], np.float32) * np.float32(face.width_px)
    box = (x - face.width_px / 2, y - 0.6 * face.width_px, face.width_px, 1.2 * face.width_px)
    return FacePlace(box, np.asarray(marks + np.array([x, y], np.float32), np.float32))


def _read(image: Image) -> tuple[int, list[SeenFace]]:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        msg = f"an image is height x width x 3, uint8; this is {image.shape}, {image.dtype}"
        raise ValueError(msg)
    pixels = image.tobytes()
    if len(pixels) < _HEADER.size:
        return 0, []
    magic, length, checksum = _HEADER.unpack_from(pixels)
    text = pixels[_HEADER.size : _HEADER.size + length]
    if magic != _MAGIC or zlib.crc32(text) != checksum:
        return 0, []
    capture, *faces = json.loads(text)
    return capture, [SeenFace(**face) for face in faces]


def _embedding(face: SeenFace, capture: str) -> NDArray[np.float32]:
    noise = _CAPTURE_NOISE / max(face.quality, 0.01)
    return _unit(_vector(face.person) + noise * _vector(f"{face.person}/{capture}/{face.width_px}/{face.off_centre}"))


@lru_cache(maxsize=256)
def _vector(name: str) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest())
    return _unit(np.random.default_rng(seed).standard_normal(_LENGTH).astype(np.float32))


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _sound(model: FaceModel, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    if model != MODEL:
        msg = f"made by face model {model.name}, not by {MODEL.name}"
        raise ValueError(msg)
    if vector.shape != (_LENGTH,) or not np.isfinite(vector).all() or abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
        msg = f"not a finite unit vector of {_LENGTH} numbers"
        raise ValueError(msg)
    return vector
