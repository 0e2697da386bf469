"""What a traveller is told of a face that cannot be used: the first thing to change, by what was measured."""

from dataclasses import replace

import pytest

from gate_controller.core.prompts import Prompt
from gate_controller.ports.devices import FaceAnalysis, FacePlace, FaceQuality
from gate_controller.runtime.face_guidance import PERSISTENT_FRAMES, Cause, Guide, cause

GOOD = FaceQuality(eye_distance_px=60, sharpness=100, brightness=128, off_centre=0.05, roll_deg=1, score=0.9)
LEAST = 0.5


def seen(**measures):
    return FaceAnalysis(1, None, FacePlace((200, 120, 200, 240), None), replace(GOOD, **({"score": 0.2} | measures)))


@pytest.mark.parametrize(
    ("measures", "why", "prompt"),
    [
        ({"brightness": 12}, Cause.DARK, Prompt.MORE_LIGHT),
        ({"brightness": 240}, Cause.BRIGHT, Prompt.LOOK_HERE),
        ({"sharpness": 9}, Cause.BLURRED, Prompt.HOLD_STILL),
        ({"brightness": 12, "sharpness": 9}, Cause.DARK, Prompt.MORE_LIGHT),  # in the dark everything is blurred
        ({"turn": 0.5}, Cause.TURNED, Prompt.LOOK_HERE),
        ({"roll_deg": 30}, Cause.TURNED, Prompt.LOOK_HERE),
        ({"eyes": 0.01}, Cause.EYES_COVERED, Prompt.LOOK_HERE),
        ({"off_centre": 0.4}, Cause.OFF_CENTRE, Prompt.LOOK_HERE),
        ({"eye_distance_px": 12}, Cause.TOO_FAR, Prompt.COME_CLOSER),
        ({"share": 0.8}, Cause.TOO_NEAR, Prompt.STEP_BACK),
        ({}, Cause.UNSURE, Prompt.LOOK_HERE),
    ],
)
def test_each_cause_has_its_advice(measures, why, prompt):
    assert cause(seen(**measures), LEAST) is why
    guide = Guide()
    told = [guide.advise(why, now=number / 15) for number in range(PERSISTENT_FRAMES)]
    assert told == [None] * (PERSISTENT_FRAMES - 1) + [prompt]
    assert guide.causes == {why.value: PERSISTENT_FRAMES}


@pytest.mark.parametrize("measures", [{"brightness": 12}, {"sharpness": 9}, {"roll_deg": 30}])
def test_who_can_be_used_is_told_nothing(measures):
    assert cause(seen(score=0.9, **measures), LEAST) is None
