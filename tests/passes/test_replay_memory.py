"""The replay memory: strictly newer, atomic, durable when the process is killed, and never silently empty."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gate_controller.passes.replay import KEEP_AFTER_EXPIRY_S, SqliteReplayMemory
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import PassAccepted, PassRejected, ReplayMemory

NOW = 1_800_000_000
TTL = 60


def pass_id(number: int) -> bytes:
    return number.to_bytes(16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.db"


@contextlib.contextmanager
def opened(path: Path, blind_until: int | None = None, **options: Any) -> Iterator[SqliteReplayMemory]:
    with SqliteReplayMemory(path, blind_until=blind_until, **options) as memory:
        yield memory


def test_strictly_newer(path: Path) -> None:
    with opened(path) as memory:
        port: ReplayMemory = memory
        assert port.last_presented(pass_id(1)) is None
        assert port.claim(pass_id(1), NOW, NOW + TTL)
        assert not port.claim(pass_id(1), NOW, NOW + TTL)
        assert not port.claim(pass_id(1), NOW - 1, NOW + TTL)
        assert port.last_presented(pass_id(1)) == NOW
        assert port.claim(pass_id(1), NOW + 1, NOW + TTL)
        assert port.last_presented(pass_id(1)) == NOW + 1
        assert port.last_presented(pass_id(2)) is None


def test_survives_closing_and_opening(path: Path) -> None:
    with opened(path) as memory:
        assert memory.claim(pass_id(1), NOW, NOW + TTL)
    with opened(path, blind_until=NOW + 1_000_000) as memory:  # an existing file keeps its own floor
        assert memory.last_presented(pass_id(1)) == NOW
        assert memory.last_presented(pass_id(2)) is None
        assert not memory.claim(pass_id(1), NOW, NOW + TTL)


def test_settings_that_make_a_commit_durable(path: Path) -> None:
    with opened(path) as memory:
        pragmas = {name: memory._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "mmap_size", "cell_size_check")}
    assert pragmas == {"journal_mode": "truncate", "synchronous": 3, "mmap_size": 0, "cell_size_check": 1}
    assert path.stat().st_mode & 0o777 == 0o600


CLAIM_AND_WAIT = """
import sys
from pathlib import Path
from gate_controller.passes.replay import SqliteReplayMemory
memory = SqliteReplayMemory(Path(sys.argv[1]), blind_until=None)
for number in range(int(sys.argv[2]), 1 << 30):
    print(number, memory.claim(number.to_bytes(16), 1_800_000_000 + number, 1_900_000_000), flush=True)
    if sys.argv[3] == "once":
        sys.stdin.read()
