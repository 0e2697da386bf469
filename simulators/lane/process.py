"""One simulator as a process of its own, so that it can die as hardware does. Knows nothing of what it simulates."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from simulators.control import ControlError

START_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0


class SimulatorProcess:
    """A process `python -m MODULE ... --control SOCKET --with-parent`. Used by one thread at a time.

    A simulator started with --with-parent ends with the *thread* that started it (PR_SET_PDEATHSIG), so `start()` belongs to a
    thread that outlives it.

    Args:
        name: Short name for messages.
        arguments: Module and arguments; may be added to before the next start.
        control: Path of its control socket.
        log: File its standard error goes to.
    """

    def __init__(self, name: str, arguments: Sequence[str], control: Path, log: Path) -> None:
        self.name = name
        self.control = control
        self.arguments = list(arguments)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id, or None when it was not started or has been reaped."""
        return self._process.pid if self._process is not None else None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it without waiting; `wait_ready()` does.

        Raises:
            ControlError: It is running already, or cannot be started.
        """
        if self.alive:
            msg = f"{self.name} simulator runs already"
            raise ControlError(msg)
        self._reap()
        command = [sys.executable, "-m", *self.arguments, "--control", str(self.control), "--with-parent", str(os.getpid())]
        try:
            with self._log.open("ab") as log:
                # A session of its own: Ctrl-C in the terminal is for whoever started the lane, who stops everything in order.
                self._process = subprocess.Popen(  # noqa: S603 - our own command
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
                )
        except OSError as error:
            msg = f"{' '.join(command)}: {error.strerror or error}"
            raise ControlError(msg) from error

    def wait_ready(self) -> str:
        """Wait until it serves; returns the rest of its "ready" line.

        Raises:
            ControlError: It ended, or did not become ready in time; with the last line it said.
        """
        line = self._first_line()
        if not line.startswith("ready"):
            self.kill()
            said = self._log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            msg = f"{self.name} simulator did not become ready: {said[0]}"
            raise ControlError(msg)
        return line.removeprefix("ready").strip()

    def kill(self) -> None:
        """End it as kill -9 does: nothing is cleaned up."""
        if self._process is not None and self.alive:
            self._process.kill()
        self._reap()

    def stop(self) -> None:
        """End it in good order; by force if it does not."""
        if self._process is not None and self.alive:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_LIMIT_S)
        self.kill()

    def _first_line(self) -> str:
        output = self._process.stdout if self._process is not None else None
        if output is None:
            return ""
        received = b""
        limit = time.monotonic() + START_LIMIT_S
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while b"\n" not in received and selector.select(max(0.0, limit - time.monotonic())):
                some = output.read1(4096)  # type: ignore[attr-defined] # a pipe opened in binary mode is buffered
                if not some:
                    break
                received += some
        return received.decode(errors="replace").partition("\n")[0]

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
