"""The port of presentation attack detection (PAD): frames and faces in, a score and a decision out.

The score runs from 0 (bona fide, a living person before the camera) to 1 (presentation attack): the direction of the PAD score of
ISO/IEC 30107-2, which counts it from 0 to 100, in the range that BSI TR-03121-3.1 asks for. A judge holds no threshold: `decide` compares its score
with limits from the policy. That nothing was judged is an outcome of its own and never counts as live (TR-03121-3.1: omission is signalled).

What a judge found goes to the engineer and the officer. It is never shown to the traveller, and no picture leaves the judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from gate_controller.ports.devices import FacePlace, Frame

__all__ = (
    "ChallengeKind",
    "ChallengeOutcome",
    "Cue",
    "FacePlace",
    "PadAssessment",
    "PadChallenger",
    "PadDecision",
    "PadJudge",
    "PadLimits",
    "decide",
)


class PadDecision(Enum):
    """What was decided of one presentation."""

    LIVE = "live"
    ATTACK = "attack"
    UNDETERMINED = "undetermined"
    """Too little was seen so far, or the score lies between the limits: the exit waits, and at the end of its time it is no pass."""
    NOT_PERFORMED = "not_performed"
    """No judge, or one that failed: signalled as an omission, never taken for live."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One piece of evidence, for the engineer only.

    Attributes:
        name: Of the cue, in the judge's own words.
        value: What was measured, in the cue's own unit; None when nothing could be.
        weight: Its part of the score's log-odds; above 0 speaks for an attack.
    """

    name: str
    value: float | None
    weight: float


@dataclass(frozen=True, slots=True)
class PadAssessment:
    """All that a judge can say so far.

    Attributes:
        score: 0 bona fide to 1 attack; None while nothing can be said.
        frames: Frames with a face that went into it.
        span_s: Seconds from the first of them to the last.
        restarts: How often evidence was dropped and begun again since `begin()`, because another face was there. Whoever compares faces drops
            what was taken before, so that the face judged is the face compared.
        cues: What the score was made of.
        parts: Where several judges must be content, what each of them says: any of them alone decides an attack, only all of them live.
    """

    score: float | None
    frames: int
    span_s: float
    restarts: int = 0
    cues: tuple[Cue, ...] = field(default=(), repr=False)
    parts: tuple[PadAssessment, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class PadLimits:
    """The policy's part.

    Attributes:
        live_at: A score up to this is live.
        attack_at: A score from this on is an attack.
        least_frames: Below so many frames nothing is decided.
        least_span_s: Likewise for the time they cover.
    """

    live_at: float
    attack_at: float
    least_frames: int
    least_span_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.live_at <= self.attack_at <= 1:
            msg = f"0 <= live_at ({self.live_at:g}) <= attack_at ({self.attack_at:g}) <= 1 does not hold"
            raise ValueError(msg)
        if self.least_frames < 1 or self.least_span_s < 0:
            msg = "least_frames is at least 1, least_span_s at least 0"
            raise ValueError(msg)


def decide(assessment: PadAssessment | None, limits: PadLimits) -> PadDecision:
    """The decision on one presentation so far.

    Args:
        assessment: None when no judge ran, or it failed.
        limits: From the policy.
    """
    if assessment is None:
        return PadDecision.NOT_PERFORMED
    if assessment.parts:
        decisions = {decide(part, limits) for part in assessment.parts}
        if PadDecision.ATTACK in decisions:
            return PadDecision.ATTACK
        return PadDecision.LIVE if decisions == {PadDecision.LIVE} else PadDecision.UNDETERMINED
    score = assessment.score
    if score is None or not 0 <= score <= 1 or assessment.frames < limits.least_frames or assessment.span_s < limits.least_span_s:
        return PadDecision.UNDETERMINED
    if score >= limits.attack_at:
        return PadDecision.ATTACK
    return PadDecision.LIVE if score <= limits.live_at else PadDecision.UNDETERMINED


class PadJudge(Protocol):
    """Watches one presentation after the other. Used by one thread at a time. Memory does not grow with the number of frames."""

    @property
    def name(self) -> str:
        """What judges, for the log and the desk's record: name and version of the mechanism, and the sha256 of its coefficients or weights."""
        ...

    def begin(self) -> None:
        """A new presentation: forget everything seen."""
        ...

    def observe(self, frame: Frame, face: FacePlace | None) -> None:
        """Look at one frame; stamps grow. A frame without a face counts for nothing.

        Raises:
            ValueError: Not an image as the ports define it, or a stamp that does not grow.
            DeviceError: The judge failed: the presentation is not judged (NOT_PERFORMED).
        """
        ...

    def assess(self) -> PadAssessment:
        """What can be said so far; asking changes nothing."""
        ...

    def end(self) -> None:
        """Drop all that was kept of the presentation's frames. Never raises; ending twice is harmless."""
        ...


class ChallengeKind(Enum):
    """What a traveller may be asked to do. Left and right are the traveller's."""

    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    BLINK = "blink"


class ChallengeOutcome(Enum):
    """How one challenge stands."""

    PENDING = "pending"
    MET = "met"
    FAILED = "failed"
    """Something else was done, it was done before anybody could have read the prompt, or the time is over."""


class PadChallenger(Protocol):
    """Asks for something that cannot be known before, and sees whether it is done. Used by one thread at a time; keeps no picture."""

    def begin(self) -> None:
        """A new presentation: forget everything seen."""
        ...

    def observe(self, frame: Frame, face: FacePlace | None) -> None:
        """Look at one frame, also before a challenge: only then is it known how the traveller looks at rest.

        Raises:
            ValueError: Not an image as the ports define it, or a stamp that does not grow.
        """
        ...

    def ask(self, now: float) -> ChallengeKind | None:
        """Draw a challenge, to be shown at `now`; None while the traveller at rest was not seen long enough."""
        ...

    def outcome(self, now: float) -> ChallengeOutcome:
        """How the challenge asked last stands; PENDING without one."""
        ...
