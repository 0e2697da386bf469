"""Lets a run go before everything else on a busy machine, with all the processes that it starts. Root only; nothing of it is left afterwards.

The kernel shares the processor out by sessions (sched_autogroup(7)), and each simulator and each daemon is a session of its own, so that `nice` changes nothing
between them. What counts is the niceness of the session's group, /proc/PID/autogroup, which a new session does not inherit: so new ones are looked for.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_NICENESS = b"-18"
_EVERY_S = 0.3
_GROUP = Path("/proc/self/autogroup")


class Ahead:
    """A context manager. Where the kernel has no such groups, or does not permit it, nothing happens."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._before = _GROUP.read_text().split()[-1].encode() if _GROUP.exists() else b"0"  # of the shell that this was started from
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            _GROUP.write_bytes(self._before)

    def _run(self) -> None:
        done: set[int] = set()
        while not self._over.wait(_EVERY_S):
            for pid in _family(os.getpid()) - done:
                done.add(pid)
                with contextlib.suppress(OSError):
                    Path(f"/proc/{pid}/autogroup").write_bytes(_NICENESS)


def _family(pid: int) -> set[int]:
    """A process and all that it has begotten, as far as they live."""
    found = {pid}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found |= _family(int(child))
    return found
