"""The enrolments: how long a snapshot and a delta take to import, how large the store is, how fast a look-up is, what it costs in memory.

    python tests/bench/bench_enrolment.py [--records 20000] [--changed 5000] [--lookups 5000] [--directory DIR] [--keep] [--json FILE]

Records are of the real size: a face of 512 bytes and two fingers of 1536. Nine of ten people are Hong Kong's, the rest Macao's, as in the scheme; 2,800,000 need
35 GiB for the snapshots and the stores together. Everything is on the disk of --directory, with its fsyncs. Look-ups run in a process of their own, in random
order. `thread` is processor time, which other programs on the machine do not change. --keep leaves the stores in DIR/gate; --look-up DIR/gate, with the same
--records, then measures the look-ups alone.

warm          the files are in the page cache as far as the look-ups before have brought them there
cold          the files are put out of the page cache before each look-up; SQLite keeps what it has (2 MB)
miss          a reference that nobody has: the issuer's store proves that it does not have it
no store      hashing in a loop for as long as the median look-up takes: no file, no SQLite, no garbage. Its tail is the machine's. Where p99 over p50 is the same
              as that of "found, warm", another store would have the same tail (on a busy machine both were 2; switching Python's collector off changed nothing)
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from gate_controller.core.values import Region
from gate_controller.enrolment import Enrolments, MasterKey
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.importing import import_publication
from gate_controller.enrolment.publication import Publication
from gate_controller.ports.services import VerifyingKey
from simulators.enrolment_people import changes, everybody, reference_at
from simulators.enrolment_publication import DELTA, SNAPSHOT, Issue, enrolment_authority, front_digest, publish
from tests.bench.verdicts import said

NOW, SEED = 1_800_000_000, "bench"
MASTER = MasterKey(bytes(range(1, 33)), "bench")
_COLD = 200
TARGET_P99_US, TARGET_GROWTH_MB = 100, 50


def shares(records: int) -> dict[Region, int]:
    """How many people each region has enrolled."""
    return {Region.HK: records - records // 10, Region.MO: records // 10}


def took(act: Callable[[], object]) -> tuple[object, dict[str, float]]:
    """What `act` gave, and its seconds, of them processor seconds."""
    began, processor = time.perf_counter(), time.process_time()
    result = act()
    return result, {"seconds": round(time.perf_counter() - began, 2), "processor_s": round(time.process_time() - processor, 2)}


def progress_of(name: str) -> Callable[[int, int], None]:
    """A line on standard error every ten seconds."""
    last = time.monotonic()

    def progress(done: int, whole: int) -> None:
        nonlocal last
        if time.monotonic() - last > 10:
            last = time.monotonic()
            print(f"{name}: {done / whole:.0%}", file=sys.stderr, flush=True)

    return progress


def imported(directory: Path, region: Region, records: int, changed: int) -> dict[str, dict[str, float]]:
    """Publish and import one region's snapshot and, if `changed`, a delta; the files are removed as soon as they are in."""
    authority = enrolment_authority(region, SEED)
    keys = {authority.kid: VerifyingKey(authority.public_key, region, 0, 1 << 33)}
    figures, base = {}, b""
    for delta in (0, 1) if changed else (0,):
        path = directory / f"{region.value}-{delta}"
        issue = Issue(kind=DELTA if delta else SNAPSHOT, delta=delta, issued_at=NOW + delta, recipients=(MASTER.transport_public,), base=base)
        entries = changes(records, SEED, region, changed, 1) if delta else everybody(records, SEED, region)
        publish(path, authority, issue, entries)
        base = front_digest(path)
        name = f"{region.value} {'delta' if delta else 'snapshot'}"

        def take(path: Path = path, name: str = name) -> object:
            with Publication(path, keys, MASTER, NOW) as publication:
                return import_publication(publication, EnrolmentDirectory(directory / "gate"), MASTER, progress_of(name))

        _, spent = took(take)
        count = changed if delta else records
        figures[name] = {**spent, "entries": count, "entries_per_s": round(count / max(spent["seconds"], 1e-3)), "publication_mb": path.stat().st_size / 1e6}
        path.unlink()
    return figures


def summary(times: list[tuple[float, float]]) -> dict[str, float]:
    """Percentiles of microseconds."""
    whole, thread = ([each[kind] for each in times] for kind in (0, 1))
    cuts, thread_cuts = (statistics.quantiles(each, n=100) for each in (whole, thread))
    return {"p50_us": cuts[49], "p99_us": cuts[98], "max_us": max(whole), "thread_p50_us": thread_cuts[49], "thread_p99_us": thread_cuts[98]}


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Microseconds of one call, and of them the thread's processor time."""
    began, thread = time.perf_counter_ns(), time.thread_time_ns()
    act()
    return (time.perf_counter_ns() - began) / 1000, (time.thread_time_ns() - thread) / 1000


def hashing(for_us: float) -> Callable[[], object]:
    """Something that takes about so long and touches no store."""

    def work(rounds: int) -> None:
        digest = b""
        for _ in range(rounds):
            digest = hashlib.blake2b(digest, digest_size=32).digest()

    each_us = min(timed(lambda: work(100))[1] for _ in range(20)) / 100
    return lambda: work(max(1, round(for_us / each_us)))


