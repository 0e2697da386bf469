"""Latency of the I/O board's calls over the simulated line, beside what the line itself takes.

python tests/bench/bench_io_board.py [--calls 200] [--json]

Unpaced, the figure is this software's own share (driver, library, pseudo-terminal, simulator). Paced, replies take
the time they take on the line; the difference to the limit is what the software adds. Real USB adapters add 1-16 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drivers.io_board import DRIVER
from drivers.io_board.board import ModbusIoBoard
from gate_controller.core.values import Door, Lamp
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.drivers import DriverContext
from simulators.io_board.process import IoBoardProcess
from simulators.wiring import modbus_options

REQUEST = 8
READ_INPUTS_REPLY = 7  # unit, function, byte count, 11 inputs in 2 bytes, checksum
ECHO = 8


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds, `line_limit_ms` 0 on an unpaced line."""

    line: str
    call: str
    calls: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    line_limit_ms: float


def line_limit_ms(baud: int, reply_bytes: int) -> float:
    """Request, reply and the silence owed before each, 8N1."""
    silence_s = 0.00175 if baud > 19200 else 3.5 * 10 / baud
    return 1000 * ((REQUEST + reply_bytes) * 10 / baud + 2 * silence_s)


def measure(call: Callable[[], object], calls: int) -> list[float]:
    """Milliseconds of each call, after a few to warm up."""
    times = []
    for _ in range(calls + 5):
        begun = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - begun))
    return sorted(times[5:])


def bench_line(name: str, baud: int, arguments: list[str], calls: int) -> list[Row]:
    """All calls over one line."""
    with tempfile.TemporaryDirectory() as directory, IoBoardProcess(Path(directory), "--baud", str(baud), *arguments) as process:
        options = DRIVER.options.model_validate(modbus_options(str(process.link), baud=baud, reply_timeout_s=2))
        board: ModbusIoBoard = DRIVER.build(options, DriverContext(SystemClock(), Path(directory), print))
        board.open(time.monotonic() + 10)
        try:
            soon = lambda: time.monotonic() + 10  # noqa: E731 -- read by the three lambdas below
            work: list[tuple[str, Callable[[], Any], int]] = [
                ("read all inputs", lambda: board.read(soon()), READ_INPUTS_REPLY),
                ("hold a door open", lambda: board.hold_open(Door.ENTRY, 1.0, soon()), ECHO),
                ("switch a lamp", lambda: board.set_lamp(Lamp.ENTRY_RED, True, soon()), ECHO),
            ]
            rows = []
            for label, call, reply_bytes in work:
                times = measure(call, calls)
                limit = line_limit_ms(baud, reply_bytes) if "--paced" in arguments else 0.0
                p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
                rows.append(Row(name, label, calls, statistics.median(times), p95, times[-1], limit))
            return rows
        finally:
            board.close()


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Latency of the I/O board's calls")
    parser.add_argument("--calls", type=int, default=200, help="calls of each kind")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    rows = [
        *bench_line("115200, unpaced", 115200, [], options.calls),
        *bench_line("115200, paced", 115200, ["--paced"], options.calls),
        *bench_line("9600, unpaced", 9600, [], options.calls),
        *bench_line("9600, paced", 9600, ["--paced"], options.calls),
    ]
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    print(f"{'line':<17}{'call':<18}{'p50 ms':>8}{'p95 ms':>8}{'max ms':>8}{'line ms':>9}")
    for row in rows:
        limit = f"{row.line_limit_ms:.2f}" if row.line_limit_ms else "-"
        print(f"{row.line:<17}{row.call:<18}{row.p50_ms:>8.2f}{row.p95_ms:>8.2f}{row.max_ms:>8.2f}{limit:>9}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
