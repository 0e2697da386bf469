"""Many episodes on several processes. What comes out does not depend on how many: episodes are added up in their order."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from simulators.virtual.episode import Episode
from simulators.virtual.profile import PROFILES, Profile
from simulators.virtual.result import Result

TRAVELLERS = 25
"""Travellers in one episode; the last one of a run may have fewer."""
CHUNK = 40
"""Episodes handed to a process at once: some seconds of work."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is to be simulated.

    Attributes:
        faults: Name of the profile.
        seed: Seed.
        travellers: How many come in all.
        records: Whether the records are to be handed back, too.
        single_door: All lanes have a single door, the exit; otherwise the profile says how many.
    """

    faults: str
    seed: int
    travellers: int
    records: bool = False
    single_door: bool = False

    @property
    def profile(self) -> Profile:
        """How often things go wrong."""
        profile = PROFILES[self.faults]
        return replace(profile, single_door=1.0) if self.single_door else profile

    @property
    def episodes(self) -> int:
        """How many episodes that is."""
        return -(-self.travellers // TRAVELLERS)


def play(run: Run, first: int, beyond: int) -> Result:
    """Play the episodes from `first` up to, not including, `beyond`."""
    total, began = Result(), time.process_time()
    for number in range(first, beyond):
        result = Episode(run.profile, run.seed, number, min(TRAVELLERS, run.travellers - number * TRAVELLERS)).run()
        if not run.records:
            result.crossings = []
        total.add(result)
    total.cpu_s = time.process_time() - began
    return total


def play_all(run: Run, jobs: int) -> Iterator[Result]:
    """The results of all chunks, in order, as they come in."""
    chunks = [(first, min(first + CHUNK, run.episodes)) for first in range(0, run.episodes, CHUNK)]
    if jobs == 1:
        for first, beyond in chunks:
            yield play(run, first, beyond)
        return
    # Ctrl-C is the parent's to answer: it takes no further chunk, and the children end with the one they are at.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        firsts, beyonds = zip(*chunks, strict=True)
        yield from pool.map(play, [run] * len(chunks), firsts, beyonds)
