"""A real driver, a simulated board on a pseudo-terminal, and a clock that can be put forward between them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.io_board import DRIVER
from drivers.io_board.board import ModbusIoBoard
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.drivers import DriverContext
from simulators.io_board.process import LIMIT_S, IoBoardProcess
from simulators.wiring import IDLE_INPUTS, Input, modbus_options

SHORT_S = 0.25
REPLY_TIMEOUT_S = 5.0
QUARANTINE_S = 0.3


class SkippingClock(SystemClock):
    """The system's clock, that can be put forward instead of waiting."""

    def __init__(self) -> None:
        self._skipped_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped_s

    def skip(self, seconds: float) -> None:
        self._skipped_s += seconds


class Bench:
    """A board, its driver, and the clock between them."""

    def __init__(self, board: IoBoardProcess) -> None:
        self.board = board
        self.clock = SkippingClock()
        self._drivers: list[ModbusIoBoard] = []

    def driver(self, **changes: Any) -> ModbusIoBoard:
        """A driver that waits for replies as long as a slow machine may need."""
        options = DRIVER.options.model_validate(modbus_options(str(self.board.link), reply_timeout_s=REPLY_TIMEOUT_S, quarantine_s=QUARANTINE_S) | changes)
        driver = DRIVER.build(options, DriverContext(self.clock, Path("/nonexistent"), pytest.fail))
        self._drivers.append(driver)
        return driver

    def opened(self, **changes: Any) -> ModbusIoBoard:
        driver = self.driver(**changes)
        driver.open(self.soon())
        return driver

    def soon(self) -> float:
        """A deadline no healthy call misses."""
        return self.clock.monotonic() + LIMIT_S

    def shortly(self) -> float:
        """A deadline for calls that are not answered."""
        return self.clock.monotonic() + SHORT_S

    def outlast_quarantine(self) -> None:
        self.clock.skip(REPLY_TIMEOUT_S + QUARANTINE_S)

    def recent(self) -> list[tuple[int, int]]:
        """What the board was asked lately: (function, address)."""
        return [(function, address) for function, address in self.board.ask("state")["recent"]]

    def coil(self, name: str) -> bool:
        return bool(self.board.ask("state")["coils"][name])

    def close(self) -> None:
        for driver in self._drivers:
            driver.close()


@pytest.fixture
def bench_of() -> Iterator[Callable[[IoBoardProcess], Bench]]:
    """Makes a bench of a board; closes its drivers at the end."""
    benches: list[Bench] = []

    def make(board: IoBoardProcess) -> Bench:
        benches.append(Bench(board))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def start(tmp_path: Path, bench_of: Callable[[IoBoardProcess], Bench]) -> Iterator[Callable[..., Bench]]:
    """Starts a board of one's own, with arguments of its command line."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments: bench_of(stack.enter_context(IoBoardProcess(tmp_path, *arguments)))


@pytest.fixture(scope="session")
def shared_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IoBoardProcess]:
    with IoBoardProcess(tmp_path_factory.mktemp("io_board")) as board:
        yield board


@pytest.fixture
def bench(shared_board: IoBoardProcess, bench_of: Callable[[IoBoardProcess], Bench]) -> Bench:
    """A bench with an idle board that was just powered on."""
    shared_board.ask("clear")
    shared_board.ask("power_cycle")
    shared_board.ask("set", inputs={each.name.lower(): each in IDLE_INPUTS for each in Input})
    for address in range(8):
        shared_board.ask("register", address=address, value=0)
    return bench_of(shared_board)
