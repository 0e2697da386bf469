"""Opens an OpenCV VideoCapture with every setting set, read back and each failure given its own error.

Reads no frame and knows no thread: drain.py does.
"""

from __future__ import annotations

import math
import os
import socket
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import cv2

from drivers.camera import v4l2
from drivers.camera.options import CameraOptions
from gate_controller.ports.clock import Clock
from gate_controller.ports.errors import DeviceAbsentError, DeviceError, DeviceTimeoutError, DeviceUntrustedError

_PORTS = {"http": 80, "https": 443, "rtsp": 554}


class Capture(Protocol):
    """What the driver uses of cv2.VideoCapture."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Whether the capture was opened; stays True after the stream has ended."""
        ...

    def set(self, propId: int, value: float) -> bool:  # noqa: N803 - OpenCV's name
        """Set a property; the return value proves nothing."""
        ...

    def get(self, propId: int) -> float:  # noqa: N803 - OpenCV's name
        """Read a property."""
        ...

    def read(self) -> tuple[bool, Any]:
        """Block for the next frame: (True, Image) or (False, None)."""
        ...

    def release(self) -> None:
        """Let go of the device."""
        ...


@dataclass(frozen=True, slots=True)
class OpenCapture:
    """An open capture and what is known of it (no personal data)."""

    capture: Capture
    facts: dict[str, str]


def open_capture(options: CameraOptions, clock: Clock) -> OpenCapture:
    """Open the camera that `options` name; `clock` tells a slow refusal from a quick one.

    Raises:
        DeviceAbsentError: No such device, no such host, connection refused, or no stream there.
        DevicePermissionError: This user may not open the device.
        DeviceBusyError: Another program streams from the device.
        DeviceTimeoutError: The endpoint accepts the connection but sends no stream.
        DeviceUntrustedError: A setting does not read back as set.
    """
    _silence(options)
    return _open_url(options, clock) if options.is_url else _open_v4l2(options)


def _silence(options: CameraOptions) -> None:
    # OpenCV and FFmpeg print to stderr behind everybody's back; this driver reports failures itself. FFmpeg reads its
    # variable at the first capture, V4L2 its time-out at the first frame; both hold for the process. A variable that
    # is already set is an engineer looking for something.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(math.ceil(options.read_timeout_s)))
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _open_url(options: CameraOptions, clock: Clock) -> OpenCapture:
    started = clock.monotonic()
    capture = cv2.VideoCapture(
        options.address,
        cv2.CAP_FFMPEG,
        [  # open-only properties: set() would be too late
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            round(options.open_timeout_s * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            round(options.read_timeout_s * 1000),
            cv2.CAP_PROP_N_THREADS,
            1,  # decoding on several threads holds back one frame a thread
        ],
    )
    if capture.isOpened():
        return OpenCapture(capture, {"backend": capture.getBackendName()})
    took_s = clock.monotonic() - started
    capture.release()
    raise _why_no_stream(options, took_s)


def _why_no_stream(options: CameraOptions, took_s: float) -> DeviceError:
    url = urlsplit(options.address)
    if took_s >= 0.9 * options.open_timeout_s:
        return DeviceTimeoutError(f"{options.endpoint} sent no stream within {options.open_timeout_s:g} s", "is the camera at the other end alive?")
    try:
        with socket.create_connection((url.hostname or "", url.port or _PORTS[url.scheme]), timeout=options.open_timeout_s):
            pass
    except OSError as error:
        return DeviceAbsentError(f"no camera at {options.endpoint}: {error.strerror or error}", "start it, or correct source in the configuration")
    return DeviceAbsentError(f"{options.endpoint} takes the connection but gives no stream", "is the path in source right?")


def _open_v4l2(options: CameraOptions) -> OpenCapture:
    facts = v4l2.probe(options.address)
    capture = cv2.VideoCapture(options.address, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        v4l2.probe(options.address)  # unplugged or taken between the two?
        what = f"{options.address} does not open as a camera"
        raise DeviceAbsentError(what, "does v4l2-ctl --all show a format it can capture?")
    try:
        configure_v4l2(capture, options)
    except BaseException:
        capture.release()
        raise
    return OpenCapture(capture, {**facts, "backend": capture.getBackendName()})


def configure_v4l2(capture: Capture, options: CameraOptions) -> None:
    """Set format, size and rate, in this order, and read them back.

    Raises:
        DeviceUntrustedError: The camera chose something else.
    """
    # The sizes and rates a camera offers depend on the format, so the format goes first.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options.fourcc))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, options.height)
    capture.set(cv2.CAP_PROP_FPS, options.fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # other backends ignore it or refuse
    fourcc = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=False).decode("latin-1")
    if fourcc != options.fourcc:
        raise _not_as_configured(options, "format", options.fourcc, fourcc)
    size = round(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), round(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if size != (options.width, options.height):
        raise wrong_size(options, *size)
    fps = capture.get(cv2.CAP_PROP_FPS)
    if abs(fps - options.fps) > 1:
        raise _not_as_configured(options, "rate", f"{options.fps:g} frames a second", f"{fps:g}")


def wrong_size(options: CameraOptions, width: int, height: int) -> DeviceUntrustedError:
    """The error for frames of another size than configured."""
    return _not_as_configured(options, "size", f"{options.width}x{options.height}", f"{width}x{height}")


def _not_as_configured(options: CameraOptions, what: str, configured: str, given: str) -> DeviceUntrustedError:
    remedy = "correct the configuration" if options.is_url else f"configure what it offers: v4l2-ctl --list-formats-ext -d {options.address}"
    return DeviceUntrustedError(f"{options.endpoint}: {what} is configured as {configured}, the camera gives {given}", remedy)
