"""The face check and presentation attack detection (PAD): several frames, the best of them decides, a second face near the traveller ends it.

From the entry on the face is watched, so that PAD can answer soon after its check starts. A match and "live" are told together, and only when both come
from one uninterrupted run of one face (face_run): else a living face would earn "live", and a picture be held up for the match. An attack is told at
once.

Knows no model: the matcher measures, the policy's threshold decides. No frame is kept beyond its analysis, but those that a second model may have to see,
until the face check has ended. The traveller is never told what PAD found.
"""

from __future__ import annotations

import structlog

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, Modality
from gate_controller.ports.devices import Camera, FaceAnalysis, FaceMatcher, FaceProbe, FaceTemplate, Frame
from gate_controller.ports.errors import DeviceUntrustedError
from gate_controller.ports.pad import PadChallenger, PadDecision, PadJudge
from gate_controller.runtime.device_tests import camera_test, face_look, one_picture
from gate_controller.runtime.errands import Turns
from gate_controller.runtime.face_guidance import Guide, cause
from gate_controller.runtime.face_run import FRESH_S, Run, Taken, Whose
from gate_controller.runtime.pad_watch import PadWatch
from gate_controller.runtime.session import Session
from gate_controller.runtime.worker import DeviceWorker, Surroundings

IDLE_INTERVAL_S = 0.3
log = structlog.get_logger("gate.face")


