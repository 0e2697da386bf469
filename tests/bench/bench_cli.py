"""How long gatectl takes, from the start of the process to its end, as whoever types it waits.

    python tests/bench/bench_cli.py [--runs 40] [--json FILE]

The installed `gatectl` is run, one process after another, the commands taking turns so that a busy moment of the machine meets all of them. `status` and
`officer calls` ask a control socket that answers at once: what is measured is gatectl, not the gate. `python` alone is the part that no program in Python can
save. Beside the time on the clock stands the processor time of the process, which another program on the machine changes little. The first round,
which reads the files from the disk, is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.cli.stub_daemon import StubDaemon

TARGET_MS = 200.0
TARGETED = ("gatectl --help", "gatectl status")
Took = tuple[float, float]
"""Milliseconds on the clock, and of processor time."""


def run(command: list[str], environment: dict[str, str]) -> Took:
    """Run a command to its end.

    Raises:
        RuntimeError: It failed.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        what = f"{' '.join(command)}: exit code {process.returncode}"
        raise RuntimeError(what)
    return took * 1000, (used.ru_utime + used.ru_stime) * 1000


def rounds(runs: int) -> dict[str, list[Took]]:
    """Every command `runs` times, in turns."""
    gatectl = str(Path(sys.executable).with_name("gatectl"))
    with tempfile.TemporaryDirectory(prefix="bench-cli-") as directory, StubDaemon(Path(directory) / "c.sock").served() as stub:
        environment = {**os.environ, "GATECTL_SOCKET": str(stub.path), "NO_COLOR": "1"}
        completing = {**environment, "_GATECTL_COMPLETE": "bash_complete", "COMP_WORDS": "gatectl sta", "COMP_CWORD": "1"}
        commands = {
            "python -c pass": ([sys.executable, "-c", "pass"], environment),
            "gatectl --help": ([gatectl, "--help"], environment),
            "gatectl status": ([gatectl, "status"], environment),
            "gatectl officer calls": ([gatectl, "officer", "calls"], environment),
            "completing a word": ([gatectl], completing),
        }
        found: dict[str, list[Took]] = {name: [] for name in commands}
        for number in range(runs + 1):
            for name, (command, given) in commands.items():
                took = run(command, given)
                if number > 0:
                    found[name].append(took)
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    figures = {}
    print(f"{f'ms, {options.runs} runs each':<24}{'p50':>8}{'p95':>8}{'processor p50':>16}")
    for name, took in rounds(options.runs).items():
        clock, processor = sorted(each[0] for each in took), [each[1] for each in took]
        p50, p95 = statistics.median(clock), clock[min(len(clock) - 1, int(0.95 * len(clock)))]
        figures[name] = {"p50_ms": round(p50, 1), "p95_ms": round(p95, 1), "processor_p50_ms": round(statistics.median(processor), 1)}
        target = f"   p50 at most {TARGET_MS:g}" if name in TARGETED else ""
        print(f"{name:<24}{p50:>8.1f}{p95:>8.1f}{figures[name]['processor_p50_ms']:>16.1f}{target}")
    met = all(figures[name]["p50_ms"] <= TARGET_MS for name in TARGETED)
    print("within the target" if met else "NOT within the target")
    if options.json:
        options.json.write_text(json.dumps({"bench": "cli", "runs": options.runs, "target_ms": TARGET_MS, "commands": figures}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
