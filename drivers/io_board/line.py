"""One Modbus RTU line with one board: single requests, checked replies, quarantine. The library's and the port's errors end here.

RTU has no transaction id: a reply that comes after its time-out would be taken for the answer to the next request, an
old "closed" for a new one. So after any lost or garbled reply

* nothing is sent for `quarantine_s`, and whatever arrives is thrown away (`DeviceUntrustedError` meanwhile);
* then the line stays `suspect` until a request of another kind than the one that failed was answered in order
  (`resynchronised()`): a reply later than the quarantine meets that request, has the wrong function code, and starts
  the quarantine again instead of being believed.

Retries nothing. Does not know doors, inputs or wiring.
"""

from __future__ import annotations

import errno
import select
import termios

from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest, WriteSingleRegisterRequest

from drivers.io_board.options import IoBoardOptions
from drivers.io_board.transport import DeadlineClient, WriteSingleCoilLiteral
from gate_controller.ports.clock import Clock
from gate_controller.ports.errors import (
    DeviceAbsentError,
    DeviceBusyError,
    DeviceError,
    DevicePermissionError,
    DeviceProtocolError,
    DeviceRejectedError,
    DeviceTimeoutError,
    DeviceUntrustedError,
)

COIL_ON = 0xFF00
COIL_OFF = 0x0000
_EXCEPTION_REPLY_BYTES = 5
_ECHO_BYTES = 8
_EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledge, still busy",
    6: "device busy",
    10: "gateway path unavailable",
    11: "gateway target did not answer",
}
_EXCEPTION_REMEDIES = {
    4: "the board says that it is broken: power-cycle it; if it stays, replace it",
    5: "the board is busy: power-cycle it if that lasts",
    6: "the board is busy: does something else talk to it?",
    10: "a gateway stands before the board: look at the gateway",
    11: "a gateway stands before the board: look at the board's power and unit number",
}