class FaceWorker(DeviceWorker):
    """The face camera's worker.

    Args:
        camera: The face camera.
        matcher: Finds and compares faces.
        session: The record of the traveller.
        around: Clock, inbox, options.
        second: A second model that must agree, or None.
        judge: Presentation attack detection, or None.
        challenger: What PAD may ask of the traveller, or None.
    """

    def __init__(
        self,
        camera: Camera,
        matcher: FaceMatcher,
        session: Session,
        around: Surroundings,
        second: FaceMatcher | None = None,
        judge: PadJudge | None = None,
        challenger: PadChallenger | None = None,
    ) -> None:
        super().__init__(Device.FACE_CAMERA, camera, around)
        self._camera = camera
        self._matcher = matcher
        self._second = second
        self._session = session
        self._sequence = -1
        self._run = Run(matcher, around.options.face_threshold)
        self._pad = PadWatch(judge, challenger, around.options)
        self._guide = Guide()
        self._crossing: str | None = None
        self._check: c.StartCheck | None = None
        self._pad_check: c.StartCheck | None = None
        self._live: c.StartCheck | None = None
        self._face_ended: CheckOutcome | None = None
        self._references: list[FaceTemplate] = []
        self._references_2: list[FaceTemplate] = []
        self._mismatches = self._crowded = 0
        self._matched = False
        self._matched_at = 0.0
        self._until = self._pad_until = self._challenge_at = 0.0

    def opened(self) -> None:
        """Ready only once a frame came."""
        self._sequence = -1

    def step(self) -> None:
        """Commands, and one frame: looked at while somebody is being dealt with, otherwise only proof that the camera lives."""
        while (command := self.take(0)) is not None:
            self._obey(command)
        frame = self._camera.frame(self._sequence, self.clock.monotonic() + self.around.options.camera_lost_after_s)
        self._sequence = frame.sequence
        if self._crossing is not None and self._check is None and self._pad_check is None and self._session.record(self._crossing) is None:
            self._end()  # the crossing ended before its checks began
        if self._crossing is None:
            self.ready()
            idle = self.take(IDLE_INTERVAL_S)
            if idle is not None:
                self._obey(idle)
            return
        try:
            self._look(frame)
        except ValueError as error:
            msg = f"face_camera: {error}"
            raise DeviceUntrustedError(msg, "look at the camera's settings and driver") from error
        self.ready()

    def examine(self) -> Turns:
        """See DeviceWorker."""
        return camera_test(self._camera, self.clock, face_look(self._matcher))

    def picture(self) -> Turns:
        """One frame's image."""
        return one_picture(self._camera, self.clock)

    def lost(self) -> None:
        """A check that ran is aborted; it feeds no decision (TR-03135). What was decided against the crossing stands: the camera may be back before it ends."""
        self._forget_checks()
        self._run.forget()
        self._pad.interrupt()

    # -- commands ------------------------------------------------------------------------------------------------------

    def _obey(self, command: c.Command) -> None:
        match command:
            case c.GatherPadEvidence(crossing_id):
                self._watch(crossing_id)
            case c.StartCheck(crossing_id, Modality.PAD):
                self._watch(crossing_id)
                self._pad_check, self._pad_until = command, self.check_limit(command.timeout_s)
                self._challenge_at = self.clock.monotonic() + self.around.options.pad_challenge_after_s
                self._settle_pad()
            case c.StartCheck():
                self._begin(command)
            case c.EndBiometrics():
                self._end()
            case _:
                pass

    def _watch(self, crossing_id: str) -> None:
        if self._crossing != crossing_id:
            self._forget()
            self._pad.begin()
            self._crossing = crossing_id

    def _begin(self, check: c.StartCheck) -> None:
        self._watch(check.crossing_id)
        self._forget_face_check()
        self._face_ended = None
        self._check, self._until = check, self.check_limit(check.timeout_s)
        self._guide.begin()
        self._run.drop_before(self.clock.monotonic() - FRESH_S)
        record = self._session.record(check.crossing_id)
        faces = record.faces if record is not None else ()
        self._references = [template for template in faces if template.model == self._matcher.model]
        self._references_2 = [template for template in faces if self._second is not None and template.model == self._second.model]
        if not self._references or (self._second is not None and not self._references_2):
            lacking = self._matcher if not self._references or self._second is None else self._second
            held = ", ".join(sorted({template.model.label for template in faces}))
            log.info("no face template of this lane's model", model=lacking.model.label, enrolled=held or "none")
            self._finish(CheckOutcome.NOT_SUPPORTED, Reason.NO_TEMPLATE)

    # -- one frame -----------------------------------------------------------------------------------------------------

    def _look(self, frame: Frame) -> None:
        encode = (self._check is not None and not self._matched) or self._run.due(frame.stamp)
        seen = self._matcher.analyse(frame.image) if encode else self._matcher.locate(frame.image)
        usable = self._usable(seen)
        whose: Whose | None = None
        if self._check is None or self._matched:
            self._run.drop_before(frame.stamp - FRESH_S)
        if usable and seen.probe is not None:
            whose = self._run.take(self._taken(frame, seen.probe))
            usable = whose is not Whose.UNCLEAR
        elif usable and encode:
            usable = False
        if whose is Whose.OTHER:
            self._begin_anew()
        if self._pad.observe(frame, seen.place if usable else None):
            self._begin_anew_by_judge(frame, seen)
        if self._pad.verdict() is PadDecision.ATTACK:
            self._settle_pad()  # before anything else is told
        if self._check is not None:
            self._look_for_check(self._check, seen, usable=usable)
        self._settle_pad()

    def _usable(self, seen: FaceAnalysis) -> bool:
        """One face alone, good enough: what is judged and compared. Whatever else is in view is a gap in the run."""
        return seen.faces <= 1 and seen.place is not None and seen.quality is not None and seen.quality.score >= self.around.options.face_minimum_quality

    def _begin_anew(self) -> None:
        """Somebody else is there: what the one before earned is not theirs."""
        log.info("another face before the camera; evidence begins anew")
        self._pad.begin_anew()
        self._matched = False
        if self._face_ended is CheckOutcome.SUCCESSFUL:
            self._pad.spoil()
        if self._live is not None:
            self._finish_pad(self._live, CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED)

    def _begin_anew_by_judge(self, frame: Frame, seen: FaceAnalysis) -> None:
        """The judge saw the face jump, or come back: perhaps somebody else's, so the comparison begins anew as well."""
        if self._live is not None:
            return  # both are told: whoever is there now is compared with the face that was judged
        self._run.forget()
        self._matched = False
        if self._face_ended is CheckOutcome.SUCCESSFUL:
            self._pad.spoil()
        if seen.probe is not None:
            self._run.take(self._taken(frame, seen.probe))

    def _taken(self, frame: Frame, probe: FaceProbe) -> Taken:
        return Taken(frame.stamp, probe, frame.image if self._second is not None and self._face_ended is None else None)

    # -- the face check ------------------------------------------------------------------------------------------------

    def _look_for_check(self, check: c.StartCheck, seen: FaceAnalysis, *, usable: bool) -> None:
        options = self.around.options
        now = self.clock.monotonic()
        if self._matched and self._pad.verdict() is not PadDecision.UNDETERMINED:
            self._finish(CheckOutcome.SUCCESSFUL)
            return
        if now >= self._until:
            self._give_up()
            return
        self._crowded = self._crowded + 1 if seen.faces > 1 else max(0, self._crowded - 1)
        if self._crowded >= options.face_frames:
            self._finish(CheckOutcome.FAILED, Reason.SEVERAL_FACES)
            return
        if seen.faces > 1:
            return
        self._tell(check, self._guide.advise(cause(seen, options.face_minimum_quality), now))
        if usable and not self._matched and len(taken := self._run.taken) >= options.face_frames:
            self._decide(taken)

    def _give_up(self) -> None:
        if self._matched:
            self._finish(CheckOutcome.SUCCESSFUL)  # it is the holder's face; whether it lives was not told in time, and PAD's own end says so
        elif self._mismatches > 0:
            self._finish(CheckOutcome.FAILED, Reason.FACE_MISMATCH)
        else:
            log.info("no usable face in time", **self._guide.causes)
            self._finish(CheckOutcome.UNDETERMINED, Reason.FACE_NOT_CAPTURED)

    def _decide(self, taken: list[Taken]) -> None:
        best = max(taken, key=lambda each: each.probe.quality.score)
        self._run.decided()
        try:
            same = _matches(self._matcher, best.probe, self._references, self.around.options.face_threshold)
            agrees = self._second_agrees(best) if same else False
        except ValueError as error:
            log.warning("face template refused", what=str(error))
            self._finish(CheckOutcome.NOT_SUPPORTED, Reason.REFERENCE_REFUSED)
            return
        if agrees is None:
            log.info("the second model finds no face where the first does", model=self._second.model.name if self._second is not None else "")
            return  # as a frame that cannot be used; time ends it
        if agrees:
            self._matched, self._matched_at = True, self.clock.monotonic()
            if self._pad.verdict() is not PadDecision.UNDETERMINED:
                self._finish(CheckOutcome.SUCCESSFUL)
            return
        judge = self._matcher if not same or self._second is None else self._second
        log.info("the face is not the enrolled one", model=judge.model.name)
        self._mismatches += 1
        if self._mismatches >= self.around.options.face_attempts:
            self._finish(CheckOutcome.FAILED, Reason.FACE_MISMATCH)

    def _second_agrees(self, best: Taken) -> bool | None:
        """Whether the second model finds the same person; None: it finds no face."""
        if self._second is None:
            return True
        probe = self._second.analyse(best.image).probe if best.image is not None else None
        return None if probe is None else _matches(self._second, probe, self._references_2, self.around.options.face_threshold_2)

    def _finish(self, outcome: CheckOutcome, reason: Reason | None = None) -> None:
        check = self._check
        held_s = self.clock.monotonic() - self._matched_at if self._matched else 0.0
        self._forget_face_check()
        self._run.decided()
        if check is not None:
            self._face_ended = outcome
            self.around.post(e.CheckEnded(check.crossing_id, Modality.FACE, outcome, reason, held_s))

    # -- presentation attack detection ---------------------------------------------------------------------------------

    def _settle_pad(self) -> None:
        """Tell what stands, when it is time to. After "live" the face is watched until the exit opens, and an alarm takes it back."""
        check, now = self._pad_check, self.clock.monotonic()
        if check is None:
            if self._live is not None and self._pad.verdict() is PadDecision.ATTACK:
                self._finish_pad(self._live, CheckOutcome.FAILED, Reason.PAD_ALARM)
            return
        match self._pad.verdict():
            case PadDecision.ATTACK:
                self._finish_pad(check, CheckOutcome.FAILED, Reason.PAD_ALARM)
            case PadDecision.NOT_PERFORMED:
                self._finish_pad(check, CheckOutcome.NOT_SUPPORTED, Reason.PAD_NOT_PERFORMED)
            case PadDecision.LIVE if self._face_ended is not None:
                self._finish_pad(check, CheckOutcome.SUCCESSFUL)
            case PadDecision.UNDETERMINED if now >= self._challenge_at:
                self._tell(check, self._pad.challenge(now))
            case _:
                pass
        if self._pad_check is not None and now >= self._pad_until:
            self._finish_pad(check, CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED)

    def _finish_pad(self, check: c.StartCheck, outcome: CheckOutcome, reason: Reason | None = None) -> None:
        self._pad_check = None
        if outcome is CheckOutcome.UNDETERMINED:
            self._pad.note_undetermined()
        self._live = check if outcome is CheckOutcome.SUCCESSFUL else None
        self.around.post(e.CheckEnded(check.crossing_id, Modality.PAD, outcome, reason))

    def _tell(self, check: c.StartCheck, prompt: Prompt | None) -> None:
        if prompt is not None:
            self.around.post(e.CheckProgressed(check.crossing_id, check.modality, prompt))

    # -- the end -------------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """The crossing ended, or nothing is known of it any more."""
        self._forget()

    def _forget(self) -> None:
        """Nothing of the crossing is kept."""
        self._crossing = None
        self._forget_checks()
        self._run.forget()
        self._pad.end()

    def _forget_checks(self) -> None:
        self._forget_face_check()
        self._pad_check = self._live = None
        self._pad_until = self._challenge_at = 0.0
        self._face_ended = None

    def _forget_face_check(self) -> None:
        self._check = None
        self._until = 0.0
        self._references, self._references_2 = [], []
        self._mismatches = self._crowded = 0
        self._matched = False


def _matches(matcher: FaceMatcher, probe: FaceProbe, references: list[FaceTemplate], threshold: float) -> bool:
    """Whether the probe is within the threshold of any of a person's templates.

    Raises:
        ValueError: None of the templates can be compared with.
    """
    problem: ValueError | None = None
    compared = False
    for reference in references:
        try:
            near = matcher.compare(probe, reference) <= threshold
        except ValueError as error:
            problem = error
            continue
        compared = True
        if near:
            return True
    if not compared and problem is not None:
        raise problem
    return False
