"""The replay memory: claims by two processes, forgetting by age and by number, a restart.

After a loss of power it must hold what the last claim that returned left there, or what the one that was running would have, and nothing else; no presentation that it
accepted may be accepted again.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gate_controller.passes.replay import SqliteReplayMemory
from tests.power.cuts import Note, ViolationError

START = 1_800_000_000
BLIND_UNTIL = START + 30
SMALL = 12


@dataclass(frozen=True, slots=True)
class Held:
    """What a memory holds: (pass, iat, expiry) of each row, the floor."""

    rows: tuple[tuple[bytes, int, int], ...]
    floor: int


class ReplayCuts:
    """Implements cuts.Workload.

    Args:
        rng: Who presents what.
        claims: How many.
    """

    name = "replay memory"

    def __init__(self, rng: random.Random, claims: int = 40) -> None:
        self._rng = rng
        self._claims = claims
        self._passes = [rng.randbytes(16) for _ in range(SMALL * 2)]

    def work(self, directory: Path, note: Note) -> None:
        now = BLIND_UNTIL
        for _ in range(2):
            with _memory(directory) as memory, _memory(directory) as other:
                note(_held(memory))
                for number in range(self._claims // 2):
                    now += self._rng.randrange(1, 400)
                    claimant = other if number % 5 == 4 else memory
                    pass_id = self._rng.choice(self._passes)
                    claimant.claim(pass_id, now, now + self._rng.choice((60, 3600, 86_400)))
                    note(_held(memory))
                    if claimant.claim(pass_id, now, now + 60):
                        raise ViolationError("a presentation was accepted twice, without any loss of power")
                    note(_held(memory))

    def judge(self, directory: Path, allowed: Sequence[object], note: Note) -> None:
        with _memory(directory) as memory:
            held = _held(memory)
            fresh = Held((), BLIND_UNTIL)
            if held not in allowed and not (allowed[0] is None and held == fresh):
                raise ViolationError("claims: " + _difference(held, [each for each in allowed if isinstance(each, Held)]))
            for pass_id, issued_at, expires_at in self._rng.sample(held.rows, min(3, len(held.rows))):
                if memory.claim(pass_id, issued_at, expires_at):
                    raise ViolationError("a presentation was accepted a second time")
            now = max([held.floor, *(row[1] for row in held.rows)]) + 1
            for _ in range(2):
                if not memory.claim(self._passes[0], now, now + 60):
                    raise ViolationError("a fresh presentation is refused")
                note(_held(memory))
                now += 1


def _memory(directory: Path) -> SqliteReplayMemory:
    return SqliteReplayMemory(directory / "replay.db", blind_until=BLIND_UNTIL, max_passes=SMALL)


def _held(memory: SqliteReplayMemory) -> Held:
    rows = memory._db.execute("SELECT pass_id, issued_at, expires_at FROM presented ORDER BY pass_id").fetchall()
    return Held(tuple(rows), memory._db.execute("SELECT floor FROM state").fetchone()[0])


def _difference(held: Held, allowed: Sequence[Held]) -> str:
    with contextlib.suppress(IndexError):
        if len(held.rows) < len(allowed[0].rows) or held.floor < allowed[0].floor:
            return "what had been acknowledged is lost"
    return "it holds what no claim has left there"
