"""What episodes came to: counts that add up, and a digest by which two runs are known to be the same. Computes no verdict."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, fields

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.reasons import Reason
from simulators.virtual.ledger import Violation

MOST_EXEMPT = 0.01
"""Each kind of thing that no controller could know may happen in so many of the crossings, and FEW times whatever their number; oftener is a failure."""
FEW = 5


@dataclass(slots=True)
class Result:
    """What one episode, or many, came to. Every attribute counts or lists; `add` puts two together.

    Attributes:
        travellers: Who came.
        seconds: Virtual seconds.
        cpu_s: Seconds of processor time it took; no part of the digest.
        events: Events handled by the core.
        calls: Entries of the agenda served.
        violations: Number of the episode, and what was violated.
        admissions: Travellers admitted, by what is on the disk.
        admitted: Their outcomes.
        outcomes, reasons, visits, habits, exempt, others: Counts by name.
        reached: Crossings that reached identity_check.
        lanes: Crossings by the kind of lane and what its policy says; each counts under each name that fits.
        faults: Injections by kind and state.
        crossings: The records, where they were asked for.
        sealed: Digest of everything recorded, as a number: each episode's is a hash with its number in it, and they add up.
    """

    travellers: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    events: int = 0
    calls: int = 0
    violations: list[tuple[int, Violation]] = field(default_factory=list)
    admissions: int = 0
    admitted: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)
    habits: Counter[str] = field(default_factory=Counter)
    exempt: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    reached: int = 0
    lanes: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    crossings: list[CrossingRecord] = field(default_factory=list)
    sealed: int = 0

    @property
    def crossed(self) -> int:
        """Crossings, each with its one outcome."""
        return sum(self.outcomes.values())

    @property
    def unaccounted(self) -> int:
        """Admitted travellers without an outcome."""
        return self.admissions - self.admitted.total()

    @property
    def identity_share(self) -> float:
        """Share of crossings that reached identity_check, 0..1, by their records: what a restart cut short is not counted as reached."""
        return self.reached / self.crossed if self.crossed else 0.0

    @property
    def exempt_too_often(self) -> list[str]:
        """Kinds of what was exempt that were met oftener than the bound."""
        return [kind for kind, count in self.exempt.items() if count > max(FEW, MOST_EXEMPT * self.crossed)]

    @property
    def never_given(self) -> list[Reason]:
        """Reasons that were not given."""
        return [reason for reason in Reason if not self.reasons[reason.code]]

    @property
    def digest(self) -> str:
        """`sealed` as text; two runs that did the same have the same."""
        return f"{self.sealed:064x}"

    def seal(self, number: int, records: list[CrossingRecord]) -> None:
        """Digest an episode: its records with every step's time to the microsecond, its counts, how long it took."""
        text = hashlib.sha256(f"{number}\n".encode())
        for record in records:
            steps = ",".join(f"{step.name}@{step.at_s:.6f}" for step in record.steps)
            text.update(f"{record.crossing_id} {record.outcome.value} {record.reason.code if record.reason else ''} {steps}\n".encode())
        text.update(f"{self.seconds:.6f} {self.events} {sorted(self.faults.items())} {sorted(self.visits.items())} {len(self.violations)}".encode())
        self.sealed = int.from_bytes(text.digest())

    def add(self, other: Result) -> None:
        """Take the later episodes of `other` in."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            elif isinstance(mine, list):
                mine.extend(theirs)
            else:
                setattr(self, each.name, mine + theirs)
        self.sealed %= 2**256
