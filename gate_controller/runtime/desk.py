"""The desk: pass check, enrolment look-up, admission and journal, on one thread of its own.

Its stores are "devices" to the core: while one cannot be read or written the lane is closed. A record that could not be written is kept and
written first when the journal works again, so that nothing is lost while the disk is full. Decides nothing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Device, EnrolmentFacts
from gate_controller.ports.devices import FaceModel
from gate_controller.ports.errors import GateError, StoreError
from gate_controller.ports.services import EnrolmentRecord, EnrolmentStore, Journal, PassAccepted, PassVerifier, ReplayMemory
from gate_controller.runtime.options import LANE_TIME_ZONE
from gate_controller.runtime.session import Session
from gate_controller.runtime.worker import DeviceReport, Surroundings

PROBE_S = 1.0
NOBODY = bytes(16)
log = structlog.get_logger("gate.desk")


@dataclass(frozen=True, slots=True)
class Stores:
    """What the desk works with."""

    verifier: PassVerifier
    replay: ReplayMemory
    enrolment: EnrolmentStore
    journal: Journal


class Desk(threading.Thread):
    """The desk's thread.

    Args:
        stores: The services.
        session: Where the templates of the current traveller go.
        around: Clock, inbox, options.
        finger_format: The template format of the reader in place, asked when a record is looked at.
        face_model: The face model in use.
    """

    def __init__(self, stores: Stores, session: Session, around: Surroundings, finger_format: Callable[[], str], face_model: FaceModel) -> None:
        super().__init__(name="desk", daemon=True)
        self._stores = stores
        self._session = session
        self._around = around
        self._finger_format = finger_format
        self._face_model = face_model
        self._commands: queue.SimpleQueue[c.Command | None] = queue.SimpleQueue()
        self._backlog: list[tuple[c.RecordCrossing | c.NoteEvent, float]] = []
        self._lost: set[Device] = set()
        self.beat = around.clock.monotonic()

    def submit(self, command: c.Command) -> None:
        """Queue a command."""
        self._commands.put(command)

    def stop(self) -> None:
        """End after everything queued before has been done."""
        self._commands.put(None)

    def run(self) -> None:
        """The thread's body."""
        self._recover()
        while True:
            self.beat = self._around.clock.monotonic()
            try:
                command = self._commands.get(timeout=PROBE_S)
            except queue.Empty:
                self._probe()
                continue
            if command is None:
                self._flush()
                return
            self._obey(command)

    def _recover(self) -> None:
        try:
            for crossing_id in self._stores.journal.close_open(self._around.clock.wall()):
                log.warning("crossing was cut short by a restart", crossing_id=crossing_id)
        except GateError as error:
            self._lose(Device.JOURNAL, error)
        self._lost |= {Device.PASS_VERIFIER, Device.ENROLMENT, Device.JOURNAL}
        self._probe()

    def _obey(self, command: c.Command) -> None:
        device = Device.JOURNAL
        try:
            match command:
                case c.VerifyPass(crossing_id, text):
                    device = Device.PASS_VERIFIER
                    self._verify(crossing_id, text)
                case c.FindEnrolment(crossing_id, reference):
                    device = Device.ENROLMENT
                    self._find(crossing_id, reference)
                case c.RecordAdmission():
                    self._admit(command)
                case c.RecordCrossing() | c.NoteEvent():
                    self._backlog.append((command, self._around.clock.wall()))
                    self._flush()
                case _:
                    pass
        except GateError as error:
            self._lose(device, error)
        except Exception as error:
            log.exception("desk failed", command=type(command).__name__)
            self._lose(device, StoreError(f"{device.value}: {type(error).__name__} at the desk", "this is a bug: send a support bundle"))

    def _verify(self, crossing_id: str, text: str) -> None:
        decision = self._stores.verifier.verify(text, self._around.clock.wall())
        if isinstance(decision, PassAccepted):
            self._around.post(e.PassVerified(crossing_id, decision.facts))
        else:
            log.info("pass refused", reason=decision.reason.code, step=decision.step, detail=decision.detail)
            self._around.post(e.PassRefused(crossing_id, decision.reason))

    def _find(self, crossing_id: str, reference: bytes) -> None:
        record = self._stores.enrolment.find(reference)
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
        return EnrolmentFacts(
            age_years=today.year - born.year - ((today.month, today.day) < (born.month, born.day)),
            registered_with=record.registered_with,
            registered_for_s=max(0.0, now - record.registered_at),
            suspended=record.suspended,
            fingers=sum(template.format == wanted for template in record.fingers),
            face=any(template.model == self._face_model for template in record.faces),
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
        self._stores.journal.admit(command.crossing_id, command.issuer, command.direction, self._around.clock.wall())
        self._around.post(e.AdmissionRecorded(command.crossing_id))

    def _flush(self) -> None:
        while self._backlog:
            command, wall = self._backlog[0]
            try:
                if isinstance(command, c.RecordCrossing):
                    self._stores.journal.record(command.record, wall)
                else:
                    self._stores.journal.event(command.kind, dict(command.fields), wall)
            except GateError as error:
                self._lose(Device.JOURNAL, error)
                return
            self._backlog.pop(0)

    def _probe(self) -> None:
        """Look whether a lost store is back."""
        checks: dict[Device, Callable[[], object]] = {
            Device.PASS_VERIFIER: lambda: self._stores.replay.last_presented(NOBODY),
            Device.ENROLMENT: lambda: self._stores.enrolment.find(NOBODY),
            Device.JOURNAL: lambda: self._stores.journal.event("journal_ready", {}, self._around.clock.wall()),
        }
        for device in sorted(self._lost, key=lambda lost: lost.value):
            try:
                checks[device]()
            except GateError as error:
                self._lose(device, error)
                continue
            self._lost.discard(device)
            self._around.post(e.DeviceReady(device), DeviceReport(device, "ready"))
        if self._backlog and Device.JOURNAL not in self._lost:
            self._flush()

    def _lose(self, device: Device, error: GateError) -> None:
        if device not in self._lost:
            self._lost.add(device)
            self._around.post(e.DeviceLost(device, "store"), DeviceReport(device, "lost", "store", error.what, error.remedy))
