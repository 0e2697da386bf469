"""Where a journal stands when it is opened, and whether it is this gate's and the one that was signed last. Writes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gate_controller.journal import schema
from gate_controller.journal.appending import CHECKPOINT_ROWS, Head, stored_tree
from gate_controller.journal.last_signed import LastSigned, last_signed_beside
from gate_controller.journal.notes import NoteError, VerifierKey, open_checkpoint
from gate_controller.ports import sqlite

WHAT = "journal"
EXAMINE = "put the file and the .last-signed beside it aside for examination (gatectl journal verify names the place) and restart the gate"


def found_head(connection: sqlite3.Connection, path: Path, key: VerifierKey, last: LastSigned | None) -> Head:
    """Where the file stands. What is already there must be this gate's and fit what was signed last, else nothing is signed on top of it.

    After a kill or a loss of power there are at most CHECKPOINT_ROWS - 1 rows that nothing has signed, and before the first checkpoint, too.

    Args:
        connection: Of the file. While another process writes it: in a transaction.
        path: How messages name it.
        key: Of the gate that goes on with it.
        last: What lies beside it, read before the transaction began; None: nothing does.

    Raises:
        StoreError: It does not fit.
        sqlite3.Error: It cannot be read.
    """
    found = connection.execute("SELECT verifier_key FROM identity").fetchone()
    if found is None or found[0] != str(key):
        name = "nobody" if found is None else found[0]
        raise sqlite.store_error(path, WHAT, f"it belongs to {name}, and this gate is {key}", "is the path in [journal] right, and its key?")
    size, latest_ms = connection.execute(
        "SELECT coalesce(max(id), 0), coalesce((SELECT wall_ms FROM entries ORDER BY id DESC LIMIT 1), 0) FROM entries"
    ).fetchone()
    signed, note = connection.execute("SELECT coalesce(max(size), 0), note FROM checkpoints").fetchone()
    gap = connection.execute(schema.CHECKPOINT_GAP, (size, CHECKPOINT_ROWS)).fetchone()
    try:
        tree = stored_tree(connection)
        frontier = tree.frontier(size)
        if last is not None:
            kept = open_checkpoint(last.note, key)
            if kept.size > size or kept.root != tree.root(kept.size):
                how = f"{size} rows, which are not those that {last_signed_beside(path).name} says were signed: {kept.size}, the last of {last.at()}"
                raise sqlite.store_error(path, WHAT, how, EXAMINE)
        if signed:
            checkpoint = open_checkpoint(note, key)
            if signed > size or (checkpoint.size, checkpoint.root) != (signed, tree.root(signed)):
                how = f"its last checkpoint, of {signed} rows, does not fit the rows"
                raise sqlite.store_error(path, WHAT, how, EXAMINE)
    except (NoteError, ValueError) as error:
        raise sqlite.store_error(path, WHAT, f"its last checkpoint, of {signed} rows: {error}", EXAMINE) from error
    if gap is not None:
        raise sqlite.store_error(path, WHAT, f"rows {gap[0] + 1} to {min(gap[1], size)} have no checkpoint: it was taken away", EXAMINE)
    at = connection.execute("SELECT wall_ms FROM entries WHERE id = ?", (max(signed, 1),)).fetchone()
    return Head(frontier, latest_ms, signed, at[0] if at else 0)
