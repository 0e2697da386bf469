"""Ports that are absent, forbidden, busy or wrong; boards that die and return; counters on registers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gate_controller.core.values import Door, DoorPosition, Lamp, Occupancy
from gate_controller.ports.errors import (
    DeviceAbsentError,
    DeviceBusyError,
    DeviceError,
    DevicePermissionError,
    DeviceRejectedError,
    DeviceTimeoutError,
)
from simulators.io_board.process import LIMIT_S, IoBoardProcess
from simulators.wiring import HEARTBEAT_REGISTER, OCCUPANCY_REGISTER, modbus_options

pytestmark = pytest.mark.wire


def test_a_counter_is_believed_only_while_its_heart_beats(bench) -> None:
    driver = bench.driver(occupancy={"by": "register", "address": OCCUPANCY_REGISTER, "heartbeat": {"address": HEARTBEAT_REGISTER, "stale_after_s": 50}})
    bench.board.ask("register", address=OCCUPANCY_REGISTER, value=1)
    driver.open(bench.soon())
    assert driver.read(bench.soon()).occupancy is Occupancy.UNKNOWN, "it was not seen to beat yet"
    bench.board.ask("register", address=HEARTBEAT_REGISTER, value=1)
    assert driver.read(bench.soon()).occupancy is Occupancy.ONE
    bench.clock.skip(51)
    assert driver.read(bench.soon()).occupancy is Occupancy.UNKNOWN
    bench.board.ask("register", address=HEARTBEAT_REGISTER, value=0)
    assert driver.read(bench.soon()).occupancy is Occupancy.ONE
    assert bench.recent()[-2:] == [(4, 0), (2, 0)], "neighbouring registers are one reading"


def test_scattered_registers_are_read_one_by_one(bench) -> None:
    driver = bench.opened(occupancy={"by": "register", "address": 0, "status": {"address": 7, "healthy": 3}})
    assert driver.read(bench.soon()).occupancy is Occupancy.UNKNOWN
    bench.board.ask("register", address=7, value=3)
    assert driver.read(bench.soon()).occupancy is Occupancy.ZERO
    assert bench.recent()[-3:] == [(4, 0), (4, 7), (2, 0)]


def test_wiring_beyond_the_boards_inputs_is_refused_when_it_is_opened(bench) -> None:
    inputs = modbus_options("/dev/x")["inputs"] | {"tamper_loop_closed": {"channel": 16}}
    driver = bench.driver(inputs=inputs)
    with pytest.raises(DeviceRejectedError, match="illegal address"):
        driver.open(bench.soon())


def test_a_port_that_is_not_there(bench_of, tmp_path: Path) -> None:
    driver = bench_of(IoBoardProcess(tmp_path)).driver()
    with pytest.raises(DeviceAbsentError, match="not there") as raised:
        driver.open(time.monotonic() + 1)
    assert "plug in" in raised.value.remedy
    with pytest.raises(DeviceAbsentError, match="not open"):
        driver.read(time.monotonic() + 1)
    driver.close()


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_port_that_is_no_port(bench_of, tmp_path: Path, kind: str) -> None:
    board = IoBoardProcess(tmp_path)
    board.link.mkdir() if kind == "directory" else board.link.write_text("")
    with pytest.raises(DeviceAbsentError, match="not a serial port"):
        bench_of(board).driver().open(time.monotonic() + 1)


def test_a_port_another_program_holds(bench) -> None:
    holder = bench.opened()
    other = bench.driver()
    with pytest.raises(DeviceBusyError) as raised:
        other.open(bench.soon())
    assert "fuser" in raised.value.remedy
    holder.close()
    other.open(bench.soon())


def test_a_port_this_user_may_not_open(bench_of, open_directory: Path, without_root: Callable[[], AbstractContextManager[None]]) -> None:
    with IoBoardProcess(open_directory) as board:
        board.link.resolve().chmod(0)
        with without_root(), pytest.raises(DevicePermissionError) as raised:
            bench_of(board).driver().open(time.monotonic() + LIMIT_S)
    assert "udev" in raised.value.remedy


@pytest.mark.parametrize("board_is", [("--baud", "115200"), ("--unit", "7")], ids=" ".join)
def test_a_board_at_another_speed_or_address_does_not_answer(start, board_is: tuple[str, ...]) -> None:
    bench = start(*board_is)
    driver = bench.driver(reply_timeout_s=0.05)
    with pytest.raises(DeviceTimeoutError) as raised:
        driver.open(bench.soon())
    assert "unit number" in raised.value.remedy
    assert "9600 8N1" in raised.value.remedy
    with pytest.raises(DeviceAbsentError, match="not open"):
        driver.read(bench.soon())


def test_another_speed_and_address_work_when_they_are_configured(start) -> None:
    bench = start("--baud", "115200", "--unit", "7", "--paced")
    driver = bench.opened(baud=115200, unit=7)
    assert driver.read(bench.soon()).occupancy is Occupancy.ZERO
    assert driver.describe()["line"] == "115200 8N1"


def test_a_board_that_vanishes_is_absent_until_it_is_opened_again(bench) -> None:
    driver = bench.opened()
    bench.board.ask("fault", name="unplugged")
    for _ in range(2):
        with pytest.raises(DeviceAbsentError):
            driver.read(bench.soon())
    bench.outlast_quarantine()
    with pytest.raises(DeviceAbsentError):
        driver.open(bench.soon())
    bench.board.ask("clear")
    driver.open(bench.soon())
    assert driver.read(bench.soon()).entry_door is DoorPosition.CLOSED


def test_a_killed_board_is_a_fault_within_the_deadline_and_can_be_opened_again(start) -> None:
    bench = start()
    driver = bench.opened()
    bench.board.kill()
    for call in (
        lambda: driver.read(bench.soon()),
        lambda: driver.hold_open(Door.ENTRY, 1.0, bench.soon()),
        lambda: driver.release(Door.ENTRY, bench.soon()),
        lambda: driver.set_lamp(Lamp.ENTRY_RED, True, bench.soon()),
        lambda: driver.set_officer_call(True, bench.soon()),
    ):
        begun = time.monotonic()
        with pytest.raises(DeviceError):
            call()
        assert time.monotonic() - begun < LIMIT_S
    bench.outlast_quarantine()
    bench.board.start()
    driver.open(bench.soon())
    assert driver.read(bench.soon()).entry_door is DoorPosition.CLOSED
