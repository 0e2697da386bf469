"""Killed while keys are imported: import_trust() of newer and newer states of a repository, into one cache and one floor.

After each kill the gate's own trust store must load the cache, as the state before or the one being imported, never an older one than was ever in force; and the next
import must work. Some children are offered an old state first, as on an old stick. After every second kill nobody loads the cache before the next import.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gate_controller.core.values import Region
from gate_controller.ports.errors import GateError
from gate_controller.trust.cache import KEPT, TrustCache
from gate_controller.trust.errors import TrustError
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.importing import import_trust
from gate_controller.trust.sources import MemorySource
from gate_controller.trust.store import TrustStore
from simulators.authority import Authorities
from simulators.repository import TrustRepository
from tests.kill.rounds import Child, ViolationError

START = 1_800_000_000
STATES = 16
EVERY_S = 3600
ROTATED = {3: "hk", 6: "root", 9: "targets", 12: "timestamp"}

STARTING, VERIFYING, WRITING, PLACING, POINTING, REMOVING, FLOOR, REPORTED = states = (
    "starting",
    "fetching and verifying",
    "writing the generation",
    "renaming the generation",
    "pointing to the generation",
    "removing old generations",
    "writing the floor",
    "reported",
)


class _Clock(NamedTuple):
    """A gate's clocks at one moment."""

    at: float

    def wall(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return 0.0


class KeyImport:
    """Implements rounds.Trial.

    Args:
        directory: For repository, cache and floor.
        rng: What is offered when.
    """

    name = "key import"
    states = states
    kinds = ("",)
    kind = ""

    def __init__(self, directory: Path, rng: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._gate = directory / "gate"
        self._temporary = directory / "temporary"
        self._temporary.mkdir()
        self._rng = rng
        self._budget = FreshnessBudget()
        self._sources: list[MemorySource] = []
        self._versions: list[Mapping[str, int]] = []
        self._make_states(directory / "repository")
        self._in_force = STATES
        """Index of the newest state that was ever in force; -1: none yet."""
        self._offered = STATES
        self._recovering = False

    def prepare(self) -> None:
        """A new gate when all states are used up."""
        if self._in_force + 1 >= STATES:
            shutil.rmtree(self._gate, ignore_errors=True)
            self._gate.mkdir()
            Floor.create(self._gate / "floor.db", START).close()
            self._in_force = self._offered = -1
            self._recovering = False
            self.counts["gates made"] += 1

    def act(self, child: Child) -> None:
        """What `gatectl keys import` does, for the next state."""
        floor, cache = self._floor(), TrustCache(self._gate / "cache")
        tempfile.tempdir = str(self._temporary)
        child.watch_files(str(self._gate), lambda event, path: self._seen(child, event, path))
        floor._db.set_trace_callback(lambda sql: self._statement(child, sql))
        if self._in_force > 0 and self._rng.random() < 0.2:
            self._offer_old(floor, cache)
        number = self._in_force + 1
        child.mark(VERIFYING, number)
        import_trust(self._sources[number], cache, self._first_root, floor, self._budget, START + number * EVERY_S)
        child.step()
        child.report(str(number))
        child.mark(REPORTED)

    def check(self, reports: list[str], child: Child, killed: bool) -> None:
        """The cache is the state before or the one being imported."""
        lowest = max([self._in_force, *map(int, reports)])
        self._offered = max(self._offered, lowest, child.note)
        self.counts["imports done"] += len(reports)
        self.counts["imports that worked after a kill amid one"] += bool(reports) and self._recovering
        if reports or killed:
            self._recovering = killed and child.state_name in (WRITING, PLACING, POINTING, REMOVING, FLOOR)
        if any(self._temporary.iterdir()):
            raise ViolationError("a killed import left temporary files")
        leftovers = Counter(path.name.split("-")[0] for path in (self._gate / "cache").glob("*-*"))
        if leftovers["generation"] > KEPT + 1 or leftovers["incoming"] > 1:
            msg = f"leftovers of killed imports pile up: {dict(leftovers)}"
            raise ViolationError(msg)
        self.counts["kills that left a half-written generation"] += killed and leftovers["incoming"] and child.state_name in (WRITING, PLACING)
        if killed and self._rng.random() < 1 / 2:
            self._in_force = lowest
            return
        found = self._loaded(lowest)
        if found < lowest or found > self._offered:
            msg = f"the gate loads state {found}; state {lowest} was in force and {self._offered} offered"
            raise ViolationError(msg)
        if killed and child.state_name != REPORTED and child.note == self._offered:
            self.counts["imports killed, new state in force" if found == child.note else "imports killed, old state in force"] += 1
        self._in_force = self._offered = found

    def _loaded(self, lowest: int) -> int:
        """Which state a gate that starts now has in force."""
        try:
            floor = self._floor()
            try:
                at = START + max(lowest, 0) * EVERY_S
                store = TrustStore(TrustCache(self._gate / "cache"), self._first_root, floor, self._budget, _Clock(at))
            finally:
                floor.close()
        except GateError as error:
            msg = f"the gate cannot start: {error}"
            raise ViolationError(msg) from error
        if store.problem is None:
            return self._versions.index(store.current().versions)
        if lowest < 0 and TrustCache(self._gate / "cache").token() == "":
            return -1
        msg = f"the cache cannot be loaded: {store.problem}"
        raise ViolationError(msg)

    def _offer_old(self, floor: Floor, cache: TrustCache) -> None:
        old = self._rng.randrange(self._in_force)
        try:
            import_trust(self._sources[old], cache, self._first_root, floor, self._budget, START + self._in_force * EVERY_S)
        except TrustError:
            return
        msg = f"state {old} was taken although {self._in_force} was in force"
        raise ViolationError(msg)

    def _seen(self, child: Child, event: str, path: str) -> None:
        if "incoming-" in path:
            child.mark(PLACING if event == "os.rename" else WRITING)
        elif path.endswith("current.new"):
            child.mark(POINTING)
        elif "generation-" in path and event in ("os.remove", "os.rmdir"):
            child.mark(REMOVING)

    def _statement(self, child: Child, sql: str) -> None:
        if sql.startswith("BEGIN"):
            child.mark(FLOOR)
        child.step()

    def _floor(self) -> Floor:
        return Floor.open(self._gate / "floor.db")

    def _make_states(self, directory: Path) -> None:
        repository = TrustRepository(directory, Authorities("kill"), START)
        self._first_root = repository.first_root
        for number in range(STATES):
            now = START + number * EVERY_S
            for region in Region:
                repository.regions[region].status_size = 64
            if number in ROTATED:
                repository.rotate(ROTATED[number], now)
            repository.publish(now)
            files = {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
            self._sources.append(MemorySource(files))
            self._versions.append({role: metadata.signed.version for role, metadata in repository.metadata.items()})
