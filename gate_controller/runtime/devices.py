"""What a gate is made of on the side of the hardware. Values only; opens nothing."""

from __future__ import annotations

from dataclasses import dataclass

from gate_controller.ports.devices import Camera, FaceMatcher, FingerprintReader, IoBoard, QrDecoder
from gate_controller.ports.pad import PadChallenger, PadJudge


@dataclass(frozen=True, slots=True)
class Devices:
    """The lane's devices, and the programs that judge what they see.

    Attributes:
        face_matcher_2: A second face model that must agree with the first; None: the first decides alone.
        pad: Judge of presentation attacks; None: nothing is judged, and every crossing says so.
        pad_challenge: What a judge's doubt may ask of the traveller; None: nothing.
    """

    qr_camera: Camera
    qr_decoder: QrDecoder
    face_camera: Camera
    face_matcher: FaceMatcher
    fingerprint: FingerprintReader
    io_board: IoBoard
    face_matcher_2: FaceMatcher | None = None
    pad: PadJudge | None = None
    pad_challenge: PadChallenger | None = None
