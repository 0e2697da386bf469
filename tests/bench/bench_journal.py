"""The journal: what a row costs with its place in the hash tree and its share of the checkpoints, and what it takes to open, prove, verify and forget.

    python tests/bench/bench_journal.py [--rows 1000000] [--appends 500] [--json FILE]

Rows are those of a lane: a crossing of five rows (admission, two events, outcome, a trace of 16 events). They are filled with the disk's fsyncs switched off; the
pages come out as they would have. Everything measured afterwards runs as in service, with fsync, on the directory for temporary files; on
tmpfs an append says nothing about a disk. `thread` is processor time, which other programs on the machine do not change.

append        one row: commitment, leaf, frontier, now and then a tile or a signed checkpoint, and its fsync
admit         the row that an entry door waits for
open          starting the gate: the frontier from the tiles, the last checkpoint checked
proofs        an inclusion and a consistency proof, nothing cached
verify        gatectl journal verify, a million rows' share
forget        retention's deletion of up to 1000 rows at once, in the way of an admission
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gate_controller.core.commands import CrossingRecord, Step
from gate_controller.core.values import BIOMETRICS, CheckOutcome, Direction, Outcome, Region
from gate_controller.journal import JournalReader, Signer, SqliteJournal
from gate_controller.journal.notes import open_checkpoint
from gate_controller.journal.proofs import consistency, inclusion
from gate_controller.journal.verify import verify

START = 1_800_000_000.0
STEPS = ("pass_read", "pass_verified", "authorised", "admitted", "entered", "fingerprint_successful", "face_successful", "verified", "exit_commanded", "exited")
TRACE: dict[str, Any] = {
    "format": 1,
    "program": "0" * 64,
    "policy": {"CrossingPolicy": {f"time_{n}_s": {"float": f"{n}.25"} for n in range(22)}},
    "policy_digest": "0" * 64,
    "situation": {f"fact_{n}": {"float": f"123456.{n}"} for n in range(30)},
    "events": [[f"123456.78901{n}", {"InputsRead": {"entry_door": {"DoorPosition": "OPEN"}}}, "01234567"] for n in range(16)],
    "cut": 0,
}
SIGNER = Signer("e-channel/MO-GB-07/journal", b"k" * 32)


def crossing(journal: SqliteJournal, number: int, now: float) -> None:
    """Five rows."""
    name = f"{number:016x}"
    journal.admit(name, Region.HK, Direction.HK_TO_MO, now)
    journal.event("officer_called", {"escalation": "0", "reason": "face_mismatch"}, now)
    journal.event("officer_acknowledged", {"identity": "officer 7 (uid 1000)"}, now)
    steps = tuple(Step(step, at * 0.7) for at, step in enumerate(STEPS))
    checks = dict.fromkeys(BIOMETRICS, CheckOutcome.SUCCESSFUL)
    journal.record(CrossingRecord(name, Outcome.COMPLETED, None, True, Region.HK, Direction.HK_TO_MO, steps=steps, checks=checks), now)
    journal.trace(name, TRACE, now)


def fill(path: Path, rows: int) -> float:
    """Fill a journal without waiting for the disk; returns processor microseconds a row."""
    with contextlib.closing(SqliteJournal(path, SIGNER)) as journal:
        journal._connection.execute("PRAGMA synchronous = OFF")
        began = time.process_time()
        for number in range(rows // 5):
            crossing(journal, number, START + number * 8)
        return (time.process_time() - began) / rows * 1e6


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Microseconds of one call, and of them the thread's processor time."""
    began, thread = time.perf_counter_ns(), time.thread_time_ns()
    act()
    return (time.perf_counter_ns() - began) / 1000, (time.thread_time_ns() - thread) / 1000


def summary(times: list[tuple[float, float]]) -> dict[str, float]:
    """Percentiles of microseconds."""
    whole, thread = ([each[kind] for each in times] for kind in (0, 1))
    cuts = statistics.quantiles(whole, n=100)
    return {"p50_us": round(cuts[49], 1), "p99_us": round(cuts[98], 1), "max_us": round(max(whole), 1), "thread_p50_us": round(statistics.median(thread), 1)}


def measure(path: Path, rows: int, appends: int) -> dict[str, dict[str, float]]:
    """All figures, of a journal that is filled here."""
    figures: dict[str, dict[str, float]] = {}
    filling_us = fill(path, rows)
    now = START + rows / 5 * 8
    figures["open"] = summary([timed(lambda: SqliteJournal(path, SIGNER).close()) for _ in range(20)])
    with contextlib.closing(SqliteJournal(path, SIGNER)) as journal:
        figures["append an event"] = summary(
            [timed(lambda: journal.event("device_lost", {"device": "io_board", "code": "timeout"}, now)) for _ in range(appends)]
        )
        figures["admit"] = summary(
            [timed(lambda n=n: journal.admit(f"a{n}", Region.HK, Direction.HK_TO_MO, now)) for n in range(appends)]  # type: ignore[misc]
        )
        figures["append a trace"] = summary([timed(lambda n=n: journal.trace(f"a{n}", TRACE, now)) for n in range(appends)])  # type: ignore[misc]
    size_mb = path.stat().st_size / 1e6
    with JournalReader(path) as reader:
        checkpoints = reader.checkpoints()
        old = open_checkpoint(checkpoints[len(checkpoints) // 3][1], SIGNER.key)
        figures["inclusion proof"] = summary([timed(lambda n=n: inclusion(reader, 1 + n * (rows // 50))) for n in range(50)])  # type: ignore[misc]
        figures["consistency proof"] = summary([timed(lambda: consistency(reader, old)) for _ in range(20)])
        began, processor = time.perf_counter(), time.process_time()
        found = verify(reader, SIGNER.key)
        took = {"rows": found.rows, "verify_s": round(time.perf_counter() - began, 1), "verify_processor_s": round(time.process_time() - processor, 1)}
    journal = SqliteJournal(path, SIGNER, retention_days=1)
    with contextlib.closing(journal):
        figures["forget 1000 rows"] = summary([timed(lambda: journal.tend(now + 86_400)) for _ in range(min(20, rows // 1000))] or [(0.0, 0.0)] * 2)
    figures["journal"] = {**took, "file_mb": round(size_mb, 1), "append_processor_us": round(filling_us, 1), "checkpoints": len(checkpoints)}
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows in the journal, at least 2000")
    parser.add_argument("--appends", type=int, default=500, help="appends measured for each row of the table, at least 20")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    if arguments.rows < 2000 or arguments.appends < 20:
        parser.error("at least 2000 rows and 20 appends")
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory) / "journal.db", arguments.rows, arguments.appends)
    whole = figures.pop("journal")
    print(
        f"{whole['rows']} rows, {whole['checkpoints']} checkpoints, {whole['file_mb']} MB; verified in {whole['verify_s']} s ({whole['verify_processor_s']} s of processor)"
    )
    print(f"a row costs {whole['append_processor_us']} us of processor without its fsync")
    print(f"{'':<24}{'p50 us':>12}{'p99 us':>12}{'max us':>12}{'thread p50':>12}")
    for name, row in figures.items():
        print(f"{name:<24}" + "".join(f"{row[column]:>12.1f}" for column in ("p50_us", "p99_us", "max_us", "thread_p50_us")))
    if arguments.json:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
        arguments.json.write_text(json.dumps({"bench": "journal", "machine": machine, "journal": whole, "measures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
