"""What the core orders. Imperative; each is carried out by the runtime, whose failures come back as events.

A command names what must happen, never how: no addresses, no bytes, no templates.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Direction, Door, Lamp, Modality, Outcome, Region


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a crossing: its name and when it was reached, in seconds after the pass was read."""

    name: str
    at_s: float


@dataclass(frozen=True, slots=True)
class CrossingRecord:
    """How one crossing (or one refused presentation) ended. Holds nothing that identifies a person.

    Attributes:
        crossing_id: Opaque id.
        outcome: The one outcome.
        reason: Why, or None when completed.
        admitted: True when the entry door was commanded open for it.
        issuer: Region of the pass; None when no pass was verified.
        direction: The lane's direction.
        authorised: Passage truth, each on its own evidence: pass and enrolment accepted,
        entered: one person counted inside with the entry closed,
        verified: the biometric rule met and, where the policy requires it, the face judged live,
        exited: seen leaving through the exit,
        chamber_empty: counted empty with both doors closed at the end.
        steps: What happened when.
        checks: How each check ended; "pad" that is not successful marks a crossing whose traveller was not judged live.
        officer: Identity of the officer who released or returned, if any; `officer_reason` what they gave as reason.
        degraded: Decided while the status list was good for low-risk travellers only, for or against.
    """

    crossing_id: str
    outcome: Outcome
    reason: Reason | None
    admitted: bool
    issuer: Region | None
    direction: Direction
    authorised: bool = False
    entered: bool = False
    verified: bool = False
    exited: bool = False
    chamber_empty: bool = False
    steps: tuple[Step, ...] = ()
    checks: dict[Modality, CheckOutcome] = field(default_factory=dict)
    officer: str | None = None
    officer_reason: str | None = None
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """Command a door open for `hold_s`, timed by the board. In an emergency the other door's position does not matter."""

    door: Door
    hold_s: float
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class CloseDoor:
    """End a door's opening."""

    door: Door


@dataclass(frozen=True, slots=True)
class SetLamp:
    """Switch a lamp."""

    lamp: Lamp
    on: bool


@dataclass(frozen=True, slots=True)
class ShowPrompt:
    """Tell the traveller something."""

    prompt: Prompt


@dataclass(frozen=True, slots=True)
class VerifyPass:
    """Verify a QR text; answered by PassVerified or PassRefused."""

    crossing_id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FindEnrolment:
    """Look up the issuer's enrolment; answered by EnrolmentFound or EnrolmentNotFound. Templates stay with the runtime."""

    crossing_id: str
    issuer: Region
    reference: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecordAdmission:
    """Durably claim the presentation and note the admission, before any door opens; answered by AdmissionRecorded or PassRefused."""

    crossing_id: str
    pass_id: bytes = field(repr=False)
    issued_at: int
    expires_at: int
    issuer: Region
    direction: Direction
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class PrepareBiometrics:
    """Load the template into the reader and start looking for the face, while the traveller walks in."""

    crossing_id: str


@dataclass(frozen=True, slots=True)
class GatherPadEvidence:
    """Watch the face from now on, so that presentation attack detection can answer soon after its check starts. Answers nothing by itself."""

    crossing_id: str


@dataclass(frozen=True, slots=True)
class StartCheck:
    """Start one check; answered by CheckEnded (and CheckProgressed)."""

    crossing_id: str
    modality: Modality
    timeout_s: float


@dataclass(frozen=True, slots=True)
class EndBiometrics:
    """Abort what still runs, forget templates and images of the crossing."""

    crossing_id: str


@dataclass(frozen=True, slots=True)
class CallOfficer:
    """Call an officer; stays pending until acknowledged by identity. `escalation` grows each time nobody came."""

    reason: Reason
    escalation: int = 0


@dataclass(frozen=True, slots=True)
class EndOfficerCall:
    """The call is over."""


@dataclass(frozen=True, slots=True)
class RecordCrossing:
    """Durably record how a crossing ended; answered by CrossingRecorded."""

    record: CrossingRecord


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """Durably note something about the lane (fault, recovery, emergency, officer's act)."""

    kind: str
    fields: tuple[tuple[str, str], ...] = ()


Command = (
    OpenDoor
    | CloseDoor
    | SetLamp
    | ShowPrompt
    | VerifyPass
    | FindEnrolment
    | RecordAdmission
    | PrepareBiometrics
    | GatherPadEvidence
    | StartCheck
    | EndBiometrics
    | CallOfficer
    | EndOfficerCall
    | RecordCrossing
    | NoteEvent
)
