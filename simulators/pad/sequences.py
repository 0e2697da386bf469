"""The sequences by name: eight kinds of live and eight kinds of attack, each of the same length, all from one seed.

    frames("screen_replay", "person07", seed=1)

A replay shows the victim's own live sequence, blink and all, filmed by this same camera before a plain wall and shown on a screen.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.pad.camera import Camera, Image, compressed, plane_view, through, wall
from simulators.pad.media import paper, screen
from simulators.pad.motion import Hand, Life
from simulators.pad.person import Person, Pose, four, person

FPS = 15.0
FRAMES = 26
"""Of a sequence: 1.7 s."""

EYES_MM = 63.0
"""Distance between grown-up eyes."""

_BASES = ("live0", "1")


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame.

    Attributes:
        image: Height x width x 3, BGR, uint8.
        stamp: Seconds from the sequence's beginning.
    """

    image: Image
    stamp: float


LIVE = ("live", "live_still", "live_restless", "live_walking", "live_light", "live_plain", "live_window", "live_resampled")
"""`live_resampled` is the control: the person is filmed, blurred, compressed and resampled as in an attack, on an ideal screen that no hand moves."""

ATTACKS = ("print", "print_close", "print_bent", "print_cut", "screen_photo", "screen_photo_close", "screen_replay", "screen_replay_close")
"""`close`: no border in view. `cut`: cut out along the head. `replay`: the blinking, turning victim rather than a still photo."""


Film = Callable[[int], Image]
"""Gives the frame of a number, 0 up to the sequence's count."""


def frames(kind: str, name: str, seed: int = 0, count: int = FRAMES, *, width: int = 640, height: int = 480, steady: float = 1.0) -> Iterator[Shot]:
    """One sequence; the same for the same arguments, which are those of `film`."""
    shoot = film(kind, name, seed, count, width=width, height=height, steady=steady)
    for number in range(count):
        yield Shot(shoot(number), number / FPS)


def film(
    kind: str,
    name: str,
    seed: int = 0,
    count: int = FRAMES,
    *,
    width: int = 640,
    height: int = 480,
    steady: float = 1.0,
    noise: float | None = None,
    style: str | None = None,
) -> Film:
    """One sequence, to take any frame of.

    Args:
        kind: One of LIVE or ATTACKS.
        name: e.g. "person07".
        seed: Another one for the same kind and person.
        count: Frames.
        width: Of a frame, pixels.
        height: Of a frame, pixels.
        steady: How much the attacker's hand moves: 1 outstretched, 0 a stand.
        noise: Standard deviation of the sensor's noise in grey levels; None draws it.
        style: Of the wall behind (camera.wall); None: the kind's, or drawn.

    Raises:
        ValueError: There is no such kind or person.
    """
    if kind not in LIVE and kind not in ATTACKS:
        msg = f"no kind of sequence {kind!r}: {', '.join(LIVE + ATTACKS)}"
        raise ValueError(msg)
    random = np.random.default_rng(zlib.crc32(f"{kind} {name} {seed}".encode()))
    who = person(name, _BASES[int(random.integers(2))])
    scale = height / 480
    blur, drawn, quality = float(random.uniform(0.5, 0.8)), float(random.uniform(1.4, 2.4)), int(random.integers(85, 95))
    camera = Camera(width, height, 560.0 * scale, blur, drawn if noise is None else noise, quality, seed)
    behind_style = {"live_plain": "plain", "live_window": "window"}.get(kind) or str(random.choice(["door", "door", "window", "plain"]))
    behind = wall(width, height, random, style or behind_style)
    eyes_px = float(random.uniform(56, 72)) * scale
    return _live(kind, who, random, camera, behind, eyes_px, count) if kind in LIVE else _attack(kind, who, random, camera, behind, eyes_px, count, steady)


def _live(kind: str, who: Person, random: np.random.Generator, camera: Camera, behind: Image, eyes_px: float, count: int) -> Film:
    restless = {"live_still": 0.25, "live_restless": 1.8}.get(kind, float(random.uniform(0.7, 1.3)))
    life = Life(random, restless, count / FPS)
    middle = random.uniform(-0.05, 0.05) * camera.width, random.uniform(0.02, 0.1) * camera.height
    light = _light(random, camera, count) if kind == "live_light" else lambda _number: 1.0
    if kind == "live_resampled":
        return _resampled(who, life, random, camera, behind, eyes_px, middle)

    def shoot(number: int) -> Image:
        near = 1.0 - 0.22 * (1 - number / max(1, count - 1)) if kind == "live_walking" else 1.0
        return camera.expose(_stand(who, life, number / FPS, camera, behind, eyes_px * near, middle), number, light(number))

    return shoot


def _stand(who: Person, life: Life, time_s: float, camera: Camera, behind: Image, eyes_px: float, middle: tuple[float, float]) -> Image:
    """The live person in front of the wall, before lens and sensor."""
    yaw, pitch, roll = life.angles(time_s)
    sway = life.sway(time_s)
    per_mm = eyes_px / EYES_MM
    size = eyes_px / who.eye_distance * (1 + sway[2])
    pose = Pose(yaw, pitch, roll, life.breath_mm(time_s) / EYES_MM * who.eye_distance, life.eyes(time_s))
    shift = np.array([middle[0] + sway[0] * per_mm, middle[1] + sway[1] * per_mm])
    places = (camera.places() - shift) / size + np.array(who.middle)
    seen = camera.look(who.layer(pose.eyes), camera.fine(who.posed(places.astype(np.float32), pose)))
    return camera.over(seen, behind)


