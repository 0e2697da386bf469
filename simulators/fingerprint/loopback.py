"""A module on a line in virtual time: for tests that put a host's protocol code and a module together without waiting.

Behaves as an opened serial port to its user (read, write, set_baud, close); time passes only while the user waits in `read`, or as the
clock is advanced. Does not involve the operating system.
"""

from __future__ import annotations

from collections import deque

from simulators.fingerprint.module import Module, Outgoing
from simulators.fingerprint.pacing import Line


class VirtualClock:
    """A clock (ports.clock.Clock) that stands still until it is advanced."""

    def __init__(self) -> None:
        self._now = 1000.0

    def monotonic(self) -> float:
        """See Clock."""
        return self._now

    def wall(self) -> float:
        """See Clock."""
        return 1_700_000_000.0 + self._now

    def advance(self, duration_s: float) -> None:
        """Let time pass."""
        self._now += max(0.0, duration_s)


class LoopbackPort:
    """One end of a paced line; the module is at the other.

    Args:
        module: The module.
        clock: The time both live in.
        baud: Rate the host talks at; at a rate that is not the module's, neither understands the other.
    """

    def __init__(self, module: Module, clock: VirtualClock, baud: int) -> None:
        self._module = module
        self._clock = clock
        self._baud = baud
        self._to_module, self._to_host = Line(paced=True), Line(paced=True)
        self._arriving: deque[tuple[float, bytes]] = deque()
        self._leaving: deque[tuple[float, bytes, int]] = deque()
        self.closed = False

    def read(self, timeout_s: float) -> bytes:
        """Whatever has arrived, waiting for the first byte at most `timeout_s`."""
        gives_up_at = self._clock.monotonic() + timeout_s
        while True:
            self._run()
            received = self._take()
            if received:
                return received
            due = [entry[0] for entry in self._arriving] + [entry[0] for entry in self._leaving]
            if self._clock.monotonic() >= gives_up_at:
                return b""
            self._clock.advance(min([*due, gives_up_at]) - self._clock.monotonic())

    def write(self, data: bytes, timeout_s: float) -> int:
        """Hand bytes to the line, which takes all of them."""
        del timeout_s
        self._run()
        if self._baud == self._module.baud:
            self._arriving.append((self._to_module.through_at(self._clock.monotonic(), len(data), self._baud), data))
        return len(data)

    def set_baud(self, baud: int) -> None:
        """Talk at another rate; what was not read is dropped."""
        self._run()
        self._take()
        self._baud = baud

    def close(self) -> None:
        """Hang up."""
        self.closed = True

    def inject(self, outgoing: list[Outgoing]) -> None:
        """Send what a fault of the module gave."""
        for message in outgoing:
            through_at = self._to_host.through_at(self._clock.monotonic() + message.after_s, len(message.data), message.baud)
            self._leaving.append((through_at, message.data, message.baud))

    def _run(self) -> None:
        while self._arriving and self._arriving[0][0] <= self._clock.monotonic():
            _, data = self._arriving.popleft()
            self.inject(self._module.receive(data, self._clock.monotonic()))

    def _take(self) -> bytes:
        received = b""
        while self._leaving and self._leaving[0][0] <= self._clock.monotonic():
            _, data, baud = self._leaving.popleft()
            received += data if baud == self._baud else bytes(byte ^ 0xA6 for byte in data[::2])
        return received
