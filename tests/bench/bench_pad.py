"""Presentation attack detection: what a frame costs the lane, beside what finding and encoding the face costs it.

    python tests/bench/bench_pad.py [--frames 52] [--json FILE]

Wall-clock and processor time on one thread; wall-clock depends on whatever else this machine is doing, so compare rows of one run. Frames are sequences of synthetic people
(simulators/pad), rendered before the clock starts. Says nothing about accuracy: tests/bench/pad_accuracy.py does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from drivers.face import SFACE
from drivers.face.detection import Detector, choose_probe
from drivers.face.weights import YUNET_2023MAR, read_checked
from drivers.pad import PASSIVE
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import Frame
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.pad import FacePlace
from simulators.pad.sequences import FRAMES, frames

TOP = Path(__file__).parents[2]
SIZES = ((640, 480), (1280, 720))
SHOWN = (("live", "person07"), ("screen_replay", "person08"))
WARM_UP = 3


def measure(width: int, height: int, count: int) -> list[dict[str, object]]:
    """Milliseconds a frame for each step, at this size."""
    context = DriverContext(SystemClock(), TOP / "var" / "models", print)
    judge, matcher = PASSIVE.build(PASSIVE.options(), context), SFACE.build(SFACE.options(), context)
    detector = Detector(read_checked(context.models, YUNET_2023MAR), 0.6)
    spent: dict[str, list[tuple[float, float]]] = {"PAD judge, frame": [], "PAD judge, assessment": [], "YuNet": [], "YuNet and SFace": []}
    per_sequence = max(WARM_UP + 1, count // len(SHOWN))
    for kind, person in SHOWN:
        judge.begin()
        for number, shot in enumerate(frames(kind, person, 0, per_sequence, width=width, height=height)):
            face = choose_probe(detector.find(shot.image), shot.image, 60)
            place = None if face is None else FacePlace(tuple(float(value) for value in face.row[:4]), face.landmarks)
            frame = Frame(shot.image, shot.stamp, number)
            steps = {
                "PAD judge, frame": lambda frame=frame, place=place: judge.observe(frame, place),
                "PAD judge, assessment": judge.assess,
                "YuNet": lambda shot=shot: detector.find(shot.image),
                "YuNet and SFace": lambda shot=shot: matcher.analyse(shot.image),
            }
            for name, step in steps.items():
                wall, processor = time.perf_counter(), time.thread_time()
                step()
                if number >= WARM_UP:
                    spent[name].append(((time.perf_counter() - wall) * 1000, (time.thread_time() - processor) * 1000))
    rows = []
    for name, times in spent.items():
        (p50, cpu), (p95, _) = np.percentile(times, [50, 95], axis=0).round(1).tolist()
        rows.append({"step": name, "width": width, "height": height, "p50_ms": p50, "p95_ms": p95, "cpu_p50_ms": cpu, "frames": len(times)})
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2 * FRAMES, help="frames for each size")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    results = [row for size in SIZES for row in measure(*size, arguments.frames)]
    table = Table("step", "frame", "p50 ms", "p95 ms", "processor p50 ms", title="presentation attack detection, a frame of the face camera")
    for row in results:
        table.add_row(str(row["step"]), f"{row['width']}x{row['height']}", str(row["p50_ms"]), str(row["p95_ms"]), str(row["cpu_p50_ms"]))
    Console().print(table)
    if arguments.json:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(), "opencv": cv2.__version__}
        arguments.json.write_text(json.dumps({"bench": "pad", "machine": machine, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
