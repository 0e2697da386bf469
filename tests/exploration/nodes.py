"""The nodes of a search: what is known, what is still to be expanded, and how each was reached first. May be one share of several processes' nodes.

A node is a core's key and the monitor's memory, both by number. All nodes of a key belong to one share, by the key's hash, so that the core is asked once
for what it does there. Knows nothing of what is in a key or a memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from dataclasses import dataclass

NOBODY = -1
"""Parent of a node at the start."""
Thing = tuple[Hashable, ...]
MOST_MEMORIES = 1 << 24


@dataclass(frozen=True, slots=True)
class Sent:
    """Nodes that were found in one share and belong to another.

    Attributes:
        keys: By the sender's number, those the other share has not heard of.
        memories: The same.
        nodes: Each with numbers of key and memory, its parent, how it was reached and how deep.
    """

    keys: dict[int, Thing]
    memories: dict[int, Thing]
    nodes: list[tuple[int, int, int, tuple[str, ...], int]]


class Nodes:
    """One share of the nodes, and of what is known of the others.

    Local numbers count what is known here; global numbers are the same in all shares.
    """

    def __init__(self, share: int, shares: int) -> None:
        self.share, self.shares = share, shares
        self.own = 0
        self.keys: list[Thing] = []
        self.memories: list[Thing] = []
        self._cores: dict[Thing, int] = {}
        self._home = array("b")
        self._remembered: dict[Thing, int] = {}
        self._known: dict[int, int] = {}
        self._pairs: list[tuple[int, int]] = []
        self._global = array("q")
        self._parent = array("q")
        self._how: list[tuple[str, ...]] = []
        self._depth = array("H")
        self._open: list[int] = []
        self._abroad: list[int] = []
        self._sent: tuple[set[int], set[int]] = (set(), set())
        self._theirs: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def core(self, key: Thing) -> int:
        """Number of a key."""
        core = self._cores.setdefault(key, len(self.keys))
        if core == len(self.keys):
            self.keys.append(key)
            self._home.append(hash(key) % self.shares)
        return core

    def remembered(self, memory: Thing) -> int:
        """Number of a memory."""
        number = self._remembered.setdefault(memory, len(self.memories))
        if number == len(self.memories):
            self.memories.append(memory)
        return number

    def find(self, core: int, remembered: int, parent: int, how: tuple[str, ...], depth: int) -> int:
        """Local number of a node, which is noted if it is new: to be expanded here, or to be sent to its share."""
        pair = core * MOST_MEMORIES + remembered
        known = self._known.get(pair)
        if known is not None:
            return known
        number = self._known[pair] = len(self._pairs)
        self._pairs.append((core, remembered))
        self._parent.append(parent)
        self._how.append(how)
        self._depth.append(depth)
        if self._home[core] == self.share:
            self._global.append(number * self.shares + self.share)
            self._open.append(number)
            self.own += 1
        else:
            self._global.append(NOBODY)
            self._abroad.append(number)
        return number

    def take_open(self) -> list[int]:
        """Nodes to be expanded; they are not open any longer."""
        taken, self._open = self._open, []
        return taken

    def put_back(self, number: int) -> None:
        """Leave a node open after all."""
        self._open.append(number)

    def open(self) -> int:
        """How many nodes are to be expanded."""
        return len(self._open)

    def at(self, number: int) -> tuple[int, int]:
        """Numbers of its key and of its memory."""
        return self._pairs[number]

    def own_keys(self) -> list[Thing]:
        """Keys of this share's own nodes."""
        return [key for key, home in zip(self.keys, self._home, strict=True) if home == self.share]

    def own_numbers(self) -> list[int]:
        """This share's nodes."""
        return [number for number, (core, _) in enumerate(self._pairs) if self._home[core] == self.share]

    def depth(self, number: int) -> int:
        """How many steps from the start."""
        return self._depth[number]

    def everywhere(self, number: int) -> int:
        """The global number; NOBODY while its share has not told it."""
        return self._global[number]

    def reached(self, everywhere: int) -> tuple[tuple[str, ...], object, int]:
        """How a node of this share was reached first: by which events, its lane state, its parent's global number."""
        number = everywhere // self.shares
        return self._how[number], self.keys[self._pairs[number][0]][0], self._parent[number]

    # -- between two shares ------------------------------------------------------------------------------------------------

    def send(self) -> Sent:
        """New nodes that belong to the other share."""
        nodes = [(*self._pairs[number], self._parent[number], self._how[number], self._depth[number]) for number in self._abroad]
        sent = Sent(
            {core: self.keys[core] for core, *_ in nodes if core not in self._sent[0]},
            {remembered: self.memories[remembered] for _, remembered, *_ in nodes if remembered not in self._sent[1]},
            nodes,
        )
        self._sent[0].update(sent.keys)
        self._sent[1].update(sent.memories)
        return sent

    def receive(self, sent: Sent) -> list[int]:
        """Note the nodes of this share among those another has found; give their global numbers."""
        cores, memories = self._theirs
        cores.update((number, self.core(key)) for number, key in sent.keys.items())
        memories.update((number, self.remembered(memory)) for number, memory in sent.memories.items())
        found = [self.find(cores[core], memories[remembered], parent, how, depth) for core, remembered, parent, how, depth in sent.nodes]
        return [self._global[number] for number in found]

    def numbered(self, numbers: list[int]) -> None:
        """What `send` gave has these global numbers."""
        for local, everywhere in zip(self._abroad, numbers, strict=True):
            self._global[local] = everywhere
        self._abroad = []
