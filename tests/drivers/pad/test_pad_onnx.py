"""The slot for a model: a tiny net that takes blue for an attack."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from drivers.pad import ONNX
from drivers.pad.onnx import EitherJudge
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import Frame
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import ConfigurationError
from gate_controller.ports.pad import FacePlace, PadAssessment, PadDecision, PadLimits, decide

_spec = importlib.util.spec_from_file_location("tiny_onnx", Path(__file__).with_name("tiny_onnx.py"))
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

# Outputs: live, attack. Channels arrive as 0..1; attack's log-odds are 10 * (blue - red).
NET = _module.tiny_onnx([[-5, 0, 5], [5, 0, -5]], [0, 0])
FACE = FacePlace((60.0, 40.0, 40.0, 50.0), np.array([[70, 55], [90, 55], [80, 65], [72, 78], [88, 78]], np.float32))
FORM = {
    "model": "tiny.onnx",
    "width": 16,
    "height": 16,
    "scale": 1 / 255,
    "outputs": 2,
    "index": 1,
    "index_is": "attack",
    "threshold": 0.5,
    "with_passive": False,
}


@pytest.fixture
def build(tmp_path):
    def build(content=NET, **changed):
        (tmp_path / "tiny.onnx").write_bytes(content)
        options = {**FORM, "model_sha256": hashlib.sha256(content).hexdigest(), **changed}
        return ONNX.build(ONNX.options(**options), DriverContext(SystemClock(), tmp_path, pytest.fail))

    return build


def frame(blue, red, number=0):
    image = np.zeros((120, 160, 3), np.uint8)
    image[..., 0], image[..., 2] = blue, red
    return Frame(image, float(number), round(5 * number))


def score(judge, *shots):
    judge.begin()
    for number, (blue, red) in enumerate(shots):
        judge.observe(frame(blue, red, number / 5), FACE)
    return judge.assess().score


def test_the_model_judges(build):
    judge = build()
    assert judge.assess().score is None
    assert score(judge, (255, 0)) > 0.99
    assert score(judge, (0, 255)) < 0.01
    assert score(judge, (100, 100)) == pytest.approx(0.5)
    assert judge.assess().cues[0].name == "tiny.onnx"
    assert judge.name == f"onnx tiny.onnx ({hashlib.sha256(NET).hexdigest()[:8]})"


def test_one_odd_frame_decides_nothing_and_old_ones_are_forgotten(build):
    judge = build(frames=3)
    assert score(judge, (0, 255), (255, 0), (0, 255)) < 0.01
    assert score(judge, (0, 255), (0, 255), (255, 0), (255, 0)) > 0.99
    assert judge.assess().frames == 4
    assert judge.assess().span_s == pytest.approx(0.6)
    judge.end()
    assert judge.assess().score is None


def test_another_face_begins_again(build):
    judge = build()
    assert score(judge, (0, 255), (0, 255)) < 0.01
    judge.observe(frame(255, 0, 0.4), FacePlace((120.0, 40.0, 40.0, 50.0), FACE.landmarks + np.float32([60, 0])))
    assert judge.assess().score > 0.99
    assert (judge.assess().frames, judge.assess().restarts) == (1, 1)


def test_order_of_colours_meaning_and_threshold_are_configured(build):
    assert score(build(colours="rgb"), (255, 0)) < 0.01
    assert score(build(index=0, index_is="live"), (255, 0)) > 0.99
    assert score(build(threshold=0.8), (100, 100)) == pytest.approx(0.5 * 0.5 / 0.8, abs=1e-3)
    assert score(build(mean=(100.0, 0.0, 0.0)), (100, 0)) == pytest.approx(0.5)


def test_a_face_that_reaches_out_of_the_frame_is_still_judged(build):
    judge = build()
    judge.observe(frame(255, 0), FacePlace((-30.0, -30.0, 90.0, 90.0), FACE.landmarks))
    assert judge.assess().score > 0.99


def test_with_the_passive_cues_both_must_be_content(build):
    judge = build(with_passive=True)
    judge.begin()
    judge.observe(frame(0, 255), FACE)
    assert decide(judge.assess(), PadLimits(live_at=0.3, attack_at=0.7, least_frames=1, least_span_s=0)) is PadDecision.UNDETERMINED, "passive saw too little"
    assert judge.name.startswith("passive-2 (")


def test_an_attack_that_one_judge_sees_is_one_while_the_other_sees_nothing(build):
    """A plain wall gives the passive judge nothing to follow: that must not hide what the model finds."""
    judge = build(with_passive=True)
    limits = PadLimits(live_at=0.3, attack_at=0.7, least_frames=6, least_span_s=1.0)
    assert score(judge, *[(255, 0)] * 8) > 0.99
    assert decide(judge.assess(), limits) is PadDecision.ATTACK
    for quiet in ((0, 255), (100, 110)):
        score(judge, *[quiet] * 8)
        assert decide(judge.assess(), limits) is PadDecision.UNDETERMINED


def test_whichever_judge_begins_anew_it_is_told(build):
    class Began:
        name = "began"

        def __init__(self, restarts):
            self.restarts = restarts

        def assess(self):
            return PadAssessment(0.1, 20, 2.0, self.restarts)

    one, other = Began(1), Began(0)
    judge = EitherJudge((one, other))
    before = judge.assess().restarts
    other.restarts = 1
    assert judge.assess().restarts > before


@pytest.mark.parametrize(
    ("content", "changed", "says"),
    [
        (b"no net", {}, "OpenCV cannot build a net"),
        (NET, {"outputs": 3}, "2 outputs, 3 configured"),
        (NET, {"model_sha256": "0" * 64}, "PAD model .*sha256 differs"),
        (NET, {"model": "other.onnx"}, "PAD model .*No such file"),
        (_module.tiny_onnx([[0, 0, 0], [0, 0, 0]], [3, 3]), {"activation": "none"}, "output 3 is no score from 0 to 1"),
        (_module.tiny_onnx([[0, 0, 0], [0, 0, 0]], [float("nan"), 0]), {}, "not finite"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_at_the_start(build, content, changed, says):
    with pytest.raises(ConfigurationError, match=says):
        build(content, **changed)


@pytest.mark.parametrize(
    "wrong", [{"index": 2}, {"threshold": 0}, {"threshold": 1}, {"model": "../net.onnx"}, {"width": 8}, {"colours": "grey"}, {"unknown": 1}]
)
def test_options_are_validated(wrong):
    with pytest.raises(ValidationError):
        ONNX.options(**{**FORM, "model_sha256": "0" * 64, **wrong})
