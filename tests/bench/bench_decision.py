"""From what a traveller shows to the door's command at the board: the ordinary daemon over lines at their real speed.

    python tests/bench/bench_decision.py [--repetitions 30] [--judged 30] [--fps 30] [--imaging-ms 200] [--extraction-ms 500] [--realtime] [--json FILE]

pass       a fresh pass comes into view of the QR camera, to the entry's opening written at the board. Before it the camera sees an empty hall.
identity   finger and face come before reader and camera at the same moment, to the exit's opening written at the board. The lane is in identity_check, the
           reference in the module. The reader (R503, 57600 baud) takes its time to image a finger and to make features of it: by default the longest that
           its manual gives. That time is shown, and taken off in the row below it.

Cameras and board run in this process, so both ends are read off one clock where they happen: the scene changes between two frames (a scene is drawn beforehand,
so changing it takes no time), the opening is the frame that switches the door's relay, and its time on the line is added. The moment is random within a
camera's interval. The daemon is the ordinary one with its default settings, in a process of its own; the points on the way are those of
tests/plug/launcher.py and cost it one line to a file each.

judge      the same with presentation attack detection required, which needs more than a second of frames: the face is in view from the entry's opening on, as that
           of somebody who walks in (--walk-s seconds), the finger comes when the lane asks for it. How long the exit then waited for the judge
           alone, all else having ended, has a row of its own. In the rows above no judge is configured, and nothing waits for one. The face camera
           has 15 frames a second then: scenes of people are drawn for that, and shown twice as fast they tremble like a picture in a hand.

Doors, counter and beams are scripted. On a machine that others use, --realtime runs daemon and board before all other programs: a gate has a machine of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parents[2]))

from gate_controller.ports.devices import Family
from simulators.camera.film import Film
from simulators.camera.scenes import EmptyScene, FaceScene, PhoneScene, Scene
from simulators.camera.server import MjpegCamera
from simulators.fingerprint.process import FingerprintProcess
from simulators.io_board.wire import line_time_s
from simulators.lane.wire import pose_of
from simulators.pad.sequences import FPS as FILM_FPS
from simulators.wiring import Coil
from tests.bench.bench_emergency import BAUD, FRAME, Controlled, Lane
from tests.plug.site import Files, Site

READER_BAUD = 57600
IMAGING_MS, EXTRACTION_MS = 200.0, 500.0
"""R503 manual V1.2.2, introduction: image acquiring time below 0.2 s, generating features below 500 ms."""
TARGET_MS = 150.0
JUDGED_WITHIN_S = 20.0
"""More than the policy's pad_decide_within_s, so that a crossing ends in any case: a wait that the policy would send to an officer counts as a wait here."""


