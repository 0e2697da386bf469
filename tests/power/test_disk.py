"""The model of a disk: what a sync makes durable, what may become of the rest; and that the recorder notices what it does not see."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.power import sqlite_calls
from tests.power.calls import Recorder
from tests.power.disk import ROOT, Disk, Image, Names, Resize, Sync, Write
from tests.power.fate import SECTOR, at_random, only

FILE, OTHER = 1, 2
NOTHING = only(())


def disk() -> Disk:
    """A disk that knows two files' inodes."""
    return Disk(Image(modes={FILE: stat.S_IFREG | 0o640, OTHER: stat.S_IFREG | 0o600}))


def content(image: Image) -> dict[str, bytes]:
    return {name: bytes(image.files.get(inode, b"")) for name, inode in image.walk()}


def test_a_file_that_was_synced_needs_a_name_that_was_synced() -> None:
    made = disk()
    for op in (Names(ROOT, (("a", FILE),)), Write(FILE, 0, b"data"), Sync(FILE, "")):
        made.take(op)
    assert content(made.image(NOTHING)) == {}
    made.take(Sync(ROOT, ""))
    assert content(made.image(NOTHING)) == {"a": b"data"}
    assert not made.pending


def test_a_new_name_can_be_durable_before_the_data_that_it_names() -> None:
    made = disk()
    for op in (Names(ROOT, (("a", FILE),)), Write(FILE, 0, b"old"), Sync(FILE, ""), Sync(ROOT, "")):
        made.take(op)
    for op in (Names(ROOT, (("a.new", OTHER),)), Write(OTHER, 0, b"new"), Names(ROOT, (("a.new", None), ("a", OTHER)))):
        made.take(op)
    names = only({0, 2})
    assert content(made.image(names)) == {"a": b""}
    assert content(made.image(NOTHING)) == {"a": b"old"}
    assert content(made.live()) == {"a": b"new"}


def test_what_was_not_synced_survives_in_any_part() -> None:
    made = disk()
    for op in (Names(ROOT, (("a", FILE),)), Write(FILE, 0, b"o" * 4 * SECTOR), Sync(FILE, ""), Sync(ROOT, "")):
        made.take(op)
    for op in (Write(FILE, 0, b"n" * 4 * SECTOR), Resize(FILE, 3 * SECTOR), Write(FILE, 5 * SECTOR, b"m" * SECTOR)):
        made.take(op)
    rng = random.Random(1)
    found = {content(made.image(at_random(rng)))["a"] for _ in range(2000)}
    sizes = {len(each) for each in found}
    assert {3 * SECTOR, 4 * SECTOR, 6 * SECTOR} <= sizes
    assert (min(sizes), max(sizes)) == (3 * SECTOR, 6 * SECTOR)
    assert any(each[:SECTOR] == b"n" * SECTOR and each[SECTOR : 2 * SECTOR] == b"o" * SECTOR for each in found), "a write survives in sectors"
    assert any(set(each[:SECTOR]) == {*b"no"} for each in found), "or is torn inside one"
    assert any(len(each) == 6 * SECTOR and each[5 * SECTOR :] not in {b"m" * SECTOR, bytes(SECTOR)} for each in found), "a file grows without its content"
    assert all(each[: 3 * SECTOR].strip(b"on") == b"" for each in found), "but nothing is invented where a file had content"


def test_two_names_of_one_file_are_one_file_again(tmp_path: Path) -> None:
    image = Image({FILE: b"x"}, {ROOT: {"a": FILE, "b": FILE}}, disk().durable.modes)
    image.write_to(tmp_path)
    assert (tmp_path / "a").samefile(tmp_path / "b")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_what_is_not_recorded_is_noticed(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Image())

    def change() -> None:
        with recorder.recording():
            os.close(os.open(tmp_path / "seen", os.O_CREAT | os.O_WRONLY))
            (tmp_path / "unseen").write_bytes(b"x")

    with pytest.raises(AssertionError, match=r"not recorded: \['unseen'\]"):
        change()


@pytest.mark.skipif(sqlite_calls.unavailable() is not None, reason=sqlite_calls.unavailable() or "")
def test_a_commit_of_sqlite_syncs_its_log_and_leaves_nothing_in_the_air(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Image())
    with recorder.recording(), sqlite_calls.recording(recorder):
        connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE t(x)", "INSERT INTO t VALUES (1)"):
            connection.execute(statement).fetchall()
        committed = len(recorder.ops)
        connection.close()
    made = Disk(Image(modes=recorder._modes))
    for op in recorder.ops[:committed]:
        made.take(op)
    assert recorder.ops[committed - 1] == Sync(next(inode for name, inode in made.live().walk() if name == "a.db-wal"), "SQLite, the log")
    back = tmp_path / "back"
    back.mkdir()
    made.image(NOTHING).write_to(back)
    assert sqlite3.connect(back / "a.db").execute("SELECT x FROM t").fetchall() == [(1,)]
