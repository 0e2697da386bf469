"""Takes a region's snapshot or delta into force: verified, stored, swapped; or not at all.

    front verified -> fits what the gate holds -> chunk by chunk: verified, sealed under the store's own key -> sorted and proved -> swapped -> floor

Killed at any point, it leaves the old state in force or the new one. A snapshot goes on where it was killed; a delta is one transaction and
begins again. Runs in a process of its own (`gatectl enrolment import`); a running gate takes up what is in force with its next look-up.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice, pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from nacl import utils

from gate_controller.core.values import Region
from gate_controller.enrolment import records, schema
from gate_controller.enrolment.changing import Change, Changed, empty_log
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.draft import Draft, Sealable
from gate_controller.enrolment.floor import NEVER, State
from gate_controller.enrolment.keys import MasterKey
from gate_controller.enrolment.manifest import Kind, Manifest, Refused
from gate_controller.enrolment.publication import ASK_REGION, Entry, Publication, PublicationError
from gate_controller.enrolment.store import SealedStore
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all."""
_BATCH = 256
_TAG_BYTES = 8
_STORE_PER_FILE = 1.2
"""A record of 3.7 kB takes a page of 4 KiB, and 48 bytes in its bucket."""
_DELTA_PER_FILE = 4
"""A changed record writes its page and its bucket's to the log, and both again to the store, at most."""
_SPARE_BYTES = 256 << 20
"""What stays free for the journal meanwhile."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        name: As messages call it: "HK snapshot 12", "HK delta 12.3".
        region: Whose enrolments.
        snapshot: Number of the snapshot now in force.
        delta: Number of the delta now in force; 0: none.
        issued_at: When the region issued it, seconds since the epoch.
        changed: False: exactly this was in force already.
        records: Records of the region now.
        counts: What was added and so on; for a snapshot everything counts as added.
        resumed_at: Chunks that an import which was killed had stored already.
        awaits: Snapshot and delta that must be imported, too, before the gate believes what it has; None: it believes it. So after a lost store.
    """

    name: str
    region: Region
    snapshot: int
    delta: int
    issued_at: int
    changed: bool
    records: int
    counts: Changed
    resumed_at: int = 0
    awaits: tuple[int, int] | None = None


def import_publication(
    publication: Publication, directory: EnrolmentDirectory, master: MasterKey, progress: Progress = lambda _done, _all: None, *, restore: bool = False
) -> ImportReport:
    """Take one snapshot or delta into force.

    Args:
        publication: Its front is verified.
        directory: Where the gate's enrolments are.
        master: The gate's master key.
        progress: Told how far it is.
        restore: Build the store anew from a snapshot also where that very snapshot is in force: what is there is damaged. Its deltas must follow.

    Raises:
        PublicationError: It must not be believed, or does not fit what the gate holds. What was in force stays in force.
        StoreError: The directory or a store cannot be read or written.
    """
    manifest = publication.manifest
    with directory.lock():
        newest = directory.floor.read(master).get(manifest.region, NEVER)
        restore = restore and publication.manifest.kind is Kind.SNAPSHOT
        report = _taken(publication, directory, master, newest, progress, restore=restore)
        return replace(report, awaits=newest[:2]) if (report.snapshot, report.delta) < newest[:2] else report


def _taken(publication: Publication, directory: EnrolmentDirectory, master: MasterKey, newest: State, progress: Progress, *, restore: bool) -> ImportReport:
    manifest = publication.manifest
    held, problem = _held(directory, manifest.region, master)
    in_force = directory.current(manifest.region) if held is not None else None
    if held is not None and in_force is not None and held.publication == manifest.digest and not restore:
        directory.floor.raise_to(held, master)  # an import that was killed after the swap or the commit did not get so far
        empty_log(in_force)
        return _report(manifest, held, changed=False)
    if manifest.kind is Kind.DELTA:
        return _apply_delta(publication, directory, master, held, problem, progress)
    return _take_snapshot(publication, directory, master, held, newest, progress, restore=restore)


