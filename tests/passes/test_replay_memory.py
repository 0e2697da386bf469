"""The replay memory: strictly newer, atomic, durable when the process is killed, and never silently empty."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
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


def test_read_only_changes_nothing_and_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "replay.db"
    with pytest.raises(StoreError):
        SqliteReplayMemory(path, blind_until=None, read_only=True)
    assert list(tmp_path.iterdir()) == []
    with SqliteReplayMemory(path, blind_until=100) as writing:
        assert writing.claim(bytes(16), 200, 300)
        before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
        with SqliteReplayMemory(path, blind_until=None, read_only=True) as reading:
            assert (reading.last_presented(bytes(16)), reading.last_presented(b"\x01" * 16)) == (200, 100)
            with pytest.raises(StoreError):
                reading.claim(bytes(16), 201, 300)
            assert writing.claim(bytes(16), 250, 300)  # the gate goes on beside it
            assert reading.last_presented(bytes(16)) == 250
        assert before.keys() == {each.name for each in tmp_path.iterdir()}
