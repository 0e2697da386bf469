"""The drain over captures written by hand: what OpenCV does that no simulator can be made to do."""

import itertools
import threading

import cv2
import numpy as np
import pytest

from drivers.camera import CameraOptions
from drivers.camera.capture import OpenCapture
from drivers.camera.opencv import OpenCvCamera
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import DeviceAbsentError, DeviceBusyError, DeviceError, DeviceProtocolError, DeviceTimeoutError, DeviceUntrustedError

PATIENCE_S = 20.0
OPTIONS = {
    "source": "http://127.0.0.1:9/stream",
    "width": 64,
    "height": 64,
    "open_timeout_s": 0.1,
    "read_timeout_s": 0.1,
    "reopen_min_s": 0.01,
    "reopen_max_s": 0.02,
    "stale_after_s": 10,
}


def picture(seed, height=64, width=64):
    return np.random.default_rng(seed).integers(40, 200, (height, width, 3), dtype=np.uint8)


class Capture:
    """Gives its frames, then ends as `end` says: False, an exception, or blocked until released by the test."""

    def __init__(self, frames=(), end=False):
        self.frames = list(frames)
        self.end = end
        self.blocked = threading.Event()
        self.unblocked = threading.Event()
        self.released = threading.Event()

    def read(self):
        if self.frames:
            return True, self.frames.pop(0)
        if isinstance(self.end, Exception):
            raise self.end
        if self.end == "blocks":
            self.blocked.set()
            self.unblocked.wait(PATIENCE_S)
            if self.frames:
                return True, self.frames.pop(0)
        return False, None

    def release(self):
        assert not self.released.is_set(), "released twice"
        self.released.set()

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return True

    def get(self, _prop):
        return 0.0

    def set(self, _prop, _value):
        return True


