"""pymodbus's synchronous RTU client on a serial port of ours: exact deadlines, nothing retried, nothing reopened.

Replaces the library's own port handling, which opens ports behind the caller's back, hides why it could not, waits by
the wall clock (a clock that is set back would stall it) and may wait twice its time-out. Framing, checksum and messages
stay the library's. Does not judge what arrives: the line does.
"""

from __future__ import annotations

import logging
import os
import select
import struct
import time

import serial
from pymodbus.client import ModbusSerialClient
from pymodbus.pdu import ModbusPDU

from drivers.io_board.options import IoBoardOptions
from gate_controller.ports.clock import Clock


def turnaround_s(options: IoBoardOptions) -> float:
    """Silence owed before a frame: 3.5 characters, fixed at 1.75 ms above 19200 baud (MODBUS over Serial Line V1.02, 2.5.1.1)."""
    return 0.00175 if options.baud > 19200 else 3.5 * options.character_s


class WriteSingleCoilLiteral(ModbusPDU):
    """Write Single Coil (function 05) with its value as it goes on the line.

    The library's own message knows only on and off; the pulse of Waveshare's boards puts a duration there, and the
    reply's echo of it is checked.
    """

    function_code = 5
    rtu_frame_size = 8

    def __init__(self, address: int = 0, value: int = 0, dev_id: int = 0) -> None:
        super().__init__(dev_id=dev_id, address=address)
        self.value = value

    def encode(self) -> bytes:
        """Address and value."""
        return struct.pack(">HH", self.address, self.value)

    def decode(self, data: bytes) -> None:
        """Address and value."""
        self.address, self.value = struct.unpack(">HH", data[:4])


class DeadlineClient(ModbusSerialClient):
    """One open serial port. For each request the line sets `until`, the end of every wait, and `expected`, the bytes of its reply.

    Args:
        options: The line.
        clock: The gate's clock.

    Raises:
        OSError, termios.error: As pyserial raises them when the port cannot be opened.
    """

    def __init__(self, options: IoBoardOptions, clock: Clock) -> None:
        # The library logs frames at level ERROR; what is wrong is raised, and the caller logs it once.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
        super().__init__(options.port, baudrate=options.baud, parity=options.parity, stopbits=options.stop_bits, timeout=options.reply_timeout_s, retries=0)
        self.register(WriteSingleCoilLiteral)
        self.until = 0.0
        self.expected = 0
        self.received = 0
        self._clock = clock
        self._turnaround_s = turnaround_s(options)
        self._quiet_since = clock.monotonic()
        self.socket = serial.Serial(options.port, options.baud, parity=options.parity, stopbits=options.stop_bits, timeout=0, exclusive=True)

    def connect(self) -> bool:
        """Whether the port is open; never opens it."""
        return self.socket is not None

    def drain(self) -> int:
        """Throw away what was received; how many bytes that was."""
        port = self._port()
        waiting: int = port.in_waiting
        if waiting:
            port.reset_input_buffer()
        return waiting

    def send(self, request: bytes, addr: tuple[object, ...] | None = None) -> int:
        """Send one frame after the silence owed to the line."""
        del addr
        port = self._port()
        owed = self._quiet_since + self._turnaround_s - self._clock.monotonic()
        if owed > 0:
            time.sleep(min(owed, self._turnaround_s))
        self.received = 0
        # Not port.write(): its time-out is a setting of the port, and a change of it sets up the whole port anew.
        written = os.write(port.fileno(), request)
        if written != len(request):
            msg = f"only {written} of {len(request)} bytes fit"
            raise BlockingIOError(msg)
        return written

    def recv(self, size: int | None) -> bytes:
        """Whatever arrives first; nothing at `until`, or when all `expected` bytes are there and the library still wants more."""
        del size
        port = self._port()
        wait = self.until - self._clock.monotonic()
        if wait <= 0 or self.received >= self.expected:
            return b""
        poll = select.poll()
        poll.register(port.fileno(), select.POLLIN)
        if not poll.poll(wait * 1000):
            return b""
        data: bytes = port.read(max(1, port.in_waiting))
        self.received += len(data)
        self._quiet_since = self._clock.monotonic()
        return data

    def _port(self) -> serial.Serial:
        if self.socket is None:
            raise OSError("the port is closed")
        return self.socket
