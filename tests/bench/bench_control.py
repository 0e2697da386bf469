"""What 50 readers of the control socket cost the travellers: the time to a decision with and without them.

    python tests/bench/bench_control.py [--crossings 200] [--readers 50] [--users 1] [--block 5] [--realtime] [--json FILE]

Two moments are measured as in bench_decision.py: from a fresh pass in view to the entry's opening at the board, and from finger and face to the exit's. Doors,
board line and reader are ten times as fast as real ones, so that nothing but the gate's own work is left in the figures, and more crossings fit into the time.

Half of the readers follow the events; the others ask for status, crossings and metrics in turn, each ten times a second on connections of their own: as many
screens and scrapers as nobody has. They are threads of a process of their own, on the same machine, or of several (--users): each a user whom this machine
does not know, of a group that may read (root only). Load is on and off in turn, some crossings each (--block),
so that whatever else the machine does falls on both alike. The target is the ratio of the two 95th percentiles, of each moment: at most 1.3.
"""

from __future__ import annotations

import argparse
import contextlib
import grp
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).parents[2]))

from gate_controller.control.client import GateClient
from gate_controller.ports.devices import Family
from gate_controller.ports.errors import GateError
from simulators.fingerprint.process import FingerprintProcess
from simulators.wiring import Coil
from tests.bench.bench_decision import EXTRACTION_MS, IMAGING_MS, DecisionLane
from tests.plug.site import Files, Site

