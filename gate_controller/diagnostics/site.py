"""What the checks look at: one gate's configuration, its daemon if one runs, its user, its clock.

Opens no device and no store. Decides one thing: whether the daemon or the devices are asked, never both.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import socket
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from gate_controller.composition.registry import load_drivers
from gate_controller.control.client import DEFAULT_SOCKET, DaemonUnreachableError, GateClient, NotPermittedError
from gate_controller.ports.clock import Clock, SystemClock
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import ConfigurationError, GateError
from gate_controller.settings import InvalidConfigurationError, Settings, load
from gate_controller.settings.devices import Drivers
from gate_controller.settings.documents import read_document

SERVICE_USER = "gate-controller"


class Mode(Enum):
    """Who is asked about the devices."""

    DAEMON = "daemon"
    DEVICES = "devices"
    FILES = "files"


@dataclass
class Site:
    """One gate. Each property is found out once.

    Args:
        config: gate.toml.
        socket_path: The control socket; None: the configuration's.
        clock: The gate's clock.
        simulated: Whether the devices are simulators of this program's own: what only a real machine has is skipped.
    """

    config: Path
    socket_path: Path | None = None
    clock: Clock = field(default_factory=SystemClock)
    simulated: bool = False

    @cached_property
    def loaded(self) -> Settings | GateError:
        """The configuration, or what is wrong with it."""
        try:
            return load(self.config, self.drivers)
        except ConfigurationError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a bug in a driver's options, or ours: whatever else can be looked at still is
            what = f"{self.config} cannot be loaded: {type(error).__name__}: {error}"
            return ConfigurationError(what, "this is a bug: gatectl config check shows where; report it")

    @cached_property
    def drivers(self) -> Drivers:
        """The drivers that are installed."""
        return load_drivers()

    @property
    def settings(self) -> Settings | None:
        """The configuration, if it can be used."""
        return self.loaded if isinstance(self.loaded, Settings) else None

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the configuration, one line each."""
        if isinstance(self.loaded, InvalidConfigurationError):
            return tuple(map(str, self.loaded.problems))
        return (str(self.loaded),) if isinstance(self.loaded, GateError) else ()

    @cached_property
    def control_socket(self) -> Path:
        """Where the daemon listens."""
        if self.socket_path is not None:
            return self.socket_path
        return self.settings.control.socket if self.settings is not None else self._named_socket()

    def _named_socket(self) -> Path:
        """What a configuration that is not valid names: somebody may have edited it beside a gate controller that runs."""
        with contextlib.suppress(ConfigurationError, KeyError, TypeError):
            named = read_document(self.config).data["control"]["socket"]
            if isinstance(named, str):
                return self.config.absolute().parent / named
        return DEFAULT_SOCKET

    @cached_property
    def client(self) -> GateClient:
        """A client of the daemon."""
        return GateClient(self.control_socket)

    @cached_property
    def answer(self) -> JsonObject | GateError:
        """The daemon's status, or why there is none."""
        try:
            return self.client.status()
        except GateError as error:
            return error

    @property
    def other_gate(self) -> str:
        """Id of the gate whose controller answers here, if it is not that of the configuration; "" else."""
        told = self.answer.get("gate") if isinstance(self.answer, dict) else None
        return told if isinstance(told, str) and self.settings is not None and told != self.settings.gate.id else ""

    @cached_property
    def diagnostics(self) -> JsonObject:
        """What the daemon tells an engineer; empty where this user is none, or there is no daemon."""
        if self.mode is not Mode.DAEMON:
            return {}
        with contextlib.suppress(GateError):
            return self.client.diagnostics()
        return {}

    @cached_property
    def mode(self) -> Mode:
        """Who is asked. A daemon that may be running without answering has the devices: they are left alone then."""
        if isinstance(self.answer, dict):
            return Mode.DAEMON
        if self.settings is None or isinstance(self.answer, NotPermittedError) or not isinstance(self.answer, DaemonUnreachableError):
            return Mode.FILES
        return Mode.FILES if self.listening or self.journal_held else Mode.DEVICES

    @cached_property
    def listening(self) -> bool:
        """Whether a process listens at the control socket, be it the daemon or systemd for it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.settimeout(1.0)
            probe.connect(str(self.control_socket))
            return True
        return False

    @cached_property
    def journal_held(self) -> bool:
        """Whether a gate controller writes the journal: it holds a lock beside it (journal/store.py)."""
        if self.settings is None:
            return False
        lock = self.settings.journal.path.with_name(f"{self.settings.journal.path.name}.lock")
        try:
            descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return False

    @cached_property
    def as_gate(self) -> bool:
        """Whether this process has the gate's own rights: it is its user, or there is no such user on this machine."""
        try:
            return os.geteuid() == pwd.getpwnam(SERVICE_USER).pw_uid
        except KeyError:
            return True

    def option(self, device: str, name: str) -> Any:
        """A driver's option; None where the driver has none of that name."""
        configured = self.settings.equipment.get(device) if self.settings is not None else None
        return getattr(configured.options, name, None) if configured is not None else None


def become_gate_user() -> None:
    """If root asks, go on for good with the rights of the gate's user, where there is one.

    Then what is found is what the gate would find; and SQLite makes no files beside the stores that the gate could not write.
    """
    if os.geteuid() != 0:
        return
    with contextlib.suppress(KeyError):
        account = pwd.getpwnam(SERVICE_USER)
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)


def holders(path: Path) -> list[str]:
    """Programs of this machine that have a device open, as "name (pid)". Others' are seen by root only."""
    try:
        wanted = path.stat().st_rdev
    except OSError:
        return []
    return sorted(set(_holders(wanted))) if wanted else []


def _holders(wanted: int) -> Iterable[str]:
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    found = descriptor.stat()
                    if stat.S_ISCHR(found.st_mode) and found.st_rdev == wanted:
                        yield f"{(process / 'comm').read_text(errors='replace').strip()} ({process.name})"
