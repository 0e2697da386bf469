"""What the answers and bodies of the control API look like: JSON Schema (2020-12), as OpenAPI 3.1 takes it.

Names of devices, states, prompts and reasons come from the core, so that a new one cannot be forgotten here. Does not check anything itself.
"""

from __future__ import annotations

from typing import Any

from gate_controller.control.requests import COUNTERS, GATE_LENGTH, IDENTITY_LENGTH, REASON_LENGTH
from gate_controller.control.roles import Role
from gate_controller.core.prompts import Prompt
from gate_controller.core.states import State
from gate_controller.core.values import Device, DoorPosition, Occupancy

Schema = dict[str, Any]

ACTIONS = ("acknowledge", "assist", "release", "return", "rearm")
TEXT: Schema = {"type": "string"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
FLAG: Schema = {"type": "boolean"}
SECONDS: Schema = {"type": "number", "minimum": 0, "description": "seconds"}
COUNT: Schema = {"type": "integer", "minimum": 0}
COUNTER: Schema = {"type": "integer", "minimum": 0, "maximum": COUNTERS - 1}
ANYTHING: Schema = {"type": "object"}


def object_of(description: str, /, optional: tuple[str, ...] = (), *, closed: bool = False, **members: Schema) -> Schema:
    """An object whose members are all required but the `optional` ones; `closed`: it has no others."""
    required = [name for name in members if name not in optional]
    made: Schema = {"type": "object", "description": description, "properties": members}
    return {**made, **({"required": required} if required else {}), **({"additionalProperties": False} if closed else {})}


def list_of(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def one_of(*values: object) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": [str(value) for value in values]}


def map_of(schema: Schema) -> Schema:
    """An object with whatever names."""
    return {"type": "object", "additionalProperties": schema}


def _line(longest: int, description: str, *, needed: bool = False) -> Schema:
    shortest = {"minLength": 1} if needed else {}
    return {"type": "string", "maxLength": longest, **shortest, "description": f"{description}. One line of printable characters"}


IDENTITY = _line(IDENTITY_LENGTH, "Who acts, e.g. a service number; journalled, not logged", needed=True)
REASON = _line(REASON_LENGTH, "Why; journalled, not logged")
NEEDED_REASON = _line(REASON_LENGTH, "Why; journalled, not logged", needed=True)

ERROR = object_of("What went wrong, and what helps", error=TEXT, remedy=TEXT)
STATUS = object_of(
    "The lane as it is",
    (
        "region",
        "direction",
        "prompt",
        "occupancy",
        "doors",
        "devices",
        "since_s",
        "uptime_s",
        "version",
    ),
    gate=TEXT,
    region=TEXT,
    direction=TEXT,
    state=one_of(*(state.value for state in State)),
    reason=MAYBE_TEXT,
    prompt={"type": ["string", "null"], "enum": [*(prompt.value for prompt in Prompt), None]},
    occupancy=one_of(*(each.value for each in Occupancy)),
    doors=map_of(one_of(*(each.value for each in DoorPosition))),
    devices=map_of(object_of("A device or store", state=TEXT, code=TEXT, detail=TEXT, remedy=TEXT)),
    officer_call={
        "anyOf": [
            {"type": "null"},
            object_of(
                "The pending call for an officer", ("number", "since_s"), number=COUNT, reason=TEXT, escalation=COUNT, acknowledged=FLAG, since_s=SECONDS
            ),
        ],
    },
    since_s=SECONDS,
    uptime_s=SECONDS,
    version={**TEXT, "description": "of the gate controller; not in the events"},
    trust=map_of(ANYTHING),
    trust_store=ANYTHING,
    enrolments=map_of(object_of("What is in force of a region", snapshot=COUNT, delta=COUNT, records=COUNT, issued_at=COUNT)),
)
CROSSINGS = object_of(
    "Recent crossings, oldest first",
    run=TEXT,
    last=COUNT,
    missed=COUNT,
    crossings=list_of(object_of("A crossing's record", number=COUNT, at={"type": "number"})),
)
WHOAMI = object_of(
    "Who asks, as the kernel says",
    ("user", "groups"),
    uid=COUNT,
    user={**TEXT, "description": "name at the gate; empty where it is not known"},
    roles=list_of(one_of(*(role.value for role in Role))),
    groups={**map_of(TEXT), "description": "the group of each role"},
)
ACTED = object_of("The act was carried out", accepted=FLAG, action=TEXT, uid=COUNT)
SWITCHED = object_of("The lane is as it was asked to be", accepted=FLAG, on=FLAG, uid=COUNT)
CALLS = object_of(
    "Calls for an officer that are not ended",
    calls=list_of(
        object_of(
            "One call",
            ("number",),
            number=COUNT,
            reason={**TEXT, "description": "code of the reason"},
            since_s=SECONDS,
            acknowledged={**MAYBE_TEXT, "description": "who acknowledged it"},
            escalations=COUNT,
            state=one_of(*(state.value for state in State)),
            prompt=MAYBE_TEXT,
        )
    ),
)
DIAGNOSTICS = object_of(
    "What an engineer wants to know of a running gate",
    version=TEXT,
    pid=COUNT,
    uptime_s=SECONDS,
    configuration=TEXT,
    devices=list_of(
        object_of(
            "A device or store",
            device=one_of(*(device.value for device in Device)),
            driver={**MAYBE_TEXT, "description": "null for a store"},
            state=one_of("starting", "ready", "lost"),
            reason={**TEXT, "description": "code of what ails it, or empty"},
            detail=TEXT,
            remedy=TEXT,
            since_s=SECONDS,
            info={**map_of(TEXT), "description": "what the device said of itself when it was opened"},
        )
    ),
    inputs={**map_of(TEXT), "description": "clear, active or unknown; doors and occupancy by their own words"},
    stores=ANYTHING,
    trust=ANYTHING,
    queues=map_of(COUNT),
)
TESTED = object_of(
    "How a device did",
    device=TEXT,
    result=one_of("pass", "warn", "fail"),
    findings=list_of(TEXT),
    values=map_of({"type": ["number", "string", "boolean"]}),
)

OFFICER = object_of(
    "An officer's act; a release and a return of somebody need a reason",
    ("reason", "call", "gate"),
    closed=True,
    action=one_of(*ACTIONS),
    identity=IDENTITY,
    reason=REASON,
    gate=_line(GATE_LENGTH, "Id of the gate that is meant: another refuses the act"),
    call={
        **COUNTER,
        "description": "Number of the call that is answered, 0 that nobody is called; the act is refused if another is pending by now, or any. Left out: whatever is pending; a release and a return demand it",
    },
)
MAINTENANCE = object_of("An engineer takes the lane, or gives it back", closed=True, on=FLAG, identity=IDENTITY, reason=NEEDED_REASON)
TEST = object_of("Why a device is tested", closed=True, reason=NEEDED_REASON)
