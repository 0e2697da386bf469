"""Breadth-first through every state of the core and every event: which are reached, what the monitor says to each step, and the shortest way
to the first violation. After it, from every state with somebody inside: does time alone lead to help (INV-4)?

A node is a core's key and the monitor's memory. Keeps no opinion of its own: the core decides, the monitor judges.
"""

from __future__ import annotations

import time
from array import array
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
        nodes: Different states of core and monitor together; `core_states` of the core alone, by its State in `by_state`.
        steps: Transitions judged, `without_effect` among them.
        depth: Events on the longest of the shortest ways.
        seconds: CPU seconds of this process.
        complete: Nothing was left to explore.
        violations: What the monitor said, each with the shortest trace to it.
        longest_wait: At most so many times run out one after another before whoever is inside is helped.
    """

    name: str = ""
    nodes: int = 0
    core_states: int = 0
    by_state: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    without_effect: int = 0
    occupied: int = 0
    depth: int = 0
    seconds: float = 0.0
    complete: bool = False
    violations: dict[str, list[str]] = field(default_factory=dict)
    longest_wait: int = 0


class Search:
    """One search under one policy.

    Args:
        policy: The lane's rules; its times do not matter.
        table: The rows to explore; another than TABLE is for checking this check.
        most_nodes: Stop after so many (`complete` is False then).
    """

    def __init__(self, policy: CrossingPolicy, table: tuple[Row, ...] = TABLE, most_nodes: int | None = None) -> None:
        self.core = DirectController(policy, table)
        self.lane = self.core.lane
        self.monitor = Monitor(policy)
        self.codec = Codec(self.lane, table)
        self.passed: list[State] = []
        self._left = False
        arm = self.lane.arm
        self.lane.arm = lambda state: (self.passed.append(state), arm(state))[1]  # type: ignore[method-assign] # to see which states an event leads through
        self.most_nodes = most_nodes
        self.found = Found()
        self._triggered = {(row.trigger, source) for row in table for source in row.sources}
        self.unread = Unread(table)
        self._core_ids: dict[Key, int] = {}
        self._cores: list[Key] = []
        self._memory_ids: dict[tuple[Any, ...], int] = {}
        self._memories: list[tuple[Any, ...]] = []
        self._nodes: dict[tuple[int, int], int] = {}
        self._parent = array("l")
        self._how: list[tuple[str, ...]] = []
        self._how_ids: dict[tuple[str, ...], int] = {}
        self._by = array("l")
        self._depth = array("H")
        self._list: list[tuple[int, int]] = []
        self._sampled: Counter[State] = Counter()
        self._waiting: dict[int, list[int]] = {}

    def run(self) -> Found:
        """Explore until there is nothing new, or the first violation."""
        began = time.process_time()
        try:
            self._begin()
            at = 0
            while at < len(self._list) and (self.most_nodes is None or len(self._nodes) < self.most_nodes):
                self._expand(at)
                at += 1
            self.found.complete = at == len(self._list)
            if self.found.complete:
                self._everybody_is_helped()
        except _ViolationError as violation:
            self.found.violations.setdefault(*violation.args)
        self._count()
        self.found.seconds = time.process_time() - began
        return self.found

    # -- steps -------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        for start in STARTS:
            fresh = DirectController(self.lane.policy)
            restore(self.lane, self.codec.decode(self.codec.encode(fresh.lane)))
            self.monitor = Monitor(self.lane.policy)
            for told in (start, *[BACK[device] for device in Device if device not in {Device.IO_BOARD, Device.TRUST}]):
                self._tell(told)
            self._keep(-1, (start.label,), 0)

    def _expand(self, at: int) -> None:
        core_id, memory_id = self._list[at]
        key, memory = self._cores[core_id], self._memories[memory_id]
        facts = self.codec.decode(key)
        state = key[0]
        pending = self.codec.waits(key)
        events = list(self._events(key, facts))
        waited = []
        helped = self._helped(memory)
        left = False
        for names in _runs(pending):
            after = self._told(at, self.codec.age(facts, names), memory, names, (TIMER,), key)
            left = self._left
            if not helped:
                waited.append(after)
        for told in events:
            self._told(at, facts, memory, (), told, key)
            if left:
                # All its times are over, and the event comes before anybody has said so.
                self._told(at, self.codec.age(facts, pending), memory, pending, told, key)
        if not helped:
            self._waiting[at] = waited
        if self._sampled[state] < INERT_SAMPLE:
            self._sampled[state] += 1
            self._try_inert(at, facts, memory, key)

    def _told(self, at: int, facts: dict[str, Any], memory: tuple[Any, ...], names: tuple[str, ...], told: tuple[Told, ...], key: Key) -> int:
        """One event; if it leaves the state, also together with what was not read in it and may have changed before."""
        state, depth = key[0], self._depth[at]
        self.passed.clear()
        after = self._step(at, facts, memory, names, told, depth)
        self._left = bool(self.passed) and self.passed != [state]
        if self._left:
            for before in self.unread.changes(tuple(self.passed), facts):
                self._step(at, facts, memory, names, (*before, *told), depth)
        return after

    def _step(self, at: int, facts: dict[str, Any], memory: tuple[Any, ...], names: tuple[str, ...], tolds: tuple[Told, ...], depth: int) -> int:
        restore(self.lane, facts)
        self.monitor.load(memory)
        if "occupancy_since" in names:
            self.monitor.counter_is_steady()
        self.found.steps += 1
        how = (*(f"{name} over" for name in names), *[told.label for told in tolds])
        try:
            for told in tolds:
                self._tell(told)
        except BrokenInvariantError as broken:
            if str(broken) not in self.found.violations:
                self.found.violations[str(broken)] = [*self._trace(at), self._say(how)]
            return at
        return self._keep(at, how, depth + 1)

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
        key = self.codec.encode(self.lane)
        core_id = self._core_ids.setdefault(key, len(self._cores))
        if core_id == len(self._cores):
            self._cores.append(key)
        memory = self.monitor.memory()
        memory_id = self._memory_ids.setdefault(memory, len(self._memories))
        if memory_id == len(self._memories):
            self._memories.append(memory)
        pair = (core_id, memory_id)
        known = self._nodes.get(pair)
        if known is not None:
            return known
        index = self._nodes[pair] = len(self._list)
        self._list.append(pair)
        self._parent.append(parent)
        how_id = self._how_ids.setdefault(how, len(self._how))
        if how_id == len(self._how):
            self._how.append(how)
        self._by.append(how_id)
        self._depth.append(depth)
        return index

    # -- which events ------------------------------------------------------------------------------------------------------

    def _events(self, key: Key, facts: dict[str, Any]) -> Iterator[tuple[Told, ...]]:
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
                self.found.without_effect += 1
                if self._step(at, facts, memory, (), (told,), self._depth[at]) != at:
                    raise _ViolationError("an event without a row had an effect", [*self._trace(at), told.label])

    # -- help ----------------------------------------------------------------------------------------------------------------

    def _helped(self, memory: tuple[Any, ...]) -> bool:
        self.monitor.load(memory)
        return not self.monitor.occupied() or self.monitor.helped()

    def _everybody_is_helped(self) -> None:
        """From every node with somebody inside who is not helped, time alone must lead to help: no way round in circles, no end before."""
        waits_at: dict[int, int] = {}
        self.found.occupied = sum(1 for _, memory_id in self._list if self._occupied(memory_id))
        for start in self._waiting:
            stack = [start]
            path: set[int] = set()
            while stack:
                node = stack[-1]
                if node in waits_at:
                    stack.pop()
                    path.discard(node)
                    continue
                nexts = [after for after in self._waiting[node] if after in self._waiting]
                if not self._waiting[node]:
                    raise _ViolationError("INV-4: somebody is inside, nobody is called, no door is open, and nothing will happen", self._trace(node))
                open_ends = [after for after in nexts if after not in waits_at]
                if any(after in path or after == node for after in open_ends):
                    raise _ViolationError("INV-4: somebody is inside and time alone leads round in circles", self._trace(node))
                if open_ends:
                    path.add(node)
                    stack.extend(open_ends[:1])
                else:
                    waits_at[node] = 1 + max((waits_at[after] for after in nexts), default=0)
        self.found.longest_wait = max(waits_at.values(), default=0)

    def _occupied(self, memory_id: int) -> bool:
        self.monitor.load(self._memories[memory_id])
        return self.monitor.occupied()

    # -- what is told of it ------------------------------------------------------------------------------------------------------

    def _trace(self, at: int) -> list[str]:
        lines = []
        while at >= 0:
            lines.append(f"{self._say(self._how[self._by[at]])}  -> {self._cores[self._list[at][0]][0].value}")
            at = self._parent[at]
        return lines[::-1]

    @staticmethod
    def _say(how: tuple[str, ...]) -> str:
        return "; ".join(part for part in how if part != TIMER.label) or TIMER.label

    def _count(self) -> None:
        self.found.nodes = len(self._list)
        self.found.core_states = len(self._cores)
        self.found.by_state = Counter(key[0].value for key in self._cores)
        self.found.depth = max(self._depth, default=0)


class _ViolationError(Exception):
    """Message and trace of the first violation."""


def _runs(pending: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield from ((name,) for name in pending)
    if len(pending) > 1:
        yield pending
