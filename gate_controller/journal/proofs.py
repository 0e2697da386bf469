"""What is handed to a third party: rows with inclusion proofs, and proofs that one checkpoint continues another.

    export lines   {"verifier_key", "checkpoint", "deletion"}, then {"leaf": {...}, "salt": hexadecimal, "body": {...}, "proof": [base64, ...]} a row;
                   salt and body are null where retention deleted them, and "deletion" is the row that says so last, as such a line, or null
    inclusion      c2sp.org/tlog-proof@v1, with the leaf's bytes as extra data
    consistency    what c2sp.org/tlog-witness takes: "old SIZE", the proof's hashes, an empty line, the newer checkpoint

A proof is made against the newest checkpoint in the file. Does not verify the journal first; verify.py does.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

from gate_controller.journal import rows, schema
from gate_controller.journal.head import EXAMINE, WHAT
from gate_controller.journal.merkle import Tree
from gate_controller.journal.notes import Checkpoint
from gate_controller.journal.reader import JournalReader
from gate_controller.journal.store import through_of
from gate_controller.ports import sqlite
from gate_controller.ports.errors import GateError

PROOF_FORMAT = "c2sp.org/tlog-proof@v1"


class NoProofError(GateError):
    """There is no checkpoint that covers what was asked for."""


def export(reader: JournalReader, first: int = 1, last: int | None = None) -> Iterator[dict[str, Any]]:
    """The lines of an export, as objects; rows behind the newest checkpoint are left out.

    Raises:
        NoProofError: Nothing is signed yet, or a body is gone that no signed row says was deleted.
        StoreError: The journal cannot be read, or a row is not what the gate wrote.
    """
    size, note = _newest(reader)
    tree = reader.tree()
    with _readable(reader):
        deletion = reader.connection.execute(schema.LAST_DELETION, (size,)).fetchone()
        through = 0 if deletion is None else through_of(deletion)
        told = None if deletion is None else _exported(tree, deletion, size)
    yield {"verifier_key": reader.verifier_key(), "checkpoint": note, "deletion": told}
    for columns in reader.columns(first - 1):
        number = columns[0]
        if number > min(size, size if last is None else last):
            return
        if columns[8] is None and number > through:
            raise NoProofError(f"row {number} lost its body while it was exported, or without a word", "export again; else: gatectl journal verify")  # noqa: EM102
        with _readable(reader):
            line = _exported(tree, columns, size)
        yield line


def _exported(tree: Tree, columns: tuple[Any, ...], size: int) -> dict[str, Any]:
    """A row as a line of an export; ValueError or sqlite3.Error where it cannot be read."""
    salt, body = columns[7:9]
    rows.entry_of(columns)
    path = tree.inclusion(columns[0] - 1, size)
    return {
        "leaf": json.loads(_leaf(columns)),
        "salt": None if salt is None else salt.hex(),
        "body": None if body is None else json.loads(body),
        "proof": [_base64(node) for node in path],
    }


def inclusion(reader: JournalReader, number: int) -> str:
    """The proof that a row is under the newest checkpoint.

    Raises:
        NoProofError: No such row, or it is not signed yet.
        StoreError: The journal cannot be read.
    """
    size, note = _newest(reader)
    if not 1 <= number <= size:
        raise NoProofError(f"row {number} is not under the newest checkpoint, of {size} rows", "the gate signs every 100 rows or 60 s")  # noqa: EM102
    columns = next(reader.columns(number - 1))
    with _readable(reader):
        path = reader.tree().inclusion(number - 1, size)
    return _lines(PROOF_FORMAT, f"extra {_base64(_leaf(columns))}", f"index {number - 1}", *map(_base64, path), "") + note


def consistency(reader: JournalReader, old: Checkpoint) -> str:
    """The proof that the newest checkpoint continues an older one.

    Raises:
        NoProofError: The older one is of more rows than are signed.
        StoreError: The journal cannot be read.
    """
    size, note = _newest(reader)
    if old.size > size:
        raise NoProofError(f"the checkpoint has {old.size} rows, the newest one here {size}", "was the journal rolled back? gatectl journal verify --since")  # noqa: EM102
    with _readable(reader):
        path = reader.tree().consistency(old.size, size)
    return _lines(f"old {old.size}", *map(_base64, path), "") + note


def _newest(reader: JournalReader) -> tuple[int, str]:
    newest = reader.last_checkpoint()
    if newest is None:
        raise NoProofError("the journal has no checkpoint yet", "the gate signs every 100 rows or 60 s")
    return newest


def _leaf(columns: tuple[Any, ...]) -> bytes:
    number, kind, label, crossing_id, personal, wall_ms, commitment = columns[:7]
    return rows.leaf(number, kind, label, crossing_id, bool(personal), wall_ms, commitment)


@contextlib.contextmanager
def _readable(reader: JournalReader) -> Iterator[None]:
    """Turns what cannot be read into a StoreError about the journal."""
    try:
        with sqlite.store_errors(reader.path, WHAT):
            yield
    except ValueError as error:
        raise sqlite.store_error(reader.path, WHAT, str(error), EXAMINE) from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)
