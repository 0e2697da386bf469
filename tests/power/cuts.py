"""Cuts the power at the calls of a workload, lets any part of what was not synced survive, and has the store judged on each disk that may come of it.

Three kinds of rounds: the power is cut; it comes back, the store recovers, and the power is cut again; the process is killed, another one goes on with the same
disk, and only then the power is cut (so that what the first left unsynced is still in the air). Knows no store: workloads have what is done and what must hold.
"""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gate_controller.ports.errors import GateError
from tests.power import sqlite_calls
from tests.power.calls import Recorder
from tests.power.disk import Disk, Fate, Image, Log, Mark, Op
from tests.power.fate import at_random, only

Note = Callable[[object], None]
_DIRECTORY = re.compile(r"/\S*power-\w+")
AGAIN = 0.25
"""Share of the images after which the power is cut a second time; and as much for the killed ones."""


def nobody(_: object) -> None:
    """A note that nobody takes: the calls are not recorded, so a workload may spare itself some of the going on."""


class ViolationError(Exception):
    """Something that no loss of power may bring about."""


class Workload(Protocol):
    """A store, what is done with it, and what must hold afterwards.

    Attributes:
        name: In tables.
    """

    name: str

    def work(self, directory: Path, note: Note) -> None:
        """Use the store in an empty directory; after each call that returned, note what it holds by now."""
        ...

    def judge(self, directory: Path, allowed: Sequence[object], note: Note) -> None:
        """Open the store after a loss of power, check it, and go on working with it, noting as work() does.

        What the store is found to hold is not noted: after a kill it may have been seen and not yet be durable, and nobody was told that it is.

        Args:
            directory: Where it is.
            allowed: What it may hold: what the last call that returned had acknowledged (None: none had), or what the one that was running would have.
            note: As in work().

        Raises:
            ViolationError: It holds something else, or cannot be used.
        """
        ...


@dataclass(slots=True)
class Tally:
    """What was tried and found.

    Attributes:
        calls: Recorded calls; there is a crash point before the first and after each.
        points: Crash points at which an image was judged.
        images: Images judged, by the kind of round.
        repeated: Images that were left out because an equal one had been judged.
        violations: How many, by what was wrong.
        examples: The first place of each.
    """

    calls: int = 0
    points: set[int] = field(default_factory=set)
    images: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def record(workload: Workload) -> Log:
    """A workload's calls."""
    log = Log()
    with _directory() as directory, _recording(directory, log.base) as recorder:
        workload.work(directory, recorder.mark)
    log.ops = recorder.ops
    return log


def cut(
    workload: Workload, log: Log, images: int, rng: random.Random, *, progress: Callable[[Tally], None] = lambda _: None, stop_at_first: bool = False
) -> Tally:
    """Cut the power at each call (or at as many as there may be images), and judge.

    Args:
        workload: Judges.
        log: Its calls.
        images: About how many images.
        rng: What survives.
        progress: Told after each crash point.
        stop_at_first: End with the first violation.
    """
    round_ = _Round(workload, log, rng)
    tally, began = round_.tally, time.monotonic()
    tally.calls = len(log.ops)
    share = images / (len(log.ops) + 1) / (1 + 2 * AGAIN)
    disk = Disk(log.base)
    for point in range(len(log.ops) + 1):
        if point:
            disk.take(log.ops[point - 1])
        for number in range(int(share) + (rng.random() < share % 1)):
            round_.cut(disk, point, number if share >= 2 else rng.randrange(5))
            tally.points.add(point)
        tally.seconds = time.monotonic() - began
        progress(tally)
        if stop_at_first and tally.violations:
            break
    return tally


def cut_at_marks(workload: Workload, log: Log) -> Tally:
    """Cut the power whenever something has just been acknowledged; nothing but what was synced survives."""
    round_ = _Round(workload, log, random.Random(1))
    disk = Disk(log.base)
    for point, op in enumerate(log.ops, 1):
        disk.take(op)
        if isinstance(op, Mark):
            round_.cut_now(disk, point)
    return round_.tally


def cut_at(workload: Workload, log: Log, points: Sequence[int], images: int, rng: random.Random) -> Tally:
    """Cut the power after these calls; so many images for each."""
    round_ = _Round(workload, log, rng)
    disk = Disk(log.base)
    for point, op in enumerate(log.ops, 1):
        disk.take(op)
        for number in range(images if point in points else 0):
            round_.cut(disk, point, number)
    return round_.tally


def killed_at(workload: Workload, log: Log, points: Sequence[int], images: int, rng: random.Random) -> Tally:
    """Kill the process after these calls, let another one go on, and cut the power then.

    Args:
        workload: Judges.
        log: Its calls.
        points: Numbers of calls.
        images: So many for each, at random; 0: at each moment at which the other process has just acknowledged something, with nothing but what was synced.
        rng: What survives.
    """
    round_ = _Round(workload, log, rng)
    disk = Disk(log.base)
    for point, op in enumerate(log.ops, 1):
        disk.take(op)
        if point in points:
            for _ in range(images):
                round_.kill(disk, point)
            if not images:
                round_.kill_and_keep_what_was_synced(disk, point)
    return round_.tally