TIMES_FASTER = 10
BAUD = 115_200
"""The nearest that a serial line has to ten times 9600."""
TARGET_RATIO = 1.3
ASKING_EVERY_S = 0.1
SETTLE_S = 0.5
GROUP = "games"
"""One that Debian has (base-passwd(8)), in which nobody is who matters here."""
FIRST_UID = 64_000
"""Users whom no machine knows (Debian Policy 9.2.2)."""
PASS, IDENTITY = "pass in view to entry command", "finger and face to exit command"


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds."""

    what: str
    n_off: int
    n_on: int
    missing: int
    p50_off_ms: float
    p50_on_ms: float
    p95_off_ms: float
    p95_on_ms: float

    @property
    def ratio(self) -> float:
        """Of the 95th percentiles, with load to without."""
        return self.p95_on_ms / self.p95_off_ms if self.p95_off_ms else float("inf")


class Readers:
    """The readers' processes, one of each user; off at first. Each prints what it did when it ends."""

    def __init__(self, socket: Path, count: int, users: int) -> None:
        self._processes = []
        for user in range(users):
            share = count // users + (user < count % users)
            command = [sys.executable, str(Path(__file__)), "--read", str(socket), "--readers", str(share), "--users", str(user if users > 1 else -1)]
            self._processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def switch(self, on: bool) -> None:
        """Begin or stop to read; returns when it is so."""
        for process in self._processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("on\n" if on else "off\n")
            process.stdin.flush()
            process.stdout.readline()
        time.sleep(SETTLE_S)

    def end(self) -> dict[str, int]:
        """How many events and answers they had, and how many failed."""
        told: Counter[str] = Counter()
        for process in self._processes:
            out, _ = process.communicate(timeout=30)
            told.update(json.loads(out.splitlines()[-1]))
        return dict(told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def become(user: int) -> None:
    """Give up root for a user of the group that may read."""
    gid = grp.getgrnam(GROUP).gr_gid
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(FIRST_UID + user, FIRST_UID + user, FIRST_UID + user)


class ReadersSite(Site):
    """A site whose control socket others reach, and where GROUP may read."""

    def new_files(self, changes: dict[str, Any]) -> Files:
        """See Site."""
        self.directory.chmod(0o711)
        return super().new_files({**changes, "control": {"roles": {"read": GROUP}}})


def read(socket: Path, count: int, user: int) -> int:
    """A readers' process: obeys "on" and "off" on standard input."""
    if user >= 0:
        become(user)
    tally = {"events": 0, "answers": 0, "failures": 0}
    lock = threading.Lock()
    reading = threading.Event()

    def add(what: str) -> None:
        with lock:
            tally[what] += 1

    def follow() -> None:
        while True:
            reading.wait()
            try:
                with GateClient(socket).events(heartbeats=True) as stream:
                    for _ in stream:
                        add("events")
                        if not reading.is_set():
                            break
            except GateError:
                add("failures")

    def ask(number: int) -> None:
        client = GateClient(socket)
        calls = (client.status, client.crossings, client.metrics)
        while True:
            reading.wait()
            try:
                calls[number % len(calls)]()
                add("answers")
            except GateError:
                add("failures")
            number += 1
            time.sleep(ASKING_EVERY_S)

    for number in range(count):
        target, arguments = (follow, ()) if number % 2 else (ask, (number,))
        threading.Thread(target=target, args=arguments, daemon=True).start()
    for line in sys.stdin:
        (reading.set if line.strip() == "on" else reading.clear)()
        print("done", flush=True)
    reading.clear()
    print(json.dumps(tally), flush=True)
    return 0


def crossing(lane: DecisionLane) -> dict[str, float]:
    """One crossing; seconds to each decision, without those that were not reached."""
    lane.board.written.clear()
    found: dict[str, float] = {}
    try:
        shown = lane.show_fresh_pass()
        found[PASS] = lane.opened(Coil.ENTRY_DOOR, shown) - shown
        lane.walk_in()
        presented = lane.show_finger_and_face()
        found[IDENTITY] = lane.opened(Coil.EXIT_DOOR, presented) - presented
        lane.walk_out()
    except TimeoutError:  # the machine was too busy for the policy's times
        lane.back()
    return found


def percentile(seconds: Sequence[float], share: float) -> float:
    """In milliseconds; 0 of nothing."""
    times = sorted(seconds)
    return 0.0 if not times else round(1000 * times[min(len(times) - 1, int(len(times) * share))], 1)


def rows(found: dict[bool, list[dict[str, float]]]) -> list[Row]:
    """The lines of the table, from the crossings with load (True) and without."""
    table = []
    for what in (PASS, IDENTITY):
        off, on = ([each[what] for each in found[loaded] if what in each] for loaded in (False, True))
        missing = len(found[False]) + len(found[True]) - len(off) - len(on)
        table.append(Row(what, len(off), len(on), missing, percentile(off, 0.5), percentile(on, 0.5), percentile(off, 0.95), percentile(on, 0.95)))
    return table


def measure(options: argparse.Namespace) -> tuple[list[Row], dict[str, int]]:
    """Cross with and without load in turn."""
    own = ["--imaging-s", str(IMAGING_MS / 1000 / TIMES_FASTER), "--extraction-s", str(EXTRACTION_MS / 1000 / TIMES_FASTER)]
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    with Site() if options.users == 1 else ReadersSite() as site, FingerprintProcess(Family.R503, site.directory, paced=True, arguments=own) as reader:
        lane = DecisionLane(site, reader, options.fps, realtime=options.realtime, baud=BAUD)
        try:
            lane.back()
            crossing(lane)  # the models' first run is slower
            if options.users > 1:
                lane.files.socket.chmod(0o666)
            with Readers(lane.files.socket, options.readers, options.users) as readers:
                loaded = False
                while len(found[False]) + len(found[True]) < options.crossings:
                    readers.switch(loaded)
                    found[loaded] += [crossing(lane) for _ in range(options.block)]
                    loaded = not loaded
                return rows(found), readers.end()
        finally:
            lane.close()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crossings", type=int, default=200, help="with and without load together")
    parser.add_argument("--readers", type=int, default=50, help="at the control socket")
    parser.add_argument("--users", type=int, default=1, help="who they are: so many users")
    parser.add_argument("--block", type=int, default=5, help="crossings before load is switched")
    parser.add_argument("--fps", type=float, default=30.0, help="of both cameras")
    parser.add_argument("--realtime", action="store_true", help="run daemon and board before all other programs (SCHED_RR): on a busy machine, as root")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--read", type=Path, metavar="SOCKET", help=argparse.SUPPRESS)  # the readers' own process
    options = parser.parse_args()
    if options.read is not None:
        return read(options.read, options.readers, options.users)
    if options.crossings < 2 * options.block:
        parser.error("at least two blocks of crossings are needed: one with load, one without")
    table, tally = measure(options)
    print(f"{options.readers} readers ({options.users} user{'s' * (options.users > 1)}) in turn with none; milliseconds")
    print(f"{'':<34}{'n':>5}{'p50':>8}{'loaded':>8}{'p95':>8}{'loaded':>8}  ratio of p95")
    for each in table:
        met = "met" if each.ratio <= TARGET_RATIO and not each.missing else "NOT MET"
        figures = f"{each.p50_off_ms:>8.1f}{each.p50_on_ms:>8.1f}{each.p95_off_ms:>8.1f}{each.p95_on_ms:>8.1f}"
        print(
            f"{each.what:<34}{each.n_off + each.n_on:>5}{figures}  {each.ratio:.2f}, at most {TARGET_RATIO}: {met}"
            + (f"  ({each.missing} not reached)" if each.missing else "")
        )
    print(f"the readers had {tally['events']} events and {tally['answers']} answers; {tally['failures']} failures")
    if options.json:
        lines = [{**asdict(each), "ratio": round(each.ratio, 3)} for each in table]
        options.json.write_text(
            json.dumps(
                {"bench": "control", "readers": options.readers, "users": options.users, "realtime": options.realtime, "tally": tally, "rows": lines}, indent=2
            )
            + "\n"
        )
    return 0


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
