"""What a row of the journal says: one JSON object in RFC 8785's canonical form, so that a hash can commit to it.

Does not write or read files. Canonical by construction: keys are ASCII and sorted, numbers are integers (times are
milliseconds), and Python's escapes of strings are the RFC's.

    {"kind": "admission", "crossing_id", "issuer", "direction", "degraded", "wall_ms"}
    {"kind": "crossing", "crossing_id", "outcome", "reason", "admitted", "issuer", "direction", "authorised", "entered",
     "verified", "exited", "chamber_empty", "steps": [[name, at_ms], ...], "checks": {modality: outcome}, "officer",
     "officer_reason", "degraded", "wall_ms"}
    {"kind": "event", "event", "fields": {name: text}, "wall_ms"}
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.values import Direction, Region
from gate_controller.ports.errors import StoreError

MAX_TEXT = 1000
"""Characters of a text that are kept; a longer one ends in an ellipsis."""

_MAX_WALL_MS = 2**53 - 1
_ID = re.compile(r"[!-~]{1,64}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class EntryKind(Enum):
    """What a row is about."""

    ADMISSION = "admission"
    CROSSING = "crossing"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the journal.

    Attributes:
        id: Its number; grows by one with each row and never changes.
        kind: What it is about.
        wall_ms: When it was written, milliseconds since the epoch.
        body: The row's JSON object, as the module describes it.
    """

    id: int
    kind: EntryKind
    wall_ms: int
    body: dict[str, Any]


Columns: TypeAlias = "tuple[str, str | None, str]"
"""Kind, crossing id, and the JSON text that holds both and everything else."""


def admission(crossing_id: str, issuer: Region, direction: Direction, wall: float, *, degraded: bool) -> Columns:
    """Row of an admission that begins."""
    return _row(EntryKind.ADMISSION, wall, crossing_id=crossing_id, issuer=issuer.value, direction=direction.name.lower(), degraded=degraded)


def crossing(record: CrossingRecord, wall: float) -> Columns:
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


def event(kind: str, fields: dict[str, str], wall: float) -> Columns:
    """Row of an event of the lane."""
    return _row(EntryKind.EVENT, wall, event=_name(kind), fields={_name(name): _text(value) for name, value in fields.items()})


def parse(number: int, kind: str, crossing_id: str | None, body: str) -> Entry:
    """A row read back.

    Raises:
        ValueError: Not a row that this module wrote.
    """
    try:
        fields = json.loads(body)
        if (fields["kind"], fields.get("crossing_id")) == (kind, crossing_id) and type(fields["wall_ms"]) is int and _canonical(fields) == body:
            return Entry(number, EntryKind(kind), fields["wall_ms"], fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    message = f"row {number} is not a row of the journal"
    raise ValueError(message)


def _row(kind: EntryKind, wall: float, crossing_id: str | None = None, **fields: Any) -> Columns:
    if crossing_id is not None:
        fields["crossing_id"] = _id(crossing_id)
    return kind.value, crossing_id, _canonical({"kind": kind.value, "wall_ms": _milliseconds(wall), **fields})


def _canonical(fields: dict[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _milliseconds(seconds: float) -> int:
    if not 0 <= seconds <= _MAX_WALL_MS / 1000:  # also refuses what is not a number
        raise StoreError("journal: a time that is no time was to be written", "set the clock; if it is right, this is a bug")
    return round(seconds * 1000)


def _text(value: str) -> str:
    """At most MAX_TEXT characters, and nothing that UTF-8 cannot write (a lone surrogate from a broken input)."""
    kept = value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 1] + "…"
    return kept.encode("utf-8", "replace").decode("utf-8")


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise StoreError("journal: a crossing id must be 1 to 64 printable ASCII characters without spaces", "a bug")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise StoreError("journal: the name of an event or of its field must be like_this", "a bug")
    return value
