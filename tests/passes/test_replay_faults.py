"""The replay memory when its file is damaged, full, locked, forbidden or gone: always an error with a remedy, never an empty memory."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate_controller.passes.replay import SqliteReplayMemory
from gate_controller.ports.errors import StoreError

NOW = 1_800_000_000
TTL = 60


def pass_id(number: int) -> bytes:
    return number.to_bytes(16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.db"


def fill(memory: SqliteReplayMemory, count: int) -> None:
    """Rows in one transaction: each claim waits for the disk."""
    memory._db.execute("BEGIN")
    memory._db.executemany("INSERT INTO presented VALUES (?, ?, ?)", ((pass_id(1000 + number), NOW, NOW + TTL) for number in range(count)))
    memory._db.execute("COMMIT")


def refused(path: Path) -> StoreError:
    with pytest.raises(StoreError) as caught:
        SqliteReplayMemory(path, blind_until=None)
    assert str(path) in caught.value.what
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value


def damaged_head(path: Path) -> None:
    path.write_bytes(b"garbage!" * 512 + path.read_bytes()[4096:])


def damaged_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xa5" * 4096
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4096])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_another_program(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE presented (pass_id, issued_at, expires_at)")


def without_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE presented")


def without_state(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM state")


def of_a_later_version(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize(
    "damage",
    [damaged_head, damaged_page, cut_short, emptied, of_another_program, without_table, without_state, of_a_later_version, a_directory, a_dangling_link],
)
def test_a_damaged_file_is_an_error_and_is_left_as_it_is(path: Path, damage: Callable[[Path], None]) -> None:
    with SqliteReplayMemory(path, blind_until=None) as memory:
        fill(memory, 100)
    damage(path)
    before = path.read_bytes() if path.is_file() else None
    refused(path)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_damage_found_while_in_use(path: Path) -> None:
    with SqliteReplayMemory(path, blind_until=None) as memory:
        assert memory.claim(pass_id(1), NOW, NOW + TTL)
        damaged_head(path)
        with pytest.raises(StoreError) as caught:
            memory.claim(pass_id(2), NOW, NOW + TTL)
        assert "move the file aside" in caught.value.remedy
        with pytest.raises(StoreError):
            memory.last_presented(pass_id(1))


def test_a_journal_without_its_file_is_an_error(path: Path) -> None:
    path.with_name("replay.db-journal").write_bytes(b"left by a crash")
    assert "journal" in refused(path).what


def test_a_start_that_was_killed_while_making_the_file_is_made_good(path: Path) -> None:
    path.with_name("replay.db.new").write_bytes(b"half made")
    path.with_name("replay.db.new-journal").write_bytes(b"half made")
    with SqliteReplayMemory(path, blind_until=None) as memory:
        assert memory.claim(pass_id(1), NOW, NOW + TTL)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["replay.db", "replay.db-journal"]


def test_no_directory(tmp_path: Path) -> None:
    refused(tmp_path / "missing" / "replay.db")


def test_full_disk_at_a_claim(path: Path) -> None:
    with SqliteReplayMemory(path, blind_until=None) as memory:
        assert memory.claim(pass_id(0), NOW, NOW + TTL)
        fill(memory, 100)
        pages = memory._db.execute("PRAGMA page_count").fetchone()[0]
        memory._db.execute(f"PRAGMA max_page_count = {pages}")  # the engine's own SQLITE_FULL
        number = 0

        def claim_until_full() -> None:
            nonlocal number
            for number in range(1, 1000):
                memory.claim(pass_id(number), NOW, NOW + TTL)

        with pytest.raises(StoreError) as caught:
            claim_until_full()
        assert "full" in caught.value.what
        assert "space" in caught.value.remedy
        assert not memory._db.in_transaction
        assert memory.last_presented(pass_id(number)) is None  # nothing half done
        assert memory.last_presented(pass_id(0)) == NOW
        memory._db.execute("PRAGMA max_page_count = 1000000")
        assert memory.claim(pass_id(number), NOW, NOW + TTL)


FULL_FILE_SYSTEM = """
import resource, sys
from pathlib import Path
from gate_controller.passes.replay import SqliteReplayMemory
from gate_controller.ports.errors import StoreError
memory = SqliteReplayMemory(Path(sys.argv[1]), blind_until=None)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    memory.claim(bytes(16), 1_800_000_000, 1_800_000_060)
except StoreError as error:
    print("StoreError", bool(error.remedy))
"""


def test_writes_that_the_system_refuses(path: Path) -> None:
    """A file-size limit makes the journal's write fail as a broken or full disk does."""
    result = subprocess.run([sys.executable, "-c", FULL_FILE_SYSTEM, str(path)], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "StoreError True\n", result.stderr
    with SqliteReplayMemory(path, blind_until=None) as memory:
        assert memory.last_presented(bytes(16)) is None


def test_a_file_that_may_only_be_read(open_directory: Path, without_root: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
    path = open_directory / "replay.db"
    SqliteReplayMemory(path, blind_until=None).close()
    path.chmod(0o444)
    with without_root():
        refused(path)
    path.chmod(0o000)
    with without_root():
        assert "access" in refused(path).remedy
    assert path.stat().st_size > 0


def test_a_directory_that_may_not_be_written(open_directory: Path, without_root: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
    open_directory.chmod(0o555)
    with without_root():
        refused(open_directory / "replay.db")
    open_directory.chmod(0o700)


def test_another_program_that_holds_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate_controller.ports.sqlite.BUSY_TIMEOUT_S", 0.05)
    with SqliteReplayMemory(path, blind_until=None) as memory, contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError) as caught:
            memory.claim(pass_id(1), NOW, NOW + TTL)
        assert "end it" in caught.value.remedy
        other.execute("ROLLBACK")
        assert memory.claim(pass_id(1), NOW, NOW + TTL)


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_taken_away_while_in_use(path: Path, replace: bool) -> None:
    with SqliteReplayMemory(path, blind_until=None) as memory:
        path.rename(path.with_name("moved.db"))
        if replace:
            SqliteReplayMemory(path, blind_until=None).close()
        with pytest.raises(StoreError):
            memory.claim(pass_id(1), NOW, NOW + TTL)


@pytest.mark.parametrize("claim", [(b"short", NOW, NOW), (pass_id(1), -1, NOW), (pass_id(1), NOW, NOW - 1), ("0" * 16, NOW, NOW), (pass_id(1), "x", NOW)])
def test_what_cannot_be_a_claim_is_not_stored(path: Path, claim: Any) -> None:
    with SqliteReplayMemory(path, blind_until=None) as memory:
        with pytest.raises(StoreError):
            memory.claim(*claim)
        assert memory._db.execute("SELECT count(*) FROM presented").fetchone() == (0,)


def test_used_after_closing(path: Path) -> None:
    memory = SqliteReplayMemory(path, blind_until=None)
    memory.close()
    memory.close()
    for use in (lambda: memory.last_presented(pass_id(1)), lambda: memory.claim(pass_id(1), NOW, NOW + TTL)):
        with pytest.raises(StoreError):
            use()


def test_no_descriptor_is_left_open(path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with SqliteReplayMemory(path, blind_until=None) as memory:
        memory.claim(pass_id(1), NOW, NOW + TTL)
    damaged_page(path)
    refused(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
