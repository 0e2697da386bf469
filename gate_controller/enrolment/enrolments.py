"""The enrolments of all regions, as the gate looks them up while they are replaced beside it.

Each look-up first sees which stores are in force (a link and its file, two microseconds), and takes up a new one. Does not write and does not judge.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import structlog

from gate_controller.core.values import Region
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.floor import NEVER, State, require_not_older
from gate_controller.enrolment.keys import MasterKey
from gate_controller.enrolment.schema import Description
from gate_controller.enrolment.store import SealedStore
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord, EnrolmentState

_ATTEMPTS = 5
log = structlog.get_logger("gate.enrolment")
_NOT_LOOKED = ("", 0, 0)


class Enrolments:
    """Enrolment records by issuer and reference (ports.services.EnrolmentStore). Safe to use from several threads.

    Args:
        path: The directory of the enrolments.
        master: The key that opens the stores' data keys.

    Raises:
        StoreError: There are no enrolments, or a region's cannot be used: missing, damaged, older than what was in force before.
    """

    def __init__(self, path: Path, master: MasterKey) -> None:
        self._directory = EnrolmentDirectory(path)
        self._master = master
        self._lock = threading.Lock()
        self._open: dict[Region, SealedStore] = {}
        self._named: dict[Region, tuple[str, int, int] | None] = {}
        self._highest: dict[Region, State] = {}  # what this process has seen in force: an older store put back with the floor of its time is refused, too
        self._closed = False
        try:
            self._require_any()
        except BaseException:
            self.close()
            raise

    def find(self, issuer: Region, reference: bytes) -> EnrolmentRecord | None:
        """See ports.services.EnrolmentStore. None: the issuer's store has proved that it does not have the reference, or there is none of the issuer's."""
        with self._lock:
            store = self._in_force(issuer)
            return store.find(reference) if store is not None else None

    def in_force(self) -> dict[Region, EnrolmentState]:
        """See ports.services.EnrolmentStore."""
        with self._lock:
            stores = {region: self._in_force(region) for region in Region}
            held: dict[Region, Description] = {}
            for region, store in stores.items():
                if store is not None:
                    held[region] = store.described()
                    require_not_older(self._highest, held[region], store.path)  # it may have been written over in its place
            self._saw({region: (*each.state, each.issued_at) for region, each in held.items()})
        return {region: EnrolmentState(each.snapshot, each.delta, each.records, each.issued_at) for region, each in held.items()}

    def close(self) -> None:
        """See ports.services.EnrolmentStore."""
        with self._lock:
            self._closed = True
            for store in self._open.values():
                store.close()

    def _require_any(self) -> None:
        stores = [self._in_force(region) for region in Region]
        if stores.count(None) == len(stores):
            self._directory.require()
            msg = f"enrolment directory {self._directory.path}: holds no enrolments"
            raise StoreError(msg, "import a snapshot: gatectl enrolment import FILE...")

    def _in_force(self, region: Region) -> SealedStore | None:
        for _ in range(_ATTEMPTS):
            named = self._directory.identity(region)
            if self._closed or self._named.get(region, _NOT_LOOKED) == named:
                return self._open.get(region)
            try:
                return self._take_up(region, named)
            except StoreError:
                # Between reading the link and opening what it named, an import may have put the next store into force and removed that one.
                if self._directory.identity(region) == named:
                    raise
        msg = f"enrolment directory {self._directory.path}: its stores change faster than they can be opened"
        raise StoreError(msg, "end what is importing over and over")

    def _saw(self, states: Mapping[Region, State]) -> None:
        for region, state in states.items():
            self._highest[region] = max(state, self._highest.get(region, NEVER))

    def _take_up(self, region: Region, named: tuple[str, int, int] | None) -> SealedStore | None:
        newest = self._directory.floor.read(self._master)  # before the store: a delta may be applied meanwhile, and raise it
        self._saw(newest)
        newest = {each: self._highest[each] for each in newest}
        path = self._directory.current(region)
        if path is None:
            lost = self._open.get(region)
            if lost is not None:  # also when the floor went with it: this gate has had it
                lost.close()
                self._named.pop(region, None)
            if lost is not None or newest.get(region, NEVER) != NEVER:
                what = f"enrolment directory {self._directory.path}: the enrolments of {region.value} are gone"
                raise StoreError(what, "import the region's newest snapshot: gatectl enrolment import FILE...")
            self._named[region] = None
            return None
        store = SealedStore(path, region, self._master)
        try:
            require_not_older(newest, store.description, path)
        except StoreError:
            store.close()
            raise
        old = self._open.get(region)
        self._open[region], self._named[region] = store, named
        if old is not None:
            old.close()
        held = store.description
        log.info("enrolments in force", region=region.value, snapshot=held.snapshot, delta=held.delta, records=held.records)
        return store
