"""Cut the power at every system call of every store, with many disks for each. `make power`; e.g. ARGS="--seed 1 --images 30000 --only 'trust store'".

Ends with 0 when nothing that must hold was found broken, with 1 otherwise; 2: SQLite's calls cannot be recorded with this Python.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.power import sqlite_calls
from tests.power.cuts import Tally, Workload, cut, record
from tests.power.disk import Sync
from tests.power.journal_cuts import JournalCuts
from tests.power.replay_cuts import ReplayCuts
from tests.power.trust_cuts import TrustCuts

WORKLOADS: tuple[Callable[[random.Random], Workload], ...] = (ReplayCuts, JournalCuts, TrustCuts)
KINDS = ("power cut", "power cut in recovery", "killed, then power cut")
ROUND = 3000
"""Images for one course of a workload; the next one takes another course."""
EVERY_S = 5.0


def run(make: Callable[[random.Random], Workload], images: int, seed: int) -> tuple[str, list[Tally]]:
    """A workload's courses, until there are so many images."""
    tallies: list[Tally] = []
    done = 0
    while done < images:
        rng = random.Random(f"{seed} {len(tallies)}")
        workload = make(rng)
        tally = cut(workload, record(workload), min(ROUND, images - done), rng, progress=_reporter(workload.name, done, images))
        tallies.append(tally)
        # Images that were left out because an equal one had been judged count, or a short workload would never end.
        done += sum(tally.images.values()) + tally.repeated
    return workload.name, tallies


def _reporter(name: str, done: int, images: int) -> Callable[[Tally], None]:
    last, told = time.monotonic(), 0

    def progress(tally: Tally) -> None:
        nonlocal last, told
        for what, where in list(tally.examples.items())[told:]:
            print(f"{name}: VIOLATION {where}: {what}", file=sys.stderr, flush=True)
        told = len(tally.examples)
        if time.monotonic() - last > EVERY_S:
            last = time.monotonic()
            judged = sum(tally.images.values()) + tally.repeated
            print(
                f"{name}: {done + judged} of {images} disks, {judged / tally.seconds:.0f}/s, {sum(tally.violations.values())} violations",
                file=sys.stderr,
                flush=True,
            )

    return progress


def summary(name: str, tallies: list[Tally]) -> dict[str, Any]:
    """What was found, for people and JSON."""
    found: dict[str, Any] = {
        "store": name,
        "courses": len(tallies),
        "calls": sum(tally.calls for tally in tallies),
        "crash_points": sum(len(tally.points) for tally in tallies),
        "images": {kind: sum(tally.images[kind] for tally in tallies) for kind in KINDS},
        "repeated": sum(tally.repeated for tally in tallies),
        "violations": sum(sum(tally.violations.values()) for tally in tallies),
        "seconds": round(sum(tally.seconds for tally in tallies), 1),
        "examples": [f"course {number}: {where}: {what}" for number, tally in enumerate(tallies) for what, where in tally.examples.items()],
    }
    return found


def table(found: list[dict[str, Any]]) -> str:
    """The summary's lines."""
    lines = [
        f"{'store':15} {'courses':>7} {'calls':>7} {'crash points':>12} " + " ".join(f"{kind:>23}" for kind in KINDS) + f" {'violations':>10} {'seconds':>8}"
    ]
    lines += [
        f"{each['store']:15} {each['courses']:7} {each['calls']:7} {each['crash_points']:12} "
        + " ".join(f"{each['images'][kind]:23}" for kind in KINDS)
        + f" {each['violations']:10} {each['seconds']:8.0f}"
        for each in found
    ]
    return "\n".join([*lines, *(f"VIOLATION {each['store']}, {example}" for each in found for example in each["examples"])])


def teeth(make: Callable[[random.Random], Workload], images: int, seed: int) -> list[str]:
    """Leave out one of a store's syncs after the other, and tell after how many disks that was found."""
    workload = make(random.Random(seed))
    log = record(workload)
    lines = []
    for where, times in Counter(op.where for op in log.ops if isinstance(op, Sync)).items():
        found = cut(workload, log.without(lambda sync, where=where: sync.where == where), images, random.Random(seed), stop_at_first=True)
        result = (
            f"found after {sum(found.images.values()):5}: {min(found.violations)[:80]}" if found.violations else f"not found in {sum(found.images.values())}"
        )
        lines.append(f"{workload.name:15} {where:50} {times:5}  {result}")
    return lines


def main() -> int:
    """Cut, print, and tell whether all is well."""
    arguments = argparse.ArgumentParser(prog="make power", description="Cut the power at every system call of every store.")
    arguments.add_argument("--images", type=int, default=3000, help="disks for each store (default 3000)")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", choices=[make(random.Random(0)).name for make in WORKLOADS], help="one store")
    arguments.add_argument("--teeth", action="store_true", help="leave out one sync after the other instead, and tell whether that is found")
    arguments.add_argument("--json", type=Path, help="write the figures there, too")
    given = arguments.parse_args()
    if (why := sqlite_calls.unavailable()) is not None:
        print(why, file=sys.stderr)
        return 2
    chosen = [make for make in WORKLOADS if given.only in {None, make(random.Random(0)).name}]
    if given.teeth:
        print("\n".join(line for make in chosen for line in teeth(make, given.images, given.seed)))
        return 0
    found = [summary(*run(make, given.images, given.seed)) for make in chosen]
    print(table(found))
    if given.json is not None:
        given.json.write_text(json.dumps({"seed": given.seed, "stores": found}, indent=1) + "\n")
    return 1 if any(each["violations"] for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
