"""Draws a phone with a QR code on its screen, as a camera sees it. Does not know what a pass is."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import segno
from numpy.typing import NDArray

from simulators.camera.optics import Picture, chamber
from simulators.camera.scenes import PhoneScene

_OVERSAMPLING = 2
_TEXTURE_PX = 8  # pixels a module in the flat drawing of the phone
_WHITE, _INK, _DARK_PAGE, _CASE = 235, 22, 30, 12


def draw(scene: PhoneScene, phase: int, width: int, height: int) -> Picture:
    """Phone before the chamber's wall, without noise; the hand shakes by a pixel or two over the phases.

    Raises:
        ValueError: The code with its quiet zone is larger than the frame.
    """
    code_px = (len(_modules(scene.text)) + 2 * scene.quiet_zone) * scene.px_per_module
    if code_px > min(width, height):
        msg = f"the code takes {code_px:.0f} px, the frame has {min(width, height)}"
        raise ValueError(msg)
    wall = cv2.cvtColor(chamber(width, height), cv2.COLOR_BGR2GRAY)
    large = cv2.resize(wall, (width * _OVERSAMPLING, height * _OVERSAMPLING), interpolation=cv2.INTER_LINEAR)
    flat = _flat_phone(scene.text, scene.quiet_zone, scene.dark_page)
    # Blurred first, lest it alias when it shrinks.
    smooth = cv2.GaussianBlur(flat, (0, 0), max(0.3, 0.4 * _TEXTURE_PX / (scene.px_per_module * _OVERSAMPLING)))
    cv2.warpPerspective(smooth, _view(scene, phase, width, height, flat.shape), large.shape[::-1], dst=large, borderMode=cv2.BORDER_TRANSPARENT)
    seen = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    if scene.glare:
        seen = cv2.add(seen, _glare(scene, code_px, width, height))
    if scene.blur:
        seen = cv2.GaussianBlur(seen, (0, 0), scene.blur)
    if scene.motion_px > 1:
        length = max(2, round(scene.motion_px))
        seen = cv2.blur(seen, (length, 1))
    return np.asarray(cv2.merge([seen, seen, seen]), np.uint8)


@lru_cache(maxsize=4)
def _modules(text: str) -> NDArray[np.uint8]:
    code = segno.make(text, error="m", micro=False, boost_error=False, encoding=None if text.isascii() else "latin-1")
    return np.array([list(row) for row in code.matrix], np.uint8)


@lru_cache(maxsize=2)
def _flat_phone(text: str, quiet_zone: int, dark_page: bool) -> NDArray[np.uint8]:
    code = np.pad(_modules(text), quiet_zone)
    picture = np.where(code, _INK, _WHITE).astype(np.uint8).repeat(_TEXTURE_PX, 0).repeat(_TEXTURE_PX, 1)
    side = len(picture)
    page, case = side // 16, side // 40
    above = side // 4
    page_colour = _DARK_PAGE if dark_page else _WHITE
    screen = cv2.copyMakeBorder(picture, above, above + side // 3, page, page, cv2.BORDER_CONSTANT, value=(page_colour,))
    return np.asarray(cv2.copyMakeBorder(screen, case * 3, case * 3, case, case, cv2.BORDER_CONSTANT, value=(_CASE,)), np.uint8)


def _view(scene: PhoneScene, phase: int, width: int, height: int, texture: tuple[int, ...]) -> NDArray[np.float64]:
    """Homography from the flat drawing to the oversampled picture: a pinhole camera before a turned phone."""
    turn = 2 * np.pi * phase / scene.period
    tilt, roll = np.radians(scene.tilt_deg), np.radians(scene.roll_deg + 0.3 * np.sin(turn))
    focal = 1.2 * width
    scale = scene.px_per_module / _TEXTURE_PX
    # The code's middle, not the phone's, is what people hold to the camera.
    rows, columns = texture
    side = len(_modules(scene.text)) + 2 * scene.quiet_zone
    case_and_above = 3 * (side * _TEXTURE_PX // 40) + side * _TEXTURE_PX // 4
    centre_y = case_and_above + side * _TEXTURE_PX / 2
    to_middle = np.array([[1, 0, -columns / 2], [0, 1, -centre_y], [0, 0, 1.0]])
    in_plane = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1.0]])
    # Columns: the phone's x axis, its y axis, and its place `focal` before the camera, so that 1 px stays 1 px there.
    placed = np.array([[scale * np.cos(tilt), 0, 0], [0, scale, 0], [scale * np.sin(tilt), 0, focal]])
    shake_x, shake_y = 1.6 * np.cos(turn), 1.2 * np.sin(turn)
    pinhole = np.array([[focal, 0, width / 2 + shake_x], [0, focal, height / 2 + shake_y], [0, 0, 1.0]])
    finer = np.diag([_OVERSAMPLING, _OVERSAMPLING, 1.0])
    view: NDArray[np.float64] = finer @ pinhole @ placed @ in_plane @ to_middle
    if rows * scale > 20 * height:
        raise ValueError("the phone is far larger than the frame")
    return view


def _glare(scene: PhoneScene, code_px: float, width: int, height: int) -> NDArray[np.uint8]:
    across = (np.arange(width) - (width / 2 + 0.25 * code_px)) / (0.22 * code_px)
    down = (np.arange(height) - (height / 2 - 0.2 * code_px)) / (0.15 * code_px)
    return np.clip(255 * scene.glare * np.exp(-(down[:, None] ** 2) - across[None, :] ** 2), 0, 255).astype(np.uint8)
