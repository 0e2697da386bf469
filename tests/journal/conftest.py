"""A journal in a directory of its own, with a known key; and somebody who can write into the file but has no key."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.journal import JournalReader, Signer, SqliteJournal
from gate_controller.journal.verify import Kept, Verified, verify

ORIGIN = "e-channel/MO-GB-07/journal"
KEY = Signer(ORIGIN, b"k" * 32)


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(journal_path: Path) -> Iterator[SqliteJournal]:
    with contextlib.closing(SqliteJournal(journal_path, KEY)) as opened:
        yield opened


@pytest.fixture
def signer() -> Signer:
    return KEY


class Days:
    """Fills journals with ordinary rows, a tenth of a second apart."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def fill(self, journal: SqliteJournal, rows: int) -> None:
        """That many rows: crossings of four (admission, officer's act, outcome, trace) and events between them."""
        for number in range(rows):
            self.now += 0.1
            name = f"c{self.now:.1f}-{number // 5}"
            if number % 5 == 0:
                self.name = name
                journal.admit(name, Region.HK, Direction.HK_TO_MO, self.now)
            elif number % 5 == 1:
                journal.event("officer_acknowledged", {"identity": "officer 7"}, self.now)
            elif number % 5 == 2:
                record = CrossingRecord(self.name, Outcome.RETURNED, Reason.BACKED_OUT, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO)
                journal.record(record, self.now)
            elif number % 5 == 3:
                journal.trace(self.name, {"format": 1, "events": [["1.5", {"PassRead": {}}, "00"]]}, self.now)
            else:
                journal.event("device_lost", {"device": "io_board", "text": 'über "中文"\n\x01\x7f'}, self.now)


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
def verified() -> Callable[..., Verified]:
    """verify() of a file, with the known key or another."""

    def check(path: Path, *kept: str, key: Signer = KEY) -> Verified:
        with JournalReader(path) as reader:
            return verify(reader, key.key, [Kept("kept.checkpoint", note) for note in kept])

    return check


class Forger:
    """Writes into a journal around its triggers, and puts them back, as somebody with access to the file can."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, *statements: str, keep_rules: bool = True) -> None:
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.create_function("commitment", 2, lambda salt, body: hashlib.sha256(salt + body.encode()).digest(), deterministic=True)
            rules = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
            for name, _ in rules:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
            for _, sql in rules if keep_rules else ():
                connection.execute(sql)


@pytest.fixture
def forge(journal_path: Path) -> Forger:
    return Forger(journal_path)
