"""Where a trust repository is read from: a directory (a USB stick, the cache itself) or memory; mirror.py has the HTTPS mirror.

A source is hostile: it may hold links, pipes, devices, endless files, half a copy. It hands out the bytes of one named file and leaves it to
the reader to stop at a limit and to verify. Does not verify, does not list, never writes.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from gate_controller.ports.errors import GateError
from gate_controller.trust.names import parts_of

CHUNK_BYTES = 64 * 1024
METADATA = "metadata"
"""The directory of a repository that every reader needs first."""

COPY_AGAIN = "copy the whole repository to it again"
_MEDIUM_FAILED = {errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM, errno.ESTALE, errno.EREMOTEIO, errno.ETIMEDOUT, errno.EUCLEAN, errno.EBADMSG}
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISREG, "a file"),
)


class SourceError(GateError):
    """A source cannot be read, or holds what must not be read."""


class NotInSource(SourceError):  # noqa: N818 - an answer as often as an error: there is no newer root
    """The source has no such file."""


class Source(Protocol):
    """A place with the files of a repository.

    Attributes:
        name: How messages call it, e.g. "directory /media/stick".
    """

    name: str

    def read(self, name: str) -> Iterator[bytes]:
        """The content of a file, in pieces of at most CHUNK_BYTES; nothing is opened before the first is asked for.

        The content may never end: whoever reads it counts, and stops. Every error comes out of the iteration.

        Args:
            name: Relative name with "/", e.g. "metadata/timestamp.json".

        Raises:
            NotInSource: There is no such file.
            SourceError: It cannot or must not be read; or the name is not a plain one.
        """
        ...


def checked_parts(source: Source, name: str) -> list[str]:
    """The parts of a name.

    Raises:
        SourceError: It is not a plain name.
    """
    try:
        return parts_of(name)
    except ValueError as error:
        msg = f"{source.name}: {error}"
        raise SourceError(msg, "whoever signs this repository must name its files plainly") from None


class MemorySource:
    """Files that are in memory already.

    Args:
        files: Content by name.
        name: See Source.
    """

    def __init__(self, files: Mapping[str, bytes], name: str = "memory") -> None:
        self.name = name
        self._files = files

    def read(self, name: str) -> Iterator[bytes]:
        """See Source."""
        checked_parts(self, name)
        if name not in self._files:
            msg = f"{self.name}: {name} is missing"
            raise NotInSource(msg, COPY_AGAIN)
        content = self._files[name]
        for start in range(0, len(content), CHUNK_BYTES):
            yield content[start : start + CHUNK_BYTES]


class DirectorySource:
    """A directory: only plain files below it, never through a symbolic link. Extra and hidden files do not matter.

    The directory itself may be named through links: whoever runs the gate names it. A stick may be read-only.

    Args:
        path: The directory that holds metadata/ and targets/.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"directory {path}"
        self._path = path

    def read(self, name: str) -> Iterator[bytes]:
        """See Source."""
        *folders, base = checked_parts(self, name)
        descriptor = self._open_root()
        at = ""
        try:
            for folder in folders:
                at = f"{at}/{folder}" if at else folder
                descriptor = self._descend(descriptor, folder, at, os.O_DIRECTORY)
            descriptor = self._descend(descriptor, base, name, os.O_NONBLOCK)
            while chunk := self._read(descriptor, name):
                yield chunk
        finally:
            os.close(descriptor)

    def _open_root(self) -> int:
        try:
            return os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            msg = f"{self.name} is missing"
            raise SourceError(msg, "is the stick mounted, and the path right?") from None
        except NotADirectoryError:
            msg = f"{self.name} is not a directory"
            raise SourceError(msg, "name the directory that holds metadata/ and targets/") from None
        except OSError as error:
            raise self._fault("", error) from error

    def _descend(self, parent: int, base: str, name: str, kind: int) -> int:
        """Open an entry of a directory, and close the directory once that worked."""
        wanted = stat.S_ISDIR if kind == os.O_DIRECTORY else stat.S_ISREG
        try:
            # Looked at before it is opened: opening a device or a pipe can do harm by itself.
            self._require(wanted, os.stat(base, dir_fd=parent, follow_symlinks=False), name)
            descriptor = os.open(base, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC | kind, dir_fd=parent)
        except FileNotFoundError:
            if name == METADATA:
                msg = f"{self.name} holds no trust repository: {METADATA} is missing"
                raise SourceError(msg, "name the directory that holds metadata/ and targets/") from None
            msg = f"{self.name}: {name} is missing"
            raise NotInSource(msg, COPY_AGAIN) from None
        except OSError as error:
            raise self._fault(name, error) from error
        try:
            self._require(wanted, os.fstat(descriptor), name)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(parent)
        return descriptor

    def _require(self, wanted: object, found: os.stat_result, name: str) -> None:
        is_kind, kind = next((entry for entry in _KINDS if entry[0](found.st_mode)), (None, "of an unknown kind"))
        if is_kind is not wanted:
            expected = "a directory" if wanted is stat.S_ISDIR else "a plain file"
            msg = f"{self.name}: {name} is {kind}, not {expected}"
            raise SourceError(msg, f"{COPY_AGAIN}; nothing else belongs there")

    def _read(self, descriptor: int, name: str) -> bytes:
        try:
            return os.read(descriptor, CHUNK_BYTES)
        except OSError as error:
            raise self._fault(name, error) from error

    def _fault(self, name: str, error: OSError) -> SourceError:
        where = f"{self.name}: {name}" if name else self.name
        if isinstance(error, PermissionError):
            return SourceError(f"{where} may not be read", "make it readable for this user, or mount the stick for it")
        if error.errno in _MEDIUM_FAILED:
            return SourceError(f"{where} cannot be read: the medium fails or was pulled out", "plug the stick in again, or take another one")
        return SourceError(f"{where} cannot be read: {error.strerror or error}", COPY_AGAIN)