def still_needed(publications: Iterable[Publication], directory: EnrolmentDirectory, master: MasterKey, *, restore: bool = False) -> list[Publication]:
    """The publications in the order in which to take them, without those that would be refused and are not needed.

    Those are: what is older than what is in force, beside something that is not; and deltas whose base is missing, before a newer snapshot. So everything
    that lies on a stick can be given, and a command that was interrupted can be given again as it was.

    Raises:
        PublicationError: Two of one number have different contents: which of them is the region's, nobody here can tell.
        StoreError: The directory cannot be read.
    """
    ordered = sorted(publications, key=lambda each: (each.manifest.region.value, *each.manifest.state))
    needed: list[Publication] = []
    for _, group in groupby(ordered, key=lambda each: each.manifest.region):
        of_region = list(group)
        region = of_region[0].manifest.region
        held = None if restore else _held(directory, region, master)[0]
        if held is not None:
            if of_region[-1].manifest.state >= held.state:
                of_region = [each for each in of_region if each.manifest.state >= held.state]
        else:
            least = directory.floor.read(master).get(region, NEVER)[0]
            restoring = [each for each in of_region if each.manifest.snapshot >= least]
            of_region = restoring if any(each.manifest.kind is Kind.SNAPSHOT for each in restoring) else of_region
        for one, other in pairwise(of_region):
            if one.manifest.state == other.manifest.state and one.manifest.digest != other.manifest.digest:
                raise _unfit(one.manifest, f"is there twice, with different contents: {one.path} and {other.path}", Refused.TWO_OF_ONE_NUMBER, ASK_REGION)
        newest = max((each.manifest.snapshot for each in of_region if each.manifest.kind is Kind.SNAPSHOT), default=0)
        reached = held.state if held is not None else (0, 0)
        for each in of_region:
            manifest = each.manifest
            fits = manifest.kind is Kind.SNAPSHOT or reached in {manifest.state, (manifest.snapshot, manifest.delta - 1)}
            if fits or newest <= manifest.snapshot:
                needed.append(each)
            reached = manifest.state if fits else reached
    return needed


def import_records(path: Path, master: MasterKey, source: Iterable[EnrolmentRecord], region: Region = Region.HK, issued_at: int = 0) -> int:
    """Put records that nobody has signed into force as a region's next snapshot: for simulations and tests.

    Args:
        path: The directory of the enrolments; made if missing.
        master: The key that wraps the store's data key.
        source: The records; an exception it raises undoes everything and passes through.
        region: Whose records.
        issued_at: When they are said to have been issued, seconds since the epoch.

    Returns:
        How many there are.

    Raises:
        StoreError: The store cannot be written; or a record is broken: it is named by its place in `source`, never by its content.
    """
    directory = EnrolmentDirectory(path)
    with directory.lock():
        snapshot = directory.floor.read(master).get(region, NEVER)[0] + 1
        sealable = (_encoded(record, place) for place, record in enumerate(source, 1))
        return build_and_swap(directory, master, sealable, schema.Description(region, snapshot, 0, issued_at, 0)).records


def build_and_swap(directory: EnrolmentDirectory, master: MasterKey, source: Iterable[Sealable], description: schema.Description) -> schema.Description:
    """Build a new store of what `source` gives and put it into force; the caller holds the lock.

    Raises:
        StoreError: It cannot be written.
    """
    directory.clean(description.region)
    store = directory.store(description.region, description.snapshot, utils.random(_TAG_BYTES))
    try:
        with Draft(store, master, description.publication) as draft:
            for number, batch in enumerate(_batches(source)):
                draft.add(number, batch)
            described = draft.finish(lambda records_: _counted(description, records_))
    except BaseException:
        directory.clean(description.region)
        raise
    _put_into_force(directory, store, described, master)
    return described


