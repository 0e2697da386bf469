"""What is built beside the face matcher: the judge of presentation attacks, its challenge, a second model."""

from pathlib import Path

import pytest

from drivers.pad.challenge import LandmarkChallenger
from drivers.pad.passive import PassiveJudge
from gate_controller.composition.compose import _devices
from gate_controller.composition.registry import load_drivers
from gate_controller.ports.clock import SystemClock
from gate_controller.settings import InvalidConfigurationError, load
from gate_controller.settings.render import derive

TOP = Path(__file__).parents[2]


@pytest.fixture
def build(tmp_path):
    def build(**devices):
        config = tmp_path / "gate.toml"
        config.write_text(derive(TOP / "config" / "simulated.toml", {"devices": devices, "models": {"directory": str(TOP / "var" / "models")}}))
        return _devices(load(config, load_drivers()), SystemClock())

    return build


def test_a_judge_and_its_challenge_are_built_when_they_are_configured(build):
    devices = build(pad={"driver": "passive"}, pad_challenge={"driver": "landmarks"})
    assert isinstance(devices.pad, PassiveJudge)
    assert isinstance(devices.pad_challenge, LandmarkChallenger)
    assert devices.face_matcher_2 is None
    without = build()
    assert (without.pad, without.pad_challenge) == (None, None)


def test_a_second_model_is_another_one(build):
    with pytest.raises(InvalidConfigurationError) as caught:
        build(face_matcher_2={"driver": "sface"})
    (problem,) = caught.value.problems
    assert "[devices.face_matcher_2]" in str(problem)
    assert 'is "sface-2021dec" as well' in str(problem)


def test_coefficients_that_are_not_those_named_are_refused(build):
    with pytest.raises(Exception, match="PAD model") as caught:
        build(pad={"driver": "passive", "coefficients": "none.json", "coefficients_sha256": "0" * 64})
    assert "\n" not in str(caught.value)
