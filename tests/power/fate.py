"""What becomes of the changes that no sync has covered. Does not know which those are: disk.py does."""

from __future__ import annotations

import random
from collections.abc import Container, Iterator

from tests.power.disk import Change, Fate, Image, Write

SECTOR = 512
PAGE = 4096


def only(numbers: Container[int]) -> Fate:
    """Whole changes, by their number."""
    return lambda number, change, _: [change] if number in numbers else []


def at_random(rng: random.Random) -> Fate:
    """Any of them with the same chance, drawn once; writes whole, in pages, in sectors, or torn inside a sector."""
    share = rng.choice((0.1, 0.3, 0.5, 0.7, 0.9))
    grain = rng.choice((None, PAGE, SECTOR, SECTOR))
    torn = grain == SECTOR and rng.random() < 0.5
    grown = rng.choice((0.0, 0.5, 1.0))

    def fate(number: int, change: Change, found: Image) -> Iterator[Change]:
        if not isinstance(change, Write):
            if rng.random() < share:
                yield change
            return
        for piece in _pieces(change, grain):
            size = len(found.files.get(piece.inode, b""))
            if rng.random() < share:
                yield _torn(piece, rng) if torn and rng.random() < 0.3 else piece
            elif piece.at + len(piece.data) > size and rng.random() < grown:
                # The file has grown, and what belongs there has not arrived: zeros, or what another file left there.
                begin, end = max(piece.at, size), piece.at + len(piece.data)
                yield Write(piece.inode, begin, bytes(end - begin) if rng.random() < 0.5 else rng.randbytes(end - begin))

    return fate


def _pieces(write: Write, grain: int | None) -> Iterator[Write]:
    """The parts of a write that lie in one unit of the disk each."""
    if grain is None:
        yield write
        return
    begin, end = write.at, write.at + len(write.data)
    while begin < end:
        stop = min(end, (begin // grain + 1) * grain)
        yield Write(write.inode, begin, write.data[begin - write.at : stop - write.at])
        begin = stop


def _torn(piece: Write, rng: random.Random) -> Write:
    """A sector that was being written: its first or its last bytes are new."""
    if len(piece.data) < 2:
        return piece
    middle = rng.randrange(1, len(piece.data))
    if rng.random() < 0.5:
        return Write(piece.inode, piece.at, piece.data[:middle])
    return Write(piece.inode, piece.at + middle, piece.data[middle:])
