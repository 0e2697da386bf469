"""Fuzzes the control API of a running daemon as every kind of caller, and watches the daemon's memory (make fuzz-api).

    python -m tests.fuzz.api [--examples 50] [--requests 100000] [--seed 1] [--only officer] [--json FILE]

1. schemathesis, from the checked-in OpenAPI document, as a stranger, as one of each role, and as the user that runs the gate: every answer is one that the
   document names, in its form, none is a 5xx, and nobody is answered with a success where the document asks for another role. The event stream, which does
   not end, is ended for it after the first events.
2. So many requests in all, as each of them at the same time, sound and broken ones mixed; the same judgement by status, and the daemon's memory after each tenth.

The daemon is the ordinary one, on its own stores; its devices are absent, so the lane is out of service. Its listener is handed over as systemd does. Ends
with 1 when something was found. Other users than one's own need root; without it only one's own is tried, and the end says so.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from gate_controller.control.client import GateClient
from gate_controller.ports.errors import GateError
from tests.daemon.conftest import ROOT, Site
from tests.fuzz.api_callers import ROLES, CallerKind, burst, callers, groups_of_this_machine, proxy

SCHEMATHESIS = ROOT / ".venv-api-fuzz" / "bin" / "st"
DOCUMENT = ROOT / "docs" / "openapi.json"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,own_roles_only"
PARTS = 10
FLAT_MB = 8.0
"""Growth from the second tenth to the last that is not called growth: what an allocator keeps. A leak of 100 bytes a request would be 9."""
STEEP_BYTES = 50.0
"""Growth a request over the same tenths, by least squares, that is called a slope: 4 MB in all."""
READY_WITHIN_S = 120.0


class Daemon:
    """The daemon on a socket that everybody may connect to."""

    def __init__(self, directory: Path, groups: dict[str, int]) -> None:
        site = Site(directory)
        self.path = site.apart / "c.sock"
        site.changes["control"] = {"socket": str(self.path), "roles": dict(zip(ROLES, groups, strict=True))}
        site.changes["kiosk"] = {"enabled": False}
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        self.path.chmod(0o666)
        listener.listen(64)
        self.log = directory / "daemon.log"
        command = f'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=control; exec "$0" -m gate_controller.daemon --config "$1" 3<&{listener.fileno()}'
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(["bash", "-c", command, sys.executable, str(site.config)], pass_fds=(listener.fileno(),), stderr=log, stdout=log)
        listener.close()
        self.client = GateClient(self.path, timeout_s=READY_WITHIN_S)
        self.client.status()  # waits in the listener's queue until the daemon serves

    def memory_mb(self) -> float:
        """RSS."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(READY_WITHIN_S)


