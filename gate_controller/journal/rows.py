"""What a row of the journal says: one JSON object in RFC 8785's canonical form, so that a hash can commit to it.

Does not write or read files. Canonical by construction: keys are ASCII and sorted, numbers are integers (times are
milliseconds), and Python's escapes of strings are the RFC's.

    {"kind": "admission", "crossing_id", "issuer", "direction", "degraded", "wall_ms"}
    {"kind": "crossing", "crossing_id", "outcome", "reason", "admitted", "issuer", "direction", "authorised", "entered",
     "verified", "exited", "chamber_empty", "steps": [[name, at_ms], ...], "checks": {modality: outcome}, "officer",
     "officer_reason", "degraded", "wall_ms"}
    {"kind": "event", "event", "fields": {name: text}, "wall_ms"}
    {"kind": "trace", "crossing_id", "trace": {...} (runtime/trace.py), "wall_ms"}

A row's leaf in the hash tree is a small object of its own that outlives the body:

    {"commitment": SHA-256(salt || body) in hexadecimal, "crossing_id", "kind", "label", "number", "personal", "wall_ms"}

Its body is *personal*, to be deleted with its salt when its time is over, if it is about a traveller (admission, crossing, trace) or names an
officer; after that the commitment gives nothing away, because nobody can guess 32 random bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.values import Direction, Region
from gate_controller.ports.errors import StoreRefusedError

MAX_TEXT = 1000
"""Characters of a text that are kept; a longer one ends in an ellipsis."""

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_MAX_WALL_MS = 2**53 - 1
SALT_BYTES = 32
NAMES_AN_OFFICER = frozenset({"identity"})
"""Fields of an event that make its body personal."""
_ID = re.compile(r"[!-~]{1,64}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class EntryKind(Enum):
    """What a row is about."""

    ADMISSION = "admission"
    CROSSING = "crossing"
    EVENT = "event"
    TRACE = "trace"


@dataclass(frozen=True, slots=True)
class Row:
    """One row, before it has a number.

    Attributes:
        kind: What it is about.
        label: The event's name, the crossing's outcome; empty otherwise.
        crossing_id: The crossing it belongs to, if any.
        personal: Whether the body is deleted when its time is over.
        wall_ms: When it happened, milliseconds since the epoch.
        body: The canonical JSON text.
        fields: What the text says.
    """

    kind: EntryKind
    label: str
    crossing_id: str | None
    personal: bool
    wall_ms: int
    body: str
    fields: dict[str, Any] = field(compare=False, repr=False)

    def leaf(self, number: int, commitment: bytes) -> bytes:
        """The row's leaf in the hash tree."""
        return leaf(number, self.kind.value, self.label, self.crossing_id, self.personal, self.wall_ms, commitment)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the journal.

    Attributes:
        id: Its number; grows by one with each row and never changes.
        kind: What it is about.
        label: The event's name, the crossing's outcome; empty otherwise.
        crossing_id: The crossing it belongs to, if any.
        wall_ms: When it happened, milliseconds since the epoch.
        body: The row's JSON object, as the module describes it; empty when its time is over and it was deleted.
    """

    id: int
    kind: EntryKind
    label: str
    crossing_id: str | None
    wall_ms: int
    body: dict[str, Any]


def admission(crossing_id: str, issuer: Region, direction: Direction, wall: float, *, degraded: bool) -> Row:
    """Row of an admission that begins."""
    return _row(EntryKind.ADMISSION, wall, crossing_id=crossing_id, issuer=issuer.value, direction=direction.name.lower(), degraded=degraded)


def crossing(record: CrossingRecord, wall: float) -> Row:
    """Row of a crossing that ended."""
    return _row(
        EntryKind.CROSSING,
        wall,
        crossing_id=record.crossing_id,
        outcome=record.outcome.value,
        reason=None if record.reason is None else record.reason.code,
        admitted=record.admitted,
        issuer=None if record.issuer is None else record.issuer.value,
        direction=record.direction.name.lower(),
        authorised=record.authorised,
        entered=record.entered,
        verified=record.verified,
        exited=record.exited,
        chamber_empty=record.chamber_empty,
        steps=[[_text(step.name), _milliseconds(step.at_s)] for step in record.steps],
        checks={modality.value: outcome.value for modality, outcome in record.checks.items()},
        officer=None if record.officer is None else _text(record.officer),
        officer_reason=None if record.officer_reason is None else _text(record.officer_reason),
        degraded=record.degraded,
    )


def event(kind: str, fields: dict[str, str], wall: float) -> Row:
    """Row of an event of the lane."""
    return _row(EntryKind.EVENT, wall, event=_name(kind), fields={_name(name): _text(value) for name, value in fields.items()})


def trace(crossing_id: str, what: Mapping[str, Any], wall: float) -> Row:
    """Row of the trace of a crossing, from which its decision can be derived again. Its numbers must be integers."""
    return _row(EntryKind.TRACE, wall, crossing_id=crossing_id, trace=dict(what))


def leaf(number: int, kind: str, label: str, crossing_id: str | None, personal: bool, wall_ms: int, commitment: bytes) -> bytes:
    """The bytes of a row's leaf."""
    fields = {"number": number, "kind": kind, "label": label, "crossing_id": crossing_id, "personal": personal, "wall_ms": wall_ms}
    return canonical({**fields, "commitment": commitment.hex()}).encode()


