"""What stands at the path that a device will be opened by: a real serial line, a real camera, or something that imitates one.

Does not open anything: opening a serial line can already move its control lines.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from enum import Enum
from pathlib import Path

_PTY_MAJORS = frozenset({2, 3, 128, *range(136, 144)})  # Linux devices.txt: BSD and Unix98 pseudo-terminals, both ends
_V4L_MAJOR = 81


class NodeKind(Enum):
    """What was found; the value says it in a message."""

    SERIAL = "a serial line"
    CAMERA = "a camera"
    ABSENT = "not there now"
    NOTHING = "names no device"
    URL = "a URL: a gate's devices are on its own buses"
    PSEUDO_TERMINAL = "a pseudo-terminal, behind which there is a program"
    VIRTUAL_CAMERA = "a virtual camera, behind which there is a program"
    FILE = "not a character device"
    OTHER = "neither a serial line nor a camera"


class DeviceNodes:
    """Looks at device nodes.

    Args:
        tty_drivers: The kernel's list of terminal drivers.
        cameras: The kernel's directory of video4linux devices.
        status: `os.stat`.
    """

    def __init__(
        self, tty_drivers: Path = Path("/proc/tty/drivers"), cameras: Path = Path("/sys/class/video4linux"), status: Callable[[str], os.stat_result] = os.stat
    ) -> None:
        self._tty_drivers = tty_drivers
        self._cameras = cameras
        self._status = status

    def examine(self, endpoint: str) -> NodeKind:
        """What stands at `endpoint`, with symbolic links followed; a URL or another text is judged as it is."""
        if "://" in endpoint:
            return NodeKind.URL
        if not endpoint.startswith("/"):
            return NodeKind.NOTHING
        real = os.path.realpath(endpoint)  # also where a link leads to nothing
        if real.startswith("/dev/pts/") or real == "/dev/ptmx":
            return NodeKind.PSEUDO_TERMINAL
        try:
            found = self._status(real)
        except (OSError, ValueError):
            return NodeKind.ABSENT
        if not stat.S_ISCHR(found.st_mode):
            return NodeKind.FILE
        return self._character_device(os.major(found.st_rdev), os.minor(found.st_rdev))

    def _character_device(self, major: int, minor: int) -> NodeKind:
        if major in _PTY_MAJORS:
            return NodeKind.PSEUDO_TERMINAL
        if major == _V4L_MAJOR:
            return NodeKind.VIRTUAL_CAMERA if self._is_virtual_camera(major, minor) else NodeKind.CAMERA
        kind = self._tty_kind(major, minor)
        if kind.startswith("pty"):
            return NodeKind.PSEUDO_TERMINAL
        return NodeKind.SERIAL if kind.startswith("serial") else NodeKind.OTHER

    def _tty_kind(self, major: int, minor: int) -> str:
        """Type of the terminal driver that serves a device: "serial", "pty:slave", "console", ... (proc(5), tty/drivers)."""
        try:
            lines = self._tty_drivers.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return ""
        for line in lines:
            columns = line.split()
            if len(columns) >= 5 and columns[2] == str(major):
                first, _, last = columns[3].partition("-")
                if first.isdecimal() and (last or first).isdecimal() and int(first) <= minor <= int(last or first):
                    return columns[4]
        return ""

    def _is_virtual_camera(self, major: int, minor: int) -> bool:
        """Whether no bus carries the camera: v4l2loopback's lie under /sys/devices/virtual."""
        for camera in sorted(self._cameras.glob("*")):
            try:
                if (camera / "dev").read_text(encoding="ascii").strip() == f"{major}:{minor}":
                    return "/devices/virtual/" in os.path.realpath(camera)
            except (OSError, ValueError):
                continue
        return False


def examine(endpoint: str) -> NodeKind:
    """See DeviceNodes.examine, on this machine."""
    return DeviceNodes().examine(endpoint)
