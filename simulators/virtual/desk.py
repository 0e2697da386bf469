"""The desk and the journal as the core experiences them: pass check, enrolment, admission and records, in the order of one thread, after a latency.

Keeps to the rules of the real desk: a store that fails is lost once something is asked of it, a record that could not be written is kept and written first, what a
restart cut short is closed together with the latch it leads to, and an orderly end writes what is owed. What is not on the disk dies with the process. Decides nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Device, EnrolmentFacts, Outcome
from simulators.virtual.agenda import Agenda
from simulators.virtual.profile import Latency, Profile
from simulators.virtual.services import Presentation

PROBE_S = 1.0
"""A lost store, and the trust, are looked at so often."""
ATTEMPTS, ATTEMPTS_WITHIN_S = 3, 900.0
"""A pass that failed inside so often within that time is refused, by the defaults of the settings."""
HIS_OWN = frozenset(
    {
        Reason.FINGERPRINT_MISMATCH,
        Reason.FINGERPRINT_NOT_CAPTURED,
        Reason.FACE_MISMATCH,
        Reason.FACE_NOT_CAPTURED,
        Reason.SEVERAL_FACES,
        Reason.TAILGATING,
        Reason.IDENTITY_TIMED_OUT,
        Reason.STAYED_INSIDE,
    }
)
"""Reasons that lie with whoever was inside."""
STORES = (Device.TRUST, Device.ENROLMENT, Device.JOURNAL, Device.PASS_VERIFIER)
"""In the order in which the desk looks at them."""
BY_HAND = frozenset({"officer_released", "officer_returned"})
"""Notes of who let somebody out, and why: on the disk before the door opens."""
_BY_CODE = {reason.code: reason for reason in Reason}


@dataclass(slots=True)
class Durable:
    """What is on the disk: a power cut leaves it as it is.

    Attributes:
        used: The newest use of each pass.
        admitted: Crossings admitted, in order.
        outcomes: What was recorded of each crossing (None: cut short by a restart, closed as aborted); more than one entry is a violation.
        by_hand: Crossings that an officer's act began since the last outcome.
        latches: What closed the lane since it was last re-armed, in order.
    """

    used: dict[bytes, int] = field(default_factory=dict)
    admitted: list[str] = field(default_factory=list)
    outcomes: dict[str, list[c.CrossingRecord | None]] = field(default_factory=dict)
    by_hand: dict[str, None] = field(default_factory=dict)
    latches: list[Reason] = field(default_factory=list)

    @property
    def open_crossings(self) -> list[str]:
        """Crossings that were admitted, or begun by an officer's act, and have no outcome."""
        return [crossing_id for crossing_id in (*self.admitted, *self.by_hand) if crossing_id not in self.outcomes]

    def latched_before(self) -> Reason | None:
        """What a new process is told: an emergency first, then a crossing that was cut short, then the last latch (ADR 13)."""
        if Reason.EMERGENCY in self.latches:
            return Reason.EMERGENCY
        if self.open_crossings:
            return Reason.RESTARTED
        return self.latches[-1] if self.latches else None

    def write(self, command: c.RecordCrossing | c.NoteEvent) -> None:
        """Write one entry; a second outcome of a crossing is refused as the real journal refuses it, and kept for the monitor."""
        if isinstance(command, c.RecordCrossing):
            self.outcomes.setdefault(command.record.crossing_id, []).append(command.record)
            self.by_hand.clear()
        elif command.kind in BY_HAND:
            crossing_id = dict(command.fields)["crossing_id"]
            if crossing_id not in self.admitted:
                self.by_hand[crossing_id] = None
        elif command.kind == "rearmed":
            self.latches.clear()
        elif command.kind == "maintenance_off":
            self.latches = [reason for reason in self.latches if reason is not Reason.MAINTENANCE]
        elif command.kind in {"emergency", "latched"}:
            code = dict(command.fields).get("reason", Reason.EMERGENCY.code)
            self.latches.append(_BY_CODE.get(code, Reason.EMERGENCY))

    def close_open(self) -> None:
        """After a restart: crossings without an outcome are closed as aborted, and the lane is latched, in one transaction."""
        cut_short = self.open_crossings
        for crossing_id in cut_short:
            self.outcomes[crossing_id] = [None]
        self.by_hand.clear()
        if cut_short:
            self.latches.append(Reason.RESTARTED)


