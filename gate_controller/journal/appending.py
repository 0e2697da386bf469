"""One transaction's worth of rows: numbered, committed to, hashed into the tree, and every so often signed.

Does not open files and holds no lock; store.py does. Nothing here counts until the transaction does: a Head is grown on a copy.
"""

from __future__ import annotations

import secrets
import sqlite3

from gate_controller.journal import rows, schema
from gate_controller.journal.merkle import Frontier, Tree, leaf_hash
from gate_controller.journal.notes import Signer

CHECKPOINT_ROWS = 100
"""So many rows after a checkpoint there is another, in the same transaction: where it is missing, somebody took it away (verify.py, store.py)."""
CHECKPOINT_MS = 60_000


class Head:
    """Where the journal stands: what the next row goes on from.

    Attributes:
        frontier: The tree over all rows.
        latest_ms: Time of the last row; 0 when there is none.
        signed: Rows under the last checkpoint.
        signed_ms: Time of the last of them, or of the first row while there is no checkpoint.
    """

    __slots__ = ("frontier", "latest_ms", "signed", "signed_ms")

    def __init__(self, frontier: Frontier, latest_ms: int = 0, signed: int = 0, signed_ms: int = 0) -> None:
        self.frontier = frontier
        self.latest_ms = latest_ms
        self.signed = signed
        self.signed_ms = signed_ms

    def copy(self) -> Head:
        """The same, to be grown without touching this one."""
        return Head(self.frontier.copy(), self.latest_ms, self.signed, self.signed_ms)

    @property
    def size(self) -> int:
        """Number of rows."""
        return self.frontier.size


class Batch:
    """Rows being appended within a transaction.

    Args:
        connection: In a transaction.
        head: Grown as rows are added; the caller takes it over once the transaction is durable.
        signer: Signs the checkpoints.
    """

    def __init__(self, connection: sqlite3.Connection, head: Head, signer: Signer) -> None:
        self.head = head
        self._connection = connection
        self._signer = signer

    def add(self, row: rows.Row) -> None:
        """Append a row; before one of an earlier time than the last, a row that says so."""
        head = self.head
        if row.wall_ms < head.latest_ms:
            fields = {"from_ms": str(head.latest_ms), "to_ms": str(row.wall_ms)}
            self._append(rows.event(schema.WENT_BACK, fields, head.latest_ms / 1000))
        self._append(row)

    def sign_if_due(self, wall_ms: int) -> None:
        """Sign a checkpoint if enough time has passed since the last, and there is any row."""
        # A clock that was set back must not put the next checkpoint off.
        if abs(wall_ms - self.head.signed_ms) >= CHECKPOINT_MS:
            self.sign()

    def sign(self) -> None:
        """Sign a checkpoint if there is any row since the last."""
        head = self.head
        if head.size > head.signed:
            self._connection.execute(schema.APPEND_CHECKPOINT, (head.size, self._signer.sign(head.size, head.frontier.root())))
            head.signed, head.signed_ms = head.size, head.latest_ms

    def _append(self, row: rows.Row) -> None:
        head, execute = self.head, self._connection.execute
        salt = secrets.token_bytes(rows.SALT_BYTES)
        commitment = rows.commit(salt, row.body)
        number = head.size + 1
        execute(schema.APPEND, (row.kind.value, row.label, row.crossing_id, row.personal, row.wall_ms, commitment))
        execute(schema.APPEND_CONTENT, (number, salt, row.body))
        for tile in head.frontier.add(leaf_hash(row.leaf(number, commitment))):
            execute(schema.APPEND_TILE, tile)
        if number == 1:
            head.signed_ms = row.wall_ms
        head.latest_ms = row.wall_ms
        if head.size - head.signed >= CHECKPOINT_ROWS:  # not at the end of the transaction: one with several rows must not leave more unsigned
            self.sign()


def stored_tree(connection: sqlite3.Connection) -> Tree:
    """The tree over the rows of a journal, as they stand."""

    def leaves(low: int, high: int) -> list[bytes]:
        found = connection.execute(schema.LEAVES, (low, high)).fetchall()
        if len(found) != high - low:
            msg = f"rows are missing between {low} and {high}"
            raise ValueError(msg)
        return [
            leaf_hash(rows.leaf(number, kind, label, crossing, bool(personal), at, commitment))
            for number, kind, label, crossing, personal, at, commitment in found
        ]

    def tile(level: int, number: int) -> bytes | None:
        found = connection.execute("SELECT hash FROM tiles WHERE level = ? AND number = ?", (level, number)).fetchone()
        return None if found is None else bytes(found[0])

    return Tree(leaves, tile)
