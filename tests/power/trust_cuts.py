"""The trust store: imports of newer and newer states of a repository, the floor, a gate that loads them, time that is seen, and exports to a stick.

After a loss of power the gate must load the state that the last import that returned had put in force, or the one that was being imported; the floor must not be lower than it was
acknowledged; no older state may be taken; the stick must hold what was exported; and the next import must work.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gate_controller.core.values import Region
from gate_controller.ports.errors import GateError
from gate_controller.trust.cache import TrustCache
from gate_controller.trust.errors import TrustError
from gate_controller.trust.exporting import export_trust
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.importing import import_trust
from gate_controller.trust.installed import installed_repository
from gate_controller.trust.repository import verify_repository
from gate_controller.trust.sources import DirectorySource, MemorySource
from gate_controller.trust.store import TrustStore
from gate_controller.trust.view import LatestTime, build_view
from simulators.authority import Authorities
from simulators.repository import TrustRepository
from tests.power.cuts import Note, ViolationError, nobody

START = 1_800_000_000
EVERY_S = 3600
STATES = 8
ROTATED = {2: "root", 3: "timestamp", 5: "hk"}
NONE = -1
CACHE, STICK = "var/cache", "media/stick"
"""Each in a directory that no other store syncs."""
BUDGET = FreshnessBudget()


@dataclass(frozen=True, slots=True)
class Held:
    """What a gate's trust holds.

    Attributes:
        state: Number of the state of the repository that is in force; NONE: none yet.
        floor: The highest version by role.
        seen: The latest time.
        exported: The state on the stick.
    """

    state: int = NONE
    floor: tuple[tuple[str, int], ...] = ()
    seen: float = START
    exported: int = NONE


@dataclass(frozen=True, slots=True)
class Published:
    """What the keepers have published.

    Attributes:
        pinned_root: The first root.
        files: Each state's, by name.
        versions: Each state's, by role.
    """

    pinned_root: bytes
    files: tuple[Mapping[str, bytes], ...]
    versions: tuple[Mapping[str, int], ...]


@functools.cache
def published() -> Published:
    """An hour apart, with keys that are rotated."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        repository = TrustRepository(directory, Authorities("power"), START)
        files, versions = [], []
        for number in range(STATES):
            now = START + number * EVERY_S
            for region in Region:
                repository.regions[region].status_size = 64
            if number in ROTATED:
                repository.rotate(ROTATED[number], now)
            repository.publish(now)
            files.append({str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()})
            versions.append({role: metadata.signed.version for role, metadata in repository.metadata.items()})
        return Published(repository.first_root, tuple(files), tuple(versions))


