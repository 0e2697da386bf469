"""Copies a generation of the trust cache to a stick, from which another gate imports it.

Files appear whole and in an order by which the stick, pulled out at any moment, carries a complete repository or none: targets first, the
timestamp that leads to everything last. Then the copy is read back from the medium and verified like any other repository. Never writes
through a symbolic link below the directory, and removes nothing from it. Does not format, mount or eject.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from gate_controller.ports.errors import StoreError
from gate_controller.trust.errors import TrustError
from gate_controller.trust.names import parts_of
from gate_controller.trust.repository import VerifiedRepository, verify_repository
from gate_controller.trust.sources import DirectorySource

_LAST = "metadata/timestamp.json"
_EMPTY_IT = "empty it, or take another stick, then export again"
_REMEDIES = {
    errno.ENOSPC: ("it is full", _EMPTY_IT),
    errno.EROFS: ("it is mounted read-only", "unlock its write protection, or mount it writable"),
    errno.EACCES: ("it may not be written", "mount it so that this user may write"),
    errno.EPERM: ("it may not be written", "mount it so that this user may write"),
    errno.EIO: ("the medium fails or was pulled out", "plug it in again, or take another stick"),
    errno.ENODEV: ("the medium fails or was pulled out", "plug it in again, or take another stick"),
    errno.ELOOP: ("a symbolic link lies in the way", _EMPTY_IT),
    errno.ENOTDIR: ("a file or a symbolic link lies where a directory belongs", _EMPTY_IT),
    errno.EISDIR: ("a directory lies where a file belongs", _EMPTY_IT),
}


def export_trust(repository: VerifiedRepository, pinned_root: bytes, directory: Path) -> None:
    """Copy a verified repository, read it back and verify it.

    Args:
        repository: The generation in force.
        pinned_root: What it was verified from.
        directory: The stick or a folder on it; the folder itself is made if it is missing. Other files in it stay.

    Raises:
        StoreError: It cannot be written.
        TrustError: What was read back is not what was written.
        SourceError: It cannot be read back.
    """
    with _faults(directory):
        _write_all(repository.files, directory)
    copied = verify_repository(pinned_root, DirectorySource(directory), at=None)
    if copied.files != repository.files:
        msg = f"directory {directory} holds newer root metadata than this gate, beside what was written"
        raise TrustError(msg, _EMPTY_IT)


def _write_all(files: Mapping[str, bytes], directory: Path) -> None:
    with contextlib.suppress(FileExistsError):
        directory.mkdir()
    # Also when it was there: whoever made it may have been killed before its name was durable. Above a mounted stick there may be nothing to be read, and nothing is owed.
    with contextlib.suppress(PermissionError), _opened(directory.parent) as parent:
        os.fsync(parent)
    made: set[str] = set()
    with _opened(directory) as top:
        for name in sorted(files, key=lambda name: (name == _LAST, not name.startswith("targets/"), name)):
            *folders, base = parts_of(name)
            with contextlib.ExitStack() as stack:
                folder = top
                for depth, part in enumerate(folders, 1):
                    if (at := "/".join(folders[:depth])) not in made:
                        with contextlib.suppress(FileExistsError):
                            os.mkdir(part, dir_fd=folder)
                        os.fsync(folder)
                        made.add(at)
                    folder = stack.enter_context(_opened(part, dir_fd=folder))
                _write(folder, base, files[name])


def _write(folder: int, base: str, content: bytes) -> None:
    draft = f"{base}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft, dir_fd=folder)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
            # So that it is read back from the stick and not from memory.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
        os.rename(draft, base, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise
    os.fsync(folder)


@contextlib.contextmanager
def _opened(path: Path | str, dir_fd: int | None = None) -> Iterator[int]:
    """A directory; below the stick's own, never through a link."""
    follow = 0 if dir_fd is None else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | follow, dir_fd=dir_fd)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _faults(directory: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        msg = f"directory {directory} cannot be written: {directory.parent} is missing"
        raise StoreError(msg, "is the stick mounted, and the path right?") from None
    except OSError as error:
        what, remedy = _REMEDIES.get(error.errno or 0, (error.strerror or type(error).__name__, _EMPTY_IT))
        msg = f"directory {directory} cannot be written: {what}"
        raise StoreError(msg, remedy) from error
