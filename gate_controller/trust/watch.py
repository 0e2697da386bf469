"""Looks for newly imported trust once a second, on a thread of its own: verifying it takes a while, and no traveller waits for it.

Does not judge and does not tell: the store keeps what it can believe and remembers why it could not, and the monitor reports that.
"""

from __future__ import annotations

import threading
from typing import Protocol

import structlog

from gate_controller.ports.clock import Clock

LOOK_EVERY_S = 1.0
log = structlog.get_logger("gate.trust")


class Refreshable(Protocol):
    """A trust store that looks at its cache when asked to."""

    def refresh(self, wall: float) -> bool:
        """Take what is newer, if it can be believed; whether another state is in force."""
        ...


class TrustWatcher:
    """The thread. A context manager.

    Args:
        store: Whose cache is looked at.
        clock: The gate's clocks.
        every_s: Time between two looks.
    """

    def __init__(self, store: Refreshable, clock: Clock, every_s: float = LOOK_EVERY_S) -> None:
        self._store = store
        self._clock = clock
        self._every_s = every_s
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trust", daemon=True)

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Look no more; returns when the last look has ended, or after `timeout_s`."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def look(self) -> None:
        """One look. A bug in it leaves the trust in force as it is, which then ages until the lane closes."""
        try:
            if self._store.refresh(self._clock.wall()):
                log.info("newer trust is in force")
        except Exception:
            if not self._failing:
                log.exception("looking for newer trust failed")
            self._failing = True
        else:
            self._failing = False

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            self.look()
