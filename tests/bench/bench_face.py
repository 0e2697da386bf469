"""From a frame of the face camera to a comparison score: both drivers (dlib's with its net run by OpenCV and by dlib), and face_recognition the way its README uses it.

    python tests/bench/bench_face.py [--frames 30] [--json FILE]

One frame is: find the faces, choose the traveller's, align, measure its quality, encode it, compare it with a reference. face_recognition's README: the
encodings of the frame (which finds the faces), the first one compared with a known one; no choice, no quality.

Every frame goes through every pipeline in turn, so whatever else the machine does hits all alike. OpenCV has one thread here, dlib never has more. Beside the
time on the wall stands the processor time of the thread: on a machine with an idle core both are the same, on a busy one the latter is what such a core
would take, but for the caches that the others fill. Pictures of synthetic people (simulators/data/faces), enlarged. Says nothing about accuracy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from drivers.face import DLIB, SFACE
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import FaceMatcher, Image
from gate_controller.ports.drivers import DriverContext
from tests.bench.verdicts import said

TOP = Path(__file__).parents[2]
SIZES = ((640, 480), (1280, 720))
WARM_UP = 3
GATE, NAIVE = "face.sface", "face_recognition, its README"
TARGET_MS, TARGET_RATIO = 25.0, 14.0
"""At 1280x720, on one idle core."""

Score = Callable[[Image], float | None]
"""Distance of the frame's face from the reference; None when no face was encoded."""


def frames(width: int, height: int, count: int) -> Iterator[Image]:
    """Live frames of every person in turn, at this size."""
    files = sorted((TOP / "simulators" / "data" / "faces").glob("person??_live?.jpg"))
    for index in range(count):
        picture = cv2.imread(str(files[index * 7 % len(files)]))
        scale = height / picture.shape[0]
        side = (width - scale * picture.shape[1]) / 2
        yield np.asarray(cv2.warpAffine(picture, np.array([[scale, 0, side], [0, scale, 0]]), (width, height), borderMode=cv2.BORDER_REPLICATE))


def gate_pipeline(matcher: FaceMatcher, enrolled: Image) -> Score:
    """What a driver does with a frame."""
    probe = matcher.analyse(enrolled).probe
    assert probe is not None
    reference = matcher.template(probe)

    def score(image: Image) -> float | None:
        seen = matcher.analyse(image).probe
        return None if seen is None else matcher.compare(seen, reference)

    return score


def readme_pipeline(enrolled: Image) -> Score:
    """What face_recognition's README does with a frame."""
    import face_recognition

    def rgb(image: Image) -> Image:
        return np.ascontiguousarray(image[:, :, ::-1])

    known = face_recognition.face_encodings(rgb(enrolled))[0]

    def score(image: Image) -> float | None:
        encodings = face_recognition.face_encodings(rgb(image))
        return float(face_recognition.face_distance([known], encodings[0])[0]) if encodings else None

    return score


def pipelines(enrolled: Image) -> dict[str, Score]:
    """All pipelines, with the face in `enrolled` as the reference."""
    context = DriverContext(SystemClock(), TOP / "var" / "models", print)
    return {
        GATE: gate_pipeline(SFACE.build(SFACE.options(), context), enrolled),
        "face.dlib, net by OpenCV": gate_pipeline(DLIB.build(DLIB.options(), context), enrolled),
        "face.dlib, net by dlib": gate_pipeline(DLIB.build(DLIB.options(net="dlib"), context), enrolled),
        NAIVE: readme_pipeline(enrolled),
    }


@dataclass
class Times:
    """Milliseconds of each frame, on the wall and of the processor, and in how many frames a face was scored."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    scored: int = 0

    def take(self, score: Score, image: Image) -> None:
        """Score one frame."""
        wall, processor = time.perf_counter(), time.thread_time()
        self.scored += score(image) is not None
        self.processor.append(1000 * (time.thread_time() - processor))
        self.wall.append(1000 * (time.perf_counter() - wall))

    def figures(self) -> dict[str, float]:
        """Medians and 95th percentiles."""
        (p50, p95), (cpu50, cpu95) = np.percentile(self.wall, [50, 95]), np.percentile(self.processor, [50, 95])
        times = {"p50_ms": p50, "p95_ms": p95, "cpu_p50_ms": cpu50, "cpu_p95_ms": cpu95}
        return {name: round(float(value), 1) for name, value in times.items()} | {"frames": len(self.wall), "scored": self.scored}


def measure(width: int, height: int, count: int) -> dict[str, dict[str, float]]:
    """Figures by pipeline, at one size."""
    scores = pipelines(next(frames(width, height, 1)))
    cv2.setNumThreads(1)
    times = {name: Times() for name in scores}
    for number, image in enumerate(frames(width, height, count + WARM_UP)):
        for name, score in scores.items():
            times[name].take(score, image) if number >= WARM_UP else score(image)
    return {name: each.figures() for name, each in times.items()}


def verdict(results: list[dict[str, Any]]) -> str:
    """What the gate's pipeline should reach at the larger size, and whether its median does."""
    width, height = SIZES[-1]
    row = next(each for each in results if (each["pipeline"], each["width"]) == (GATE, width))
    ratio = "met" if row["times_as_fast"] >= TARGET_RATIO else "NOT MET"
    return (
        f"{GATE} at {width}x{height}, p50 ms: {said(row['p50_ms'], row['cpu_p50_ms'], TARGET_MS)}; "
        f"{row['times_as_fast']:g} times as fast as {NAIVE} by processor time, reach {TARGET_RATIO:g}: {ratio}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=30, help="frames measured for each row")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    table = Table("frame", "pipeline", "p50 ms", "p95 ms", "processor p50", "p95", "times as fast", "scored", title="face camera frame to score")
    results: list[dict[str, Any]] = []
    for width, height in SIZES:
        figures = measure(width, height, arguments.frames)
        for name, row in figures.items():
            ratio = round(figures[NAIVE]["cpu_p50_ms"] / row["cpu_p50_ms"], 1)
            results.append({"pipeline": name, "width": width, "height": height, **row, "times_as_fast": ratio})
            cells = [f"{row[key]:.1f}" for key in ("p50_ms", "p95_ms", "cpu_p50_ms", "cpu_p95_ms")]
            table.add_row(f"{width}x{height}", name, *cells, f"{ratio:.1f}", f"{row['scored']:.0f}/{row['frames']:.0f}")
        table.add_section()
    Console(width=120).print(table)
    print(verdict(results))
    if arguments.json:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(), "opencv": cv2.__version__}
        arguments.json.write_text(json.dumps({"bench": "face", "machine": machine, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
