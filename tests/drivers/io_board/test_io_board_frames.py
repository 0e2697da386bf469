"""The driver against a line that says anything at all, and against boards that do not do what they acknowledge."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.io_board import DRIVER
from drivers.io_board.line import ModbusLine
from drivers.io_board.options import IoBoardOptions
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import DeviceError, DeviceProtocolError, DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError
from simulators.io_board import rtu
from simulators.io_board.board import Board
from simulators.io_board.process import LIMIT_S
from simulators.io_board.wire import WireBoard
from simulators.wiring import Coil, modbus_options

pytestmark = pytest.mark.wire
REQUEST_BYTES = 8
INPUTS = 11
GOOD_REPLY = rtu.frame(1, bytes.fromhex("02 02 d5 01"))


class ParrotLine:
    """A pseudo-terminal that answers every request with the bytes it was given."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.say = b""
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        asked = b""
        while True:
            asked += os.read(self.master, 512)
            if asked.endswith(b"end"):
                return
            if len(asked) >= REQUEST_BYTES:
                asked = b""
                os.write(self.master, self.say)

    def close(self) -> None:
        os.write(self._slave, b"end")
        self._thread.join(LIMIT_S)
        os.close(self._slave)
        os.close(self.master)


@pytest.fixture(scope="module")
def parrot() -> Iterator[ParrotLine]:
    line = ParrotLine()
    yield line
    line.close()


@contextlib.contextmanager
def line_to(parrot: ParrotLine, reply: bytes, timeout_s: float) -> Iterator[ModbusLine]:
    """A line of its own, so that no quarantine is carried over."""
    parrot.say = reply
    options = IoBoardOptions.model_validate(modbus_options(parrot.port, reply_timeout_s=timeout_s))
    line = ModbusLine(options, SystemClock())
    line.open(time.monotonic() + LIMIT_S)
    try:
        yield line
    finally:
        line.close()


def ask_inputs(parrot: ParrotLine, reply: bytes, timeout_s: float) -> list[bool]:
    """One reading of 11 inputs."""
    with line_to(parrot, reply, timeout_s) as line:
        return line.read_inputs(0, INPUTS, time.monotonic() + LIMIT_S)


def test_the_whole_reply_and_nothing_else_is_believed(parrot: ParrotLine) -> None:
    levels = ask_inputs(parrot, GOOD_REPLY, 5)
    assert levels == [True, False, True, False, True, False, True, True, True, False, False]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"\x00" + GOOD_REPLY, id="a byte before it"),
        pytest.param(GOOD_REPLY + b"\x00", id="a byte after it"),
        pytest.param(GOOD_REPLY + GOOD_REPLY, id="twice"),
        pytest.param(rtu.frame(2, GOOD_REPLY[1:-2]), id="another unit"),
        pytest.param(rtu.frame(1, bytes.fromhex("01 02 d5 01")), id="another function"),
        pytest.param(rtu.frame(1, bytes.fromhex("02 01 d5")), id="fewer inputs"),
        pytest.param(rtu.frame(1, bytes.fromhex("02 03 d5 01 00")), id="more inputs"),
        pytest.param(rtu.frame(1, bytes.fromhex("02 01 d5 01")), id="a byte count that lies"),
        pytest.param(rtu.frame(1, bytes.fromhex("83 02")), id="an exception of another function"),
        pytest.param(rtu.frame(1, bytes.fromhex("05 02 00 00 07")), id="the echo of a pulse"),
    ],
)
@pytest.mark.invariant("INV-3")
def test_anything_but_the_one_reply_is_a_protocol_error(parrot: ParrotLine, reply: bytes) -> None:
    with pytest.raises(DeviceProtocolError):
        ask_inputs(parrot, reply, 5)


def test_a_reply_that_stops_is_a_protocol_error_not_a_timeout(parrot: ParrotLine) -> None:
    with pytest.raises(DeviceProtocolError):
        ask_inputs(parrot, GOOD_REPLY[:-1], 0.5)


@pytest.mark.parametrize("echo", ["05 0201 0007", "05 0200 0008", "05 0000 0000"], ids=["another coil", "another duration", "an older release"])
def test_the_echo_of_a_pulse_must_be_its_own(parrot: ParrotLine, echo: str) -> None:
    with line_to(parrot, rtu.frame(1, bytes.fromhex("05 0200 0007")), 5) as line:
        line.write_coil(0x0200, 7, time.monotonic() + LIMIT_S)
    with line_to(parrot, rtu.frame(1, bytes.fromhex(echo)), 5) as line, pytest.raises(DeviceProtocolError, match="echo"):
        line.write_coil(0x0200, 7, time.monotonic() + LIMIT_S)