class Desk:
    """Pass check, enrolment, admission, journal.

    Attributes:
        presentations: What can be shown to the reader, by text.
        enrolments: What the store holds, by reference.
        broken: Stores that cannot be read or written now, whether anybody noticed or not.
    """

    def __init__(self, agenda: Agenda, rng: Random, profile: Profile, durable: Durable, post: Callable[[e.Event], object]) -> None:
        self._agenda = agenda
        self._rng = rng
        self._profile = profile
        self._durable = durable
        self._post = post
        self._process = 0
        self._free_at = 0.0
        self._backlog: deque[c.RecordCrossing | c.NoteEvent] = deque()
        self._recovered = False
        self._lost = dict.fromkeys(STORES)
        self._checked: tuple[str, bytes] | None = None
        self._failed: dict[bytes, list[float]] = {}
        self.presentations: dict[str, Presentation] = {}
        self.enrolments: dict[bytes, EnrolmentFacts | None] = {}
        self.broken: dict[Device, None] = {}

    # -- life of the process -------------------------------------------------------------------------------------------------

    def attach(self) -> None:
        """A new process: nothing works until it was looked at, and the journal closes first what was cut short."""
        self._process += 1
        self._backlog.clear()
        self._checked = None
        self._failed.clear()
        self._recovered = False
        self._lost = dict.fromkeys(STORES)
        self._free_at = self._agenda.now
        for device in STORES:
            self._agenda.after(0.05, self._probe, self._process, device)

    def detach(self) -> None:
        """The process died: what it had not written is gone."""
        self._process += 1
        self._backlog.clear()
        self._recovered = False

    def end(self) -> None:
        """The process ends in good order: what is owed is written, if the journal works."""
        if Device.JOURNAL in self._lost:
            self._look_at(Device.JOURNAL)
        self._flush()

    @property
    def settled(self) -> bool:
        """What was cut short is closed, and nothing waits to be written."""
        return self._recovered and not self._backlog

    # -- stores that fail ------------------------------------------------------------------------------------------------------

    def fail(self, device: Device, at_once: bool) -> None:
        """A store fails: lost at once where something is just asked of it, else when something is; the trust when it is next looked at."""
        self.broken[device] = None
        if device is Device.TRUST:
            self._agenda.after(self._rng.random() * PROBE_S, self._asked, self._process, device)
        elif at_once:
            self._works(device)

    def mend(self, device: Device) -> None:
        """It works again; noticed by the next probe."""
        self.broken.pop(device, None)
        if device in self._lost:
            self._agenda.after(self._rng.random() * PROBE_S, self._probe, self._process, device)

    def _works(self, device: Device) -> bool:
        """Something is asked of a store; False when it fails, and then it is lost."""
        if device not in self.broken:
            return True
        if device not in self._lost:
            self._lost[device] = None
            self._post(e.DeviceLost(device, "store"))
        return False

    def _asked(self, process: int, device: Device) -> None:
        if process == self._process:
            self._works(device)

    def _probe(self, process: int, device: Device) -> None:
        if process == self._process and device in self._lost and not self._look_at(device):
            self._post(e.DeviceLost(device, "store"))

    def _look_at(self, device: Device) -> bool:
        if device in self.broken:
            return False
        del self._lost[device]
        if device is Device.JOURNAL:
            if not self._recovered:
                self._recovered = True
                self._durable.close_open()
            self._flush()
        self._post(e.DeviceReady(device))
        return True

    # -- commands --------------------------------------------------------------------------------------------------------------

    def submit(self, command: c.Command) -> list[bool]:
        """Queue a command. What is returned is no longer empty once an entry for the journal was written, or kept because the journal is lost."""
        profile = self._profile
        done: list[bool] = []
        if isinstance(command, (c.RecordCrossing, c.NoteEvent)):
            self._backlog.append(command)
            self._queue(profile.record_latency, self._write, command, done)
        elif isinstance(command, c.VerifyPass):
            self._queue(profile.verify_latency, self._verify, command)
        elif isinstance(command, c.FindEnrolment):
            self._queue(profile.enrolment_latency, self._find, command)
        elif isinstance(command, c.RecordAdmission):
            self._queue(profile.admission_latency, self._admit, command)
        return done

    def _queue(self, latency: Latency, act: Callable[..., None], *args: object) -> None:
        now = self._agenda.now
        self._free_at = max(now, self._free_at) + latency.draw(self._rng)
        self._agenda.after(self._free_at - now, self._turn, self._process, act, args)

    def _turn(self, process: int, act: Callable[..., None], args: tuple[object, ...]) -> None:
        if process == self._process:
            act(*args)

    def _write(self, command: c.RecordCrossing | c.NoteEvent, done: list[bool]) -> None:
        if isinstance(command, c.RecordCrossing):
            self._count_attempt(command.record)
        if Device.JOURNAL not in self._lost and self._works(Device.JOURNAL):
            self._flush()
        done.append(True)

    def _flush(self) -> None:
        while self._backlog and Device.JOURNAL not in self._lost and Device.JOURNAL not in self.broken:
            self._durable.write(self._backlog.popleft())

    def _count_attempt(self, record: c.CrossingRecord) -> None:
        if self._checked is None or self._checked[0] != record.crossing_id:
            return
        pass_id, self._checked = self._checked[1], None
        if record.outcome is Outcome.RETURNED and record.reason in HIS_OWN:
            self._failed.setdefault(pass_id, []).append(self._agenda.now)

    def _verify(self, command: c.VerifyPass) -> None:
        if not self._works(Device.PASS_VERIFIER):
            return
        shown = self.presentations[command.text]
        pass_id = shown.facts.pass_id
        refused = None if shown.by_enrolment else shown.refused
        if refused is None and self._durable.used.get(pass_id, -1) >= shown.facts.issued_at:
            refused = Reason.PRESENTATION_REPLAYED
        if refused is None and sum(self._agenda.now - at < ATTEMPTS_WITHIN_S for at in self._failed.get(pass_id, ())) >= ATTEMPTS:
            refused = Reason.REPEATED_ATTEMPTS
        if refused is None:
            self._checked = (command.crossing_id, pass_id)
        self._post(e.PassVerified(command.crossing_id, shown.facts) if refused is None else e.PassRefused(command.crossing_id, refused))

    def _find(self, command: c.FindEnrolment) -> None:
        if not self._works(Device.ENROLMENT):
            return
        enrolment = self.enrolments.get(command.reference)
        self._post(e.EnrolmentNotFound(command.crossing_id) if enrolment is None else e.EnrolmentFound(command.crossing_id, enrolment))

    def _admit(self, command: c.RecordAdmission) -> None:
        if not self._works(Device.PASS_VERIFIER):
            return
        if self._durable.used.get(command.pass_id, -1) >= command.issued_at:
            self._post(e.PassRefused(command.crossing_id, Reason.PRESENTATION_REPLAYED))
            return
        self._durable.used[command.pass_id] = command.issued_at
        if self._works(Device.JOURNAL):
            self._durable.admitted.append(command.crossing_id)
            self._post(e.AdmissionRecorded(command.crossing_id))
