"""Lost, late and garbled replies: a fault, then a quarantine, then the truth; never a guess."""

from __future__ import annotations

import contextlib
import logging

import pytest
from pymodbus.client import ModbusSerialClient
from pymodbus.exceptions import ModbusIOException

from gate_controller.core.values import DoorPosition, TriState
from gate_controller.ports.errors import (
    DeviceAbsentError,
    DeviceError,
    DeviceProtocolError,
    DeviceRejectedError,
    DeviceTimeoutError,
    DeviceUntrustedError,
)
from simulators.io_board.process import LIMIT_S

pytestmark = pytest.mark.wire

SHORT_S = 0.25
"""Deadline of a call that is never answered; calls that are answered have LIMIT_S."""


@pytest.mark.parametrize(
    ("fault", "error", "within_s"),
    [
        ("silent", DeviceTimeoutError, SHORT_S),
        ("drop_one", DeviceTimeoutError, SHORT_S),
        ("crc", DeviceProtocolError, LIMIT_S),
        ("wrong_unit", DeviceProtocolError, LIMIT_S),
        ("short", DeviceProtocolError, 0.5),
    ],
)
@pytest.mark.invariant("INV-3")
def test_a_lost_or_garbled_reply_is_a_fault_then_a_quarantine_then_the_truth(bench, fault: str, error: type[DeviceError], within_s: float) -> None:
    driver = bench.opened()
    assert driver.read(bench.soon()).exit_door is DoorPosition.CLOSED
    bench.board.ask("fault", name=fault)
    with pytest.raises(error) as raised:
        driver.read(bench.clock.monotonic() + within_s)
    assert raised.value.remedy
    bench.board.ask("clear")
    bench.board.ask("set", inputs={"exit_door_closed": False, "exit_door_open": True})
    asked = bench.board.ask("state")["requests"]
    for _ in range(3):
        with pytest.raises(DeviceUntrustedError):
            driver.read(bench.soon())
    assert bench.board.ask("state")["requests"] == asked, "nothing is sent in quarantine"
    bench.outlast_quarantine()
    assert driver.read(bench.soon()).exit_door is DoorPosition.OPEN


def test_quarantine_lasts_from_the_latest_moment_a_reply_may_come(bench) -> None:
    driver = bench.opened(reply_timeout_s=5, quarantine_s=5)
    bench.board.ask("fault", name="silent", times=1)
    with pytest.raises(DeviceTimeoutError):
        driver.read(bench.shortly())
    bench.clock.skip(6)
    with pytest.raises(DeviceUntrustedError):
        driver.read(bench.soon())
    bench.clock.skip(4)
    driver.read(bench.soon())


def test_a_silent_board_is_never_an_emergency(bench) -> None:
    driver = bench.opened()
    bench.board.ask("fault", name="silent")
    for _ in range(2):
        with pytest.raises(DeviceTimeoutError):
            driver.read(bench.shortly())
        bench.outlast_quarantine()
    bench.board.ask("clear")
    assert driver.read(bench.soon()).emergency is TriState.INACTIVE
    bench.board.ask("set", inputs={"emergency_loop_closed": False})
    assert driver.read(bench.soon()).emergency is TriState.ACTIVE


def test_the_hazard_the_library_alone_takes_a_stale_reply_for_the_answer(bench) -> None:
    client = ModbusSerialClient(str(bench.board.link), baudrate=9600, timeout=0.5, retries=0)
    assert client.connect()
    try:
        bench.board.ask("fault", name="late", until_request=True, times=1)
        with pytest.raises(ModbusIOException):
            client.read_discrete_inputs(0, count=1, device_id=1)
        bench.board.ask("set", inputs={"entry_door_closed": False})
        stale = client.read_discrete_inputs(0, count=1, device_id=1)
        assert stale.bits[0] is True, "the door is open, and the library says closed"
    finally:
        client.close()


@pytest.mark.invariant("INV-3")
def test_a_reply_late_within_the_quarantine_is_thrown_away(bench) -> None:
    driver = bench.opened()
    bench.board.ask("fault", name="late", until_request=True, times=1)
    port = driver._line._client.socket
    with pytest.raises(DeviceTimeoutError):
        driver.read(bench.shortly())
    bench.board.ask("set", inputs={"entry_door_closed": False, "entry_door_open": True})
    bench.board.ask("clear")
    bench.board.until(lambda _state: port.in_waiting == 7)
    with pytest.raises(DeviceUntrustedError):
        driver.read(bench.soon())
    bench.outlast_quarantine()
    assert driver.read(bench.soon()).entry_door is DoorPosition.OPEN


@pytest.mark.invariant("INV-3")
def test_a_reply_even_later_than_the_quarantine_is_not_believed(bench) -> None:
    driver = bench.opened()
    bench.board.ask("fault", name="late", until_request=True, times=1)
    with pytest.raises(DeviceTimeoutError):
        driver.read(bench.shortly())
    bench.board.ask("set", inputs={"entry_door_closed": False, "entry_door_open": True})
    bench.outlast_quarantine()
    with pytest.raises(DeviceProtocolError):
        driver.read(bench.soon())
    # The clock was put forward, the line was not: another late reply or two may still be on its way.
    for _ in range(10):
        bench.board.until(lambda state: state["replies"] == state["requests"])
        bench.outlast_quarantine()
        with contextlib.suppress(DeviceProtocolError):
            assert driver.read(bench.soon()).entry_door is DoorPosition.OPEN
            return
    pytest.fail("the line did not come in order")


def test_bytes_nobody_asked_for_are_a_fault(bench) -> None:
    driver = bench.opened()
    port = driver._line._client.socket
    bench.board.ask("fault", name="noise", hex="00")
    bench.board.until(lambda _state: port.in_waiting)
    with pytest.raises(DeviceProtocolError, match="nobody asked for"):
        driver.read(bench.soon())


def test_closing_does_not_end_a_quarantine(bench) -> None:
    driver = bench.opened()
    bench.board.ask("fault", name="silent", times=1)
    with pytest.raises(DeviceTimeoutError):
        driver.read(bench.shortly())
    driver.close()
    with pytest.raises(DeviceUntrustedError):
        driver.open(bench.shortly())
    with pytest.raises(DeviceAbsentError):
        driver.read(bench.soon())
    bench.outlast_quarantine()
    driver.open(bench.soon())
    driver.read(bench.soon())


def test_a_refusal_is_no_reason_for_quarantine(bench) -> None:
    driver = bench.opened()
    bench.board.ask("fault", name="exception", code=4, times=1)
    with pytest.raises(DeviceRejectedError, match=r"function 02 at address 0: exception 4 \(device failure\)"):
        driver.read(bench.soon())
    driver.read(bench.soon())


def test_a_passed_deadline_sends_nothing(bench) -> None:
    driver = bench.opened()
    asked = bench.board.ask("state")["requests"]
    with pytest.raises(DeviceTimeoutError, match="before the request was sent"):
        driver.read(bench.clock.monotonic())
    assert bench.board.ask("state")["requests"] == asked
    driver.read(bench.soon())


def test_the_library_logs_nothing(bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    driver = bench.opened()
    for fault in ("crc", "wrong_unit", "short", "silent"):
        bench.board.ask("fault", name=fault, times=1)
        with pytest.raises(DeviceError):
            driver.read(bench.shortly())
        bench.outlast_quarantine()
        driver.read(bench.soon())
    assert [record for record in caplog.records if record.name.startswith("pymodbus")] == []
