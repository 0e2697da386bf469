"""The fingerprint check: loads the reference while the traveller walks in, then attempts until match, limit or time-out.

Lifting the finger between attempts is the driver's rule; here it only becomes a prompt. Several enrolled fingers are asked for one after the other,
best first: after a mismatch, or when a finger could not be read twice, the next reference is loaded and the traveller is told which finger it is, as far as
the record knows. A finger that cannot be read is told by its cause, and stays told until it is laid on anew.

Does not decide what a traveller without a usable finger may do: that is the policy's (core/why.py).
"""

from __future__ import annotations

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, Modality
from gate_controller.ports.devices import FingerprintLight, FingerprintOutcome, FingerprintReader, FingerprintTemplate
from gate_controller.ports.errors import DeviceRejectedError
from gate_controller.runtime.device_tests import LOAD_WITHIN_S, fingerprint_test
from gate_controller.runtime.errands import Turns
from gate_controller.runtime.session import Session
from gate_controller.runtime.worker import DeviceWorker, Surroundings

CALL_WITHIN_S = 3.0
"""Deadline of one exchange, but for loading a template."""

UNREADABLE = {
    FingerprintOutcome.TOO_FEW_FEATURES: Prompt.PRESS_FINGER,  # too dry, or laid on too lightly
    FingerprintOutcome.TOO_MESSY: Prompt.WIPE_FINGER,  # too wet, or dirty
    FingerprintOutcome.CAPTURE_FAILED: Prompt.HOLD_FINGER_STILL,  # moved, or taken away
}
"""What helps with a finger that could not be read."""

FINGERS = (
    Prompt.TRY_OTHER_FINGER,
    Prompt.TRY_RIGHT_THUMB,
    Prompt.TRY_RIGHT_INDEX,
    Prompt.TRY_RIGHT_MIDDLE,
    Prompt.TRY_RIGHT_RING,
    Prompt.TRY_RIGHT_LITTLE,
    Prompt.TRY_LEFT_THUMB,
    Prompt.TRY_LEFT_INDEX,
    Prompt.TRY_LEFT_MIDDLE,
    Prompt.TRY_LEFT_RING,
    Prompt.TRY_LEFT_LITTLE,
)
"""How to ask for another finger, by the position codes of ISO/IEC 19794-2."""

UNREADABLE_TOUCHES = 2
"""A finger laid on so often without being read once, and another enrolled one is asked for."""


