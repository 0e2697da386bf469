"""Killed while enrolments are imported: snapshots and deltas of one region, one after the other, into one directory.

After each kill a gate must start (unless nothing was ever in force), hold the state before or the one being imported, and never an older one than was ever in
force; and the next import must work. After every second kill nobody looks before the next import. That the state is whole, every record and every proof, is checked each time in a small
store and one time in ten in a large one.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gate_controller.core.values import Region
from gate_controller.enrolment import Enrolments, MasterKey, draft
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.importing import import_publication
from gate_controller.enrolment.maintenance import facts, verify_all
from gate_controller.enrolment.publication import Publication
from gate_controller.ports import sqlite
from gate_controller.ports.errors import GateError
from gate_controller.ports.services import EnrolmentRecord, VerifyingKey
from simulators.enrolment_people import person, reference_at
from simulators.enrolment_publication import DELTA, SNAPSHOT, Issue, enrolment_authority, front_digest, publish
from tests.kill.rounds import Child, ViolationError

START = 1_800_000_000
RECORDS = 20_000
SMALL = 2_000
"""Up to as many records all of them are read after every round; else a sample, and all of them after one round of WHOLE_EVERY."""
WHOLE_EVERY = 10
SAMPLE = 40
EVERY = 7
SEED = "killed"
_MANY = ("INSERT INTO records", "INSERT INTO staged", "INSERT INTO buckets", "UPDATE records", "UPDATE buckets", "DELETE FROM records", "SELECT", "PRAGMA")
"""Statements that random moments fall into often enough."""
ORDER = [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0)]
"""States by their index: snapshot and delta."""

STARTING, VERIFYING, STORING, SORTING, CHANGING, COMMITTING, SWAPPING, FLOOR, CLEANING, REPORTED = states = (
    "starting",
    "verifying the front",
    "storing chunks",
    "sorting and proving",
    "applying a delta",
    "committing",
    "renaming the link",
    "writing the floor",
    "removing old stores",
    "reported",
)


class EnrolmentImport:
    """Implements rounds.Trial.

    Args:
        directory: For publications and enrolments.
        rng: Who is looked up.
        records: People in each snapshot.
    """

    name = "enrolment import"
    states = states
    kinds = ("snapshot", "delta")

    def __init__(self, directory: Path, rng: random.Random, records: int = RECORDS) -> None:
        self.counts: Counter[str] = Counter()
        self._rng = rng
        self._records = records
        self._master = MasterKey(bytes(range(1, 33)), "kill")
        self._directory = EnrolmentDirectory(directory / "gate")
        authority = enrolment_authority(Region.HK, SEED)
        self._keys = {authority.kid: VerifyingKey(authority.public_key, Region.HK, 0, 1 << 33)}
        self._files: list[Path] = []
        for number, (snapshot, delta) in enumerate(ORDER):
            path = directory / f"{snapshot}-{delta}"
            # About eighty chunks, whatever the number of people.
            issue = Issue(
                kind=DELTA if delta else SNAPSHOT,
                snapshot=snapshot,
                delta=delta,
                issued_at=START + number,
                recipients=(self._master.transport_public,),
                base=front_digest(self._files[-1]) if delta else b"",
                chunk_bytes=max(8192, records * 3800 // 80),
            )
            publish(path, authority, issue, self._changed(snapshot, delta) if delta else self._everybody(snapshot))
            self._files.append(path)
        self._in_force = len(ORDER)
        """Index of the newest state that was ever in force; -1: none yet."""
        self._offered = -1

    @property
    def kind(self) -> str:
        """See Trial."""
        return self.kinds[1 if ORDER[self._in_force + 1][1] else 0]

    def prepare(self) -> None:
        """A new gate when all states are used up."""
        if self._in_force + 1 >= len(ORDER):
            shutil.rmtree(self._directory.path, ignore_errors=True)
            self._in_force = self._offered = -1
            self.counts["gates made"] += 1

    def act(self, child: Child) -> None:
        """What `gatectl enrolment import` does, for the next state."""
        draft.COMMIT_CHUNKS = 8
        number = self._in_force + 1
        child.watch_files(str(self._directory.path), lambda event, path: self._seen(child, event, path))
        connect = sqlite.connect

        def watched(*arguments: Any) -> sqlite3.Connection:
            connection = connect(*arguments)
            connection.set_trace_callback(lambda sql: self._statement(child, sql))
            return connection

        sqlite.connect = watched  # type: ignore[assignment]
        child.mark(VERIFYING, number)
        with Publication(self._files[number], self._keys, self._master, START) as publication:
            child.mark(CHANGING if ORDER[number][1] else STORING)
            report = import_publication(publication, self._directory, self._master)
        child.step()
        child.report(f"{number} {report.resumed_at}")
        child.mark(REPORTED)

    def check(self, reports: list[str], child: Child, killed: bool) -> None:
        """The state before or the one being imported is in force, whole."""
        lowest = max([self._in_force, *(int(report.split()[0]) for report in reports)])
        self._offered = max(self._offered, lowest, child.note)
        self.counts["imports done"] += len(reports)
        self.counts["imports that went on where a kill had stopped one"] += sum(report.split()[1] != "0" for report in reports)
        stores = len(self._directory.stores(Region.HK)) if self._directory.path.exists() else 0
        if stores > 2:
            msg = f"leftovers of killed imports pile up: {stores} stores"
            raise ViolationError(msg)
        if killed and self._rng.random() < 1 / 2:
            self._in_force = lowest
            return
        found = self._loaded(lowest)
        if not lowest <= found <= self._offered:
            msg = f"state {found} is in force; state {lowest} was, and {self._offered} was offered"
            raise ViolationError(msg)
        if killed and child.state_name != REPORTED and child.note == self._offered:
            self.counts["imports killed, new state in force" if found == child.note else "imports killed, old state in force"] += 1
        self._in_force = self._offered = found

    def _loaded(self, lowest: int) -> int:
        """Which state a gate that starts now has in force, and whether it is whole."""
        if lowest < 0 and (not self._directory.path.exists() or self._directory.current(Region.HK) is None):
            return -1
        try:
            [store] = facts(self._directory, self._master)
            found = ORDER.index(store.description.state)
            with contextlib.closing(Enrolments(self._directory.path, self._master)) as enrolments:
                for number in range(self._records) if self._records <= SMALL else self._rng.sample(range(self._records), SAMPLE):
                    self._compare(enrolments.find(Region.HK, reference_at(number, self._records, SEED, Region.HK)), number, found)
            if self._records <= SMALL or self._rng.randrange(WHOLE_EVERY) == 0:
                verify_all(self._directory, self._master)
        except GateError as error:
            msg = f"a gate cannot start: {error}"
            raise ViolationError(msg) from error
        return found

    def _compare(self, record: EnrolmentRecord | None, number: int, state: int) -> None:
        expected = self._version(number, *ORDER[state])
        version = None if record is None else record.version
        if version != expected:
            msg = f"person {number} is found in version {version}, and state {ORDER[state]} has {expected}"
            raise ViolationError(msg)

    def _version(self, number: int, snapshot: int, delta: int) -> int | None:
        """The version of a person's record in a state; None: erased."""
        if delta and number % EVERY == 0:
            return None if number % 2 else 10 * snapshot + delta
        return 10 * snapshot

    def _everybody(self, snapshot: int) -> Iterator[EnrolmentRecord]:
        return (person(number, self._records, SEED, Region.HK, 10 * snapshot) for number in range(self._records))

    def _changed(self, snapshot: int, delta: int) -> Iterator[EnrolmentRecord | bytes]:
        for number in range(0, self._records, EVERY):
            version = self._version(number, snapshot, delta)
            yield reference_at(number, self._records, SEED, Region.HK) if version is None else person(number, self._records, SEED, Region.HK, version)

    def _seen(self, child: Child, event: str, path: str) -> None:
        if path.endswith("current.new"):
            child.mark(SWAPPING)
        elif path.endswith("floor.new"):
            child.mark(FLOOR)
        elif event == "os.remove" and child.state_name == FLOOR:
            child.mark(CLEANING)

    def _statement(self, child: Child, sql: str) -> None:
        if sql.startswith("SELECT chunk, entries") and child.state_name != VERIFYING:
            child.mark(SORTING)
        elif sql.startswith("COMMIT"):
            child.mark(COMMITTING)
        elif sql.startswith("BEGIN") and child.state_name == COMMITTING:
            child.mark(CHANGING if ORDER[child.note][1] else STORING)
        if not sql.startswith(_MANY):
            child.step()
