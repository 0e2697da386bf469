"""A crossing's decision derived again from its trace: a new controller, brought into the recorded situation and told the recorded events.

Compares what it commands and where it goes with the checks in the trace, event by event; the caller compares the record. Reads no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core import situation
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import UNKNOWN_INPUTS, LaneInputs
from gate_controller.runtime.trace import FORMAT, next_check, policy_digest, program_digest, reduced_command
from gate_controller.runtime.trace_codec import decode


class UnreadableTraceError(ValueError):
    """Not a trace that this program can derive a decision from; one line."""


@dataclass(frozen=True, slots=True)
class DerivedStep:
    """One event and what was derived from it.

    Attributes:
        at_s: Seconds after the crossing's first event.
        event: The event.
        state: The state after it.
        reason: Why, where a reason applies.
        commands: What it led to.
        same: Whether state and commands are those that were recorded.
    """

    at_s: float
    event: e.Event
    state: State
    reason: Reason | None
    commands: tuple[c.Command, ...]
    same: bool


@dataclass(slots=True)
class Derivation:
    """A decision derived again.

    Attributes:
        steps: Up to and including the first that differs.
        record: The crossing's record, if it came to one.
        same_program: Whether the core's source is the one that decided then.
        inputs: The inputs before the first event.
    """

    steps: list[DerivedStep] = field(default_factory=list)
    record: c.CrossingRecord | None = None
    same_program: bool = True
    inputs: LaneInputs = UNKNOWN_INPUTS


def rederive(trace: dict[str, Any]) -> Derivation:
    """Derive the decision again.

    Raises:
        UnreadableTraceError: The trace is malformed, was cut, or is of a core that remembered other things.
    """
    try:
        policy = decode(trace["policy"])
        before = {name: decode(value) for name, value in trace["situation"].items()}
        events = _decoded_events(trace["events"], before["inputs"])
        found = Derivation(same_program=trace["program"] == program_digest(), inputs=before["inputs"])
        if trace["format"] != FORMAT or not isinstance(policy, CrossingPolicy) or policy_digest(policy) != trace["policy_digest"]:
            raise UnreadableTraceError("its format or its policy is not what its digest says")
        if trace["cut"]:
            msg = f"it was cut: {trace['cut']} events were too many to be kept"
            raise UnreadableTraceError(msg)
        _derive(policy, before, events, found)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise error if isinstance(error, UnreadableTraceError) else UnreadableTraceError(f"{type(error).__name__}: {error}") from error
    return found


def _derive(policy: CrossingPolicy, before: dict[str, object], events: list[tuple[float, e.Event, str]], found: Derivation) -> None:
    controller = situation.restore(policy, before)
    check = ""
    for now, event, recorded in events:
        commands = tuple(map(reduced_command, controller.handle(event, now)))
        check = next_check(check, controller.state, commands)
        found.steps.append(DerivedStep(now - events[0][0], event, controller.state, controller.reason, commands, check == recorded))
        found.record = next((command.record for command in commands if isinstance(command, c.RecordCrossing)), found.record)
        if check != recorded:
            return


def _decoded_events(written: list[Any], inputs: LaneInputs) -> list[tuple[float, e.Event, str]]:
    events = []
    for now, data, check in written:
        if list(data) == ["InputsRead"]:
            inputs = replace(inputs, **{name: decode(value) for name, value in data["InputsRead"].items()})
            event: e.Event = e.InputsRead(inputs)
        else:
            event = decode(data)
            if not isinstance(event, e.Event):
                raise UnreadableTraceError("it holds something that is no event")
        events.append((decode({"float": now}), event, check))
    return events
