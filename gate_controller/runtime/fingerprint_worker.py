"""The fingerprint check: loads the reference while the traveller walks in, then attempts until match, limit or time-out.

Lifting the finger between attempts is the driver's rule; here it only becomes a prompt. Several enrolled fingers are tried one after the other,
best first: after a mismatch the next reference is loaded.
"""

from __future__ import annotations

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, Modality
from gate_controller.ports.devices import FingerprintLight, FingerprintOutcome, FingerprintReader, FingerprintTemplate
from gate_controller.ports.errors import DeviceRejectedError
from gate_controller.runtime.session import Session
from gate_controller.runtime.worker import DeviceWorker, Surroundings

CALL_WITHIN_S = 3.0
"""Deadline of one exchange; loading a template of 1536 bytes at 9600 baud takes 1.8 s."""

PROMPTS = {
    FingerprintOutcome.NOT_LIFTED: Prompt.LIFT_FINGER,
    FingerprintOutcome.NO_FINGER: Prompt.PLACE_FINGER,
    FingerprintOutcome.NO_MATCH: Prompt.TRY_FINGER_AGAIN,
    FingerprintOutcome.TOO_MESSY: Prompt.TRY_FINGER_AGAIN,
    FingerprintOutcome.TOO_FEW_FEATURES: Prompt.TRY_FINGER_AGAIN,
    FingerprintOutcome.CAPTURE_FAILED: Prompt.TRY_FINGER_AGAIN,
}


class FingerprintWorker(DeviceWorker):
    """The reader's worker."""

    def __init__(self, reader: FingerprintReader, session: Session, around: Surroundings) -> None:
        super().__init__(Device.FINGERPRINT, reader, around)
        self._reader = reader
        self._session = session
        self._templates: list[FingerprintTemplate] = []
        self._prepared_for: str | None = None
        self._refused = False
        self._check: c.StartCheck | None = None
        self._check_until = 0.0
        self._attempts = 0
        self._prompt: Prompt | None = None

    def step(self) -> None:
        """A command, an attempt of the running check, or a sign of life from an idle reader."""
        command = self.take(0 if self._check is not None else self.around.options.idle_poll_s)
        match command:
            case c.PrepareBiometrics(crossing_id):
                self._prepare(crossing_id)
            case c.StartCheck():
                if self._prepared_for != command.crossing_id:
                    self._prepare(command.crossing_id)  # the reader was away in between and has forgotten the reference
                self._check, self._check_until = command, self.check_limit(command.timeout_s)
                self._attempts, self._prompt = 0, None
                self._light(FingerprintLight.READY)
            case c.EndBiometrics():
                self._end()
            case _ if self._check is not None:
                self._attempt(self._check)
            case _:
                self._reader.finger_present(self._deadline())
                self.ready()

    def lost(self) -> None:
        """A check that ran is aborted; it feeds no decision (TR-03135)."""
        self._templates, self._check, self._prepared_for = [], None, None

    def leave(self) -> None:
        """Nothing of a traveller stays in the reader."""
        self._reader.clear_reference()

    def _prepare(self, crossing_id: str) -> None:
        self._prepared_for = None
        record = self._session.record(crossing_id)
        wanted = self._reader.template_format
        self._templates = [template for template in record.fingers if template.format == wanted] if record is not None else []
        self._load()
        self._prepared_for = crossing_id

    def _load(self) -> None:
        self._refused = not self._templates
        self._reader.clear_reference()
        while self._templates:
            try:
                self._reader.load_reference(self._templates[0], self._deadline())
            except DeviceRejectedError:
                self._templates.pop(0)
                self._refused = not self._templates
            else:
                return

    def _attempt(self, check: c.StartCheck) -> None:
        if self._refused:
            self._finish(check, CheckOutcome.NOT_SUPPORTED, Reason.REFERENCE_REFUSED)
            return
        if self.clock.monotonic() >= self._check_until:
            reason = Reason.FINGERPRINT_MISMATCH if self._attempts else Reason.FINGERPRINT_NOT_CAPTURED
            self._finish(check, CheckOutcome.FAILED if self._attempts else CheckOutcome.UNDETERMINED, reason)
            return
        result = self._reader.verify(self._deadline())
        self.ready()
        if result.outcome is FingerprintOutcome.MATCH:
            self._light(FingerprintLight.GOOD)
            self._finish(check, CheckOutcome.SUCCESSFUL)
            return
        if result.outcome is FingerprintOutcome.NO_MATCH:
            self._attempts += 1
            self._light(FingerprintLight.BAD)
            if self._attempts >= self.around.options.fingerprint_attempts:
                self._finish(check, CheckOutcome.FAILED, Reason.FINGERPRINT_MISMATCH)
                return
            if len(self._templates) > 1:
                self._templates.append(self._templates.pop(0))
                self._load()
        self._tell(check, PROMPTS[result.outcome])

    def _finish(self, check: c.StartCheck, outcome: CheckOutcome, reason: Reason | None = None) -> None:
        self._check = None
        self.around.post(e.CheckEnded(check.crossing_id, Modality.FINGERPRINT, outcome, reason))

    def _tell(self, check: c.StartCheck, prompt: Prompt) -> None:
        if prompt is not self._prompt and not (prompt is Prompt.PLACE_FINGER and self._prompt is None):
            self.around.post(e.CheckProgressed(check.crossing_id, Modality.FINGERPRINT, prompt))
        self._prompt = prompt

    def _end(self) -> None:
        self._check = self._prepared_for = None
        self._templates = []
        self._reader.clear_reference()
        self._light(FingerprintLight.OFF)

    def _light(self, light: FingerprintLight) -> None:
        self._reader.light(light, self._deadline())

    def _deadline(self) -> float:
        """Deadline of the next call; also a sign of life, as one step may load several templates one after the other."""
        self.beat = self.clock.monotonic()
        return self.beat + CALL_WITHIN_S
