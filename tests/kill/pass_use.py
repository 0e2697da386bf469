"""Killed while passes are used: verify, claim in the replay memory, tell that the door may open.

Each child is shown presentations of a few travellers: new ones, the one that the last child was killed over, one that was used already. What a child reports after claim()
returned is a door that opened. After each kill the memory must open and know every presentation a door opened for, and no presentation may ever open one twice, over all
children's lives, also after the file was deleted. Once in a while the memory is deleted (the next child makes a new one), and every other
one is so small that it is full.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gate_controller.core.values import Direction, Region
from gate_controller.passes.replay import DEFAULT_MAX_PASSES, SqliteReplayMemory
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import PassAccepted, VerifyingKey
from gate_controller.ports.trust import Freshness
from simulators.authority import Authority, Permit
from simulators.phone import Phone
from tests.fuzz.scene import MemoryTrust
from tests.kill.rounds import Child, ViolationError

START = 1_800_000_000
SEED = "kill"
TRAVELLERS = 8
SHOWN_NEW = 2
ROUND_S = 100
SKEW_S = 30
FILE_LIFE = 200
"""Rounds until the memory is deleted."""
SMALL = 12

STARTING, OPENING, VERIFYING, CLAIMING, COMMITTING, CLAIMED, REPORTED = states = (
    "starting",
    "opening the memory",
    "verifying",
    "claiming, before its commit",
    "committing the claim",
    "claimed, not yet reported",
    "reported",
)


@dataclass(frozen=True)
class Shown:
    """One presentation; `text` is empty for a traveller who is claimed without being verified, to fill the memory with rows that expire."""

    text: str
    pass_id: bytes
    issued_at: int
    expires_at: int

    def __str__(self) -> str:
        return f"{self.pass_id.hex()} {self.issued_at}"


class PassUse:
    """Implements rounds.Trial.

    Args:
        directory: For the memory's file.
        rng: What is shown when.
    """

    name = "pass use"
    states = states
    kinds = ("",)
    kind = ""

    def __init__(self, directory: Path, rng: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._path = directory / "replay.db"
        self._rng = rng
        self._now = START
        self._round = 0
        self._blind_until: int | None = None
        self._opened: dict[str, Shown] = {}
        self._newest: dict[bytes, int] = {}
        self._shown: list[Shown] = []
        self._in_flight: Shown | None = None
        hk = Authority(Region.HK, SEED)
        keys = {hk.protected_header(): VerifyingKey(hk.public_key, Region.HK, 0, 1 << 33)}
        self._trust = MemoryTrust(keys, Freshness.FRESH)
        self._policy = PassPolicy(
            lane_region=Region.MO,
            direction=Direction.HK_TO_MO,
            presentation_audiences=frozenset({"MO-GB"}),
            admitted_issuers=frozenset({Region.HK}),
            ttl_s=600,
            skew_s=SKEW_S,
        )
        self._phones: list[tuple[Phone, bytes]] = []
        for number in range(TRAVELLERS):
            phone = Phone(SEED, str(number), "MO-GB")
            permit = Permit(enrolment_reference=number.to_bytes(16), issued_at=START, lifetime_s=3650 * 86_400)
            phone.obtain(hk, permit)
            self._phones.append((phone, hk.claims(phone.public_key, permit)[7]))

    def prepare(self) -> None:
        """A hundred seconds later, other people stand before the gate."""
        self._now += ROUND_S
        if self._round % FILE_LIFE == 0:
            for path in (self._path, self._path.with_name(self._path.name + "-journal")):
                path.unlink(missing_ok=True)
            self._blind_until = self._now + SKEW_S if self._round else None
            self._now += ROUND_S
            self.counts["memories deleted"] += bool(self._round)
        self._round += 1
        self._shown = [self._presented(*traveller) for traveller in self._rng.sample(self._phones, SHOWN_NEW)]
        self._shown.append(Shown("", self._rng.randbytes(16), self._now, self._now + 60))
        if self._in_flight is not None:
            self._shown.insert(0, self._in_flight)  # the phone is still held up when the gate is back
        if self._opened:
            self._shown.append(self._opened[self._rng.choice(list(self._opened)[-20:])])

    def act(self, child: Child) -> None:
        """What the gate does, without its doors."""
        child.mark(OPENING)
        child.watch_files(str(self._path.parent))
        with self._memory() as memory:

            def statement(sql: str) -> None:
                if child.state_name == CLAIMING and sql == "COMMIT":
                    child.mark(COMMITTING)
                child.step()

            memory._db.set_trace_callback(statement)
            verifier = OfflinePassVerifier(self._policy, self._trust, memory)
            for number, shown in enumerate(self._shown):
                child.mark(VERIFYING)
                if shown.text and not isinstance(verifier.verify(shown.text, self._now), PassAccepted):
                    continue
                child.mark(CLAIMING, number)
                if memory.claim(shown.pass_id, shown.issued_at, shown.expires_at):
                    child.mark(CLAIMED)
                    child.step()
                    child.report(str(shown))
                    child.mark(REPORTED)

    def check(self, reports: list[str], child: Child, killed: bool) -> None:
        """Every door opened once, and the memory knows of each."""
        by_name = {str(shown): shown for shown in self._shown}
        for report in reports:
            if report in self._opened:
                msg = f"presentation {report} was accepted twice"
                raise ViolationError(msg)
            shown = by_name[report]
            self._opened[report] = shown
            self._newest[shown.pass_id] = max(shown.issued_at, self._newest.get(shown.pass_id, 0))
        self.counts["doors opened"] += len(reports)
        journal = self._path.with_name(self._path.name + "-journal")
        self.counts["kills that left a journal to roll back"] += killed and journal.exists() and journal.stat().st_size > 0
        within = killed and child.state_name in (CLAIMING, COMMITTING, CLAIMED)
        self._in_flight = self._shown[child.note] if within else None
        try:
            with self._memory() as memory:
                self._require_remembered(memory)
        except StoreError as error:
            msg = f"the memory cannot be used: {error}"
            raise ViolationError(msg) from error

    def _require_remembered(self, memory: SqliteReplayMemory) -> None:
        known = list(self._newest)
        for pass_id in {*known[-30:], *self._rng.sample(known, min(10, len(known)))}:
            last = memory.last_presented(pass_id)
            if last is None or last < self._newest[pass_id]:
                msg = f"pass {pass_id.hex()} was used at {self._newest[pass_id]}, the memory says {last}"
                raise ViolationError(msg)
        if self._in_flight is not None:
            last = memory.last_presented(self._in_flight.pass_id)
            self.counts["claims killed, kept" if last == self._in_flight.issued_at else "claims killed, not kept"] += 1

    def _memory(self) -> SqliteReplayMemory:
        small = self._round // FILE_LIFE % 2
        return SqliteReplayMemory(self._path, blind_until=self._blind_until, max_passes=SMALL if small else DEFAULT_MAX_PASSES)

    def _presented(self, phone: Phone, pass_id: bytes) -> Shown:
        return Shown(phone.present(self._now), pass_id, self._now, START + 3650 * 86_400)