class _Round:
    """What the rounds of one workload share."""

    def __init__(self, workload: Workload, log: Log, rng: random.Random) -> None:
        self.tally = Tally()
        self._workload = workload
        self._allowed = _allowed(log.ops, [None])
        self._rng = rng
        self._judged: set[tuple[bytes, int]] = set()

    def cut(self, disk: Disk, point: int, number: int) -> None:
        """The power is cut at a crash point; and, once in a while, the two other kinds of rounds begin here."""
        allowed = self._allowed[point]
        image = disk.image(_fate(self._rng, len(disk.pending), number))
        key = image.digest(), id(allowed)
        again = self._rng.random() < AGAIN
        if key in self._judged and not again:
            self.tally.repeated += 1
        else:
            self._judged.add(key)
            self.tally.images["power cut"] += 1
            self._judge("power cut", point, image, allowed, Disk(image) if again else None, "power cut in recovery")
        if self._rng.random() < AGAIN:
            self.kill(disk, point)

    def cut_now(self, disk: Disk, point: int) -> None:
        """The power is cut, and nothing but what was synced survives."""
        self.tally.images["power cut"] += 1
        self._judge("power cut", point, disk.image(only(())), self._allowed[point])

    def kill(self, disk: Disk, point: int) -> None:
        """The process is killed, another one goes on, and the power is cut then."""
        self._judge("killed", point, disk.live(), self._allowed[point], disk.copy(), "killed, then power cut")

    def kill_and_keep_what_was_synced(self, disk: Disk, point: int) -> None:
        """As kill(), once after each call that returned."""
        allowed, found, disk, kind = self._allowed[point], disk.live(), disk.copy(), "killed, then power cut"
        with _directory() as directory:
            found.write_to(directory)
            with _recording(directory, found) as recorder:
                self._workload.judge(directory, allowed, recorder.mark)
        for op, allowed_then in zip(recorder.ops, _allowed(recorder.ops, allowed)[1:], strict=True):
            disk.take(op)
            if isinstance(op, Mark):
                self.tally.images[kind] += 1
                self._judge(kind, point, disk.image(only(())), allowed_then)

    def _judge(self, kind: str, point: int, found: Image, allowed: Sequence[object], disk: Disk | None = None, then: str = "") -> None:
        """Judge what is found; given the disk that it lies on, cut the power again at one of the calls that the store makes meanwhile."""
        with self._violations(kind, point), _directory() as directory:
            found.write_to(directory)
            if disk is None:
                self._workload.judge(directory, allowed, nobody)
                return
            with _recording(directory, found) as recorder:
                self._workload.judge(directory, allowed, recorder.mark)
            second = self._rng.randrange(len(recorder.ops) + 1)
            for op in recorder.ops[:second]:
                disk.take(op)
            image = disk.image(_fate(self._rng, len(disk.pending), self._rng.randrange(5)))
            self.tally.images[then] += 1
            self._judge(then, point, image, _allowed(recorder.ops, allowed)[second])

    @contextlib.contextmanager
    def _violations(self, kind: str, point: int) -> Iterator[None]:
        try:
            yield
        except (ViolationError, GateError) as error:
            what = str(error) if isinstance(error, ViolationError) else "refused: " + _DIRECTORY.sub("DIR", str(error))
            self.tally.violations[what] += 1
            self.tally.examples.setdefault(what, f"{kind} after call {point}")


def _allowed(ops: Sequence[Op], before: Sequence[object]) -> list[Sequence[object]]:
    """What the store may hold at each crash point: the last state noted, and the one that the call which is running is about to reach."""
    found: list[Sequence[object]] = []
    last = before
    marks = [(number, op.state) for number, op in enumerate(ops) if isinstance(op, Mark)]
    for number, state in marks:
        found += [[*last, state]] * (number + 1 - len(found))
        last = [state]
    return found + [last] * (len(ops) + 1 - len(found))


def _fate(rng: random.Random, pending: int, number: int) -> Fate:
    """The first image of a crash point has nothing that was not synced, the second one everything; then one change lost, one alone kept, any of them."""
    if number == 0 or not pending:
        return only(())
    if number == 1:
        return only(range(pending))
    which = rng.random()
    if which < 0.2:
        return only(set(range(pending)) - {rng.randrange(pending)})
    if which < 0.35:
        return only({rng.randrange(pending)})
    return at_random(rng)


@contextlib.contextmanager
def _recording(directory: Path, live: Image) -> Iterator[Recorder]:
    recorder = Recorder(directory, live)
    with recorder.recording(), sqlite_calls.recording(recorder):
        yield recorder


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    """An empty directory, in memory where there is such a file system: nothing here needs a disk."""
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="power-", dir=memory if memory.is_dir() else None)).resolve()
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
