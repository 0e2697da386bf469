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


THRESHOLD = {"decision_threshold": 0.4, "fmr": 0.001, "population": "nobody"}
OTHER = {"driver": "sface", "recogniser": "other.onnx", "recogniser_sha256": "ab" * 32}


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ({}, {"driver": "sface"}, "has the model name of"),
        ({**OTHER, "model": "x-net"}, {**OTHER, "model": "x-net", "recogniser_sha256": "cd" * 32}, "has the model name of"),
        ({**OTHER, "model": "x-net"}, {**OTHER, "model": "y-net"}, "has the model weights of"),
        ({"driver": "dlib"}, {"driver": "dlib", "net": "dlib"}, "has the model name of"),
    ],
)
def test_a_second_model_is_another_one_by_name_and_by_weights(refusals, first, second, says):
    found = refusals(first, second)
    assert len(found) == 1
    assert "[devices.face_matcher_2]" in found[0]
    assert says in found[0]


@pytest.mark.parametrize(("least", "is_refused"), [(47, True), (48, False), (80, False), (81, True)])
def test_both_models_look_at_the_same_face(refusals, least, is_refused):
    found = refusals({}, {"driver": "dlib", "min_face_px": least, "second_face_px": 40})
    assert bool(found) is is_refused
    assert all("[devices.face_matcher_2] min_face_px" in line for line in found)


def test_the_second_models_threshold_is_looked_for_before_anything_is_stopped(refusals):
    (line,) = refusals({}, {**OTHER, "model": "y-net"}, face={"x-net": THRESHOLD})
    assert 'there is no decision threshold for the face model "y-net"' in line


@pytest.fixture
def refusals(tmp_path):
    """What load() finds wrong with these two matchers; each has a threshold."""

    def refusals(first, second, face=None):
        thresholds = dict.fromkeys(("x-net", "y-net", "dlib-resnet-v1"), THRESHOLD) if face is None else face
        config = tmp_path / "gate.toml"
        devices = {"face_matcher_2": second, **({"face_matcher": first} if first else {})}
        config.write_text(derive(TOP / "config" / "simulated.toml", {"devices": devices, "policy": {"face": thresholds}}))
        try:
            load(config, load_drivers())
        except InvalidConfigurationError as error:
            return [str(problem) for problem in error.problems]
        return []

    return refusals


def test_coefficients_that_are_not_those_named_are_refused(build):
    with pytest.raises(Exception, match="PAD model") as caught:
        build(pad={"driver": "passive", "coefficients": "none.json", "coefficients_sha256": "0" * 64})
    assert "\n" not in str(caught.value)
