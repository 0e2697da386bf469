"""Log lines written by a thread of their own, so that no thread of the gate waits for, or dies of, whoever reads the log.

They go to standard error as key=value, or, where that is systemd's journal, to the journal itself, with their fields (journald.py).

When the reader stalls, lines beyond the queue are dropped and counted; when it is gone, lines go nowhere. Not for records: those go to the journal.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading

import structlog

from gate_controller.runtime import journald
from gate_controller.runtime.journald import JournalSocket

QUEUED_AT_MOST = 2000


class BackgroundLog:
    """Writes lines to a file descriptor, and entries to the journal; used as structlog's logger and its factory.

    Args:
        descriptor: Where lines go, usually 2. Written to directly: a lock of `sys.stderr` held by a stalled write would hang the end of the process.
        journal: Where entries (bytes) go; None: there are none.

    Attributes:
        dropped_total: Lines that were dropped since the start.
    """

    def __init__(self, descriptor: int, journal: JournalSocket | None = None) -> None:
        self._descriptor = descriptor
        self._journal = journal
        self.dropped_total = 0
        self._lines: queue.Queue[str | bytes] = queue.Queue(QUEUED_AT_MOST)
        self._dropped = 0
        self._idle = threading.Condition()
        self._owed = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def __call__(self, *_arguments: object) -> BackgroundLog:
        """The logger, as structlog asks its factory for one."""
        return self

    def msg(self, message: str | bytes) -> None:
        """Queue a line. Never blocks, never raises."""
        with self._idle:
            try:
                self._lines.put_nowait(message)
            except queue.Full:
                self._dropped += 1
                self.dropped_total += 1
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
                if isinstance(line, str):
                    self._write(f"{note}{line}\n".encode(errors="backslashreplace"))
                else:
                    self._enter(note, line)
            with self._idle:
                self._owed -= 1
                self._idle.notify_all()

    def _enter(self, note: str, data: bytes) -> None:
        """Into the journal; what it does not take goes to the descriptor, which is the journal's, too, without fields."""
        if note:
            self._write(note.encode())
        try:
            if self._journal is not None:
                self._journal.send(data)
        except OSError:
            self._write(data.partition(b"\n")[0].removeprefix(b"MESSAGE=") + b"\n")

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]


def configure_log(identifier: str = "gate-controller") -> BackgroundLog:
    """Structured lines on standard error or in the journal, written in the background; flush the returned one before the process ends.

    Args:
        identifier: Name of the program, by which `journalctl -t` finds its lines.
    """
    to_journal = journald.is_ours(sys.stderr.fileno())
    lines = BackgroundLog(sys.stderr.fileno(), JournalSocket() if to_journal else None)
    processors: list[structlog.typing.Processor] = [structlog.processors.add_log_level, structlog.processors.format_exc_info]
    if to_journal:
        processors += [lambda _logger, _method, event: journald.entry(identifier, event)]
    else:
        processors += [
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ]
    structlog.configure(processors=processors, logger_factory=lines)
    return lines
