"""Which user ids count as one when places and answers are shared out: an account may have 65,536 subordinate ones to work under (subuid(5)).

So each connection of a flood could come from another user id. All subordinate ids together count as one account here, whoever's they are: a display, an
officer's or an engineer's login is none of them. Gives nobody a role; does not ask name services (subid: in nsswitch.conf), only the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

SUBORDINATE: Final = -1
"""Stands for every subordinate user id."""
LEAST: Final = 65536
"""Below are the ids of people and services (login.defs(5)), whatever the file says."""
FILE: Final = Path("/etc/subuid")


class Accounts:
    """For one thread.

    Args:
        path: The file of the subordinate ids; read anew when it has changed.
    """

    def __init__(self, path: Path = FILE) -> None:
        self._path = path
        self._read: tuple[int, int] | None = None
        self._ranges: list[range] = []

    def account(self, uid: int | None) -> int | None:
        """As what a user id is counted: SUBORDINATE, or itself. None stays None."""
        if uid is None or uid < LEAST:
            return uid
        self._look()
        return SUBORDINATE if any(uid in ids for ids in self._ranges) else uid

    def _look(self) -> None:
        try:
            found = self._path.stat()
            state = (found.st_ino, found.st_mtime_ns)
            if state != self._read:
                self._ranges = _ranges(self._path.read_text(encoding="utf-8", errors="replace"))
                self._read = state
        except OSError:
            self._ranges, self._read = [], None  # a machine without the file has no such ids


def _ranges(text: str) -> list[range]:
    """`name:first:count`, a line each; what is none says nothing."""
    found = []
    for line in text.splitlines():
        _, *numbers = line.strip().split(":")
        if len(numbers) == 2 and all(number.isdecimal() and len(number) <= 10 for number in numbers):
            found.append(range(int(numbers[0]), int(numbers[0]) + int(numbers[1])))
    return found