def fuzz(daemon: Daemon, kind: CallerKind, examples: int, seed: int) -> bool:
    """schemathesis as one of them; prints its report when it found something."""
    began = time.monotonic()
    environment = {**os.environ, "GATE_ROLES": " ".join(sorted(kind.roles)), "SCHEMATHESIS_HOOKS": "api_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    options = ["--checks", CHECKS, "--max-examples", str(examples), "--seed", str(seed), "--request-timeout", "60"]
    options += ["--no-color", "--continue-on-failure", "--generation-database", "none", "--phases", "examples,coverage,fuzzing", "--warnings", "off"]
    options += ["--suppress-health-check", "all"]
    with proxy(kind, daemon.path) as port, tempfile.TemporaryDirectory() as scratch:
        command = [str(SCHEMATHESIS), "run", str(DOCUMENT), "--url", f"http://127.0.0.1:{port}", *options]
        done = subprocess.run(command, env=environment, cwd=scratch, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    made = next((line.strip() for line in said.splitlines() if "generated" in line or "passed" in line), "")
    print(f"{'ok' if done.returncode == 0 else 'FOUND':<6} schemathesis as {kind.name:<10} {time.monotonic() - began:6.0f} s  {made}", flush=True)
    if done.returncode != 0:
        print(said[-12_000:])
    return done.returncode == 0


def judge(kind: CallerKind, document: dict[str, object], found: Counter[tuple[str, int]]) -> list[str]:
    """What should not have been answered so."""
    needed = {operation["operationId"]: set(operation["x-roles"]) for item in document["paths"].values() for operation in item.values()}  # type: ignore[attr-defined]
    wrong = [f"{kind.name}: {name} answered {status} {count} times" for (name, status), count in found.items() if status >= 500]
    wrong += [
        f"{kind.name}: {name} answered {status} {count} times, and needs one of {sorted(needed[name])}"
        for (name, status), count in found.items()
        if status < 300 and needed[name] and not needed[name] & kind.roles
    ]
    return wrong


def hammer(daemon: Daemon, kinds: list[CallerKind], requests: int, seed: int) -> tuple[list[str], list[float], Counter[tuple[str, int]]]:
    """The second part: what was wrong, memory after each tenth (MB), and all answers."""
    document = json.loads(DOCUMENT.read_text())
    wrong: list[str] = []
    memory: list[float] = []
    total: Counter[tuple[str, int]] = Counter()
    for part in range(PARTS):
        count, first = requests // PARTS // len(kinds), seed + part * len(kinds)
        bursts = [(kind, burst(kind, daemon.path, document, count, first + index)) for index, kind in enumerate(kinds)]
        for kind, end in bursts:
            found = Counter(end())
            wrong += judge(kind, document, found)
            total += found
        memory.append(round(daemon.memory_mb(), 1))
        print(f"       {total.total():>7} requests, daemon {memory[-1]:.1f} MB", flush=True)
    return wrong, memory, total


def slope_bytes(memory: list[float], requests: int) -> float:
    """Growth a request from the second tenth to the last, bytes: the slope of the straight line that fits best."""
    tail = memory[1:]
    return statistics.linear_regression([each * requests / PARTS for each in range(len(tail))], tail).slope * 1024 * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=50, help="of schemathesis for each operation and caller; 0 leaves it out")
    parser.add_argument("--requests", type=int, default=100_000, help="of the second part; 0 leaves it out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", metavar="NAME", help=f"only this caller: stranger, {', '.join(ROLES)}, own; more than once for more")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    groups = groups_of_this_machine()
    everybody = callers(groups)
    kinds = [kind for kind in everybody if not options.only or kind.name in options.only]
    if not kinds:
        parser.error(f"no such caller here: one of {', '.join(kind.name for kind in everybody)}")
    wrong: list[str] = []
    memory: list[float] = []
    total: Counter[tuple[str, int]] = Counter()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        daemon = Daemon(Path(name), groups)
        try:
            if options.examples:
                wrong += [f"schemathesis as {kind.name}" for kind in kinds if not fuzz(daemon, kind, options.examples, options.seed)]
            if options.requests:
                found, memory, total = hammer(daemon, kinds, options.requests, options.seed)
                wrong += found
                grown = memory[-1] - memory[1]
                if grown > FLAT_MB:
                    wrong.append(f"the daemon's memory grew by {grown:.1f} MB")
                steep = slope_bytes(memory, options.requests)
                if steep > STEEP_BYTES:
                    wrong.append(f"the daemon's memory grows by {steep:.0f} bytes a request")
                statuses = Counter({status: 0 for _, status in total})
                for (_, status), count in total.items():
                    statuses[status] += count
                print(
                    f"answers: {', '.join(f'{status}: {count}' for status, count in sorted(statuses.items()))}; memory {grown:+.1f} MB from the second tenth on, {steep:+.0f} bytes a request"
                )
            try:
                daemon.client.status()
            except GateError as error:
                wrong.append(f"the daemon does not answer in the end: {error}")
        finally:
            code = daemon.stop()
        if code != 0:
            wrong.append(f"the daemon ended with {code}")
        log = daemon.log.read_text(errors="replace")
        wrong += ["a traceback in the daemon's log"] if "Traceback" in log else []
    if len(everybody) == 1:
        print("not root: nobody but this user was tried")
    print("nothing found" if not wrong else "\n".join(wrong))
    if options.json:
        answers = {f"{name} {status}": count for (name, status), count in sorted(total.items())}
        options.json.write_text(
            json.dumps({"callers": [kind.name for kind in kinds], "memory_mb": memory, "answers": answers, "wrong": wrong}, indent=2) + "\n"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
