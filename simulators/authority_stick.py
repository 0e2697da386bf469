"""The USB stick that carries the repository to gates without a network.

Only what a gate needs is on it: one version of everything, and all roots. Names are safe on FAT (short, lower case, no links). A stick
pulled out in the middle still carries what it carried before: new files come first, the timestamp that names them last, and only then
the superseded ones go. Does not format, mount or eject anything; leaves other files alone.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gate_controller.ports.errors import StoreError
from simulators.repository import TrustRepository

_OURS = re.compile(r"[0-9]{1,9}\.[a-z]+\.json|timestamp\.json|[0-9a-f]{64}\.[a-z0-9.-]+|[a-z0-9.-]+\.new")
_FOLDERS = ("metadata", "targets")


@dataclass(frozen=True, slots=True)
class StickReport:
    """What was done to a stick.

    Attributes:
        files: Files on it that belong to the repository.
        content_bytes: Their size together.
        written: Those that were not there before, or differed.
        removed: Superseded files.
    """

    files: int
    content_bytes: int
    written: int
    removed: int


def write_stick(repository: TrustRepository, target: Path) -> StickReport:
    """Make `target` carry the repository as it is now.

    Args:
        repository: What to copy.
        target: An existing directory: the stick, or a folder on it.

    Raises:
        StoreError: No such directory, it lies in the repository, or it cannot be written: full, read-only, pulled out.
    """
    if not target.is_dir():
        raise StoreError(f"{target} is not a directory", "is the stick mounted there? a folder on it must be made first")  # noqa: EM102
    if target.resolve().is_relative_to(repository.directory.resolve()):
        raise StoreError(f"{target} lies in the repository itself", "name the stick's mount point")  # noqa: EM102
    names = repository.current_files()
    written = content_bytes = 0
    try:
        for name in names:
            content = (repository.directory / name).read_bytes()
            content_bytes += len(content)
            written += _write(target / name, content)
        folders = {target, *((target / name).parent for name in names)}
        _flush(folders)
        removed = _remove_superseded(target, set(names))
        _flush(folders)
    except OSError as error:
        what = f"{error.filename or target}: {error.strerror}"
        raise StoreError(what, "is the stick full, write-protected or pulled out? a gate takes what it carried before") from error
    return StickReport(len(names), content_bytes, written, removed)


def _write(path: Path, content: bytes) -> bool:
    """Write a file unless it is there with this content; it appears as a whole."""
    if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        error.filename = error.filename or str(path)
        raise
    return True


def _remove_superseded(target: Path, kept: set[str]) -> int:
    removed = 0
    for folder in _FOLDERS:
        for path in sorted((target / folder).rglob("*")):
            if path.relative_to(target).as_posix() not in kept and _OURS.fullmatch(path.name) and (path.is_symlink() or path.is_file()):
                path.unlink()
                removed += 1
    return removed


def _flush(folders: Iterable[Path]) -> None:
    """Have the folders' entries on the stick, so that what follows cannot overtake them."""
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
