"""The symbolic link by which a simulated serial device is found, as udev would make it.

Guards against replacing what is not a dead simulator's; locks nothing: two that start at the same moment are not told apart.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def check_link(link: Path) -> None:
    """Whether `link` may be made: nothing is there, or the link of a simulator that is dead.

    Raises:
        FileExistsError: Something else is there; `strerror` says what.
        OSError: It cannot be looked at.
    """
    try:
        made = link.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISLNK(made.st_mode):
        raise FileExistsError(errno.EEXIST, "is there and is not a link; it stays")
    target = link.readlink()
    if target.parent != Path("/dev/pts"):
        raise FileExistsError(errno.EEXIST, f"links to {target}, which is no pseudo-terminal; it stays")
    try:
        node = target.stat()
    except FileNotFoundError:
        return
    # The kernel gives the numbers of the dead out again: a node that is younger than the link is somebody else's.
    if node.st_ctime_ns <= made.st_mtime_ns:
        raise FileExistsError(errno.EEXIST, f"links to {target}, which is alive: end what serves it, or choose another link")


def make_link(link: Path, node: str) -> None:
    """Point `link` to `node`, replacing a dead link in one step.

    Raises:
        OSError: As `check_link`, or it cannot be made.
    """
    check_link(link)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(node)
    temporary.replace(link)


def remove_link(link: Path, node: str) -> None:
    """Remove `link` if it still points to `node`."""
    if link.is_symlink() and str(link.readlink()) == node:
        link.unlink()
