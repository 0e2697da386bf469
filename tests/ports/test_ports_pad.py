"""The decision: score and limits in, one of four out."""

import math

import pytest

from gate_controller.ports.pad import PadAssessment, PadDecision, PadLimits, decide

LIMITS = PadLimits(live_at=0.3, attack_at=0.7, least_frames=10, least_span_s=1.0)


@pytest.mark.parametrize(
    ("score", "frames", "span_s", "decision"),
    [
        (0.0, 10, 1.0, PadDecision.LIVE),
        (0.3, 10, 1.0, PadDecision.LIVE),
        (0.31, 10, 1.0, PadDecision.UNDETERMINED),
        (0.69, 10, 1.0, PadDecision.UNDETERMINED),
        (0.7, 10, 1.0, PadDecision.ATTACK),
        (1.0, 10, 1.0, PadDecision.ATTACK),
        (0.0, 9, 1.0, PadDecision.UNDETERMINED),
        (1.0, 9, 1.0, PadDecision.UNDETERMINED),
        (0.0, 10, 0.99, PadDecision.UNDETERMINED),
        (None, 99, 9.0, PadDecision.UNDETERMINED),
        (math.nan, 99, 9.0, PadDecision.UNDETERMINED),
        (-0.1, 99, 9.0, PadDecision.UNDETERMINED),
        (1.1, 99, 9.0, PadDecision.UNDETERMINED),
    ],
)
def test_decision(score, frames, span_s, decision):
    assert decide(PadAssessment(score, frames, span_s), LIMITS) is decision


LIVE, ATTACK, SILENT, BETWEEN = PadAssessment(0.1, 20, 2.0), PadAssessment(0.9, 20, 2.0), PadAssessment(None, 20, 2.0), PadAssessment(0.5, 20, 2.0)
EARLY = PadAssessment(0.9, 3, 0.2)


@pytest.mark.parametrize(
    ("parts", "decision"),
    [
        ((LIVE, LIVE), PadDecision.LIVE),
        ((LIVE, SILENT), PadDecision.UNDETERMINED),
        ((LIVE, BETWEEN), PadDecision.UNDETERMINED),
        ((LIVE, EARLY), PadDecision.UNDETERMINED),
        ((ATTACK, SILENT), PadDecision.ATTACK),
        ((PadAssessment(None, 2, 0.1), ATTACK), PadDecision.ATTACK),
        ((PadAssessment(0.1, 2, 0.1), ATTACK), PadDecision.ATTACK),
        ((LIVE, ATTACK), PadDecision.ATTACK),
        ((EARLY, SILENT), PadDecision.UNDETERMINED),
    ],
)
def test_of_several_judges_one_gives_the_alarm_and_all_make_live(parts, decision):
    whole = PadAssessment(0.0, 99, 9.0, parts=parts)  # what it says as a whole does not count
    assert decide(whole, LIMITS) is decision
    generous = PadLimits(live_at=0.6, attack_at=0.7, least_frames=10, least_span_s=1.0)
    assert decide(PadAssessment(0.55, 99, 9.0, parts=(SILENT, BETWEEN)), generous) is PadDecision.UNDETERMINED


def test_no_judge_is_an_omission_and_never_live():
    assert decide(None, LIMITS) is PadDecision.NOT_PERFORMED


def test_evidence_is_not_in_a_repr_that_might_be_logged():
    from gate_controller.ports.pad import Cue

    assert "shake" not in repr(PadAssessment(0.5, 1, 0.0, 0, (Cue("shake", 1.0, 1.0),)))


@pytest.mark.parametrize("wrong", [(-0.1, 0.5, 1, 0), (0.5, 1.1, 1, 0), (0.6, 0.5, 1, 0), (0.1, 0.9, 0, 0), (0.1, 0.9, 1, -1), (math.nan, 0.9, 1, 0)])
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError):
        PadLimits(*wrong)
