"""The serial port as the link needs it, over pyserial, with every failure one of ports.errors.

Reads and writes wait on the descriptor themselves (select), so that a deadline holds to the millisecond and a vanished device is noticed.
Does not know the protocol.
"""

from __future__ import annotations

import errno
import grp
import os
import select
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import serial

from gate_controller.ports.errors import DeviceAbsentError, DeviceBusyError, DeviceError, DevicePermissionError

_READ_BYTES: Final = 4096
_BUSY: Final = {errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK}
_DENIED: Final = {errno.EACCES, errno.EPERM}
_USUAL_GROUP: Final = "dialout"


class BytePort(Protocol):
    """A line of bytes. Any call may raise DeviceAbsentError when the device is gone."""

    def read(self, timeout_s: float) -> bytes:
        """Whatever has arrived, waiting for the first byte at most `timeout_s`; b"" when none came."""
        ...

    def write(self, data: bytes, timeout_s: float) -> int:
        """Hand bytes to the line, waiting at most `timeout_s` until it takes any; how many of them it took."""
        ...

    def set_baud(self, baud: int) -> None:
        """Talk at another rate from now on; what has arrived and was not read is dropped."""
        ...

    def close(self) -> None:
        """Let go of the device. Never raises."""
        ...


PortOpener = Callable[[int], BytePort]
"""Opens the port at a baud rate; raises DeviceAbsentError, DevicePermissionError or DeviceBusyError."""


class SerialPort:
    """A serial port held exclusively.

    Args:
        path: Device node or a symlink to it; resolved anew by every construction.
        baud: Baud rate; 8 data bits, no parity, one stop bit.

    Raises:
        DeviceAbsentError: It is not there or is not a serial port.
        DevicePermissionError: This user may not open it.
        DeviceBusyError: Another program holds it.
    """

    def __init__(self, path: str, baud: int) -> None:
        self._path = path
        try:
            # timeout 0: this class waits by select, and then takes what is there
            self._serial = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
        except (OSError, termios.error, ValueError) as error:
            raise open_error(path, error) from error

    def read(self, timeout_s: float) -> bytes:
        """See BytePort."""
        with self._faults():
            ready, _, _ = select.select([self._serial.fileno()], [], [], max(0.0, timeout_s))
            return bytes(self._serial.read(_READ_BYTES)) if ready else b""

    def write(self, data: bytes, timeout_s: float) -> int:
        """See BytePort."""
        with self._faults():
            _, ready, _ = select.select([], [self._serial.fileno()], [], max(0.0, timeout_s))
            return (self._serial.write(data) or 0) if ready else 0

    def set_baud(self, baud: int) -> None:
        """See BytePort."""
        with self._faults():
            self._serial.baudrate = baud
            self._serial.reset_input_buffer()

    def close(self) -> None:
        """See BytePort."""
        try:
            self._serial.close()
        except (OSError, termios.error):
            return  # it is gone already

    @contextmanager
    def _faults(self) -> Iterator[None]:
        # An unplugged port shows as SerialException (an OSError), as a bare OSError (in_waiting, select) or as termios.error (not an OSError).
        try:
            yield
        except (OSError, termios.error) as error:
            what = f"the fingerprint reader at {self._path} is gone: {error}"
            raise DeviceAbsentError(what, "check its cable and power; it is opened again when it is back") from error


def open_error(path: str, error: Exception) -> DeviceError:
    """The DeviceError that tells why a port could not be opened."""
    number = getattr(error, "errno", None)
    reason = os.strerror(number) if number else str(error)
    what = f"the fingerprint reader at {path} cannot be opened: {reason}"
    if number in _DENIED:
        return DevicePermissionError(what, f"add the user to group {_group(path)} (usermod -aG {_group(path)} USER) and start again")
    if number in _BUSY:
        return DeviceBusyError(what, f"another program holds the port: find it with fuser -v {path} and stop it")
    if number in {errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO}:
        return DeviceAbsentError(what, "plug it in, check its cable and the driver's port option")
    return DeviceAbsentError(what, "the driver's port option must name a serial port")


def _group(path: str) -> str:
    try:
        group = grp.getgrgid(Path(path).stat().st_gid).gr_name
    except (OSError, KeyError):
        return _USUAL_GROUP
    # A node that belongs to root was not set up by udev's rules; nobody should join that group.
    return _USUAL_GROUP if group == "root" else group
