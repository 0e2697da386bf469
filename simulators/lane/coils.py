"""Watches the coils of a simulated I/O board: what the gate commands, as the relays do it. Commands nothing itself."""

from __future__ import annotations

import threading
from pathlib import Path

from gate_controller.ports.clock import Clock
from simulators.control import ControlClient, ControlError
from simulators.lane.hardware import CoilChange
from simulators.wiring import Coil
from simulators.world import POWER


class CoilWatcher:
    """A thread that notes every change of a coil. A board that hangs up has lost its power: its relays drop.

    Args:
        control: The board's control socket.
        clock: Gives the changes their time.
    """

    def __init__(self, control: Path, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._lock = threading.Condition()
        self._changes: list[CoilChange] = []
        self._levels = dict.fromkeys(Coil, False)
        self._client: ControlClient | None = None
        self._watching = False
        self._wanted = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="coil watcher", daemon=True)
        self._thread.start()

    def connect(self, timeout_s: float) -> None:
        """The board has (re)started: watch it. Returns when no change can be missed any more.

        Raises:
            ControlError: It could not be watched in time.
        """
        with self._lock:
            self._wanted = True
            self._lock.notify_all()
            if not self._lock.wait_for(lambda: self._watching, timeout_s):
                msg = f"{self._control}: the coils cannot be watched"
                raise ControlError(msg)

    def wait_lost(self, timeout_s: float) -> bool:
        """Wait until the board has hung up; False if it has not in time."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._watching, timeout_s)

    def take(self) -> list[CoilChange]:
        """The changes since the last call, in order."""
        with self._lock:
            changes, self._changes = self._changes, []
        return changes

    def stop(self) -> None:
        """End the thread."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
            if self._client is not None:
                self._client.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._wanted or self._stopping)
                self._wanted = False
                if self._stopping:
                    return
            try:
                self._watch()
            except ControlError:
                pass  # gone between its "ready" and now; whoever waits in connect() is told
            finally:
                with self._lock:
                    self._watching = False
                    self._note(dict.fromkeys(Coil, False))
                    self._power(on=False)
                    self._lock.notify_all()

    def _watch(self) -> None:
        client = ControlClient(self._control)
        with self._lock:
            self._client = client
            if self._stopping:
                client.close()
        try:
            for event in client.watch(started=self._take_stock):
                if event.get("event") == "coil" and event["channel"] in self._levels:
                    with self._lock:
                        self._note({Coil(event["channel"]): bool(event["on"])})
        finally:
            with self._lock:
                self._client = None
            client.close()

    def _take_stock(self) -> None:
        """The coils as they are now; changes since the watch began follow as events."""
        client = ControlClient(self._control)
        try:
            coils = client.ask("state")["coils"]
        finally:
            client.close()
        with self._lock:
            self._power(on=True)
            self._note({coil: bool(coils[coil.name.lower()]) for coil in Coil})
            self._watching = True
            self._lock.notify_all()

    def _power(self, *, on: bool) -> None:
        self._changes.append(CoilChange(self._clock.monotonic(), POWER, on))

    def _note(self, levels: dict[Coil, bool]) -> None:
        for coil, on in levels.items():
            if self._levels[coil] != on:
                self._levels[coil] = on
                self._changes.append(CoilChange(self._clock.monotonic(), coil.name.lower(), on))
