"""Crossings in virtual time: how many a second of processor time on one core, and where that time goes.

    python tests/bench/bench_virtual.py [--travellers 2000] [--rounds 3] [--faults none mild harsh] [--json FILE]

rate      crossings a second of processor time, one process, as `gatectl simulate --virtual` plays them, the best of the rounds; 400 are wanted with the harshest faults
events    events that the core handles, a crossing
calls     entries of the event queue, a crossing

and the shares of the time, from another run under cProfile. What belongs to Python itself counts for whoever called it:

core      gate_controller/core and the package transitions
monitor   the judge and what it keeps
services  desk, biometric devices, passes
host      the process, the board on its line, the queue
lane      leaves, people, counter, faults, officer

Shares under a profiler favour code with few calls; they tell where to look, not what could be saved.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import platform
import pstats
from collections import Counter
from pathlib import Path

from simulators.virtual.batch import TRAVELLERS, Run, play
from simulators.virtual.profile import PROFILES

Func = tuple[str, int, str]
Stats = dict[Func, tuple[int, int, float, float, dict[Func, tuple[int, int, float, float]]]]
GROUPS = {
    "core": ("gate_controller/core/", "/transitions/"),
    "monitor": tuple(f"virtual/{name}.py" for name in ("monitor", "senses", "ledger", "evidence", "leave", "patience", "watch")),
    "services": ("virtual/desk.py", "virtual/services.py", "virtual/passes.py"),
    "host": ("virtual/host.py", "virtual/board.py", "virtual/agenda.py"),
    "lane": ("virtual/",),
}
"""By a part of the file's name, the first that fits."""
DEEPEST = 6


def measure(faults: str, travellers: int, rounds: int) -> dict[str, float | str]:
    """One row of the table."""
    run = Run(faults, 1, travellers)
    results = [play(run, 0, run.episodes) for _ in range(rounds)]
    result = min(results, key=lambda each: each.cpu_s)
    profiler = cProfile.Profile()
    short = Run(faults, 1, min(travellers, 20 * TRAVELLERS))
    profiler.enable()
    play(short, 0, short.episodes)
    profiler.disable()
    stats: Stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    shares: Counter[str] = Counter()
    for func, (_, _, own, _, _) in stats.items():
        _spread(func, own, stats, shares, DEEPEST)
    whole = sum(shares.values())
    return {
        "faults": faults,
        "crossings": result.crossed,
        "rate": round(result.crossed / result.cpu_s),
        "us_a_crossing": round(1e6 * result.cpu_s / result.crossed),
        "events": round(result.events / result.crossed, 1),
        "calls": round(result.calls / result.crossed, 1),
        **{name: round(shares[name] / whole, 2) for name in GROUPS},
        "violations": len(result.violations),
    }


def _spread(func: Func, seconds: float, stats: Stats, shares: Counter[str], deep: int) -> None:
    """Count a function's own time for its group; one of Python's for its callers', by how long it took for each."""
    group = next((name for name, files in GROUPS.items() if any(file in func[0] for file in files)), None)
    callers = stats[func][4]
    whole = sum(own for _, _, own, _ in callers.values())
    if group is not None or not deep or not whole:
        shares[group or "other"] += seconds
        return
    for caller, (_, _, own, _) in callers.items():
        _spread(caller, seconds * own / whole, stats, shares, deep - 1)


def main() -> None:
    """Print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--travellers", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--faults", nargs="+", default=list(PROFILES), choices=list(PROFILES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [measure(faults, options.travellers, options.rounds) for faults in options.faults]
    names = list(rows[0])
    print("  ".join(f"{name:>13}" for name in names))
    for row in rows:
        print("  ".join(f"{row[name]:>13}" for name in names))
    if options.json:
        options.json.write_text(json.dumps({"python": platform.python_version(), "machine": platform.machine(), "rows": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
