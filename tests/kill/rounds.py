"""Children that are killed with SIGKILL, over and over, and what is checked after each: the part that does not know what they do.

The parent has one thread and has imported everything once; a round forks. Every other round a child dies at a random moment of the time the work usually
takes, else just before one of its steps (a file opened, renamed, removed; an SQL statement): in that of the work's states in which the fewest were killed so far, at
random among that state's steps, for a state of one step would else hardly ever be met. Times and steps are those of the kind of work that comes next.

kill -9 takes the process, not the kernel's page cache: a power cut is not simulated here.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import random
import signal
import statistics
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

_CALIBRATIONS = 3
"""Of every kind of work."""
_MISSED = 0.5
"""What a state counts for that was aimed at in vain, against one kill: one that only comes up now and then must not be aimed at for ever."""
_SHARED = struct.Struct("<Ii")  # state, what the trial notes
_COUNT = struct.Struct("<I")  # steps in one state
Spot = tuple[int, int]
"""A state and a step in it, counted from 1."""
_NOWHERE: Spot = (0, 0)


class ViolationError(Exception):
    """Something that no kill may ever bring about."""


class Child:
    """What the work in a child has to say. Made before the fork; the parent reads the same memory."""

    def __init__(self, states: tuple[str, ...]) -> None:
        self._states = states
        self._memory = mmap.mmap(-1, _SHARED.size + len(states) * _COUNT.size)
        self._writer = -1
        self._die_at = _NOWHERE
        self.state = 0
        self.note = -1

    def begin(self, writer: int, die_at: Spot) -> None:
        """In the child: report into `writer`; die before that step."""
        self._writer, self._die_at = writer, die_at

    def clear(self) -> None:
        """In the parent, before a fork."""
        self._memory[:] = bytes(len(self._memory))
        self.state, self.note = 0, -1
        self._write()

    def read(self) -> None:
        """In the parent: how far the child came."""
        self.state, self.note = _SHARED.unpack_from(self._memory)

    @property
    def state_name(self) -> str:
        return self._states[self.state]

    def steps_in(self, state: int) -> int:
        """How many steps the work made in that state."""
        return int(_COUNT.unpack_from(self._memory, _SHARED.size + state * _COUNT.size)[0])

    def spots(self) -> dict[int, int]:
        """In the parent: the states that had a step, and how many."""
        return {state: steps for state in range(len(self._states)) if (steps := self.steps_in(state))}

    def mark(self, state: str, note: int | None = None) -> None:
        """The work is now in `state`."""
        self.state = self._states.index(state)
        if note is not None:
            self.note = note
        self._write()

    def step(self) -> None:
        """Something is about to be done that a kill may come before."""
        steps = self.steps_in(self.state) + 1
        _COUNT.pack_into(self._memory, _SHARED.size + self.state * _COUNT.size, steps)
        if (self.state, steps) == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def report(self, line: str) -> None:
        """Tell the world: from now on it counts as done."""
        os.write(self._writer, f"{line}\n".encode())

    def watch_files(self, below: str, seen: Callable[[str, str], None] = lambda *_: None) -> None:
        """A step at each file below the directory that Python opens, makes, renames or removes; first `seen` is told the event and the path."""

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in ("open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "sqlite3.connect"):
                path = str(arguments[0])
                if below in path:
                    seen(event, path)
                    self.step()

        sys.addaudithook(hook)

    def _write(self) -> None:
        _SHARED.pack_into(self._memory, 0, self.state, self.note)


class Trial(Protocol):
    """One kind of work to be killed."""

    name: str
    states: tuple[str, ...]
    """What the work goes through; the first: nothing done yet."""
    kinds: tuple[str, ...]
    """Kinds of work that take other times or other steps; one nameless kind where there is no difference."""
    counts: Counter[str]

    @property
    def kind(self) -> str:
        """Of the work that comes next, after prepare()."""

    def prepare(self) -> None:
        """In the parent, before each fork."""

    def act(self, child: Child) -> None:
        """In the child: the work, to its end unless it is killed."""

    def check(self, reports: list[str], child: Child, killed: bool) -> None:
        """In the parent, after each child: raises ViolationError."""


@dataclass
class Tally:
    """What happened.

    Attributes:
        kills: Rounds in which the child was killed.
        not_killed: Rounds in which it had ended before: not among the loops asked for.
        random: Kills at a random moment, by the kind of work and the state it was in.
        stepped: Kills before a step, likewise.
        violations: What must not have happened; the loop ends at the first.
    """

    kills: int = 0
    not_killed: int = 0
    random: Counter[tuple[str, str]] = field(default_factory=Counter)
    stepped: Counter[tuple[str, str]] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run(trial: Trial, loops: int, rng: random.Random, progress: Callable[[Tally], None]) -> Tally:
    """Kill `loops` children of the trial, or stop at the first violation."""
    tally, child = Tally(), Child(trial.states)
    began = time.monotonic()
    gc.collect()
    gc.freeze()  # what a collection touches would be copied in every child
    try:
        aims = _calibrated(trial, child, rng)
        while tally.kills < loops:
            trial.prepare()
            kind, stepped = trial.kind, bool(tally.kills % 2)
            die_at = aims[kind].step() if stepped else _NOWHERE
            killed = _round(trial, child, die_at, None if stepped else aims[kind].moment())
            tally.kills += killed
            tally.not_killed += not killed
            if killed:
                (tally.stepped if stepped else tally.random)[kind, child.state_name] += 1
            if stepped:
                aims[kind].learn(die_at, killed)
            tally.seconds = time.monotonic() - began
            progress(tally)
    except ViolationError as error:
        tally.violations.append(f"after {tally.kills} kills: {error}")
    tally.seconds = time.monotonic() - began
    return tally


class Aim:
    """Where one kind of work is to be killed.

    Args:
        took_s: How long the work takes.
        steps: Of each state that has any.
        rng: Draws moments and steps.
    """

    def __init__(self, took_s: float, steps: dict[int, int], rng: random.Random) -> None:
        self._took_s, self._steps, self._rng = took_s, steps, rng
        self._met = dict.fromkeys([*steps, _NOWHERE[0] - 1], 0.0)  # the last: killed nowhere, so that the work gets on

    def moment(self) -> float:
        """Seconds from the fork."""
        return self._rng.uniform(0, self._took_s)

    def step(self) -> Spot:
        """In the state that was met least."""
        state = min(self._met, key=lambda each: (self._met[each], self._rng.random()))
        if state not in self._steps:
            self._met[state] += 1
            return _NOWHERE
        return state, self._rng.randint(1, self._steps[state])

    def learn(self, spot: Spot, killed: bool) -> None:
        """What came of it."""
        if spot != _NOWHERE:
            self._met[spot[0]] += 1 if killed else _MISSED


def _calibrated(trial: Trial, child: Child, rng: random.Random) -> dict[str, Aim]:
    """How long each kind of work takes, and how many steps each of its states has, when nobody kills it."""
    times: dict[str, list[float]] = {kind: [] for kind in trial.kinds}
    steps: dict[str, dict[int, int]] = {kind: {} for kind in trial.kinds}
    while any(len(each) < _CALIBRATIONS for each in times.values()):
        trial.prepare()
        kind = trial.kind
        began = time.monotonic()
        _round(trial, child, _NOWHERE, None, lambda began=began, kind=kind: times[kind].append(time.monotonic() - began))  # type: ignore[misc]
        for state, count in child.spots().items():
            steps[kind][state] = max(count, steps[kind].get(state, 0))
    return {kind: Aim(statistics.median(times[kind]), steps[kind], rng) for kind in trial.kinds}


def _round(trial: Trial, child: Child, die_at: Spot, delay_s: float | None, ended: Callable[[], None] = lambda: None) -> bool:
    """One child from fork to check; True when it was killed, by itself (die_at) or after delay_s."""
    child.clear()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _live(trial, child, writer, die_at)
    os.close(writer)
    if delay_s is not None:
        time.sleep(delay_s)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with os.fdopen(reader) as stream:
        lines = stream.read().splitlines(keepends=True)
    status = os.waitpid(pid, 0)[1]
    ended()
    child.read()
    reports = [line.rstrip("\n") for line in lines if line.endswith("\n")]
    for line in reports:
        if line.startswith("error "):
            raise ViolationError(line)
    killed = os.WIFSIGNALED(status)
    trial.check(reports, child, killed)
    return killed


def _live(trial: Trial, child: Child, writer: int, die_at: Spot) -> None:
    """The child's whole life: it never returns."""
    gc.disable()
    child.begin(writer, die_at)
    try:
        trial.act(child)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        child.report(f"error in {child.state_name}: {type(error).__name__}: {' '.join(str(error).split())}")
    os._exit(0)
