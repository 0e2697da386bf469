"""The fingerprint reader at line speed: how long a template takes into the module, and a finger to a decision.

    python tests/bench/bench_fingerprint.py [--rounds 10] [--family r503] [--json FILE]

The real driver on the wire simulator with paced bytes. `limit` is what the bytes alone take on the line (10 bits each); what is above it is the
driver's, the simulator's and the machine's. A real module's own imaging and extraction comes on top, is no matter of driver or line, and stands apart: the
longest that the family's papers give (OWN_MS). The last two columns are the sum: what a traveller waits from finger down to decision.

DownChar       command, acknowledge and data packets, until the module has the last byte
load_reference ReadSysPara, DownChar and the readback that proves it
preloaded      finger down to decision, the reference already in the module
not preloaded  the same when the reference is sent only then: load_reference, one look at the empty glass, finger down to decision
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from drivers.fingerprint import DRIVER, FingerprintOptions
from drivers.fingerprint.commands import Commands, line_time_s
from drivers.fingerprint.families import TRAITS
from drivers.fingerprint.link import Link
from drivers.fingerprint.serial_port import SerialPort
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import Family, FingerprintOutcome, FingerprintReader, FingerprintTemplate
from gate_controller.ports.drivers import DriverContext
from simulators.fingerprint import enrolment_template
from simulators.fingerprint.process import FingerprintProcess

BAUDS = (57600, 115200)
OWN_MS = {
    # imaging: ZFM user manual V13; sellers' data of the R307; R503 manual V1.2.2. Only the R503's names a time for the features: taken for the others, too.
    Family.ZFM20: (1000.0, 500.0),
    Family.R307: (300.0, 500.0),
    Family.R503: (200.0, 500.0),
}
"""Longest time to image a finger and to make features of the image."""
PACKET_BYTES = 128
FINGER = "bench/right-index"
# Bytes on the line: a plain command is 12, with a buffer id 13; a plain acknowledge 12, Match's 14, ReadSysPara's 28.
PARAMETERS_BYTES = 12 + 28
VERIFY_BYTES = PARAMETERS_BYTES + (12 + 12) + (13 + 12) + (12 + 14)
LOOK_BYTES = PARAMETERS_BYTES + (12 + 12)
TRANSFER_BYTES = 13 + 12


def soon(seconds: float = 30.0) -> float:
    """A deadline nothing here should reach."""
    return time.monotonic() + seconds


def timed(act: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def expect(reader: FingerprintReader, outcome: FingerprintOutcome) -> None:
    """One attempt that must give this outcome."""
    result = reader.verify(soon())
    if result.outcome is not outcome:
        msg = f"{result} instead of {outcome}"
        raise RuntimeError(msg)


def download_ms(process: FingerprintProcess, family: Family, baud: int, template: bytes) -> float:
    """One DownChar; its end shows in the answer to the next command, whose own time on the line is taken off."""
    clock = SystemClock()
    link = Link(partial(SerialPort, str(process.link)), clock, 0xFFFFFFFF, "the reader")
    commands = Commands(link, clock.monotonic, "the reader")
    link.open(baud)
    commands.read_parameters(soon())

    def transfer() -> None:
        commands.download_template(TRAITS[family].reference_buffer, template, PACKET_BYTES, soon())
        commands.read_parameters(soon())

    took_ms = timed(transfer)
    link.close()
    return took_ms - PARAMETERS_BYTES * 10_000 / baud


def measure(family: Family, baud: int, rounds: int) -> dict[str, Any]:
    """All figures of one family at one baud rate, in milliseconds."""
    figures: dict[str, list[float]] = {name: [] for name in ("downchar", "load_reference", "preloaded", "not_preloaded")}
    with tempfile.TemporaryDirectory() as directory, FingerprintProcess(family, Path(directory), paced=True) as process:
        options = FingerprintOptions(port=str(process.link), family=family, baud=baud, packet_bytes=PACKET_BYTES)
        reader = DRIVER.build(options, DriverContext(SystemClock(), Path(), print))
        reader.open(soon())
        data = enrolment_template(FINGER, family)
        template = FingerprintTemplate(reader.template_format, 2, data)

        def load() -> None:
            reader.load_reference(template, soon())

        def finger_down() -> None:
            process.ask("place", finger=FINGER)
            expect(reader, FingerprintOutcome.MATCH)

        def load_only_then() -> None:
            load()
            expect(reader, FingerprintOutcome.NO_FINGER)
            finger_down()

        for _ in range(rounds):
            process.ask("remove")
            figures["load_reference"].append(timed(load))
            expect(reader, FingerprintOutcome.NO_FINGER)
            figures["preloaded"].append(timed(finger_down))
            process.ask("remove")
            figures["not_preloaded"].append(timed(load_only_then))
        reader.close()
        figures["downchar"] = [download_ms(process, family, baud, data) for _ in range(rounds)]
    transfer_ms = line_time_s(len(data), PACKET_BYTES, baud) * 1000 + TRANSFER_BYTES * 10_000 / baud
    load_ms = PARAMETERS_BYTES * 10_000 / baud + 2 * transfer_ms
    verify_ms, look_ms = VERIFY_BYTES * 10_000 / baud, LOOK_BYTES * 10_000 / baud
    limits = {"downchar": transfer_ms, "load_reference": load_ms, "preloaded": verify_ms, "not_preloaded": load_ms + look_ms + verify_ms}
    rows = {
        name: {
            "limit_ms": round(limits[name], 1),
            "p50_ms": round(statistics.median(took), 1),
            "p95_ms": round(sorted(took)[min(len(took) - 1, int(len(took) * 0.95))], 1),
            "max_ms": round(max(took), 1),
        }
        for name, took in figures.items()
    }
    own_ms = sum(OWN_MS[family])
    waits = {
        f"{name}_with_own_ms{'' if figure == 'p50_ms' else '_p95'}": round(rows[name][figure] + own_ms, 1)
        for name in ("preloaded", "not_preloaded")
        for figure in ("p50_ms", "p95_ms")
    }
    return {"family": family.value, "baud": baud, "template_bytes": len(data), "rounds": rounds, **rows, "own_ms": own_ms, **waits}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="measurements for each figure")
    parser.add_argument("--family", choices=[family.value for family in Family], nargs="*", help="only these")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    families = [Family(name) for name in arguments.family or []] or list(Family)
    results = [measure(family, baud, arguments.rounds) for family in families for baud in BAUDS]
    table = Table(title="ms: p50 / p95 of the measurements / limit of the line; p50 / p95 with the module's own time in the last columns")
    for heading in ("family", "bytes", "baud", "DownChar", "load_reference", "preloaded", "not preloaded", "own", "preloaded", "not"):
        table.add_column(heading, justify="left" if heading == "family" else "right", no_wrap=True)
    for row in results:
        cells = [
            f"{row[name]['p50_ms']:.0f} / {row[name]['p95_ms']:.0f} / {row[name]['limit_ms']:.0f}"
            for name in ("downchar", "load_reference", "preloaded", "not_preloaded")
        ]
        waits = [f"{row['own_ms']:.0f}"]
        waits += [f"{row[f'{name}_with_own_ms']:.0f} / {row[f'{name}_with_own_ms_p95']:.0f}" for name in ("preloaded", "not_preloaded")]
        table.add_row(str(row["family"]), str(row["template_bytes"]), str(row["baud"]), *cells, *waits)
    Console(width=160).print(table)
    if arguments.json:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
        arguments.json.write_text(json.dumps({"bench": "fingerprint", "machine": machine, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
