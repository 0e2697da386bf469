"""Keeps one wire simulator in the state the world wants it in, over its control socket, whatever happens to the simulator.

Never blocks whoever says what is wanted: a simulator that is dead, or stopped in its tracks, holds up nothing else.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from simulators.control import ControlClient, ControlError, Message

RETRY_S = 0.1
ANSWER_LIMIT_S = 5.0


class Feeder:
    """A thread that tells one simulator what is wanted of it; of each kind of wish only the latest counts.

    Args:
        name: Name of the device.
        control: Path of its control socket.
        poll_s: Ask for the simulator's state this often; None for never.
    """

    def __init__(self, name: str, control: Path, poll_s: float | None = None) -> None:
        self._control = control
        self._poll_s = poll_s
        self._changed = threading.Condition()
        self._wanted: dict[str, tuple[str, dict[str, Any]]] = {}
        self._unsent: list[str] = []
        self._connect = False
        self._stopping = False
        self._client: ControlClient | None = None
        self._state: Message = {}
        self._refused: ControlError | None = None
        self._thread = threading.Thread(target=self._run, name=f"feeder {name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> Message:
        """The simulator's state as polled last; empty while it is not there."""
        return self._state

    def want(self, key: str, verb: str, **fields: Any) -> None:
        """From now on the simulator should have been told this; a later wish of the same key replaces it."""
        with self._changed:
            self._wanted[key] = (verb, fields)
            if key in self._unsent:
                self._unsent.remove(key)
            self._unsent.append(key)
            self._changed.notify_all()

    def connect(self, timeout_s: float) -> None:
        """The simulator has (re)started: connect and tell it everything that is wanted. Returns when it knows.

        Raises:
            ControlError: It could not be told in time.
        """
        with self._changed:
            self._connect = True
            self._state = {}
            self._unsent = list(self._wanted)
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._client is not None and not self._connect and not self._unsent, timeout_s):
                msg = f"{self._control}: the simulator could not be told the state of the world"
                raise ControlError(msg) from self._refused

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        self._hang_up()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._connect or self._unsent, self._poll_s)
                if self._stopping:
                    return
                connect, self._connect = self._connect, False
                wishes = [(key, *self._wanted[key]) for key in self._unsent]
            try:
                self._feed(wishes, connect=connect)
            except ControlError as error:
                self._lost(error)

    def _feed(self, wishes: list[tuple[str, str, dict[str, Any]]], *, connect: bool) -> None:
        if connect or self._client is None:
            self._hang_up()
            self._client = ControlClient(self._control, timeout_s=ANSWER_LIMIT_S)
        for key, verb, fields in wishes:
            self._client.ask(verb, **fields)
            with self._changed:
                if self._wanted[key] == (verb, fields) and key in self._unsent:
                    self._unsent.remove(key)
        with self._changed:
            self._changed.notify_all()
        if self._poll_s is not None:
            self._state = self._client.ask("state")

    def _lost(self, error: ControlError) -> None:
        """After any failure the connection is of no use: a late reply would be taken for the next one's. Everything is told anew."""
        self._hang_up()
        with self._changed:
            self._refused = error
            self._state = {}
            self._unsent = list(self._wanted)
            self._changed.wait_for(lambda: self._stopping or self._connect, RETRY_S)

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
