"""The passive judge on a few sequences of people it was not tuned on; `make pad` judges all of them."""

import pytest

from gate_controller.ports.pad import PadDecision, PadLimits, decide

LIMITS = PadLimits(live_at=0.3, attack_at=0.7, least_frames=18, least_span_s=0.75)  # a shorter look than docs/pad.md proposes: rendering is slow


def judged(judge, sequence):
    judge.begin()
    for frame, face in sequence:
        judge.observe(frame, face)
    return judge.assess()


@pytest.mark.parametrize(("kind", "person"), [("live_still", "person07"), ("print", "person08"), ("screen_replay", "person09")])
def test_live_passes_and_attacks_do_not(passive, seen, kind, person):
    assessment = judged(passive, seen(kind, person))
    assert decide(assessment, LIMITS) is (PadDecision.LIVE if kind.startswith("live") else PadDecision.ATTACK), assessment
