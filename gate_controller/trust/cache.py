"""The verified cache: the files of a trust repository as they were fetched and verified, installed as one piece or not at all.

    <cache>/current                 name of the generation in force; replaced by rename (no symbolic link: FAT has none)
    <cache>/generation-<number>/    metadata/... and targets/... under their published names: a repository that can be verified again
    <cache>/incoming-<pid>/         being written; of no meaning until it is renamed
    <cache>/lock                    held while the cache is changed; its content names the holder

A process killed at any point, or a power cut, leaves the old generation in force or the new one. Numbers only grow, and a generation is never
changed. Does not verify anything: whoever installs has verified, and whoever loads verifies again, because a disk forgets and others may write.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from gate_controller.ports.durable import sync, write_new
from gate_controller.ports.errors import StoreError
from gate_controller.trust.names import parts_of
from gate_controller.trust.owner import refuse_root_at

KEPT = 3
"""Generations that are kept: the newest one and those before it, for a look back."""
LOCK_WAIT_S = 10.0
"""How long a second importer waits; the lock is held for writing, not for fetching."""
IMPORT_AGAIN = "import trust again: gatectl keys import DIRECTORY"
"""Remedy for whatever is wrong with the cache's content."""

_GENERATION = re.compile(r"generation-([1-9][0-9]{0,11})")
_CURRENT, _LOCK, _INCOMING = "current", "lock", "incoming-"
_POLL_S = 0.05
_REMEDIES = {
    errno.ENOSPC: ("the disk is full", "free space on its file system"),
    errno.EDQUOT: ("the disk quota is used up", "free space on its file system"),
    errno.EFBIG: ("a file may not become so large", "raise the limit on file sizes of this process"),
    errno.EROFS: ("it is mounted read-only", "mount it writable; if the kernel made it so, check the disk (dmesg, smartctl)"),
    errno.EACCES: ("access is not permitted", "run as the user who owns the cache, or give this user access to it"),
    errno.EPERM: ("access is not permitted", "run as the user who owns the cache, or give this user access to it"),
    errno.ELOOP: ("a symbolic link lies where none belongs", "remove it, then import trust again: gatectl keys import DIRECTORY"),
    errno.EIO: ("reading or writing it failed", "check the disk (dmesg, smartctl)"),
}