class Opener:
    """Gives out captures or raises errors in turn; the last goes on for ever."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.opened = []
        self.exhausted = threading.Event()

    def __call__(self, _options, _clock):
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if len(self.steps) == 1 and step is self.steps[0]:
            self.exhausted.set()
        self.opened.append(step)
        if isinstance(step, Exception):
            raise step
        return OpenCapture(step, {"card": "Gate Cam"})


@pytest.fixture
def camera_over():
    cameras = []

    def make(*steps, **options):
        opener = Opener(*steps)
        camera = OpenCvCamera(CameraOptions(**{**OPTIONS, **options}), SystemClock(), opener)
        cameras.append(camera)
        return camera, opener

    yield make
    for camera in cameras:
        camera.close()


def soon(seconds=PATIENCE_S):
    return SystemClock().monotonic() + seconds


GONE = DeviceAbsentError("no camera at /dev/video0", "plug it in")


@pytest.mark.parametrize("error", [GONE, DeviceBusyError("another program uses it", "find it"), DeviceError("strange", "look")])
def test_open_raises_what_the_opener_says(camera_over, error):
    camera, _ = camera_over(error)
    with pytest.raises(type(error)) as raised:
        camera.open(soon())
    assert raised.value.what == error.what
    assert raised.value.remedy == error.remedy


def test_open_again_after_an_error(camera_over):
    camera, opener = camera_over(GONE)
    with pytest.raises(DeviceAbsentError):
        camera.open(soon())
    blocked = Capture([picture(1)], end="blocks")
    opener.steps = [blocked]
    camera.open(soon())
    assert (camera.frame(0, soon()).image == picture(1)).all()
    assert camera.describe()["card"] == "Gate Cam"
    blocked.unblocked.set()


def test_an_ended_stream_is_opened_again_and_the_sequence_goes_on(camera_over):
    last = Capture([picture(3)], end="blocks")
    camera, _ = camera_over(Capture([picture(1), picture(2)]), GONE, GONE, last)
    camera.open(soon())
    newest, images = 0, []
    while not images or not (images[-1] == picture(3)).all():
        frame = camera.frame(newest, soon())
        assert frame.sequence > newest
        newest = frame.sequence
        images.append(frame.image)
    assert newest == 3
    last.unblocked.set()


def test_an_unplugged_camera_is_absent(camera_over):
    camera, opener = camera_over(Capture([picture(1)]), GONE)
    camera.open(soon())
    assert opener.exhausted.wait(PATIENCE_S)
    with pytest.raises(DeviceAbsentError) as raised:
        camera.frame(1, soon(0.2))
    assert raised.value.what


@pytest.mark.parametrize("error", [cv2.error("retrieve failed"), RuntimeError("from the binding"), ValueError("odd")])
def test_no_foreign_exception_leaves_and_none_ends_the_drain(camera_over, error):
    last = Capture([picture(2)], end="blocks")
    camera, _ = camera_over(Capture([picture(1)], end=error), last)
    camera.open(soon())
    newest = camera.frame(0, soon()).sequence
    while newest < 2:
        newest = camera.frame(newest, soon()).sequence
    last.unblocked.set()


def test_a_foreign_exception_of_the_opener_is_a_device_error(camera_over):
    camera, _ = camera_over(RuntimeError("private words"))
    with pytest.raises(DeviceError) as raised:
        camera.open(soon())
    assert "private words" not in str(raised.value)


class Stuttering(Capture):
    """Frames, and None for a frame that did not decode."""

    def read(self):
        ok, frame = super().read()
        return (False, None) if frame is None else (ok, frame)


def test_broken_first_frames_of_a_device_are_passed_over(camera_over):
    stuttering = Stuttering([None, None, None, picture(1)], end="blocks")
    camera, opener = camera_over(stuttering, source="/dev/video0")
    camera.open(soon())
    assert (camera.frame(0, soon()).image == picture(1)).all()
    assert len(opener.opened) == 1
    stuttering.unblocked.set()


def test_a_device_that_sends_only_broken_frames_is_a_fault(camera_over):
    camera, _ = camera_over(Stuttering([None] * 4), source="/dev/video0")
    with pytest.raises(DeviceProtocolError):
        camera.open(soon())


def test_a_stream_is_opened_again_at_the_first_false(camera_over):
    camera, _ = camera_over(Stuttering([None, picture(1)]))
    with pytest.raises(DeviceProtocolError):
        camera.open(soon())


def test_every_capture_is_released_once(camera_over):
    captures = [Capture([picture(number)]) for number in range(3)]
    last = Capture([picture(9)], end="blocks")
    camera, _ = camera_over(*captures, last)
    camera.open(soon())
    for capture in captures:
        assert capture.released.wait(PATIENCE_S)
    assert last.blocked.wait(PATIENCE_S)
    last.unblocked.set()
    camera.close()
    assert last.released.is_set()


def test_close_does_not_wait_for_a_read_that_never_comes_back(camera_over):
    stuck = Capture([picture(1)], end="blocks")
    camera, _ = camera_over(stuck)
    camera.open(soon())
    camera.close()
    assert not stuck.released.is_set(), "close() came back before the read did"
    stuck.unblocked.set()
    assert stuck.released.wait(PATIENCE_S), "the thread lets go of the device when it comes back"


def test_a_thread_left_behind_changes_nothing_for_the_next(camera_over):
    stuck, fresh = Capture([picture(1)], end="blocks"), Capture([picture(2)], end="blocks")
    camera, opener = camera_over(stuck)
    camera.open(soon())
    camera.close()
    opener.steps = [fresh]
    camera.open(soon())
    stuck.frames = [picture(7)]
    stuck.unblocked.set()
    assert stuck.released.wait(PATIENCE_S)
    assert (camera.frame(0, soon(0.1)).image == picture(2)).all()
    fresh.unblocked.set()


def test_open_gives_up_at_the_deadline_when_opencv_blocks(camera_over):
    stuck = Capture(end="blocks")
    camera, _ = camera_over(stuck)
    with pytest.raises(DeviceTimeoutError):
        camera.open(soon(0.1))
    stuck.unblocked.set()


def test_a_stale_frame_is_not_given_out(camera_over):
    stuck = Capture([picture(1)], end="blocks")
    camera, _ = camera_over(stuck, stale_after_s=0.05)
    camera.open(soon())
    with pytest.raises(DeviceTimeoutError):
        camera.frame(1, soon(0.1))  # by now it is stale for certain
    with pytest.raises(DeviceTimeoutError) as raised:
        camera.frame(0, soon(-1))
    assert "s old" in raised.value.what
    stuck.unblocked.set()


def test_another_size_than_configured_is_an_error_at_open(camera_over):
    wide = Capture([picture(1, width=128)], end="blocks")
    camera, _ = camera_over(wide)
    wide.unblocked.set()
    with pytest.raises(DeviceUntrustedError) as raised:
        camera.open(soon())
    assert "64x64" in raised.value.what
    assert "128x64" in raised.value.what


def test_a_size_that_changes_on_the_way_is_an_error_long_before_the_deadline(camera_over):
    class Changing(Capture):
        def read(self):
            ok, frame = super().read()
            return (ok, frame) if ok else (True, picture(1, width=128))

    changing = Changing([picture(1)], end="blocks")
    camera, _ = camera_over(changing)
    camera.open(soon())
    changing.unblocked.set()
    deadline = soon(PATIENCE_S)
    with pytest.raises(DeviceUntrustedError):
        camera.frame(1, deadline)
    assert soon(0) < deadline
    with pytest.raises(DeviceUntrustedError):
        camera.frame(0, deadline)  # nor is the last good frame given out any more


def test_a_repeated_frame_is_not_a_new_one(camera_over):
    repeating = Capture([picture(1), picture(1), picture(1)], end="blocks")
    camera, _ = camera_over(repeating)
    camera.open(soon())
    assert repeating.blocked.wait(PATIENCE_S)
    assert camera.frame(0, soon()).sequence == 1
    with pytest.raises(DeviceTimeoutError):
        camera.frame(1, soon(0.05))
    repeating.unblocked.set()


def test_a_frozen_camera_is_opened_again_and_found_gone(camera_over):
    class Repeating(Capture):
        def read(self):
            return True, picture(1)

    frozen = Repeating()
    camera, opener = camera_over(frozen, GONE, frozen_after_s=0.2)
    camera.open(soon())
    assert opener.exhausted.wait(PATIENCE_S), "it was opened again"
    assert frozen.released.is_set()
    with pytest.raises(DeviceAbsentError):
        camera.frame(1, soon(0.2))


class HandClock:
    now = 100.0

    def monotonic(self):
        return self.now


class HandFed(Capture):
    """A camera that never ends, in the test's own time: each of `run()`'s frames takes a tenth of a second, those after them none."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.lock = threading.Lock()
        self.idle = threading.Event()
        self.run(moving(), 1)

    def run(self, scene, frames):
        with self.lock:
            self.idle.clear()
            self.scene, self.ahead = scene, frames

    def read(self):
        self.unblocked.wait(0.002)  # paces the thread; nothing depends on it
        with self.lock:
            if self.ahead > 0:
                self.ahead -= 1
                self.clock.now += 0.1
            else:
                self.idle.set()
            return True, next(self.scene)

    def release(self):
        """It stays plugged in and may be opened again."""


