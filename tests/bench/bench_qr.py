"""Which decoder reads what: frame to text, for the gate's chain and for what it is made of or could be made of.

    python tests/bench/bench_qr.py [--frames 6] [--only NAME ...] [--json FILE]

Every condition is rendered (phone, 720p, a text as long as a presented pass), so rates are exact and repeatable, and say
nothing about real lenses. Some lie beyond what the phone's page and a focused lens keep (9 px of motion, a dark page without quiet zone): they are there to show
where reading ends, and count in the rate. Times are of this machine, one thread; the processor's beside those on the wall, because other programs do not change
them. In the lane most frames are only looked at as they are (gate_controller/runtime/qr_worker.py); here each gets all repairs. cv2.QRCodeDetectorAruco runs in a process of its own with
a time limit a frame: OpenCV's detectors have taken many seconds on one frame, and raised on bytes that are no UTF-8.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zxingcpp
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from drivers.qr.decoder import ZxingQrDecoder, load_zbar
from drivers.qr.options import QrOptions
from simulators.camera.optics import Picture
from simulators.camera.render import render
from simulators.camera.scenes import PhoneScene
from tests.bench.verdicts import said

TEXT = "ECH1:" + ("6BFOXN*TS0BI$ZD4N9:9S6RCVN5+O30K3/XIV0W23NTDE" * 13)[:543]  # 548 characters, version 15-M
WIDTH, HEIGHT = 1280, 720
LIMIT_S = 3.0

CONDITIONS: dict[str, dict[str, Any]] = {
    "plain, 4 px a module": {},
    "6 px a module": {"px_per_module": 6},
    "3 px a module": {"px_per_module": 3},
    "2.5 px a module": {"px_per_module": 2.5},
    "2 px a module": {"px_per_module": 2},
    "1.7 px a module": {"px_per_module": 1.7},
    "1.5 px a module": {"px_per_module": 1.5},
    "tilt 10": {"tilt_deg": 10},
    "tilt 20": {"tilt_deg": 20},
    "tilt 35": {"tilt_deg": 35},
    "tilt 50": {"tilt_deg": 50},
    "roll 10": {"roll_deg": 10},
    "roll 45": {"roll_deg": 45},
    "upside down": {"roll_deg": 180},
    "tilt 30 and roll 30": {"tilt_deg": 30, "roll_deg": 30},
    "blur 1": {"blur": 1},
    "blur 1.5": {"blur": 1.5},
    "blur 2": {"blur": 2},
    "blur 2.2": {"blur": 2.2},
    "blur 2.5": {"blur": 2.5},
    "motion 3 px": {"motion_px": 3},
    "motion 5 px": {"motion_px": 5},
    "motion 7 px": {"motion_px": 7},
    "motion 9 px": {"motion_px": 9},
    "noise 10": {"noise": 10},
    "noise 20": {"noise": 20},
    "noise 30": {"noise": 30},
    "noise 45": {"noise": 45},
    "half the light": {"dim": 0.5},
    "a quarter of the light": {"dim": 0.25},
    "a tenth of the light": {"dim": 0.1},
    "a twentieth of the light": {"dim": 0.05},
    "glare 0.3": {"glare": 0.3},
    "glare 0.6": {"glare": 0.6},
    "burnt-out corner": {"glare": 1.0},
    "dark page, quiet zone 4": {"dark_page": True, "quiet_zone": 4},
    "dark page, quiet zone 2": {"dark_page": True, "quiet_zone": 2},
    "dark page, quiet zone 1": {"dark_page": True, "quiet_zone": 1},
    "dark page, no quiet zone": {"dark_page": True, "quiet_zone": 0},
    "small and tilted": {"px_per_module": 2.5, "tilt_deg": 25},
    "small and noisy": {"px_per_module": 2.5, "noise": 10},
    "dim and noisy": {"dim": 0.2, "noise": 5},
    "tilted, dim and soft": {"tilt_deg": 20, "dim": 0.2, "blur": 1.2},
    "tilt -35": {"tilt_deg": -35},
    "blur 2 and tilt 30": {"blur": 2, "tilt_deg": 30},
    "blur 2 and noise 15": {"blur": 2, "noise": 15},
    "blur 1.5 and motion 5 px": {"blur": 1.5, "motion_px": 5},
    "blur 2 in a fifth of the light": {"blur": 2, "dim": 0.2},
}

TARGET_RATE, TARGET_P50_MS, TARGET_P95_MS = 0.93, 4.0, 15.0

Decode = Callable[[Picture], list[str]]
Times = tuple[float, float]
"""Seconds on the wall, and of the processor."""


def timed(decode: Callable[[], list[str]]) -> tuple[list[str], Times]:
    """What it gives, and how long it took."""
    wall, processor = time.perf_counter(), time.thread_time()
    texts = decode()
    processor = time.thread_time() - processor
    return texts, (time.perf_counter() - wall, processor)


@dataclass
class Result:
    """What one decoder did: frames read by condition, and the time each frame took."""

    read: dict[str, int] = field(default_factory=dict)
    wrong: int = 0
    over_limit: int = 0
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    processor_ms: list[float] = field(default_factory=list)

    def add(self, condition: str, texts: list[str], times: Times) -> None:
        """Note one frame."""
        self.read[condition] = self.read.get(condition, 0) + (TEXT in texts)
        self.wrong += any(text != TEXT for text in texts)
        self.times_ms.setdefault(condition, []).append(1000 * times[0])
        self.processor_ms.append(1000 * times[1])


class InAProcess:
    """A decoder in a process of its own, ended and begun again when a frame takes longer than the limit."""

    def __init__(self, target: Callable[[Connection], None]) -> None:
        self._target = target
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=self._target, args=(other,), daemon=True)
        self._process.start()
        other.close()
        self._pipe.recv()

    def decode(self, picture: Picture) -> tuple[list[str], Times] | None:
        """Texts and times, or None when the limit was reached."""
        self._pipe.send(picture)
        if self._pipe.poll(LIMIT_S):
            answer: tuple[list[str], Times] = self._pipe.recv()
            return answer
        self.close()
        self._start()
        return None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def serve_aruco(pipe: Connection) -> None:
    """Answer pictures with what cv2.QRCodeDetectorAruco reads in them."""
    cv2.setNumThreads(1)
    detector = cv2.QRCodeDetectorAruco()
    pipe.send("ready")

    def read(picture: Picture) -> list[str]:
        try:
            found, texts, _, _ = detector.detectAndDecodeMulti(picture)
        except (cv2.error, UnicodeDecodeError):
            return []
        return [text for text in texts if text] if found else []

    while True:
        picture = pipe.recv()
        pipe.send(timed(lambda picture=picture: read(picture)))  # type: ignore[misc]


def decoders() -> dict[str, Decode]:
    """The decoders that run in this process."""
    chain = ZxingQrDecoder(QrOptions(), lambda line: print(line, file=sys.stderr))
    zbar = load_zbar()
    formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)

    def plain(picture: Picture) -> list[str]:
        return [code.bytes.decode("latin-1") for code in zxingcpp.read_barcodes(picture, formats=formats)]

    return {"gate": chain.decode, "zxing-cpp": plain, "pyzbar": lambda picture: zbar(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))}


def measure(conditions: dict[str, dict[str, Any]], frames: int) -> dict[str, Result]:
    """Decode every frame of every condition with every decoder."""
    here = decoders()
    results = {name: Result() for name in (*here, "cv2 Aruco")}
    aruco = InAProcess(serve_aruco)
    try:
        for condition, fields in conditions.items():
            scene = PhoneScene(text=TEXT, **fields)
            for number in range(frames):
                picture = render(scene, number, WIDTH, HEIGHT, seed=number)
                for name, decode in here.items():
                    results[name].add(condition, *timed(partial(decode, picture)))
                answer = aruco.decode(picture)
                results["cv2 Aruco"].over_limit += answer is None
                results["cv2 Aruco"].add(condition, *(answer or ([], (LIMIT_S, LIMIT_S))))
    finally:
        aruco.close()
    return results


def summary(result: Result, frames: int) -> dict[str, Any]:
    """Rates and times of one decoder, in all and by condition."""
    every = [each for times in result.times_ms.values() for each in times]
    processor = percentiles(result.processor_ms)
    return {
        "rate": sum(result.read.values()) / (frames * len(result.read)),
        **percentiles(every),
        "max_ms": round(max(every), 1),
        "processor_p50_ms": processor["p50_ms"],
        "processor_p95_ms": processor["p95_ms"],
        "wrong_texts": result.wrong,
        "over_limit": result.over_limit,
        "conditions": {condition: {"rate": read / frames, **percentiles(result.times_ms[condition])} for condition, read in result.read.items()},
    }


def percentiles(times: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {"p50_ms": round(statistics.median(times), 1), "p95_ms": round(float(np.percentile(times, 95)), 1)}


def show(report: dict[str, dict[str, Any]], frames: int) -> None:
    """Print the table."""
    table = Table(title=f"QR codes read, percent of {frames} frames, and ms p50/p95 ({len(TEXT)} characters, {WIDTH}x{HEIGHT})")
    table.add_column("condition", no_wrap=True)
    for name in report:
        table.add_column(name, justify="right", no_wrap=True)

    def cell(rate: float, times: dict[str, float]) -> str:
        return f"{100 * rate:.0f}  {times['p50_ms']:>4.0f}/{times['p95_ms']:<4.0f}"

    for condition in next(iter(report.values()))["conditions"]:
        table.add_row(condition, *(cell(each["conditions"][condition]["rate"], each["conditions"][condition]) for each in report.values()))
    table.add_section()
    table.add_row("all conditions", *(cell(each["rate"], each) for each in report.values()))
    for key in ("p50_ms", "p95_ms", "max_ms", "processor_p50_ms", "processor_p95_ms"):
        table.add_row(key.replace("_", " "), *(f"{each[key]:.1f}" for each in report.values()))
    table.add_row("wrong texts", *(str(each["wrong_texts"]) for each in report.values()))
    table.add_row(f"longer than {LIMIT_S:g} s", *(str(each["over_limit"]) for each in report.values()))
    Console(width=120).print(table)
    print(verdict(report["gate"]))


def verdict(gate: dict[str, Any]) -> str:
    """What the gate's decoder should reach, and whether it does."""
    rate = "met" if gate["rate"] >= TARGET_RATE else "NOT MET"
    times = (f"{name} ms {said(gate[f'{name}_ms'], gate[f'processor_{name}_ms'], target)}" for name, target in (("p50", TARGET_P50_MS), ("p95", TARGET_P95_MS)))
    return f"the gate's: read {100 * gate['rate']:.1f} %, reach {100 * TARGET_RATE:.0f}: {rate}; " + "; ".join(times)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description="Which QR decoder reads what")
    parser.add_argument("--frames", type=int, default=6, help="frames a condition")
    parser.add_argument("--only", nargs="+", choices=CONDITIONS, metavar="NAME", help="these conditions only")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    chosen = {name: fields for name, fields in CONDITIONS.items() if not options.only or name in options.only}
    report = {name: summary(result, options.frames) for name, result in measure(chosen, options.frames).items()}
    show(report, options.frames)
    if options.json:
        options.json.write_text(json.dumps({"frames": options.frames, "text_characters": len(TEXT), "decoders": report}, indent=2) + "\n")


if __name__ == "__main__":
    main()