class TrustCache:
    """The cache in one directory; it is made by the first install. For one thread.

    Args:
        path: The directory; its parent must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._locked = False

    def current(self) -> Path | None:
        """The directory of the generation in force; None while nothing was ever installed.

        Raises:
            StoreError: It cannot be read, or names a generation that is not there.
        """
        try:
            content = _small_file(self.path / _CURRENT)[0]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._fault(error, _CURRENT) from error
        name = content.decode("ascii", "replace").removesuffix("\n")
        if not _GENERATION.fullmatch(name):
            msg = f"trust cache {self.path}: {_CURRENT} does not name a generation"
            raise StoreError(msg, IMPORT_AGAIN)
        generation = self.path / name
        try:
            is_directory = stat.S_ISDIR(generation.lstat().st_mode)
        except FileNotFoundError:
            is_directory = False
        except OSError as error:
            raise self._fault(error, name) from error
        if not is_directory:
            msg = f"trust cache {self.path}: {name}, which {_CURRENT} names, is missing"
            raise StoreError(msg, IMPORT_AGAIN)
        return generation

    def token(self) -> str:
        """Another text whenever another generation is in force, "" while there is none; costs some microseconds. Never raises."""
        try:
            name = _small_file(self.path / _CURRENT)[0].decode("ascii", "replace").removesuffix("\n")
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"error {error.errno}"
        if not _GENERATION.fullmatch(name):
            return f"damaged {name}"
        try:
            found = (self.path / name).lstat()
        except OSError as error:
            return f"{name} error {error.errno}"
        # The name alone would not do: a cache that was deleted starts again with generation 1.
        return f"{name} {found.st_ino} {found.st_mtime_ns}"

    def settle(self) -> None:
        """Make durable which generation is in force, in case whoever put it there was killed before that. Does nothing while there is no cache.

        What is remembered of it elsewhere, above all by the floor, must not outlive it: after a power cut the floor would refuse the one before.

        Raises:
            StoreError: It cannot be made durable.
        """
        with self._faults(), contextlib.suppress(FileNotFoundError):
            sync(self.path)

    def install(self, files: Mapping[str, bytes]) -> str:
        """Put a generation of exactly these files into force; on any error what was in force stays so.

        Args:
            files: Content by published name, e.g. "metadata/timestamp.json".

        Returns:
            The generation's name.

        Raises:
            StoreError: A name is not plain, the cache cannot be written, or another process holds the lock.
        """
        paths = {self._checked(name): content for name, content in files.items()}
        with self.lock(), self._faults():
            self._clean()
            incoming = self.path / f"{_INCOMING}{os.getpid()}"
            try:
                _write_tree(incoming, paths)
                name = f"generation-{self._last_number() + 1}"
                incoming.rename(self.path / name)
            except BaseException:
                shutil.rmtree(incoming, ignore_errors=True)  # a full disk must not stay full because of what failed to fit
                raise
            sync(self.path)
            self._point_to(name)
            return name

    @contextlib.contextmanager
    def lock(self, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Keep other processes from changing the cache meanwhile; within it, install() takes it for granted. Makes the directory.

        Raises:
            StoreError: Another process held it for `wait_s`; or the cache cannot be written.
        """
        if self._locked:
            yield
            return
        with self._faults():
            self._make()
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            with self._faults():
                self._wait_for(descriptor, wait_s)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()} ({Path(sys.argv[0]).name})".encode("ascii", "replace")[:100], 0)
            self._locked = True
            yield
        finally:
            self._locked = False
            os.close(descriptor)  # and with it the lock

    def _wait_for(self, descriptor: int, wait_s: float) -> None:
        waited = 0.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waited >= wait_s:
                    holder = "".join(letter if letter.isprintable() else "?" for letter in os.pread(descriptor, 100, 0).decode("ascii", "replace"))
                    msg = f"trust cache {self.path} is being changed by {holder or 'another process'}"
                    raise StoreError(msg, "wait for it to end, then try again") from None
                time.sleep(_POLL_S)
                waited += _POLL_S
            else:
                return

    def _make(self) -> None:
        refuse_root_at(self.path if self.path.exists() else self.path.parent, f"trust cache {self.path}")
        with contextlib.suppress(FileExistsError):
            self.path.mkdir()
        # Also when it was there: whoever made it may have been killed before its name was durable.
        sync(self.path.parent)

    def _checked(self, name: str) -> str:
        try:
            parts_of(name)
        except ValueError as error:
            msg = f"trust cache {self.path}: {error}"
            raise StoreError(msg, "whoever signs this repository must name its files plainly") from None
        return name

    def _last_number(self) -> int:
        """The highest number ever given, as far as can be seen."""
        names = [*os.listdir(self.path), self._named()]  # noqa: PTH208 - names, not paths
        return max((int(match[1]) for name in names if (match := _GENERATION.fullmatch(name))), default=0)

    def _point_to(self, name: str) -> None:
        draft = self.path / f"{_CURRENT}.new"
        draft.unlink(missing_ok=True)
        write_new(draft, name.encode() + b"\n")
        draft.replace(self.path / _CURRENT)
        sync(self.path)

    def _clean(self) -> None:
        """Make room: what killed importers were writing (whoever has the lock knows that nobody is), and old generations. What cannot be removed stays."""
        names = os.listdir(self.path)  # noqa: PTH208 - names, not paths
        numbers = sorted(int(match[1]) for name in names if (match := _GENERATION.fullmatch(name)))
        old = {f"generation-{number}" for number in numbers[: 1 - KEPT]} - {self._named()}
        for name in names:
            if name in old or name.startswith(_INCOMING):
                shutil.rmtree(self.path / name, ignore_errors=True)

    def _named(self) -> str:
        """What `current` says, whether it makes sense or not."""
        try:
            return _small_file(self.path / _CURRENT)[0].decode("ascii", "replace").removesuffix("\n")
        except OSError:
            return ""

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._fault(error) from error

    def _fault(self, error: OSError, name: str = "") -> StoreError:
        where = f"trust cache {self.path}" + (f": {name}" if name else "")
        if isinstance(error, FileNotFoundError) and not self.path.parent.is_dir():
            return StoreError(f"{where}: {self.path.parent} is missing", "is the path in the configuration right, and its disk mounted?")
        what, remedy = _REMEDIES.get(error.errno or 0, (error.strerror or type(error).__name__, "check the path, its permissions and the disk"))
        return StoreError(f"{where}: {what}", remedy)


def _small_file(path: Path) -> tuple[bytes, os.stat_result]:
    """The first bytes of a plain file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 64), os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _write_tree(top: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a new directory; on return they are on the disk, names and all."""
    top.mkdir()
    folders = {top}
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        folders.update(parent for parent in path.parents if parent.is_relative_to(top))
        write_new(path, content)
    for folder in folders:
        sync(folder)
