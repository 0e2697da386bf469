"""Presentation attack detection during one crossing: feeds the judge, latches what it found, asks for a challenge.

An attack stands for the whole crossing. Live counts only when it is reached soon: the time in which the judge could have answered and did not is
added up over the crossing, so that beginning anew buys nobody another try. Holds no picture, and decides nothing about whose face it is.
"""

from __future__ import annotations

import structlog

from gate_controller.core.prompts import Prompt
from gate_controller.ports.devices import FacePlace, Frame
from gate_controller.ports.errors import DeviceError
from gate_controller.ports.pad import ChallengeKind, ChallengeOutcome, PadAssessment, PadChallenger, PadDecision, PadJudge, PadLimits, decide
from gate_controller.runtime.options import RuntimeOptions

ASKED = {ChallengeKind.TURN_LEFT: Prompt.TURN_LEFT, ChallengeKind.TURN_RIGHT: Prompt.TURN_RIGHT, ChallengeKind.BLINK: Prompt.BLINK}
log = structlog.get_logger("gate.pad")


class PadWatch:
    """Used by the face worker's thread.

    Args:
        judge: None: nothing is judged, and that is what is reported.
        challenger: None: nobody is asked anything.
        options: The limits.
    """

    def __init__(self, judge: PadJudge | None, challenger: PadChallenger | None, options: RuntimeOptions) -> None:
        self._judge = judge
        self._challenger = challenger if options.pad_challenge else None
        self._options = options
        self._limits = PadLimits(options.pad_live_at, options.pad_attack_at, options.pad_least_frames, options.pad_least_span_s)
        self._decision = PadDecision.UNDETERMINED
        self._judge_restarts = self._met = 0
        self._asked = False
        self.begin()

    @property
    def judges(self) -> bool:
        """Whether a judge watches."""
        return self._judge is not None and not self._broken

    def begin(self) -> None:
        """A new crossing: forget everything."""
        self._broken = self._alarm = self._spoiled = self._challenge_lost = False
        self._unsettled_s = 0.0
        self._stamp: float | None = None
        self._fresh()
        if self._judge is not None:
            self._judge.begin()

    def end(self) -> None:
        """The crossing ended: nothing of it is kept."""
        if self._judge is not None:
            self._judge.end()
        self.begin()

    def begin_anew(self) -> None:
        """Somebody else is before the camera: what was gathered is not theirs. What was decided against the crossing stands."""
        if self._judge is not None:
            self._judge.begin()
        self._fresh()

    def interrupt(self) -> None:
        """The camera was lost: nothing that was seen is kept. What was decided against the crossing stands."""
        if self._judge is not None:
            self._judge.end()
        self.begin_anew()

    def spoil(self) -> None:
        """Nobody can be judged live in this crossing any more: the face that was compared is gone."""
        self._spoiled = True

    def observe(self, frame: Frame, place: FacePlace | None) -> bool:
        """Show one frame to judge and challenger; True when the evidence began anew, because the judge saw another face.

        Args:
            frame: The frame.
            place: The traveller's face in it; None when there is none that counts.
        """
        judge = self._judge
        if judge is None or self._broken:
            return False
        try:
            judge.observe(frame, place)
            assessment = judge.assess()
            if self._challenger is not None:
                self._challenger.observe(frame, place)
        except DeviceError as error:
            log.warning("presentation attack detection failed: not performed", code=error.code, what=error.what, remedy=error.remedy)
            self._broken = True
            judge.end()
            return False
        anew = assessment.restarts > self._judge_restarts
        if anew:
            self._fresh()
            self._judge_restarts = assessment.restarts
        self._weigh(assessment, frame.stamp)
        return anew

    def verdict(self) -> PadDecision:
        """What stands at this moment."""
        if self._alarm:
            return PadDecision.ATTACK
        if not self.judges:
            return PadDecision.NOT_PERFORMED
        live = (self._earned and self._decision is PadDecision.LIVE) or self._met >= self._options.pad_challenges
        return PadDecision.LIVE if live and not self._spoiled else PadDecision.UNDETERMINED

    def note_undetermined(self) -> None:
        """For the engineer: why nothing was decided. A camera or machine that gives too few frames a second shows here."""
        if self._judge is not None and self.judges:
            log.info("it was not told in time whether a living face is before the camera", **_numbers(self._judge.assess()))

    def challenge(self, now: float) -> Prompt | None:
        """Ask for something, or for the next thing, when it is time to; what to show then.

        Args:
            now: Monotonic seconds; call it when the check has waited for as long as the policy says.
        """
        challenger = self._challenger
        if challenger is None or not self.judges or self._challenge_lost or self._met >= self._options.pad_challenges:
            return None
        if self._asked:
            outcome = challenger.outcome(now)
            if outcome is ChallengeOutcome.PENDING:
                return None
            self._asked = False
            if outcome is ChallengeOutcome.FAILED:
                self._challenge_lost = True
                log.info("challenge not met", met=self._met)
                return None
            self._met += 1
            if self._met >= self._options.pad_challenges:
                return None
        kind = challenger.ask(now)
        self._asked = kind is not None
        return ASKED[kind] if kind is not None else None

    def _fresh(self) -> None:
        """Evidence of one face begins."""
        self._earned = False
        self._decision = PadDecision.UNDETERMINED
        self._judge_restarts = 0
        self._asked = False
        self._met = 0
        if self._challenger is not None:
            self._challenger.begin()

    def _weigh(self, assessment: PadAssessment, stamp: float) -> None:
        limits, since = self._limits, self._stamp
        self._stamp = stamp
        self._decision = decide(assessment, limits)
        could_tell = assessment.frames >= limits.least_frames and assessment.span_s >= limits.least_span_s
        if self._decision is PadDecision.ATTACK and not self._alarm:
            self._alarm = True
            log.warning("a picture of a face is suspected before the camera", **_numbers(assessment))
        elif self._decision is PadDecision.LIVE and self._unsettled_s <= self._options.pad_decide_within_s - limits.least_span_s:
            self._earned = True
        elif could_tell and not self._earned and since is not None:
            self._unsettled_s += stamp - since


def _numbers(assessment: PadAssessment) -> dict[str, object]:
    """For the engineer's log: numbers, nothing of a picture."""
    cues = {cue.name: None if cue.value is None else round(cue.value, 3) for cue in assessment.cues}
    rate = assessment.frames / assessment.span_s if assessment.span_s > 0 else 0.0
    numbers: dict[str, object] = {"score": assessment.score, "frames": assessment.frames, "span_s": round(assessment.span_s, 2)}
    if assessment.parts:  # in the order in which the driver names its judges: which of them it was
        numbers["judges"] = [{"score": part.score, "frames": part.frames} for part in assessment.parts]
    return {**numbers, "frames_per_s": round(rate, 1), "cues": cues}
