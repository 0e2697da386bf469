"""dlib's face net run by OpenCV gives dlib's own encodings; its file is read strictly, and nothing else passes for it."""

import random

import cv2
import numpy as np
import pytest

from drivers.face import DLIB, SFACE, dlib_landmarks, dlib_opencv
from drivers.face.dlib_net import LENGTH, to_onnx
from drivers.face.weights import DLIB_LANDMARKS_5, DLIB_RESNET_V1
from gate_controller.ports.errors import ConfigurationError

AGREE = 1e-5
"""Greatest difference in one number; measured 4e-7. One number of an encoding is .12 or so, and people differ by .3 and more in all."""


@pytest.fixture(scope="module")
def by_dlib(context):
    return DLIB.build(DLIB.options(net="dlib"), context)


@pytest.fixture(scope="module")
def weights():
    return (dlib_landmarks.models() / DLIB_RESNET_V1.file).read_bytes()


def turned(image, degrees):
    height, width = image.shape[:2]
    return cv2.warpAffine(image, cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1), (width, height))


def pictures(picture, people):
    """Everybody once; and turned, cut by the frame's edge, small, dark: what the crop is made of differently."""
    yield from (picture(f"{person}_{1 + number % 4}") for number, person in enumerate(people))
    yield turned(picture("person03_2"), 20)
    yield np.ascontiguousarray(picture("person05_1")[:, 260:])
    yield cv2.resize(picture("person07_1"), None, fx=0.5, fy=0.5)
    yield picture("person09_1") // 4


def test_the_encodings_are_dlibs_own(dlib, by_dlib, picture, people):
    assert dlib.model == by_dlib.model
    compared = 0
    for image in pictures(picture, people):
        ours, theirs = dlib.analyse(image).probe, by_dlib.analyse(image).probe
        assert (ours is None) == (theirs is None)
        if ours is None:
            continue
        compared += 1
        assert np.abs(ours.embedding - theirs.embedding).max() <= AGREE
        assert by_dlib.compare(theirs, dlib.template(ours)) <= AGREE * LENGTH**0.5
    assert compared >= 14


def test_the_file_gives_the_same_net_every_time(weights):
    assert to_onnx(weights) == to_onnx(weights)


@pytest.mark.parametrize("length", [0, 1, 300, 345, 10_000, -1])
def test_a_file_that_ends_early_is_refused(weights, length):
    with pytest.raises(ConfigurationError, match="dlib's face net"):
        to_onnx(weights[:length])


def test_a_file_that_goes_on_is_refused(weights):
    with pytest.raises(ConfigurationError, match="bytes after the net"):
        to_onnx(weights + b"\0")


def test_no_damage_to_the_structure_is_taken_or_is_a_bug(weights):
    """The structure up to the first weights; a changed weight is the hash's business."""
    chance = random.Random(1)
    for _ in range(300):
        data = bytearray(weights[:400])
        data[chance.randrange(0x160)] ^= 1 << chance.randrange(8)
        with pytest.raises(ConfigurationError, match="dlib's face net"):
            to_onnx(bytes(data))


@pytest.mark.parametrize("which", [DLIB_RESNET_V1, DLIB_LANDMARKS_5], ids=["net", "landmarks"])
def test_one_flipped_bit_is_refused(which, tmp_path, context, monkeypatch):
    for file in (DLIB_RESNET_V1.file, DLIB_LANDMARKS_5.file):
        (tmp_path / file).symlink_to(dlib_landmarks.models() / file)
    data = bytearray((tmp_path / which.file).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / which.file).unlink()
    (tmp_path / which.file).write_bytes(data)
    for module in (dlib_landmarks, dlib_opencv):
        monkeypatch.setattr(module, "models", lambda: tmp_path)
    with pytest.raises(ConfigurationError, match=f"{which.file}: not the expected file") as refused:
        DLIB.build(DLIB.options(), context)
    assert "locked requirements" in refused.value.remedy


@pytest.mark.parametrize("driver", [SFACE, DLIB], ids=["sface", "dlib"])
def test_missing_models_are_named_with_a_remedy(driver, context, monkeypatch):
    monkeypatch.setattr(dlib_landmarks, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match="need face_recognition_models") as refused:
        driver.build(driver.options(), context)
    assert "locked requirements" in refused.value.remedy
