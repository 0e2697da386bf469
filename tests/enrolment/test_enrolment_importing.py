"""What comes in, in which order, and what a gate that runs meanwhile sees."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gate_controller.core.values import Region
from gate_controller.enrolment import Enrolments, MasterKey, draft, import_records
from gate_controller.enrolment.changing import Changed
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.floor import Floor
from gate_controller.enrolment.importing import still_needed
from gate_controller.enrolment.publication import Publication, PublicationError
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord, EnrolmentState

MakeRecord = Callable[..., EnrolmentRecord]
NOW = 1_800_000_000
PEOPLE = 60


@pytest.fixture
def snapshot(laboratory: Any, make_record: MakeRecord) -> Path:
    """Snapshot 5 of records 0..59, in many chunks."""
    path: Path = laboratory.published((make_record(number) for number in range(PEOPLE)), snapshot=5)
    return path


class StoppedError(Exception):
    """The import was stopped from outside."""


def stopped(*_: object) -> None:
    raise StoppedError


def stop_at(share: float) -> Callable[[int, int], None]:
    def progress(done: int, whole: int) -> None:
        if done > share * whole:
            raise StoppedError

    return progress


# -- what comes in ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_replaces_the_one_before_and_only_its_region_s(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(laboratory.published([make_record(1000)], Region.MO))
    report = laboratory.take(snapshot)
    assert (report.name, report.changed, report.records, report.counts) == ("HK snapshot 5", True, PEOPLE, Changed(added=PEOPLE))
    laboratory.take(laboratory.published([make_record(50), make_record(300)], snapshot=6))
    assert [laboratory.find(number) is not None for number in (0, 50, 300)] == [False, True, True]
    assert laboratory.find(1000, Region.MO) == make_record(1000)
    assert [len(laboratory.directory.stores(region)) for region in Region] == [1, 1]


def test_an_empty_snapshot_enrols_nobody(laboratory: Any, snapshot: Path) -> None:
    laboratory.take(snapshot)
    assert laboratory.take(laboratory.published([], snapshot=6)).records == 0
    assert laboratory.find(0) is None


def test_deltas_one_after_the_other(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    first = laboratory.take(laboratory.published([make_record(3).reference, make_record(5, 2), make_record(6), make_record(500)], snapshot=5, delta=1))
    assert (first.counts, first.records) == (Changed(added=1, updated=1, unchanged=1, erased=1), PEOPLE)
    second = laboratory.take(laboratory.published([make_record(3, 2), make_record(4).reference, make_record(9999).reference], snapshot=5, delta=2))
    assert (second.name, second.counts, second.records) == ("HK delta 5.2", Changed(added=1, erased=1), PEOPLE)
    assert laboratory.take(laboratory.published([], snapshot=5, delta=3)).counts == Changed()
    assert [laboratory.find(number) for number in (3, 4, 5, 6, 500)] == [make_record(3, 2), None, make_record(5, 2), make_record(6), make_record(500)]
    assert json.loads((laboratory.directory.path / "floor").read_bytes())["HK"][:2] == [5, 3]


def test_the_same_again_changes_nothing(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    delta = laboratory.published([make_record(500)], snapshot=5, delta=1)
    for path in (snapshot, delta):
        laboratory.take(path)
        before = laboratory.files()
        assert not laboratory.take(path).changed
        assert laboratory.files() == before


def test_a_command_that_was_interrupted_can_be_given_again(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    paths = [snapshot, *(laboratory.published([make_record(500 + number)], snapshot=5, delta=number) for number in (1, 2))][::-1]
    for reached in range(3):
        with contextlib.ExitStack() as stack:
            publications = [stack.enter_context(Publication(path, laboratory.keys, laboratory.master, NOW)) for path in paths]
            needed = still_needed(publications, laboratory.directory, laboratory.master)
            assert [each.manifest.state for each in needed] == [(5, 0), (5, 1), (5, 2)][max(0, reached - 1) :]
        laboratory.take(paths[2 - reached])


def test_each_snapshot_has_a_data_key_and_a_file_of_its_own(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    seen = set()
    for number in (5, 6):
        path = snapshot if number == 5 else laboratory.published([make_record(1)], snapshot=6)
        laboratory.take(path)
        store = laboratory.directory.current(Region.HK)
        with contextlib.closing(sqlite3.connect(store)) as connection:
            seen |= {store.name, connection.execute("SELECT key_id FROM store").fetchone()[0]}
    assert len(seen) == 4


# -- interrupted -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "COMMIT_CHUNKS", 4)


def test_an_interrupted_import_goes_on_where_it_was(laboratory: Any, make_record: MakeRecord, snapshot: Path, small_commits: None) -> None:
    with pytest.raises(StoppedError):
        laboratory.take(snapshot, stop_at(0.5))
    assert laboratory.directory.current(Region.HK) is None
    report = laboratory.take(snapshot)
    assert report.resumed_at % 4 == 0
    assert report.resumed_at > 4
    assert all(laboratory.find(number) == make_record(number) for number in range(PEOPLE))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM records WHERE number = (SELECT max(number) FROM records)",
        "INSERT INTO records SELECT 1000, sealed FROM records WHERE number = 3",
        "DELETE FROM staged WHERE chunk = 2",
        "DELETE FROM staged WHERE chunk = (SELECT max(chunk) FROM staged)",
        "UPDATE staged SET entries = zeroblob(length(entries))",
        "UPDATE staged SET proof = zeroblob(32)",
        "UPDATE store SET publication = zeroblob(32)",
        "UPDATE store SET wrapped_key = zeroblob(72)",
        "DELETE FROM store",
        "DROP TABLE records",
        "DROP TABLE staged",
    ],
)
def test_what_is_half_there_is_not_believed(laboratory: Any, make_record: MakeRecord, snapshot: Path, small_commits: None, statement: str) -> None:
    with pytest.raises(StoppedError):
        laboratory.take(snapshot, stop_at(0.5))
    [half] = laboratory.directory.stores(Region.HK)
    with contextlib.closing(sqlite3.connect(half, isolation_level=None)) as connection:
        connection.execute(statement)
    assert laboratory.take(snapshot).resumed_at == 0
    assert all(laboratory.find(number) == make_record(number) for number in range(PEOPLE))


def test_a_record_that_is_missing_from_the_half_is_a_fault_and_nobody_unknown(
    laboratory: Any, make_record: MakeRecord, snapshot: Path, small_commits: None
) -> None:
    with pytest.raises(StoppedError):
        laboratory.take(snapshot, stop_at(0.5))
    [half] = laboratory.directory.stores(Region.HK)
    with contextlib.closing(sqlite3.connect(half, isolation_level=None)) as connection:
        connection.execute("DELETE FROM records WHERE number = 3")
    assert laboratory.take(snapshot).resumed_at > 0
    with pytest.raises(StoreError, match="a record fails its authentication"):
        laboratory.find(2)
    assert laboratory.find(3) == make_record(3)


def test_a_half_of_random_bytes_is_not_believed(laboratory: Any, make_record: MakeRecord, snapshot: Path, small_commits: None) -> None:
    with pytest.raises(StoppedError):
        laboratory.take(snapshot, stop_at(0.5))
    [half] = laboratory.directory.stores(Region.HK)
    half.write_bytes(random.Random(1).randbytes(50_000))
    assert laboratory.take(snapshot).resumed_at == 0
    assert laboratory.find(59) == make_record(59)


def test_a_half_of_another_snapshot_is_removed(laboratory: Any, make_record: MakeRecord, snapshot: Path, small_commits: None) -> None:
    with pytest.raises(StoppedError):
        laboratory.take(snapshot, stop_at(0.5))
    laboratory.take(laboratory.published([make_record(1)], snapshot=6))
    assert len(laboratory.directory.stores(Region.HK)) == 1


def test_a_finished_store_that_was_not_put_into_force_is_taken_as_it_is(laboratory: Any, snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(EnrolmentDirectory, "swap", stopped)
        with pytest.raises(StoppedError):
            laboratory.take(snapshot)
    [finished] = laboratory.directory.stores(Region.HK)
    number = finished.stat().st_ino
    laboratory.take(snapshot)
    assert laboratory.directory.current(Region.HK).stat().st_ino == number
    assert laboratory.find(59) is not None


@pytest.mark.parametrize("step", ["swap", "raise_to"])
def test_killed_before_the_swap_or_the_floor_of_a_first_snapshot(laboratory: Any, snapshot: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def killed(*_: Any) -> None:
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr(EnrolmentDirectory if step == "swap" else Floor, step, killed)
        with pytest.raises(InterruptedError):
            laboratory.take(snapshot)
    if step == "swap":
        with pytest.raises(StoreError, match="holds no enrolments"):
            laboratory.find(1)
        assert laboratory.take(snapshot).changed
    assert laboratory.find(1) is not None
    assert not laboratory.take(snapshot).changed
    assert json.loads((laboratory.directory.path / "floor").read_bytes())["HK"][:2] == [5, 0]


def test_two_imports_at_once(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    other = laboratory.published([make_record(1000)], Region.MO)

    def meanwhile(done: int, whole: int) -> None:
        with pytest.raises(StoreError, match="is being changed by another process"):
            laboratory.take(other)

    laboratory.take(snapshot, meanwhile)


class Usage:
    free = 1 << 20


def test_a_snapshot_that_will_not_fit(laboratory: Any, make_record: MakeRecord, snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: Usage)
        with pytest.raises(StoreError, match=r"HK snapshot 5: needs 256 MiB on the disk of .*, and 1 MiB are free"):
            laboratory.take(snapshot)
    assert laboratory.directory.stores(Region.HK) == []


def test_a_disk_that_becomes_full_does_not_stay_full(laboratory: Any, make_record: MakeRecord, snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory.take(snapshot)
    opened = draft.Draft._open

    def small(self: draft.Draft) -> None:
        opened(self)
        assert self._connection is not None
        self._connection.execute("PRAGMA max_page_count=12").fetchall()

    monkeypatch.setattr(draft.Draft, "_open", small)
    with pytest.raises(StoreError, match="the disk is full"):
        laboratory.take(laboratory.published((make_record(number) for number in range(PEOPLE)), snapshot=6))
    assert len(laboratory.directory.stores(Region.HK)) == 1
    assert laboratory.find(59) is not None


# -- what a gate sees ------------------------------------------------------------------------------------------------------


def test_a_running_gate_takes_up_a_new_snapshot_with_its_next_look_up(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    with contextlib.closing(Enrolments(laboratory.directory.path, laboratory.master)) as enrolments:
        reference = make_record(42).reference

        def watched(done: int, whole: int) -> None:
            assert enrolments.find(Region.HK, reference) == make_record(42)

        laboratory.take(laboratory.published((make_record(number, 2) for number in range(40, 60)), snapshot=6), watched)
        assert enrolments.find(Region.HK, reference) == make_record(42, 2)
        assert enrolments.find(Region.HK, make_record(5).reference) is None
        laboratory.take(laboratory.published([make_record(42).reference], snapshot=6, delta=1))
        assert enrolments.find(Region.HK, reference) is None
        laboratory.take(laboratory.published([make_record(1000)], Region.MO))
        assert enrolments.find(Region.MO, make_record(1000).reference) == make_record(1000)
        assert "(deleted)" not in "".join(open_files()), "a replaced store is still open"


def open_files() -> list[str]:
    names = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            names.append(str(link.readlink()))
    return [name for name in names if "enrolment" in name or ".db" in name]


def test_no_look_up_is_torn_while_snapshots_come_one_after_the_other(laboratory: Any, make_record: MakeRecord) -> None:
    # Every state has exactly one of the two people, in one version.
    laboratory.take(laboratory.published([make_record(1)], snapshot=1))
    paths = [laboratory.published([make_record(1 + number % 2, number)], snapshot=number) for number in range(2, 16)]
    failures: list[str] = []
    done = threading.Event()

    def look() -> None:
        with contextlib.closing(Enrolments(laboratory.directory.path, laboratory.master)) as enrolments:
            last = 1
            while not done.is_set():
                for number in (1, 2):
                    found = enrolments.find(Region.HK, make_record(number).reference)
                    if found is not None:
                        if found.version < last or (1 + found.version % 2 != number and found.version != 1):
                            failures.append(f"version {found.version} of {number} after {last}")
                        last = found.version

    def looking() -> None:
        try:
            look()
        except Exception as error:  # noqa: BLE001 - the thread's failure is the test's
            failures.append(repr(error))

    thread = threading.Thread(target=looking)
    thread.start()
    try:
        for path in paths:
            laboratory.take(path)
    finally:
        done.set()
        thread.join()
    assert failures == []


def test_a_gate_without_enrolments_does_not_start(laboratory: Any) -> None:
    with pytest.raises(StoreError, match="is missing") as caught:
        laboratory.find(1)
    assert "gatectl enrolment import" in caught.value.remedy
    laboratory.directory.path.mkdir()
    with pytest.raises(StoreError, match="holds no enrolments"):
        laboratory.find(1)
    shutil.rmtree(laboratory.directory.path)
    laboratory.directory.path.write_bytes(b"an older program's store")
    with pytest.raises(StoreError, match="is not a directory"):
        laboratory.find(1)


def test_the_directory_vanishes_under_a_running_gate(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    with contextlib.closing(Enrolments(laboratory.directory.path, laboratory.master)) as enrolments:
        enrolments.find(Region.HK, make_record(1).reference)
        laboratory.directory.path.rename(laboratory.scratch / "elsewhere")
        with pytest.raises(StoreError, match="is missing"):
            enrolments.find(Region.HK, make_record(1).reference)
        (laboratory.scratch / "elsewhere").rename(laboratory.directory.path)
        assert enrolments.find(Region.HK, make_record(1).reference) is not None


def test_a_record_is_found_under_its_own_regions_name_only(laboratory: Any, make_record: MakeRecord) -> None:
    laboratory.take(laboratory.published([make_record(1)]))
    assert laboratory.find(1, Region.HK) == make_record(1)
    assert laboratory.find(1, Region.MO) is None, "nothing of that region is in force"
    laboratory.take(laboratory.published([make_record(2)], Region.MO))
    assert [(laboratory.find(number, Region.HK), laboratory.find(number, Region.MO)) for number in (1, 2)] == [
        (make_record(1), None),
        (None, make_record(2)),
    ]


def test_what_is_in_force_is_told_with_each_delta_and_snapshot(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    with contextlib.closing(Enrolments(laboratory.directory.path, laboratory.master)) as enrolments:
        assert enrolments.in_force() == {Region.HK: EnrolmentState(5, 0, PEOPLE, NOW + 50)}
        laboratory.take(laboratory.published([make_record(42).reference], snapshot=5, delta=1))
        assert enrolments.in_force() == {Region.HK: EnrolmentState(5, 1, PEOPLE - 1, NOW + 51)}
        laboratory.take(laboratory.published([make_record(1)], snapshot=6))
        laboratory.take(laboratory.published([make_record(2)], Region.MO))
        assert enrolments.in_force() == {Region.HK: EnrolmentState(6, 0, 1, NOW + 60), Region.MO: EnrolmentState(1, 0, 1, NOW + 10)}


# -- without a signature, for simulations -----------------------------------------------------------------------------------


def test_records_of_a_simulation(tmp_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    assert import_records(tmp_path / "new", master, [make_record(1)]) == 1
    assert import_records(tmp_path / "new", master, [make_record(2), make_record(3)]) == 2
    with contextlib.closing(Enrolments(tmp_path / "new", master)) as enrolments:
        assert [enrolments.find(Region.HK, make_record(number).reference) is not None for number in (1, 2, 3)] == [False, True, True]


def test_a_broken_record_is_named_by_its_place_only_and_undoes_everything(tmp_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    import_records(tmp_path / "new", master, [make_record(1)])
    broken = replace(make_record(777), version=0)
    with pytest.raises(StoreError, match=r"record 3 of the import: version: ") as caught:
        import_records(tmp_path / "new", master, [make_record(500), make_record(501), broken])
    assert broken.reference.hex() not in str(caught.value)
    assert len(EnrolmentDirectory(tmp_path / "new").stores(Region.HK)) == 1
    with pytest.raises(StoreError, match="a reference is in it twice"):
        import_records(tmp_path / "new", master, [make_record(500), make_record(500, 2)])


def test_an_error_of_the_source_passes_through_and_undoes_everything(tmp_path: Path, master: MasterKey, make_record: MakeRecord) -> None:
    def source() -> Iterator[EnrolmentRecord]:
        yield make_record(500)
        raise OSError("the stick was pulled")

    with pytest.raises(OSError, match="the stick was pulled"):
        import_records(tmp_path / "new", master, source())
    with pytest.raises(StoreError, match="holds no enrolments"):
        Enrolments(tmp_path / "new", master)


def test_a_directory_that_cannot_be_made_or_written(
    tmp_path: Path, master: MasterKey, open_directory: Path, without_root: Callable[[], AbstractContextManager[None]]
) -> None:
    with pytest.raises(StoreError, match=r"none is missing|No such file"):
        import_records(tmp_path / "none" / "x", master, [])
    (open_directory / "theirs").mkdir(mode=0o500)
    with without_root(), pytest.raises(StoreError, match="Permission denied"):
        import_records(open_directory / "theirs", master, [])


def test_root_does_not_write_where_the_gate_s_user_works(open_directory: Path, master: MasterKey) -> None:
    theirs = open_directory / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, -1)
    with pytest.raises(StoreError, match="belongs to the user 12345, and this is root") as caught:
        import_records(theirs, master, [])
    assert "sudo -u '#12345'" in caught.value.remedy


def test_a_kill_amid_a_swap_is_a_signal(laboratory: Any, snapshot: Path) -> None:
    # What the loops in tests/kill do over and over, once: at the rename of the link.
    pid = os.fork()
    if pid == 0:
        EnrolmentDirectory.swap = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign,assignment]
        laboratory.take(snapshot)
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    with pytest.raises(StoreError, match="holds no enrolments"):
        laboratory.find(1)
    laboratory.take(snapshot)
    assert laboratory.find(1) is not None


def test_a_delta_that_is_refused_leaves_nothing_in_the_log(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    with pytest.raises(PublicationError, match="not newer"):
        laboratory.take(laboratory.published([make_record(1, 2), replace(make_record(2), suspended=True)], snapshot=5, delta=1))
    assert laboratory.find(1) == make_record(1)
