"""Crossings in virtual time: how many a second of processor time on one core, and where that time goes.

    python tests/bench/bench_virtual.py [--travellers 2000] [--faults none mild harsh] [--json FILE]

rate     crossings a second of processor time, one process, as `gatectl simulate --virtual` plays them; 400 are wanted with the harshest faults
core     share of that time inside Controller.handle() and next_deadline(), from a second run under cProfile
monitor  share inside the monitor, likewise
world    the rest: leaves, people, board, desk, agenda

Shares under a profiler favour code with few calls; they tell where to look, not what could be saved.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import platform
import pstats
from pathlib import Path

from simulators.virtual.batch import TRAVELLERS, Run, play
from simulators.virtual.profile import PROFILES

CORE = {("machine.py", "handle"), ("machine.py", "next_deadline")}
MONITOR = "/virtual/monitor.py"


def measure(faults: str, travellers: int) -> dict[str, float | str]:
    """One row of the table."""
    run = Run(faults, 1, travellers)
    result = play(run, 0, run.episodes)
    profiler = cProfile.Profile()
    short = Run(faults, 1, min(travellers, 20 * TRAVELLERS))
    profiler.enable()
    play(short, 0, short.episodes)
    profiler.disable()
    stats = pstats.Stats(profiler)
    whole = stats.total_tt  # type: ignore[attr-defined]
    core = monitor = 0.0
    for (file, _, name), (_, _, own, cumulative, callers) in stats.stats.items():  # type: ignore[attr-defined]
        if (Path(file).name, name) in CORE and "core" in file and any("virtual/host.py" in caller[0] for caller in callers):
            core += cumulative
        elif file.endswith(MONITOR):
            monitor += own
    return {
        "faults": faults,
        "crossings": result.crossed,
        "rate": round(result.crossed / result.cpu_s),
        "us_a_crossing": round(1e6 * result.cpu_s / result.crossed),
        "events_a_crossing": round(result.events / result.crossed, 1),
        "core": round(core / whole, 2),
        "monitor": round(monitor / whole, 2),
        "world": round(1 - (core + monitor) / whole, 2),
        "violations": len(result.violations),
    }


def main() -> None:
    """Print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--travellers", type=int, default=2000)
    parser.add_argument("--faults", nargs="+", default=list(PROFILES), choices=list(PROFILES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [measure(faults, options.travellers) for faults in options.faults]
    names = list(rows[0])
    print("  ".join(f"{name:>17}" for name in names))
    for row in rows:
        print("  ".join(f"{row[name]:>17}" for name in names))
    if options.json:
        options.json.write_text(json.dumps({"python": platform.python_version(), "machine": platform.machine(), "rows": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
