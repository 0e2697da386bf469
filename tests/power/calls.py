"""Records the system calls by which Python code and SQLite change the files below one directory.

Python's own calls are seen by replacing functions of `os`; SQLite's by the table of system calls that its "unix" VFS lets tests replace (xSetSystemCall), see sqlite_calls.py.
What comes by another way (memory that is mapped, a file object) is not seen: closed() compares what was recorded with the directory and raises if anything is missing.

Does not change what the calls do, but for one thing: a recorded fsync from Python is not passed on to the disk under the test.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from tests.power.disk import ROOT, SHARED_MEMORY, Image, Mark, Names, Op, Resize, Sync, Write

REAL = {
    name: getattr(os, name)
    for name in ("open", "close", "write", "pwrite", "ftruncate", "fsync", "fdatasync", "link", "unlink", "remove", "rename", "replace", "mkdir", "rmdir")
}


class Recorder:
    """The calls that change one directory. For one thread.

    Args:
        top: The directory. An absolute path without links.
        live: What is below it.

    Attributes:
        ops: The calls.
    """

    def __init__(self, top: Path, live: Image) -> None:
        self.ops: list[Op] = []
        self._top = f"{top}/"
        self._live = live.copy()
        self._modes = self._live.modes
        self._open: dict[int, int] = {}

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Within it, calls are recorded. At the end what was recorded is compared with what is there.

        Raises:
            AssertionError: Something was changed by a way that is not seen here.
        """
        with mock.patch.multiple(os, **{name: getattr(self, name) for name in REAL}):
            yield
        self._compare()

    def mark(self, state: object) -> None:
        """A call of the store has returned, and has acknowledged `state`."""
        for name, inode in list(self._live.walk()):
            # Mapped memory reaches the file whenever the kernel likes; as of now it may have.
            if name.endswith(SHARED_MEMORY):
                content = Path(self._top, name).read_bytes()
                if content != self._live.files.get(inode, b""):
                    self._add(Write(inode, 0, content))
        self.ops.append(Mark(state))

    def inode(self, path: str) -> int | None:
        """What a path names now; None for one outside or one that is not there."""
        place = self._place(path, None)
        return None if place is None else self._named(place)

    def sync(self, inode: int, where: str) -> None:
        """A sync was made by other means than `os`."""
        self.ops.append(Sync(inode, where))

    # -- the functions of os -----------------------------------------------------------------------------------------

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        place = self._place(path, dir_fd)
        descriptor: int = REAL["open"](path, flags, mode, dir_fd=dir_fd)
        self._open.pop(descriptor, None)
        if place is not None:
            inode = self._named(place)
            if inode is None:
                inode = self._new(os.fstat(descriptor).st_mode)
                self._add(Names(place[0], ((place[1], inode),)))
            elif flags & os.O_TRUNC:
                self._add(Resize(inode, 0))
            self._open[descriptor] = inode
            assert not flags & os.O_APPEND, "not recorded: O_APPEND"
        return descriptor

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        REAL["close"](descriptor)

    def write(self, descriptor: int, data: Any) -> int:
        at = os.lseek(descriptor, 0, os.SEEK_CUR) if descriptor in self._open else 0
        return self._written(descriptor, at, data, REAL["write"](descriptor, data))

    def pwrite(self, descriptor: int, data: Any, offset: int) -> int:
        return self._written(descriptor, offset, data, REAL["pwrite"](descriptor, data, offset))

    def ftruncate(self, descriptor: int, length: int) -> None:
        REAL["ftruncate"](descriptor, length)
        if descriptor in self._open:
            self._add(Resize(self._open[descriptor], length))

    def fsync(self, descriptor: int) -> None:
        if descriptor in self._open:
            self.sync(self._open[descriptor], _caller())
        else:
            REAL["fsync"](descriptor)

    fdatasync = fsync

    def link(self, src: Any, dst: Any, **options: Any) -> None:
        source, target = self._place(src, options.get("src_dir_fd")), self._place(dst, options.get("dst_dir_fd"))
        REAL["link"](src, dst, **options)
        if target is not None and source is not None:
            self._add(Names(target[0], ((target[1], self._named(source)),)))

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._gone(path, dir_fd, "unlink")

    remove = unlink

    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._gone(path, dir_fd, "rmdir")

    def rename(self, src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        source, target = self._place(src, src_dir_fd), self._place(dst, dst_dir_fd)
        REAL["rename"](src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        assert (source and source[0]) == (target and target[0]), "not recorded: a rename from one directory to another"
        if source is not None and target is not None:
            self._add(Names(source[0], ((source[1], None), (target[1], self._named(source)))))

    replace = rename

    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        place = self._place(path, dir_fd)
        REAL["mkdir"](path, mode, dir_fd=dir_fd)
        if place is not None:
            inode = self._new(os.stat(path, dir_fd=dir_fd).st_mode)
            self._live.directories[inode] = {}
            self._add(Names(place[0], ((place[1], inode),)))

    # -- where and what ----------------------------------------------------------------------------------------------

    def _place(self, path: Any, dir_fd: int | None) -> tuple[int, str] | None:
        """The directory that holds a path's last name, and that name; None outside. The directory itself is (ROOT, "")."""
        text = os.fsdecode(path)
        if dir_fd is not None and not text.startswith("/"):
            inode, parts = self._open.get(dir_fd), text.split("/")
            if inode is None:
                return None
        else:
            absolute = os.path.abspath(text)  # noqa: PTH100 - as text, which links could not change
            if not f"{absolute}/".startswith(self._top):
                return None
            inode, parts = ROOT, absolute[len(self._top) :].split("/")
        for part in parts[:-1]:
            inode = self._live.directories.get(inode, {}).get(part, -1)
        return inode, parts[-1]

    def _named(self, place: tuple[int, str]) -> int | None:
        return self._live.directories.get(place[0], {}).get(place[1]) if place[1] else place[0]

    def _new(self, mode: int) -> int:
        inode = max(self._modes, default=ROOT) + 1
        self._modes[inode] = mode
        return inode

    def _add(self, change: Write | Resize | Names) -> None:
        self._live.apply(change)
        self.ops.append(change)

    def _written(self, descriptor: int, at: int, data: Any, written: int) -> int:
        if descriptor in self._open and written:
            self._add(Write(self._open[descriptor], at, bytes(memoryview(data)[:written])))
        return written

    def _gone(self, path: Any, dir_fd: int | None, how: str) -> None:
        place = self._place(path, dir_fd)
        REAL[how](path, dir_fd=dir_fd)
        if place is not None:
            self._add(Names(place[0], ((place[1], None),)))

    def _compare(self) -> None:
        recorded = {name: self._live.files.get(inode) for name, inode in self._live.walk() if not name.endswith(SHARED_MEMORY)}
        there: dict[str, bytes | None] = {}
        for folder, folders, files in os.walk(self._top):
            for name in (*folders, *files):
                path = Path(folder, name)
                if not name.endswith(SHARED_MEMORY):
                    there[str(path.relative_to(self._top))] = (path.read_bytes() or None) if name in files else None
        different = [
            name for name in recorded.keys() | there.keys() if (recorded.get(name) or None) != there.get(name) or (name in recorded) != (name in there)
        ]
        assert not different, f"changed by a way that is not recorded: {sorted(different)}"


def _caller() -> str:
    """The functions of the product that led to a call, innermost first."""
    names, frame = [], sys._getframe(2)
    while frame is not None and len(names) < 3:
        if "/gate_controller/" in frame.f_code.co_filename:
            names.append(frame.f_code.co_name)
        frame = frame.f_back
    return " < ".join(names)