class PreparedCamera(MjpegCamera):
    """A camera whose next scene is drawn beforehand, so that it comes into view in no time and at a known moment."""

    def prepare(self, scene: Scene) -> Film[bytes]:
        """Draw every frame of a scene."""
        film = self._developed(scene)
        for number in range(scene.period):
            film.frame(number)
        return film

    def cut(self, film: Film[bytes]) -> float:
        """Show it from the next frame on; gives the time."""
        self._film = film
        return time.monotonic()


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds, None without any. `target_ms` is what 95 of 100 should stay within; `missing` had no time."""

    what: str
    repetitions: int
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    target_ms: float | None = None
    missing: int = 0


class DecisionLane(Lane):
    """The lane of bench_emergency, with cameras of this process and a reader at the speed of its line."""

    def __init__(
        self,
        site: Site,
        reader: FingerprintProcess,
        fps: float,
        *,
        realtime: bool = False,
        judge: bool = False,
        start: Callable[[Files], Controlled] | None = None,
        baud: int = BAUD,
    ) -> None:
        self.baud = baud
        self.qr = PreparedCamera(fps=fps)
        self.faces = PreparedCamera(fps=FILM_FPS if judge else fps, width=640, height=480)
        self.reader = reader
        if realtime:  # hardware, too
            for thread in Path(f"/proc/{reader.pid}/task").iterdir():
                os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(3))
        self._rng = random.Random(1)
        self._nobody = {camera: camera.prepare(EmptyScene()) for camera in (self.qr, self.faces)}
        devices = {
            "qr_camera": {"source": self.qr.url},
            "face_camera": {"source": self.faces.url},
            "fingerprint": {"port": str(reader.link), "family": reader.family.value, "baud": READER_BAUD},
        }
        required = {"pad_rule": "required", "pad_decide_within_s": JUDGED_WITHIN_S}
        judged: dict[str, Any] = {"pad": {"driver": "passive"}} if judge else {}
        super().__init__(site, both=False, realtime=realtime, devices=devices | judged, biometrics=required if judge else None, start=start, baud=baud)
        self._face = self.faces.prepare(FaceScene(person=self.member.face))

    def close(self) -> None:
        super().close()
        for camera in (self.qr, self.faces):
            camera.close()

    def idle(self) -> None:
        super().idle()
        for camera, film in self._nobody.items():
            camera.cut(film)
        self.reader.ask("remove")

    def at_any_moment(self) -> None:
        """Wait until some moment of the cameras' and workers' rounds."""
        time.sleep(self._rng.uniform(0.3, 0.5))

    def show_fresh_pass(self) -> float:
        """Hold up a presentation that nobody has used; gives the moment it came into view."""
        time.sleep(1.0)  # a phone of this bench signs every second
        text = self.phone.text_at(time.time())
        film = self.qr.prepare(PhoneScene(text=text, **cast("dict[str, Any]", pose_of(text))))
        self.at_any_moment()
        return self.qr.cut(film)

    def walk_in(self) -> None:
        """Through the entry, until the lane checks who it is."""
        self.door("entry", "open")
        self.qr.cut(self._nobody[self.qr])
        self.set(entry_beam_clear=False)
        self.people(1)
        time.sleep(0.1)
        self.set(entry_beam_clear=True)
        self.door("entry", "closed")
        self.until("identity_check")
        self.at_any_moment()

    def walk_in_seen(self, walk_s: float) -> float:
        """The same in so many seconds, with the face in view all the while; gives the moment from which the finger lies there, too."""
        self.faces.cut(self._face)
        time.sleep(walk_s)
        self.walk_in()
        self.reader.ask("place", finger=self.member.finger)
        return time.monotonic()

    def show_finger_and_face(self) -> float:
        """Both at once; gives the moment."""
        began = self.faces.cut(self._face)
        self.reader.ask("place", finger=self.member.finger)
        return began

    def walk_out(self) -> None:
        """Through the exit, until the lane is ready again."""
        self.door("exit", "open")
        self.set(exit_beam_clear=False)
        time.sleep(0.2)
        self.people(0)
        self.set(exit_beam_clear=True)
        self.door("exit", "closed")
        self.idle()
        self.until("ready")

    def opened(self, door: Coil, began: float) -> float:
        """When the door's opening was written, its frame's time on the line included."""
        self.pulsed(door, began)
        written = min(at for at, coil, opens in list(self.board.written) if at >= began and coil is door and opens)
        return written + line_time_s(FRAME, self.baud)


@dataclass(frozen=True)
class Crossing:
    """Moments of one crossing, monotonic seconds, and the points that the daemon passed in it."""

    shown: float
    entry: float
    presented: float
    exit: float
    points: tuple[dict[str, Any], ...]

    def after(self, began: float, name: str) -> float | None:
        """When the first such point after `began` was passed."""
        return min((point["at"] for point in self.points if point["at"] >= began and point["point"].startswith(f"{name} #")), default=None)


def crossings(lane: DecisionLane, repetitions: int) -> Iterator[Crossing]:
    """Cross as often."""
    lane.back()
    passed = 0
    for _ in range(repetitions):
        lane.board.written.clear()
        shown = lane.show_fresh_pass()
        entry = lane.opened(Coil.ENTRY_DOOR, shown)
        lane.walk_in()
        presented = lane.show_finger_and_face()
        left = lane.opened(Coil.EXIT_DOOR, presented)
        points = lane.files.points()
        yield Crossing(shown, entry, presented, left, tuple(points[passed:]))
        passed = len(points)
        lane.walk_out()


STAGES = (
    # what, from, the point that ends it; "entry" and "exit" are the doors' commands at the board
    ("  camera and decoder", "shown", "enter pass_check"),
    ("  pass, enrolment, durable admission", "enter pass_check", "enter entry_open"),
    ("  board: until the frame is through", "enter entry_open", "entry"),
)
CHECKS = (("  face check ended", "face after CheckEnded"), ("  finger check ended", "finger after CheckEnded"))


def rows(crossed: Sequence[Crossing], own_ms: float) -> list[Row]:
    """The lines of the table."""

    def moment(each: Crossing, name: str) -> float:
        at = getattr(each, name) if hasattr(each, name) else each.after(each.shown, name)
        return float("nan") if at is None else at

    table = [row("pass in view to entry command", [each.entry - each.shown for each in crossed], TARGET_MS)]
    table += [row(what, [moment(each, end) - moment(each, begin) for each in crossed]) for what, begin, end in STAGES]
    identity = [each.exit - each.presented for each in crossed]
    table.append(row("finger and face to exit command", identity))
    table.append(row(f"  without the reader's own {own_ms:g} ms", [each - own_ms / 1000 for each in identity], TARGET_MS))
    for what, point in CHECKS:
        table.append(row(what, [(each.after(each.presented, point) or float("nan")) - each.presented for each in crossed]))
    table.append(row("  board: decision until the frame is through", [each.exit - moment(each, "enter exit_open") for each in crossed]))
    return table


def row(what: str, seconds: Sequence[float], target_ms: float | None = None) -> Row:
    """A line of the table. What was not reached (NaN) is counted apart: it is no time, and sorting it would hide others."""
    times = sorted(1000 * each for each in seconds if math.isfinite(each))
    missing = len(seconds) - len(times)
    if not times:
        return Row(what, 0, None, None, None, target_ms, missing)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    return Row(what, len(times), round(statistics.median(times), 1), round(p95, 1), round(times[-1], 1), target_ms, missing)


def verdict(each: Row) -> str:
    """What stands behind a line's figures: the target and whether it is met, and how often there was no figure."""
    if each.target_ms is None:
        target = ""
    else:
        met = not each.missing and each.p95_ms is not None and each.p95_ms <= each.target_ms
        target = f"  at most {each.target_ms:g} (without a judge): {'met' if met else 'NOT MET'}"
    return target + (f"  ({each.missing} not reached)" if each.missing else "")


