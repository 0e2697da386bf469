"""Asks a V4L2 node why it would not serve, before OpenCV opens it: OpenCV itself only says "not opened".

Reads capabilities and nothing else: streams no frame, changes no setting.
Ioctl numbers and structures: Linux userspace API, "Video for Linux API", VIDIOC_QUERYCAP and VIDIOC_REQBUFS.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable

from gate_controller.ports.errors import DeviceAbsentError, DeviceBusyError, DeviceError, DevicePermissionError

VIDIOC_QUERYCAP = 0x80685600
VIDIOC_REQBUFS = 0xC0145608
_CAPABILITY = struct.Struct("=16s32s32sIII12x")  # struct v4l2_capability: driver, card, bus_info, version, capabilities, device_caps
_REQUEST_BUFFERS = struct.Struct("=III8x")  # struct v4l2_requestbuffers: count, type, memory
_CAN_CAPTURE = 0x00000001  # V4L2_CAP_VIDEO_CAPTURE
_HAS_DEVICE_CAPS = 0x80000000  # V4L2_CAP_DEVICE_CAPS
_TYPE_CAPTURE = 1
_MEMORY_MMAP = 1

_GONE = frozenset({errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOTDIR})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})

Ioctl = Callable[[int, int, bytearray], object]


def probe(path: str, *, ioctl: Ioctl = fcntl.ioctl, open_node: Callable[[str, int], int] = os.open) -> dict[str, str]:
    """Check that `path` is a camera that this process may open and that nobody else streams from.

    Args:
        path: Device node, e.g. /dev/video0.
        ioctl: As fcntl.ioctl; tests hand in a device of their own.
        open_node: As os.open.

    Returns:
        Driver, card and bus of the camera, for diagnostics.

    Raises:
        DeviceAbsentError: No such node, nothing behind it, or it is no camera.
        DevicePermissionError: This user may not open it.
        DeviceBusyError: Another program streams from it.
    """
    try:
        node = open_node(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _reason(path, error) from error
    try:
        capability = bytearray(_CAPABILITY.size)
        try:
            ioctl(node, VIDIOC_QUERYCAP, capability)
        except OSError as error:
            if error.errno in {errno.ENOTTY, errno.EINVAL}:
                raise _no_camera(path) from error
            raise _reason(path, error) from error
        driver, card, bus, _, capabilities, device_capabilities = _CAPABILITY.unpack(capability)
        if not (device_capabilities if capabilities & _HAS_DEVICE_CAPS else capabilities) & _CAN_CAPTURE:
            raise _no_camera(path)
        _check_not_streaming(path, node, ioctl)
    finally:
        os.close(node)
    return {"driver": _text(driver), "card": _text(card), "bus": _text(bus)}


def _check_not_streaming(path: str, node: int, ioctl: Ioctl) -> None:
    # Several programs may open one node; only the owner of its buffers gets anything but EBUSY here. Zero buffers frees
    # those of this descriptor, which has none.
    try:
        ioctl(node, VIDIOC_REQBUFS, bytearray(_REQUEST_BUFFERS.pack(0, _TYPE_CAPTURE, _MEMORY_MMAP)))
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise _reason(path, error) from error
        # EINVAL: no memory-mapped buffers. Whether OpenCV can use such a camera is for OpenCV to say.


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode(errors="replace")


def _no_camera(path: str) -> DeviceAbsentError:
    return DeviceAbsentError(f"{path} is not a camera that gives frames", "USB cameras have a second node for metadata: choose the other one")


def _reason(path: str, error: OSError) -> DeviceError:
    if error.errno in _GONE:
        return DeviceAbsentError(f"no camera at {path}", "plug the camera in, or correct source in the configuration")
    if error.errno in _FORBIDDEN:
        return DevicePermissionError(f"no permission to open {path}", "add the user to group video, or allow the device in the service unit")
    if error.errno == errno.EBUSY:
        return DeviceBusyError(f"another program uses {path}", f"find it with: fuser -v {path}")
    return DeviceError(f"cannot open {path}: {error.strerror or error}", "see the kernel's messages: journalctl -k")
