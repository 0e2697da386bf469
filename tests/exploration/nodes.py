"""The nodes of a search: what is known, what is still to be expanded, and how each was reached first. May be one share of several processes' nodes.

A node is a core's key and the monitor's memory, and belongs to one share by its hash. Knows nothing of what is in a key or a memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from dataclasses import dataclass

NOBODY = -1
"""Parent of a node at the start."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A node that was found in one share and belongs to another."""

    key: tuple[Hashable, ...]
    memory: tuple[Hashable, ...]
    parent: int
    how: tuple[str, ...]
    depth: int


class Nodes:
    """One share of the nodes, and of what is known of the others.

    Local numbers count what is known here; global numbers are the same in all shares.
    """

    def __init__(self, share: int, shares: int) -> None:
        self.share, self.shares = share, shares
        self.own = 0
        self._cores: dict[Hashable, int] = {}
        self._memories: dict[Hashable, int] = {}
        self._keys: list[tuple[Hashable, ...]] = []
        self._remembered: list[tuple[Hashable, ...]] = []
        self._known: dict[tuple[int, int], int] = {}
        self._pairs: list[tuple[int, int]] = []
        self._global = array("q")
        self._parent = array("q")
        self._how: list[tuple[str, ...]] = []
        self._by: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._depth = array("H")
        self._open: list[int] = []
        self._abroad: list[int] = []

    def find(self, key: tuple[Hashable, ...], memory: tuple[Hashable, ...], parent: int, how: tuple[str, ...], depth: int) -> int:
        """Local number of a node, which is noted if it is new: to be expanded here, or to be sent to its share."""
        core = self._cores.setdefault(key, len(self._keys))
        if core == len(self._keys):
            self._keys.append(key)
        remembered = self._memories.setdefault(memory, len(self._remembered))
        if remembered == len(self._remembered):
            self._remembered.append(memory)
        pair = (core, remembered)
        known = self._known.get(pair)
        if known is not None:
            return known
        number = self._known[pair] = len(self._pairs)
        self._pairs.append(pair)
        self._parent.append(parent)
        self._how.append(self._by.setdefault(how, how))
        self._depth.append(depth)
        if self.shares == 1 or hash((key, memory)) % self.shares == self.share:
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

    def at(self, number: int) -> tuple[tuple[Hashable, ...], tuple[Hashable, ...]]:
        """Key and memory."""
        core, remembered = self._pairs[number]
        return self._keys[core], self._remembered[remembered]

    def own_keys(self) -> list[tuple[Hashable, ...]]:
        """Keys of this share's own nodes, each once."""
        return [self._keys[core] for core in {core for number, (core, _) in enumerate(self._pairs) if self._mine(number)}]

    def own_numbers(self) -> list[int]:
        """This share's nodes."""
        return [number for number in range(len(self._pairs)) if self._mine(number)]

    def depth(self, number: int) -> int:
        """How many steps from the start."""
        return self._depth[number]

    def everywhere(self, number: int) -> int:
        """The global number; NOBODY while its share has not told it."""
        return self._global[number]

    def reached(self, everywhere: int) -> tuple[tuple[str, ...], object, int]:
        """How a node of this share was reached first: by which events, its lane state, its parent's global number."""
        number = everywhere // self.shares
        return self._how[number], self.at(number)[0][0], self._parent[number]

    # -- between shares ----------------------------------------------------------------------------------------------------

    def send(self) -> list[Sent]:
        """New nodes that belong to the other share. With more than two shares, each takes what is its own."""
        return [Sent(*self.at(number), self._parent[number], self._how[number], self._depth[number]) for number in self._abroad]

    def receive(self, nodes: list[Sent]) -> list[int]:
        """Note the nodes of this share among those another has found; give their global numbers."""
        return [self._global[self.find(node.key, node.memory, node.parent, node.how, node.depth)] for node in nodes]

    def numbered(self, numbers: list[int]) -> None:
        """What `send` gave has these global numbers."""
        for local, everywhere in zip(self._abroad, numbers, strict=True):
            self._global[local] = everywhere
        self._abroad = []

    def _mine(self, number: int) -> bool:
        return self._global[number] != NOBODY and self._global[number] % self.shares == self.share
