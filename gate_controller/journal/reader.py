"""The journal as the command line and the sync service read it, also while the gate writes.

Does not write and takes no lock.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from gate_controller.journal import rows
from gate_controller.journal.store import WHAT, check_schema
from gate_controller.ports import sqlite

_PAGE = 256
_EXAMINE = "put the file aside for examination and restart the gate"


class JournalReader:
    """Rows in the order they were written. A context manager.

    Args:
        path: The database.

    Raises:
        StoreError: Missing, not permitted, damaged, or not a journal of this version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite.connect(path, WHAT, "read")
        with contextlib.ExitStack() as undo:
            undo.callback(self._connection.close)
            check_schema(self._connection, path)
            undo.pop_all()

    def entries(self, since: int = 0) -> Iterator[rows.Entry]:
        """Rows whose id is greater than `since`, up to the last there is when the end is reached.

        Reads in pages, so that a slow reader never holds back the writer's checkpoints.

        Raises:
            StoreError: A row is missing, cannot be read, or is not what the gate wrote.
        """
        while page := self._page(since):
            yield from page
            since = page[-1].id

    def last_id(self) -> int:
        """Id of the newest row; 0 when there is none.

        Raises:
            StoreError: It cannot be read.
        """
        with sqlite.store_errors(self._path, WHAT):
            found = self._connection.execute("SELECT max(id) FROM entries").fetchone()[0]
        return found or 0

    def last_event_of(self, *names: str) -> rows.Entry | None:
        """The last of the named events; None when none ever happened.

        Reads backwards and stops at the first; only a journal without any of them is read whole.

        Raises:
            StoreError: It cannot be read.
        """
        marks = ", ".join("?" for _ in names)
        query = f"SELECT id, kind, crossing_id, body FROM entries WHERE kind = 'event' AND json_extract(body, '$.event') IN ({marks}) ORDER BY id DESC LIMIT 1"  # noqa: S608 - question marks only
        with sqlite.store_errors(self._path, WHAT):
            found = self._connection.execute(query, names).fetchone()
        try:
            return rows.parse(*found) if found else None
        except ValueError as error:
            raise sqlite.store_error(self._path, WHAT, str(error), _EXAMINE) from None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _page(self, since: int) -> list[rows.Entry]:
        with sqlite.store_errors(self._path, WHAT):
            found = self._connection.execute("SELECT id, kind, crossing_id, body FROM entries WHERE id > ? ORDER BY id LIMIT ?", (since, _PAGE)).fetchall()
        if [columns[0] for columns in found] != list(range(since + 1, since + 1 + len(found))):
            raise sqlite.store_error(self._path, WHAT, f"rows are missing after row {since}", _EXAMINE)
        try:
            return [rows.parse(*columns) for columns in found]
        except ValueError as error:
            raise sqlite.store_error(self._path, WHAT, str(error), _EXAMINE) from None
