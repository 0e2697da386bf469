"""What the command lines of the wire simulators share: dying with the parent, ending on a signal, asking a running one.

Knows no verb of any simulator.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulators.control import ControlClient, ControlError

_PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent() -> None:
    """Get SIGTERM when the thread that started this process ends (prctl(2) speaks of the thread, not of the process)."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it ended between the two calls; its signal will not come
        sys.exit(0)


def end_signal() -> threading.Event:
    """An event that SIGTERM or SIGINT sets. Main thread only; before the ready line, or an early signal kills without cleaning up."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    return ended


def ask(socket: Path, verb: str, fields: dict[str, Any]) -> int:
    """Send one request to a running simulator and print the reply; the exit code."""
    try:
        client = ControlClient(socket)
        try:
            print(json.dumps(client.ask(verb, **fields)))
        finally:
            client.close()
    except ControlError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def pairs(words: Sequence[str]) -> dict[str, Any]:
    """Fields of a request from words NAME=VALUE; a value is JSON where it parses as such, else text.

    Raises:
        ValueError: A word without "=".
    """
    if wrong := [word for word in words if "=" not in word]:
        msg = f"{', '.join(wrong)}: NAME=VALUE is wanted"
        raise ValueError(msg)
    return {name: _value(text) for name, _, text in (word.partition("=") for word in words)}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
