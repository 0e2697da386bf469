"""Weights are checked before a net is built from them; settings that cannot work are refused with a remedy."""

import hashlib
import shutil

import pytest
from pydantic import ValidationError

from drivers.face import DLIB, SFACE, SfaceOptions
from drivers.face.weights import SFACE_2021DEC, YUNET_2023MAR
from gate_controller.ports.devices import FaceModel
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import ConfigurationError


@pytest.fixture
def models(tmp_path, context):
    """A directory of models of one's own: YuNet as it is, SFace linked."""
    shutil.copy(context.models / YUNET_2023MAR.file, tmp_path)
    (tmp_path / SFACE_2021DEC.file).symlink_to(context.models / SFACE_2021DEC.file)
    return tmp_path


def build(driver, models, context, **options):
    return driver.build(driver.options(**options), DriverContext(context.clock, models, context.warn))


def test_the_models_in_place_are_used(models, context):
    matcher = build(SFACE, models, context)
    assert (matcher.model.name, matcher.model.weights_sha256) == ("sface-2021dec", SFACE_2021DEC.sha256)


@pytest.mark.parametrize("driver", [SFACE, DLIB], ids=["sface", "dlib"])
def test_a_missing_detector_is_named_with_a_remedy(driver, models, context):
    (models / YUNET_2023MAR.file).unlink()
    with pytest.raises(ConfigurationError, match=f"{YUNET_2023MAR.file}: No such file") as refused:
        build(driver, models, context)
    assert "make models" in refused.value.remedy


def test_a_missing_recogniser_is_named_with_a_remedy(models, context):
    (models / SFACE_2021DEC.file).unlink()
    with pytest.raises(ConfigurationError, match=f"{SFACE_2021DEC.file}: No such file") as refused:
        build(SFACE, models, context)
    assert "make models" in refused.value.remedy


def test_one_flipped_bit_is_refused(models, context):
    path = models / YUNET_2023MAR.file
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match="sha256 differs"):
        build(SFACE, models, context)


def test_a_file_of_ones_own_needs_its_own_hash_and_must_be_a_net(models, context):
    data = b"not a net" * 100
    (models / "own.onnx").write_bytes(data)
    with pytest.raises(ConfigurationError, match="sha256 differs"):
        build(SFACE, models, context, recogniser="own.onnx")
    with pytest.raises(ConfigurationError, match="cannot build a net"):
        build(SFACE, models, context, recogniser="own.onnx", recogniser_sha256=hashlib.sha256(data).hexdigest(), model="own")
    with pytest.raises(ConfigurationError, match="cannot build a net"):
        build(SFACE, models, context, detector="own.onnx", detector_sha256=hashlib.sha256(data).hexdigest())


def test_a_net_that_makes_no_embeddings_is_refused(models, context):
    with pytest.raises(ConfigurationError):
        build(SFACE, models, context, recogniser=YUNET_2023MAR.file, recogniser_sha256=YUNET_2023MAR.sha256, model="yunet")


def test_a_net_of_ones_own_makes_templates_of_its_own(models, context):
    data = (models / SFACE_2021DEC.file).read_bytes() + b"\x12\x01x"  # the same net by another producer (ModelProto.producer_name)
    (models / "site.onnx").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    matcher = build(SFACE, models, context, recogniser="site.onnx", recogniser_sha256=digest, model="site-7")
    assert matcher.model == FaceModel("site-7", digest)


@pytest.mark.parametrize(
    "options",
    [
        {"recogniser": "../elsewhere.onnx"},
        {"recogniser": "/etc/passwd"},
        {"recogniser_sha256": "0ba9fbfa"},
        {"min_face_px": 40, "second_face_px": 48},
        {"threads": 0},
        {"threshold": 1.0},
        {"recogniser": "own.onnx", "recogniser_sha256": "ab" * 32},  # thresholds go by the name: another net under SFace's would be judged by SFace's
        {"recogniser": "own.onnx", "recogniser_sha256": "ab" * 32, "model": "dlib-resnet-v1"},
        {"model": "site-7"},  # and SFace under another would escape the largest threshold that is known to be safe
    ],
)
def test_options_that_cannot_be_meant_are_refused(options):
    with pytest.raises(ValidationError):
        SfaceOptions(**options)