def _take_snapshot(
    publication: Publication,
    directory: EnrolmentDirectory,
    master: MasterKey,
    held: schema.Description | None,
    newest: State,
    progress: Progress,
    *,
    restore: bool,
) -> ImportReport:
    manifest = publication.manifest
    last = max(newest[:2], held.state if held else (0, 0))
    # What is damaged or gone may be restored from the same snapshot; its deltas then have to follow before the gate believes it.
    if manifest.snapshot < last[0] or (held is not None and manifest.state <= held.state and not restore):
        raise _unfit(manifest, f"is not newer than {_state_text(last)}, which this gate has had in force", Refused.NOT_NEWER)
    if manifest.issued_at < newest[2] and manifest.snapshot > last[0]:
        raise _unfit(manifest, "was issued before what this gate has had in force, and has a higher number", Refused.ISSUED_OUT_OF_ORDER, ASK_REGION)
    store = _place(directory, manifest)
    directory.clean(manifest.region, keep=store)
    description = schema.Description(manifest.region, manifest.snapshot, 0, manifest.issued_at, manifest.entries, manifest.digest)
    total = manifest.file_bytes
    already = store.stat().st_size if store.exists() else 0
    require_space(directory.path, int(manifest.file_bytes * _STORE_PER_FILE) - already, manifest.name)
    with _not_left_full(directory, manifest.region), _Others(directory, manifest, master) as others, Draft(store, master, manifest.digest) as draft:
        resumed_at = draft.next_chunk
        if not draft.finished:
            for number, entries in publication.read(resumed_at):
                others.refuse(number, entries)
                draft.add(number, [Sealable(entry.reference, entry.record.version, entry.plain) for entry in entries if entry.record is not None])
                progress(manifest.chunks[number].offset + manifest.chunks[number].length, total)

            def describe(counted: int) -> schema.Description:
                publication.refuse_count(counted)
                return description

            draft.finish(describe)
    _put_into_force(directory, store, description, master)
    return _report(manifest, description, changed=True, counts=Changed(added=manifest.entries), resumed_at=resumed_at)


def _apply_delta(
    publication: Publication,
    directory: EnrolmentDirectory,
    master: MasterKey,
    held: schema.Description | None,
    problem: StoreError | None,
    progress: Progress,
) -> ImportReport:
    manifest = publication.manifest
    store = directory.current(manifest.region)
    if held is None or store is None:
        if problem is not None:
            raise problem
        how = f"needs {manifest.region.value} snapshot {manifest.snapshot}, and this gate has none"
        raise _unfit(manifest, how, Refused.BASE_MISSING, "import that snapshot first")
    if manifest.snapshot != held.snapshot:
        if manifest.snapshot < held.snapshot:
            raise _unfit(manifest, f"belongs to an older snapshot than {_state_text(held.state)}, which is in force", Refused.NOT_NEWER)
        how = f"belongs to snapshot {manifest.snapshot}, and {held.snapshot} is in force"
        raise _unfit(manifest, how, Refused.BASE_MISSING, "import that snapshot first")
    if manifest.delta <= held.delta:
        raise _unfit(manifest, f"is not newer than {_state_text(held.state)}, which is in force", Refused.NOT_NEWER)
    if manifest.delta != held.delta + 1:
        missing = f"{held.snapshot}.{held.delta + 1}"
        how = f"follows on delta {held.snapshot}.{manifest.delta - 1}, and delta {missing} is missing"
        raise _unfit(manifest, how, Refused.BASE_MISSING, f"import delta {missing} first")
    if manifest.base != held.publication:
        how = f"was made for another {_state_text(held.state)} than the one in force: its region has published two of this number"
        raise _unfit(manifest, how, Refused.OTHER_BASE, "import the region's next snapshot, and tell its authority; what is in force stays in force")
    if manifest.issued_at < held.issued_at:
        raise _unfit(manifest, "was issued before what is in force, and has a higher number", Refused.ISSUED_OUT_OF_ORDER, ASK_REGION)
    require_space(directory.path, int(manifest.file_bytes * _DELTA_PER_FILE), manifest.name)
    counted = 0
    others = _Others(directory, manifest, master)
    with others, Change(store, master) as change:
        for number, entries in publication.read():
            others.refuse(number, entries)
            change.apply(entries)
            counted += len(entries)
            progress(manifest.chunks[number].offset + manifest.chunks[number].length, manifest.file_bytes)
        publication.refuse_count(counted)
        described = schema.Description(manifest.region, manifest.snapshot, manifest.delta, manifest.issued_at, 0, manifest.digest)
        counts, described = change.commit(described)
        directory.floor.raise_to(described, master)
        change.empty_log()
    return _report(manifest, described, changed=True, counts=counts)