def moving():
    return (picture(seed) for seed in itertools.count())


def still():
    return (picture(1) for _ in itertools.count())


def dark():
    return (picture(seed) // 100 for seed in itertools.count())


@pytest.fixture
def hand_fed():
    clock = HandClock()
    capture = HandFed(clock)
    camera = OpenCvCamera(CameraOptions(**{**OPTIONS, "stale_after_s": 0.5}), clock, lambda *_: OpenCapture(capture, {}))
    yield camera, capture
    camera.close()


def spoil(camera, capture, scene, word):
    """Three seconds of a scene that must not be trusted; the sequence of the last frame handed out before."""
    camera.open(capture.clock.now + 10)
    newest = camera.frame(-1, capture.clock.now + 10).sequence
    capture.run(scene, 30)
    assert capture.idle.wait(PATIENCE_S)
    with pytest.raises(DeviceUntrustedError, match=word):
        camera.frame(-1, capture.clock.now)
    return newest


@pytest.mark.parametrize(("scene", "word"), [(still, "frozen"), (dark, "dark")])
def test_a_camera_that_must_not_be_trusted_stays_so_however_often_it_is_opened(hand_fed, scene, word):
    camera, capture = hand_fed
    newest = spoil(camera, capture, scene(), word)
    for pause_s in (0.1, 1.0, 60.0):
        camera.close()
        capture.clock.now += pause_s
        capture.run(scene(), 30)
        with pytest.raises(DeviceUntrustedError, match=word):
            camera.open(capture.clock.now + 10)
    capture.run(moving(), 1)
    camera.open(capture.clock.now + 10)
    assert camera.frame(-1, capture.clock.now + 10).sequence > newest


def test_a_camera_that_was_dark_has_time_to_find_its_exposure(hand_fed):
    camera, capture = hand_fed
    spoil(camera, capture, dark(), "dark")
    camera.close()
    capture.run(itertools.chain(itertools.islice(dark(), 5), moving()), 10)
    camera.open(capture.clock.now + 10)
    assert camera.frame(-1, capture.clock.now + 10).image.mean() > 40


def test_repeats_are_untrusted_when_the_deadline_comes_before_the_limit(hand_fed):
    camera, capture = hand_fed
    camera.open(capture.clock.now + 10)
    capture.run(still(), 12)
    assert capture.idle.wait(PATIENCE_S)
    with pytest.raises(DeviceUntrustedError, match="frozen"):
        camera.frame(-1, capture.clock.now)
    camera.close()
    capture.run(still(), 4)
    with pytest.raises(DeviceUntrustedError, match="frozen"):
        camera.open(capture.clock.now + 0.35)


def test_the_same_error_is_raised_anew_for_every_caller(camera_over):
    camera, opener = camera_over(Capture([picture(1)]), GONE)
    camera.open(soon())
    assert opener.exhausted.wait(PATIENCE_S)
    errors = []
    for _ in range(2):
        with pytest.raises(DeviceError) as raised:
            camera.frame(10, soon(0.05))
        errors.append(raised.value)
    assert errors[0] is not errors[1]