def memory() -> dict[str, float]:
    """This process's resident memory, MB: all of it, and without files."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return {name: int(lines[key].split()[0]) / 1024 for name, key in (("rss_mb", "VmRSS"), ("anonymous_mb", "RssAnon"))}


def put_out(directory: Path) -> None:
    """Have the stores leave the page cache."""
    for path in directory.glob("*.db"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def looked_up(directory: Path, records: int, lookups: int) -> dict[str, dict[str, float]]:
    """The look-ups, in this process."""
    chosen = random.Random(1)
    counts = shares(records)

    def region() -> Region:
        return Region.MO if chosen.random() < 0.1 else Region.HK

    def somebody() -> tuple[Region, bytes]:
        issuer = region()
        return issuer, reference_at(chosen.randrange(counts[issuer]), counts[issuer], SEED, issuer)

    before = memory()
    figures: dict[str, dict[str, float]] = {}
    with contextlib.closing(Enrolments(directory, MASTER)) as enrolments:
        asked = [somebody() for _ in range(lookups)]
        enrolled = [each for each in asked if enrolments.find(*each) is not None]  # the delta has erased some
        if len(enrolled) < lookups / 2:
            sys.exit("most people are not in these stores: were they made with the same --records?")
        figures["found, warm"] = summary([timed(lambda each=each: enrolments.find(*each)) for each in enrolled])  # type: ignore[misc]
        control = hashing(figures["found, warm"]["thread_p50_us"])
        figures["no store"] = summary([timed(control) for _ in enrolled])
        strangers = [(region(), chosen.randbytes(16)) for _ in range(lookups)]
        figures["miss, warm"] = summary([timed(lambda each=each: enrolments.find(*each)) for each in strangers])  # type: ignore[misc]
        cold = []
        for each in enrolled[:_COLD]:
            put_out(directory)
            cold.append(timed(lambda each=each: enrolments.find(*each)))  # type: ignore[misc]
        figures["found, cold"] = summary(cold)
        after = memory()
    figures["memory"] = {f"{name} {when}": value for when, found in (("before", before), ("after", after)) for name, value in found.items()}
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000, help="people altogether; 2800000 is everybody")
    parser.add_argument("--changed", type=int, default=5000, help="entries of the delta")
    parser.add_argument("--lookups", type=int, default=5000)
    parser.add_argument("--directory", type=Path, help="where to work, on the disk to be tried; else the directory for temporary files")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--keep", action="store_true", help="leave the stores in DIR/gate")
    parser.add_argument("--look-up", type=Path, metavar="GATE", help="only look up, in the stores that --keep left in GATE; prints JSON")
    arguments = parser.parse_args()
    if arguments.look_up:
        print(json.dumps(looked_up(arguments.look_up, arguments.records, arguments.lookups)))
        return
    if arguments.records < 100 or arguments.lookups < 20:
        parser.error("at least 100 records and 20 look-ups")
    if arguments.keep and not arguments.directory:
        parser.error("--keep needs --directory")
    if arguments.directory:
        arguments.directory.mkdir(parents=True, exist_ok=True)
    with contextlib.nullcontext(arguments.directory) if arguments.keep else tempfile.TemporaryDirectory(dir=arguments.directory) as scratch:
        imports: dict[str, Any] = {}
        for region, count in shares(arguments.records).items():
            imports |= imported(Path(scratch), region, count, min(arguments.changed, count) if region is Region.HK else 0)
        gate = Path(scratch) / "gate"
        size_mb = sum(path.stat().st_size for path in gate.glob("*.db")) / 1e6
        command = [sys.executable, __file__, "--look-up", str(gate), "--records", str(arguments.records), "--lookups", str(arguments.lookups)]
        figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    remembered = figures.pop("memory")
    print(f"{arguments.records} records, {size_mb:.1f} MB in the stores ({size_mb * 1e6 / arguments.records:.0f} bytes a record)")
    for name, row in imports.items():
        print(f"{name:<14}{row['entries']:>9} entries in {row['seconds']:.1f} s ({row['processor_s']:.1f} s of processor), {row['entries_per_s']}/s")
    print(f"{'':<16}" + "".join(f"{column:>14}" for column in ("p50 us", "p99 us", "max us", "thread p50", "thread p99")))
    for name, row in figures.items():
        print(f"{name:<16}" + "".join(f"{value:>14.1f}" for value in row.values()))
    found, control = figures["found, warm"], figures["no store"]
    tails = [row["thread_p99_us"] / row["thread_p50_us"] for row in (found, control)]
    p99 = said(round(found["p99_us"]), round(found["thread_p99_us"]), TARGET_P99_US)
    print(f"p99 us of a found record, warm: {p99}; p99 over p50 by processor time {tails[0]:.1f}, of the machine {tails[1]:.1f}")
    growth = remembered["rss_mb after"] - remembered["rss_mb before"]
    print("memory of the process that looks up: " + ", ".join(f"{name} {value:.1f}" for name, value in remembered.items()))
    print(f"growth of its RSS by opening and looking up: {growth:.1f} MB, target {TARGET_GROWTH_MB}: {'met' if growth <= TARGET_GROWTH_MB else 'NOT MET'}")
    if arguments.json:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
        whole = {"records": arguments.records, "file_mb": size_mb, "imports": imports, "lookups": figures, "memory": remembered}
        arguments.json.write_text(json.dumps({"bench": "enrolment", "machine": machine, **whole}, indent=2) + "\n")


if __name__ == "__main__":
    main()