def _resampled(who: Person, life: Life, random: np.random.Generator, camera: Camera, behind: Image, eyes_px: float, middle: tuple[float, float]) -> Film:
    """The control: through everything an attack's picture goes through but the medium and the hand."""
    soft, quality = float(random.uniform(0.4, 1.0)), int(random.integers(80, 92))
    turned = np.concatenate([np.zeros(3), random.uniform(-0.06, 0.06, 3)])
    view = plane_view(camera.focal, turned, camera.focal, (0.0, 0.0))

    def shoot(number: int) -> Image:
        filmed = compressed(camera.expose(_stand(who, life, number / FPS, camera, behind, eyes_px, middle), number), quality)
        shown = four(np.asarray(cv2.GaussianBlur(filmed, (0, 0), soft), np.uint8))
        where = through(np.linalg.inv(view), camera.places()) + np.array([camera.width / 2, camera.height / 2], np.float32)
        return camera.expose(np.ascontiguousarray(camera.look(shown, camera.fine(where))[..., :3]), number + 3)

    return shoot


def _attack(kind: str, who: Person, random: np.random.Generator, camera: Camera, behind: Image, eyes_px: float, count: int, steady: float) -> Film:
    close = kind.endswith("_close")
    printed = kind.startswith("print")
    medium = paper(random, close=close, bent=kind == "print_bent", cut=kind == "print_cut") if printed else screen(random, close=close)
    replay = "replay" in kind
    life = Life(random, float(random.uniform(0.7, 1.3)), count / FPS)
    quality = int(random.integers(80, 92))
    hand = Hand(random, steady)
    distance = camera.focal * medium.eyes_mm / eyes_px
    middle = random.uniform(-0.05, 0.05) * camera.width, random.uniform(0.0, 0.06) * camera.height
    rest = np.concatenate([np.zeros(3), random.uniform(-0.1, 0.1, 3)])
    lamp = _lamp(random, camera, medium.glare)
    per_mm = who.eye_distance / medium.eyes_mm
    still = None if replay else medium.tone(who.layer(1.0) if medium.cut else who.whole(1.0))

    def shoot(number: int) -> Image:
        time_s = number / FPS
        held = rest + hand.at(time_s)
        view = plane_view(camera.focal, held, distance, middle)
        plane = medium.shape(through(np.linalg.inv(view), camera.places()), np.tan(held[3:5]), distance)
        shown = still if still is not None else medium.tone(_filmed(who, life, time_s, quality))
        flat = camera.fine(plane)
        seen = medium.lay(camera.look(shown, flat * np.float32(per_mm) + np.array(who.middle, np.float32)), flat)
        light = camera.over(seen, behind)
        if medium.glare:
            light = np.asarray(cv2.add(light, cv2.multiply(lamp, cv2.merge([seen[..., 3]] * 3), scale=1 / 255)), np.uint8)
        return camera.expose(light, number)

    return shoot


def _filmed(who: Person, life: Life, time_s: float, quality: int) -> NDArray[np.uint8]:
    """The victim's own live picture, as filmed before: with their plain background, in the stored picture's pixels, compressed."""
    yaw, pitch, roll = life.angles(time_s)
    pose = Pose(yaw, pitch, roll, life.breath_mm(time_s) / EYES_MM * who.eye_distance, life.eyes(time_s))
    plain = who.plain()
    rows, columns = plain.shape[:2]
    lens = Camera(columns, rows)
    sway = life.sway(time_s)[:2] * who.eye_distance / EYES_MM
    places = lens.places() + np.array([columns / 2, rows / 2], np.float32) - sway.astype(np.float32)
    seen = lens.over(lens.look(who.layer(pose.eyes), lens.fine(who.posed(places, pose))), plain)
    return four(compressed(seen, quality))


def _lamp(random: np.random.Generator, camera: Camera, glare: float) -> Image:
    """A lamp mirrored on glass: it stays where it is in the frame while the glass moves."""
    x0, y0 = random.uniform(0.3, 0.7) * camera.width, random.uniform(0.2, 0.7) * camera.height
    wide, high = random.uniform(0.04, 0.14) * camera.width, random.uniform(0.03, 0.1) * camera.height
    x, y = np.arange(camera.width), np.arange(camera.height)
    spot = glare * np.exp(-(((y - y0) / high) ** 2)[:, None] - (((x - x0) / wide) ** 2)[None, :])
    return np.asarray(cv2.merge([spot.astype(np.uint8)] * 3), np.uint8)


def _light(random: np.random.Generator, camera: Camera, count: int) -> Callable[[int], NDArray[np.float32]]:
    """Light that changes: a lamp switched or the sun behind a cloud, from one side."""
    begin, end = random.uniform(0.7, 1.1, 2)
    at, soft = random.uniform(0.3, 0.7) * count, random.uniform(1.5, 6)
    side = np.linspace(-0.15, 0.15, camera.width) * random.choice([-1, 1])

    def gain(number: int) -> NDArray[np.float32]:
        share = 1 / (1 + np.exp(-(number - at) / soft))
        row = (begin + (end - begin) * share) * (1 + side * share)
        return np.repeat(np.repeat(row[None, :, None], camera.height, 0), 3, 2).astype(np.float32)

    return gain
