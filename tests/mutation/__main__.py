"""`make mutate`: play every mutant against the checks, the cheapest first, and write docs/mutation.md.

Ends with 0 when every mutant was found or is explained, with 1 otherwise. Interrupted, it goes on where it was. ARGS="--only TEXT" plays those with TEXT in
their id and writes no page; ARGS="--sample N" has one in N meet every check.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence

from tests.mutation import page
from tests.mutation.checks import CHECKS
from tests.mutation.every import mutants
from tests.mutation.explained import explained
from tests.mutation.mutant import Mutant
from tests.mutation.results import Results
from tests.mutation.workshop import Job, Verdict, play

ONE_IN = 24
TOLD_EVERY = 100


class Run:
    """One run over some mutants: `whole` are those that meet every check."""

    def __init__(self, chosen: Sequence[Mutant], whole: Sequence[Mutant], checks: Sequence[str], results: Results) -> None:
        self._left = deque(chosen)
        self._all = len(chosen)
        self._whole = {mutant.id for mutant in whole}
        self._checks = checks
        self._results = results
        self._began = time.monotonic()
        self._done = 0
        self.alive: list[str] = []

    def jobs(self) -> Iterator[Job]:
        """What there is to do: the checks without a mistake, then one mutant after the other."""
        yield from (Job(None, check) for check in self._checks)
        while self._left:
            job = self._next(self._left.popleft())
            if job is not None:
                yield job

    def answer(self, job: Job, verdict: Verdict) -> Job | None:
        """Keep a verdict; the mutant's next check, if it has one."""
        if job.mutant is None:
            if verdict.by is not None:
                msg = f"{job.check} finds a mistake where none was made: {verdict.by}"
                raise RuntimeError(msg)
            return None
        self._results.keep(job.mutant.id, job.check, verdict)
        return self._next(job.mutant)

    def _next(self, mutant: Mutant) -> Job | None:
        found = False
        for check in self._checks:
            if found and mutant.id not in self._whole:
                break
            said = self._results.of(mutant.id, check)
            if said is None:
                return Job(mutant, check, self._results.hint(mutant.id, check))
            found |= said.by is not None
        if not found:
            self.alive.append(mutant.id)
        self._tell()
        return None

    def _tell(self) -> None:
        self._done += 1
        if self._done % TOLD_EVERY == 0:
            print(f"{self._done} of {self._all}, {len(self.alive)} not found, {time.monotonic() - self._began:.0f} s", flush=True)


def main() -> int:
    """Play, write, and tell whether all is well."""
    arguments = argparse.ArgumentParser(prog="make mutate", description="Put every mistake into the core and see that a check finds it.")
    arguments.add_argument("--only", default="", help="only mutants with this in their id; writes no page")
    arguments.add_argument("--checks", nargs="+", choices=CHECKS, default=CHECKS, help="only these; with fewer than all, writes no page")
    arguments.add_argument("--sample", type=int, default=ONE_IN, help="one mutant in so many meets every check; 0 for none (default %(default)s)")
    arguments.add_argument("--jobs", type=int, default=2, help="processes (default %(default)s)")
    given = arguments.parse_args()
    every = mutants()
    chosen = [mutant for mutant in every if given.only in mutant.id]
    sample = [mutant for mutant in chosen if given.sample and _drawn(mutant, given.sample)]
    results, known = Results(), explained()
    # What nothing found last time, or is new, comes first: so a run tells early what matters.
    run = Run(sorted(chosen, key=results.was_found), sample, given.checks, results)
    play(run.jobs(), run.answer, given.jobs)
    survivors = sorted(set(run.alive) - set(known))
    wrong = sorted({mutant.id for mutant in chosen} & set(known) - set(run.alive))
    for mutant in survivors:
        print(f"SURVIVES {mutant}")
    for mutant in wrong:
        print(f"FOUND, though it is explained as equivalent: {mutant}")
    print(f"{len(chosen)} mutants, {len(chosen) - len(run.alive)} found, {len(run.alive) - len(survivors)} explained, {len(survivors)} survive unexplained")
    if len(chosen) == len(every) and list(given.checks) == list(CHECKS):
        page.write(every, sample, results)
    return 1 if survivors or wrong else 0


def _drawn(mutant: Mutant, one_in: int) -> bool:
    return int(hashlib.sha256(mutant.id.encode()).hexdigest(), 16) % one_in == 0


if __name__ == "__main__":
    sys.exit(main())