def commit(salt: bytes, body: str) -> bytes:
    """The commitment to a body: SHA-256(salt || body)."""
    return hashlib.sha256(salt + body.encode()).digest()


def parse(text: str) -> Row:
    """A row from its body's text.

    Raises:
        ValueError: Not a row that this module wrote.
    """
    try:
        fields = json.loads(text)
        kind, wall_ms = EntryKind(fields["kind"]), fields["wall_ms"]
        if type(wall_ms) is int and canonical(fields) == text:
            return Row(kind, _label(kind, fields), fields.get("crossing_id"), _is_personal(kind, fields), wall_ms, text, fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise ValueError("not a row of the journal")


def entry_of(columns: tuple[Any, ...]) -> Entry:
    """A row as schema.COLUMNS gives it; its body is compared with its commitment and with the columns beside it.

    Raises:
        ValueError: How it is not what the gate wrote.
    """
    number, kind, label, crossing_id, personal, wall_ms, commitment, salt, body = columns
    if body is None:
        if not personal:
            raise ValueError("has lost its body, which is not personal")
        return Entry(number, EntryKind(kind), label, crossing_id, wall_ms, {})
    if commit(salt, body) != commitment:
        raise ValueError("was changed: its body is not the one that was committed to")
    row = parse(body)
    if (row.kind.value, row.label, row.crossing_id, row.personal, row.wall_ms) != (kind, label, crossing_id, bool(personal), wall_ms):
        raise ValueError("was changed: its columns say another thing than its body")
    return Entry(number, row.kind, row.label, row.crossing_id, row.wall_ms, row.fields)


def canonical(fields: dict[str, Any]) -> str:
    """RFC 8785's form of an object whose numbers are integers."""
    return _ENCODER.encode(fields)


def _row(kind: EntryKind, wall: float, crossing_id: str | None = None, **fields: Any) -> Row:
    if crossing_id is not None:
        fields["crossing_id"] = _id(crossing_id)
    wall_ms = _milliseconds(wall)
    fields = {"kind": kind.value, "wall_ms": wall_ms, **fields}
    return Row(kind, _label(kind, fields), crossing_id, _is_personal(kind, fields), wall_ms, canonical(fields), fields)


def _label(kind: EntryKind, fields: Mapping[str, Any]) -> str:
    return str(fields["event"] if kind is EntryKind.EVENT else fields["outcome"] if kind is EntryKind.CROSSING else "")


def _is_personal(kind: EntryKind, fields: Mapping[str, Any]) -> bool:
    return kind is not EntryKind.EVENT or not NAMES_AN_OFFICER.isdisjoint(fields["fields"])


def _milliseconds(seconds: float) -> int:
    if not 0 <= seconds <= _MAX_WALL_MS / 1000:  # also refuses what is not a number
        raise StoreRefusedError("journal: a time that is no time was to be written", "set the clock; if it is right, this is a bug")
    return round(seconds * 1000)


def _text(value: str) -> str:
    """At most MAX_TEXT characters, and nothing that UTF-8 cannot write (a lone surrogate from a broken input)."""
    kept = value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 1] + "…"
    return kept.encode("utf-8", "replace").decode("utf-8")


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise StoreRefusedError("journal: a crossing id must be 1 to 64 printable ASCII characters without spaces", "a bug")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise StoreRefusedError("journal: the name of an event or of its field must be like_this", "a bug")
    return value
