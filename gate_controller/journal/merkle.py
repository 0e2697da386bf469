"""The hash tree over the journal's rows, as RFC 6962 (2.1) defines it: SHA-256, leaf 0x00, node 0x01.

A tree is never held whole. The writer keeps a Frontier: the roots of the complete subtrees, about twenty hashes. A reader computes
what it is asked for from the leaves and the *tiles*: the roots of complete subtrees of 256, 256^2, ... leaves (the geometry of
c2sp.org/tlog-tiles), so that no question costs more than a few hundred hashes. Knows nothing of rows, files or signatures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
EMPTY_ROOT = hashlib.sha256().digest()
_REMEMBERED = 4096

Tile = tuple[int, int, bytes]
"""Level (1 stands for 256 leaves, 2 for 256^2), number within the level, root hash."""


def leaf_hash(data: bytes) -> bytes:
    """MTH of a single leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """MTH of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows.

    Attributes:
        size: Number of leaves.
        peaks: Roots of the complete subtrees that make it up, largest first, each with its height.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[tuple[int, bytes]] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)

    def copy(self) -> Frontier:
        """The same tree, to be grown without touching this one."""
        return Frontier(self.size, self.peaks)

    def add(self, leaf: bytes) -> list[Tile]:
        """Append a leaf's hash; returns the tiles that it completed."""
        completed: list[Tile] = []
        height, node = 0, leaf
        while self.peaks and self.peaks[-1][0] == height:
            node = node_hash(self.peaks.pop()[1], node)
            height += 1
            if height % TILE_HEIGHT == 0:
                completed.append((height // TILE_HEIGHT, self.size >> height, node))
        self.peaks.append((height, node))
        self.size += 1
        return completed

    def root(self) -> bytes:
        """The tree's root hash."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1][1]
        for _, left in reversed(self.peaks[:-1]):
            node = node_hash(left, node)
        return node


class Tree:
    """A tree to ask: roots, inclusion and consistency proofs at any size up to the number of leaves there are.

    Args:
        leaves: Gives the hashes of leaves `low` up to, not including, `high`.
        tile: Gives a tile's root, or None where it is not stored; then it is computed.
    """

    def __init__(self, leaves: Callable[[int, int], Sequence[bytes]], tile: Callable[[int, int], bytes | None]) -> None:
        self._leaves = leaves
        self._tile = tile
        self._range = lru_cache(_REMEMBERED)(self._compute)

    def root(self, size: int) -> bytes:
        """Root of the first `size` leaves."""
        return self._range(0, size) if size else EMPTY_ROOT

    def frontier(self, size: int) -> Frontier:
        """What a writer goes on from."""
        peaks, low = [], 0
        for height in reversed(range(size.bit_length())):
            if size >> height & 1:
                peaks.append((height, self._range(low, low + (1 << height))))
                low += 1 << height
        return Frontier(size, peaks)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]) of RFC 6962 2.1.1: from the leaf's sibling up.

        Raises:
            ValueError: No such leaf in a tree of that size.
        """
        if not 0 <= index < size:
            msg = f"leaf {index} is not in a tree of {size}"
            raise ValueError(msg)
        path, low, high = [], 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        return path[::-1]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """PROOF(old, D[new]) of RFC 6962 2.1.2; empty when the sizes are equal or `old` is 0.

        Raises:
            ValueError: The old tree is the larger one.
        """
        if not 0 <= old <= new:
            msg = f"a tree of {old} is not the beginning of one of {new}"
            raise ValueError(msg)
        if old in {0, new}:
            return []
        proof, low, high, known = [], 0, new, True
        while old != high:
            middle = low + _split(high - low)
            if old <= middle:
                proof.append(self._range(middle, high))
                high = middle
            else:
                proof.append(self._range(low, middle))
                low, known = middle, False
        if not known:
            proof.append(self._range(low, high))
        return proof[::-1]

    def _compute(self, low: int, high: int) -> bytes:
        width = high - low
        for level in range(1, 8):
            if width == 1 << (TILE_HEIGHT * level):
                stored = self._tile(level, low // width)
                if stored is not None:
                    return stored
        if width <= TILE_WIDTH:
            return _reduce(self._leaves(low, high))
        middle = low + _split(width)
        return node_hash(self._range(low, middle), self._range(middle, high))


def _split(width: int) -> int:
    """The largest power of two smaller than `width`."""
    return 1 << (width - 1).bit_length() - 1


def _reduce(leaves: Sequence[bytes]) -> bytes:
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()
