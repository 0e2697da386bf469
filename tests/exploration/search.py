"""Breadth-first through every state of the core and every event: which are reached, and what the monitor says to each step.

Keeps no opinion of its own: the core decides, the monitor judges; how far that reaches is argued in docs/exploration.md. Who is inside and helped
when nothing but time passes is judged afterwards (help.py).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gate_controller.core import events as e
from gate_controller.core.machine import TRIGGERS
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.table import TABLE, Row
from gate_controller.core.values import Device, Occupancy
from tests.exploration.abstraction import NOW, SOMEBODY, Codec, Key, restore
from tests.exploration.direct import DirectController
from tests.exploration.monitor import BrokenInvariantError, Monitor
from tests.exploration.nodes import NOBODY, Nodes
from tests.exploration.unread import Unread
from tests.exploration.world import ACTS, ANSWERS, BACK, LOST, STARTS, STOP, TIMER, Told, readings

ALWAYS_HEARD = (e.InputsRead, e.DeviceLost, e.DeviceReady, e.Started, e.StopRequested)
"""Events that change facts whatever the state; all others need a row, or they are without effect."""
INERT_SAMPLE = 100
"""In so many nodes of each state the events without effect are told as well, to see that they have none."""


@dataclass
class Found:
    """What a search found.

    Attributes:
        nodes: Different states of core and monitor together; `core_states` of the core alone, `by_state` by the lane's state.
        steps: Transitions judged, `without_effect` among them.
        occupied: Nodes with somebody inside.
        depth: Events on the longest of the shortest ways.
        seconds: CPU seconds.
        complete: Nothing was left to explore.
        violations: What the monitor said, each with the node it was at and what was told there.
        traces: The same, with the shortest way to it.
        longest_wait: At most so many times run out one after another before whoever is inside is helped.
    """

    nodes: int = 0
    core_states: int = 0
    by_state: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    without_effect: int = 0
    occupied: int = 0
    depth: int = 0
    seconds: float = 0.0
    complete: bool = False
    violations: dict[str, tuple[int, str]] = field(default_factory=dict)
    traces: dict[str, list[str]] = field(default_factory=dict)
    longest_wait: int = 0

    def add(self, other: Found) -> None:
        """Take another share's findings in."""
        for name in ("nodes", "core_states", "steps", "without_effect", "occupied", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.by_state += other.by_state
        self.depth = max(self.depth, other.depth)
        self.violations = {**other.violations, **self.violations}


class Search:
    """One search under one policy, or one share of it.

    Args:
        policy: The lane's rules; its times do not matter.
        table: The rows to explore; another than TABLE is for checking this check.
        share: Which of how many shares of the nodes is expanded here.
    """

    def __init__(self, policy: CrossingPolicy, table: tuple[Row, ...] = TABLE, share: tuple[int, int] = (0, 1)) -> None:
        self.core = DirectController(policy, table)
        self.lane = self.core.lane
        self.monitor = Monitor(policy)
        self.codec = Codec(self.lane, table)
        self.unread = Unread(table)
        self.nodes = Nodes(*share)
        self.waiting: dict[int, list[int]] = {}
        self._found = Found()
        self._triggered = {(row.trigger, source) for row in table for source in row.sources}
        self._sampled: Counter[State] = Counter()
        self._left = False
        self._passed: list[State] = []
        arm = self.lane.arm
        self.lane.arm = lambda state: (self._passed.append(state), arm(state))[1]  # type: ignore[method-assign] # to see which states an event leads through

    def begin(self) -> None:
        """Make the nodes from which everything starts."""
        for start in STARTS:
            fresh = DirectController(self.lane.policy)
            restore(self.lane, self.codec.decode(self.codec.encode(fresh.lane)))
            self.monitor = Monitor(self.lane.policy)
            for told in (start, *[BACK[device] for device in Device if device not in {Device.IO_BOARD, Device.TRUST}]):
                self._tell(told)
            self._keep(NOBODY, (start.label,), 0)

    def round(self, most_nodes: int | None = None) -> None:
        """Expand the nodes that are open now, until `most_nodes` are known here; what is found belongs to the next round."""
        began = time.process_time()
        for at in self.nodes.take_open():
            if most_nodes is not None and self.nodes.own >= most_nodes:
                self.nodes.put_back(at)
            else:
                self._expand(at)
        self._found.seconds += time.process_time() - began

    def found(self) -> Found:
        """What was found in this share so far; `waiting` are its nodes with somebody inside who is not helped, and where time leads from there."""
        found, keys = self._found, self.nodes.own_keys()
        found.nodes, found.core_states = self.nodes.own, len(keys)
        found.by_state = Counter(key[0].value for key in keys)
        numbers = self.nodes.own_numbers()
        found.depth = max(map(self.nodes.depth, numbers), default=0)
        found.occupied = sum(self._occupied(self.nodes.at(number)[1]) for number in numbers)
        found.complete = not self.nodes.open()
        return found

    def waits(self) -> dict[int, list[int]]:
        """From each node with somebody inside who is not helped: where time alone leads. In global numbers."""
        everywhere = self.nodes.everywhere
        return {everywhere(at): [everywhere(after) for after in afters] for at, afters in self.waiting.items()}

    # -- steps -------------------------------------------------------------------------------------------------------------

    def _expand(self, at: int) -> None:
        key, memory = self.nodes.at(at)
        facts = self.codec.decode(key)
        state = key[0]
        pending = self.codec.waits(key)
        helped = self._helped(memory)
        waited = []
        left = False
        for names in _runs(pending):
            waited.append(self._told(at, self.codec.age(facts, names), memory, names, (TIMER,), key))
            left = self._left
        late = self.codec.age(facts, pending)
        for told in self.events(key, facts):
            self._told(at, facts, memory, (), told, key)
            if left and told[-1].alone:
                # All its times are over, and the event comes before anybody has said so.
                self._told(at, late, memory, pending, told, key)
        if not helped:
            self.waiting[at] = waited
        if self._sampled[state] < INERT_SAMPLE:
            self._sampled[state] += 1
            self._try_inert(at, facts, memory, key)

    def _told(self, at: int, facts: dict[str, Any], memory: tuple[Any, ...], names: tuple[str, ...], told: tuple[Told, ...], key: Key) -> int:
        """One event; if it leaves the state, also together with what was not read in it and may have changed before."""
        self._passed.clear()
        after = self._step(at, facts, memory, names, told)
        self._left = bool(self._passed) and self._passed != [key[0]]
        if self._left:
            for before in self.unread.changes(tuple(self._passed), facts):
                self._step(at, facts, memory, names, (*before, *told))
        return after

    def _step(self, at: int, facts: dict[str, Any], memory: tuple[Any, ...], names: tuple[str, ...], tolds: tuple[Told, ...]) -> int:
        restore(self.lane, facts)
        self.monitor.load(memory)
        if "occupancy_since" in names:
            self.monitor.counter_is_steady()
        self._found.steps += 1
        how = (*[f"{name} over" for name in names], *[told.label for told in tolds])
        try:
            for told in tolds:
                self._tell(told)
            return self._keep(self.nodes.everywhere(at), how, self.nodes.depth(at) + 1)
        except BrokenInvariantError as broken:
            self._found.violations.setdefault(str(broken), (self.nodes.everywhere(at), say(how)))
            return at

    def _tell(self, told: Told) -> None:
        event = told.event
        self.monitor.hears(event, told.mine)
        out = self.core.handle(event, NOW)
        if self.core.failure is not None:
            failure, self.core._failure = self.core.failure, None
            msg = f"INV-4: the core failed: {type(failure).__name__}: {failure}"
            raise BrokenInvariantError(msg)
        self.monitor.judge(event, out)

    def _keep(self, parent: int, how: tuple[str, ...], depth: int) -> int:
        for told in self.unread.calmed(self.lane):
            self._tell(told)
        return self.nodes.find(self.codec.encode(self.lane), self.monitor.memory(), parent, how, depth)

    # -- which events ------------------------------------------------------------------------------------------------------

    def events(self, key: Key, facts: dict[str, Any]) -> Iterator[tuple[Told, ...]]:
        """What is told in a node, but for time and for what has no effect in its state."""
        inputs, missing = facts["inputs"], facts["missing"]
        unread = self.unread.waiting(facts)
        if Device.IO_BOARD not in missing:
            for signal, told in readings(inputs):
                if signal not in unread and not (key[0] in SOMEBODY and told.event.inputs.occupancy is Occupancy.MANY):
                    yield (told,)
        yield (BACK[Device.IO_BOARD] if Device.IO_BOARD in missing else LOST[Device.IO_BOARD],)
        for device, other in ((Device.FINGERPRINT, Device.TRUST), (Device.TRUST, Device.FINGERPRINT)):
            if device.value in unread:
                continue
            if device in missing:
                yield (BACK[device],)
            else:
                yield (LOST[device], BACK[other]) if other in missing else (LOST[device],)
        if not facts["stopping"] and "stopping" not in unread:
            yield (STOP,)
        for told in (*ACTS, *ANSWERS):
            if self._heard(told.event, key):
                yield (told,)

    def _heard(self, event: e.Event, key: Key) -> bool:
        if isinstance(event, e.CheckEnded):
            return key[0] is State.IDENTITY_CHECK
        return isinstance(event, ALWAYS_HEARD) or (TRIGGERS.get(type(event)), key[0]) in self._triggered

    def _try_inert(self, at: int, facts: dict[str, Any], memory: tuple[Any, ...], key: Key) -> None:
        for told in (*ACTS, *ANSWERS):
            if not self._heard(told.event, key):
                self._found.without_effect += 1
                if self._step(at, facts, memory, (), (told,)) != at:
                    self._found.violations.setdefault("an event without a row had an effect", (self.nodes.everywhere(at), told.label))

    # -- who is inside (INV-4) -----------------------------------------------------------------------------------------------

    def _helped(self, memory: tuple[Any, ...]) -> bool:
        self.monitor.load(memory)
        return not self.monitor.occupied() or self.monitor.helped()

    def _occupied(self, memory: tuple[Any, ...]) -> bool:
        self.monitor.load(memory)
        return self.monitor.occupied()


def say(how: tuple[str, ...]) -> str:
    """One line of a trace."""
    return "; ".join(part for part in how if part not in {TIMER.label, ""}) or TIMER.label


def _runs(pending: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield from ((name,) for name in pending)
    if len(pending) > 1:
        yield pending
