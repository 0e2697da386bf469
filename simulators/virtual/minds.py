"""The minds of people in the lane: they see prompts and doors, and walk, show, wait, force or fall accordingly. They never see the gate's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Door, Modality
from simulators.virtual.body import BEYOND, BEYOND_M, CHAMBER_M, OUTSIDE, QUEUE_M, STAND_M, Body
from simulators.virtual.habits import HONEST, Habit
from simulators.virtual.services import Presentation

if TYPE_CHECKING:
    from simulators.virtual.episode import Episode

NOT_NOW = frozenset({Prompt.CODE_UNREADABLE, Prompt.CODE_EXPIRED, Prompt.CODE_NOT_ACCEPTED, Prompt.GO_TO_COUNTER, Prompt.TRY_AGAIN_LATER})
WAYS_BACK = frozenset({Prompt.GO_BACK, Prompt.ONE_AT_A_TIME})
INSIDE_PROMPTS = frozenset({Prompt.WAIT_INSIDE, Prompt.FINGER_AND_FACE, Prompt.PLACE_FINGER, Prompt.LOOK_HERE})
COPIES = frozenset({"cast", "picture"})
"""What is taken for the holder's."""
ATTEMPTS = 2


class Mind:
    """Anybody in the lane.

    Args:
        scene: The episode.
        body: Whom it moves.
        habit: How.
    """

    def __init__(self, scene: Episode, body: Body, habit: Habit = HONEST) -> None:
        self.scene = scene
        self.body = body
        self.habit = habit
        self.leaving = False
        body.mind = self

    def prompted(self, prompt: Prompt) -> None:
        """The display shows something new."""
        delay = 0.25 + self.scene.rng.random() * 0.4
        self.scene.agenda.after(delay, self._react, prompt)

    def _react(self, prompt: Prompt) -> None:
        if self.scene.host.prompt is prompt and not self.gone and not self.leaving and self.body.zone < 5:
            self.react(prompt)

    def react(self, prompt: Prompt) -> None:
        """What a companion does: goes back when told to, and out with the others."""
        if self.body.zone == OUTSIDE:
            if prompt is not Prompt.STEP_IN:
                self.go(QUEUE_M)
        elif prompt in WAYS_BACK:
            if self.habit.returning == "obeys":
                self.go(QUEUE_M)
        elif prompt is Prompt.EMERGENCY_EXIT:
            self.flee()
        elif prompt is Prompt.STEP_OUT:
            self.go(BEYOND_M)

    def flee(self) -> None:
        """Out by whichever door opens; some stand as if rooted to the spot."""
        if self.scene.rng.random() < 0.8:
            self.go(BEYOND_M if self.scene.lane.leaves[Door.EXIT].level > 1 else QUEUE_M)

    def passable(self, door: Door) -> None:
        """A door has become passable."""
        if self.body.inside and not self.body.blocked and self.scene.host.prompt in {Prompt.LANE_CLOSED, Prompt.EMERGENCY_EXIT}:
            self.go(QUEUE_M if door is Door.ENTRY else BEYOND_M)

    def held_up(self, door: Door) -> None:
        """A door ahead is not passable: wait before it."""

    def escorted(self, target_m: float) -> None:
        """An officer takes them along, if they are still there: not if they went by themselves meanwhile."""
        if not self.gone and OUTSIDE < self.body.zone < 5:
            self.leaving = False
            self.go(target_m)

    @property
    def gone(self) -> bool:
        """They went their way."""
        return self.body not in self.scene.lane.bodies

    def go(self, target_m: float) -> None:
        """Walk there."""
        self.scene.lane.walk(self.body, target_m)

    def arrived(self) -> None:
        """They are where they walked to."""
        if self.body.zone in {OUTSIDE, BEYOND} and self.body.target in {QUEUE_M, BEYOND_M}:
            self.scene.lane.vanish(self.body)
            self.scene.left(self)


