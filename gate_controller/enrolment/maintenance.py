"""What people do with the stores that are in force: look at them, verify them whole, erase one person, give them a new data key.

Does not import (importing.py) and does not answer the gate (enrolments.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gate_controller.core.values import Region
from gate_controller.enrolment import records, schema
from gate_controller.enrolment.changing import erase
from gate_controller.enrolment.directory import SUFFIXES, EnrolmentDirectory
from gate_controller.enrolment.draft import Sealable
from gate_controller.enrolment.floor import NEVER, require_not_older
from gate_controller.enrolment.importing import build_and_swap, require_space
from gate_controller.enrolment.keys import MasterKey
from gate_controller.enrolment.store import SealedStore
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord

Progress = Callable[[int, int], None]
"""Told records done and records in all."""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """One region's store in force.

    Attributes:
        description: Which state it holds.
        path: The file.
        file_bytes: Its size with its log.
        key_id: 8 bytes that name its data key.
    """

    description: schema.Description
    path: Path
    file_bytes: int
    key_id: bytes


def facts(directory: EnrolmentDirectory, master: MasterKey) -> list[StoreFacts]:
    """Every region's store in force.

    Raises:
        StoreError: One cannot be used, or is older than what was in force before.
    """
    found = []
    for _, store in _opened(directory, master):
        size = sum(file.stat().st_size for suffix in SUFFIXES if (file := store.path.with_name(store.path.name + suffix)).exists())
        found.append(StoreFacts(store.description, store.path, size, store.key_id))
    return found


def find_with_region(directory: EnrolmentDirectory, master: MasterKey, reference: bytes) -> tuple[Region, EnrolmentRecord] | None:
    """The record under a reference, and whose it is; None when every store proves that it has none.

    Raises:
        StoreError: A store cannot be used.
    """
    for region, store in _opened(directory, master):
        record = store.find(reference)
        if record is not None:
            return region, record
    return None


def verify_all(directory: EnrolmentDirectory, master: MasterKey, progress: Progress = lambda _done, _all: None) -> int:
    """Open every record of every region, and check every proof; returns how many records there are.

    Raises:
        StoreError: Something is damaged, tampered with, missing or older than what was in force before.
    """
    stores = facts(directory, master)
    total, done = sum(store.description.records for store in stores), 0
    for _, store in _opened(directory, master):
        for _ in _every_record(store):
            done += 1
            progress(done, total)
    return done


def erase_everywhere(directory: EnrolmentDirectory, master: MasterKey, reference: bytes) -> bool:
    """Erase one person, also from what an interrupted import left behind; False when nobody is enrolled under the reference.

    Raises:
        StoreError: A store cannot be changed; the others are, all the same.
    """
    with directory.lock():
        directory.require()
        erased, faults = False, []
        for region in Region:
            try:
                store = directory.current(region)
                directory.clean(region)
                if store is not None:
                    erased |= erase(store, master, reference)
            except StoreError as error:
                faults.append(error)
        if faults:
            raise faults[0]
        return erased


def rotate(directory: EnrolmentDirectory, master: MasterKey, region: Region, progress: Progress = lambda _done, _all: None) -> schema.Description | None:
    """Seal a region's records under a new data key, into a new store that replaces the old one; None when the region has none.

    Raises:
        StoreError: The store is damaged, or the new one cannot be written; the old one stays in force.
    """
    with directory.lock():
        path = directory.current(region)
        if path is None:
            return None
        require_space(path.parent, path.stat().st_size, f"sealing {region.value}'s enrolments anew")
        with contextlib.closing(SealedStore(path, region, master)) as store:
            description = store.description
            require_not_older(directory.floor.read(master), description, path)

            def source() -> Iterator[Sealable]:
                for done, entry in enumerate(_every_record(store), 1):
                    yield entry
                    progress(done, description.records)

            return build_and_swap(directory, master, source(), description)


def _opened(directory: EnrolmentDirectory, master: MasterKey) -> Iterator[tuple[Region, SealedStore]]:
    directory.require()
    newest = directory.floor.read(master)
    for region in Region:
        path = directory.current(region)
        if path is None:
            if newest.get(region, NEVER) != NEVER:
                what = f"enrolment directory {directory.path}: the enrolments of {region.value} are gone"
                raise StoreError(what, "import the region's newest snapshot: gatectl enrolment import FILE...")
            continue
        with contextlib.closing(SealedStore(path, region, master)) as store:
            require_not_older(newest, store.description, path)
            yield region, store


def _every_record(store: SealedStore) -> Iterator[Sealable]:
    """Every record of a store, proved to be all there are, in the order of its ids."""
    counted = 0
    for record_id, version, plain in store.every():
        record = records.decode(plain)
        if store.record_id(record.reference) != record_id or record.version != version:
            raise store.damaged("a record stands under another's id")
        counted += 1
        yield Sealable(record.reference, version, plain)
    if counted != store.description.records:
        raise store.damaged("it has another number of records than it says")
