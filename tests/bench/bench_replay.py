"""The replay memory after two days of a busy hall: its size, its check, its claim, its start, and what forgetting costs.

    python tests/bench/bench_replay.py [--rows 200000] [--claims 500] [--json FILE]

Virtual time: 100,000 passes a day, each used once and valid for 48 h, so that every row of two days is still needed: the most there can be. The rows are claimed
one by one in their order, with the disk's fsyncs switched off for the filling alone; the pages come out as they would have. Everything
measured afterwards runs as in service. The directory is the system's for temporary files; a claim on tmpfs says nothing.

check          last_presented() of a pass that was used, and of one that was not
claim          claim() of a new pass, with its fsyncs; in the steady state each also forgets the pass that expired meanwhile
a day off      the first claims after the gate stood still until everything had expired
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gate_controller.passes.replay import KEEP_AFTER_EXPIRY_S, SqliteReplayMemory

START = 1_800_000_000
PASSES_A_DAY = 100_000
LIFETIME_S = 48 * 3600
ROWS = PASSES_A_DAY * LIFETIME_S // 86_400
MB = 1024 * 1024


def pass_id(number: int) -> bytes:
    """16 bytes that fall anywhere in the index, as an authority's do."""
    return hashlib.sha256(number.to_bytes(8)).digest()[:16]


def used_at(number: int) -> int:
    """When the pass with this number is presented."""
    return START + number * 86_400 // PASSES_A_DAY


def claim(memory: SqliteReplayMemory, number: int, at: int | None = None) -> None:
    """Claim the pass with this number; it must succeed."""
    at = used_at(number) if at is None else at
    if not memory.claim(pass_id(number), at, at + LIFETIME_S):
        msg = f"pass {number} was refused"
        raise RuntimeError(msg)


def opened(path: Path) -> SqliteReplayMemory:
    """The memory as a gate opens it."""
    return SqliteReplayMemory(path, blind_until=None)


def fill(path: Path, rows: int) -> None:
    """Claim passes 0 to rows - 1, without waiting for the disk."""
    with opened(path) as memory:
        memory._db.execute("PRAGMA synchronous = OFF")
        memory._db.execute("PRAGMA journal_mode = MEMORY")
        for number in range(rows):
            claim(memory, number)


def resident_mb() -> float:
    """Memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def timed_us(act: Callable[[], object]) -> float:
    """Microseconds of one call."""
    began = time.perf_counter_ns()
    act()
    return (time.perf_counter_ns() - began) / 1000


def summary(times: list[float]) -> dict[str, float]:
    """Percentiles of microseconds."""
    cuts = statistics.quantiles(times, n=100)
    return {"p50_us": round(cuts[49], 1), "p99_us": round(cuts[98], 1), "max_us": round(max(times), 1)}


def measure(path: Path, rows: int, claims: int) -> dict[str, dict[str, float]]:
    """All figures, of a memory that is filled here; percentiles in microseconds."""
    figures: dict[str, dict[str, float]] = {}
    with opened(path) as memory:
        figures["claim, empty memory"] = summary([timed_us(lambda n=n: claim(memory, n)) for n in range(claims)])  # type: ignore[misc]
    path.unlink()
    fill(path, rows)
    before_mb = resident_mb()
    opening = [timed_us(lambda: opened(path).close()) for _ in range(5)]
    figures["opening, with SQLite's integrity check"] = {"p50_us": round(statistics.median(opening), 1), "max_us": round(max(opening), 1)}
    with opened(path) as memory:
        known = [pass_id((n * 7919) % rows) for n in range(claims * 10)]
        unknown = [pass_id(rows * 2 + n) for n in range(claims * 10)]
        figures["check, used pass"] = summary([timed_us(lambda i=i: memory.last_presented(i)) for i in known])  # type: ignore[misc]
        figures["check, unused pass"] = summary([timed_us(lambda i=i: memory.last_presented(i)) for i in unknown])  # type: ignore[misc]
        figures["claim, full memory"] = summary([timed_us(lambda n=n: claim(memory, n)) for n in range(rows, rows + claims)])  # type: ignore[misc]
        figures["memory"] = {"rows": rows, "file_mb": round(path.stat().st_size / MB, 1), "resident_growth_mb": round(resident_mb() - before_mb, 1)}
        # An hour after the first expiry every claim forgets about one row.
        steady = range(ROWS + KEEP_AFTER_EXPIRY_S * PASSES_A_DAY // 86_400, ROWS + KEEP_AFTER_EXPIRY_S * PASSES_A_DAY // 86_400 + claims)
        claim(memory, steady.start - 1)
        figures["claim, steady state"] = summary([timed_us(lambda n=n: claim(memory, n)) for n in steady])  # type: ignore[misc]
        later = used_at(steady.stop) + LIFETIME_S + 2 * KEEP_AFTER_EXPIRY_S
        first = [timed_us(lambda n=n: claim(memory, n, later + n)) for n in range(claims)]  # type: ignore[misc]
        figures["claim, the first after a day off"] = {"p50_us": round(first[0], 1)}
        figures["claim, those after it"] = summary(first[1:])
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="passes in the memory")
    parser.add_argument("--claims", type=int, default=500, help="claims measured for each row of the table, at least 20")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    if arguments.claims < 20 or arguments.rows < 20:
        parser.error("at least 20 rows and 20 claims make percentiles")
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory) / "replay.db", arguments.rows, arguments.claims)
    memory = figures.pop("memory")
    print(f"{memory['rows']} passes: file {memory['file_mb']} MB, the process grew by {memory['resident_growth_mb']} MB")
    print(f"{'':<42}{'p50 us':>12}{'p99 us':>12}{'max us':>12}")
    for name, row in figures.items():
        print(f"{name:<42}" + "".join(f"{row[column]:>12.1f}" if column in row else f"{'-':>12}" for column in ("p50_us", "p99_us", "max_us")))
    if arguments.json:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
        arguments.json.write_text(json.dumps({"bench": "replay", "machine": machine, "memory": memory, "measures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
