"""The journal as the command line and the sync service read it, also while the gate writes.

Does not write and takes no lock. What it gives out was compared with its commitment; that the commitments are those that were signed is verify.py's work.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gate_controller.journal import rows, schema
from gate_controller.journal.appending import stored_tree
from gate_controller.journal.head import EXAMINE, WHAT, found_head
from gate_controller.journal.last_signed import read_last_signed
from gate_controller.journal.merkle import Tree
from gate_controller.journal.notes import VerifierKey
from gate_controller.journal.store import check_schema, deleted_through
from gate_controller.ports import sqlite

_PAGE = 256


class JournalReader:
    """Rows in the order they were written. A context manager.

    Args:
        path: The database.

    Raises:
        StoreError: Missing, not permitted, damaged, or not a journal of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite.connect(path, WHAT, "read")
        with contextlib.ExitStack() as undo:
            undo.callback(self._connection.close)
            check_schema(self._connection, path)
            undo.pop_all()

    @property
    def connection(self) -> sqlite3.Connection:
        """The open file, for verification."""
        return self._connection

    def entries(self, since: int = 0) -> Iterator[rows.Entry]:
        """Rows whose id is greater than `since`, up to the last there is when the end is reached.

        Reads in pages, so that a slow reader never holds back the writer's checkpoints.

        Raises:
            StoreError: A row is missing, cannot be read, or is not what the gate wrote.
        """
        for columns in self.columns(since):
            yield self._entry(columns)

    def columns(self, since: int = 0) -> Iterator[tuple[Any, ...]]:
        """As entries(), but as they are stored (schema.COLUMNS) and not looked at.

        Raises:
            StoreError: A row is missing or cannot be read.
        """
        while page := self._page(since):
            yield from page
            since = page[-1][0]

    def last_id(self) -> int:
        """Id of the newest row; 0 when there is none.

        Raises:
            StoreError: It cannot be read.
        """
        return self._all("SELECT max(id) FROM entries")[0][0] or 0

    def entry(self, number: int) -> rows.Entry | None:
        """The row of that number, or None.

        Raises:
            StoreError: It cannot be read, or is not what the gate wrote.
        """
        found = self._all(f"{schema.ROWS} WHERE id = ?", number)
        return self._entry(found[0]) if found else None

    def crossing(self, crossing_id: str) -> list[rows.Entry]:
        """The rows of one crossing: its admission, its outcome, its trace, as far as there are any.

        Raises:
            StoreError: As entry().
        """
        kinds = "kind = ? AND crossing_id = ?"
        found = [row for kind in ("admission", "crossing", "trace") for row in self._all(f"{schema.ROWS} WHERE {kinds}", kind, crossing_id)]
        return [self._entry(columns) for columns in found]

    def latest_events(self, *names: str) -> Iterator[rows.Entry]:
        """The named events, the newest first.

        Reads backwards, as far as it is asked; only whoever wants more than there are has the whole journal read.

        Raises:
            StoreError: They cannot be read.
        """
        marks, before = ", ".join("?" for _ in names), self.last_id() + 1
        query = f"{schema.ROWS} WHERE kind = 'event' AND label IN ({marks}) AND id < ? ORDER BY id DESC LIMIT 1"
        while found := self._all(query, *names, before):
            entry = self._entry(found[0])
            yield entry
            before = entry.id

    def any_open_crossing(self) -> bool:
        """Whether an admission, or an officer's act for somebody who was not admitted, has no outcome.

        Raises:
            StoreError: It cannot be read.
        """
        return any(self._all(f"SELECT EXISTS ({query})")[0][0] for query in (schema.OPEN_ADMISSIONS, schema.OPEN_BY_HAND))

    def checkpoints(self) -> list[tuple[int, str]]:
        """Size and note of each checkpoint, oldest first.

        Raises:
            StoreError: They cannot be read.
        """
        return [(size, note) for size, note in self._all("SELECT size, note FROM checkpoints ORDER BY size")]

    def last_checkpoint(self) -> tuple[int, str] | None:
        """Size and note of the newest checkpoint; None when nothing is signed yet.

        Raises:
            StoreError: It cannot be read.
        """
        found = self._all("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")
        return found[0] if found else None

    def verifier_key(self) -> str:
        """The key that the file says it is signed with: who hands on the file can have changed it.

        Raises:
            StoreError: It cannot be read.
        """
        found = self._all("SELECT verifier_key FROM identity")
        return str(found[0][0]) if found else ""

    def check_whose(self, key: VerifierKey) -> None:
        """Look as the gate with this key does at its start: is it its journal, and the one that was signed last?

        Raises:
            StoreError: It is not, or cannot be read.
        """
        last = read_last_signed(self.path)  # first of all: it is never ahead of the file
        with sqlite.store_errors(self.path, WHAT):
            self._connection.execute("BEGIN")
            try:
                found_head(self._connection, self.path, key, last)
            finally:
                self._connection.rollback()

    def deleted_through(self) -> int:
        """The row up to which personal bodies are deleted.

        Raises:
            StoreError: It cannot be read.
        """
        with sqlite.store_errors(self.path, WHAT):
            try:
                return deleted_through(self._connection)
            except ValueError as error:
                raise sqlite.store_error(self.path, WHAT, "its last deletion cannot be read", EXAMINE) from error

    def tree(self) -> Tree:
        """The hash tree; its questions raise sqlite3.Error or ValueError where rows cannot be read."""
        return stored_tree(self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _all(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        with sqlite.store_errors(self.path, WHAT):
            return self._connection.execute(query, arguments).fetchall()

    def _page(self, since: int) -> list[tuple[Any, ...]]:
        found = self._all(f"{schema.ROWS} WHERE id > ? ORDER BY id LIMIT ?", since, _PAGE)
        if [columns[0] for columns in found] != list(range(since + 1, since + 1 + len(found))):
            raise sqlite.store_error(self.path, WHAT, f"rows are missing after row {since}", EXAMINE)
        return found

    def _entry(self, columns: tuple[Any, ...]) -> rows.Entry:
        try:
            return rows.entry_of(columns)
        except ValueError as error:
            raise sqlite.store_error(self.path, WHAT, f"row {columns[0]} {error}", EXAMINE) from None
