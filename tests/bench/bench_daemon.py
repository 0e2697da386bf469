"""How long the daemon takes from its start to ready, and how much memory it then holds: the ordinary daemon on wire simulators.

    python tests/bench/bench_daemon.py [--starts 5] [--crossings 3] [--enrolments GATE] [--json FILE]

serving    the control socket answers: everything is imported, the stores are open and verified, the models are loaded
ready      every device has worked once and the lane takes travellers. Seconds from the start of the process; beside them the processor time that all its
           threads took until then, which another program on the machine does not change.
memory     of the whole process: RSS as the kernel counts it, and PSS, in which pages shared with other processes count by their share. At rest means that the
           lane waits for a traveller, both models loaded, some seconds after the start, and again after some crossings (buffers of the models' first
           run stay). With the judge of presentation attacks, and without. The stores are small; --enrolments starts the daemon as often on those that
           `bench_enrolment.py --keep` left in GATE, as large as they were made, beside the small ones: SQLite keeps 2 MB of a store, however much is looked up.

The import times by package are of one more start under -X importtime, which slows imports down: they tell where the time goes, not how much it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from gate_controller.control.client import GateClient
from gate_controller.ports.control import JsonObject
from gate_controller.ports.devices import Family
from gate_controller.ports.errors import GateError
from simulators.fingerprint.process import FingerprintProcess
from simulators.wiring import Coil
from tests.bench.bench_decision import DecisionLane
from tests.plug.site import Files, Site

READY_WITHIN_S = 120.0
REST_S = 3.0
WALK_S = 1.0
JUDGE: dict[str, Any] = {"devices": {"pad": {"driver": "passive"}}}
TICKS = os.sysconf("SC_CLK_TCK")
TARGET_READY_S, TARGET_RSS_MB, TARGET_GROWTH_MB = 4.0, 450, 50
FULL = "the given stores"
MASTER = bytes(range(1, 33))
"""Of bench_enrolment's stores."""


@dataclass(frozen=True)
class Start:
    """One start; seconds from the start of the process, and of processor time until then."""

    serving_s: float
    serving_cpu_s: float
    ready_s: float
    ready_cpu_s: float