def judged(lane: DecisionLane, repetitions: int, walk_s: float) -> list[Row]:
    """Cross as often with the judge."""
    lane.back()
    totals, waits = [], []
    for _ in range(repetitions):
        passed = len(lane.files.points())
        lane.board.written.clear()
        entry = lane.opened(Coil.ENTRY_DOOR, lane.show_fresh_pass())
        presented = lane.walk_in_seen(walk_s)
        left = lane.opened(Coil.EXIT_DOOR, presented)
        crossing = Crossing(entry, entry, presented, left, tuple(lane.files.points()[passed:]))
        ended = [crossing.after(entry, point) for _, point in CHECKS]
        decided = crossing.after(entry, "enter exit_open")
        totals.append(left - entry)
        waits.append(decided - max(ended) if decided is not None and None not in ended else float("nan"))
        lane.walk_out()
    return [
        row(f"judge, {JUDGED_WITHIN_S:g} s to decide: entry to exit", totals),
        row("  waiting for the judge alone", waits),
    ]


def measure(options: argparse.Namespace, table: list[Row]) -> None:
    """Cross and fill the table; a lane that does not get on (on a machine with no time for it) raises TimeoutError, and leaves what was measured before it."""
    own = ["--imaging-s", str(options.imaging_ms / 1000), "--extraction-s", str(options.extraction_ms / 1000)]
    with Site() as site, FingerprintProcess(Family.R503, site.directory, paced=True, arguments=own) as reader:
        for judge in (False, True) if options.judged else (False,):
            lane = DecisionLane(site, reader, options.fps, realtime=options.realtime, judge=judge)
            try:
                if judge:
                    table += judged(lane, options.judged, options.walk_s)
                else:
                    table += rows(list(crossings(lane, options.repetitions)), options.imaging_ms + options.extraction_ms)
            finally:
                lane.close()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=30, help="crossings")
    parser.add_argument("--judged", type=int, default=30, help="crossings with presentation attack detection; 0 for none")
    parser.add_argument("--walk-s", type=float, default=1.5, help="seconds that walking in takes in those")
    parser.add_argument("--fps", type=float, default=30.0, help="of both cameras; with the judge the face camera has 15")
    parser.add_argument("--imaging-ms", type=float, default=IMAGING_MS, help="the reader's own time to image a finger")
    parser.add_argument("--extraction-ms", type=float, default=EXTRACTION_MS, help="the reader's own time to make features of an image")
    parser.add_argument("--realtime", action="store_true", help="run daemon and board before all other programs (SCHED_RR): on a busy machine, as root")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    print(f"{options.fps:g} frames a second, board at {BAUD} baud, R503 at {READER_BAUD} baud; milliseconds")
    print(f"{'':<44}{'n':>4}{'p50':>8}{'p95':>8}{'max':>8}  p95 should be")
    table: list[Row] = []
    trouble = ""
    try:
        measure(options, table)
    except TimeoutError as error:
        trouble = str(error)
    for each in table:
        figures = "".join(f"{'-' if value is None else format(value, '.1f'):>8}" for value in (each.p50_ms, each.p95_ms, each.max_ms))
        print(f"{each.what:<44}{each.repetitions:>4}{figures}{verdict(each)}")
    if options.json:
        settings = {"fps": options.fps, "imaging_ms": options.imaging_ms, "extraction_ms": options.extraction_ms, "realtime": options.realtime}
        options.json.write_text(json.dumps({"bench": "decision", **settings, "rows": [asdict(each) for each in table]}, indent=2) + "\n")
    if trouble:
        print(f"a crossing did not go on, the rest was not measured: {trouble}", file=sys.stderr)
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
