import numpy as np
import pytest

from drivers.camera import CameraOptions
from drivers.camera.trust import FrameTrust, is_dark

OPTIONS = CameraOptions(source=0, frozen_after_s=2.0, dark_after_s=1.0)
RNG = np.random.default_rng(5)


def noisy(mean=90, sigma=3, shape=(240, 320, 3)):
    return np.clip(RNG.normal(mean, sigma, shape), 0, 255).astype(np.uint8)


@pytest.fixture
def trust():
    return FrameTrust(OPTIONS)


def test_live_frames_are_new_and_trusted(trust):
    for number in range(30):
        verdict = trust.judge(noisy(), number / 10)
        assert (verdict.new, verdict.fault) == (True, None)


def test_a_repeated_frame_is_not_new(trust):
    frame = noisy()
    trust.judge(frame, 0.0)
    verdict = trust.judge(frame.copy(), 0.1)
    assert (verdict.new, verdict.fault) == (False, None)


def test_what_the_taker_draws_on_a_frame_does_not_make_the_next_one_new(trust):
    taken = noisy()
    again = taken.copy()
    trust.judge(taken, 0.0)
    taken[:] = 0
    assert not trust.judge(again, 0.1).new


def test_one_different_pixel_is_a_new_frame(trust):
    frame = noisy()
    trust.judge(frame, 0.0)
    other = frame.copy()
    other[17, 33, 1] ^= 1  # in a row that is not sampled
    assert trust.judge(other, 0.1).new


def test_frozen_exactly_after_the_limit_and_trusted_again_with_new_content(trust):
    frame = noisy()
    trust.judge(frame, 10.0)
    assert trust.judge(frame.copy(), 11.99).fault is None
    fault = trust.judge(frame.copy(), 12.0).fault
    assert fault is not None
    assert "not changed" in fault.what
    assert trust.judge(noisy(), 12.1).fault is None


def test_a_frozen_camera_stays_frozen_over_a_pause(trust):
    frame = noisy()
    trust.judge(frame, 0.0)
    assert trust.judge(frame.copy(), 60.0).fault is not None


def test_dark_exactly_after_the_limit_and_trusted_again_with_light(trust):
    assert trust.judge(noisy(3, 2), 0.0).fault is None
    assert trust.judge(noisy(3, 2), 0.99).fault is None
    fault = trust.judge(noisy(3, 2), 1.0).fault
    assert fault is not None
    assert "light" in fault.what
    assert trust.judge(noisy(), 1.1).fault is None
    assert trust.judge(noisy(3, 2), 1.2).fault is None, "the limit counts from the last light"


def test_a_changed_size_is_a_new_frame(trust):
    trust.judge(noisy(), 0.0)
    assert trust.judge(noisy(shape=(120, 160, 3)), 0.1).new


def test_hot_pixels_are_no_light():
    frame = noisy(2, 1, (720, 1280, 3))
    frame[::97, ::89] = 255
    assert is_dark(frame, 12)


def test_a_lit_phone_in_the_dark_is_light():
    frame = noisy(2, 1, (720, 1280, 3))
    frame[300:400, 600:680] = 120
    assert not is_dark(frame, 12)


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 2000, 3), (64, 64, 3), (64, 64)])
def test_any_shape_is_judged(trust, shape):
    assert trust.judge(noisy(shape=shape), 0.0).fault is None