class Daemon:
    """One daemon process (a `Controlled` of bench_emergency)."""

    def __init__(self, files: Files, *options: str) -> None:
        self.client = GateClient(files.socket)
        self._log = files.log.open("wb")
        self.began = time.monotonic()
        command = [sys.executable, *options, "-m", "gate_controller.daemon", "--config", str(files.config)]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL)

    def status(self) -> JsonObject | None:
        """The gate's status; None while it does not answer."""
        with contextlib.suppress(GateError):
            return self.client.status()
        return None

    def until_ready(self) -> Start:
        """Wait for it.

        Raises:
            TimeoutError: It did not get there.
        """
        serving: tuple[float, float] | None = None
        while time.monotonic() < self.began + READY_WITHIN_S and self._process.poll() is None:
            status = self.status()
            if status is not None:
                now = (time.monotonic() - self.began, self.cpu_s())
                serving = serving or now
                if status["state"] == "ready":
                    return Start(*serving, *now)
            time.sleep(0.01)
        what = f"the daemon did not get ready: {self.status()}"
        raise TimeoutError(what)

    def cpu_s(self) -> float:
        """Processor time of all its threads so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self) -> dict[str, float]:
        """RSS and PSS."""
        lines = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines()
        return {name: round(int(line.split()[1]) / 1024, 1) for line in lines for name in ("Rss", "Pss") if line.startswith(f"{name}:")}

    def mapped_mb(self) -> dict[str, float]:
        """RSS by what is mapped: anonymous memory, and files by their package."""
        found: Counter[str] = Counter()
        name = ""
        for line in Path(f"/proc/{self._process.pid}/smaps").read_text().splitlines():
            words = line.split()
            if not words[0].endswith(":"):
                name = _package(words[5]) if len(words) > 5 else "anonymous"
            elif words[0] == "Rss:":
                found[name] += int(words[1])
        return {name: round(kib / 1024, 1) for name, kib in found.most_common(8)}

    def stop(self, number: int) -> int:
        """Send a signal and wait for the end."""
        self._process.send_signal(number)
        self._process.wait()
        self._log.close()
        return self._process.returncode


def _package(path: str) -> str:
    if path.startswith("["):
        return "anonymous"
    after = path.partition("/site-packages/")[2]
    return (after.partition("/")[0].removesuffix(".libs") if after else Path(path).name).replace("opencv_python_headless", "cv2")


def starts(site: Site, count: int, changes: dict[str, Any] | None = None) -> tuple[list[Start], dict[str, float], dict[str, float]]:
    """Start it as often; of the last one memory at rest, with the share of a core that it uses then, and memory by what is mapped. `changes` go into the configuration."""
    found, memory, mapped = [], {}, {}
    for _ in range(count):
        daemon = Daemon(site.new_files(changes or {}))
        try:
            found.append(daemon.until_ready())
            if len(found) == count:
                time.sleep(REST_S)
                worked = daemon.cpu_s()
                time.sleep(REST_S)
                memory, mapped = daemon.memory_mb(), daemon.mapped_mb()
                memory["cores"] = round((daemon.cpu_s() - worked) / REST_S, 2)
        finally:
            daemon.stop(15)
    return found, memory, mapped


def large(site: Site, gate: Path) -> dict[str, Any]:
    """What to change in the configuration for the stores that bench_enrolment left."""
    key = site.directory / "large.key"
    key.touch(mode=0o600)
    key.write_text(MASTER.hex() + "\n")
    return {"enrolment": {"store": str(gate.absolute()), "master_key_file": str(key)}}


def after_crossings(site: Site, count: int, *, judge: bool = False, rest_s: float = REST_S) -> dict[str, float]:
    """Memory at rest after some crossings."""
    daemons: list[Daemon] = []

    def start(files: Files) -> Daemon:
        daemons.append(Daemon(files))
        return daemons[0]

    with FingerprintProcess(Family.R503, site.directory) as reader:
        lane = DecisionLane(site, reader, fps=30.0, start=start, judge=judge)
        try:
            lane.back()
            for _ in range(count):
                lane.opened(Coil.ENTRY_DOOR, lane.show_fresh_pass())
                if judge:
                    lane.opened(Coil.EXIT_DOOR, lane.walk_in_seen(WALK_S))
                else:
                    lane.walk_in()
                    lane.opened(Coil.EXIT_DOOR, lane.show_finger_and_face())
                lane.walk_out()
            time.sleep(rest_s)
            return daemons[0].memory_mb()
        finally:
            lane.close()


def import_ms(site: Site) -> dict[str, float]:
    """Milliseconds of importing, by top-level package."""
    files = site.new_files({})
    daemon = Daemon(files, "-X", "importtime")
    try:
        daemon.until_ready()
    finally:
        daemon.stop(15)
    return by_package(files.log.read_text(errors="replace"))


def by_package(importtime: str) -> dict[str, float]:
    """The ten packages that took longest, of what -X importtime wrote among other lines."""
    found: Counter[str] = Counter()
    for line in importtime.splitlines():
        cells = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and cells[0].strip().isdigit():
            name = cells[2].strip().partition(".")[0]
            found["the standard library" if name in sys.stdlib_module_names else name] += int(cells[0])
    return {name: round(microseconds / 1000) for name, microseconds in found.most_common(10)}


def show(what: str, times: Sequence[float], target: float | None = None) -> None:
    """Print a line, with what the median should reach."""
    print(f"{what:<38}{statistics.median(times):>8.2f}{max(times):>8.2f}{reach(statistics.median(times), target)}")


def reach(value: float, target: float | None) -> str:
    """What stands behind a figure: what it should be at most, and whether it is."""
    return "" if target is None else f"  at most {target:g}: {'met' if value <= target else 'NOT MET'}"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--crossings", type=int, default=3)
    parser.add_argument("--enrolments", type=Path, metavar="GATE", help="also on the stores that bench_enrolment.py --keep left there")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with Site() as site:
        found, memory, mapped = starts(site, options.starts)
        used = after_crossings(site, options.crossings)
        judged = after_crossings(site, options.crossings, judge=True)
        full = starts(site, options.starts, JUDGE | large(site, options.enrolments)) if options.enrolments else None
        beside = starts(site, 1, JUDGE)[1] if options.enrolments else None
        imported = import_ms(site)
    print(f"{f'seconds, {len(found)} starts':<38}{'p50':>8}{'max':>8}")
    show("start to serving", [each.serving_s for each in found])
    show("  processor time until then", [each.serving_cpu_s for each in found])
    show("start to ready", [each.ready_s for each in found], TARGET_READY_S)
    show("  processor time until then", [each.ready_cpu_s for each in found])
    if full:
        show(f"start to ready, {FULL}", [each.ready_s for each in full[0]], TARGET_READY_S)
    print(f"{'MB at rest':<38}{'RSS':>8}{'PSS':>8}")
    rows = {"models loaded": memory, f"after {options.crossings} crossings": used, f"after {options.crossings} with the judge": judged}
    if full and beside:
        rows |= {"judge loaded, small stores": beside, f"judge loaded, {FULL}": full[1]}
    for what, each in rows.items():
        print(f"{what:<38}{each['Rss']:>8.1f}{each['Pss']:>8.1f}{reach(each['Rss'], TARGET_RSS_MB)}")
    if full and beside:
        growth = full[1]["Rss"] - beside["Rss"]
        print(f"{f'growth by {FULL}':<38}{growth:>8.1f}{'':>8}{reach(growth, TARGET_GROWTH_MB)}")
    print(f"{'cores used at rest':<38}{memory['cores']:>8.2f}          two cameras, every QR frame is looked at")
    print("MB of it, models loaded: " + ", ".join(f"{name} {size:g}" for name, size in mapped.items()))
    print("ms of importing: " + ", ".join(f"{name} {took:g}" for name, took in imported.items()))
    if options.json:
        figures: dict[str, Any] = {"starts": [asdict(each) for each in found], "memory_mb": rows, "mapped_mb": mapped, "import_ms": imported}
        if full:
            figures["starts_with_enrolments"] = [asdict(each) for each in full[0]]
        options.json.write_text(json.dumps({"bench": "daemon", "crossings": options.crossings, **figures}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
