"""What every QrDecoder keeps to, on pictures as the in-memory camera gives them and as they arrive over a camera's JPEG stream.

Virtual time has no decoder of its own: the in-memory camera renders real pictures, so the real decoder reads them there, too.
"""

import cv2
import numpy as np
import pytest

from drivers.qr import DRIVER, QrOptions
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import DeviceProtocolError
from simulators.camera.film import jpeg
from simulators.camera.memory import MemoryCamera

WIDTH, HEIGHT = 1280, 720
# As long as a presented pass.
TEXT = "ECH1:" + ("6BFOXN*TS0BI$ZD4N9:9S6RCVN5+O30K3/XIV0W23NTDE" * 13)[:543]


class StandingClock:
    def monotonic(self):
        return 1000.0

    def wall(self):
        return 1_800_000_000.0


def in_memory(**scene):
    """A frame of the in-memory camera on which a scene is shown."""
    clock = StandingClock()
    camera = MemoryCamera(clock, width=WIDTH, height=HEIGHT)
    camera.scene(**scene)
    camera.open(clock.monotonic())
    return camera.frame(0, clock.monotonic()).image


def over_jpeg(**scene):
    """The same frame as the wire simulator compresses it and a camera driver decodes it."""
    return cv2.imdecode(np.frombuffer(jpeg(in_memory(**scene)), np.uint8), cv2.IMREAD_COLOR)


@pytest.fixture(params=[in_memory, over_jpeg], ids=["memory", "jpeg"])
def picture(request):
    return request.param


@pytest.fixture(params=[0, 1], ids=["alone", "with second opinion"])
def decoder(request, tmp_path):
    return DRIVER.build(QrOptions(second_opinion_every=request.param), DriverContext(SystemClock(), tmp_path, pytest.fail))


@pytest.mark.parametrize("view", [{}, {"tilt_deg": 20, "dim": 0.3}, {"roll_deg": 180, "px_per_module": 2.5}], ids=["plain", "tilted and dim", "upside down"])
def test_the_text_of_a_shown_code_is_given_exactly(decoder, picture, view):
    assert decoder.decode(picture(kind="phone", text=TEXT, **view)) == [TEXT]


def test_bytes_come_as_their_latin_1_view(decoder, picture):
    text = "caf\xe9\x01\x7f\xff"
    assert decoder.decode(picture(kind="phone", text=text)) == [text]


def test_a_frame_without_a_code_gives_nothing_and_the_next_with_one_its_text(decoder, picture):
    shown = picture(kind="phone", text=TEXT)
    for without in (picture(kind="empty"), picture(kind="face", person="person02"), np.zeros((HEIGHT, WIDTH, 3), np.uint8)):
        assert decoder.decode(without) == []
        assert decoder.decode(shown) == [TEXT]


def test_every_code_of_a_frame_is_given_once(decoder, picture):
    one, other = (picture(kind="phone", text=f"ECH1:{name}") for name in ("ONE", "TWO"))
    assert sorted(decoder.decode(np.hstack([one, other, one]))) == ["ECH1:ONE", "ECH1:TWO"]


def test_the_callers_frame_is_not_changed(decoder, picture):
    for frame in (picture(kind="phone", text=TEXT, blur=2.1), picture(kind="empty")):  # the repairs of the picture run on both
        before = frame.copy()
        frame.flags.writeable = False
        decoder.decode(frame)
        assert np.array_equal(frame, before)


@pytest.mark.parametrize("nothing", [None, np.empty((0, 0, 3), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_what_is_no_picture_is_a_fault_and_never_a_frame_without_a_code(decoder, nothing):
    with pytest.raises(DeviceProtocolError):
        decoder.decode(nothing)
