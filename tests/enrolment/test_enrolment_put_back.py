"""An older, lost, damaged or exchanged enrolment store: what a gate believes of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate_controller.core.values import Region
from gate_controller.enrolment import Enrolments, MasterKey
from gate_controller.enrolment.importing import import_publication
from gate_controller.enrolment.maintenance import verify_all
from gate_controller.enrolment.publication import Publication
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord

MakeRecord = Callable[..., EnrolmentRecord]
PEOPLE = 60
NOW = 1_800_000_000


@pytest.fixture
def snapshot(laboratory: Any, make_record: MakeRecord) -> Path:
    """Snapshot 5 of records 0..59, in many chunks."""
    path: Path = laboratory.published((make_record(number) for number in range(PEOPLE)), snapshot=5)
    return path


def put_back(laboratory: Any, before: Path) -> None:
    """What somebody does who has a copy of the directory, but for the floor."""
    floor = (laboratory.directory.path / "floor").read_bytes()
    shutil.rmtree(laboratory.directory.path)
    shutil.copytree(before, laboratory.directory.path, symlinks=True)
    (laboratory.directory.path / "floor").write_bytes(floor)


def test_an_older_store_put_back_is_not_believed(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    before = laboratory.scratch / "before"
    shutil.copytree(laboratory.directory.path, before, symlinks=True)
    delta = laboratory.published([make_record(3).reference], snapshot=5, delta=1)
    laboratory.take(delta)
    put_back(laboratory, before)
    with pytest.raises(StoreError, match="holds HK's snapshot 5 with delta 0, older than 5 with delta 1, which this gate has had in force"):
        laboratory.find(3)
    laboratory.take(delta)  # the remedy
    assert laboratory.find(3) is None
    laboratory.take(laboratory.published([make_record(7)], snapshot=6))
    put_back(laboratory, before)
    with pytest.raises(StoreError, match="older than 6 with delta 0"):
        laboratory.find(3)


def test_a_lost_store_is_no_empty_one_and_is_restored_from_the_same_snapshot(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    delta = laboratory.published([make_record(3).reference], snapshot=5, delta=1)
    laboratory.take(delta)
    (laboratory.directory.path / "hk.current").unlink()
    with pytest.raises(StoreError, match="the enrolments of HK are gone"):
        laboratory.find(3)
    laboratory.take(snapshot)
    with pytest.raises(StoreError, match="older than 5 with delta 1"):
        laboratory.find(3)
    laboratory.take(delta)
    assert laboratory.find(3) is None
    assert laboratory.find(4) == make_record(4)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 1, "HK": [1, 1, 1]}',
        b'{"format": 3, "key": "00", "proof": "00"}',
        b'{"format": 2, "XX": [1, 1, 1], "key": "00", "proof": "00"}',
        b'{"format": 2, "HK": [1, 1], "key": "00", "proof": "00"}',
        b'{"format": 2, "HK": [1, 1, -1], "key": "00", "proof": "00"}',
        b'{"format": 2, "HK": [1, 1, 1], "key": "00", "proof": "x"}',
    ],
)
def test_a_damaged_floor(laboratory: Any, snapshot: Path, content: bytes) -> None:
    laboratory.take(snapshot)
    (laboratory.directory.path / "floor").write_bytes(content)
    with pytest.raises(StoreError, match=r"enrolment floor .* is damaged"):
        laboratory.find(1)


def test_a_floor_is_not_lowered_by_hand(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    laboratory.take(laboratory.published([make_record(3).reference], snapshot=5, delta=1))
    floor = laboratory.directory.path / "floor"
    content = json.loads(floor.read_bytes())
    floor.write_text(json.dumps({**content, "HK": [5, 0, 0]}))
    with pytest.raises(StoreError, match="is damaged or tampered with"):
        laboratory.find(3)
    with pytest.raises(StoreError, match="is damaged or tampered with"):
        laboratory.take(laboratory.published([make_record(3)], snapshot=6))


def test_an_older_store_put_back_without_its_floor_is_not_believed(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    before = laboratory.scratch / "before"
    shutil.copytree(laboratory.directory.path, before, symlinks=True)
    delta = laboratory.published([make_record(3).reference], snapshot=5, delta=1)
    laboratory.take(delta)
    put_back(laboratory, before)
    (laboratory.directory.path / "floor").unlink()
    for use in (lambda: laboratory.find(3), lambda: verify_all(laboratory.directory, laboratory.master)):
        with pytest.raises(StoreError, match="does not know the enrolments of HK, which are in force") as caught:
            use()
        assert "gatectl enrolment import" in caught.value.remedy
    laboratory.take(delta)  # the remedy
    assert laboratory.find(3) is None
    (laboratory.directory.path / "floor").unlink()
    assert not laboratory.take(delta).changed  # also when it is in force already
    assert laboratory.find(4) == make_record(4)


def test_the_floor_of_another_master_key(laboratory: Any, snapshot: Path) -> None:
    laboratory.take(snapshot)
    with pytest.raises(StoreError, match="written with another master key than other"):
        laboratory.directory.floor.read(MasterKey(bytes(range(2, 34)), "other"))


def test_a_damaged_store_refuses_a_delta_and_takes_the_snapshot_again(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    laboratory.directory.current(Region.HK).write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        laboratory.take(laboratory.published([make_record(3)], snapshot=5, delta=1))
    laboratory.take(snapshot)
    assert laboratory.find(59) == make_record(59)


@pytest.mark.parametrize("target", ["../elsewhere.db", "/etc/passwd", "mo-1-0000000000000000.db", "hk-1.db"])
def test_a_link_that_is_not_ours(laboratory: Any, snapshot: Path, target: str) -> None:
    laboratory.take(snapshot)
    link = laboratory.directory.path / "hk.current"
    link.unlink()
    link.symlink_to(target)
    with pytest.raises(StoreError, match="does not name a store"):
        laboratory.find(1)
    laboratory.take(snapshot)  # the remedy
    assert laboratory.find(1) is not None
    assert len(laboratory.directory.stores(Region.HK)) == 1


def test_a_file_in_the_link_s_place(laboratory: Any, snapshot: Path) -> None:
    laboratory.take(snapshot)
    link = laboratory.directory.path / "hk.current"
    link.unlink()
    link.write_text("hk-5-0000000000000000.db")
    with pytest.raises(StoreError, match="does not name a store"):
        laboratory.find(1)
    laboratory.take(snapshot)
    assert laboratory.find(1) is not None


@pytest.mark.parametrize("harm", [lambda store: store.write_bytes(b"not a database" * 1000), Path.unlink], ids=["damaged", "gone"])
def test_two_unusable_stores_do_not_keep_each_other_from_being_restored(
    laboratory: Any, make_record: MakeRecord, snapshot: Path, harm: Callable[[Path], None]
) -> None:
    other = laboratory.published([make_record(1000)], Region.MO)
    for path in (snapshot, other):
        laboratory.take(path)
    for region in Region:
        harm(laboratory.directory.current(region))
    laboratory.take(snapshot)
    laboratory.take(laboratory.published([make_record(3).reference], snapshot=5, delta=1))  # an erasure does not wait for the other region either
    with pytest.raises(StoreError, match="a reference of HK's"):
        laboratory.take(laboratory.published([make_record(1)], Region.MO, snapshot=2))
    laboratory.take(other)
    assert laboratory.find(1) == make_record(1)
    assert laboratory.find(3) is None
    assert laboratory.find(1000, Region.MO) == make_record(1000)


def test_the_stores_of_two_regions_exchanged(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    laboratory.take(laboratory.published([make_record(1000)], Region.MO))
    hk, mo = (laboratory.directory.current(region) for region in Region)
    content = hk.read_bytes()
    hk.write_bytes(mo.read_bytes())
    mo.write_bytes(content)
    with pytest.raises(StoreError, match="it holds the enrolments of"):
        laboratory.find(1)


def test_another_master_key(laboratory: Any, snapshot: Path) -> None:
    laboratory.take(snapshot)
    laboratory.master = MasterKey(bytes(range(2, 34)), "the other key")
    with pytest.raises(StoreError, match="another master key than the other key"):
        laboratory.find(1)


@pytest.mark.invariant("INV-3")
def test_enrolments_that_are_emptied_under_a_running_gate_are_gone_and_nobody_unknown(laboratory: Any, make_record: MakeRecord) -> None:
    """With the floor, too: nothing there tells any more that there was a store, but the gate has had it."""
    laboratory.take(laboratory.published([make_record(1)], snapshot=5))
    laboratory.take(laboratory.published([make_record(2)], Region.MO, snapshot=1))
    with contextlib.closing(Enrolments(laboratory.directory.path, laboratory.master)) as enrolments:
        assert enrolments.find(Region.HK, (1).to_bytes(16)) is not None
        kept = {path: (path.readlink() if path.is_symlink() else path.read_bytes()) for path in laboratory.directory.path.iterdir()}
        for path in kept:
            path.unlink()
        for _ in range(3):
            with pytest.raises(StoreError, match="the enrolments of HK are gone"):
                enrolments.find(Region.HK, (1).to_bytes(16))
        for path, content in kept.items():
            path.symlink_to(content) if isinstance(content, Path) else path.write_bytes(content)
        assert enrolments.find(Region.HK, (1).to_bytes(16)) is not None, "put back, they are taken up again"


def test_a_running_gate_does_not_believe_an_older_store_that_is_put_back_with_the_floor_of_its_time(
    laboratory: Any, make_record: MakeRecord, snapshot: Path
) -> None:
    laboratory.take(snapshot)
    before = laboratory.scratch / "before"
    shutil.copytree(laboratory.directory.path, before, symlinks=True)
    laboratory.take(laboratory.published([make_record(7)], snapshot=6))
    with contextlib.closing(Enrolments(laboratory.directory.path, laboratory.master)) as enrolments:
        assert enrolments.in_force()[Region.HK].snapshot == 6
        shutil.rmtree(laboratory.directory.path)
        shutil.copytree(before, laboratory.directory.path, symlinks=True)
        with pytest.raises(StoreError, match="older than 6 with delta 0"):
            enrolments.find(Region.HK, make_record(3).reference)


@pytest.mark.parametrize("harm", ["first pages", "some pages"])
def test_a_running_gate_takes_up_what_is_restored_from_the_very_same_snapshot(laboratory: Any, make_record: MakeRecord, harm: str) -> None:
    files = [laboratory.published([make_record(number) for number in range(200)], snapshot=5)]
    files += [laboratory.published([make_record(3, 2)], snapshot=5, delta=1), laboratory.published([make_record(1).reference], snapshot=5, delta=2)]
    for path in files:
        laboratory.take(path)
    with contextlib.closing(Enrolments(laboratory.directory.path, laboratory.master)) as enrolments:
        store = laboratory.directory.current(Region.HK)
        content = bytearray(store.read_bytes())
        begin, end = (0, 2 * 4096) if harm == "first pages" else (40 * 4096, 60 * 4096)
        content[begin:end] = bytes(byte ^ 0x5A for byte in content[begin:end])
        store.write_bytes(content)
        for path in files:
            with Publication(path, laboratory.keys, laboratory.master, NOW) as publication:
                assert import_publication(publication, laboratory.directory, laboratory.master, restore=True).changed
        assert enrolments.find(Region.HK, make_record(1).reference) is None
        assert enrolments.find(Region.HK, make_record(3).reference) == make_record(3, 2)
        assert all(enrolments.find(Region.HK, make_record(number).reference) for number in range(4, 200))
    assert len(laboratory.directory.stores(Region.HK)) == 1


def test_a_running_gate_takes_up_a_directory_that_was_put_aside_and_made_anew(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    with contextlib.closing(Enrolments(laboratory.directory.path, laboratory.master)) as enrolments:
        assert enrolments.find(Region.HK, make_record(3).reference)
        laboratory.directory.path.rename(laboratory.scratch / "aside")
        laboratory.take(snapshot)
        laboratory.take(laboratory.published([make_record(3).reference], snapshot=5, delta=1))
        assert enrolments.find(Region.HK, make_record(3).reference) is None


def test_an_older_state_written_over_the_store_in_its_place_is_found_out(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(snapshot)
    store = laboratory.directory.current(Region.HK)
    with contextlib.closing(Enrolments(laboratory.directory.path, laboratory.master)) as enrolments:
        with contextlib.closing(sqlite3.connect(store)) as live, contextlib.closing(sqlite3.connect(laboratory.scratch / "old.db")) as old:
            live.backup(old)
        laboratory.take(laboratory.published([make_record(3).reference], snapshot=5, delta=1))
        assert enrolments.in_force()[Region.HK].delta == 1
        with contextlib.closing(sqlite3.connect(store)) as live, contextlib.closing(sqlite3.connect(laboratory.scratch / "old.db")) as old:
            old.backup(live)
        with pytest.raises(StoreError, match="older than 5 with delta 1"):
            enrolments.in_force()


def test_a_snapshot_is_taken_over_an_older_one_that_was_put_back(laboratory: Any, make_record: MakeRecord, snapshot: Path) -> None:
    laboratory.take(laboratory.published([make_record(1)], snapshot=4))
    before = laboratory.scratch / "before"
    shutil.copytree(laboratory.directory.path, before, symlinks=True)
    laboratory.take(snapshot)
    delta = laboratory.published([make_record(3, 2)], snapshot=5, delta=1)
    laboratory.take(delta)
    put_back(laboratory, before)
    assert laboratory.take(snapshot).awaits == (5, 1)
    assert laboratory.take(delta).awaits is None
    assert laboratory.find(3) == make_record(3, 2)
