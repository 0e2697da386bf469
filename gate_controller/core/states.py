"""The lane's states and the deadlines that run in each."""

from __future__ import annotations

from gate_controller.core.singletons import Singletons


class State(Singletons):
    """Where the lane is. One traveller at a time."""

    OUT_OF_SERVICE = "out_of_service"
    READY = "ready"
    PASS_CHECK = "pass_check"
    ENTRY_OPEN = "entry_open"
    OCCUPANCY_CHECK = "occupancy_check"
    IDENTITY_CHECK = "identity_check"
    EXIT_OPEN = "exit_open"
    CLEARING = "clearing"
    RETURN_PATH = "return_path"
    OFFICER_REFERRAL = "officer_referral"
    EMERGENCY = "emergency"
    MAINTENANCE = "maintenance"


DEADLINES: dict[State, dict[str, tuple[str, ...]]] = {
    # deadline's name: the policy's times that are added up, counted from the state's entry
    State.OUT_OF_SERVICE: {"officer": ("officer_acknowledge_s",)},
    State.READY: {"refusal_shown": ("refusal_shown_s",)},
    State.PASS_CHECK: {"pass_check": ("pass_check_s",)},
    State.ENTRY_OPEN: {"door_moves": ("door_open_s",), "entry_open": ("entry_open_s",)},
    State.OCCUPANCY_CHECK: {"entry_close": ("entry_close_s",), "occupancy": ("entry_close_s", "occupancy_settle_s")},
    State.IDENTITY_CHECK: {"identity": ("identity_s",)},
    State.EXIT_OPEN: {"door_moves": ("door_open_s",), "exit_open": ("exit_open_s",)},
    State.CLEARING: {"clearing": ("clearing_s",)},
    State.RETURN_PATH: {"door_moves": ("door_open_s",), "return_path": ("return_path_s",)},
    State.OFFICER_REFERRAL: {"officer": ("officer_acknowledge_s",)},
    State.EMERGENCY: {"renew": ("emergency_hold_s",), "officer": ("officer_acknowledge_s",)},
    State.MAINTENANCE: {"officer": ("officer_acknowledge_s",)},
}
"""OUT_OF_SERVICE, OFFICER_REFERRAL, EMERGENCY and MAINTENANCE re-arm their deadlines each time one has served."""
