"""The metrics as a file for node_exporter's textfile collector, written over and over on a thread of its own.

Each time a whole new file takes the place of the last one, so a reader never sees half of one. A gate that gives no status is told by gate_up 0; when the
daemon stops in good order the file goes with it, as nothing in it would be true any more. Nothing here can stop or delay the gate.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from gate_controller.ports.errors import GateError

JOIN_S = 5.0
DOWN = b"# TYPE gate_up gauge\ngate_up 0.0\n"
"""What is told of a gate that gives no status."""
log = structlog.get_logger("gate.metrics")


class TextFile:
    """Writes the file while the context is entered.

    Args:
        path: The file, in the collector's directory; its name ends in .prom.
        every_s: Time between two writings.
        text: Gives the metrics.
    """

    def __init__(self, path: Path, every_s: float, text: Callable[[], bytes]) -> None:
        self._text = text
        self._path = path
        self._every_s = every_s
        self._scratch = path.with_name(f".{path.name}.new")  # the collector reads *.prom only
        self._failing = self._broken = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join(JOIN_S)  # a directory on a disk that hangs must not keep the daemon

    def write(self) -> None:
        """Write it once. A failure is logged, once until it works again."""
        try:
            text = self._text()
            self._broken = False
        except GateError:
            text = DOWN  # why, the gate's log says
        except Exception:
            if not self._broken:
                log.exception("the metrics cannot be made")
            self._broken = True
            text = DOWN  # the old file would go on saying that all is well
        try:
            self._replace(text)
        except OSError as error:
            if not self._failing:
                log.warning("the metrics' file cannot be written", file=str(self._path), error=error.strerror, remedy="docs/control.md, Metrics as a file")
            self._failing = True
        else:
            self._failing = False

    def _replace(self, text: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._scratch.unlink()  # of a daemon that was killed while it wrote
        handle = os.open(self._scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            os.fchmod(handle, 0o644)  # whatever the umask: the collector runs as another user, and there is nothing secret in it
            while text:
                text = text[os.write(handle, text) :]
        finally:
            os.close(handle)
        self._scratch.replace(self._path)

    def _run(self) -> None:
        while True:
            self.write()
            if self._stopping.wait(self._every_s):
                break
        with contextlib.suppress(OSError):
            self._path.unlink()