"""


def claiming(path: Path, first: int, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CLAIM_AND_WAIT, str(path), str(first), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_claim_survives_kill_9_right_after_it_was_reported(path: Path) -> None:
    for number in (1, 2):
        with claiming(path, number, "once") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{number} True\n"
            process.kill()
        assert process.returncode == -signal.SIGKILL
        with opened(path) as memory:
            assert memory.last_presented(pass_id(number)) == NOW + number
            assert not memory.claim(pass_id(number), NOW + number, NOW + TTL + number)


def test_every_reported_claim_survives_a_kill_9_in_the_middle_of_claiming(path: Path) -> None:
    with claiming(path, 1, "for ever") as process:
        assert process.stdout is not None
        reported = [process.stdout.readline() for _ in range(25)]
        process.kill()
        reported += process.stdout.readlines()
    numbers = [int(line.split()[0]) for line in reported if line.endswith("True\n")]
    assert len(numbers) >= 25
    with opened(path) as memory:
        assert [memory.last_presented(pass_id(number)) for number in numbers] == [NOW + number for number in numbers]


def test_one_presentation_is_claimed_once_however_many_ask(path: Path) -> None:
    """Four connections in four threads race for the same presentations."""
    wins: list[int] = []
    with opened(path):
        start = threading.Barrier(4)

        def race() -> None:
            with opened(path) as memory:
                start.wait(timeout=30)
                wins.extend(number for number in range(6) if memory.claim(pass_id(number), NOW, NOW + TTL))

        threads = [threading.Thread(target=race) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(wins) == list(range(6))


def test_threads_may_share_one_memory(path: Path) -> None:
    wins: list[int] = []
    with opened(path) as memory:

        def race() -> None:
            for number in range(6):
                memory.last_presented(pass_id(number))
                if memory.claim(pass_id(number), NOW, NOW + TTL):
                    wins.append(number)

        threads = [threading.Thread(target=race) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(wins) == list(range(6))


def rows(memory: SqliteReplayMemory) -> int:
    count: int = memory._db.execute("SELECT count(*) FROM presented").fetchone()[0]
    return count


def test_expired_rows_are_dropped_and_stay_used(path: Path) -> None:
    with opened(path) as memory:
        for number in range(5):
            assert memory.claim(pass_id(number), NOW + number, NOW + TTL)
        later = NOW + TTL + KEEP_AFTER_EXPIRY_S
        assert memory.claim(pass_id(10), later, later + TTL)
        assert rows(memory) == 6  # not yet
        assert memory.claim(pass_id(11), later + 1, later + TTL)
        assert rows(memory) == 2
        for number in range(5):
            assert memory.last_presented(pass_id(number)) == NOW + 4
            assert not memory.claim(pass_id(number), NOW + number, NOW + TTL)
        assert memory.claim(pass_id(0), NOW + 5, NOW + TTL)  # a later presentation of the same pass is a new crossing


def test_the_floor_stays_below_every_fresh_presentation(path: Path) -> None:
    """A phone whose clock is as far ahead as the widest policy allows must not shut the others out."""
    with opened(path) as memory:
        for second in range(0, 20_000, 2000):
            assert memory.claim(pass_id(second), NOW + second + 600, NOW + second + 1200)
            assert memory.claim(pass_id(1_000_000 + second), NOW + second - 600, NOW + second)


def test_a_clock_set_far_ahead_does_not_make_used_presentations_fresh(path: Path) -> None:
    with opened(path) as memory:
        assert memory.claim(pass_id(1), NOW, NOW + TTL)
        tomorrow = NOW + 86_400
        assert memory.claim(pass_id(2), tomorrow, tomorrow + TTL)
        assert rows(memory) == 1
        assert not memory.claim(pass_id(1), NOW, NOW + TTL)
        assert memory.claim(pass_id(1), NOW + 1, NOW + TTL)


def test_the_number_of_rows_is_bounded_and_the_forgotten_stay_used(path: Path) -> None:
    with opened(path, max_passes=4) as memory:
        for number in range(10):
            assert memory.claim(pass_id(number), NOW + number, NOW + 86_400)
            assert rows(memory) <= 4
        for number in range(10):
            assert not memory.claim(pass_id(number), NOW + number, NOW + 86_400)
        assert not memory.claim(pass_id(99), NOW + 5, NOW + 86_400)  # cannot be told from a forgotten one
        assert memory.claim(pass_id(99), NOW + 6, NOW + 86_400)


def test_a_new_memory_refuses_what_was_made_before_it(path: Path) -> None:
    with opened(path) as memory:
        assert memory.claim(pass_id(1), NOW, NOW + TTL)
    path.unlink()
    with opened(path, blind_until=NOW + 30) as memory:
        assert memory.last_presented(pass_id(1)) == NOW + 30
        assert not memory.claim(pass_id(1), NOW, NOW + TTL)
        assert not memory.claim(pass_id(1), NOW + 30, NOW + TTL)
        assert memory.claim(pass_id(1), NOW + 31, NOW + TTL)


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
    with opened(path) as memory:
        fill(memory, 100)
    damage(path)
    before = path.read_bytes() if path.is_file() else None
    refused(path)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_damage_found_while_in_use(path: Path) -> None:
    with opened(path) as memory:
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
    with opened(path) as memory:
        assert memory.claim(pass_id(1), NOW, NOW + TTL)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["replay.db", "replay.db-journal"]


def test_no_directory(tmp_path: Path) -> None:
    refused(tmp_path / "missing" / "replay.db")


def test_full_disk_at_a_claim(path: Path) -> None:
    with opened(path) as memory:
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
    with opened(path) as memory:
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
    with opened(path) as memory, contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError) as caught:
            memory.claim(pass_id(1), NOW, NOW + TTL)
        assert "end it" in caught.value.remedy
        other.execute("ROLLBACK")
        assert memory.claim(pass_id(1), NOW, NOW + TTL)


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_taken_away_while_in_use(path: Path, replace: bool) -> None:
    with opened(path) as memory:
        path.rename(path.with_name("moved.db"))
        if replace:
            SqliteReplayMemory(path, blind_until=None).close()
        with pytest.raises(StoreError):
            memory.claim(pass_id(1), NOW, NOW + TTL)


@pytest.mark.parametrize("claim", [(b"short", NOW, NOW), (pass_id(1), -1, NOW), (pass_id(1), NOW, NOW - 1), ("0" * 16, NOW, NOW), (pass_id(1), "x", NOW)])
def test_what_cannot_be_a_claim_is_not_stored(path: Path, claim: Any) -> None:
    with opened(path) as memory:
        with pytest.raises(StoreError):
            memory.claim(*claim)
        assert rows(memory) == 0


def test_used_after_closing(path: Path) -> None:
    memory = SqliteReplayMemory(path, blind_until=None)
    memory.close()
    memory.close()
    for use in (lambda: memory.last_presented(pass_id(1)), lambda: memory.claim(pass_id(1), NOW, NOW + TTL)):
        with pytest.raises(StoreError):
            use()


def test_no_descriptor_is_left_open(path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with opened(path) as memory:
        memory.claim(pass_id(1), NOW, NOW + TTL)
    damaged_page(path)
    refused(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.invariant("INV-8")
def test_one_presentation_opens_the_gate_once_also_after_a_restart(laboratory: Any, path: Path) -> None:
    text, now = laboratory.text(), laboratory.now
    with opened(path) as memory:
        accepted = laboratory.verifier(memory).verify(text, now)
        assert isinstance(accepted, PassAccepted)
        facts = accepted.facts
        assert memory.claim(facts.pass_id, facts.issued_at, facts.pass_expires_at)
        assert isinstance(laboratory.verifier(memory).verify(text, now), PassRejected)
    with opened(path) as memory:
        assert isinstance(laboratory.verifier(memory).verify(text, now + 1), PassRejected)
        assert isinstance(laboratory.verifier(memory).verify(laboratory.phone.present(now + 1), now + 1), PassAccepted)
