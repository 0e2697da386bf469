"""Stores that open when they can (INV-4, INV-5).

A disk that is full, read-only or broken when the gate starts must not keep it from starting: without a controller nobody is let out, in an emergency
neither. So a store that cannot be opened is one that the core knows to be lost: the lane is closed by its name, and it is tried again whenever it is asked for.

Does not hide anything: until it is open, every call raises what keeps it from opening. A wrong configuration, and a store that another
process writes, still end the start.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.values import Direction, Region
from gate_controller.ports.errors import GateError, StoreError, StoreHeldError
from gate_controller.ports.services import EnrolmentRecord, EnrolmentState, EnrolmentStore, Journal, ReplayMemory
from gate_controller.ports.trust import TrustView
from gate_controller.trust.store import TrustStore
from gate_controller.trust.view import NoTrust, TimeForgotten


class Closing(Protocol):
    """Whatever can be closed."""

    def close(self) -> None:
        """Close it."""
        ...


Store = TypeVar("Store", bound=Closing)


class Late(Generic[Store]):
    """A store, as soon as it can be opened. For several threads.

    Args:
        open_store: Opens it; called once now, and again at each use until it succeeds.

    Attributes:
        opened: The store; None: it is not open yet.
        problem: Why it is not.

    Raises:
        ConfigurationError: From open_store.
        StoreHeldError: Another process writes the store: this gate is the second one.
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self.opened: Store | None = None
        self.problem: StoreError | None = None
        self._open = open_store
        self._closed = False
        self._lock = threading.Lock()
        try:
            self.get()
        except StoreHeldError:
            raise
        except StoreError:
            pass  # whoever uses it is told, and closes the lane

    def get(self) -> Store:
        """The store.

        Raises:
            StoreError: It cannot be opened.
        """
        if self.opened is not None:
            return self.opened
        with self._lock:
            if self._closed:
                raise StoreError("the store was closed before it could be opened", "a bug: used after its end")
            if self.opened is None:
                try:
                    self.opened = self._open()
                except StoreError as error:
                    self.problem = error
                    raise
                self.problem = None
            return self.opened

    def close(self) -> None:
        """Close it if it is open; it is not opened any more."""
        with self._lock:
            self._closed = True
            if self.opened is not None:
                self.opened.close()


class LateReplayMemory(Late[ReplayMemory]):
    """Implements ports.services.ReplayMemory."""

    def last_presented(self, pass_id: bytes) -> int | None:
        """See ports.services.ReplayMemory."""
        return self.get().last_presented(pass_id)

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        """See ports.services.ReplayMemory."""
        return self.get().claim(pass_id, issued_at, expires_at)


class LateEnrolments(Late[EnrolmentStore]):
    """Implements ports.services.EnrolmentStore."""

    def find(self, issuer: Region, reference: bytes) -> EnrolmentRecord | None:
        """See ports.services.EnrolmentStore."""
        return self.get().find(issuer, reference)

    def in_force(self) -> Mapping[Region, EnrolmentState]:
        """See ports.services.EnrolmentStore."""
        return self.get().in_force()


class LateJournal(Late[Journal]):
    """Implements ports.services.Journal."""

    def admit(self, crossing_id: str, issuer: Region, direction: Direction, wall: float, *, degraded: bool = False) -> None:
        """See ports.services.Journal."""
        self.get().admit(crossing_id, issuer, direction, wall, degraded=degraded)

    def record(self, record: CrossingRecord, wall: float) -> None:
        """See ports.services.Journal."""
        self.get().record(record, wall)

    def event(self, kind: str, fields: dict[str, str], wall: float) -> None:
        """See ports.services.Journal."""
        self.get().event(kind, fields, wall)

    def trace(self, crossing_id: str, what: Mapping[str, Any], wall: float) -> None:
        """See ports.services.Journal."""
        self.get().trace(crossing_id, what, wall)

    def close_open(self, wall: float, direction: Direction) -> list[str]:
        """See ports.services.Journal."""
        return self.get().close_open(wall, direction)

    def tend(self, wall: float) -> None:
        """See ports.services.Journal."""
        self.get().tend(wall)


@dataclass(frozen=True, slots=True)
class FlooredTrust:
    """A trust store with the floors that it stands on."""

    floors: contextlib.ExitStack
    store: TrustStore

    def close(self) -> None:
        """Close the floors."""
        self.floors.close()


class LateTrust:
    """A trust store as the verifier, its monitor and its watcher take it; nothing is trusted before it is open.

    Only refresh() tries again to open it: verifying what is in the cache takes a while, and neither the desk nor a status may wait for that.

    Args:
        open_trust: Opens floor and store.

    Raises:
        ConfigurationError: From open_trust.
    """

    def __init__(self, open_trust: Callable[[], FlooredTrust]) -> None:
        self._late = Late(open_trust)

    @property
    def problem(self) -> GateError | None:
        """Why the newest generation in the cache is not in force, or nothing is."""
        opened = self._late.opened
        return self._late.problem if opened is None else opened.store.problem

    @property
    def latest_seen(self) -> float:
        """The latest time seen, seconds since the epoch; 0.0: not known yet."""
        opened = self._late.opened
        return 0.0 if opened is None else opened.store.latest_seen

    @property
    def forgotten(self) -> TimeForgotten | None:
        """When the latest time seen was forgotten last; None: not since the start."""
        opened = self._late.opened
        return None if opened is None else opened.store.forgotten

    def current(self) -> TrustView:
        """See ports.trust.Trust."""
        opened = self._late.opened
        return NoTrust() if opened is None else opened.store.current()

    def observe(self, wall: float) -> None:
        """See ports.trust.Trust."""
        self.require().observe(wall)

    def refresh(self, wall: float) -> bool:
        """See trust.store.TrustStore.refresh(); opens the store if it is not open."""
        if self._late.opened is not None:
            return self._late.opened.store.refresh(wall)
        try:
            self._late.get()
        except StoreError:
            return False  # `problem` says why
        return True

    def require(self) -> TrustStore:
        """The store.

        Raises:
            StoreError: It is not open.
        """
        opened = self._late.opened
        if opened is None:
            raise self._late.problem or StoreError("the trust store is not open yet", "wait a second")
        return opened.store

    def close(self) -> None:
        """Close the floor."""
        self._late.close()
