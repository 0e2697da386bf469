"""The journal: its key, crossings of four rows, notes, a clock that goes back, checkpoints, retention, a reader beside it, a restart with somebody inside.

After a loss of power it must hold exactly the rows, bodies and checkpoints that the last call that returned left there, or those that the one that was running would have;
and it must verify, by the gate's own verifier and by one that shares no code with it, against every checkpoint that was handed out before.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.journal import JournalReader, Signer, SqliteJournal, VerifierKey, schema
from gate_controller.journal.appending import Batch
from gate_controller.journal.key_file import make_key
from gate_controller.journal.verify import BrokenJournalError, Kept, verify
from gate_controller.ports.errors import StoreError
from tests.journal import independent
from tests.power.cuts import Note, ViolationError

KEY = "journal.key"
JOURNAL = "journal.db"
ORIGIN = "e-channel/MO-GB-07/journal"
START = 1_800_000_000.0
RETENTION_DAYS = 1
DAY_S = 86_400
TURNED_OVER = 24
"""Pages of the write-ahead log after which it is written back, where the gate has 1000: so that this happens often, too."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a journal holds.

    Attributes:
        key: The public key of the key file.
        rows: A hash of each row with salt and body; None: there is no journal yet.
        checkpoints: Size and note.
        inside: Crossings admitted and not ended.
        ended: Crossings ended.
    """

    key: str
    rows: tuple[bytes, ...] | None = None
    checkpoints: tuple[tuple[int, str], ...] = ()
    inside: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


class JournalCuts:
    """Implements cuts.Workload.

    Args:
        rng: What happens when.
        rows: About how many rows are written by calls of the gate's.
    """

    name = "journal"

    def __init__(self, rng: random.Random, rows: int = 60) -> None:
        self._rng = rng
        self._rows = rows

    def work(self, directory: Path, note: Note) -> None:
        make_key(directory / KEY)
        key = str(_signer(directory).key)
        note(Held(key))
        now = START
        for life in range(2):
            with _journal(directory, key, note) as journal:
                note(_held(journal._connection, key))
                journal.close_open(now, Direction.HK_TO_MO)
                for number in range(self._rows // 10):
                    now = self._crossing(journal, f"c{life}-{number}", now)
                    if number % 3 == 2:
                        with JournalReader(directory / JOURNAL) as reader:
                            verify(reader, _signer(directory).key)
                journal.admit(f"c{life}-inside", Region.HK, Direction.HK_TO_MO, now)
                journal.event("officer_released", {"identity": "officer 7", "reason": "lost", "crossing_id": f"c{life}-inside"}, now)
                # First the checkpoint that is due, a day later what retention asks for.
                for later in (61, DAY_S * (RETENTION_DAYS + 0.5)):
                    now += later
                    journal.tend(now)

    def judge(self, directory: Path, allowed: Sequence[object], note: Note) -> None:
        acked = allowed[0]
        handed_out = [each for _, each in acked.checkpoints] if isinstance(acked, Held) else []
        key = _whole_key(directory, acked.key if isinstance(acked, Held) else None)
        with _journal(directory, key, note) as journal:
            held = _held(journal._connection, key)
            none_yet = acked is None or (isinstance(acked, Held) and acked.rows is None)
            if held not in allowed and not (none_yet and held.rows == ()):
                raise ViolationError(_difference(held, acked))
            _verify(directory, key, handed_out)

            now = START + 10 * DAY_S
            if journal.close_open(now, Direction.HK_TO_MO) != list(held.inside):
                raise ViolationError("what was admitted and not ended is not closed as aborted")
            for crossing_id in self._rng.sample(held.ended, min(2, len(held.ended))):
                with contextlib.suppress(StoreError):
                    journal.admit(crossing_id, Region.HK, Direction.HK_TO_MO, now)
                    raise ViolationError("a crossing that ended was admitted again")
            self._crossing(journal, f"c{self._rng.randbytes(8).hex()}", now)
            for later in (200, 2 * DAY_S):
                journal.tend(now + later)

    def _crossing(self, journal: SqliteJournal, crossing_id: str, now: float) -> float:
        """One traveller's rows and what happens between them; the time afterwards."""
        journal.admit(crossing_id, Region.HK, Direction.HK_TO_MO, now)
        if self._rng.random() < 0.3:
            journal.event("device_lost", {"device": "io_board", "text": "x" * self._rng.randrange(300)}, now + self._rng.choice((-3, 3)))
        record = CrossingRecord(crossing_id, Outcome.RETURNED, Reason.BACKED_OUT, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO)
        journal.record(record, now + 5)
        journal.trace(crossing_id, {"format": 1, "events": [["1.5", {}, "00" * self._rng.randrange(300)]]}, now + 5)
        return now + self._rng.choice((8, 30))


@contextlib.contextmanager
def _journal(directory: Path, key: str, note: Note) -> Iterator[SqliteJournal]:
    """The journal, open; what it holds is noted after each of its transactions."""
    with contextlib.closing(SqliteJournal(directory / JOURNAL, _signer(directory), retention_days=RETENTION_DAYS)) as journal:
        journal._connection.execute(f"PRAGMA wal_autocheckpoint={TURNED_OVER}").fetchall()
        appending = journal._appending

        @contextlib.contextmanager
        def noted() -> Iterator[Batch]:
            with appending() as batch:
                yield batch
            note(_held(journal._connection, key))

        journal._appending = noted
        yield journal


def _signer(directory: Path) -> Signer:
    return Signer.from_file(ORIGIN, directory / KEY)


def _whole_key(directory: Path, acked: str | None) -> str:
    """The public key of the key that is there, or of one made now if none was acknowledged."""
    if acked is None and not (directory / KEY).exists():
        make_key(directory / KEY)
    try:
        key = str(_signer(directory).key)
    except StoreError as error:
        raise ViolationError("the signing key is lost" if acked else "half a signing key is in the way") from error
    if acked not in {None, key}:
        raise ViolationError("the signing key is another one")
    return key


def _held(connection: sqlite3.Connection, key: str) -> Held:
    found = connection.execute(f"{schema.ROWS} ORDER BY entries.id").fetchall()
    ended = {row[3] for row in found if row[1] == "crossing"}
    return Held(
        key,
        tuple(hashlib.sha256(repr(row).encode()).digest() for row in found),
        tuple(connection.execute("SELECT size, note FROM checkpoints ORDER BY size")),
        tuple(row[3] for row in found if row[1] == "admission" and row[3] not in ended),
        tuple(sorted(ended)),
    )


def _verify(directory: Path, key: str, handed_out: Sequence[str]) -> None:
    try:
        independent.check_file(directory / JOURNAL, key, handed_out)
        with JournalReader(directory / JOURNAL) as reader:
            verify(reader, VerifierKey.parse(key), [Kept("handed out", each) for each in handed_out])
    except (independent.Refused, BrokenJournalError) as error:
        msg = f"the journal does not verify: {error}"
        raise ViolationError(msg) from error


def _difference(held: Held, acked: object) -> str:
    before = acked.rows or () if isinstance(acked, Held) else ()
    if len(held.rows or ()) < len(before):
        return "rows that had been acknowledged are lost"
    return "it holds what no call has left there"
