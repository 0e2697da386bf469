"""The face check: several frames, the best of them decides, a second face near the traveller ends it.

Knows no model: the matcher measures, the policy's threshold decides. No frame is kept beyond its analysis.
"""

from __future__ import annotations

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, Modality
from gate_controller.ports.devices import Camera, FaceAnalysis, FaceMatcher, FaceProbe, FaceTemplate
from gate_controller.runtime.session import Session
from gate_controller.runtime.worker import DeviceWorker, Surroundings

FRAME_WITHIN_S = 1.0
IDLE_INTERVAL_S = 0.3
NOBODY_FRAMES = 8
"""Frames without a usable face before the traveller is told to look at the camera."""


class FaceWorker(DeviceWorker):
    """The face camera's worker."""

    def __init__(self, camera: Camera, matcher: FaceMatcher, session: Session, around: Surroundings) -> None:
        super().__init__(Device.FACE_CAMERA, camera, around)
        self._camera = camera
        self._matcher = matcher
        self._session = session
        self._sequence = -1
        self._check: c.StartCheck | None = None
        self._check_until = 0.0
        self._reference: FaceTemplate | None = None
        self._probes: list[FaceProbe] = []
        self._attempts = 0
        self._crowded = 0
        self._empty = 0

    def opened(self) -> None:
        """Ready only once a frame came."""
        self._sequence = -1

    def step(self) -> None:
        """A command, or one frame: analysed while a check runs, otherwise only proof that the camera lives."""
        match self.take(0):
            case c.StartCheck() as check:
                self._begin(check)
            case c.EndBiometrics():
                self._end()
            case _:
                pass
        began = self.clock.monotonic()
        frame = self._camera.frame(self._sequence, began + FRAME_WITHIN_S)
        self._sequence = frame.sequence
        self.ready()
        if self._check is None:
            command = self.take(IDLE_INTERVAL_S)
            if isinstance(command, c.StartCheck):
                self._begin(command)
            return
        self._look(self._check, self._matcher.analyse(frame.image))

    def lost(self) -> None:
        """A check that ran is aborted; it feeds no decision (TR-03135)."""
        self._end()

    def _begin(self, check: c.StartCheck) -> None:
        self._end()
        record = self._session.record(check.crossing_id)
        faces = [template for template in record.faces if template.model == self._matcher.model] if record is not None else []
        self._check, self._check_until = check, self.check_limit(check.timeout_s)
        self._attempts = self._crowded = self._empty = 0
        if faces:
            self._reference = faces[0]
        else:
            self._finish(CheckOutcome.NOT_SUPPORTED, Reason.NO_TEMPLATE)

    def _look(self, check: c.StartCheck, seen: FaceAnalysis) -> None:
        faces, probe = seen.faces, seen.probe
        options = self.around.options
        if self.clock.monotonic() >= self._check_until:
            failed = self._attempts > 0
            self._finish(CheckOutcome.FAILED if failed else CheckOutcome.UNDETERMINED, Reason.FACE_MISMATCH if failed else Reason.FACE_NOT_CAPTURED)
            return
        if faces > 1:
            self._crowded += 1
            if self._crowded >= options.face_frames:
                self._finish(CheckOutcome.FAILED, Reason.SEVERAL_FACES)
            return
        if probe is None or probe.quality.score < options.face_minimum_quality:
            self._empty += 1
            if self._empty == NOBODY_FRAMES:
                self.around.post(e.CheckProgressed(check.crossing_id, Modality.FACE, Prompt.LOOK_HERE))
            return
        self._probes.append(probe)
        if len(self._probes) >= options.face_frames:
            self._decide()

    def _decide(self) -> None:
        best = max(self._probes, key=lambda probe: probe.quality.score)
        self._probes = []
        if self._reference is None:
            return
        try:
            distance = self._matcher.compare(best, self._reference)
        except ValueError:
            self._finish(CheckOutcome.NOT_SUPPORTED, Reason.REFERENCE_REFUSED)
            return
        self._attempts += 1
        if distance <= self.around.options.face_threshold:
            self._finish(CheckOutcome.SUCCESSFUL)
        elif self._attempts >= self.around.options.face_attempts:
            self._finish(CheckOutcome.FAILED, Reason.FACE_MISMATCH)

    def _finish(self, outcome: CheckOutcome, reason: Reason | None = None) -> None:
        check = self._check
        self._end()
        if check is not None:
            self.around.post(e.CheckEnded(check.crossing_id, Modality.FACE, outcome, reason))

    def _end(self) -> None:
        self._check = self._reference = None
        self._probes = []
