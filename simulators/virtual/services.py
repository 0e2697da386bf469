"""The desk, the journal and the biometric devices as the core experiences them: answers after a latency, in the order of one thread each.

The journal here is what survives: the replay memory, admissions, outcomes, the last word on what is latched. What is not written yet dies with the process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, EnrolmentFacts, Modality, PassFacts
from simulators.virtual.agenda import Agenda
from simulators.virtual.profile import Latency, Profile

PROBE_S = 1.0
CHECK_MARGIN_S = 1.0
"""A check answers so long before the core gives up waiting for it, as the real workers do."""
BACKLOG = 10_000
_BY_CODE = {reason.code: reason for reason in Reason}


@dataclass(frozen=True, slots=True)
class Presentation:
    """What a phone shows, and the truth about it.

    Attributes:
        text: The code; unique.
        holder: Name of the person whom the pass belongs to.
        facts: What a verifier that accepts it tells.
        enrolment: The holder's enrolment; None when there is none.
        refused: Why it must not be accepted; None when it is good.
        by_enrolment: It is the enrolment that must be refused; the pass itself verifies.
    """

    text: str
    holder: str
    facts: PassFacts
    enrolment: EnrolmentFacts | None
    refused: Reason | None = None
    by_enrolment: bool = False


@dataclass(slots=True)
class Durable:
    """What is on the disk: a power cut leaves it as it is.

    Attributes:
        used: The newest use of each pass.
        admitted: Crossings admitted, in order.
        outcomes: What was recorded of each crossing; more than one entry is a violation.
        latches: What closed the lane since it was last re-armed, in order.
    """

    used: dict[bytes, int] = field(default_factory=dict)
    admitted: list[str] = field(default_factory=list)
    outcomes: dict[str, list[c.CrossingRecord | None]] = field(default_factory=dict)
    latches: list[Reason] = field(default_factory=list)

    def latched_before(self) -> Reason | None:
        """What a new process is told: an emergency first, then a crossing that was cut short, then the last latch (ADR 13)."""
        if Reason.EMERGENCY in self.latches:
            return Reason.EMERGENCY
        if any(crossing_id not in self.outcomes for crossing_id in self.admitted):
            return Reason.RESTARTED
        return self.latches[-1] if self.latches else None

    def write(self, command: c.RecordCrossing | c.NoteEvent) -> None:
        """Write one entry; a second outcome of a crossing is refused as the real journal refuses it, and kept for the monitor."""
        if isinstance(command, c.RecordCrossing):
            self.outcomes.setdefault(command.record.crossing_id, []).append(command.record)
        elif command.kind == "rearmed":
            self.latches.clear()
        elif command.kind in {"emergency", "latched"}:
            code = dict(command.fields).get("reason", Reason.EMERGENCY.code)
            self.latches.append(_BY_CODE.get(code, Reason.EMERGENCY))

    def close_open(self) -> list[str]:
        """After a restart: crossings that were admitted and have no outcome are closed as aborted."""
        cut_short = [crossing_id for crossing_id in self.admitted if crossing_id not in self.outcomes]
        for crossing_id in cut_short:
            self.outcomes[crossing_id] = [None]
        return cut_short


class Desk:
    """Pass check, enrolment, admission, journal.

    Attributes:
        presentations: What can be shown to the reader, by text.
        enrolments: What the store holds, by reference.
        lost: Stores that cannot be read or written now.
    """

    def __init__(self, agenda: Agenda, rng: Random, profile: Profile, durable: Durable, post: Callable[[e.Event], None]) -> None:
        self._agenda = agenda
        self._rng = rng
        self._profile = profile
        self._durable = durable
        self._post = post
        self._process = 0
        self._free_at = 0.0
        self._backlog: deque[c.RecordCrossing | c.NoteEvent] = deque()
        self.presentations: dict[str, Presentation] = {}
        self.enrolments: dict[bytes, EnrolmentFacts | None] = {}
        self._recovered = False
        self.lost: dict[Device, None] = {}
        self.cut_short: list[str] = []

    def attach(self) -> None:
        """A new process: closes what was cut short as soon as the journal works."""
        self._process += 1
        self._backlog.clear()
        self._recovered = False
        self._free_at = self._agenda.now
        self._agenda.after(0.05, self._recover, self._process)

    def detach(self) -> None:
        """The process died."""
        self._process += 1

    @property
    def settled(self) -> bool:
        """What was cut short is closed, and nothing waits to be written."""
        return self._recovered and not self._backlog

    def _recover(self, process: int) -> None:
        if process != self._process:
            return
        if Device.JOURNAL in self.lost:
            self._agenda.after(PROBE_S, self._recover, process)
            return
        self._recovered = True
        self.cut_short += self._durable.close_open()
        for device in (Device.PASS_VERIFIER, Device.TRUST, Device.ENROLMENT, Device.JOURNAL):
            if device not in self.lost:
                self._post(e.DeviceReady(device))

    def submit(self, command: c.Command) -> None:
        """Queue a command."""
        profile = self._profile
        if isinstance(command, (c.RecordCrossing, c.NoteEvent)):
            self._backlog.append(command)
            self._queue(profile.record_latency, self._flush)
        elif isinstance(command, c.VerifyPass):
            self._queue(profile.verify_latency, self._verify, command)
        elif isinstance(command, c.FindEnrolment):
            self._queue(profile.enrolment_latency, self._find, command)
        elif isinstance(command, c.RecordAdmission):
            self._queue(profile.admission_latency, self._admit, command)

    def _queue(self, latency: Latency, act: Callable[..., None], *args: object) -> None:
        now = self._agenda.now
        self._free_at = max(now, self._free_at) + latency.draw(self._rng)
        self._agenda.after(self._free_at - now, self._turn, self._process, act, args)

    def _turn(self, process: int, act: Callable[..., None], args: tuple[object, ...]) -> None:
        if process == self._process:
            act(*args)

    def lose(self, device: Device, code: str = "store") -> None:
        """A store fails."""
        if device not in self.lost:
            self.lost[device] = None
            self._post(e.DeviceLost(device, code))

    def find_again(self, device: Device) -> None:
        """It works again; noticed by the next probe."""
        if device in self.lost:
            del self.lost[device]
            self._agenda.after(self._rng.random() * PROBE_S, self._probed, self._process, device)

    def _probed(self, process: int, device: Device) -> None:
        if process == self._process and device not in self.lost:
            if device is Device.JOURNAL:
                self._flush()
            self._post(e.DeviceReady(device))

    def _flush(self) -> None:
        while self._backlog and Device.JOURNAL not in self.lost:
            self._durable.write(self._backlog.popleft())

    def _verify(self, command: c.VerifyPass) -> None:
        if Device.PASS_VERIFIER in self.lost:
            return
        shown = self.presentations[command.text]
        refused = None if shown.by_enrolment else shown.refused
        if refused is None and self._durable.used.get(shown.facts.pass_id, -1) >= shown.facts.issued_at:
            refused = Reason.PRESENTATION_REPLAYED
        self._post(e.PassVerified(command.crossing_id, shown.facts) if refused is None else e.PassRefused(command.crossing_id, refused))

    def _find(self, command: c.FindEnrolment) -> None:
        if Device.ENROLMENT in self.lost:
            return
        enrolment = self.enrolments.get(command.reference)
        self._post(e.EnrolmentNotFound(command.crossing_id) if enrolment is None else e.EnrolmentFound(command.crossing_id, enrolment))

    def _admit(self, command: c.RecordAdmission) -> None:
        if Device.PASS_VERIFIER in self.lost:
            return
        if self._durable.used.get(command.pass_id, -1) >= command.issued_at:
            self._post(e.PassRefused(command.crossing_id, Reason.PRESENTATION_REPLAYED))
            return
        self._durable.used[command.pass_id] = command.issued_at
        if Device.JOURNAL in self.lost:
            return
        self._durable.admitted.append(command.crossing_id)
        self._post(e.AdmissionRecorded(command.crossing_id))


Look = Callable[[Modality], tuple[CheckOutcome, Reason | None] | None]
"""What a biometric device would find now; None while there is nothing before it."""


class Biometrics:
    """Fingerprint reader and face camera: look again and again until there is something to decide on, or the time is over."""

    def __init__(self, agenda: Agenda, rng: Random, profile: Profile, look: Look, post: Callable[[e.Event], None]) -> None:
        self._agenda = agenda
        self._rng = rng
        self._latency = {Modality.FINGERPRINT: profile.finger_latency, Modality.FACE: profile.face_latency}
        self._look = look
        self._post = post
        self._run = 0
        self.lost: dict[Device, None] = {}

    def detach(self) -> None:
        """The process died, or the checks are over."""
        self._run += 1

    def submit(self, command: c.Command) -> None:
        """Start a check, or end all."""
        if isinstance(command, c.EndBiometrics):
            self._run += 1
        elif isinstance(command, c.StartCheck):
            until = self._agenda.now + max(command.timeout_s - CHECK_MARGIN_S, command.timeout_s / 2)
            self._agenda.after(self._latency[command.modality].draw(self._rng), self._attempt, self._run, command, until)

    def lose(self, device: Device) -> None:
        """A device is unplugged; its check never ends."""
        if device not in self.lost:
            self.lost[device] = None
            self._post(e.DeviceLost(device, "absent"))

    def find_again(self, device: Device) -> None:
        """It is back."""
        if device in self.lost:
            del self.lost[device]
            self._post(e.DeviceReady(device))

    def _attempt(self, run: int, check: c.StartCheck, until: float) -> None:
        device = Device.FINGERPRINT if check.modality is Modality.FINGERPRINT else Device.FACE_CAMERA
        if run != self._run or device in self.lost:
            return
        found = self._look(check.modality)
        if found is None and self._agenda.now < until:
            wanted = Prompt.PLACE_FINGER if check.modality is Modality.FINGERPRINT else Prompt.LOOK_HERE
            self._post(e.CheckProgressed(check.crossing_id, check.modality, wanted))
            self._agenda.after(min(1.5, until - self._agenda.now), self._attempt, run, check, until)
            return
        missing = Reason.FINGERPRINT_NOT_CAPTURED if check.modality is Modality.FINGERPRINT else Reason.FACE_NOT_CAPTURED
        outcome, reason = found or (CheckOutcome.UNDETERMINED, missing)
        self._post(e.CheckEnded(check.crossing_id, check.modality, outcome, reason))
