"""Plays mutants against checks: a pytest session that collects tests/core once, and forks a process for every mutant and check.

The session itself never has a mistake put into it, and runs no test: whatever a mutant breaks ends with its process.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import Phase, settings

from gate_controller.core.table import TABLE
from tests.mutation import checks
from tests.mutation.mutant import Mutant

CORE = str(Path(checks.__file__).parents[2] / "gate_controller" / "core")
TESTS = Path(checks.__file__).parents[1] / "core"


@dataclass(frozen=True)
class Job:
    """One mutant before one check; `hint` is what found it last time, if anything did."""

    mutant: Mutant | None
    check: str
    hint: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What a check said: the name of what found the mistake, or None; and the seconds of processor time it took."""

    by: str | None
    cpu_s: float


Answer = Callable[[Job, Verdict], Job | None]
"""Told of each verdict; gives what is to be done next with this mutant, if anything."""


def play(jobs: Iterator[Job], answer: Answer, at_once: int) -> None:
    """Play all jobs, so many at a time."""
    settings.register_profile("mutation", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))
    plugin = _Plugin(jobs, answer, at_once)
    code = pytest.main(
        [str(TESTS), "-qq", "-s", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore:Module already imported"],
        plugins=[plugin],
    )
    if plugin.error is not None:
        raise plugin.error
    if code != pytest.ExitCode.OK:
        msg = f"tests/core could not be collected: {code!r}"
        raise RuntimeError(msg)


class _Plugin:
    def __init__(self, jobs: Iterator[Job], answer: Answer, at_once: int) -> None:
        self.error: BaseException | None = None
        self._jobs = jobs
        self._answer = answer
        self._at_once = at_once
        self._items: dict[str, list[pytest.Item]] = {}
        self._reached: dict[str, list[str]] = {}

    def pytest_collection(self) -> None:
        settings.load_profile("mutation")  # after tests/conftest.py has loaded its own, before a test module is imported

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted
        for item in session.items:
            self._items.setdefault(checks.kind_of(item) or "", []).append(item)
        gc.collect()
        gc.freeze()
        try:
            self._reached = self._what_is_reached()
            self._play_all()
        except BaseException as error:  # noqa: BLE001 - pytest would swallow it
            self.error = error
        return True

    # -- the processes -------------------------------------------------------------------------------------------------------

    def _play_all(self) -> None:
        running: dict[Connection, tuple[Job, multiprocessing.process.BaseProcess]] = {}
        again: list[Job] = []
        while True:
            while len(running) < self._at_once and (job := again.pop() if again else next(self._jobs, None)) is not None:
                theirs, process = _forked(lambda end, job=job: end.send(self._judge(job)))
                running[theirs] = (job, process)
            if not running:
                return
            for ready in wait(list(running)):
                job, process = running.pop(ready)  # type: ignore[index] # only connections are waited for
                following = self._answer(job, _verdict(ready, process))  # type: ignore[arg-type]
                again += [following] if following is not None else []

    def _judge(self, job: Job) -> Verdict:
        """In the child."""
        limit = checks.CPU_LIMIT_S[job.check]
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
        if job.mutant is not None:
            job.mutant.apply()
        began = time.process_time()
        return Verdict(self._check(job), time.process_time() - began)

    def _check(self, job: Job) -> str | None:
        if job.check == checks.EXPLORATION:
            return checks.by_exploration(job.mutant, job.hint)
        if job.check == checks.SIMULATION:
            return checks.by_simulation(job.hint)
        items = self._items[job.check]
        return checks.by_tests(checks.in_order(items, job.mutant, self._reached, job.hint) if job.mutant is not None else items)

    # -- which test reaches what ---------------------------------------------------------------------------------------------

    def _what_is_reached(self) -> dict[str, list[str]]:
        end, process = _forked(lambda end: end.send({checks.short(item): sorted(_reached(item)) for item in self._items[checks.TESTS]}))
        found: dict[str, list[str]] = end.recv()
        process.join()
        return found


def _forked(work: Callable[[Connection], None]) -> tuple[Connection, multiprocessing.process.BaseProcess]:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_quietly, args=(work, theirs), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _quietly(work: Callable[[Connection], None], end: Connection) -> None:
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
        sys.stdout = sys.stderr = nothing
        work(end)


def _verdict(end: Connection, process: multiprocessing.process.BaseProcess) -> Verdict:
    try:
        verdict: Verdict = end.recv()
    except EOFError:
        process.join()
        return Verdict("it hangs" if process.exitcode and process.exitcode < 0 else "it cannot even be played", 0.0)
    process.join()
    return verdict


def _reached(item: pytest.Item) -> set[str]:
    """Rows taken, states entered and functions of the core called by one test."""
    found: set[str] = set()
    places = {id(row): number for number, row in enumerate(TABLE)}

    def called(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(CORE):
            return
        found.add(code.co_qualname)
        if code.co_qualname == "Actions.apply":
            found.add(f"row {places.get(id(frame.f_locals['row']))}")
        elif code.co_qualname == "Actions.enter":
            found.add(f"state {frame.f_locals['target'].value}")

    sys.setprofile(called)
    try:
        checks.by_tests([item])
    finally:
        sys.setprofile(None)
    return found
