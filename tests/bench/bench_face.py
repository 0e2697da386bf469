"""From a frame of the face camera to an embedding: both drivers, and face_recognition the way its README uses it.

    python tests/bench/bench_face.py [--frames 30] [--json FILE]

Times are wall-clock on one thread of whatever else this machine is doing; compare rows of one run, not runs of two machines. Pictures of synthetic
people (simulators/data/faces), enlarged for 1280x720. Says nothing about accuracy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from drivers.face import DLIB, SFACE
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import Image
from gate_controller.ports.drivers import DriverContext

TOP = Path(__file__).parents[2]
SIZES = ((640, 480), (1280, 720))
WARM_UP = 3


def frames(width: int, height: int, count: int) -> Iterator[Image]:
    """Live frames of every person in turn, at this size."""
    files = sorted((TOP / "simulators" / "data" / "faces").glob("person??_live?.jpg"))
    for index in range(count):
        picture = cv2.imread(str(files[index * 7 % len(files)]))
        scale = height / picture.shape[0]
        side = (width - scale * picture.shape[1]) / 2
        yield np.asarray(cv2.warpAffine(picture, np.array([[scale, 0, side], [0, scale, 0]]), (width, height), borderMode=cv2.BORDER_REPLICATE))


def pipelines() -> dict[str, Callable[[Image], bool]]:
    """Name -> function that says whether it made an embedding."""
    context = DriverContext(SystemClock(), TOP / "var" / "models", print)
    sface, dlib = SFACE.build(SFACE.options(), context), DLIB.build(DLIB.options(), context)
    import face_recognition

    def as_in_its_readme(image: Image) -> bool:
        rgb = np.ascontiguousarray(image[:, :, ::-1])
        return bool(face_recognition.face_encodings(rgb, face_recognition.face_locations(rgb)))

    return {
        "face.sface": lambda image: sface.analyse(image).probe is not None,
        "face.dlib": lambda image: dlib.analyse(image).probe is not None,
        "face_recognition, whole frame": as_in_its_readme,
    }


def measure(run: Callable[[Image], bool], width: int, height: int, count: int) -> dict[str, float]:
    """Milliseconds a frame, and in how many frames a face was encoded."""
    milliseconds, encoded = [], 0
    for index, image in enumerate(frames(width, height, count + WARM_UP)):
        start = time.perf_counter()
        found = run(image)
        if index >= WARM_UP:
            milliseconds.append((time.perf_counter() - start) * 1000)
            encoded += found
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return {"p50_ms": round(float(p50), 1), "p95_ms": round(float(p95), 1), "frames": count, "encoded": encoded}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=30, help="frames measured for each row")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    results = [
        {"pipeline": name, "width": width, "height": height, **measure(run, width, height, arguments.frames)}
        for name, run in pipelines().items()
        for width, height in SIZES
    ]
    table = Table("pipeline", "frame", "p50 ms", "p95 ms", "encoded", title="face camera frame to embedding")
    for row in results:
        table.add_row(row["pipeline"], f"{row['width']}x{row['height']}", str(row["p50_ms"]), str(row["p95_ms"]), f"{row['encoded']}/{row['frames']}")
    Console().print(table)
    if arguments.json:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(), "opencv": cv2.__version__}
        arguments.json.write_text(json.dumps({"bench": "face", "machine": machine, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
