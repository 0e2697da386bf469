import errno
import os
import struct
from pathlib import Path

import cv2
import pytest

from drivers.camera import CameraOptions, v4l2
from drivers.camera.capture import configure_v4l2, open_capture
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import DeviceAbsentError, DeviceBusyError, DeviceError, DevicePermissionError, DeviceUntrustedError

VIDEO_CAPTURE, META_CAPTURE, STREAMING, DEVICE_CAPS = 0x1, 0x00800000, 0x04000000, 0x80000000


class UsbCamera:
    """Answers ioctls as the kernel's UVC driver does (linux/videodev2.h)."""

    def __init__(self, device_caps=VIDEO_CAPTURE | STREAMING, streaming_elsewhere=False, querycap_error=None):
        self.device_caps = device_caps
        self.streaming_elsewhere = streaming_elsewhere
        self.querycap_error = querycap_error

    def ioctl(self, descriptor, request, argument):
        os.fstat(descriptor)  # raises on a closed one
        size = request >> 16 & 0x3FFF
        assert len(argument) == size, "the structure has the size that the request number carries"
        if request == 0x80685600:
            if self.querycap_error:
                raise OSError(self.querycap_error, os.strerror(self.querycap_error))
            caps = VIDEO_CAPTURE | META_CAPTURE | STREAMING | DEVICE_CAPS  # of the whole device, whatever this node does
            argument[:] = struct.pack("=16s32s32sIII12x", b"uvcvideo", b"Gate Cam", b"usb-0000:00:14.0-3", 0x060100, caps, self.device_caps)
        elif request == 0xC0145608:
            count, kind, memory = struct.unpack_from("=III", argument)
            assert (count, kind, memory) == (0, 1, 1)
            if self.streaming_elsewhere:
                raise OSError(errno.EBUSY, "Device or resource busy")
        else:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")


@pytest.fixture
def node(tmp_path):
    path = tmp_path / "video0"
    path.touch()
    return str(path)


def test_a_camera_tells_what_it_is(node):
    assert v4l2.probe(node, ioctl=UsbCamera().ioctl) == {"driver": "uvcvideo", "card": "Gate Cam", "bus": "usb-0000:00:14.0-3"}


def test_a_camera_in_use_is_busy(node):
    with pytest.raises(DeviceBusyError) as raised:
        v4l2.probe(node, ioctl=UsbCamera(streaming_elsewhere=True).ioctl)
    assert "fuser" in raised.value.remedy


def test_the_metadata_node_is_no_camera(node):
    with pytest.raises(DeviceAbsentError) as raised:
        v4l2.probe(node, ioctl=UsbCamera(device_caps=META_CAPTURE | STREAMING).ioctl)
    assert "other" in raised.value.remedy


def test_a_camera_unplugged_between_open_and_question_is_absent(node):
    with pytest.raises(DeviceAbsentError):
        v4l2.probe(node, ioctl=UsbCamera(querycap_error=errno.ENODEV).ioctl)


def test_no_node_is_absent(tmp_path):
    with pytest.raises(DeviceAbsentError) as raised:
        v4l2.probe(str(tmp_path / "video7"))
    assert "video7" in raised.value.what


def test_a_node_of_something_else_is_no_camera():
    with pytest.raises(DeviceAbsentError):
        v4l2.probe("/dev/null")


def test_a_forbidden_node_names_the_group(open_directory, without_root):
    path = open_directory / "video0"
    path.touch()
    path.chmod(0)
    with without_root(), pytest.raises(DevicePermissionError) as raised:
        v4l2.probe(str(path))
    assert "group video" in raised.value.remedy


@pytest.mark.parametrize(
    ("code", "error"), [(errno.EBUSY, DeviceBusyError), (errno.ENXIO, DeviceAbsentError), (errno.EPERM, DevicePermissionError), (errno.EIO, DeviceError)]
)
def test_what_the_kernel_says_at_opening_is_told_apart(code, error):
    def refuse(_path, _flags):
        raise OSError(code, os.strerror(code))

    with pytest.raises(error) as raised:
        v4l2.probe("/dev/video0", open_node=refuse)
    assert type(raised.value) is error
    assert raised.value.remedy


def test_no_descriptor_is_left_open(node):
    before = set(Path("/proc/self/fd").iterdir())
    for camera in (UsbCamera(), UsbCamera(streaming_elsewhere=True), UsbCamera(querycap_error=errno.EIO)):
        try:
            v4l2.probe(node, ioctl=camera.ioctl)
        except DeviceError:
            continue
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_opening_a_device_that_is_not_there_says_so():
    with pytest.raises(DeviceAbsentError) as raised:
        open_capture(CameraOptions(source="/dev/no-such-camera"), SystemClock())
    assert "plug" in raised.value.remedy


class UvcCapture:
    """cv2.VideoCapture over a camera that has large frames only in MJPG, as USB 2 cameras do; a new format resets the size."""

    def __init__(self, largest=(1280, 720), fps=30.0, has_mjpg=True):
        self.largest, self.best_fps, self.has_mjpg = largest, fps, has_mjpg
        self.values = {cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"YUYV")), cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0}
        self.values[cv2.CAP_PROP_FPS] = 30.0

    def set(self, prop, value):
        mjpg = cv2.VideoWriter.fourcc(*"MJPG")
        if prop == cv2.CAP_PROP_FOURCC:
            if value == mjpg and not self.has_mjpg:
                return False
            self.values |= {prop: float(value), cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0}
        elif prop in {cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT}:
            limits = self.largest if self.values[cv2.CAP_PROP_FOURCC] == mjpg else (640, 480)
            self.values[prop] = float(min(value, limits[prop == cv2.CAP_PROP_FRAME_HEIGHT]))
        elif prop == cv2.CAP_PROP_FPS:
            self.values[prop] = min(value, self.best_fps)
        else:
            self.values[prop] = float(value)
        return True  # OpenCV says so whatever the camera chose

    def get(self, prop):
        return self.values.get(prop, -1.0)

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return True

    def read(self):
        return False, None

    def release(self):
        pass


def test_the_format_goes_before_the_size():
    capture = UvcCapture()
    configure_v4l2(capture, CameraOptions(source=0, width=1280, height=720))
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 1280
    assert capture.get(cv2.CAP_PROP_BUFFERSIZE) == 1


@pytest.mark.parametrize(
    ("capture", "said"),
    [
        (UvcCapture(has_mjpg=False), ["format", "MJPG", "YUYV"]),
        (UvcCapture(largest=(800, 600)), ["size", "1280x720", "800x600"]),
        (UvcCapture(fps=10.0), ["rate", "30", "10"]),
    ],
    ids=["format", "size", "rate"],
)
def test_a_setting_that_does_not_read_back_is_named(capture, said):
    with pytest.raises(DeviceUntrustedError) as raised:
        configure_v4l2(capture, CameraOptions(source=0, width=1280, height=720, fps=30))
    assert all(word in raised.value.what for word in said)
    assert "v4l2-ctl --list-formats-ext -d /dev/video0" in raised.value.remedy
