"""Starts the wire simulator as a process of its own and talks to it, for tests, benchmarks and a simulated lane."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from simulators.control import ControlClient

LIMIT_S = 30.0
"""A generous limit: reached only when something hangs."""


class IoBoardProcess:
    """`python -m simulators.io_board`, started by `start()` or the with statement; ends with the thread that started it.

    Args:
        directory: Where its link ("io_board") and control socket ("io_board.control") are made.
        arguments: Further arguments of its command line.
    """

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.link = directory / "io_board"
        self.control = directory / "io_board.control"
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self._client: ControlClient | None = None

    def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            RuntimeError: It ended, or did not serve in time.
        """
        command = [
            sys.executable,
            "-m",
            "simulators.io_board",
            "--link",
            str(self.link),
            "--control",
            str(self.control),
            "--with-parent",
            str(os.getpid()),
            *self._arguments,
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 -- our own module
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], LIMIT_S)
        line = process.stdout.readline() if ready else ""
        process.stdout.close()
        if not line.startswith("ready"):
            process.kill()
            process.wait()
            msg = f"the simulated I/O board did not start: {line!r}"
            raise RuntimeError(msg)
        self._process = process
        self._client = ControlClient(self.control)

    def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        """One request to its control socket."""
        assert self._client is not None
        return self._client.ask(verb, **fields)

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Its state, once the condition holds.

        Raises:
            TimeoutError: The condition did not come to hold.
        """
        deadline = time.monotonic() + LIMIT_S
        while not condition(state := self.ask("state")):
            if time.monotonic() > deadline:
                msg = f"waited {LIMIT_S} s in vain; the last state was {state}"
                raise TimeoutError(msg)
            time.sleep(0.005)
        return state

    def kill(self) -> None:
        """SIGKILL: it cleans up nothing."""
        self._end(subprocess.Popen.kill)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        return self._end(subprocess.Popen.terminate)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _end(self, how: Callable[[subprocess.Popen[str]], None]) -> int:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is None:
            return 0
        how(self._process)
        code = self._process.wait(LIMIT_S)
        self._process = None
        return code