@pytest.mark.parametrize("echo", ["06 0008 03e8", "06 0009 03e7"], ids=["another register", "another value"])
def test_the_echo_of_the_watchdog_must_be_its_own(parrot: ParrotLine, echo: str) -> None:
    with line_to(parrot, rtu.frame(1, bytes.fromhex("06 0009 03e8")), 5) as line:
        line.write_holding_register(9, 1000, time.monotonic() + LIMIT_S)
    with line_to(parrot, rtu.frame(1, bytes.fromhex(echo)), 5) as line, pytest.raises(DeviceProtocolError, match="echo"):
        line.write_holding_register(9, 1000, time.monotonic() + LIMIT_S)


def test_nothing_is_a_timeout(parrot: ParrotLine) -> None:
    with pytest.raises(DeviceTimeoutError):
        ask_inputs(parrot, b"", 0.05)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 99])
def test_an_exception_reply_is_a_refusal(parrot: ParrotLine, code: int) -> None:
    with pytest.raises(DeviceRejectedError, match=f"exception {code}"):
        ask_inputs(parrot, rtu.frame(1, bytes([0x82, code])), 5)


PDUS = st.binary(min_size=1, max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reply=st.one_of(st.binary(max_size=40), PDUS.map(lambda pdu: rtu.frame(1, pdu)), PDUS.map(lambda pdu: rtu.frame(1, b"\x02" + pdu))))
def test_no_foreign_error_and_no_guess_whatever_the_line_says(parrot: ParrotLine, reply: bytes) -> None:
    try:
        ask_inputs(parrot, reply, 0.03)
    except DeviceError:
        return
    assert reply[:3] == GOOD_REPLY[:3], "only a reading of 11 inputs may be believed"
    assert len(reply) == len(GOOD_REPLY)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bit=st.integers(0, len(GOOD_REPLY) * 8 - 1))
@pytest.mark.invariant("INV-3")
def test_no_flipped_bit_passes(parrot: ParrotLine, bit: int) -> None:
    reply = bytearray(GOOD_REPLY)
    reply[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DeviceError):
        ask_inputs(parrot, bytes(reply), 0.03)


# Boards that acknowledge and do not do


class WeldedRelayBoard(Board):
    """The exit's relay is welded: its coil stays on whatever is written."""

    def __init__(self) -> None:
        super().__init__()
        self.coils[Coil.EXIT_DOOR] = True

    def write_coil(self, channel: int, on: bool) -> None:
        if channel != Coil.EXIT_DOOR:
            super().write_coil(channel, on)


class BurntRelayBoard(Board):
    """Acknowledges that a coil is switched on, and it stays off."""

    def write_coil(self, channel: int, on: bool) -> None:
        super().write_coil(channel, False)


class ForgetfulBoard(Board):
    """Acknowledges the watchdog and leaves it off."""

    def __init__(self) -> None:
        super().__init__(watchdog_register=9)

    def write_holding(self, address: int, value: int) -> None:
        self._check_holding(address, 1)
        del value


@pytest.fixture
def open_driver(tmp_path: Path) -> Iterator[Callable[..., None]]:
    wires: list[tuple[WireBoard, threading.Thread]] = []

    def open_on(board: Board, **changes: Any) -> None:
        wire = WireBoard(tmp_path / "io_board", board=board)
        thread = threading.Thread(target=wire.run)
        wires.append((wire, thread))
        thread.start()
        options = DRIVER.options.model_validate(modbus_options(str(tmp_path / "io_board"), reply_timeout_s=5, **changes))
        driver = DRIVER.build(options, DriverContext(SystemClock(), tmp_path, pytest.fail))
        try:
            driver.open(time.monotonic() + LIMIT_S)
        finally:
            driver.close()

    yield open_on
    for wire, thread in wires:
        wire.stop()
        thread.join(LIMIT_S)
        wire.close()


def test_an_honest_board_opens(open_driver: Callable[..., None]) -> None:
    open_driver(Board())


def test_a_door_coil_that_does_not_read_back_off_is_not_trusted(open_driver: Callable[..., None]) -> None:
    with pytest.raises(DeviceUntrustedError, match="released exit_door, whose coil still reads on"):
        open_driver(WeldedRelayBoard())


def test_a_fail_safe_coil_that_does_not_read_back_on_is_not_trusted(open_driver: Callable[..., None]) -> None:
    with pytest.raises(DeviceUntrustedError, match="released entry_door, whose coil still reads off"):
        open_driver(BurntRelayBoard(), locks={"entry_door": "fail_safe"})


def test_a_watchdog_that_does_not_read_back_is_not_trusted(open_driver: Callable[..., None]) -> None:
    with pytest.raises(DeviceUntrustedError, match="watchdog reads back 0, not 9000"):
        open_driver(ForgetfulBoard(), pulse="held", watchdog={"register_address": 9, "timeout_s": 9.0})
