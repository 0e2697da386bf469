"""Kill -9 at random points of pass use, key import and enrolment import, thousands of times, and check after each (`make kill`).

    python tests/kill/kill_loop.py [--loops 10000] [--seed 1] [--only "pass use"] [--records 20000] [--directory DIR] [--json FILE]

Half of the loops each for pass use and key import; a hundredth for enrolment import, whose rounds take seconds at 20,000 records. Exit code 1 at the first violation; its files are kept if --directory names where they are. `--seed` fixes what is shown, offered and aimed at; where a random moment
falls is the machine's business. rounds.py has the method, pass_use.py, key_import.py and enrolment_import.py what is done and checked.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.kill.enrolment_import import RECORDS, EnrolmentImport
from tests.kill.key_import import KeyImport
from tests.kill.pass_use import PassUse
from tests.kill.rounds import Tally, Trial, run

TRIALS: dict[str, Callable[[Path, random.Random], Trial]] = {trial.name: trial for trial in (PassUse, KeyImport, EnrolmentImport)}
SHARES = {PassUse.name: 2, KeyImport.name: 2, EnrolmentImport.name: 100}
"""How many loops there are for one of the trial's, when all are run."""
_EVERY_S = 5.0


def reporter(name: str, loops: int) -> Callable[[Tally], None]:
    """Progress on stderr every few seconds."""
    last = time.monotonic()

    def progress(tally: Tally) -> None:
        nonlocal last
        if time.monotonic() - last > _EVERY_S:
            last = time.monotonic()
            rate = tally.kills / tally.seconds
            print(f"{name}: {tally.kills} of {loops} kills, {rate:.0f}/s, {(loops - tally.kills) / rate:.0f} s left", file=sys.stderr, flush=True)

    return progress


def result(trial: Trial, tally: Tally) -> dict[str, Any]:
    """What happened, for people and JSON."""
    return {
        "kills": tally.kills,
        "ended_before_the_kill": tally.not_killed,
        "seconds": round(tally.seconds, 1),
        "killed_in": {
            f"{kind}: {state}" if kind else state: {"random": tally.random[kind, state], "before_a_step": tally.stepped[kind, state]}
            for kind in trial.kinds
            for state in trial.states
            if not kind or tally.random[kind, state] + tally.stepped[kind, state]
        },
        "counts": dict(sorted(trial.counts.items())),
        "violations": tally.violations,
    }


def show(name: str, found: dict[str, Any]) -> None:
    """One trial's table."""
    print(f"{name}: {found['kills']} kills in {found['seconds']} s, {len(found['violations'])} violations")
    print(f"  {'killed while':<34}{'at random':>12}{'at a step':>12}")
    for state, counts in found["killed_in"].items():
        print(f"  {state:<34}{counts['random']:>12}{counts['before_a_step']:>12}")
    for what, count in found["counts"].items():
        print(f"  {what}: {count}")
    for violation in found["violations"]:
        print(f"  VIOLATION {violation}")


def main() -> int:
    """Run the trials one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=10_000, help="kills altogether")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(TRIALS), help="this trial alone")
    parser.add_argument("--records", type=int, default=RECORDS, help="people in each snapshot of enrolments")
    parser.add_argument("--directory", type=Path, help="empty or missing, on the disk to be tried; kept")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(TRIALS)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kill-") as scratch:
        for name in names:
            directory = (arguments.directory or Path(scratch)) / name.replace(" ", "-")
            directory.mkdir(parents=True)
            make = partial(EnrolmentImport, records=arguments.records) if name == EnrolmentImport.name else TRIALS[name]
            trial = make(directory, random.Random(f"{arguments.seed} {name}"))
            loops = arguments.loops if arguments.only else arguments.loops // SHARES[name]
            found[name] = result(trial, run(trial, loops, random.Random(arguments.seed), reporter(name, loops)))
            show(name, found[name])
    if arguments.json:
        arguments.json.write_text(json.dumps({"seed": arguments.seed, "trials": found}, indent=2) + "\n")
    return int(any(each["violations"] for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
