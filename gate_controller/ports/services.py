"""Service ports: pass verification, keys, enrolment, replay memory, journal, traveller display.

All are synchronous. A service that cannot answer raises a GateError; it never answers "yes" or "not found" instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, PassFacts, Region
from gate_controller.ports.devices import FaceTemplate, FingerprintTemplate


@dataclass(frozen=True, slots=True)
class VerificationStep:
    """One step of the verifier as a diagnostic shows it.

    Attributes:
        number: Step of the documented order, 1 to 9.
        name: Short name, e.g. "signature".
        passed: None when the step was not reached.
        detail: One line without personal data.
    """

    number: int
    name: str
    passed: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PassAccepted:
    """The presentation is genuine, fresh, for this lane, and was not used before."""

    facts: PassFacts
    steps: tuple[VerificationStep, ...] = ()


@dataclass(frozen=True, slots=True)
class PassRejected:
    """The presentation is refused. `reason` says why, `detail` helps an engineer; neither identifies a person."""

    reason: Reason
    step: int
    detail: str = ""
    steps: tuple[VerificationStep, ...] = ()


class PassVerifier(Protocol):
    """Checks a QR text offline. Never raises on any input text."""

    def verify(self, text: str, now: float) -> PassAccepted | PassRejected:
        """Verify `text` at `now` (seconds since the epoch). Reads the replay memory, does not write it.

        Raises:
            StoreError: The keys or the replay memory cannot be read (never because of `text`).
        """
        ...


class ReplayMemory(Protocol):
    """One durable row per pass: the iat of its last accepted presentation (INV-8)."""

    def last_presented(self, pass_id: bytes) -> int | None:
        """iat of the last accepted presentation, or None."""
        ...

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        """Durably record the presentation if it is strictly newer than the last; False when it is not.

        Returns only after the row survives a power cut. Raises StoreError when it cannot be written.
        """
        ...

    def close(self) -> None:
        """Close the store."""
        ...


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """One public key of a region."""

    key: bytes
    region: Region
    not_before: int
    not_after: int


class KeyTable(Protocol):
    """Pass keys by the exact protected-header bytes they may sign."""

    def lookup(self, protected: bytes) -> VerifyingKey | None:
        """The key whose passes carry exactly these protected-header bytes, or None."""
        ...


@dataclass(frozen=True, slots=True)
class EnrolmentRecord:
    """One enrolled person. Holds templates: never log it (its repr is redacted).

    Attributes:
        reference: Opaque enrolment reference, 16 bytes (the pass's sub).
        version: Grows with each change of the record.
        birth_date: Date of birth.
        registered_with: Regions the person is enrolled with.
        registered_at: Seconds since the epoch.
        suspended: True while the enrolment is suspended.
        faces: Face templates, any model.
        fingers: Finger templates, best first.
    """

    reference: bytes = field(repr=False)
    version: int
    birth_date: date = field(repr=False)
    registered_with: frozenset[Region]
    registered_at: int
    suspended: bool
    faces: tuple[FaceTemplate, ...] = field(repr=False)
    fingers: tuple[FingerprintTemplate, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EnrolmentState:
    """Which state of a region's enrolments is in force.

    Attributes:
        snapshot: Number of the snapshot they began with.
        delta: Number of the last delta applied to it; 0: none.
        records: How many records there are.
        issued_at: When the region issued the newer of the two, seconds since the epoch; 0: nobody did (a simulation).
    """

    snapshot: int
    delta: int
    records: int
    issued_at: int = 0


class EnrolmentStore(Protocol):
    """Enrolment records by the region that enrolled and its opaque reference. Two regions may use the same reference for two people."""

    def find(self, issuer: Region, reference: bytes) -> EnrolmentRecord | None:
        """The record that `issuer` holds under `reference`, or None when there is none; another region's record is never found.

        Raises:
            StoreError: The store cannot be read, or the record fails its authentication.
        """
        ...

    def in_force(self) -> Mapping[Region, EnrolmentState]:
        """What the next look-up is answered from, for each region that has enrolments; new ones are taken up by this, too.

        Raises:
            StoreError: A region's store cannot be used.
        """
        ...

    def close(self) -> None:
        """Close the store."""
        ...


class Journal(Protocol):
    """The durable record of what happened; append-only."""

    def admit(self, crossing_id: str, issuer: Region, direction: Direction, wall: float, *, degraded: bool = False) -> None:
        """Durably note that an admission begins; must return before the entry door opens.

        `degraded`: decided on a status list that is good for low-risk travellers only.
        """
        ...

    def record(self, record: CrossingRecord, wall: float) -> None:
        """Durably note how a crossing ended. The first record of a crossing stands; a second raises StoreError."""
        ...

    def event(self, kind: str, fields: dict[str, str], wall: float) -> None:
        """Durably note an event of the lane (fault, recovery, officer's act, emergency). No personal data."""
        ...

    def trace(self, crossing_id: str, what: Mapping[str, Any], wall: float) -> None:
        """Durably note a crossing's trace, from which its decision can be derived again. JSON whose numbers are integers."""
        ...

    def close_open(self, wall: float, direction: Direction) -> list[str]:
        """After a restart: end every crossing without an outcome as ABORTED; returns their ids.

        Those are the admissions, and what an officer did for somebody who was not admitted (`direction`: the lane's). If there was one, somebody
        may be inside: the event "latched" with the reason "restarted" is noted at the same instant.
        """
        ...

    def tend(self, wall: float) -> None:
        """What time alone demands: sign what is not signed yet, delete what is not to be kept any longer. Called about once a second."""
        ...

    def close(self) -> None:
        """Close the journal."""
        ...


class TravellerDisplay(Protocol):
    """What the traveller sees or hears. A fault here never changes a decision."""

    def show(self, prompt: Prompt) -> None:
        """Show (or say) one prompt until the next."""
        ...
