"""Which decoder reads what: frame to text, for the gate's chain and for what it is made of or could be made of.

    python tests/bench/bench_qr.py [--frames 6] [--only NAME ...] [--json FILE]

Every condition is rendered (phone, 720p, a text as long as a presented pass), so rates are exact and repeatable, and say
nothing about real lenses. Times are of this machine, one thread. cv2.QRCodeDetectorAruco runs in a process of its own with
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
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import zxingcpp
from rich.console import Console
from rich.table import Table

from drivers.qr.decoder import ZxingQrDecoder, load_zbar
from drivers.qr.options import QrOptions
from simulators.camera.optics import Picture
from simulators.camera.render import render
from simulators.camera.scenes import PhoneScene

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
}

Decode = Callable[[Picture], list[str]]


@dataclass
class Result:
    """What one decoder did: frames read by condition, and the time each frame took."""

    read: dict[str, int] = field(default_factory=dict)
    wrong: int = 0
    over_limit: int = 0
    times_ms: list[float] = field(default_factory=list)

    def add(self, condition: str, texts: list[str], seconds: float) -> None:
        """Note one frame."""
        self.read[condition] = self.read.get(condition, 0) + (TEXT in texts)
        self.wrong += any(text != TEXT for text in texts)
        self.times_ms.append(1000 * seconds)


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

    def decode(self, picture: Picture) -> tuple[list[str], float] | None:
        """Texts and seconds, or None when the limit was reached."""
        self._pipe.send(picture)
        if self._pipe.poll(LIMIT_S):
            answer: tuple[list[str], float] = self._pipe.recv()
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
    while True:
        picture = pipe.recv()
        started = time.perf_counter()
        try:
            found, texts, _, _ = detector.detectAndDecodeMulti(picture)
        except (cv2.error, UnicodeDecodeError):
            found, texts = False, ()
        pipe.send(([text for text in texts if text] if found else [], time.perf_counter() - started))


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
                    started = time.perf_counter()
                    texts = decode(picture)
                    results[name].add(condition, texts, time.perf_counter() - started)
                answer = aruco.decode(picture)
                results["cv2 Aruco"].over_limit += answer is None
                results["cv2 Aruco"].add(condition, *(answer or ([], LIMIT_S)))
    finally:
        aruco.close()
    return results


def summary(result: Result, frames: int) -> dict[str, Any]:
    """Rates and times of one decoder."""
    return {
        "rate": sum(result.read.values()) / (frames * len(result.read)),
        "p50_ms": round(statistics.median(result.times_ms), 1),
        "p95_ms": round(statistics.quantiles(result.times_ms, n=20)[-1], 1),
        "max_ms": round(max(result.times_ms), 1),
        "wrong_texts": result.wrong,
        "over_limit": result.over_limit,
        "conditions": {condition: read / frames for condition, read in result.read.items()},
    }


def show(report: dict[str, dict[str, Any]], frames: int) -> None:
    """Print the table."""
    table = Table(title=f"QR codes read, percent of {frames} frames ({len(TEXT)} characters, {WIDTH}x{HEIGHT})")
    table.add_column("condition")
    for name in report:
        table.add_column(name, justify="right")
    for condition in next(iter(report.values()))["conditions"]:
        table.add_row(condition, *(f"{100 * each['conditions'][condition]:.0f}" for each in report.values()))
    table.add_section()
    table.add_row("all conditions", *(f"{100 * each['rate']:.0f}" for each in report.values()))
    for key in ("p50_ms", "p95_ms", "max_ms"):
        table.add_row(key.replace("_", " "), *(f"{each[key]:.1f}" for each in report.values()))
    table.add_row("wrong texts", *(str(each["wrong_texts"]) for each in report.values()))
    table.add_row(f"longer than {LIMIT_S:g} s", *(str(each["over_limit"]) for each in report.values()))
    Console().print(table)


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
