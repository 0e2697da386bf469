"""What no guard of a state reads may wait: such a signal, device or stop changes at the moment the state is left, not before.

In a state whose guards do not read a signal, its changes are without effect until the state is left; so they commute with everything up to the event
that leaves it. The search therefore holds such a signal at rest while the state lasts, and tells every combination of changes together with each
event that leaves. Which guards read what is taken from the core's source (reads.py), and that the changes are without effect is checked whenever they are told.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from gate_controller.core import events as e
from gate_controller.core.actions import Actions
from gate_controller.core.states import State
from gate_controller.core.table import Row
from gate_controller.core.values import UNKNOWN_INPUTS, Device, LaneInputs
from tests.exploration.reads import decided_by
from tests.exploration.world import BACK, CALM, LOST, STOP, VALUES, Told

SIGNALS = ("entry_door", "exit_door", "entry_beam", "exit_beam", "tamper")
SERVICE = frozenset({"in_service", "must_close", "closed_reason", "stopping"})
"""Through these, and no others, guards ask for a device that only an admission needs."""
NEEDED = SERVICE | {"lost_inside", "lost_reason"}
WATCHED = {"entry_door": {"ajar_since", "unconfirmed_since", "seen_shut"}, "exit_door": {"ajar_since", "unconfirmed_since", "seen_shut", "exit_doubted"}}
"""A door is read through these as well."""


class Unread:
    """What waits in which state of a table: names of signals, values of devices, "stopping"."""

    def __init__(self, table: tuple[Row, ...]) -> None:
        self.of = {state: _unread(decided_by(state, table)) for state in State}
        self.of[State.OUT_OF_SERVICE] |= {"exit_beam", "tamper"}  # entry_beam stands for whatever merely keeps the service from being resumed
        self._signals = {state: tuple([name for name in SIGNALS if name in self.of[state]]) for state in State}

    def calmed(self, lane: Actions) -> Iterator[Told]:
        """What brings the unread to rest: devices work, signals are as in a calm lane."""
        state, inputs = lane.state, lane.inputs
        for device in (Device.FINGERPRINT, Device.TRUST):
            if device.value in self.of[state] and device in lane.missing:
                yield BACK[device]
        if inputs != UNKNOWN_INPUTS:
            for name in self._signals[state]:
                if getattr(inputs, name) is not getattr(CALM, name):
                    yield _calm(inputs, self._signals[state])
                    return

    def changes(self, state: State, facts: dict[str, Any]) -> Iterator[tuple[Told, ...]]:
        """Every combination of what may have changed unread, but the one in which nothing did."""
        unread, inputs, missing = self.of[state], facts["inputs"], facts["missing"]
        choices: list[tuple[Told | None, ...]] = []
        if inputs != UNKNOWN_INPUTS and Device.IO_BOARD not in missing:
            choices.append((None, *_other(inputs, self._signals[state])))
        lost = [LOST[device] for device in (Device.FINGERPRINT, Device.TRUST) if device.value in unread and not missing]
        if lost:
            choices.append((None, *lost))
        if "stopping" in unread and not facts["stopping"]:
            choices.append((None, STOP))
        for combination in itertools.product(*choices):
            chosen = tuple([told for told in combination if told is not None])
            if chosen:
                yield chosen


def _unread(decided: frozenset[str]) -> frozenset[str]:
    waits = {name for name in SIGNALS if f"inputs.{name}" not in decided and not WATCHED.get(name, set()) & decided}
    if not SERVICE & decided:
        waits |= {"stopping", Device.TRUST.value}
    if not NEEDED & decided:
        waits.add(Device.FINGERPRINT.value)
    return frozenset(waits)


@cache
def _calm(inputs: LaneInputs, names: tuple[str, ...]) -> Told:
    return Told("", e.InputsRead(replace(inputs, **{name: getattr(CALM, name) for name in names})))


@cache
def _other(inputs: LaneInputs, names: tuple[str, ...]) -> tuple[Told, ...]:
    told = []
    for values in itertools.product(*[VALUES[name] for name in names]):
        after = replace(inputs, **dict(zip(names, values, strict=True)))
        if after != inputs:
            changed = [f"{name} {value.value}" for name, value in zip(names, values, strict=True) if getattr(inputs, name) is not value]
            told.append(Told(", ".join(changed), e.InputsRead(after)))
    return tuple(told)
