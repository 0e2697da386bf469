"""What systemd and the daemon tell each other: readiness, state and signs of life (sd_notify(3)), and listeners that are handed over (sd_listen_fds(3)).

Where nobody asked to be told, telling does nothing. Does not judge whether the gate is well, and accepts no connection.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping
from typing import Self

import structlog

from gate_controller.ports.clock import Clock

NETLINK_SOCK_DIAG = 4
"""linux/netlink.h: the kernel's table of sockets."""
FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START."""
PEERS = "peers"
"""Name of the netlink socket that a unit hands over beside its listener."""
SEND_WITHIN_S = 1.0
STATUS_LENGTH = 200
log = structlog.get_logger("gate.service")


class ServiceManager:
    """The way to the service manager; for one thread.

    Args:
        address: The manager's datagram socket: a path, or "@name" of an abstract one; None: nobody asked to be told.
        watchdog_s: The process is ended when no sign of life came for this long; None: never.
        clock: Paces the signs of life.

    Attributes:
        listeners: Sockets that were handed over, by their unit's FileDescriptorName=. Whoever uses one takes it out.
    """

    def __init__(self, address: str | None, watchdog_s: float | None, clock: Clock, listeners: dict[str, socket.socket] | None = None) -> None:
        self.listeners = listeners or {}
        self.watchdog_s = watchdog_s
        self._address = address.replace("@", "\0", 1) if address is not None and address.startswith("@") else address
        self._clock = clock
        self._alive_at = float("-inf")
        self._status = ""
        self._reached = True

    @classmethod
    def of_this_process(cls, clock: Clock, environment: MutableMapping[str, str] = os.environ) -> Self:
        """What the environment says; it is taken out there, so that no child process speaks in this one's name or takes its sockets for its own."""
        taken = {name: environment.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
        address: str | None = taken["NOTIFY_SOCKET"]
        if not address or address[0] not in "/@":
            address = None
        is_watched = taken["WATCHDOG_PID"] in {"", str(os.getpid())} and taken["WATCHDOG_USEC"].isdecimal() and int(taken["WATCHDOG_USEC"]) > 0
        listeners: dict[str, socket.socket] = {}
        if taken["LISTEN_PID"] == str(os.getpid()) and taken["LISTEN_FDS"].isdecimal():
            listeners = _inherited(int(taken["LISTEN_FDS"]), taken["LISTEN_FDNAMES"].split(":"))
        return cls(address, int(taken["WATCHDOG_USEC"]) / 1e6 if is_watched else None, clock, listeners)

    def ready(self) -> None:
        """The gate serves."""
        self._tell("READY=1")
        self.alive()

    def stopping(self) -> None:
        """The gate was asked to stop, or has to."""
        self._tell("STOPPING=1")

    def status(self, line: str) -> None:
        """What `systemctl status` shows; told when it has changed. No personal data: everybody may read it."""
        line = " ".join(line.split())[:STATUS_LENGTH]
        if line != self._status:
            self._status = line
            self._tell(f"STATUS={line}")

    def alive(self) -> None:
        """A sign of life, sent when half of the watchdog's time has gone by since the last one. To be called more often than that."""
        now = self._clock.monotonic()
        if self.watchdog_s is not None and now >= self._alive_at + self.watchdog_s / 2:
            self._alive_at = now
            self._tell("WATCHDOG=1")

    def close(self) -> None:
        """Let go of listeners that nobody took."""
        while self.listeners:
            name, listener = self.listeners.popitem()
            log.warning("a socket unit's listener is not used", name=name)
            listener.close()

    def _tell(self, what: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.settimeout(SEND_WITHIN_S)  # a manager that does not read must not hold up the gate
                line.sendto(what.encode(), self._address)
            self._reached = True
        except OSError as error:
            if self._reached:
                log.warning("the service manager cannot be told", what=what.partition("=")[0], error=error.strerror or str(error))
            self._reached = False


def _inherited(count: int, names: list[str]) -> dict[str, socket.socket]:
    found: dict[str, socket.socket] = {}
    for index in range(count):
        descriptor = FIRST_DESCRIPTOR + index
        name = names[index] if index < len(names) else "unknown"
        try:
            os.set_inheritable(descriptor, False)
            listener = socket.socket(fileno=descriptor)
            listener.setblocking(False)
        except OSError as error:
            log.warning("what a unit handed over is not a socket", name=name, error=error.strerror)
            with contextlib.suppress(OSError):
                os.close(descriptor)
            continue
        if listener.family == socket.AF_NETLINK and listener.proto == NETLINK_SOCK_DIAG:
            name = PEERS  # one unit has one name for all it hands over
        if name in found:
            log.warning("two listeners of one name; the first is used", name=name)
            listener.close()
            continue
        found[name] = listener
    return found
