"""The face at the desk: the best of several good frames of one person alone, checked against fresh frames before it is accepted.

Whose face was judged is whose face is taken: the judge is shown good frames only, each is compared with the first, and another face begins anew.
The demands are above those of a lane, because every later comparison is made with what is taken here. Keeps no frame beyond its analysis, but the few that a
second model has to see, until the face is taken.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from gate_controller.enrolment.desk.instructions import EnrolmentRefusedError, Guide, Instruction, Refusal
from gate_controller.enrolment.desk.liveness import Judgement, Liveness
from gate_controller.ports.clock import Clock
from gate_controller.ports.devices import Camera, FaceAnalysis, FaceMatcher, FacePlace, FaceProbe, FaceTemplate, Frame, Image
from gate_controller.ports.errors import DeviceError, DeviceUntrustedError
from gate_controller.ports.pad import PadDecision

_FRAME_WITHIN_S = 5.0
_NOT_THE_PERSON = (Instruction.ALONE_PLEASE, Instruction.STAY_IN_VIEW)
_CALL_AN_OFFICER = "try again; if it stays, ask an officer"


@dataclass(frozen=True, slots=True)
class FaceDemands:
    """What a face must be like.

    Attributes:
        threshold: The lane's decision threshold for the matcher's model.
        least_score: Quality score, 0..1; a lane is content with less.
        least_eye_distance_px: Between the eyes, in pixels (ISO/IEC 39794-5 asks for 60 at least, and for 90).
        least_sharpness: Variance of the Laplacian.
        brightness: Least and largest mean luma of the face.
        share: Least and largest width of the face, in frame heights.
        most_off_centre: In frame widths.
        most_roll_deg: Head tilted to a shoulder, as the matcher reports it.
        most_turn: Head turned to a side, in eye distances.
        least_eyes: How much there is to see of the eyes.
        least_mouth: How much there is to see of the mouth. On the synthetic people .1 to .23, blurred .08; behind a plain mask painted on them at most .04 in 19
            of 20 pictures.
        frames: Good frames of one person, the best of which is taken.
        fresh_frames: Further good frames that must match it.
        fresh_share: They must lie within this share of the threshold: what barely matches at the desk will not match in a lane.
        within_s: Time for all of it.
    """

    threshold: float
    least_score: float = 0.6
    least_eye_distance_px: float = 60.0
    least_sharpness: float = 60.0
    brightness: tuple[float, float] = (40.0, 220.0)
    share: tuple[float, float] = (0.2, 0.75)
    most_off_centre: float = 0.15
    most_roll_deg: float = 8.0
    most_turn: float = 0.2
    least_eyes: float = 0.06
    least_mouth: float = 0.05
    frames: int = 8
    fresh_frames: int = 3
    fresh_share: float = 0.9
    within_s: float = 60.0

    def wanting(self, seen: FaceAnalysis) -> Instruction | None:
        """What the person should change; None when the frame is good. The coarsest fault first."""
        if seen.faces > 1:
            return Instruction.ALONE_PLEASE
        if seen.probe is None:
            return Instruction.COME_CLOSER if seen.distant else Instruction.LOOK_HERE
        quality = seen.probe.quality
        if quality.eye_distance_px < self.least_eye_distance_px or quality.share < self.share[0]:
            return Instruction.COME_CLOSER
        if quality.share > self.share[1]:
            return Instruction.STEP_BACK
        if quality.off_centre > self.most_off_centre:
            return Instruction.STAND_IN_THE_MIDDLE
        if quality.brightness < self.brightness[0]:
            return Instruction.MORE_LIGHT
        if quality.brightness > self.brightness[1]:
            return Instruction.LESS_LIGHT
        if quality.turn > self.most_turn:
            return Instruction.FACE_FORWARD
        if quality.roll_deg > self.most_roll_deg:
            return Instruction.HEAD_UPRIGHT
        if quality.eyes < self.least_eyes:
            return Instruction.SHOW_EYES
        if quality.mouth < self.least_mouth:
            return Instruction.SHOW_MOUTH
        if quality.sharpness < self.least_sharpness or quality.score < self.least_score:
            return Instruction.HOLD_STILL
        return None


@dataclass(frozen=True, slots=True)
class SecondModel:
    """A lane whose second model must agree needs a template of it, too: without one it would refuse the person at the entry.

    Attributes:
        matcher: Of the second model.
        threshold: The lane's decision threshold for it.
    """

    matcher: FaceMatcher
    threshold: float


@dataclass(slots=True)
class _Good:
    """A good frame's probe, and its image as long as a second model may have to see it."""

    probe: FaceProbe = field(repr=False)
    image: Image | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class TakenFace:
    """A face that was accepted.

    Attributes:
        template: Its template.
        score: Quality score of the frame that it is from, 0..1.
        farthest: Largest distance of a fresh frame from it.
        pad: What presentation attack detection said; LIVE, or NOT_PERFORMED when no judge is configured.
        others: The template of a second model, from the same frame.
    """

    template: FaceTemplate
    score: float
    farthest: float
    pad: PadDecision
    others: tuple[FaceTemplate, ...] = ()