class Clock:
    """A gate's clocks, set by hand."""

    def __init__(self, at: float) -> None:
        self.at = at

    def wall(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class TrustCuts:
    """Implements cuts.Workload.

    Args:
        rng: What is offered when.
        imports: How many states are imported; the others are for afterwards.
    """

    name = "trust store"

    def __init__(self, rng: random.Random, imports: int = 5) -> None:
        self._rng = rng
        self._imports = imports
        self._published = published()

    def work(self, directory: Path, note: Note) -> None:
        _prepare(directory)
        Floor.create(directory / "floor.db", START).close()
        held = Held()
        note(held)
        with _floor(directory) as floor, _floor(directory) as gates:
            clock = Clock(START)
            gate = TrustStore(self._cache(directory), self._published.pinned_root, gates, BUDGET, clock)
            for number in range(self._imports):
                clock.at = START + number * EVERY_S
                self._import(directory, floor, number, clock.at)
                held = replace(held, state=number, floor=_sorted(self._published.versions[number]), seen=floor.latest_seen())
                note(held)
                if number % 2:
                    gate.refresh(clock.at)
                    gate.observe(clock.at + 100)
                    held = replace(held, seen=floor.latest_seen())
                    note(held)
                if number % 3 == 1:
                    self._export(directory)
                    held = replace(held, exported=number)
                    note(held)
                if number:
                    self._refuse_older(directory, floor, number)

    def judge(self, directory: Path, allowed: Sequence[object], note: Note) -> None:
        known = [each for each in allowed if isinstance(each, Held)]
        acked = known[0] if known and known[0] is allowed[0] else Held()
        if allowed[0] is None:
            _prepare(directory)
            if not (directory / "floor.db").exists():
                Floor.create(directory / "floor.db", START).close()
        with _floor(directory) as floor:
            held = Held(NONE, _sorted(floor.versions()), floor.latest_seen(), acked.exported)
            if any(dict(held.floor).get(role, 0) < version for role, version in acked.floor) or held.seen < acked.seen:
                raise ViolationError("the floor is lower than was acknowledged")
            clock = Clock(max([START, *(each.seen for each in known)]))
            if held.seen > clock.at or not any(_at_least(each.floor, held.floor) for each in known or [Held()]):
                raise ViolationError("the floor is higher than anything that was seen")
            gate = TrustStore(self._cache(directory), self._published.pinned_root, floor, BUDGET, clock)
            state = self._loaded(gate)
            if state not in {acked.state, *(each.state for each in known)}:
                what = f"the gate does not load the state in force: {gate.problem or 'another one'}"
                raise ViolationError(what.replace(str(directory), "DIR"))
            exported = {acked.exported, *(each.exported for each in known)}
            held = replace(held, exported=exported.pop() if len(exported) == 1 else NONE)
            self._check_stick(directory, held.exported, clock.at)
            # A gate that has loaded a state decides by it and remembers it: it must have made it durable.
            note(replace(held, state=state, floor=_sorted(floor.versions()), seen=floor.latest_seen()))
            if note is nobody and self._rng.random() < 0.7:  # most of the time goes into verifying the repository again and again
                return
            if state > 0:
                self._refuse_older(directory, floor, state)
            if state + 1 < STATES:
                clock.at = START + (state + 1) * EVERY_S
                self._import(directory, floor, state + 1, clock.at)
                held = replace(held, state=state + 1, floor=_sorted(self._published.versions[state + 1]), seen=floor.latest_seen())
                note(held)
                if not gate.refresh(clock.at) or self._loaded(gate) != state + 1:
                    what = f"the next import is not loaded: {gate.problem}"
                    raise ViolationError(what.replace(str(directory), "DIR"))
                self._export(directory)
                held = replace(held, exported=state + 1)
                note(held)
                for later in (50, 100):
                    floor.saw(clock.at + later)
                    note(replace(held, seen=floor.latest_seen()))

    def _cache(self, directory: Path) -> TrustCache:
        return TrustCache(directory / CACHE)

    def _import(self, directory: Path, floor: Floor, number: int, now: float) -> None:
        source = MemorySource(self._published.files[number])
        import_trust(source, self._cache(directory), self._published.pinned_root, floor, BUDGET, now)

    def _refuse_older(self, directory: Path, floor: Floor, number: int) -> None:
        with contextlib.suppress(TrustError):
            self._import(directory, floor, self._rng.randrange(number), START + number * EVERY_S)
            raise ViolationError("an older state than the one in force was taken")

    def _export(self, directory: Path) -> None:
        root = self._published.pinned_root
        export_trust(installed_repository(self._cache(directory), root), root, directory / STICK)

    def _loaded(self, gate: TrustStore) -> int:
        versions = gate.current().versions
        return self._published.versions.index(versions) if versions in self._published.versions else NONE

    def _check_stick(self, directory: Path, acked: int, now: float) -> None:
        """What was exported is there; while another export was under way, that one, or one before it (a newer root may be there already), or none; never a mixture."""
        try:
            repository = verify_repository(self._published.pinned_root, DirectorySource(directory / STICK), at=None)
            build_view(repository, BUDGET, LatestTime(now))
        except GateError as error:
            if acked != NONE:
                raise ViolationError(f"what was exported cannot be read: {error}".replace(str(directory), "DIR")) from error
            return
        if acked == NONE:  # a newer root beside the state before is what publishing looks like, too
            whole = any({**versions, "root": repository.versions["root"]} == repository.versions for versions in self._published.versions)
        else:
            whole = repository.versions == self._published.versions[acked]
        if not whole:
            raise ViolationError("the stick holds what was not exported")


def _prepare(directory: Path) -> None:
    """The directories above: there before everything else."""
    for name in (CACHE, STICK):
        (directory / name).parent.mkdir(exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)


def _at_least(floor: tuple[tuple[str, int], ...], other: tuple[tuple[str, int], ...]) -> bool:
    return all(dict(floor).get(role, 0) >= version for role, version in other)


@contextlib.contextmanager
def _floor(directory: Path) -> Iterator[Floor]:
    with contextlib.closing(Floor.open(directory / "floor.db")) as floor:
        yield floor


def _sorted(versions: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(versions.items()))
