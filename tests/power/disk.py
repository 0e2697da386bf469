"""A disk that loses power: which directories and files may be there afterwards, given the system calls that were made (docs/power.md has the model).

Data of a file and names in a directory are kept apart, as a file system keeps them. What a sync of the file, or of the directory, has covered is there. Of everything
else any part may be there: any subset of the changes, a write in sectors or torn inside one, a file that grew without its content. Of one file or directory
the survivors are applied in their order, because the page cache holds no two versions; between two of them there is no order at all.

Does not touch a real disk but for Image.write_to(), and knows no store. Not modelled: media that fail, a write that damages its neighbours (SQLite's "powersafe overwrite"
is taken for granted, as SQLite does on Unix), a disk that says that it has synced and has not; the last is what the tests of the check itself play.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = 0
"""Inode of the directory that is looked at; it is there and stays."""
SHARED_MEMORY = "-shm"
"""SQLite's index of a write-ahead log: written through memory, so it is known only now and then; SQLite makes it anew after a power cut."""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes of a file."""

    inode: int
    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Resize:
    """A file cut off, or made longer with zeros."""

    inode: int
    size: int


@dataclass(frozen=True, slots=True)
class Names:
    """Entries of one directory, changed together: (name, the inode that it names from now on or None). Two of them: a rename, which is atomic."""

    inode: int
    changes: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """fsync or fdatasync of a file or a directory. `where`: whose call it was."""

    inode: int
    where: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A call of the store has returned. `state`: what it has acknowledged by that, in the terms of the workload."""

    state: object


Change = Write | Resize | Names
Op = Change | Sync | Mark


@dataclass(slots=True)
class Image:
    """What is on a disk.

    Attributes:
        files: Content by inode.
        directories: Names by inode.
        modes: st_mode by inode.
    """

    files: dict[int, bytes | bytearray] = field(default_factory=dict)
    directories: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    modes: dict[int, int] = field(default_factory=dict)
    _own: set[int] = field(default_factory=set)

    def copy(self) -> Image:
        """The same, to be changed without touching this one. Contents are shared until one of the two changes them."""
        self._own.clear()
        return Image(dict(self.files), {inode: dict(names) for inode, names in self.directories.items()}, self.modes)

    def apply(self, change: Change) -> None:
        """Make one change."""
        match change:
            case Write(inode, at, data):
                content = self._content(inode, at)
                content[at : at + len(data)] = data
            case Resize(inode, size):
                del self._content(inode, size)[size:]
            case Names(inode, changes):
                names = self.directories.setdefault(inode, {})
                for name, target in changes:
                    if target is None:
                        names.pop(name, None)
                    else:
                        names[name] = target

    def _content(self, inode: int, least: int) -> bytearray:
        """A file's content, to be changed; at least so many bytes of it."""
        content = self.files.get(inode, b"")
        if inode not in self._own or not isinstance(content, bytearray):
            content = self.files[inode] = bytearray(content)
            self._own.add(inode)
        content.extend(bytes(max(0, least - len(content))))
        return content

    def walk(self, inode: int = ROOT, below: str = "") -> Iterator[tuple[str, int]]:
        """Every path that leads somewhere, directories before what is in them."""
        for name, target in sorted(self.directories.get(inode, {}).items()):
            path = f"{below}{name}"
            yield path, target
            if stat.S_ISDIR(self.modes[target]):
                yield from self.walk(target, f"{path}/")

    def write_to(self, top: Path) -> None:
        """Make these directories and files below a directory that is empty."""
        made: dict[int, Path] = {}
        for name, inode in self.walk():
            path = top / name
            if stat.S_ISDIR(self.modes[inode]):
                path.mkdir()
            elif inode in made:
                path.hardlink_to(made[inode])
            else:
                made[inode] = path
                with open(path, "xb", opener=lambda name, flags, mode=self.modes[inode]: os.open(name, flags, stat.S_IMODE(mode))) as file:
                    file.write(self.files.get(inode, b""))

    def digest(self) -> bytes:
        """Equal for what looks equal from outside."""
        found = hashlib.blake2b(digest_size=16)
        for name, inode in self.walk():
            content = self.files.get(inode, b"")
            found.update(f"{name}\0{inode}\0{len(content)}\0".encode() + content)
        return found.digest()


@dataclass(slots=True)
class Log:
    """System calls in their order.

    Attributes:
        base: What was on the disk, durably, before them.
        ops: The calls.
    """

    base: Image = field(default_factory=Image)
    ops: list[Op] = field(default_factory=list)

    def without(self, lost: Callable[[Sync], bool]) -> Log:
        """The same calls on a disk that ignores some syncs."""
        return Log(self.base, [op for op in self.ops if not (isinstance(op, Sync) and lost(op))])


Fate = Callable[[int, Change, Image], Iterable[Change]]
"""What of the pending change with this number survives, given the image so far."""


class Disk:
    """A disk while calls are made.

    Args:
        durable: What is there whatever happens.
        pending: Changes that no sync has covered, oldest first.
    """

    def __init__(self, durable: Image, pending: Iterable[Change] = ()) -> None:
        self.durable = durable.copy()
        self.pending = list(pending)

    def copy(self) -> Disk:
        """The same, to go on by itself."""
        return Disk(self.durable, self.pending)

    def take(self, op: Op) -> None:
        """Make the next call."""
        if isinstance(op, Change):
            self.pending.append(op)
        elif isinstance(op, Sync):
            for change in self.pending:
                if change.inode == op.inode:
                    self.durable.apply(change)
            self.pending = [change for change in self.pending if change.inode != op.inode]

    def live(self) -> Image:
        """What a process sees that asks now: everything, durable or not."""
        return self.image(lambda _, change, __: [change])

    def image(self, fate: Fate) -> Image:
        """What is there after a power cut now."""
        found = self.durable.copy()
        for number, change in enumerate(self.pending):
            for survivor in fate(number, change, found):
                found.apply(survivor)
        return found
