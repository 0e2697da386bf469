"""The rules of a lane that its operator sets. Values only; where they come from is the settings' business."""

from __future__ import annotations

from dataclasses import dataclass

from gate_controller.core.singletons import Singletons
from gate_controller.core.values import Direction, Door, Region


class BiometricRule(Singletons):
    """Which biometric checks must succeed."""

    BOTH = "both"
    EITHER = "either"
    FACE_ONLY_WITH_OFFICER = "face_only_with_officer"


class PadRule(Singletons):
    """What the exit asks of presentation attack detection. There is no "off": an omission is always marked in the record."""

    REQUIRED = "required"
    """The exit opens by itself only for a face that was judged live, also where the fingerprint alone would be enough."""
    SIGNALLED = "signalled"
    """A judgement that was not made passes. One that was made counts as where it is required."""


class LaneKind(Singletons):
    """Which doors the lane has."""

    TWO_DOOR = "two_door"
    SINGLE_DOOR = "single_door"
    """The exit only: the entry is an opening with a beam, through which whoever is inside can always go back. Its position reads CLOSED."""


@dataclass(frozen=True, slots=True)
class CrossingPolicy:
    """What the core decides by. Times are in seconds.

    Attributes:
        region: Region the lane belongs to.
        direction: Direction of travel through it.
        lane: Which doors it has.
        minimum_age: Completed years.
        low_risk_minimum_age: Completed years, while so little is known of the passes' status that only low-risk travellers are cleared.
        registered_min_s: A registration is usable only this long after it was made.
        biometric_rule: Which checks must succeed.
        pad_rule: What the exit asks of presentation attack detection, besides.
        pass_check_s: From a QR text to the entry command, at most.
        refusal_shown_s: How long a refusal stays on the display.
        door_open_s: A door must have left its closed position this long after its command.
        entry_open_s: The entry stays open this long for the traveller to come in.
        entry_close_s: The entry must be closed this long after the traveller is in.
        stable_s: A counter value counts after it stood this long.
        occupancy_settle_s: The counter must give a clear answer this long after the entry closed.
        unknown_grace_s: Inputs may be unknown this long before the lane closes.
        identity_s: All checks together, at most.
        exit_open_s: The exit stays open this long.
        clearing_s: Doors closed and chamber empty this long after the traveller left.
        return_path_s: The entry stays open this long for the way back.
        officer_acknowledge_s: A call escalates when nobody took it for this long.
        officer_attend_s: And again when whoever took it did not act for this long.
        emergency_opens_entry: Command the entry open in an emergency; of no effect where there is none.
        emergency_opens_exit: Command the exit (border side) open in an emergency: the operator's decision.
        emergency_hold_s: Length of each of those openings; renewed until the lane is re-armed.
    """

    region: Region
    direction: Direction
    lane: LaneKind = LaneKind.TWO_DOOR
    minimum_age: int = 11
    low_risk_minimum_age: int = 18
    registered_min_s: float = 10800.0
    biometric_rule: BiometricRule = BiometricRule.BOTH
    pad_rule: PadRule = PadRule.REQUIRED
    pass_check_s: float = 2.0
    refusal_shown_s: float = 3.0
    door_open_s: float = 3.0
    entry_open_s: float = 8.0
    entry_close_s: float = 5.0
    stable_s: float = 0.3
    occupancy_settle_s: float = 2.0
    unknown_grace_s: float = 1.0
    identity_s: float = 20.0
    exit_open_s: float = 8.0
    clearing_s: float = 5.0
    return_path_s: float = 15.0
    officer_acknowledge_s: float = 60.0
    officer_attend_s: float = 300.0
    emergency_opens_entry: bool = True
    emergency_opens_exit: bool = False
    emergency_hold_s: float = 10.0

    @property
    def doors(self) -> tuple[Door, ...]:
        """The doors the lane has, the border's first."""
        return (Door.EXIT, Door.ENTRY) if self.lane is LaneKind.TWO_DOOR else (Door.EXIT,)

    def emergency_opens(self, door: Door) -> bool:
        """Whether `door` is commanded open in an emergency."""
        return self.emergency_opens_exit if door is Door.EXIT else self.emergency_opens_entry
