"""Traces: for each crossing, what the core knew at its begin and every event it was told until its end, so that the decision can be derived again.

    {"format": 1, "program", "policy": {...}, "policy_digest", "situation": {name: value}, "events": [[now, event, check], ...], "cut": number}

`now` is the monotonic time as the core had it, to the last bit. An event is as trace_codec.py writes it; InputsRead only lists what changed. `check`
is the beginning of a hash over the check before it, the state after the event and the commands that it led to: the first difference shows where a
derivation parts from the record.

What names a person or a document is left out before it is kept, and the core never decides by it: the QR text is empty; pass id, enrolment
reference and the times of pass and presentation are zero. How long ago a person registered would name them as well, to the second, by the time of the row: of that
and of the age only what the policy asks is kept. What stays is personal all the same (officers' identities): the journal deletes it when its time is over.

Decides nothing, and a bug in here costs the trace, never the crossing. rederive.py reads what is written here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from gate_controller import core
from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core import situation
from gate_controller.core.machine import Controller
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.values import LaneInputs, PassFacts
from gate_controller.runtime.trace_codec import encode

FORMAT = 1
MOST_EVENTS = 2000
"""More are counted, not kept: a trace must not fill the disk."""
NOTHING = bytes(16)
CHECK_DIGITS = 8
log = structlog.get_logger("gate.trace")


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of a crossing, and what the core made of it; both reduced."""

    now: float
    event: e.Event
    state: State
    commands: tuple[c.Command, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of one crossing, ready to be journalled.

    Attributes:
        crossing_id: The crossing.
        policy: What was decided by.
        situation: What the core remembered before the first event.
        moments: The events in their order.
        cut: Events beyond MOST_EVENTS, which are not kept.
    """

    crossing_id: str
    policy: CrossingPolicy
    situation: dict[str, object] = field(repr=False)
    moments: tuple[Moment, ...] = field(repr=False)
    cut: int = 0

    def as_json(self) -> dict[str, Any]:
        """The JSON object that the module describes."""
        written, check = [], ""
        inputs = self.situation["inputs"]
        for moment in self.moments:
            check = next_check(check, moment.state, moment.commands)
            written.append([encode(moment.now)["float"], encode_event(moment.event, inputs), check])
            inputs = moment.event.inputs if isinstance(moment.event, e.InputsRead) else inputs
        return {
            "format": FORMAT,
            "program": program_digest(),
            "policy": encode(self.policy),
            "policy_digest": policy_digest(self.policy),
            "situation": {name: encode(value) for name, value in self.situation.items()},
            "events": written,
            "cut": self.cut,
        }


class TraceRecorder:
    """Watches a controller being told events.

    Args:
        controller: The lane's.
        policy: What it decides by.
    """

    def __init__(self, controller: Controller, policy: CrossingPolicy) -> None:
        self._controller = controller
        self._policy = policy
        self._before: dict[str, object] = {}
        self._moments: list[Moment] = []
        self._cut = 0

    def before(self) -> None:
        """Called before each event. Never raises."""
        if self._controller.crossing_id is None:
            self._moments, self._cut = [], 0
            try:
                self._before = situation.take(self._controller)
            except Exception:
                log.exception("trace lost")
                self._before = {}

    def after(self, event: e.Event, now: float, commands: Iterable[c.Command]) -> Trace | None:
        """Called with each event and what it led to; a trace when a crossing ended by it. Never raises."""
        try:
            return self._after(event, now, tuple(commands))
        except Exception:  # the decision stands, with or without its trace
            log.exception("trace lost")
            return None

    def _after(self, event: e.Event, now: float, commands: tuple[c.Command, ...]) -> Trace | None:
        record = next((command.record for command in commands if isinstance(command, c.RecordCrossing)), None)
        if record is None and self._controller.crossing_id is None:
            return None
        if len(self._moments) < MOST_EVENTS:
            self._moments.append(Moment(float(now), reduced_event(event, self._policy), self._controller.state, tuple(map(reduced_command, commands))))
        else:
            self._cut += 1
        if record is None or not self._before:
            return None
        return Trace(record.crossing_id, self._policy, self._before, tuple(self._moments), self._cut)


def reduced_event(event: e.Event, policy: CrossingPolicy) -> e.Event:
    """The event without what names a person or a document; `policy` decides the same by it."""
    if isinstance(event, e.PassRead):
        return replace(event, text="")
    if isinstance(event, e.PassVerified):
        known = event.facts
        return replace(event, facts=PassFacts(NOTHING, NOTHING, known.issuer, known.traveller_class, 0, 0, 0, known.degraded))
    if isinstance(event, e.EnrolmentFound):
        found = event.facts
        registered_for_s = policy.registered_min_s if found.registered_for_s >= policy.registered_min_s else 0.0
        age_years = max((limit for limit in (policy.minimum_age, policy.low_risk_minimum_age) if limit <= found.age_years), default=0)
        return replace(event, facts=replace(found, registered_for_s=registered_for_s, age_years=age_years))
    return event


def reduced_command(command: c.Command) -> c.Command:
    """The command without what names a person or a document."""
    if isinstance(command, c.VerifyPass):
        return replace(command, text="")
    if isinstance(command, c.FindEnrolment):
        return replace(command, reference=NOTHING)
    if isinstance(command, c.RecordAdmission):
        return replace(command, pass_id=NOTHING, issued_at=0, expires_at=0)
    return command


def encode_event(event: e.Event, inputs: object) -> Any:
    """JSON of an event; of inputs only what differs from `inputs`."""
    if isinstance(event, e.InputsRead):
        changed = {each.name for each in fields(LaneInputs) if getattr(event.inputs, each.name) is not getattr(inputs, each.name)}
        return {"InputsRead": {name: encode(getattr(event.inputs, name)) for name in sorted(changed)}}
    return encode(event)


def next_check(check: str, state: State, commands: Iterable[c.Command]) -> str:
    """The check after one more event."""
    text = json.dumps([check, encode(state), [encode(command) for command in commands]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:CHECK_DIGITS]


def policy_digest(policy: CrossingPolicy) -> str:
    """SHA-256 of the policy's values."""
    return hashlib.sha256(json.dumps(encode(policy), sort_keys=True).encode()).hexdigest()


@cache
def program_digest() -> str:
    """SHA-256 of the core's source: which version of the rules decided."""
    digest = hashlib.sha256()
    for path in sorted(Path(core.__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
