"""A module on a pseudo-terminal: what a host opens as its serial port.

The pseudo-terminal is reached by a symlink of a stable name, as udev would make; unplugging removes it and plugging in again makes a new
node. A pseudo-terminal does not enforce baud rates, so the bytes are paced here (when asked), and a host whose termios speed differs from
the module's gets garbage and is not understood. Does not simulate parity, modem lines or electrical noise.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import threading
import time
import tty
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from simulators.fingerprint.module import Module, Outgoing
from simulators.fingerprint.pacing import Line
from simulators.link import check_link, make_link, remove_link

_TCGETS2: Final = 0x802C542A
"""asm-generic/ioctls.h: termios2, the only one that gives any baud rate as a number (its last field)."""
_TERMIOS2_WORDS: Final = 11
_CHUNK_BYTES: Final = 16
"""Granularity of pacing: a packet's last byte is on time to the microsecond, the others to within this many."""


class WireSimulator:
    """Runs one module until stopped.

    Args:
        module: The module, which this object owns from now on.
        link: Symlink to keep; that of a dead simulator is replaced.
        paced: Whether bytes take as long as on a real line.

    Raises:
        OSError: The link cannot be made; see link.check_link.
    """

    def __init__(self, module: Module, link: Path, *, paced: bool = False) -> None:
        check_link(link)
        self._module = module
        self._link = link
        self._to_module, self._to_host = Line(paced=paced), Line(paced=paced)
        self._arriving: deque[tuple[float, bytes]] = deque()
        self._leaving: deque[tuple[float, bytes, int]] = deque()
        self._lock = threading.RLock()
        self._stopped = False
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._master = self._slave = -1
        self._node = ""
        self._plug_in()

    @property
    def wake_descriptor(self) -> int:
        """Writing a byte here wakes run(); for signal.set_wakeup_fd, as a signal may land on a thread that is not in run()."""
        return self._wake_in

    def run(self) -> None:
        """Serve until stop() is called."""
        while not self._stopped:
            self._step()

    def stop(self) -> None:
        """Make run() return. May be called from another thread or a signal handler."""
        self._stopped = True
        self._wake()

    def close(self) -> None:
        """Remove the link and close everything; after run() has returned and nobody calls control() any more."""
        self._unplug()
        os.close(self._wake_out)
        os.close(self._wake_in)

    def control(self, verb: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request of the control socket: place, remove, fault, clear, reset or state.

        Raises:
            ValueError: Unknown verb, fault or condition.
        """
        with self._lock:
            if verb == "place":
                self._module.place(str(request["finger"]))
            elif verb == "remove":
                self._module.remove()
            elif verb == "fault":
                self._fault(str(request["name"]), {key: float(value) for key, value in request.items() if key not in {"do", "name"}})
            elif verb in {"clear", "reset"}:
                self._module.faults.clear()
                self._plug_in()
                if verb == "reset":
                    self._module.factory_reset()
                    self._arriving.clear()
                    self._leaving.clear()
            elif verb != "state":
                msg = f"no such verb: {verb}"
                raise ValueError(msg)
            self._wake()
            return self._module.state() | {"ready": self._module.is_ready(time.monotonic())}

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes just as well
            os.write(self._wake_in, b"x")

    def _fault(self, name: str, parameters: dict[str, float]) -> None:
        now = time.monotonic()
        self._send(self._module.fault(name, parameters, now), now)
        if name == "unplugged":
            self._unplug()

    def _plug_in(self) -> None:
        if self._master >= 0:
            return
        self._master, self._slave = os.openpty()
        if os.ttyname(self._slave) == self._node:
            # A real replug gives a node of another number; the kernel gives the lowest free one.
            former = (self._master, self._slave)
            self._master, self._slave = os.openpty()
            for descriptor in former:
                os.close(descriptor)
        self._node = os.ttyname(self._slave)
        # The slave stays open here: otherwise the first close by a host would hang up the line.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        try:
            make_link(self._link, self._node)
        except OSError:
            self._hang_up()
            raise
        now = time.monotonic()
        self._send(self._module.power_on(now), now)

    def _unplug(self) -> None:
        if self._master < 0:
            return
        remove_link(self._link, self._node)
        self._hang_up()
        self._arriving.clear()
        self._leaving.clear()

    def _hang_up(self) -> None:
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def _step(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._deliver(now)
            blocked = self._emit(now)
            due = [self._arriving[0][0]] if self._arriving else []
            if self._leaving and not blocked:
                due.append(self._leaving[0][0])
            master = self._master
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        readers = [self._wake_out] if master < 0 else [self._wake_out, master]
        try:
            ready, _, _ = select.select(readers, [master] if blocked else [], [], timeout)
        except OSError:
            return  # unplugged by a control request while waiting
        if self._wake_out in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_out, 4096)
        if master in ready:
            with self._lock:
                self._read(master)

    def _read(self, master: int) -> None:
        if master != self._master:
            return
        try:
            data = os.read(master, 4096)
        except OSError:
            return
        if self._host_baud() != self._module.baud:
            return  # framing errors: the module hears nothing it could understand
        now = time.monotonic()
        for start in range(0, len(data), _CHUNK_BYTES):
            piece = data[start : start + _CHUNK_BYTES]
            self._arriving.append((self._to_module.through_at(now, len(piece), self._module.baud), piece))

    def _deliver(self, now: float) -> None:
        while self._arriving and self._arriving[0][0] <= now:
            _, data = self._arriving.popleft()
            self._send(self._module.receive(data, now), now)

    def _send(self, outgoing: list[Outgoing], now: float) -> None:
        for message in outgoing:
            for start in range(0, len(message.data), _CHUNK_BYTES):
                piece = message.data[start : start + _CHUNK_BYTES]
                self._leaving.append((self._to_host.through_at(now + message.after_s, len(piece), message.baud), piece, message.baud))

    def _emit(self, now: float) -> bool:
        """Write what is due; True when the host's buffer is full."""
        while self._leaving and self._leaving[0][0] <= now:
            due, data, baud = self._leaving.popleft()
            if self._host_baud() != baud:
                data = bytes(byte ^ 0xA6 for byte in data[::2])
                baud = self._host_baud()
            try:
                written = os.write(self._master, data)
            except BlockingIOError:
                written = 0
            except OSError:
                continue
            if written < len(data):
                self._leaving.appendleft((due, data[written:], baud))
                return True
        return False

    def _host_baud(self) -> int:
        words = array.array("I", bytes(4 * _TERMIOS2_WORDS))
        fcntl.ioctl(self._slave, _TCGETS2, words)
        return int(words[_TERMIOS2_WORDS - 1])
