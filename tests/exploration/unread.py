"""What no guard of a state reads may wait: such a signal, device or stop changes at the moment the state is left, not before.

In a state whose guards do not read a signal, its changes are without effect until the state is left; so they commute with everything up to the event
that leaves it. The search therefore holds such a signal at rest while the state lasts, and tells its change together with each event that leaves (one
change at a time: more of them only keep out what one of them keeps out already). Which guards read what is taken from the core's source (reads.py), and that the changes are without effect is checked whenever they are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from gate_controller.core import events as e
from gate_controller.core.actions import Actions
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.table import Row
from gate_controller.core.values import UNKNOWN_INPUTS, Device, Door, DoorPosition, LaneInputs, Occupancy
from tests.exploration.abstraction import NOW, TOLD_APART, somebody_only
from tests.exploration.reads import decided_by
from tests.exploration.world import BACK, CALM, LOST, STOP, VALUES, Told

SIGNALS = ("entry_door", "exit_door", "entry_beam", "exit_beam", "tamper")
SERVICE = frozenset({"in_service", "must_close", "closed_reason", "stopping"})
"""Through these, and no others, guards ask for a device that only an admission needs."""
NEEDED = SERVICE | {"lost_inside", "lost_reason"}
ONE_FOR_MANY = {State.OUT_OF_SERVICE, State.CLEARING, State.OFFICER_REFERRAL}
"""Where the beams are asked for only together with everything else that makes a chamber clear."""
WATCHED = {
    "entry_door": {"ajar_since", "unconfirmed_since", "seen_shut"},
    "exit_door": {"ajar_since", "unconfirmed_since", "seen_shut", "exit_doubted"},
    "entry_beam": {"entry_passed"},
    "exit_beam": {"exit_beam_broken"},
}
"""Doors and beams are read through these as well."""


class Unread:
    """What waits in which state of a table: names of signals, values of devices, "stopping"."""

    def __init__(self, table: tuple[Row, ...], policy: CrossingPolicy) -> None:
        self._signals = tuple(name for name in SIGNALS if name != Door.ENTRY.value or Door.ENTRY in policy.doors)
        self.of = {state: _unread(decided_by(state, table)) for state in State}
        # Where signals or devices are only asked for together with others, one stands for all of them (docs/exploration.md, "One for many").
        for state in (State.OUT_OF_SERVICE, State.CLEARING):
            watched = "exit_beam_broken" in decided_by(state, table)
            self.of[state] |= {"tamper", Device.FINGERPRINT.value} if watched else {"exit_beam", "tamper", Device.FINGERPRINT.value}
        # As soon as the chamber is clear, clearing is left; only then is it asked whether the lane is in service.
        self.of[State.CLEARING] |= {"stopping", Device.TRUST.value}
        self._referral = self.of[State.OFFICER_REFERRAL] | {"exit_beam"}

    def waiting(self, facts: dict[str, Any]) -> frozenset[str]:
        """What waits now. An officer called for somebody who may have left late watches the exit beam until it was interrupted."""
        state = facts["state"]
        waiting = self.of[state]
        if state is State.OFFICER_REFERRAL and (facts["reason"] not in TOLD_APART or facts["exit_beam_broken"]):
            waiting = self._referral
        # Whether anybody came by a doorless entry is asked for all by itself, until somebody did.
        if state in ONE_FOR_MANY and facts["entry_passed"] and not _clear_but_for_beams(facts):
            waiting = waiting | {"entry_beam"}
        return waiting

    def calmed(self, lane: Actions) -> Iterator[Told]:
        """What brings the unread to rest: devices work, signals are as in a calm lane."""
        waiting, inputs = self.waiting(lane.__dict__), lane.inputs
        if lane.missing:
            for device in (Device.FINGERPRINT, Device.TRUST):
                if device.value in waiting and device in lane.missing:
                    yield BACK[device]
        if inputs is not UNKNOWN_INPUTS and (told := _calm(inputs, waiting, somebody_only(lane.state, lane.by_officer()))) is not None:
            yield told

    def changes(self, passed: tuple[State, ...], facts: dict[str, Any]) -> Iterator[tuple[Told, ...]]:
        """What may have changed unread in a state with these facts and is read in one of the states that were `passed`: one thing at a time."""
        inputs, missing = facts["inputs"], facts["missing"]
        unread = self._newly_read(self.waiting(facts), passed)
        if inputs is not UNKNOWN_INPUTS and Device.IO_BOARD not in missing:
            for name in self._signals:
                if name in unread:
                    yield from _other(inputs, name)
        if not missing:
            for device in (Device.FINGERPRINT, Device.TRUST):
                if device.value in unread:
                    yield (LOST[device],)
        if "stopping" in unread and not facts["stopping"]:
            yield (STOP,)

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


def _clear_but_for_beams(facts: dict[str, Any]) -> bool:
    """Whether the beams alone decide if the chamber is clear; as long as something else says no, nobody asks for them."""
    inputs = facts["inputs"]
    return (
        inputs.occupancy is Occupancy.ZERO
        and facts["occupancy_since"] < NOW
        and inputs.entry_door is DoorPosition.CLOSED
        and inputs.exit_door is DoorPosition.CLOSED
        and Device.IO_BOARD not in facts["missing"]
    )


@cache
def _calm(inputs: LaneInputs, names: frozenset[str], somebody: bool) -> Told | None:
    calm = replace(inputs, **{name: getattr(CALM, name) for name in names.intersection(SIGNALS)})
    if somebody and inputs.occupancy is Occupancy.MANY:
        calm = replace(calm, occupancy=Occupancy.ONE)
    return None if calm == inputs else Told("", e.InputsRead(calm))


@cache
def _other(inputs: LaneInputs, name: str) -> tuple[tuple[Told, ...], ...]:
    others = [value for value in VALUES[name] if value is not getattr(inputs, name)]
    return tuple((Told(f"{name} {value.value}", e.InputsRead(replace(inputs, **{name: value}))),) for value in others)
