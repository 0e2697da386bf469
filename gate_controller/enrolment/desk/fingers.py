"""The fingers at the desk: several touches each, merged by the module, and a fresh touch that must match before a finger counts.

The same finger twice is refused by comparison, not by trust: the first touch of a finger is compared with the fingers before it, and so is the touch
that verifies it, so that a finger that is changed in between does not get through. Keeps no image; the module has none read from it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from gate_controller.enrolment.desk.face import another_person
from gate_controller.enrolment.desk.instructions import EnrolmentRefusedError, Guide, Instruction, Refusal
from gate_controller.ports.clock import Clock
from gate_controller.ports.devices import FingerprintLight, FingerprintOutcome, FingerprintTemplate
from gate_controller.ports.enroller import FingerprintEnroller, TouchOutcome
from gate_controller.ports.errors import DeviceAbsentError, DeviceError, DevicePermissionError

OPEN_WITHIN_S = 10.0
_CALL_WITHIN_S = 5.0
_POLL_S = 0.05
_WIPE_STEPS = 8
_READ_S = 1.5
"""How long advice stays in sight after the finger was lifted."""
_HELP = {
    TouchOutcome.TOO_FEW_FEATURES: Instruction.FINGER_TOO_DRY,
    TouchOutcome.TOO_MESSY: Instruction.WIPE_FINGER,
    TouchOutcome.CAPTURE_FAILED: Instruction.FINGER_STILL,
    FingerprintOutcome.TOO_FEW_FEATURES: Instruction.FINGER_TOO_DRY,
    FingerprintOutcome.TOO_MESSY: Instruction.WIPE_FINGER,
    FingerprintOutcome.CAPTURE_FAILED: Instruction.FINGER_STILL,
}


@dataclass(frozen=True, slots=True)
class FingerDemands:
    """How fingers are taken.

    Attributes:
        wanted: How many.
        tries: How often one finger is begun before the next position is taken in its place.
        bad_touches: Touches that give nothing before a try is given up.
        touch_within_s: How long a finger is waited for, or waited to be lifted.
        reopenings: How often the reader is opened again after a fault before the desk gives up.
    """

    wanted: int = 2
    tries: int = 3
    bad_touches: int = 6
    touch_within_s: float = 30.0
    reopenings: int = 2


@dataclass(frozen=True, slots=True)
class TakenFinger:
    """A finger that was accepted.

    Attributes:
        template: Its template.
        score: Of the match of a fresh touch with it; the module's own scale.
    """

    template: FingerprintTemplate
    score: int


class _End(Enum):
    """How a try ended that took nothing."""

    NOBODY = "nobody"
    FAILED = "failed"


class FingerTaker:
    """Takes a person's fingers.

    Args:
        reader: Open.
        demands: How.
        clock: Time.
        pause: Lets time pass, in seconds.
        guide: Talks to the person.
        same_person: Whether the person whose face was taken is before the camera, alone; else what to say. Asked at each touch.
    """

    def __init__(
        self,
        reader: FingerprintEnroller,
        demands: FingerDemands,
        clock: Clock,
        pause: Callable[[float], None],
        guide: Guide,
        same_person: Callable[[], Instruction | None],
    ) -> None:
        self._reader = reader
        self._demands = demands
        self._clock = clock
        self._pause = pause
        self._guide = guide
        self._same_person = same_person
        self._taken: list[TakenFinger] = []
        self._strangers = 0
        self._advice_until = 0.0

    def take(self, positions: Sequence[int], least: int) -> tuple[TakenFinger, ...]:
        """Take fingers until as many as wanted are there.

        Args:
            positions: Which to ask for, in this order (ISO/IEC 19794-2); those after the wanted number stand in for fingers that cannot be taken.
            least: Fewer are refused.

        Returns:
            The fingers, best first.

        Raises:
            EnrolmentRefusedError: Too few fingers, or another person than the one whose face was taken.
            DeviceError: The reader failed for good.
        """
        self._taken.clear()
        self._strangers = 0
        self._advice_until = 0.0
        try:
            for position in positions:
                if len(self._taken) >= self._demands.wanted:
                    break
                self._finger(position)
        finally:
            self._wipe()
        if len(self._taken) < least:
            raise EnrolmentRefusedError(
                Refusal.TOO_FEW_FINGERS,
                f"of the fingers {len(self._taken)} could be taken, and {least} are needed",
                "clean and dry the fingers and begin again; an officer can accept fewer (--accept-fewer-fingers)",
            )
        return tuple(sorted(self._taken, key=lambda finger: -finger.score))

    def _wipe(self) -> None:
        """Leave nothing of the fingers in the module, as far as it can be overwritten. A reader that fails at it does not undo what was taken."""
        with contextlib.suppress(DeviceError):
            for _ in range(_WIPE_STEPS):
                if self._reader.wipe(self._soon()):
                    return

    def _finger(self, position: int) -> None:
        faults = 0
        for _ in range(self._demands.tries):
            try:
                taken = self._try(position)
            except (DeviceAbsentError, DevicePermissionError):
                raise
            except DeviceError:
                faults += 1
                if faults > self._demands.reopenings:
                    raise
                self._guide.say(Instruction.READER_TRIED_AGAIN, position)
                self._reader.open(self._clock.monotonic() + OPEN_WITHIN_S)
                continue
            if isinstance(taken, TakenFinger):
                self._taken.append(taken)
                self._light(FingerprintLight.GOOD)
                self._guide.say(Instruction.FINGER_TAKEN, position, len(self._taken), self._demands.wanted)
                return
            self._light(FingerprintLight.BAD)
            if taken is _End.NOBODY:
                break
        self._guide.say(Instruction.FINGER_GIVEN_UP, position)

    def _try(self, position: int) -> TakenFinger | _End:
        reader, touches = self._reader, self._reader.touches
        reader.begin_template()
        for number in range(touches):
            end = self._touch(position, number, touches)
            if end is not None:
                return end
            if number == 0 and any(reader.resembles(other.template, self._soon()) for other in self._taken):
                self._guide.say(Instruction.ANOTHER_FINGER_PLEASE, position)
                return _End.FAILED
            if self._stranger():
                return _End.FAILED
        template = reader.merge(position, self._soon())
        if template is None:
            self._guide.say(Instruction.SAME_FINGER_PLEASE, position)
            return _End.FAILED
        return self._verified(template)

    def _touch(self, position: int, number: int, touches: int) -> _End | None:
        """One touch that the module took; or why there is none."""
        asked = Instruction.PLACE_FINGER if number == 0 else Instruction.PLACE_FINGER_AGAIN
        bad = 0
        self._light(FingerprintLight.READY)
        gives_up_at = self._clock.monotonic() + self._demands.touch_within_s
        while self._clock.monotonic() < gives_up_at:
            outcome = self._reader.touch(self._soon())
            if outcome is TouchOutcome.TAKEN:
                return None
            if outcome is TouchOutcome.NOT_LIFTED:
                self._guide.say(Instruction.LIFT_FINGER, position, number, touches)
            elif outcome is TouchOutcome.NO_FINGER:
                self._ask(asked, position, number, touches)
            else:
                bad += 1
                if bad >= self._demands.bad_touches:
                    return _End.FAILED
                if not self._advised(_HELP[outcome], position):
                    return _End.NOBODY
                gives_up_at = self._clock.monotonic() + self._demands.touch_within_s
            self._pause(_POLL_S)
        return _End.NOBODY

    def _verified(self, template: FingerprintTemplate) -> TakenFinger | _End:
        """Compare a fresh touch with the new template, and with the fingers before."""
        reader, position = self._reader, template.position
        reader.load_reference(template, self._soon())
        self._light(FingerprintLight.READY)
        gives_up_at = self._clock.monotonic() + self._demands.touch_within_s
        bad = 0
        while self._clock.monotonic() < gives_up_at:
            result = reader.verify(self._soon())
            if result.outcome is FingerprintOutcome.MATCH:
                if any(reader.resembles(other.template, self._soon()) for other in self._taken):
                    self._guide.say(Instruction.ANOTHER_FINGER_PLEASE, position)
                    return _End.FAILED
                return _End.FAILED if self._stranger() else TakenFinger(template, result.score or 0)
            if result.outcome is FingerprintOutcome.NO_MATCH:
                self._guide.say(Instruction.SAME_FINGER_PLEASE, position)
                return _End.FAILED
            if result.outcome is FingerprintOutcome.NOT_LIFTED:
                self._guide.say(Instruction.LIFT_FINGER, position)
            elif result.outcome is FingerprintOutcome.NO_FINGER:
                self._ask(Instruction.PLACE_FINGER_TO_CHECK, position)
            else:
                bad += 1
                if bad >= self._demands.bad_touches:
                    return _End.FAILED
                if not self._advised(_HELP[result.outcome], position):
                    return _End.NOBODY
                gives_up_at = self._clock.monotonic() + self._demands.touch_within_s
            self._pause(_POLL_S)
        return _End.NOBODY

    def _stranger(self) -> bool:
        """Whether somebody else than the person whose face was taken is there, or not alone. Once is an accident, again and again is not."""
        problem = self._same_person()
        if problem is None:
            return False
        self._guide.say(problem)
        self._strangers += 1
        if self._strangers >= self._demands.tries:
            raise another_person()
        return True

    def _ask(self, instruction: Instruction, position: int, done: int = 0, of: int = 0) -> None:
        """Ask for the finger, unless advice was given a moment ago: that is to be read first."""
        if self._clock.monotonic() >= self._advice_until:
            self._guide.say(instruction, position, done, of)

    def _advised(self, advice: Instruction, position: int) -> bool:
        """Say what was the matter, and wait until the finger is lifted; False when it stays."""
        self._guide.say(advice, position)
        gives_up_at = self._clock.monotonic() + self._demands.touch_within_s
        while self._clock.monotonic() < gives_up_at:
            if not self._reader.finger_present(self._soon()):
                self._advice_until = self._clock.monotonic() + _READ_S
                return True
            self._pause(_POLL_S)
        return False

    def _light(self, light: FingerprintLight) -> None:
        self._reader.light(light, self._soon())

    def _soon(self) -> float:
        return self._clock.monotonic() + _CALL_WITHIN_S