class _Others:
    """The other regions' stores, while one region's records come in: a region may not speak for a person of another. A context manager.

    A store that cannot be used is left out: else two damaged stores would each keep the other from being restored, and one of them every suspension and
    erasure of the other region away. Whatever replaces it is compared with this region's when it comes.
    """

    def __init__(self, directory: EnrolmentDirectory, manifest: Manifest, master: MasterKey) -> None:
        self._manifest = manifest
        self._stack = contextlib.ExitStack()
        self._stores: list[SealedStore] = []
        with contextlib.ExitStack() as stack:
            for region in Region:
                with contextlib.suppress(StoreError):
                    path = directory.current(region)
                    if region is not manifest.region and path is not None:
                        self._stores.append(stack.enter_context(contextlib.closing(SealedStore(path, region, master))))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def refuse(self, chunk: int, entries: Iterable[Entry]) -> None:
        """Raise PublicationError if another region has enrolled somebody under one of the references."""
        for store in self._stores:
            for place, entry in enumerate(entries, 1):
                if entry.record is not None and store.holds(entry.reference):
                    how = f"has in chunk {chunk}, entry {place}, a reference of {store.description.region.value}'s"
                    raise _unfit(self._manifest, how, Refused.OTHER_REGIONS_PERSON, ASK_REGION)


def _held(directory: EnrolmentDirectory, region: Region, master: MasterKey) -> tuple[schema.Description | None, StoreError | None]:
    """What the region's store in force holds; or why it cannot be used."""
    try:
        path = directory.current(region)
        if path is None:
            return None, None
        with contextlib.closing(SealedStore(path, region, master)) as store:
            return store.description, None
    except StoreError as error:
        return None, error


def require_space(directory: Path, needed: int, what: str) -> None:
    """Refuse what will not fit beside the journal: a full disk would close the lane, because the journal could not be written.

    Raises:
        StoreError: Less than `needed` bytes and a reserve are free.
    """
    needed += _SPARE_BYTES
    free = shutil.disk_usage(directory).free
    if free < needed:
        how = f"{what}: needs {needed / 2**20:,.0f} MiB on the disk of {directory}, and {free / 2**20:,.0f} MiB are free"
        raise StoreError(how, "free space on its file system; nothing was changed")


@contextlib.contextmanager
def _not_left_full(directory: EnrolmentDirectory, region: Region) -> Iterator[None]:
    """Remove the half-built store if the disk became full over it."""
    try:
        yield
    except StoreError as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            directory.clean(region)
        raise


def _place(directory: EnrolmentDirectory, manifest: Manifest) -> Path:
    """Where the snapshot's store is built: always the same place, so that it can be gone on with; but never the one that is in force.

    What is damaged stays readable until its successor is whole, and a gate that runs sees by the name that it is another.
    """
    places = [directory.store(manifest.region, manifest.snapshot, manifest.digest[begin : begin + _TAG_BYTES]) for begin in (0, _TAG_BYTES)]
    in_force = None
    with contextlib.suppress(StoreError):
        in_force = directory.current(manifest.region)
    return places[places[0] == in_force]


def _put_into_force(directory: EnrolmentDirectory, store: Path, description: schema.Description, master: MasterKey) -> None:
    directory.floor.know(description.region, master)
    directory.swap(description.region, store)
    directory.floor.raise_to(description, master)
    directory.clean(description.region)


def _report(manifest: Manifest, held: schema.Description, *, changed: bool, counts: Changed = Changed(), resumed_at: int = 0) -> ImportReport:  # noqa: B008 - immutable
    return ImportReport(manifest.name, held.region, held.snapshot, held.delta, held.issued_at, changed, held.records, counts, resumed_at)


def _counted(description: schema.Description, counted: int) -> schema.Description:
    return replace(description, records=counted)


def _encoded(record: EnrolmentRecord, place: int) -> Sealable:
    try:
        return Sealable(record.reference, record.version, records.encode(record))
    except ValueError as error:
        raise StoreError(f"record {place} of the import: {error}", "nothing was imported; the source must correct it") from None  # noqa: EM102


def _batches(source: Iterable[Sealable]) -> Iterator[list[Sealable]]:
    iterator = iter(source)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _state_text(state: tuple[int, int]) -> str:
    snapshot, delta = state
    return f"snapshot {snapshot}" + (f" with delta {delta}" if delta else "")


def _unfit(manifest: Manifest, how: str, reason: Refused, remedy: str = "what is in force stays in force; take a newer one") -> PublicationError:
    return PublicationError(f"{manifest.name}: {how}", remedy, reason)
