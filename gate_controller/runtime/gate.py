"""The running gate: one decision thread between the inbox and the workers.

Events come in from the workers, the core decides, its commands go out to the workers. Time-outs are the core's; this loop only wakes it.
Inputs that nobody refreshed are made unknown here, so that a worker that hangs cannot keep an old picture alive (INV-3). Decides nothing else.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.machine import Controller
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import UNKNOWN_INPUTS, Device, Modality, Region, TriState
from gate_controller.ports.clock import Clock
from gate_controller.ports.control import EventSink, JsonObject
from gate_controller.ports.devices import Image
from gate_controller.ports.errors import GateError
from gate_controller.ports.services import TravellerDisplay
from gate_controller.runtime.acts import ANSWER_WITHIN_S, Acts, calls_of, is_refusal, pending_call
from gate_controller.runtime.desk import Desk, Stores
from gate_controller.runtime.devices import Devices
from gate_controller.runtime.engineering import HUNG_S, Engineering, Workers
from gate_controller.runtime.face_worker import FaceWorker
from gate_controller.runtime.fingerprint_worker import FingerprintWorker
from gate_controller.runtime.io_worker import IoWorker
from gate_controller.runtime.options import RuntimeOptions
from gate_controller.runtime.qr_worker import QrWorker
from gate_controller.runtime.session import Session
from gate_controller.runtime.status import lane_status, record_as_json
from gate_controller.runtime.trace import TraceRecorder
from gate_controller.runtime.worker import DeviceReport, DeviceWorker, Surroundings

ANSWERS = (e.PassVerified, e.PassRefused, e.EnrolmentFound, e.EnrolmentNotFound, e.AdmissionRecorded, e.CheckEnded, e.CheckProgressed)
"""Events that belong to a crossing; those that are told within one are in its trace, whether they made sense or not."""
WAKE_S = 0.2
"""The loop looks at the freshness of the inputs at least this often."""
STUCK_S = 3.0
"""A decision thread that has not turned for this long is dead or stuck: there is no status then, and the kiosk page closes the lane."""
log = structlog.get_logger("gate")


@dataclass(frozen=True, slots=True)
class _Letter:
    """One item of the inbox."""

    event: e.Event
    report: DeviceReport | None = None
    answer: Future[list[c.Command]] | None = field(default=None, compare=False)


class Gate:
    """The gate of one lane; implements ports.control.GateControl.

    Args:
        policy: The lane's rules.
        options: The workers' settings.
        devices: The devices, not yet opened.
        stores: The services, open.
        display: What the traveller sees and hears.
        sink: Where events are published.
        clock: The gate's clocks.
        latched: What closed the lane before the start and was never re-armed.
    """

    def __init__(
        self,
        policy: CrossingPolicy,
        options: RuntimeOptions,
        devices: Devices,
        stores: Stores,
        display: TravellerDisplay,
        sink: EventSink,
        clock: Clock,
        latched: Reason | None = None,
    ) -> None:
        self._policy = policy
        self._options = options
        self._display = display
        self._sink = sink
        self._clock = clock
        self._latched = latched
        self._controller = Controller(policy)
        self._recorder = TraceRecorder(self._controller, policy)
        self._inbox: queue.SimpleQueue[_Letter] = queue.SimpleQueue()
        self._reports = {device: DeviceReport(device, "starting") for device in Device}
        self._session = Session()
        self._issuer: Region | None = None  # of the pass that was verified: the display speaks its region's languages
        self._stop_asked = False
        self._failure: Exception | None = None
        self._act_noted: threading.Event | None = None
        self._finished = threading.Event()
        self._closing = threading.Event()
        self._called_at: float | None = None
        self._decided_at = clock.monotonic()
        self._reported_at = dict.fromkeys(Device, clock.monotonic())
        self._started_at = self._state_since = self._turned_at = self._watched_at = clock.monotonic()
        around = Surroundings(clock, self._post, options)
        self._trust = stores.trust
        face_models = [matcher.model for matcher in (devices.face_matcher, devices.face_matcher_2) if matcher is not None]
        self._acts = Acts(lambda event, answer: self._inbox.put(_Letter(event, answer=answer)), lambda: self._controller.state, clock)
        self._desk = Desk(stores, self._session, around, sink, lambda: devices.fingerprint.template_format, face_models, policy.direction)
        self._io = IoWorker(devices.io_board, around)
        self._fingerprint = FingerprintWorker(devices.fingerprint, self._session, around)
        self._face = FaceWorker(devices.face_camera, devices.face_matcher, self._session, around, devices.face_matcher_2, devices.pad, devices.pad_challenge)
        self._qr = QrWorker(devices.qr_camera, devices.qr_decoder, around, wanted=lambda: self._controller.state is State.READY)
        workers = Workers(self._io, self._fingerprint, self._face, self._qr)
        self._workers: tuple[DeviceWorker, ...] = workers.all()
        self._engineering = Engineering(self._controller, workers, self._desk, lambda: (self._reports, self._reported_at), clock)
        self._thread = threading.Thread(target=self._run, name="decision", daemon=True)
        self._status = self._snapshot()
        self._pending = pending_call(self._controller, None)

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the decision thread and all workers."""
        self._thread.start()
        self._desk.start()
        for worker in self._workers:
            worker.start()

    def request_stop(self, now: bool = False) -> None:
        """Take no new traveller; with `now` also end an open crossing. `wait()` tells when the gate is idle."""
        self._post(e.StopRequested(now))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the gate is idle after `request_stop()`, or has failed; True when it is. Emergencies are served until `close()`."""
        return self._finished.wait(timeout_s)

    def close(self) -> None:
        """End all threads: doors closed, templates forgotten, everything journalled. Call after `wait()`; harmless before `start()`."""
        if not self._thread.is_alive() and not self._desk.is_alive():
            return
        self._closing.set()
        self._post(e.TimerExpired())
        _join(self._thread, 5)
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            _join(worker, 10)
        self._desk.stop()
        _join(self._desk, 10)

    @property
    def failure(self) -> Exception | None:
        """The bug that closed the lane, or None. A decision thread that ended although nobody closed the gate is one, too."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._closing.is_set():
            return self._failure or RuntimeError("the decision thread has ended")
        return self._failure or self._controller.failure

    # -- GateControl ---------------------------------------------------------------------------------------------------

    def status(self) -> JsonObject:
        """See ports.control.GateControl.

        Raises:
            GateError: The decision thread does not turn any more: what it decided last says nothing about now.
        """
        if self._clock.monotonic() - self._turned_at > STUCK_S:
            raise GateError("the gate's decision thread does not answer", "restart the controller; its log says why")
        return self._timed_status()

    def _timed_status(self) -> JsonObject:
        now = self._clock.monotonic()
        times = {"since_s": round(now - self._state_since, 1), "uptime_s": round(now - self._started_at, 1)}
        status, called_at = self._status, self._called_at  # each once: the decision thread may put others there meanwhile
        if status["officer_call"] is not None:
            call_since_s = round(now - called_at, 1) if called_at is not None else 0.0
            status = {**status, "officer_call": {**status["officer_call"], "since_s": call_since_s}}
        return {**status, **self._trust.status(self._clock.wall()), "enrolments": self._desk.figures().stores["enrolments"], **times}

    def officer(self, action: str, identity: str, reason: str, uid: int | None = None, call: int | None = None) -> None:
        """See ports.control.GateControl."""
        self._acts.officer(action, identity, reason, uid, call)

    def calls(self) -> list[JsonObject]:
        """See ports.control.GateControl."""
        return calls_of(self._pending, self._clock.monotonic())

    def maintenance(self, on: bool, identity: str, uid: int | None = None) -> None:
        """See ports.control.GateControl."""
        self._acts.maintenance(on, identity, uid)

    def diagnostics(self) -> JsonObject:
        """See ports.control.GateControl."""
        status = self.status()
        found = self._engineering.diagnostics()
        queues = {"inbox": self._inbox.qsize(), **found["queues"]}
        return {"uptime_s": status["uptime_s"], **found, "queues": queues, "trust": {"regions": status["trust"], "store": status["trust_store"]}}

    def test_device(self, device: str) -> JsonObject:
        """See ports.control.GateControl."""
        return self._engineering.test_device(device)

    def snapshot(self, camera: str) -> Image:
        """See ports.control.GateControl."""
        return self._engineering.snapshot(camera)

    def note(self, kind: str, fields: Mapping[str, str]) -> None:
        """See ports.control.GateControl."""
        self._desk.submit(c.NoteEvent(kind, tuple(sorted(fields.items())))).wait(ANSWER_WITHIN_S)

    def ailment(self) -> str | None:
        """Why the process should be ended and started anew; None: it decides, and its threads live. For the service manager's watchdog."""
        if self._clock.monotonic() - self._turned_at > STUCK_S:
            return "the decision thread does not turn"
        return self._engineering.ailment()

    # -- the decision thread -------------------------------------------------------------------------------------------

    def _post(self, event: e.Event, report: DeviceReport | None = None) -> None:
        self._inbox.put(_Letter(event, report))

    def _run(self) -> None:
        """Goes on after a failure, so that an emergency is served until `close()`."""
        self._turn(_Letter(e.Started(self._latched)))
        while not self._closing.is_set():
            self._turned_at = self._clock.monotonic()
            self._turn(self._next_letter())

    def _turn(self, letter: _Letter | None) -> None:
        """One turn of the loop; no exception leaves it. First what has become stale, then what was waiting: nothing is decided on an old picture (INV-3)."""
        try:
            self._watch_workers()
            if letter is not None:
                self._decide(letter)
        except Exception as error:  # noqa: BLE001 - any bug at all must end fail-secure
            self._fail(error)
            if letter is not None and letter.answer is not None and not letter.answer.done():
                letter.answer.set_result([c.NoteEvent("act_refused")])

    def _guarded(self, act: Callable[..., object], *arguments: object) -> None:
        """A command that cannot be handed on is a bug, but the commands after it are handed on all the same."""
        try:
            act(*arguments)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """A bug outside the core: noted first, then the doors closed (but for an emergency, and for the way back that a stop opens) and an officer called (INV-4)."""
        if self._failure is not None:
            return
        self._failure = error
        emergency = self._controller.state is State.EMERGENCY or self._controller.inputs.emergency is TriState.ACTIVE
        self._decided_at = self._clock.monotonic()
        stop = self._controller.handle(e.StopRequested(now=True), self._decided_at)
        stays_open = {command.door for command in stop if isinstance(command, c.OpenDoor)}
        closings = [c.CloseDoor(door) for door in self._policy.doors if not emergency and door not in stays_open]
        for command in [*closings, *stop, c.CallOfficer(Reason.INTERNAL_ERROR), c.NoteEvent("internal_error", (("type", type(error).__name__),))]:
            self._guarded(self._dispatch, command)
        self._finished.set()
        log.error("decision thread failed", exc_info=error)

    def _next_letter(self) -> _Letter | None:
        now = self._clock.monotonic()
        deadline = self._controller.next_deadline()
        wait_s = WAKE_S if deadline is None else min(WAKE_S, max(0.0, deadline - now))
        try:
            return self._inbox.get(timeout=wait_s) if wait_s > 0 else self._inbox.get_nowait()
        except queue.Empty:
            due = deadline is not None and self._clock.monotonic() >= deadline
            return _Letter(e.TimerExpired()) if due else None

    def _decide(self, letter: _Letter) -> None:
        event = letter.event
        now = self._clock.monotonic()
        if letter.answer is not None and not letter.answer.set_running_or_notify_cancel():
            return  # the officer was told that nothing was done
        if letter.report is not None:
            self._guarded(self._note_report, letter.report)
        if isinstance(event, e.PassRead) and (self._controller.state is not State.READY or self._qr.presentations.holds(event.text)):
            return  # a phone held up while the lane is busy: it is looked at again once the lane is ready; or read twice before it was first taken
        before = self._controller.state
        if isinstance(event, ANSWERS) and event.crossing_id != self._controller.crossing_id:
            log.info("answer out of place", answer=type(event).__name__, state=before.value)  # late, or of no crossing; the core drops it
        self._recorder.before()
        self._decided_at = now
        commands = self._controller.handle(event, now)
        trace = self._recorder.after(event, now, commands)
        if isinstance(event, e.PassRead) and self._controller.crossing_id == event.crossing_id:
            self._qr.presentations.handed_on(event.text, now)
        self._act_noted = None
        for command in commands:
            if letter.answer is None or not is_refusal(command):  # who asked is told, and notes it within bounds (control/act_log.py)
                self._guarded(self._dispatch, command)
        if trace is not None:
            self._guarded(self._desk.submit, trace)
        if self._controller.state is not before:
            self._state_since = now
            log.info("state", state=self._controller.state.value, reason=self._controller.reason.code if self._controller.reason else None)
        self._publish_status()
        if letter.answer is not None:
            letter.answer.set_result(commands)
        if isinstance(event, e.StopRequested):
            self._stop_asked = True
        if (self._stop_asked and self._controller.idle) or self.failure is not None:
            self._finished.set()

    def _watch_workers(self) -> None:
        """A worker that hangs must not keep an old picture of the lane alive, nor its device ready (INV-4)."""
        now = self._clock.monotonic()
        late = now - self._io.last_read
        # The thread itself may have stood still, waiting or at work, with the whole process: newer readings then wait behind what else is in the inbox.
        stood_still, self._watched_at = now - self._watched_at, now
        if max(late, stood_still) > self._options.io_lost_after_s and self._controller.inputs != UNKNOWN_INPUTS:
            self._decide(_Letter(e.InputsRead(UNKNOWN_INPUTS)))
            self._io.read_anew()
        if late > 2 * self._options.io_lost_after_s and self._reports[Device.IO_BOARD].state != "lost":
            report = DeviceReport(Device.IO_BOARD, "lost", "timeout", "io_board: the worker does not come back from the board", "restart the controller")
            self._decide(_Letter(e.DeviceLost(Device.IO_BOARD, "timeout"), report))
            self._io.report_anew()
        beats: tuple[tuple[Device, DeviceWorker | Desk], ...] = (
            *((worker.device, worker) for worker in (self._fingerprint, self._face, self._qr)),
            (Device.JOURNAL, self._desk),
        )
        for device, worker in beats:
            if self._clock.monotonic() - worker.beat > HUNG_S and self._reports[device].state != "lost":
                report = DeviceReport(device, "lost", "timeout", f"{device.value}: the {worker.name} worker hangs", "restart the controller")
                self._decide(_Letter(e.DeviceLost(device, "timeout"), report))
                worker.report_anew()

    def _dispatch(self, command: c.Command) -> None:
        match command:
            case c.OpenDoor():
                self._io.submit(command, once=self._act_noted, decided_at=self._decided_at)
            case c.CloseDoor() | c.SetLamp():
                self._io.submit(command)
            case c.NoteEvent("officer_released" | "officer_returned"):
                self._act_noted = self._desk.submit(command)  # who let somebody out, and why, is on record before the door opens
            case c.ShowPrompt(prompt):
                self._display.show(prompt)
                self._sink.publish("prompt", {"prompt": prompt.value, "region": self._issuer.value if self._issuer else None})
            case c.PrepareBiometrics():
                self._fingerprint.submit(command)
            case c.GatherPadEvidence():
                self._face.submit(command)
            case c.StartCheck(_, modality):
                (self._fingerprint if modality is Modality.FINGERPRINT else self._face).submit(command)
            case c.EndBiometrics():
                self._fingerprint.submit(command)
                self._face.submit(command)
            case c.CallOfficer(reason, escalation):
                self._called_at = self._clock.monotonic() if self._called_at is None else self._called_at
                self._io.submit(command)
                self._desk.submit(c.NoteEvent("officer_called", (("escalation", str(escalation)), ("reason", reason.code))))
                self._sink.publish("officer_called", {"reason": reason.code, "escalation": escalation})
            case c.EndOfficerCall():
                self._called_at = None
                self._io.submit(command)
                self._sink.publish("officer_call_ended", {})
            case c.VerifyPass(crossing_id) | c.FindEnrolment(crossing_id):
                self._issuer = command.issuer if isinstance(command, c.FindEnrolment) else None
                self._session.expect(crossing_id)
                self._desk.submit(command)
            case c.RecordCrossing(record):
                self._issuer = None
                self._session.forget()
                self._desk.submit(command)
                self._sink.publish("crossing_recorded", record_as_json(record))
            case _:
                self._desk.submit(command)

    def _note_report(self, report: DeviceReport) -> None:
        self._reports[report.device], self._reported_at[report.device] = report, self._clock.monotonic()
        fields = {"device": report.device.value, "state": report.state, "code": report.code, "detail": report.detail, "remedy": report.remedy}
        (log.info if report.state == "ready" else log.warning)("device", **fields)
        self._sink.publish("device", dict(fields))
        self._desk.submit(c.NoteEvent(f"device_{report.state}", (("code", report.code), ("detail", report.detail), ("device", report.device.value))))

    def _publish_status(self) -> None:
        status = self._snapshot()
        self._pending = pending_call(self._controller, self._called_at)
        if status != self._status:
            self._status = status
            self._sink.publish("status", self._timed_status())

    def _snapshot(self) -> JsonObject:
        return lane_status(self._options.gate_id, self._policy, self._controller, self._reports)


def _join(thread: threading.Thread, timeout_s: float) -> None:
    if thread.is_alive():
        thread.join(timeout_s)
