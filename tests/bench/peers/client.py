"""The peers' process, as the benchmark sees it. Without their environment there is none, and the benchmark says so and goes on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[3]
PYTHON = TOP / ".venv-peers" / "bin" / "python"
SERVER = Path(__file__).with_name("server.py")


class NoPeersError(Exception):
    """The peers cannot be asked; str() is one line that says why."""


class Peers:
    """Runs server.py under the peers' own Python, until `close`.

    Args:
        given: What server.py's "load" takes.

    Raises:
        NoPeersError: There is no such environment, or it is damaged.
    """

    def __init__(self, given: dict[str, str], python: Path = PYTHON) -> None:
        try:
            self._process = subprocess.Popen([python, "-I", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        except OSError as error:
            msg = f"the peers are not compared: {python} does not run ({error.strerror}); make it with requirements/setup peers"
            raise NoPeersError(msg) from error
        try:
            self.versions: dict[str, str] = self._ask({"load": given})["versions"]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def times(self, count: int) -> dict[str, list[int]]:
        """Nanoseconds of every measure, each taken `count` times in a row."""
        times: dict[str, list[int]] = self._ask({"time": count})["ns"]
        return times

    def accepts(self, token: bytes, claim169_text: str) -> dict[str, str]:
        """Of each peer: "accepted", or the name of its error."""
        return self._ask({"accepts": {"token": token.hex(), "claim169_text": claim169_text}})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            assert self._process.stderr is not None
            last = self._process.stderr.read().strip().rpartition("\n")[2] or "it said nothing"
            msg = f"the peers are not compared: their process ended ({last}); make .venv-peers anew with requirements/setup peers"
            raise NoPeersError(msg)
        answer: dict[str, Any] = json.loads(line)
        return answer
