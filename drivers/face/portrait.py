"""Enrolment: a face template from one portrait, behind a gate of quality.

Does not store the template, and keeps no image. The limits are stricter than a lane's: a portrait is taken once, and can be taken again.
"""

from __future__ import annotations

from dataclasses import dataclass

from gate_controller.ports.devices import FaceMatcher, FaceQuality, FaceTemplate, Image
from gate_controller.ports.errors import GateError


class PortraitError(GateError):
    """The portrait cannot be enrolled. `code` is stable.

    Args:
        code: no_face, several_faces, too_small, off_centre, tilted, too_dark, too_bright, blurred or poor.
        what: One line: what is wrong.
        remedy: One line: how to take a better one.
    """

    def __init__(self, code: str, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.code = code


@dataclass(frozen=True, slots=True)
class PortraitLimits:
    """Limits a portrait must keep; see FaceQuality for the measures.

    The eye distance is that of the smallest token image of ISO/IEC 19794-5:2005 (240 px wide, eyes a quarter of that apart); the others lie where
    SFace's distance to a good portrait began to grow on the synthetic people.
    """

    eye_distance_px: float = 60
    sharpness: float = 60
    darkest: float = 35
    brightest: float = 210
    off_centre: float = 0.2
    roll_deg: float = 8
    score: float = 0.7


def template_from(matcher: FaceMatcher, image: Image, limits: PortraitLimits | None = None) -> FaceTemplate:
    """The template of the one face in a portrait (height x width x 3, BGR, uint8).

    Raises:
        PortraitError: No face, several faces, or a measure beyond its limit.
        ValueError: Not an image.
        DeviceError: The model failed.
    """
    analysis = matcher.analyse(image)
    if analysis.faces > 1:
        msg = "several_faces"
        raise PortraitError(msg, f"{analysis.faces} faces in the portrait", "one person only, plain background")
    if analysis.probe is None:
        msg = "no_face"
        raise PortraitError(msg, "no face in the portrait, or it is too small", "face the camera, fill a third of the picture")
    _check(analysis.probe.quality, limits or PortraitLimits())
    return matcher.template(analysis.probe)


def _check(quality: FaceQuality, limits: PortraitLimits) -> None:
    checks = (
        ("too_small", quality.eye_distance_px >= limits.eye_distance_px, f"eye distance {quality.eye_distance_px:.0f} px", "come nearer"),
        ("off_centre", quality.off_centre <= limits.off_centre, f"face {quality.off_centre:.2f} frame widths off centre", "move to the middle"),
        ("tilted", quality.roll_deg <= limits.roll_deg, f"head rolled by {quality.roll_deg:.0f} degrees", "hold the head upright"),
        ("too_dark", quality.brightness >= limits.darkest, f"face brightness {quality.brightness:.0f} of 255", "more light on the face"),
        ("too_bright", quality.brightness <= limits.brightest, f"face brightness {quality.brightness:.0f} of 255", "less light, no flash"),
        ("blurred", quality.sharpness >= limits.sharpness, f"sharpness {quality.sharpness:.0f}", "hold still, focus, clean the lens"),
        ("poor", quality.score >= limits.score, f"quality {quality.score:.2f}", "look straight into the camera, face uncovered"),
    )
    for code, good, what, remedy in checks:
        if not good:
            raise PortraitError(code, f"portrait refused: {what}", remedy)
