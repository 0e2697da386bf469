"""The desk: pass check, enrolment look-up, admission and journal, on one thread of its own; once a second a look at the trust.

Its stores are "devices" to the core: while one cannot be read or written the lane is closed, and so it is while the trust is too old. A record that could not be written is kept and
written first when the journal works again, so that nothing is lost while the disk is full. One that a working journal refuses is set aside,
so that it does not keep the lane closed for ever. Decides nothing.
"""

from __future__ import annotations

import dataclasses
import json
import queue
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Device, Direction, EnrolmentFacts, Region
from gate_controller.ports.control import EventSink, JsonObject
from gate_controller.ports.devices import FaceModel
from gate_controller.ports.errors import GateError, StoreError, StoreRefusedError
from gate_controller.ports.services import EnrolmentRecord, EnrolmentState, EnrolmentStore, Journal, PassAccepted, PassVerifier, ReplayMemory
from gate_controller.ports.trust import TrustMonitor, TrustNotice
from gate_controller.runtime.attempts import Attempts
from gate_controller.runtime.options import LANE_TIME_ZONE
from gate_controller.runtime.session import Session
from gate_controller.runtime.trace import Trace
from gate_controller.runtime.worker import DeviceReport, Surroundings

PROBE_S = 1.0
BACKLOG = 10_000
"""More than this is not kept while the journal is lost: the oldest notes go first, records never."""
SET_ASIDE = 100
NOBODY = bytes(16)
log = structlog.get_logger("gate.desk")


@dataclass(frozen=True, slots=True)
class Stores:
    """What the desk works with."""

    verifier: PassVerifier
    replay: ReplayMemory
    enrolment: EnrolmentStore
    journal: Journal
    trust: TrustMonitor


@dataclass(frozen=True, slots=True)
class Figures:
    """What the desk tells of itself: the stores, and how many things wait in which queue."""

    stores: JsonObject
    queues: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """What is to be written into the journal, and when it happened."""

    command: c.RecordCrossing | c.NoteEvent | Trace
    wall: float


