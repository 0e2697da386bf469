"""Presentation attack detection at the desk: one presentation, judged while the face is taken. Holds no picture.

Live counts only when it is reached soon: the time in which the judge could have answered and did not is added up over the whole session, so
that beginning anew buys nobody another try. Says nothing to anybody: whoever asks is told an outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

from gate_controller.ports.devices import FacePlace, Frame
from gate_controller.ports.pad import PadAssessment, PadDecision, PadJudge, PadLimits, decide


@dataclass(frozen=True, slots=True)
class Judgement:
    """Who judges, and by which limits.

    Attributes:
        judge: The judge.
        limits: From the policy.
        decide_within_s: So much evidence without a decision, in all, and live is no longer believed.
    """

    judge: PadJudge
    limits: PadLimits
    decide_within_s: float


class Liveness:
    """Of one session.

    Args:
        judgement: None: nothing is judged.
    """

    def __init__(self, judgement: Judgement | None) -> None:
        self._judgement = judgement
        self._unsettled_s = 0.0
        self._stamp: float | None = None
        self._earned = False
        self._restarts = 0
        if judgement is not None:
            judgement.judge.begin()

    def observe(self, frame: Frame, place: FacePlace | None) -> bool:
        """Show one frame to the judge; True when its evidence began anew, because another face was there: what was taken before is not what it judges.

        Raises:
            DeviceError: The judge failed.
        """
        if self._judgement is None:
            return False
        self._judgement.judge.observe(frame, place)
        assessment = self._judgement.judge.assess()
        anew = assessment.restarts > self._restarts
        if anew:
            self._earned, self._restarts = False, assessment.restarts
        self._weigh(self._judgement, assessment, frame.stamp, shown=place is not None)
        return anew

    def decision(self) -> PadDecision:
        """What stands at this moment."""
        if self._judgement is None:
            return PadDecision.NOT_PERFORMED
        if decide(self._judgement.judge.assess(), self._judgement.limits) is PadDecision.ATTACK:
            return PadDecision.ATTACK
        return PadDecision.LIVE if self._earned else PadDecision.UNDETERMINED

    @property
    def too_late(self) -> bool:
        """Whether live can no longer be reached in this session."""
        judgement = self._judgement
        return judgement is not None and not self._earned and self._unsettled_s > judgement.decide_within_s - judgement.limits.least_span_s

    @property
    def gathered(self) -> str:
        """What the judge has seen, for the officer's log: too few frames a second decide nothing."""
        if self._judgement is None:
            return "nothing"
        seen = self._judgement.judge.assess()
        score = "none" if seen.score is None else f"{seen.score:.2f}"
        return f"{seen.frames} frames in {seen.span_s:.1f} s, score {score}"

    def begin_anew(self) -> None:
        """Somebody else is before the camera, or nobody alone: what was gathered is not of one person."""
        self._earned, self._restarts = False, 0
        if self._judgement is not None:
            self._judgement.judge.begin()

    def end(self) -> None:
        """Drop what the judge has kept."""
        if self._judgement is not None:
            self._judgement.judge.end()

    def _weigh(self, judgement: Judgement, assessment: PadAssessment, stamp: float, *, shown: bool) -> None:
        limits, since = judgement.limits, self._stamp
        self._stamp = stamp
        if not shown:
            return  # somebody who is asked to come closer loses no time by it, and gains nothing
        could_tell = assessment.frames >= limits.least_frames and assessment.span_s >= limits.least_span_s
        # The newest evidence counts: live once, and in doubt now, is not live.
        self._earned = decide(assessment, limits) is PadDecision.LIVE and self._unsettled_s <= judgement.decide_within_s - limits.least_span_s
        if could_tell and not self._earned and since is not None:
            self._unsettled_s += stamp - since
