"""What the runtime needs to know beside the core's policy. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta, timezone

LANE_TIME_ZONE = timezone(timedelta(hours=8))
"""Hong Kong and Macao keep the same time, without daylight saving; ages count by it."""


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """Settings of the workers. Times in seconds.

    Attributes:
        gate_id: Name of this gate in status and records.
        face_threshold: Largest L2 distance that counts as the same face; belongs to one model.
        face_threshold_2: The same for the second model, where there is one.
        face_frames: Usable frames looked at before one decision.
        face_attempts: Decisions before the face check fails.
        face_minimum_quality: Frames of a lower quality score (0..1) are not used.
        pad_live_at: Presentation attack detection: a score up to this is live.
        pad_attack_at: A score from this on is an attack.
        pad_least_frames: Below so many frames nothing is decided.
        pad_least_span_s: Likewise for the time they cover.
        pad_decide_within_s: Live counts only when reached within so much evidence.
        pad_challenge: Whether a traveller whose face stays undetermined is asked to turn the head or to blink.
        pad_challenge_after_s: So long after the check began.
        pad_challenges: How many of these must be met, one after the other.
        fingerprint_attempts: Matches computed before the fingerprint check fails.
        poll_s: Time between two readings of the inputs.
        io_lost_after_s: The board is lost when no reading succeeded for this long; its inputs are unknown at once.
        camera_lost_after_s: A camera is lost when it gave no fresh frame for this long.
        idle_poll_s: How often an idle fingerprint reader is asked whether it still works.
        forget_presentation_s: A presentation held up all the time is looked at again only after it was out of sight this long.
        attempts: Crossings of one pass that failed inside; then it is refused.
        attempts_within_s: They count for so long.
        retry_s: First and longest wait before a lost device is opened again.
    """

    gate_id: str
    face_threshold: float
    face_threshold_2: float = 0.0
    face_frames: int = 3
    face_attempts: int = 3
    face_minimum_quality: float = 0.2
    pad_live_at: float = 0.1
    pad_attack_at: float = 0.7
    pad_least_frames: int = 18
    pad_least_span_s: float = 1.5
    pad_decide_within_s: float = 2.5
    pad_challenge: bool = False
    pad_challenge_after_s: float = 4.0
    pad_challenges: int = 2
    fingerprint_attempts: int = 3
    poll_s: float = 0.03
    io_lost_after_s: float = 1.0
    camera_lost_after_s: float = 1.0
    idle_poll_s: float = 0.5
    forget_presentation_s: float = 2.0
    attempts: int = 3
    attempts_within_s: float = 900.0
    retry_s: tuple[float, float] = (0.2, 2.0)