class FaceTaker:
    """Takes one face, and later sees whether the same person is still there, alone.

    Args:
        camera: Open.
        matcher: The model whose template is made.
        demands: What a face must be like.
        clock: Time.
        guide: Talks to the person.
        judgement: Presentation attack detection; None: not performed, and the record says so.
        second: A second model that makes a template, too, or None.
    """

    def __init__(
        self,
        camera: Camera,
        matcher: FaceMatcher,
        demands: FaceDemands,
        clock: Clock,
        guide: Guide,
        judgement: Judgement | None = None,
        second: SecondModel | None = None,
    ) -> None:
        self._camera = camera
        self._matcher = matcher
        self._demands = demands
        self._clock = clock
        self._guide = guide
        self._judgement = judgement
        self._second = second
        self._sequence = -1
        self._stamp = -math.inf

    def take(self) -> TakenFace:
        """Guide the person until a face is accepted.

        Raises:
            EnrolmentRefusedError: No good face in time, never alone, or not accepted.
            DeviceError: Camera or model failed.
        """
        liveness = Liveness(self._judgement)
        try:
            return self._take(liveness)
        finally:
            liveness.end()

    def confirm(self, template: FaceTemplate) -> None:
        """See once more that the person whose face was taken is before the camera, alone and alive. Nothing to do without a judge.

        Raises:
            EnrolmentRefusedError: Somebody else is there, or it could not be seen in time that the face is live.
            DeviceError: Camera or model failed.
        """
        if self._judgement is None:
            return
        liveness = Liveness(self._judgement)
        try:
            self._confirm(liveness, template)
        finally:
            liveness.end()

    def same_person(self, template: FaceTemplate, looks: int = 5) -> Instruction | None:
        """Whether exactly one face is in view, and it is the one taken, in most of several frames; else what to say. Somebody may blink or glance away.

        Raises:
            DeviceError: Camera or model failed.
        """
        problem, same = Instruction.STAY_IN_VIEW, 0
        for look in range(1, looks + 1):
            _, seen = self._look()
            if seen.faces > 1:
                problem = Instruction.ALONE_PLEASE
            elif seen.probe is not None and self._distance(seen.probe, template) <= self._demands.threshold:
                same += 1
            if 2 * same > looks:
                return None
            if 2 * (same + looks - look) <= looks:
                break
        return problem

    def _take(self, liveness: Liveness) -> TakenFace:
        ends_at = self._clock.monotonic() + self._demands.within_s
        good: list[_Good] = []
        first: FaceTemplate | None = None  # who is judged: every frame that counts, for the judge too, is this person's
        fault: Instruction | None = Instruction.LOOK_HERE
        self._guide.say(Instruction.LOOK_HERE)
        while self._clock.monotonic() < ends_at:
            frame, seen = self._look()
            wanting = self._demands.wanting(seen)
            probe = seen.probe if wanting is None else None
            another = probe is not None and first is not None and not self._distance(probe, first) <= self._demands.threshold
            if another or wanting is Instruction.ALONE_PLEASE:
                good.clear()
                first = None
                liveness.begin_anew()
            if self._judged(liveness, frame, seen.place if probe is not None else None):
                good.clear()
                first = None
            if probe is None:
                fault = wanting or Instruction.LOOK_HERE
                self._guide.say(fault)
                continue
            if first is None:
                first = self._template(probe)
            good.append(_Good(probe, frame.image if self._second is not None else None))
            self._drop_images(good)
            fault = None
            wanted = self._demands.frames + self._demands.fresh_frames
            self._guide.say(Instruction.LOOK_HERE, done=min(len(good), wanted), of=wanted)
            pad = liveness.decision()
            if len(good) >= wanted and pad in {PadDecision.LIVE, PadDecision.NOT_PERFORMED}:
                taken = self._accepted(good, pad)
                if taken is not None:
                    self._guide.say(Instruction.FACE_TAKEN)
                    return taken
                good.clear()
                first = None
                liveness.begin_anew()
        raise self._refused(fault, liveness)

    def _confirm(self, liveness: Liveness, template: FaceTemplate) -> None:
        ends_at = self._clock.monotonic() + self._demands.within_s
        fault: Instruction | None = Instruction.LOOK_HERE
        self._guide.say(Instruction.LOOK_HERE)
        while self._clock.monotonic() < ends_at:
            frame, seen = self._look()
            fault = self._demands.wanting(seen)
            probe = seen.probe if fault is None else None
            if probe is not None and not self._distance(probe, template) <= self._demands.threshold:
                fault, probe = Instruction.STAY_IN_VIEW, None
            if fault in _NOT_THE_PERSON:
                liveness.begin_anew()
            self._judged(liveness, frame, seen.place if probe is not None else None)
            if probe is not None and liveness.decision() is PadDecision.LIVE:
                return
            self._guide.say(fault or Instruction.LOOK_HERE)
        if fault in _NOT_THE_PERSON:
            raise another_person()
        raise self._refused(fault, liveness)

    def _accepted(self, good: list[_Good], pad: PadDecision) -> TakenFace | None:
        """The best of the earlier frames, if all the last ones match it, by a second model as well."""
        fresh = good[-self._demands.fresh_frames :]
        best = self._best_but_fresh(good)
        template = self._template(best.probe)
        farthest = max(self._distance(each.probe, template) for each in fresh)
        if not farthest <= self._demands.fresh_share * self._demands.threshold:
            return None
        others = () if self._second is None else self._of_second(self._second, [each.image for each in (best, *fresh)])
        return TakenFace(template, best.probe.quality.score, farthest, pad, others) if others is not None else None

    def _best_but_fresh(self, good: list[_Good]) -> _Good:
        return max(good[: -self._demands.fresh_frames], key=lambda each: each.probe.quality.score)

    def _drop_images(self, good: list[_Good]) -> None:
        """Keep the images of the newest frames, and of the best before them: no others can be asked for."""
        if self._second is None or len(good) <= self._demands.fresh_frames:
            return
        best = self._best_but_fresh(good)
        for each in good[: -self._demands.fresh_frames]:
            each.image = each.image if each is best else None

    def _of_second(self, second: SecondModel, images: list[Image | None]) -> tuple[FaceTemplate] | None:
        """The second model's template of the first image, if it finds the face in all and the others match it."""
        with _untrusted("the second face model does not take its own face"):
            probes = [second.matcher.analyse(image).probe for image in images if image is not None]
            if len(probes) < len(images) or probes[0] is None:
                return None
            template = second.matcher.template(probes[0])
            near = all(probe is not None and second.matcher.compare(probe, template) <= self._demands.fresh_share * second.threshold for probe in probes[1:])
        return (template,) if near else None

    def _judged(self, liveness: Liveness, frame: Frame, place: FacePlace | None) -> bool:
        """Have the judge look; True when it began anew: then the face compared must be one that it has judged."""
        try:
            anew = liveness.observe(frame, place)
        except (DeviceError, ValueError) as error:
            why = f"the judge failed: {error.code if isinstance(error, DeviceError) else 'it cannot use the frame'}"
            raise self._not_accepted(why) from error
        if liveness.decision() is PadDecision.ATTACK:
            raise self._not_accepted("a presentation attack is suspected")
        if liveness.too_late:
            raise self._undecided(liveness)
        return anew

    def _refused(self, fault: Instruction | None, liveness: Liveness) -> EnrolmentRefusedError:
        if fault is Instruction.ALONE_PLEASE:
            return EnrolmentRefusedError(Refusal.NOT_ALONE, "there was a second face in view", "only the person to be enrolled may be before the camera")
        if fault is Instruction.LOOK_HERE:
            return EnrolmentRefusedError(Refusal.NOBODY_THERE, "no face came before the camera in time", "begin again")
        if fault is None and liveness.decision() is PadDecision.UNDETERMINED:
            return self._undecided(liveness)
        cause = fault.value.replace("_", " ") if fault is not None else "its pictures differ too much"
        how = f"the face could not be taken well enough in time ({cause})"
        return EnrolmentRefusedError(Refusal.FACE_NOT_GOOD_ENOUGH, how, _CALL_AN_OFFICER)

    def _undecided(self, liveness: Liveness) -> EnrolmentRefusedError:
        return self._not_accepted(f"it could not be decided whether the face is live ({liveness.gathered})")

    @staticmethod
    def _not_accepted(why: str) -> EnrolmentRefusedError:
        return EnrolmentRefusedError(Refusal.FACE_NOT_ACCEPTED, "the face was not accepted", "ask an officer", confidential=why)

    def _distance(self, probe: FaceProbe, template: FaceTemplate) -> float:
        with _untrusted("the face model does not take its own face"):
            return self._matcher.compare(probe, template)

    def _template(self, probe: FaceProbe) -> FaceTemplate:
        with _untrusted("the face model does not take its own face"):
            return self._matcher.template(probe)

    def _look(self) -> tuple[Frame, FaceAnalysis]:
        """The next frame, and what is in it. A frame stamped no later than the one before is passed over: it would be judged out of order."""
        deadline = self._clock.monotonic() + _FRAME_WITHIN_S
        while True:
            frame = self._camera.frame(self._sequence, deadline)
            self._sequence = frame.sequence
            if frame.stamp > self._stamp:
                break
            if self._clock.monotonic() >= deadline:
                raise DeviceUntrustedError("the camera's frames do not go on in time", "check the camera; restart the desk")
        self._stamp = frame.stamp
        with _untrusted("the camera gives what is no image"):
            return frame, self._matcher.analyse(frame.image)


def another_person() -> EnrolmentRefusedError:
    """The refusal when somebody else than the person whose face was taken is there."""
    return EnrolmentRefusedError(
        Refusal.ANOTHER_PERSON,
        "the face before the camera was not the one that was taken, alone",
        "begin again; the same person gives face and fingers",
    )


@contextlib.contextmanager
def _untrusted(what: str) -> Iterator[None]:
    """What a model or camera makes of a bad frame is that device's fault, not this program's."""
    try:
        yield
    except ValueError as error:
        raise DeviceUntrustedError(what, "begin again; if it stays, check the camera and the model files") from error
