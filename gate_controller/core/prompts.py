"""What the gate tells a traveller. The wording, pictures and languages belong to the display, not here."""

from __future__ import annotations

from gate_controller.core.singletons import Singletons


class Prompt(Singletons):
    """One thing to tell the traveller; the value is its stable name on the wire."""

    LANE_CLOSED = "lane_closed"
    STARTING = "starting"
    SHOW_CODE = "show_code"
    CHECKING_CODE = "checking_code"
    STEP_IN = "step_in"
    WAIT_INSIDE = "wait_inside"
    FINGER_AND_FACE = "finger_and_face"
    PLACE_FINGER = "place_finger"
    LIFT_FINGER = "lift_finger"
    TRY_FINGER_AGAIN = "try_finger_again"
    LOOK_HERE = "look_here"
    COME_CLOSER = "come_closer"
    STEP_BACK = "step_back"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    BLINK = "blink"
    STEP_OUT = "step_out"
    GO_BACK = "go_back"
    ONE_AT_A_TIME = "one_at_a_time"
    WAIT_FOR_OFFICER = "wait_for_officer"
    CODE_UNREADABLE = "code_unreadable"
    CODE_EXPIRED = "code_expired"
    CODE_NOT_ACCEPTED = "code_not_accepted"
    GO_TO_COUNTER = "go_to_counter"
    TRY_AGAIN_LATER = "try_again_later"
    EMERGENCY_EXIT = "emergency_exit"
