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
from tests.exploration.abstraction import TOLD_APART
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
        # Where signals or devices are only asked for together with others, one stands for all of them (docs/exploration.md, "One for many").
        self.of[State.OUT_OF_SERVICE] |= {"exit_beam", "tamper", Device.FINGERPRINT.value}
        self.of[State.CLEARING] |= {"exit_beam", "tamper", Device.FINGERPRINT.value, "stopping"}
        self._referral = self.of[State.OFFICER_REFERRAL] | {"exit_beam"}

    def waiting(self, facts: dict[str, Any]) -> frozenset[str]:
        """What waits now. An officer called for somebody who may have left late watches the exit beam until it was interrupted."""
        state = facts["state"]
        if state is State.OFFICER_REFERRAL and (facts["reason"] not in TOLD_APART or facts["exit_beam_broken"]):
            return self._referral
        return self.of[state]

    def calmed(self, lane: Actions) -> Iterator[Told]:
        """What brings the unread to rest: devices work, signals are as in a calm lane."""
        waiting, inputs = self.waiting(lane.__dict__), lane.inputs
        if lane.missing:
            for device in (Device.FINGERPRINT, Device.TRUST):
                if device.value in waiting and device in lane.missing:
                    yield BACK[device]
        if inputs is not UNKNOWN_INPUTS and (told := _calm(inputs, waiting)) is not None:
            yield told

    def changes(self, passed: tuple[State, ...], facts: dict[str, Any]) -> Iterator[tuple[Told, ...]]:
        """What may have changed unread in a state with these facts and is read in one of the states that were `passed`: signals in every combination, with one trouble at most."""
        inputs, missing = facts["inputs"], facts["missing"]
        unread = self._newly_read(self.waiting(facts), passed)
        signals: list[Told | None] = [None]
        troubles: list[Told | None] = [None]
        if inputs != UNKNOWN_INPUTS and Device.IO_BOARD not in missing:
            signals += _other(inputs, tuple(name for name in SIGNALS if name in unread and name != "tamper"))
        if not missing:
            troubles += [LOST[device] for device in (Device.FINGERPRINT, Device.TRUST) if device.value in unread]
        if "stopping" in unread and not facts["stopping"]:
            troubles.append(STOP)
        for combination in itertools.product(signals, troubles):
            chosen = tuple([told for told in combination if told is not None])
            if chosen:
                yield chosen
        if "tamper" in unread and signals and inputs != UNKNOWN_INPUTS:
            yield _other(inputs, ("tamper",))

    @cache  # noqa: B019 - lives as long as the search
    def _newly_read(self, waiting: frozenset[str], passed: tuple[State, ...]) -> frozenset[str]:
        return waiting - frozenset.intersection(*(frozenset(self.of[each]) for each in passed))


def _unread(decided: frozenset[str]) -> frozenset[str]:
    waits = {name for name in SIGNALS if f"inputs.{name}" not in decided and not WATCHED.get(name, set()) & decided}
    if not SERVICE & decided:
        waits |= {"stopping", Device.TRUST.value}
    if not NEEDED & decided:
        waits.add(Device.FINGERPRINT.value)
    return frozenset(waits)


@cache
def _calm(inputs: LaneInputs, names: frozenset[str]) -> Told | None:
    calm = replace(inputs, **{name: getattr(CALM, name) for name in names.intersection(SIGNALS)})
    return None if calm == inputs else Told("", e.InputsRead(calm))


@cache
def _other(inputs: LaneInputs, names: tuple[str, ...]) -> tuple[Told, ...]:
    told = []
    for values in itertools.product(*[VALUES[name] for name in names]):
        after = replace(inputs, **dict(zip(names, values, strict=True)))
        if after != inputs:
            changed = [f"{name} {value.value}" for name, value in zip(names, values, strict=True) if getattr(inputs, name) is not value]
            told.append(Told(", ".join(changed), e.InputsRead(after)))
    return tuple(told)
