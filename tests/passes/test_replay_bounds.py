"""How much one claim forgets, and how full the replay memory gets: bounded work, bounded size, and nothing forgotten is fresh again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate_controller.passes import replay
from gate_controller.passes.replay import KEEP_AFTER_EXPIRY_S, SqliteReplayMemory

NOW = 1_800_000_000
TTL = 60


def pass_id(number: int) -> bytes:
    return number.to_bytes(16)


def rows(memory: SqliteReplayMemory) -> int:
    count: int = memory._db.execute("SELECT count(*) FROM presented").fetchone()[0]
    return count


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(replay, "_BATCH", 3)
    return tmp_path / "replay.db"


def test_one_claim_drops_only_a_batch_of_what_expired(path: Path) -> None:
    with SqliteReplayMemory(path, blind_until=None) as memory:
        for number in range(8):
            assert memory.claim(pass_id(number), NOW + number, NOW + TTL + number)
        later = NOW + TTL + KEEP_AFTER_EXPIRY_S + 100
        left = []
        for number in range(4):
            assert memory.claim(pass_id(100 + number), later + number, later + TTL)
            left.append(rows(memory) - number - 1)
            assert not any(memory.claim(pass_id(old), NOW + old, NOW + TTL + old) for old in range(8))
        assert left == [5, 2, 0, 0]


def test_a_full_memory_makes_some_room_at_once_and_never_exceeds_its_size(path: Path) -> None:
    with SqliteReplayMemory(path, blind_until=None, max_passes=64) as memory:
        sizes = []
        for number in range(80):
            assert memory.claim(pass_id(number), NOW + number, NOW + 86_400)
            sizes.append(rows(memory))
        assert max(sizes) == 64
        assert sizes[-16:].count(63) == 8  # one more than the surplus goes, so that every other claim need not count
        for number in range(80):
            assert not memory.claim(pass_id(number), NOW + number, NOW + 86_400)


def test_rows_of_another_process_are_counted_too(path: Path) -> None:
    with SqliteReplayMemory(path, blind_until=None, max_passes=8) as memory, SqliteReplayMemory(path, blind_until=None, max_passes=8) as other:
        for number in range(40):
            assert (memory if number % 2 else other).claim(pass_id(number), NOW + number, NOW + 86_400)
            assert rows(memory) <= 8 + 3  # at most what the other wrote since this one counted