class FingerprintWorker(DeviceWorker):
    """The reader's worker."""

    def __init__(self, reader: FingerprintReader, session: Session, around: Surroundings) -> None:
        super().__init__(Device.FINGERPRINT, reader, around)
        self._reader = reader
        self._session = session
        self._templates: list[FingerprintTemplate] = []
        self._prepared_for: str | None = None
        self._refused: Reason | None = None
        self._check: c.StartCheck | None = None
        self._check_until = 0.0
        self._attempts = 0
        self._unreadable = 0
        self._is_new_touch = True
        self._advice: Prompt | None = None
        self._prompt: Prompt | None = None
        self._lit = FingerprintLight.OFF

    def step(self) -> None:
        """A command, an attempt of the running check, or a sign of life from an idle reader."""
        command = self.take(0 if self._check is not None or self.errands.at_work else self.around.options.idle_poll_s)
        if command is not None:
            self.errands.stop()
        match command:
            case c.PrepareBiometrics(crossing_id):
                self._prepare(crossing_id)
            case c.StartCheck():
                if self._prepared_for != command.crossing_id:
                    self._prepare(command.crossing_id)  # the reader was away in between and has forgotten the reference
                self._check, self._check_until = command, self.check_limit(command.timeout_s)
                self._attempts = self._unreadable = 0
                self._is_new_touch, self._advice, self._prompt = True, None, None
                self._light(FingerprintLight.READY)
            case c.EndBiometrics():
                self._end()
            case _ if self._check is not None:
                self._attempt(self._check)
            case _ if self.errands.at_work:
                pass  # a test keeps something in the module from one turn to the next
            case _:
                if self._prepared_for is None:
                    self._reader.wipe(self._deadline())  # while nobody waits: what comes next is loaded while its owner walks in
                self._reader.finger_present(self._deadline())
                self.ready()

    def examine(self) -> Turns:
        """See DeviceWorker."""
        return fingerprint_test(self._reader, self.clock, self._deadline)

    def lost(self) -> None:
        """A check that ran is aborted; it feeds no decision (TR-03135)."""
        self._templates, self._check, self._prepared_for = [], None, None

    def leave(self) -> None:
        """Nothing is compared with the last reference any more; an idle lane also overwrites it in the module, the next start what this one left."""
        self._reader.clear_reference()

    def _prepare(self, crossing_id: str) -> None:
        self._prepared_for = None
        record = self._session.record(crossing_id)
        wanted = self._reader.template_format
        self._templates = [template for template in record.fingers if template.format == wanted] if record is not None else []
        self._refused = None if self._templates else Reason.NO_TEMPLATE
        self._load()
        self._prepared_for = crossing_id

    def _load(self) -> None:
        self._reader.clear_reference()
        while self._templates:
            try:
                self._reader.load_reference(self._templates[0], self._deadline(LOAD_WITHIN_S))
            except DeviceRejectedError:
                self._templates.pop(0)
                self._refused = None if self._templates else Reason.REFERENCE_REFUSED
            else:
                return

    def _attempt(self, check: c.StartCheck) -> None:
        ends = self._refused is not None or self.clock.monotonic() >= self._check_until
        if ends and self._attempts:
            self._finish(check, CheckOutcome.FAILED, Reason.FINGERPRINT_MISMATCH)  # whatever came after a mismatch does not undo it
            return
        if ends:
            outcome = (CheckOutcome.NOT_SUPPORTED, self._refused) if self._refused else (CheckOutcome.UNDETERMINED, Reason.FINGERPRINT_NOT_CAPTURED)
            self._finish(check, *outcome)
            return
        result = self._reader.verify(self._deadline())
        self.ready()
        match result.outcome:
            case FingerprintOutcome.MATCH:
                self._finish(check, CheckOutcome.SUCCESSFUL)
                self._light(FingerprintLight.GOOD)  # after it: the exit does not wait for a light
            case FingerprintOutcome.NO_MATCH:
                self._mismatch(check)
            case FingerprintOutcome.NO_FINGER:
                self._is_new_touch = True
                if self._lit is FingerprintLight.BAD:
                    self._light(FingerprintLight.READY)
                if self._prompt is not None:  # else the lane has just asked for finger and face
                    self._tell(check, self._advice or Prompt.PLACE_FINGER)
            case FingerprintOutcome.NOT_LIFTED:
                self._tell(check, Prompt.LIFT_FINGER)
            case unreadable:
                self._unread(check, UNREADABLE[unreadable])

    def _mismatch(self, check: c.StartCheck) -> None:
        self._attempts += 1
        self._light(FingerprintLight.BAD)
        if self._attempts >= self.around.options.fingerprint_attempts:
            self._finish(check, CheckOutcome.FAILED, Reason.FINGERPRINT_MISMATCH)
            return
        self._advice = None
        self._next_finger()
        self._tell(check, self._advice or Prompt.TRY_FINGER_AGAIN)

    def _unread(self, check: c.StartCheck, advice: Prompt) -> None:
        """Counted by touches: a finger that lies there is looked at several times a second."""
        self._unreadable += self._is_new_touch
        self._is_new_touch, self._advice = False, advice
        if self._unreadable >= UNREADABLE_TOUCHES:
            self._next_finger()
        self._tell(check, self._advice)

    def _next_finger(self) -> None:
        """Load the next enrolled finger, if there is one, and remember to ask for it."""
        self._unreadable = 0
        if len(self._templates) < 2:
            return
        self._templates.append(self._templates.pop(0))
        self._load()
        if self._templates:
            position = self._templates[0].position
            self._advice = FINGERS[position if position < len(FINGERS) else 0]

    def _finish(self, check: c.StartCheck, outcome: CheckOutcome, reason: Reason | None = None) -> None:
        self._check = None
        self.around.post(e.CheckEnded(check.crossing_id, Modality.FINGERPRINT, outcome, reason))

    def _tell(self, check: c.StartCheck, prompt: Prompt) -> None:
        if prompt is not self._prompt:
            self.around.post(e.CheckProgressed(check.crossing_id, Modality.FINGERPRINT, prompt))
        self._prompt = prompt

    def _end(self) -> None:
        self._check = self._prepared_for = None
        self._templates = []
        self._reader.clear_reference()
        self._light(FingerprintLight.OFF)

    def _light(self, light: FingerprintLight) -> None:
        self._lit = light
        self._reader.light(light, self._deadline())

    def _deadline(self, within_s: float = CALL_WITHIN_S) -> float:
        """Deadline of the next call; also a sign of life, as one step may load several templates one after the other."""
        self.beat = self.clock.monotonic()
        return self.beat + within_s
