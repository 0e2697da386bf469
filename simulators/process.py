"""What the command lines of the wire simulators share: dying with the parent, ending on a signal, bounded arguments, asking a running one.

Knows no verb of any simulator.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar

from simulators.control import ControlClient, ControlError

_PR_SET_PDEATHSIG = 1  # prctl(2)
Number = TypeVar("Number", int, float)
_END = frozenset({signal.SIGTERM, signal.SIGINT})


def end_with_parent(parent: int = 0) -> None:
    """Get SIGTERM when the thread that started this process ends (prctl(2) speaks of the thread, not of the process).

    Args:
        parent: Process id of whoever started this one; 0: unknown, but not process 1, which takes over orphans.

    Raises:
        SystemExit: It has ended already; its signal would never come.
    """
    before = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The parent ended before the first call, or between the two.
    if os.getppid() != before or (before != parent if parent else before == 1):
        sys.exit("the process that started this simulator has ended, and --with-parent was given")


class EndSignal:
    """SIGTERM and SIGINT, to be waited for. Main thread only; make it before the ready line, or an early signal kills without cleaning up."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Any thread may take the signal, and Python's handler would then wait for the main thread to run: only a byte in the pipe wakes it.
        signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)
        for number in _END:
            signal.signal(number, lambda *_: None)

    def wait(self) -> None:
        """Return once one of them has come."""
        while True:
            select.select([self._out], [], [])
            if set(os.read(self._out, 512)) & _END:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        os.close(self._out)
        os.close(self._in)


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """End this process with what `main` makes of its arguments. A reader that hangs up early (`| head`) is no crash."""
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it flushes at the end
        code = 1
    sys.exit(code)


def whole(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: a whole number from `low` to `high`, decimal or with 0x."""

    def parse(text: str) -> int:
        return _within(int(text, 0), low, high)

    parse.__name__ = "int"  # argparse says "invalid int value"
    return parse


def decimal(low: float, high: float) -> Callable[[str], float]:
    """An argparse type: a number from `low` to `high`."""

    def parse(text: str) -> float:
        return _within(float(text), low, high)

    parse.__name__ = "float"
    return parse


def _within(value: Number, low: Number, high: Number) -> Number:
    if not low <= value <= high:  # nor is "nan"
        msg = f"{value} is not from {low} to {high}"
        raise argparse.ArgumentTypeError(msg)
    return value


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
