"""Is this journal whole, unchanged, and the one that was signed? Reads everything once and names the first place where it is not.

What it cannot see: rows cut off, or the fewer than 100 behind, the last checkpoint that anybody has kept. So checkpoints belong elsewhere, too, and are handed in
as `kept`; the one that the gate keeps beside the file (last_signed.py) is compared where it is there.
Repairs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gate_controller.journal import rows, schema
from gate_controller.journal.appending import CHECKPOINT_ROWS
from gate_controller.journal.head import WHAT
from gate_controller.journal.last_signed import last_signed_beside, read_last_signed
from gate_controller.journal.merkle import Frontier, leaf_hash
from gate_controller.journal.notes import NoteError, VerifierKey, open_checkpoint
from gate_controller.journal.reader import JournalReader
from gate_controller.ports import sqlite
from gate_controller.ports.errors import GateError, StoreError

REMEDY = "keep the file as evidence; compare it with the checkpoints and exports kept elsewhere"


class BrokenJournalError(GateError):
    """The journal is not what was signed; the text names the place."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint kept elsewhere.

    Attributes:
        name: Its name in messages, e.g. the file's.
        note: The signed note.
    """

    name: str
    note: str


@dataclass(slots=True)
class Verified:
    """What a whole journal consists of.

    Attributes:
        rows: Number of rows.
        root: Root hash of the tree over all of them.
        checkpoints: Number of checkpoints in the file.
        signed: Rows under the last one; later ones are committed to by nothing but themselves.
        deleted: Personal bodies that retention deleted.
        went_back: Rows that say that the clock went back.
    """

    rows: int = 0
    root: bytes = b""
    checkpoints: int = 0
    signed: int = 0
    deleted: int = 0
    went_back: list[int] = field(default_factory=list)


def verify(reader: JournalReader, key: VerifierKey, kept: Iterable[Kept] = ()) -> Verified:
    """Check every row, body, time, tile and checkpoint.

    Args:
        reader: The journal.
        key: The gate's public key, known from elsewhere than the file.
        kept: Checkpoints kept elsewhere, which the journal must still contain.

    Raises:
        BrokenJournalError: Where and how it is broken.
        StoreError: It cannot be read at all.
    """
    return _Verification(reader, key).run(list(kept))


class _Verification:
    def __init__(self, reader: JournalReader, key: VerifierKey) -> None:
        self._reader = reader
        self._key = key
        self._found = Verified()
        self._frontier = Frontier()
        self._before: tuple[Any, ...] = ()
        self._good = 0

    def run(self, kept: Sequence[Kept]) -> Verified:
        connection = self._reader.connection
        try:
            last = read_last_signed(self._reader.path)  # before the file, which is never behind it
        except StoreError as error:
            if isinstance(error.__cause__, OSError):
                raise
            raise BrokenJournalError(error.what, error.remedy) from error
        if last is not None:
            kept = [*kept, Kept(last_signed_beside(self._reader.path).name, last.note)]
        connection.execute("BEGIN")  # one moment of a journal that may be growing
        try:
            return self._run(kept)
        finally:
            connection.execute("ROLLBACK")

    def _run(self, kept: Sequence[Kept]) -> Verified:
        self._check_file()
        found, reader = self._found, self._reader
        checkpoints = dict(reader.checkpoints())
        others: dict[int, list[Kept]] = {}
        for each in kept:
            others.setdefault(self._open(each.note, each.name).size, []).append(each)
        try:
            through = reader.deleted_through()
        except StoreError as error:
            raise self._broken("its last deletion", "cannot be read") from error
        for columns in self._columns():
            self._check_row(columns, through)
            size = columns[0]
            for other in others.get(size, ()):
                self._check_root(size, other.note, f"{other.name}, of {size} rows,", forked=True)
            if size in checkpoints:
                self._check_root(size, checkpoints[size], f"the checkpoint of {size} rows")
                self._good = size
            if size - self._good >= CHECKPOINT_ROWS:
                where = f"rows {self._good + 1} to {size}"
                raise self._broken(where, "they have no checkpoint: it was taken away")
        found.rows, found.root, found.checkpoints, found.signed = self._frontier.size, self._frontier.root(), len(checkpoints), max(checkpoints, default=0)
        for size, each in ((size, each) for size, group in others.items() for each in group):
            if size > found.rows:
                raise self._broken(found.rows + 1, f"the journal was rolled back: {each.name} has {size} rows, the journal {found.rows}")
        if found.signed > found.rows:
            raise self._broken(found.rows + 1, f"rows are missing at the end: {found.signed} were signed, {found.rows} are there")
        if reader.connection.execute("SELECT count(*) FROM tiles").fetchone()[0] != _tiles_of(found.rows):
            raise self._broken("the tiles", "there are others than the rows make")
        return found

    def _check_file(self) -> None:
        """Whose it is, whether SQLite finds it sound, and whether its own rules are still in it."""
        reader = self._reader
        if reader.verifier_key() != str(self._key):
            raise self._broken("its identity", f"it is the journal of {reader.verifier_key() or 'nobody'}, not of {self._key}")
        with sqlite.store_errors(reader.path, WHAT):
            sound = reader.connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            there = {sql for (sql,) in reader.connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
        if sound != "ok":
            raise self._broken("the file", "SQLite finds it damaged")
        for names, how in ((set(schema.OBJECTS) - there, "is missing or was changed"), (there - set(schema.OBJECTS), "was added")):
            if names:
                raise self._broken("its rules", f"{_first_words(min(names))} {how}: something else than the gate has written it")

    def _columns(self) -> Iterable[tuple[Any, ...]]:
        try:
            yield from self._reader.columns()
        except StoreError as error:
            raise self._broken(self._frontier.size + 1, "rows are missing or cannot be read") from error

    def _check_row(self, columns: tuple[Any, ...], through: int) -> None:
        number, kind, label, crossing_id, personal, wall_ms, commitment, _, body = columns
        try:
            entry = rows.entry_of(columns)
        except (ValueError, AttributeError) as error:
            raise self._broken(number, f"it {error}" if isinstance(error, ValueError) else "it is not a row of the journal") from None
        due = bool(personal) and number <= through
        if due != (body is None):
            how = "its body was deleted, and no row says so" if body is None else "its body was to be deleted and is still there"
            raise self._broken(number, how)
        self._found.deleted += due
        if self._before and wall_ms < self._before[1]:
            announced = self._before[2] == schema.WENT_BACK and self._before[3].get("to_ms") == str(wall_ms)
            if not announced:
                raise self._broken(number, "its time is before that of the row before it, and no row says that the clock went back")
            self._found.went_back.append(number - 1)
        self._before = (number, wall_ms, label, entry.body.get("fields", {}))
        if label == schema.DELETED and not 0 < _number(entry.body["fields"].get("through")) < number:
            raise self._broken(number, "it deletes what was not yet written")
        for level, tile, node in self._frontier.add(leaf_hash(rows.leaf(number, kind, label, crossing_id, bool(personal), wall_ms, commitment))):
            stored = self._reader.connection.execute("SELECT hash FROM tiles WHERE level = ? AND number = ?", (level, tile)).fetchone()
            if stored is None or stored[0] != node:
                raise self._broken(number, f"the tile {level}/{tile} that ends here does not fit the rows")

    def _check_root(self, size: int, note: str, name: str, *, forked: bool = False) -> None:
        checkpoint = self._open(note, name)
        if (checkpoint.size, checkpoint.root) != (size, self._frontier.root()):
            where, how = f"rows {self._good + 1} to {size}", f"{name} was signed over other rows"
            raise self._broken(where, f"{how}: the journal was forked" if forked else how)

    def _open(self, note: str, name: str) -> Any:
        try:
            return open_checkpoint(note, self._key)
        except NoteError as error:
            raise self._broken(name, str(error)) from None

    def _broken(self, place: str | int, how: str) -> BrokenJournalError:
        where = f"row {place}" if isinstance(place, int) else place
        return BrokenJournalError(f"journal {self._reader.path}: broken at {where}: {how}", REMEDY)


def _number(text: object) -> int:
    """The number that a text is; 0 when it is none."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _tiles_of(size: int) -> int:
    """How many tiles a tree of that size completes."""
    return sum(size >> (8 * level) for level in range(1, 8))


def _first_words(statement: str) -> str:
    return " ".join(statement.split("(", maxsplit=1)[0].split()[1:4])


__all__ = ["BrokenJournalError", "Kept", "Verified", "verify"]
