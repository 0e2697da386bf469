"""Short scenes of a lane: where it stands, what happens, and all that the core answers to it, in words.

An answer to one event ends with a semicolon; "*3" is the same answer three times. Behind the arrow stand the state and the reason. Lamps are left out.
Asserts nothing itself.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.policy import BiometricRule, LaneKind
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, DoorPosition, Modality, Occupancy, TriState

CLOSED, OPEN, MOVING, BLIND = DoorPosition.CLOSED, DoorPosition.OPEN, DoorPosition.MOVING, DoorPosition.UNKNOWN
CLEAR, BROKEN = TriState.INACTIVE, TriState.ACTIVE
NOBODY, ONE, MANY, UNSEEN = Occupancy.ZERO, Occupancy.ONE, Occupancy.MANY, Occupancy.UNKNOWN
STEADY = 0.4
"""Seconds in which a counter becomes steady and a contact no longer bounces."""


# -- what may happen ---------------------------------------------------------------------------------------------------------


def sees(**changes):
    return lambda lane: lane.see(**changes)


def waits(seconds):
    return lambda lane: lane.wait(seconds)


def later(seconds):
    """Time passes and nobody tells the core, until something else happens."""

    def pass_by(lane):
        lane.now += seconds

    return pass_by


def told(event):
    return lambda lane: lane.tell(event)


def steadily(**changes):
    return lambda lane: (lane.see(**changes), lane.wait(STEADY))


def ends(modality, outcome=CheckOutcome.SUCCESSFUL, reason=None):
    return told(e.CheckEnded("x", modality, outcome, reason))


def walk_in(lane):
    """Through an entry without a door, up to the exit; judged live at once."""
    lane.see(entry_beam=BROKEN, occupancy=ONE)
    lane.see(entry_beam=CLEAR)
    lane.wait(STEADY)
    lane.tell(e.CheckEnded("x", Modality.PAD, CheckOutcome.SUCCESSFUL))


BOTH_MATCH = (ends(Modality.FINGERPRINT), ends(Modality.FACE))
BOARD_LOST, BOARD_BACK = told(e.DeviceLost(Device.IO_BOARD)), told(e.DeviceReady(Device.IO_BOARD))
EMERGENCY, LOOP_WHOLE = sees(emergency=BROKEN), sees(emergency=CLEAR)
TIMER = told(e.TimerExpired())
TAKEN, REARMED = told(e.OfficerAcknowledged("officer 7")), told(e.Rearmed("officer 7"))
RETURNED, RELEASED = told(e.OfficerReturned("y", "officer 7", "seen")), told(e.OfficerReleased("y", "officer 7", "seen"))
ENGINEER, ENGINEER_GONE = told(e.MaintenanceSwitched(True, "engineer 3")), told(e.MaintenanceSwitched(False, "engineer 3"))
STOP, STOP_AT_ONCE = told(e.StopRequested()), told(e.StopRequested(now=True))
HELP = told(e.AssistanceRequested("officer 7"))
QR_LOST, QR_BACK = told(e.DeviceLost(Device.QR_CAMERA)), told(e.DeviceReady(Device.QR_CAMERA))
FINGER_LOST, FINGER_BACK = told(e.DeviceLost(Device.FINGERPRINT)), told(e.DeviceReady(Device.FINGERPRINT))


# -- where the lane stands ---------------------------------------------------------------------------------------------------


def ready(new, **policy):
    return new(**policy).start()


def after(place, *steps):
    def there(new, **policy):
        lane = place(new, **policy)
        for step in steps:
            step(lane)
        return lane

    return there


def read(name="x"):
    return told(e.PassRead(name, "ECH1:..."))


out_of_service = after(ready, QR_LOST)
passing = after(ready, read())
entry_open = after(ready, lambda lane: lane.admit())
half_open = after(entry_open, sees(entry_door=OPEN))
occupancy = after(half_open, steadily(occupancy=ONE))
identity = after(ready, lambda lane: lane.admit().enter())
exit_open = after(identity, *BOTH_MATCH)
leaving = after(exit_open, sees(exit_door=OPEN), sees(exit_beam=BROKEN), sees(exit_beam=CLEAR))
clearing = after(leaving, steadily(occupancy=NOBODY))
returning = after(half_open, steadily(occupancy=MANY))
referral = after(identity, HELP)
emergency = after(ready, EMERGENCY)
maintenance = after(ready, ENGINEER)
restarted = after(
    lambda new, **policy: new(**policy), told(e.Started(Reason.EMERGENCY)), *[told(e.DeviceReady(device)) for device in Device], sees(), waits(STEADY)
)
released = after(referral, RELEASED, sees(exit_door=OPEN))
nobody_came = after(half_open, waits(8.1))
officer_releases = after(referral, RELEASED)
officer_returns = after(referral, RETURNED)
nobody_helped = after(referral, waits(61), sees(entry_door=OPEN))
undecided = after(returning, waits(16), sees(entry_door=CLOSED))
late = after(leaving, waits(8.1), sees(exit_door=CLOSED))
late_released = after(released, sees(exit_beam=BROKEN), waits(8.1), sees(exit_beam=CLEAR), sees(exit_door=CLOSED))
backing = after(half_open, BOARD_LOST, BOARD_BACK, sees(), sees(entry_door=CLOSED))
cleared_but_beam = after(clearing, sees(entry_beam=BROKEN), sees(exit_door=CLOSED))
with_either = partial(identity, biometric_rule=BiometricRule.EITHER)
with_officer = partial(identity, biometric_rule=BiometricRule.FACE_ONLY_WITH_OFFICER)
started = after(lambda new, **policy: new(**policy), told(e.Started()))

# Without an entry door.
single_ready = partial(ready, lane=LaneKind.SINGLE_DOOR)
single_closed = after(single_ready, QR_LOST)
single_passing = after(single_ready, read())
single_identity = after(single_ready, lambda lane: lane.admit(), walk_in)
single_exit_open = after(single_identity, *BOTH_MATCH)
single_leaving = after(single_exit_open, sees(exit_door=OPEN), sees(exit_beam=BROKEN), sees(exit_beam=CLEAR))
single_clearing = after(single_leaving, steadily(occupancy=NOBODY))
single_entry_open = after(single_ready, lambda lane: lane.admit())
single_nobody_came = after(single_ready, lambda lane: lane.admit(), sees(exit_beam=BROKEN), waits(8.1))

BEFORE = {"out_of_service": out_of_service, "ready": ready, "maintenance": maintenance, "pass_check": passing}
INSIDE = {"entry_open": half_open, "occupancy_check": occupancy, "identity_check": identity, "exit_open": leaving}
AFTER = {"clearing": clearing, "return_path": returning, "officer_referral": referral}
PLACES = {**BEFORE, **INSIDE, **AFTER}
"""A place for each state but the emergency."""


# -- what is answered --------------------------------------------------------------------------------------------------------


def word(command):
    match command:
        case c.OpenDoor(door, _, urgent):
            return f"{door.value.removesuffix('_door')} opens{' at once' * urgent}"
        case c.CloseDoor(door):
            return f"{door.value.removesuffix('_door')} shuts"
        case c.ShowPrompt(prompt):
            return f"says {prompt.value}"
        case c.StartCheck(_, modality):
            return f"checks {modality.value}"
        case c.CallOfficer(reason, escalation):
            return f"calls {reason.code}{f' {escalation}' if escalation else ''}"
        case c.RecordCrossing(record):
            return f"records {record.outcome.value} {record.reason.code if record.reason else 'well'}"
        case c.NoteEvent(kind):
            return f"notes {kind}"
        case c.SetLamp(lamp, on):
            return f"lights {lamp.value} {on}"
    return {c.VerifyPass: "verifies", c.FindEnrolment: "looks up", c.RecordAdmission: "claims", c.PrepareBiometrics: "prepares", c.GatherPadEvidence: "watches", c.EndBiometrics: "forgets",
            c.EndOfficerCall: "ends the call"}[type(command)]  # fmt: skip


def answers(lane, steps):
    """All that is answered to these steps, and where the lane stands then."""
    said, tell = [], lane.tell

    def listening(event):
        out = tell(event)
        said.append(", ".join(word(command) for command in out if not isinstance(command, c.SetLamp)))
        return out

    lane.tell = listening
    for step in steps:
        step(lane)
    parts = [(text, len(list(same))) for text, same in groupby(text for text in said if text)]
    reason = lane.controller.reason.code if lane.controller.reason else "-"
    return "; ".join(f"{text} *{count}" if count > 1 else text for text, count in parts) + f" -> {lane.state.value} {reason}"
