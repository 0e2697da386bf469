"""Log lines written by a thread of their own, so that no thread of the gate waits for, or dies of, whoever reads the log.

When the reader stalls, lines beyond the queue are dropped and counted; when it is gone, lines go nowhere. Not for records: those go to the journal.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading

import structlog

QUEUED_AT_MOST = 2000


class BackgroundLog:
    """Writes lines to a file descriptor; used as structlog's logger and its factory.

    Args:
        descriptor: Where to, usually 2. Written to directly: a lock of `sys.stderr` held by a stalled write would hang the end of the process.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[str] = queue.Queue(QUEUED_AT_MOST)
        self._dropped = 0
        self._idle = threading.Condition()
        self._owed = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def __call__(self, *_arguments: object) -> BackgroundLog:
        """The logger, as structlog asks its factory for one."""
        return self

    def msg(self, message: str) -> None:
        """Queue a line. Never blocks, never raises."""
        with self._idle:
            try:
                self._lines.put_nowait(message)
            except queue.Full:
                self._dropped += 1
            else:
                self._owed += 1

    log = debug = info = warn = warning = error = err = critical = fatal = exception = failure = msg

    def flush(self, timeout_s: float) -> bool:
        """Wait until all lines are written; False when that took too long."""
        with self._idle:
            return self._idle.wait_for(lambda: self._owed == 0, timeout_s)

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            with self._idle:
                dropped, self._dropped = self._dropped, 0
            note = f"{dropped} log lines were dropped\n" if dropped else ""
            with contextlib.suppress(OSError):
                self._write(f"{note}{line}\n".encode(errors="backslashreplace"))
            with self._idle:
                self._owed -= 1
                self._idle.notify_all()

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]


def configure_log() -> BackgroundLog:
    """Structured lines on standard error, written in the background; flush the returned one before the process ends."""
    lines = BackgroundLog(sys.stderr.fileno())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=lines,
    )
    return lines
