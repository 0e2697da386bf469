"""python -m tests.doctor [--only WORDS] [--json FILE]: the table of faults. Exit code 0 when at least 95 of 100 are named and a healthy gate has no fail."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.doctor.gate import BrokenGate
from tests.doctor.run import Outcome, examine, faults, table

LEAST = 0.95


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.doctor", description=__doc__)
    parser.add_argument("--only", default="", help="causes or checks that contain these words")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many of them, from the first")
    parser.add_argument("--json", type=Path, default=None, help="write the outcomes there")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("some faults (full disks, other users) need root", file=sys.stderr)
        return 2
    wanted = [each for each in faults() if options.only in each.cause or options.only in each.check][options.skip :]
    with tempfile.TemporaryDirectory(prefix="doctor-") as name:
        Path(name).chmod(0o755)
        gate = BrokenGate(Path(name))
        try:
            gate.mend()
            healthy = [each["id"] for each in gate.doctor()[1]["checks"] if each["result"] == "fail"]
            print(f"healthy gate: {'no check fails' if not healthy else f'FAILS: {healthy}'}", flush=True)
            outcomes: list[Outcome] = []
            for each in wanted:
                outcomes.append(examine(gate, each))
                print(f"  {len(outcomes)}/{len(wanted)} {each.cause}: {'named' if outcomes[-1].named else 'NOT NAMED'}", file=sys.stderr, flush=True)
        finally:
            gate.close()
    named = sum(each.named for each in outcomes)
    for line in table(outcomes):
        print(line)
    print(f"{named} of {len(outcomes)} causes named; longest run {max(each.seconds for each in outcomes):.0f} s")
    if options.json:
        rows = [{"cause": each.fault.cause, "expected": each.fault.check, "named": each.named, "failing": each.failing} for each in outcomes]
        options.json.write_text(json.dumps({"healthy_fails": healthy, "named": named, "of": len(outcomes), "faults": rows}, indent=1))
    return 0 if not healthy and named >= LEAST * len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
