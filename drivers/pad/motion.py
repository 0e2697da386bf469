"""What the motion of a stretch says: does the face move as one plane, does anything near it stand still, does the surround tremble with it.

The thought behind it: a person has depth and stands before a wall that the camera does not lose; a picture is one plane, and what is around the
face moves with it, with the tremor of the hand that holds it. All lengths are in faces (face widths).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.pad.tracks import AROUND, FACE, FAR, Stretch

FLOOR = 0.0007
"""The tracker's own noise, in faces: scenes in which nothing moves but the camera's noise give 0.0003 to 0.0012."""

LEAST_FRAMES = 8
"""In a stretch: with fewer, slow sway looks like tremor. A camera that gives less than 11 frames a second is not judged by."""

_FEW = 6  # points below which nothing is said of a region
_TRUNK = 8
_BESIDE = 0.55  # face widths below the face's middle: beside or above the head, or below the chin


@dataclass(frozen=True, slots=True)
class MotionCues:
    """None where there was too little to follow.

    Attributes:
        face_depth: What is left of the face's motion after the best plane (root mean square).
        shake: Tremor of the surround: its common motion above about 4 Hz (root mean square). The surround is what moves below the chin; else all about the head.
        together: How far face and surround tremble as one: the correlation of their common motions above about 4 Hz, drawn to 0 where both
            are no more than noise; -1 to 1.
        still: Share of the points near the head, beside or above it, that stood still while the face moved.
    """

    face_depth: float | None
    shake: float | None
    together: float | None
    still: float | None


def cues(stretch: Stretch) -> MotionCues:
    """The cues of one stretch."""
    places, regions = stretch.places, stretch.regions
    if len(places) < LEAST_FRAMES:
        return MotionCues(None, None, None, None)
    moved = places - places[0]
    face, around = regions == FACE, regions == AROUND
    enough_face, enough_around = int(face.sum()) >= _FEW, int(around.sum()) >= _FEW
    about = places - places.mean(axis=0)
    each = np.sqrt((about**2).sum(axis=2).mean(axis=0))  # of every point over time
    face_motion = float(np.median(each[face])) if enough_face else None
    depth = _left(places[0][face], moved[:, face]) if int(face.sum()) >= 2 * _FEW else None
    beside = around & (places[0][:, 1] < _BESIDE)
    still = None
    if face_motion is not None and face_motion > 4 * FLOOR and int(beside.sum()) >= _FEW:
        still = float((each[beside] < _standing(face_motion)).mean())
    surround = around | (regions == FAR) if not enough_around else around
    if face_motion is not None:
        # The trunk, so far as it moves at all. Hair trembles with the head it grows on, and a wall beside a picture's edge hides that the picture trembles.
        trunk = around & (places[0][:, 1] >= _BESIDE) & (each >= _standing(face_motion))
        surround = trunk if int(trunk.sum()) >= _TRUNK else surround
    of_face = _fast(moved[:, face], stretch.stamps) if enough_face else None
    of_surround = _fast(moved[:, surround], stretch.stamps) if int(surround.sum()) >= _FEW else None
    return MotionCues(
        _size(depth) if depth is not None else None,
        _size(of_surround) if of_surround is not None else None,
        _together(of_face, of_surround) if of_face is not None and of_surround is not None else None,
        still,
    )


def _standing(face_motion: float) -> float:
    """Motion below which a point stands still."""
    return max(2.5 * FLOOR, 0.2 * face_motion)


def _left(start: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Motion that no plane explains: frames x points x 2.

    A plane seen by a camera moves its points by a homography; for small motion that is linear in eight numbers: a shift, a linear map, and the two
    terms of perspective. One least squares for all frames; points that no tracker could follow so badly by chance are left out and it is done again.
    """
    x, y = start[:, 0], start[:, 1]
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows_x = np.stack([one, x, y, zero, zero, zero, x * x, x * y], axis=1)
    rows_y = np.stack([zero, zero, zero, one, x, y, x * y, y * y], axis=1)
    keep = np.ones(len(x), bool)
    left = moved
    for _ in range(2):
        design = np.concatenate([rows_x[keep], rows_y[keep]])
        seen = np.concatenate([moved[:, keep, 0], moved[:, keep, 1]], axis=1).T
        solved, *_ = np.linalg.lstsq(design, seen, rcond=1e-6)
        left = np.stack([moved[..., 0] - (rows_x @ solved).T, moved[..., 1] - (rows_y @ solved).T], axis=-1)
        size = np.sqrt((left**2).sum(axis=2).mean(axis=0))
        keep = size < max(6 * float(np.median(size)), 6 * FLOOR)
        if keep.all() or int(keep.sum()) < _FEW:
            break
    return left[:, keep]


def _size(left: NDArray[np.float64]) -> float:
    return float(np.sqrt((left**2).sum(axis=-1).mean()))


def _fast(moved: NDArray[np.float64], stamps: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far a group of points is from where a cubic through two frames before and two after would have it, frames x 2, scaled to an amplitude: white noise passes unchanged.

    Of the third order, for the motion of somebody who looks about leaks a tenth as much through it as through a straight line between two frames. By the frames' own
    stamps: a camera that leaves out a frame now and then must not make smooth motion look like tremor.
    """
    near = [stamps[shift : len(stamps) - 4 + shift] for shift in range(5)]
    weights = []
    for one in (0, 1, 3, 4):  # Lagrange's polynomials at the middle of the five
        others = [each for each in (0, 1, 3, 4) if each != one]
        weights.append(np.prod([(near[2] - near[each]) / (near[one] - near[each]) for each in others], axis=0))
    expected = sum(
        (weight[:, None, None] * moved[shift : len(moved) - 4 + shift] for shift, weight in zip((0, 1, 3, 4), weights, strict=True)), np.zeros((1, 1, 1))
    )
    away = np.median(moved[2:-2] - expected, axis=1)
    return np.asarray(away / np.sqrt(1 + sum(weight**2 for weight in weights))[:, None], np.float64)


def _together(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float((one * other).sum() / (np.sqrt((one**2).sum() * (other**2).sum()) + len(one) * FLOOR**2))