class Traveller(Mind):
    """Whoever has a pass and wants to cross.

    Args:
        scene: The episode.
        body: Whom it moves.
        habit: How.
        number: Of the pass.
        comes_again: How often they come again when they were sent back; None: as the habit says.
    """

    def __init__(self, scene: Episode, body: Body, habit: Habit, number: int, comes_again: int | None = None) -> None:
        super().__init__(scene, body, habit)
        self.number = number
        self.comes_again = habit.comes_again if comes_again is None else comes_again
        self.attempts = 0
        self.shown: Presentation | None = None
        self.admitted = False
        self.done = False
        self.told_at = 0.0
        self._tried = False

    def arrived(self) -> None:
        """At the reader: show the phone when asked to."""
        super().arrived()
        if not self.gone and self.body.zone == OUTSIDE and self.scene.host.prompt is not None:
            self.react(self.scene.host.prompt)

    def give_up(self) -> None:
        """Go to the counter; whoever is inside cannot."""
        if not self.gone and self.body.zone == OUTSIDE:
            self.leaving = True
            self.put_away()
            self.go(QUEUE_M)

    def put_away(self) -> None:
        """The phone."""
        if self.scene.host.shown is self.shown:
            self.scene.host.hold_up(None)

    def react(self, prompt: Prompt) -> None:
        """See the module's docstring."""
        self.told_at = self.scene.agenda.now
        if self.body.zone == OUTSIDE:
            self._react_outside(prompt)
        elif not self._tried and prompt in INSIDE_PROMPTS:
            self._tried = True
            self._act_inside()
        elif prompt in WAYS_BACK:
            if self.habit.returning == "obeys" and self.habit.inside != "collapses":
                self.go(QUEUE_M)
        elif prompt is Prompt.EMERGENCY_EXIT:
            if self.habit.inside != "collapses":
                self.flee()
        elif prompt is Prompt.STEP_OUT:
            self._leave()

    def _react_outside(self, prompt: Prompt) -> None:
        if prompt is Prompt.SHOW_CODE:
            if self.attempts >= ATTEMPTS or self.admitted:
                self.give_up()
            elif self.habit.entering == "uninvited":
                self.attempts = ATTEMPTS
                self.go(STAND_M)
            elif self.body.velocity == 0:
                self.attempts += 1
                self.shown = self.scene.present(self)
                self.scene.host.hold_up(self.shown)
        elif prompt is Prompt.STEP_IN and self.shown is not None and self.scene.host.shown is self.shown:
            self.admitted = True
            self.put_away()
            self._enter()
        elif prompt in NOT_NOW:
            self.put_away()
            if self.attempts >= ATTEMPTS or prompt is Prompt.GO_TO_COUNTER:
                self.give_up()

    def _enter(self) -> None:
        scene, how = self.scene, self.habit.entering
        if how == "never":
            self.give_up()
        elif how == "late":
            scene.agenda.after(scene.rng.uniform(4.0, 10.0), self._go_in)
        else:
            self._go_in()
            if how == "backs_out":
                scene.agenda.after(scene.rng.uniform(0.5, 2.5), self._turn, QUEUE_M)
            elif how == "lingers":
                scene.agenda.after(scene.rng.uniform(0.3, 1.0), self._pause, scene.rng.uniform(1.0, 9.0))
            elif how == "drops":
                scene.agenda.after(scene.rng.uniform(0.6, 2.0), scene.drop, Door.ENTRY)
        if self.habit.companion in {"tailgater", "child"}:
            scene.follow(self)

    def _go_in(self) -> None:
        if self.body.zone == OUTSIDE and not self.leaving:
            self.go(STAND_M)

    def _turn(self, target_m: float) -> None:
        """Go there after all; whoever is out on the other side has no reason to."""
        if not self.gone and self.body.zone < 5:
            self.go(target_m)

    def _pause(self, lasts_s: float) -> None:
        if self.body.target == STAND_M and not self.gone:
            self.scene.lane.stop(self.body)
            self.scene.agenda.after(lasts_s, self._resume, self.body.version)

    def _resume(self, version: int) -> None:
        if self.body.version == version and not self.gone:
            self.go(STAND_M)

    def _act_inside(self) -> None:
        scene, how = self.scene, self.habit.inside
        delay = scene.rng.uniform(0.0, 2.0)
        if self.habit.companion == "later":
            scene.agenda.after(scene.rng.uniform(0.0, 5.0), scene.follow, self)
        if how == "walks_back":
            scene.agenda.after(delay, self._turn, QUEUE_M)
        elif how == "forces_exit":
            scene.agenda.after(delay, self._force, Door.EXIT)
        elif how == "forces_entry":
            scene.agenda.after(delay, self._force, Door.ENTRY)
        elif how == "tampers":
            scene.agenda.after(delay, scene.open_housing, scene.rng.uniform(0.5, 20.0))
        elif how == "passes_object":
            scene.agenda.after(delay, scene.interrupt, Door.ENTRY, scene.rng.uniform(0.2, 1.5))
        elif how == "needs_help":
            scene.agenda.after(delay, scene.ask_for_assistance)
        elif how == "leaves_object":
            scene.agenda.after(delay, scene.leave_object)

    def _force(self, door: Door) -> None:
        if self.body.inside:
            self.scene.force(door, self.scene.rng.uniform(0.1, 1.0), self.scene.rng.uniform(0.2, 6.0))
            if self.scene.rng.random() < 0.5:
                self.go(BEYOND_M if door is Door.EXIT else QUEUE_M)

    def _leave(self) -> None:
        scene, how = self.scene, self.habit.leaving
        if how == "stays" or self.habit.inside == "collapses":
            return
        if how == "late":
            scene.agenda.after(scene.rng.uniform(5.0, 12.0), self._turn, BEYOND_M)
            return
        self.go(BEYOND_M)
        if how == "drops":
            scene.agenda.after(scene.rng.uniform(0.4, 1.5), scene.drop, Door.EXIT)
        elif how == "turns_back":
            scene.agenda.after((CHAMBER_M - STAND_M) / self.body.pace_mps + scene.rng.uniform(0.3, 0.9), self._turn, STAND_M)
            scene.agenda.after(scene.rng.uniform(4.0, 10.0), self._turn, BEYOND_M)
        elif how == "lets_in":
            scene.agenda.after(scene.rng.uniform(0.2, 1.5), scene.come_from_beyond)

    def check(self, modality: Modality) -> tuple[CheckOutcome, Reason | None] | None:
        """What a biometric device finds while this traveller stands before it."""
        what = self.habit.finger if modality is Modality.FINGERPRINT else self.habit.face
        if what == "none" or self.body.velocity or self.body.target in {QUEUE_M, BEYOND_M}:
            return None
        if modality is Modality.PAD:
            return self._judged()
        if what == "two" or (self.body.heads > 1 and modality is Modality.FACE and self.scene.rng.random() < 0.5):
            return CheckOutcome.FAILED, Reason.SEVERAL_FACES
        if what == "other" or (what not in COPIES and self.scene.expected != self.body.name):
            return wrong(modality)
        draw = self.scene.rng.random()
        if draw < self.scene.profile.false_non_match:
            return wrong(modality)
        if draw < 1.5 * self.scene.profile.false_non_match:
            return CheckOutcome.NOT_SUPPORTED, Reason.REFERENCE_REFUSED if modality is Modality.FINGERPRINT else Reason.NO_TEMPLATE
        return CheckOutcome.SUCCESSFUL, None

    def _judged(self) -> tuple[CheckOutcome, Reason | None]:
        """What presentation attack detection makes of this face: it errs both ways, and knows nothing of whose face it is."""
        draw, profile = self.scene.rng.random(), self.scene.profile
        if self.body.masked:
            return (CheckOutcome.SUCCESSFUL, None) if draw < profile.missed_attack else (CheckOutcome.FAILED, Reason.PAD_ALARM)
        if draw < profile.false_alarm / 2:
            return CheckOutcome.FAILED, Reason.PAD_ALARM
        return (CheckOutcome.UNDETERMINED, Reason.PAD_UNDETERMINED) if draw < profile.false_alarm else (CheckOutcome.SUCCESSFUL, None)


def wrong(modality: Modality) -> tuple[CheckOutcome, Reason]:
    """What a check that sees the wrong person ends with."""
    return CheckOutcome.FAILED, Reason.FINGERPRINT_MISMATCH if modality is Modality.FINGERPRINT else Reason.FACE_MISMATCH
