"""What the desk says to the person in front of it, and why it may refuse. Holds no text of the display: whoever shows an instruction has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gate_controller.ports.errors import GateError


class Instruction(Enum):
    """What the person should do next."""

    LOOK_HERE = "look_here"
    COME_CLOSER = "come_closer"
    STEP_BACK = "step_back"
    STAND_IN_THE_MIDDLE = "stand_in_the_middle"
    FACE_FORWARD = "face_forward"
    HEAD_UPRIGHT = "head_upright"
    SHOW_EYES = "show_eyes"
    SHOW_MOUTH = "show_mouth"
    HOLD_STILL = "hold_still"
    MORE_LIGHT = "more_light"
    LESS_LIGHT = "less_light"
    ALONE_PLEASE = "alone_please"
    STAY_IN_VIEW = "stay_in_view"
    FACE_TAKEN = "face_taken"
    PLACE_FINGER = "place_finger"
    PLACE_FINGER_AGAIN = "place_finger_again"
    PLACE_FINGER_TO_CHECK = "place_finger_to_check"
    LIFT_FINGER = "lift_finger"
    FINGER_TOO_DRY = "finger_too_dry"
    WIPE_FINGER = "wipe_finger"
    FINGER_STILL = "finger_still"
    SAME_FINGER_PLEASE = "same_finger_please"
    ANOTHER_FINGER_PLEASE = "another_finger_please"
    FINGER_TAKEN = "finger_taken"
    FINGER_GIVEN_UP = "finger_given_up"
    READER_TRIED_AGAIN = "reader_tried_again"


@dataclass(frozen=True, slots=True)
class Said:
    """One instruction.

    Attributes:
        instruction: What to do.
        finger: Position of the finger it is about (ISO/IEC 19794-2), or None.
        done: Steps done of this part: frames of the face, touches of the finger.
        of: Steps of this part; 0 when there is no counting.
    """

    instruction: Instruction
    finger: int | None = None
    done: int = 0
    of: int = 0


class Guide:
    """Says each instruction once, until another takes its place.

    Args:
        show: Shows (or speaks) one.
    """

    def __init__(self, show: Callable[[Said], None]) -> None:
        self._show = show
        self._last: Said | None = None

    def say(self, instruction: Instruction, finger: int | None = None, done: int = 0, of: int = 0) -> None:
        """Show an instruction, unless it is the one shown."""
        said = Said(instruction, finger, done, of)
        if said != self._last:
            self._last = said
            self._show(said)


class Refusal(Enum):
    """Why nothing was enrolled; stable codes."""

    TOO_YOUNG = "too_young"
    OFFICER_NEEDED = "officer_needed"
    NOBODY_THERE = "nobody_there"
    FACE_NOT_GOOD_ENOUGH = "face_not_good_enough"
    NOT_ALONE = "not_alone"
    FACE_NOT_ACCEPTED = "face_not_accepted"
    """Presentation attack detection raised an alarm or could not decide; the person is not told which, nor that it was this."""
    TOO_FEW_FINGERS = "too_few_fingers"
    ANOTHER_PERSON = "another_person"


class EnrolmentRefusedError(GateError):
    """Nothing was enrolled and nothing was written.

    Attributes:
        reason: Why.
        confidential: For the officer's log alone, "" when there is nothing; never shown at the desk.
    """

    def __init__(self, reason: Refusal, what: str, remedy: str, confidential: str = "") -> None:
        super().__init__(what, remedy)
        self.reason = reason
        self.confidential = confidential
