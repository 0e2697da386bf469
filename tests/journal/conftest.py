"""A journal in a directory of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gate_controller.journal import SqliteJournal


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(journal_path: Path) -> Iterator[SqliteJournal]:
    with contextlib.closing(SqliteJournal(journal_path)) as opened:
        yield opened