class ModbusLine:
    """The line of one board.

    Args:
        options: Port, speed, address, times.
        clock: The gate's clock.
    """

    def __init__(self, options: IoBoardOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._client: DeadlineClient | None = None
        self._reply_due = float("-inf")
        self._quarantine_until = float("-inf")
        self.suspect = True

    def open(self, deadline: float) -> None:
        """Open the port, and sit out a quarantine that is still running: closing it does not recall a late reply.

        Raises:
            DeviceAbsentError, DevicePermissionError, DeviceBusyError, DeviceError: The port cannot be opened.
            DeviceUntrustedError: The quarantine outlasts the deadline.
        """
        self.close()
        self.suspect = True
        try:
            self._client = DeadlineClient(self._options, self._clock)
        except (OSError, termios.error) as error:
            raise _cannot_open(self._options.port, error) from error
        while (left := min(self._quarantine_until, deadline) - self._clock.monotonic()) > 0:
            select.select([], [], [], left)
        self.check()

    def close(self) -> None:
        """Close the port; never raises."""
        client, self._client = self._client, None
        if client is not None:
            try:
                client.close()  # type: ignore[no-untyped-call]  # the library's
            except (OSError, termios.error):
                return

    def check(self) -> None:
        """Raise unless a request may be sent now.

        Raises:
            DeviceAbsentError: The port is not open.
            DeviceUntrustedError: In quarantine.
        """
        client = self._open_client()
        if not self.suspect:
            return
        try:
            client.drain()
        except (OSError, termios.error) as error:
            raise self._gone(error) from error
        left = self._quarantine_until - self._clock.monotonic()
        if left > 0:
            msg = f"{self._here}: quarantine for another {left:.2f} s after a lost or garbled reply; nothing is sent and every input is unknown"
            raise DeviceUntrustedError(
                msg,
                "wait; if it comes back often, check wiring, termination and reply_timeout_s",
            )

    def resynchronised(self) -> None:
        """The caller has had a well-formed reply to a request of another kind since the fault."""
        self.suspect = False

    def read_coils(self, start: int, count: int, deadline: float) -> list[bool]:
        """Function 01."""
        request = ReadCoilsRequest(address=start, count=count)
        return list(self._ask(request, 5 + (count + 7) // 8, deadline).bits[:count])

    def read_inputs(self, start: int, count: int, deadline: float) -> list[bool]:
        """Function 02."""
        return list(self._ask(ReadDiscreteInputsRequest(address=start, count=count), 5 + (count + 7) // 8, deadline).bits[:count])

    def read_input_registers(self, start: int, count: int, deadline: float) -> list[int]:
        """Function 04."""
        return list(self._ask(ReadInputRegistersRequest(address=start, count=count), 5 + 2 * count, deadline).registers)

    def read_holding_register(self, address: int, deadline: float) -> int:
        """Function 03, one register."""
        return int(self._ask(ReadHoldingRegistersRequest(address=address, count=1), 7, deadline).registers[0])

    def write_coil(self, address: int, value: int, deadline: float) -> None:
        """Function 05 with the value as it goes on the line; the echo is checked."""
        reply = self._ask(WriteSingleCoilLiteral(address, value), _ECHO_BYTES, deadline)
        if not isinstance(reply, WriteSingleCoilLiteral) or (reply.address, reply.value) != (address, value):
            raise self._garbled("the echo of a written coil differs from what was written")

    def write_holding_register(self, address: int, value: int, deadline: float) -> None:
        """Function 06; the echo is checked."""
        reply = self._ask(WriteSingleRegisterRequest(address=address, registers=[value]), _ECHO_BYTES, deadline)
        if (reply.address, list(reply.registers)) != (address, [value]):
            raise self._garbled("the echo of a written register differs from what was written")

    def _ask(self, request: ModbusPDU, reply_bytes: int, deadline: float) -> ModbusPDU:
        """One request, one reply.

        Raises:
            DeviceTimeoutError: No reply at all; or the deadline had passed, and nothing was sent.
            DeviceProtocolError: Something else than the one whole reply came.
            DeviceRejectedError: The board's exception reply.
            DeviceAbsentError, DeviceUntrustedError: As `check()`.
        """
        self.check()
        client = self._open_client()
        request.dev_id = self._options.unit
        now = self._clock.monotonic()
        if now >= deadline:
            msg = f"{self._here}: the deadline had passed before the request was sent"
            raise DeviceTimeoutError(msg, "allow more time for the call")
        self._reply_due = now + self._options.reply_timeout_s
        client.until = min(deadline, self._reply_due)
        client.expected = reply_bytes
        try:
            stray = client.drain()
            reply = None if stray else client.execute(no_response_expected=False, request=request)
        except BlockingIOError as error:
            raise self._silent("the port takes no more bytes") from error
        except (OSError, termios.error) as error:
            raise self._gone(error) from error
        except Exception as error:  # the library's decoders raise whatever a garbled frame makes them raise
            raise (self._garbled(f"{client.received} bytes that are no reply to the request") if client.received else self._silent("no reply")) from error
        if reply is None:
            raise self._garbled("bytes nobody asked for: a reply later than the quarantine, or another master on the line")
        if reply.function_code == request.function_code | 0x80 and client.received == _EXCEPTION_REPLY_BYTES:
            raise self._rejected(request, reply)
        if reply.function_code != request.function_code or client.received != reply_bytes:
            raise self._garbled("a reply to another request")
        return reply

    @property
    def _here(self) -> str:
        return f"I/O board, unit {self._options.unit} on {self._options.port}"

    def _open_client(self) -> DeadlineClient:
        if self._client is None:
            msg = f"{self._here}: the port is not open"
            raise DeviceAbsentError(msg, "open it again once the adapter is plugged in")
        return self._client

    def _distrust(self) -> None:
        self.suspect = True
        # The latest a reply may come counts from here, not from the moment a caller's deadline cut the wait short.
        self._quarantine_until = max(self._clock.monotonic(), self._reply_due) + self._options.quarantine_s

    def _silent(self, what: str) -> DeviceTimeoutError:
        self._distrust()
        line = f"{self._options.baud} 8{self._options.parity}{self._options.stop_bits}"
        return DeviceTimeoutError(f"{self._here}: {what}", f"check the board's power, A/B wiring, unit number and that it is set to {line}")

    def _garbled(self, what: str) -> DeviceProtocolError:
        self._distrust()
        return DeviceProtocolError(
            f"{self._here}: {what}",
            "check wiring, termination and bias of the line, and that no other board answers: one of the same unit number, or a gateway",
        )

    def _rejected(self, request: ModbusPDU, reply: ModbusPDU) -> DeviceRejectedError:
        code = reply.exception_code if isinstance(reply, ExceptionResponse) else 0
        return DeviceRejectedError(
            f"{self._here}: refused function {request.function_code:02d} at address {request.address}: exception {code} ({_EXCEPTIONS.get(code, 'unknown')})",
            _EXCEPTION_REMEDIES.get(code, "compare channels, registers and pulse with the board's manual"),
        )

    def _gone(self, error: Exception) -> DeviceAbsentError:
        self._distrust()
        self.close()
        return DeviceAbsentError(f"{self._here}: the port is gone: {error}", "plug the adapter in again; the port is opened anew")


def _cannot_open(port: str, error: Exception) -> DeviceError:
    match getattr(error, "errno", None):
        case errno.EACCES | errno.EPERM:
            return DevicePermissionError(f"{port}: this user may not open it", "check the udev rule; by hand: add the user to the port's group (dialout)")
        case errno.EAGAIN | errno.EBUSY:
            return DeviceBusyError(f"{port}: another program holds it", f"see which with: fuser -v {port}")
        case errno.ENOENT | errno.ENXIO | errno.ENODEV | errno.EIO:
            return DeviceAbsentError(f"{port}: not there", "plug in the board's adapter, or correct io_board's port")
        case errno.ENOTTY | errno.EINVAL | errno.EISDIR | None:
            return DeviceAbsentError(f"{port}: not a serial port", "correct io_board's port")
        case _:
            return DeviceError(f"{port}: cannot be opened: {error}", "see the operating system's log")
