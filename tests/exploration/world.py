"""Everything that can be told to the core, as a finite list: inputs one signal at a time and together, answers of devices and stores (also for
another crossing), faults, officers, an engineer, a stop. Time is not among them (abstraction.py has it). Explores nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from gate_controller.core import events as e
from gate_controller.core.policy import CrossingPolicy, PadRule
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import (
    UNKNOWN_INPUTS,
    CheckOutcome,
    Device,
    Door,
    DoorPosition,
    EnrolmentFacts,
    LaneInputs,
    Modality,
    Occupancy,
    Region,
    TriState,
)
from tests.exploration.abstraction import ID, PASS

OTHER = "z"
"""A crossing that is over, or never was."""
ADULT = EnrolmentFacts(30, frozenset(Region), 1e6, suspended=False, fingers=1, face=True)
CHILD = replace(ADULT, age_years=9)
FAILED = CheckOutcome.FAILED
"""Stands for every end of a check but success, and but for a face that was not judged: no guard tells them apart (test_abstraction.py)."""
DEVICES = (Device.IO_BOARD, Device.FINGERPRINT, Device.TRUST)
"""One of each kind: tells of the doors; needed for whoever is inside; needed only to admit somebody."""
ALIKE = {Device.FINGERPRINT: (Device.FACE_CAMERA, Device.JOURNAL), Device.TRUST: (Device.QR_CAMERA, Device.PASS_VERIFIER, Device.ENROLMENT)}
"""Devices for which one of DEVICES stands: every guard treats them alike (test_abstraction.py)."""

VALUES = {
    "entry_door": (DoorPosition.CLOSED, DoorPosition.OPEN, DoorPosition.UNKNOWN),
    "exit_door": (DoorPosition.CLOSED, DoorPosition.OPEN, DoorPosition.UNKNOWN),
    "entry_beam": (TriState.INACTIVE, TriState.ACTIVE),
    "exit_beam": (TriState.INACTIVE, TriState.ACTIVE),
    "emergency": (TriState.INACTIVE, TriState.ACTIVE),
    "tamper": (TriState.INACTIVE, TriState.ACTIVE),
    "occupancy": tuple(Occupancy),
}
"""What a board that answers can report: contacts of a door may contradict each other and a counter may fail; a loop is open or closed."""
CALM = LaneInputs(*[values[0] for values in VALUES.values()][:6], Occupancy.ZERO)
AJAR = DoorPosition.OPEN
FIRST_ANSWERS = (
    *[replace(CALM, occupancy=count) for count in Occupancy],
    replace(CALM, entry_door=AJAR),
    replace(CALM, entry_door=AJAR, occupancy=Occupancy.ONE),
    replace(CALM, exit_door=AJAR, occupancy=Occupancy.ONE),
    replace(CALM, entry_door=AJAR, exit_door=AJAR, occupancy=Occupancy.ONE),
    replace(CALM, emergency=TriState.ACTIVE, occupancy=Occupancy.ONE),
    replace(CALM, entry_beam=TriState.ACTIVE, exit_beam=TriState.ACTIVE, tamper=TriState.ACTIVE),
)
"""What a board reports that was silent; whatever else may be the case follows signal by signal, at once."""
TOGETHER = (
    {"entry_beam": TriState.INACTIVE, "occupancy": Occupancy.ONE},
    {"exit_beam": TriState.INACTIVE, "occupancy": Occupancy.ZERO},
    {"entry_door": DoorPosition.CLOSED, "occupancy": Occupancy.ZERO},
    {"exit_door": DoorPosition.CLOSED, "occupancy": Occupancy.ZERO},
    {"entry_door": AJAR, "exit_door": AJAR},
    {"entry_door": DoorPosition.CLOSED, "exit_door": DoorPosition.CLOSED},
)
"""Signals that one movement changes at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One event with its name in a trace; each is made once, and is itself what tells it from others.

    Attributes:
        label: The name.
        event: What the core is told.
        mine: It answers the open crossing.
        alone: It changes one thing, and is also told when times are over that nobody has told yet.
    """

    label: str
    event: e.Event
    mine: bool = False
    alone: bool = True


def answers(policy: CrossingPolicy) -> tuple[Told, ...]:
    """Every answer of devices and stores, for the open crossing and for another. Where a judgement is required, one that was not made is as one that failed."""
    return tuple(told for told in ANSWERS if not (policy.pad_rule is PadRule.REQUIRED and _not_judged(told.event)))


def _not_judged(event: e.Event) -> bool:
    return isinstance(event, e.CheckEnded) and event.outcome is CheckOutcome.NOT_SUPPORTED


def _answers(crossing_id: str, whose: str) -> list[Told]:
    mine = crossing_id == ID
    events: list[tuple[str, e.Event]] = [
        ("pass verified", e.PassVerified(crossing_id, PASS)),
        ("pass refused", e.PassRefused(crossing_id, Reason.PASS_EXPIRED)),
        ("enrolment found", e.EnrolmentFound(crossing_id, ADULT)),
        ("enrolment of a child found", e.EnrolmentFound(crossing_id, CHILD)),
        ("enrolment not found", e.EnrolmentNotFound(crossing_id)),
        ("admission recorded", e.AdmissionRecorded(crossing_id)),
        ("check progressed", e.CheckProgressed(crossing_id, Modality.FACE, Prompt.LOOK_HERE)),
    ]
    failed = {Modality.FINGERPRINT: Reason.FINGERPRINT_MISMATCH, Modality.FACE: Reason.FACE_MISMATCH, Modality.PAD: Reason.PAD_ALARM}
    for modality in Modality:
        for outcome in (CheckOutcome.SUCCESSFUL, FAILED):
            reason = None if outcome is CheckOutcome.SUCCESSFUL else failed[modality]
            events.append((f"{modality.value} check {outcome.value}", e.CheckEnded(crossing_id, modality, outcome, reason)))
    events.append(("pad not performed", e.CheckEnded(crossing_id, Modality.PAD, CheckOutcome.NOT_SUPPORTED, Reason.PAD_NOT_PERFORMED)))
    events.append(("a second face", e.CheckEnded(crossing_id, Modality.FACE, CheckOutcome.FAILED, Reason.SEVERAL_FACES)))
    return [Told(f"{label}{whose}", event, mine) for label, event in events]


STARTS = tuple(
    Told(f"started{', latched: ' + latched.code if latched else ''}", e.Started(latched))
    for latched in (None, Reason.EMERGENCY, Reason.DOOR_FORCED, Reason.MAINTENANCE)
)
ANSWERS = (*_answers(ID, ""), *_answers(OTHER, " for another crossing"))
ACTS = (
    Told("pass read", e.PassRead(ID, "T")),
    Told("officer acknowledged", e.OfficerAcknowledged("o")),
    Told("assistance requested", e.AssistanceRequested("o")),
    Told("officer returned", e.OfficerReturned(ID, "o", "r")),
    Told("officer released", e.OfficerReleased(ID, "o", "r")),
    Told("re-armed", e.Rearmed("o")),
    Told("maintenance on", e.MaintenanceSwitched(True, "o")),
    Told("maintenance off", e.MaintenanceSwitched(False, "o")),
    Told("stop now", e.StopRequested(now=True)),
)
STOP = Told("stop when idle", e.StopRequested())
LOST = {device: Told(f"{device.value} lost", e.DeviceLost(device, "absent"), alone=device is Device.IO_BOARD) for device in Device}
BACK = {device: Told(f"{device.value} works", e.DeviceReady(device), alone=device is Device.IO_BOARD) for device in Device}
TIMER = Told("time", e.TimerExpired())


@cache
def readings(inputs: LaneInputs, doors: tuple[Door, ...]) -> tuple[tuple[str, Told], ...]:
    """Every next reading of a board that reports `inputs`, with the signal that changes ("" for several). A door that the lane has not reads as closed."""
    shut = {door.value: DoorPosition.CLOSED for door in Door if door not in doors}
    if inputs == UNKNOWN_INPUTS:
        return tuple(
            ("", Told(_named(CALM, first) or "calm", e.InputsRead(first), alone=False))
            for first in dict.fromkeys(replace(first, **shut) for first in FIRST_ANSWERS)
        )
    single = [(name, replace(inputs, **{name: value})) for name, values in VALUES.items() if name not in shut for value in values]
    together = [("", replace(inputs, **changes | shut)) for changes in TOGETHER]
    known = {}
    for name, after in single + together:
        if after != inputs:
            known.setdefault(after, name)
    told = [(name, Told(_named(inputs, after), e.InputsRead(after), alone=name != "")) for after, name in known.items()]
    return (*told, ("", Told("inputs unknown", e.InputsRead(UNKNOWN_INPUTS))))


def _named(before: LaneInputs, after: LaneInputs) -> str:
    return ", ".join(f"{name} {getattr(after, name).value}" for name in VALUES if getattr(after, name) is not getattr(before, name))
