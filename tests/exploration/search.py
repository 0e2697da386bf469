"""Breadth-first through every state of the core and every event: which are reached, and what the monitor says to each step.

Keeps no opinion of its own: the core decides (steps.py), the monitor judges; how far that reaches is argued in docs/exploration.md. Who is inside and helped
when nothing but time passes is judged afterwards (help.py).
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from dataclasses import dataclass, field

from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.table import TABLE, Row
from tests.exploration.help import Wait, Waits
from tests.exploration.monitor import BrokenInvariantError, Monitor
from tests.exploration.nodes import NOBODY, Nodes
from tests.exploration.steps import Steps
from tests.exploration.world import STARTS, TIMER

MOST_PLAYS = 1 << 24
RUN_OUT = "the board ends an opening by its own timer"


@dataclass
class Found:
    """What a search found.

    Attributes:
        nodes: Different states of core and monitor together; `core_states` of the core alone, `by_state` by the lane's state.
        core_steps: How often the core was told something; `steps`: transitions judged, each with what the monitor remembers.
        without_effect: How many of the core's steps were told to see that they have no effect.
        occupied: Nodes with somebody inside; `waiting` those among them where nobody helps yet.
        depth: Events on the longest of the shortest ways.
        seconds: CPU seconds.
        complete: Nothing was left to explore.
        violations: What the monitor said, each with the node it was at and what was told there.
        traces: The same, with the shortest way to it.
        longest_wait: Before whoever is inside is helped, when nothing but time passes.
    """

    nodes: int = 0
    core_states: int = 0
    by_state: Counter[str] = field(default_factory=Counter)
    core_steps: int = 0
    steps: int = 0
    without_effect: int = 0
    occupied: int = 0
    waiting: int = 0
    depth: int = 0
    seconds: float = 0.0
    complete: bool = False
    violations: dict[str, tuple[int, str]] = field(default_factory=dict)
    traces: dict[str, list[str]] = field(default_factory=dict)
    longest_wait: Wait = field(default_factory=Wait)

    def add(self, other: Found) -> None:
        """Take another share's findings in."""
        for name in ("nodes", "core_states", "core_steps", "steps", "without_effect", "occupied", "waiting", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.by_state += other.by_state
        self.depth = max(self.depth, other.depth)
        self.violations = {**other.violations, **self.violations}


class Search:
    """One search under one policy, or one share of it.

    Args:
        policy: The lane's rules; its times do not matter, but for `Found.longest_wait`.
        table: The rows to explore; another than TABLE is for checking this check.
        share: Which of how many shares of the nodes is expanded here.
    """

    def __init__(self, policy: CrossingPolicy, table: tuple[Row, ...] = TABLE, share: tuple[int, int] = (0, 1)) -> None:
        self.steps = Steps(policy, table)
        self.nodes = Nodes(*share)
        self._monitor = Monitor(policy)
        self._found = Found()
        self._waiting: dict[int, list[tuple[float, int]]] = {}
        self._of_core: dict[int, tuple[int, int]] = {}
        self._how: list[tuple[str, ...]] = []
        self._play = array("l")
        self._after = array("l")
        self._seconds: dict[int, float] = {}
        self._inert: set[int] = set()
        self._judged: dict[int, int] = {}
        self._helped: list[bool] = []
        self._lasting: dict[int, float] = {}

    def begin(self) -> None:
        """Make the nodes from which everything starts."""
        for told in STARTS:
            step = self.steps.start(told)
            self._see(self.nodes.remembered(Monitor(self._monitor.policy).memory()), step.play)
            self.nodes.find(self.nodes.core(step.after), self.nodes.remembered(self._monitor.memory()), NOBODY, step.how, 0)

    def follow(self, lines: tuple[str, ...]) -> None:
        """Go one way, line by line of a trace, and leave nothing but its end to be expanded.

        Raises:
            StopIteration: No such line.
        """
        at = next(number for number in self.nodes.take_open() if say(self.nodes.reached(self.nodes.everywhere(number))[0]) == lines[0])
        for line in lines[1:]:
            core, memory = self.nodes.at(at)
            begin, end = self._asked(core)
            number = next(number for number in range(begin, end) if say(self._how[number]) == line)
            after = self._judge(memory, self._play[number])
            at = self.nodes.find(self._after[number], after, self.nodes.everywhere(at), self._how[number], self.nodes.depth(at) + 1)
        self.nodes.take_open()
        self.nodes.put_back(at)

    def round(self, most_nodes: int | None = None, *, first_only: bool = False) -> None:
        """Expand the nodes that are open now, until `most_nodes` are known here or, with `first_only`, the monitor objects; what is found belongs to the next round."""
        began = time.process_time()
        for at in self.nodes.take_open():
            if (most_nodes is not None and self.nodes.own >= most_nodes) or (first_only and self.objected()):
                self.nodes.put_back(at)
            else:
                self._expand(at)
        self._found.seconds += time.process_time() - began

    def objected(self) -> bool:
        """Whether the monitor objected to anything so far."""
        return bool(self._found.violations)

    def found(self) -> Found:
        """What was found in this share so far."""
        found, keys, numbers = self._found, self.nodes.own_keys(), self.nodes.own_numbers()
        found.nodes, found.core_states = self.nodes.own, len(keys)
        found.by_state = Counter(key[0].value for key in keys)
        found.core_steps, found.without_effect, found.waiting = len(self._play), len(self._inert), len(self._waiting)
        found.depth = max(map(self.nodes.depth, numbers), default=0)
        occupied = [self._with(memory).occupied() for memory in range(len(self.nodes.memories))]
        found.occupied = sum(occupied[self.nodes.at(number)[1]] for number in numbers)
        found.complete = not self.nodes.open()
        return found

    def waits(self) -> Waits:
        """From each node with somebody inside who is not helped: where time alone leads. In global numbers."""
        everywhere = self.nodes.everywhere
        return {everywhere(at): [(seconds, everywhere(after)) for seconds, after in afters] for at, afters in self._waiting.items()}

    # -- one node ------------------------------------------------------------------------------------------------------------

    def _expand(self, at: int) -> None:
        core, memory = self.nodes.at(at)
        begin, end = self._asked(core)
        here, depth, find = self.nodes.everywhere(at), self.nodes.depth(at) + 1, self.nodes.find
        waited = []
        for number in range(begin, end):
            play = self._play[number]
            judged = self._judged.get(memory * MOST_PLAYS + play)
            if judged is None:
                judged = self._judge(memory, play)
            if judged == NOBODY:
                self._object(here, memory, number)
                after = at
            else:
                after = find(self._after[number], judged, here, self._how[number], depth)
            if number in self._inert and (judged == NOBODY or self._after[number] != core):  # the monitor may have learnt something all the same
                self._found.violations.setdefault("an event without a row had an effect", (here, say(self._how[number])))
            if number in self._seconds:
                waited.append((self._seconds[number], after))
        self._found.steps += end - begin
        if (ended := self._run_out(here, core, memory)) is not None:
            find(core, ended, here, (RUN_OUT,), depth)
        if not self._is_helped(memory):
            self._waiting[at] = waited

    def _run_out(self, here: int, core: int, memory: int) -> int | None:
        """What the monitor remembers once the board has ended what it may have ended by now; None where nothing ends, or the monitor objects."""
        monitor = self._with(memory)
        if not (monitor.entry_open or monitor.exit_open):
            return None
        monitor.openings_run_out(self._outlasted(core))
        if (after := self.nodes.remembered(monitor.memory())) == memory:
            return None
        self._found.steps += 1
        try:
            monitor.look_at_emergency()
        except BrokenInvariantError as broken:
            self._found.violations.setdefault(str(broken), (here, RUN_OUT))
            return None
        return after

    def _outlasted(self, core: int) -> float:
        if core not in self._lasting:
            self._lasting[core] = self.steps.outlasted(self.nodes.keys[core], ())
        return self._lasting[core]

    def _asked(self, core: int) -> tuple[int, int]:
        """The core's steps from a key: their first number, and the one after the last."""
        if core in self._of_core:
            return self._of_core[core]
        begin = len(self._play)
        for number, step in enumerate(self.steps.of(self.nodes.keys[core]), begin):
            self._how.append(step.how)
            self._play.append(step.play)
            self._after.append(self.nodes.core(step.after))
            if step.seconds is not None:
                self._seconds[number] = step.seconds
            if step.inert:
                self._inert.add(number)
        return self._of_core.setdefault(core, (begin, len(self._play)))

    # -- what the monitor says -----------------------------------------------------------------------------------------------

    def _judge(self, memory: int, play: int) -> int:
        """What the monitor remembers after a play; NOBODY if it objects."""
        try:
            self._see(memory, play)
            after = self.nodes.remembered(self._monitor.memory())
        except BrokenInvariantError:
            after = NOBODY
        self._judged[memory * MOST_PLAYS + play] = after
        return after

    def _see(self, memory: int, play: int) -> None:
        steady, outlasted, scenes, failure = self.steps.plays[play]
        monitor = self._with(memory)
        if steady:
            monitor.counter_is_steady()
        monitor.openings_run_out(outlasted)
        for event, mine, commands in scenes:
            monitor.hears(event, mine)
            monitor.judge(event, commands)
        if failure:
            raise BrokenInvariantError(failure)

    def _object(self, here: int, memory: int, number: int) -> None:
        try:
            self._see(memory, self._play[number])
        except BrokenInvariantError as broken:
            self._found.violations.setdefault(str(broken), (here, say(self._how[number])))

    def _with(self, memory: int) -> Monitor:
        self._monitor.load(self.nodes.memories[memory])
        return self._monitor

    def _is_helped(self, memory: int) -> bool:
        while len(self._helped) <= memory:
            monitor = self._with(len(self._helped))
            self._helped.append(not monitor.occupied() or monitor.helped())
        return self._helped[memory]


def say(how: tuple[str, ...]) -> str:
    """One line of a trace."""
    return "; ".join(part for part in how if part not in {TIMER.label, ""}) or TIMER.label