class Desk(threading.Thread):
    """The desk's thread.

    Args:
        stores: The services.
        session: Where the templates of the current traveller go.
        around: Clock, inbox, options.
        sink: Where changes of the trust are published.
        finger_format: The template format of the reader in place, asked when a record is looked at.
        face_models: The face models in use, all of which must agree.
        direction: The lane's.
    """

    def __init__(
        self,
        stores: Stores,
        session: Session,
        around: Surroundings,
        sink: EventSink,
        finger_format: Callable[[], str],
        face_models: Collection[FaceModel],
        direction: Direction,
    ) -> None:
        super().__init__(name="desk", daemon=True)
        self._stores = stores
        self._session = session
        self._around = around
        self._sink = sink
        self._attempts = Attempts(around.options.attempts, around.options.attempts_within_s)
        self._finger_format = finger_format
        self._face_models = frozenset(face_models)
        self._direction = direction
        self._commands: queue.SimpleQueue[tuple[c.Command | Trace | None, threading.Event]] = queue.SimpleQueue()
        self._backlog: deque[_Entry] = deque()
        self._suspect: _Entry | None = None
        self._refused: deque[_Entry] = deque(maxlen=SET_ASIDE)
        self._enrolments: Mapping[Region, EnrolmentState] = {}
        self._lost: set[Device] = set()
        self._told_lost: dict[Device, str] = {}
        self._recovered = False
        self._report_anew = threading.Event()
        self._probed_at = around.clock.monotonic()
        self.beat = around.clock.monotonic()

    def submit(self, command: c.Command | Trace) -> threading.Event:
        """Queue a command, or a crossing's trace. What is returned is set once it was dealt with: written, or kept because the journal is lost."""
        done = threading.Event()
        self._commands.put((command, done))
        return done

    def stop(self) -> None:
        """End after everything queued before has been done."""
        self._commands.put((None, threading.Event()))

    def figures(self) -> Figures:
        """What is to be known of the stores from outside. For any thread."""
        enrolments = {region.value: dataclasses.asdict(state) for region, state in dict(self._enrolments).items()}
        stores = {"enrolments": enrolments, "journal": {"backlog": len(self._backlog), "set_aside": len(self._refused)}}
        return Figures(stores, {"desk": self._commands.qsize(), "journal_backlog": len(self._backlog)})

    def report_anew(self) -> None:
        """Report the journal ready once more as soon as it works: the decision thread has taken it for lost. For any thread."""
        self._report_anew.set()

    def run(self) -> None:
        """The thread's body. Whatever goes wrong, a bug included, the journal counts as lost and the thread goes on."""
        self._safely(self._recover)
        going_on = True
        while going_on:
            going_on = self._safely(self._turn)

    def _safely(self, act: Callable[[], bool]) -> bool:
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - a desk that died would leave the journal "ready" for ever
            self._lose(Device.JOURNAL, _as_gate_error(Device.JOURNAL, error))
            return True

    def _recover(self) -> bool:
        self._lost |= {Device.PASS_VERIFIER, Device.TRUST, Device.ENROLMENT, Device.JOURNAL}
        self._probe()
        return True

    def _turn(self) -> bool:
        """One command, or a look at what is lost; False when it is time to end."""
        self.beat = self._around.clock.monotonic()
        if self._report_anew.is_set():
            self._report_anew.clear()
            self._lost.add(Device.JOURNAL)
        if self.beat >= self._probed_at + PROBE_S:
            self._probe()
        try:
            command, done = self._commands.get(timeout=PROBE_S)
        except queue.Empty:
            return True
        if command is not None:
            self._obey(command)
            done.set()
            return True
        self._probe()
        if Device.JOURNAL not in self._lost:
            self._flush()
        return False

    def _obey(self, command: c.Command | Trace) -> None:
        device = Device.JOURNAL
        try:
            match command:
                case c.VerifyPass(crossing_id, text):
                    device = Device.PASS_VERIFIER
                    self._verify(crossing_id, text)
                case c.FindEnrolment(crossing_id, issuer, reference):
                    device = Device.ENROLMENT
                    self._find(crossing_id, issuer, reference)
                case c.RecordAdmission():
                    self._admit(command)
                case c.RecordCrossing() | c.NoteEvent() | Trace():
                    if isinstance(command, c.RecordCrossing):
                        self._attempts.end(command.record, self._around.clock.monotonic())
                    self._keep(_Entry(command, self._around.clock.wall()))
                    if device not in self._lost:
                        self._flush()
                case _:
                    pass
        except Exception as error:  # noqa: BLE001 - a bug is a lost store, not an answer
            self._lose(device, _as_gate_error(device, error))

    def _verify(self, crossing_id: str, text: str) -> None:
        decision = self._stores.verifier.verify(text, self._around.clock.wall())
        if isinstance(decision, PassAccepted):
            if self._attempts.too_many(decision.facts.pass_id, self._around.clock.monotonic()):
                log.info("pass refused", reason=Reason.REPEATED_ATTEMPTS.code)
                self._around.post(e.PassRefused(crossing_id, Reason.REPEATED_ATTEMPTS))
                return
            self._attempts.begin(crossing_id, decision.facts.pass_id)
            self._around.post(e.PassVerified(crossing_id, decision.facts))
        else:
            log.info("pass refused", reason=decision.reason.code, step=decision.step, detail=decision.detail)
            self._around.post(e.PassRefused(crossing_id, decision.reason))

    def _find(self, crossing_id: str, issuer: Region, reference: bytes) -> None:
        record = self._stores.enrolment.find(issuer, reference)
        if record is None:
            self._around.post(e.EnrolmentNotFound(crossing_id))
            return
        self._session.keep(crossing_id, record)
        self._around.post(e.EnrolmentFound(crossing_id, self._facts(record)))

    def _facts(self, record: EnrolmentRecord) -> EnrolmentFacts:
        now = self._around.clock.wall()
        today = datetime.fromtimestamp(now, LANE_TIME_ZONE).date()
        born = record.birth_date
        wanted = self._finger_format()
        held = {template.model for template in record.faces}
        for model in sorted(self._face_models - held, key=lambda each: each.name):
            log.info("no face template of this lane's model", model=model.label, enrolled=", ".join(sorted(each.label for each in held)) or "none")
        return EnrolmentFacts(
            age_years=today.year - born.year - ((today.month, today.day) < (born.month, born.day)),
            registered_with=record.registered_with,
            registered_for_s=max(0.0, now - record.registered_at),
            suspended=record.suspended,
            fingers=sum(template.format == wanted for template in record.fingers),
            face=self._face_models <= held,
        )

    def _admit(self, command: c.RecordAdmission) -> None:
        try:
            claimed = self._stores.replay.claim(command.pass_id, command.issued_at, command.expires_at)
        except GateError as error:
            self._lose(Device.PASS_VERIFIER, error)
            return
        if not claimed:
            self._around.post(e.PassRefused(command.crossing_id, Reason.PRESENTATION_REPLAYED))
            return
        self._stores.journal.admit(command.crossing_id, command.issuer, command.direction, self._around.clock.wall(), degraded=command.degraded)
        self._around.post(e.AdmissionRecorded(command.crossing_id))

    def _keep(self, entry: _Entry) -> None:
        self._backlog.append(entry)
        if len(self._backlog) > BACKLOG:
            oldest = next((kept for kept in self._backlog if not isinstance(kept.command, c.RecordCrossing)), None)
            if oldest is not None:
                self._backlog.remove(oldest)

    def _flush(self) -> bool:
        """Write what is owed, in order; False when the journal was lost over it.

        Called only while the journal is taken to work. So what fails costs the journal, and is kept: a full disk may take a short note and not this one. Only what
        the journal refuses for what it is, twice, is set aside.
        """
        while self._backlog:
            self.beat = self._around.clock.monotonic()
            entry = self._backlog[0]
            try:
                self._write(entry)
            except Exception as error:  # noqa: BLE001 - a bug in the journal must not stop the desk
                cause = _as_gate_error(Device.JOURNAL, error)
                for_what_it_is = isinstance(error, StoreRefusedError) or not isinstance(error, GateError)
                if not for_what_it_is or entry is not self._suspect or not self._set_aside(entry, cause):
                    self._suspect = entry
                    self._lose(Device.JOURNAL, cause)
                    return False
            self._backlog.popleft()
        self._suspect = None
        return True

    def _write(self, entry: _Entry) -> None:
        if isinstance(entry.command, c.RecordCrossing):
            self._stores.journal.record(entry.command.record, entry.wall)
        elif isinstance(entry.command, Trace):
            self._stores.journal.trace(entry.command.crossing_id, entry.command.as_json(), entry.wall)
        else:
            self._stores.journal.event(entry.command.kind, dict(entry.command.fields), entry.wall)

    def _set_aside(self, entry: _Entry, cause: GateError) -> bool:
        """Note in the journal that it refuses the entry; False when it takes no note of that either."""
        kind = entry.command.kind if isinstance(entry.command, c.NoteEvent) else type(entry.command).__name__.removeprefix("Record").lower()
        try:
            self._stores.journal.event("record_set_aside", {"kind": kind, "what": cause.what}, self._around.clock.wall())
        except Exception:  # noqa: BLE001 - then it is the journal, not the entry
            return False
        self._refused.append(entry)
        log.error("the journal refuses a record; set aside", kind=kind, what=cause.what)
        return True

    def _probe(self) -> None:
        """Look at the trust, and whether a lost store is back."""
        self._probed_at = self._around.clock.monotonic()
        self._watch_trust()
        checks: dict[Device, Callable[[], object]] = {
            Device.PASS_VERIFIER: lambda: self._stores.replay.last_presented(NOBODY),
            Device.ENROLMENT: lambda: [self._stores.enrolment.find(region, NOBODY) for region in Region],
            Device.JOURNAL: self._check_journal,
        }
        for device in sorted(self._lost & checks.keys(), key=lambda lost: lost.value):
            try:
                checks[device]()
            except Exception as error:  # noqa: BLE001 - whatever it is, the store does not work
                self._lose(device, _as_gate_error(device, error))
                continue
            if device is Device.JOURNAL and not self._flush():
                continue
            self._find_again(device)
        self._watch_enrolments()
        self._tend_journal()

    def _watch_enrolments(self) -> None:
        """Journal which enrolments were taken up since the last look; a store that cannot be used is lost before a traveller meets it."""
        if Device.ENROLMENT in self._lost:
            return
        try:
            found = self._stores.enrolment.in_force()
        except Exception as error:  # noqa: BLE001 - whatever it is, the store does not work
            self._lose(Device.ENROLMENT, _as_gate_error(Device.ENROLMENT, error))
            return
        for region, state in found.items():
            if self._enrolments.get(region) != state:
                fields = {"region": region.value, **{name: str(number) for name, number in dataclasses.asdict(state).items()}}
                self._keep(_Entry(c.NoteEvent("enrolments_in_force", tuple(sorted(fields.items()))), self._around.clock.wall()))
        self._enrolments = found
        if Device.JOURNAL not in self._lost:
            self._flush()

    def _watch_trust(self) -> None:
        """Tell what has changed; without a region whose passes could be accepted, the trust is lost."""
        trust, wall = self._stores.trust, self._around.clock.wall()
        try:
            notices, closed = trust.look(wall)
            for notice in notices:
                self._tell(notice, wall)
            trust.observe(wall)
        except Exception as error:  # noqa: BLE001 - a bug is lost trust
            self._lose(Device.TRUST, _as_gate_error(Device.TRUST, error))
            return
        if closed is not None:
            self._lose(Device.TRUST, StoreError(closed.what, closed.remedy), closed.code)
        elif Device.TRUST in self._lost:
            self._find_again(Device.TRUST)

    def _tend_journal(self) -> None:
        """Checkpoints and retention wait for no row."""
        if Device.JOURNAL in self._lost:
            return
        try:
            self._stores.journal.tend(self._around.clock.wall())
        except Exception as error:  # noqa: BLE001 - a journal that cannot be signed does not work
            self._lose(Device.JOURNAL, _as_gate_error(Device.JOURNAL, error))

    def _tell(self, notice: TrustNotice, wall: float) -> None:
        (log.warning if notice.warning else log.info)(notice.kind, what=notice.text)
        fields = sorted((name, value if isinstance(value, str) else json.dumps(value)) for name, value in notice.fields.items())
        self._keep(_Entry(c.NoteEvent(notice.kind, tuple(fields)), wall))
        if Device.JOURNAL not in self._lost:
            self._flush()
        self._sink.publish("freshness" if notice.kind == "freshness_changed" else notice.kind, dict(notice.fields))

    def _find_again(self, device: Device) -> None:
        self._lost.discard(device)
        self._told_lost.pop(device, None)
        self._around.post(e.DeviceReady(device), DeviceReport(device, "ready"))

    def _check_journal(self) -> None:
        journal, now = self._stores.journal, self._around.clock.wall()
        if not self._recovered:
            for crossing_id in journal.close_open(now, self._direction):
                log.warning("crossing was cut short by a restart", crossing_id=crossing_id)
            self._recovered = True
        journal.event("journal_ready", {}, now)

    def _lose(self, device: Device, error: GateError, code: str = "store") -> None:
        self._lost.add(device)
        if self._told_lost.get(device) != code:
            self._told_lost[device] = code
            self._around.post(e.DeviceLost(device, code), DeviceReport(device, "lost", code, error.what, error.remedy))


def _as_gate_error(device: Device, error: Exception) -> GateError:
    """The error itself, or, for a bug, one that says so."""
    if isinstance(error, GateError):
        return error
    log.error("desk failed", device=device.value, exc_info=error)
    return StoreError(f"{device.value}: {type(error).__name__} at the desk", "this is a bug: send a support bundle")
