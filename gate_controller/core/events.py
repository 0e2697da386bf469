"""What the core is told. Past tense; every event carries all the core needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, EnrolmentFacts, LaneInputs, Modality, PassFacts


@dataclass(frozen=True, slots=True)
class Started:
    """The controller has started. `latched` is what closed the lane before and was never re-armed (an emergency, a forced door)."""

    latched: Reason | None = None


@dataclass(frozen=True, slots=True)
class InputsRead:
    """The inputs changed, or became unknown (UNKNOWN_INPUTS)."""

    inputs: LaneInputs


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A device failed; `code` is its DeviceError's."""

    device: Device
    code: str = ""


@dataclass(frozen=True, slots=True)
class DeviceReady:
    """A device works (again)."""

    device: Device


@dataclass(frozen=True, slots=True)
class PassRead:
    """A QR text was read. `crossing_id` is the id of the crossing it may begin."""

    crossing_id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PassVerified:
    """The verifier accepted the presentation."""

    crossing_id: str
    facts: PassFacts


@dataclass(frozen=True, slots=True)
class PassRefused:
    """The verifier, or the replay memory at admission, refused the presentation."""

    crossing_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class EnrolmentFound:
    """The enrolment exists."""

    crossing_id: str
    facts: EnrolmentFacts


@dataclass(frozen=True, slots=True)
class EnrolmentNotFound:
    """There is no enrolment under the pass's reference."""

    crossing_id: str


@dataclass(frozen=True, slots=True)
class AdmissionRecorded:
    """Presentation claimed and admission journalled, durably."""

    crossing_id: str


@dataclass(frozen=True, slots=True)
class CheckEnded:
    """A check ended; `reason` is given unless it was successful. Presentation attack detection succeeds by a face judged live.

    `held_s`: for so long, seconds, the end was held back until attack detection could be told with it.
    """

    crossing_id: str
    modality: Modality
    outcome: CheckOutcome
    reason: Reason | None = None
    held_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckProgressed:
    """A running check wants the traveller to be told something."""

    crossing_id: str
    modality: Modality
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class OfficerAcknowledged:
    """An officer took the call."""

    identity: str
    call: int | None = None


@dataclass(frozen=True, slots=True)
class AssistanceRequested:
    """Somebody who watches the lane takes over whoever is inside: the checks end, an officer is called there."""

    identity: str
    call: int | None = None


@dataclass(frozen=True, slots=True)
class OfficerReturned:
    """An officer sends whoever is inside back. `crossing_id` names the record where no crossing is open."""

    crossing_id: str
    identity: str
    reason: str
    call: int | None = None


@dataclass(frozen=True, slots=True)
class OfficerReleased:
    """An officer lets whoever is inside through."""

    crossing_id: str
    identity: str
    reason: str
    call: int | None = None


@dataclass(frozen=True, slots=True)
class Rearmed:
    """An officer re-arms the lane after an emergency or a latched fault."""

    identity: str
    call: int | None = None


@dataclass(frozen=True, slots=True)
class MaintenanceSwitched:
    """An engineer takes the lane, or gives it back."""

    on: bool
    identity: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The process is to stop: no new traveller; `now` also ends an open crossing."""

    now: bool = False


@dataclass(frozen=True, slots=True)
class TimerExpired:
    """The time that `next_deadline()` gave has come."""


Event = (
    Started
    | InputsRead
    | DeviceLost
    | DeviceReady
    | PassRead
    | PassVerified
    | PassRefused
    | EnrolmentFound
    | EnrolmentNotFound
    | AdmissionRecorded
    | CheckEnded
    | CheckProgressed
    | OfficerAcknowledged
    | AssistanceRequested
    | OfficerReturned
    | OfficerReleased
    | Rearmed
    | MaintenanceSwitched
    | StopRequested
    | TimerExpired
)
