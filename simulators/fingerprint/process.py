"""Starts the wire simulator as a process of its own, as tests and whole-lane simulations want it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from gate_controller.ports.devices import Family
from simulators.control import ControlClient, ControlError, Message


class FingerprintProcess:
    """One running simulator process; ends with the process that started it.

    Args:
        family: Family of the module.
        directory: Where its link `fingerprint` and its control socket `fingerprint.sock` go.
        paced: Whether bytes take as long as on a real line.
        arguments: Further command-line arguments.

    Raises:
        ControlError: It did not come up.
    """

    def __init__(self, family: Family, directory: Path, *, paced: bool = False, arguments: Sequence[str] = ()) -> None:
        self.family = family
        self.link = directory / "fingerprint"
        self._socket = directory / "fingerprint.sock"
        command = [sys.executable, "-m", "simulators.fingerprint", "--family", family.value, "--link", str(self.link), "--control", str(self._socket)]
        self._command = [*command, "--with-parent", str(os.getpid()), *(["--paced"] if paced else []), *arguments]
        self._process: subprocess.Popen[str] | None = None
        self._client: ControlClient | None = None
        self.start()

    def start(self) -> None:
        """Start it (again).

        Raises:
            ControlError: It did not come up within 30 s.
        """
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
        output = self._process.stdout
        ready = select.select([output], [], [], 30.0)[0] if output else []
        if output is None or not ready or not output.readline().startswith("ready"):
            self.kill()
            raise ControlError("the fingerprint simulator did not come up")
        self._client = ControlClient(self._socket)

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            ControlError: It is not running.
        """
        if self._process is None:
            raise ControlError("the fingerprint simulator is not running")
        return self._process.pid

    def ask(self, verb: str, **fields: object) -> Message:
        """Send one request to its control socket.

        Raises:
            ControlError: It refused, or is not running.
        """
        if self._client is None:
            raise ControlError("the fingerprint simulator is not running")
        return self._client.ask(verb, **fields)

    def kill(self) -> None:
        """End it at once, without a chance to clean up (kill -9)."""
        self._end(kill=True)

    def close(self) -> None:
        """End it in good order."""
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        process.wait(timeout=30)
        if process.stdout:
            process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
