"""Judges what is left after the plug was pulled: from the simulated world's truth and from the files, never from what the gate says of itself.

Each rule gives one line where it is broken. The journal is read by the verifier that shares no code with its writer (tests/journal/independent.py).
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gate_controller.journal.key_file import key_beside
from tests.journal.independent import Refused, check_file
from tests.plug.play import Story
from tests.plug.scenarios import DOORS
from tests.plug.site import HOLD_S

SLACK_S = 10.0
"""A busy machine hears late of a relay that dropped in time."""
ROUNDING_S = 0.01
"""The journal keeps milliseconds, and two clocks are compared."""


@dataclass(frozen=True)
class Judged:
    """What became of one run.

    Attributes:
        outcome: Of the crossing, as the journal has it: "outcome (reason)", or "none" when nobody was let in.
        again: What the second showing of the presentation led to.
        broken: The rules that were broken; empty when all is well.
    """

    outcome: str
    again: str
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One row of the journal."""

    kind: str
    label: str
    crossing_id: str | None
    body: dict[str, Any]


def rows_of(path: Path) -> list[Row]:
    """The journal's rows, read as a plain database."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as journal:
        found = journal.execute("SELECT kind, label, crossing_id, body FROM entries JOIN contents USING (id) ORDER BY id").fetchall()
    return [Row(kind, label, crossing_id, json.loads(body)) for kind, label, crossing_id, body in found]


def judge(story: Story) -> Judged:
    """All rules."""
    broken = [*story.problems, *(f"interlock: {violation}" for violation in story.violations)]
    try:
        check_file(story.files.journal, _verifier_key(story.files.journal))
    except Refused as error:
        broken.append(f"the journal does not verify: {error}")
    rows = rows_of(story.files.journal)
    broken += [*_doors(story, rows), *_records(story, rows), *_people(story, rows)]
    outcome, again = _outcomes(rows, story)
    broken += _second_showing(story, rows, again)
    return Judged(outcome, again, tuple(broken))


def _verifier_key(journal: Path) -> str:
    with contextlib.closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)) as database:
        key = str(database.execute("SELECT verifier_key FROM identity").fetchone()[0])
    assert key_beside(journal).exists()
    return key


def _rises(story: Story, coil: str) -> list[float]:
    return [change.at for change in story.history if change.name == coil and change.on]


def _in_emergency(story: Story, at: float) -> bool:
    began = story.loop[0][0] if story.loop else float("inf")
    return at >= began


def _doors(story: Story, rows: list[Row]) -> Iterator[str]:
    """Each relay drops within what the board was told; the restart opens nothing before somebody is admitted anew or an officer acts."""
    for door in DOORS:
        on: float | None = None
        for change in (change for change in story.history if change.name == door):
            if change.on:
                on = change.at
            elif on is not None:
                if change.at - on > HOLD_S + SLACK_S and not _in_emergency(story, on):
                    yield f"{door} was held for {change.at - on:.1f} s"
                on = None
        if on is not None and story.died_at is not None and not story.problems:
            yield f"{door} was never closed again"
        if story.restarted_at is None:
            continue
        ahead = time.time() - time.monotonic()
        admitted = [row.body["wall_ms"] / 1000 - ahead for row in rows if row.kind == "admission"]
        acted = [at for at, act in story.acts if act != "acknowledge"]
        decided = min([at for at in (*admitted, *acted) if at > story.restarted_at], default=float("inf"))
        for rise in _rises(story, door):
            if story.restarted_at <= rise < decided - ROUNDING_S and not _in_emergency(story, rise):
                yield f"the restart opened {door}"


def _records(story: Story, rows: list[Row]) -> Iterator[str]:
    """Whoever was let in has exactly one outcome, and nobody was let in or out without a row before it."""
    admitted = [row.crossing_id for row in rows if row.kind == "admission"]
    by_hand = [row.body["fields"].get("crossing_id") for row in rows if row.label in {"officer_released", "officer_returned"}]
    for crossing_id in dict.fromkeys([*admitted, *by_hand]):
        outcomes = [row.label for row in rows if row.kind == "crossing" and row.crossing_id == crossing_id]
        if len(outcomes) != 1:
            yield f"{len(outcomes)} outcomes of crossing {'admitted' if crossing_id in admitted else 'by hand'}: {outcomes}"
    ended = story.died_at or float("inf")
    opened = {door: [at for at in _rises(story, door) if at <= ended and not _in_emergency(story, at)] for door in DOORS}
    if opened["entry_door"] and not (admitted or by_hand):
        yield "the entry opened, and the journal does not know for whom"
    if opened["exit_door"] and not (admitted or by_hand):
        yield "the exit opened, and the journal does not know for whom"
    first = next((row for row in rows if row.kind == "crossing"), None)
    known = {story.scenario.ends, ("aborted", "restarted")}
    if story.die_at is None and (first is None or (first.label, first.body["reason"]) != story.scenario.ends):
        yield f"it ended as {first and (first.label, first.body['reason'])}, not as {story.scenario.ends}"
    elif first is not None and first.crossing_id in _admitted_before(story, rows) and (first.label, first.body["reason"]) not in known:
        yield f"the crossing became {first.label} ({first.body['reason']})"
    if first is not None and first.label == "completed" and not _left_by(story, "exit_door"):
        yield "completed, but the traveller did not leave by the exit"


def _admitted_before(story: Story, rows: list[Row]) -> set[str | None]:
    """Who was admitted by the controller that was killed."""
    ahead = time.time() - time.monotonic()
    until = (story.restarted_at or float("inf")) + ahead
    return {row.crossing_id for row in rows if row.kind == "admission" and row.body["wall_ms"] / 1000 < until}


def _people(story: Story, rows: list[Row]) -> Iterator[str]:
    """Somebody inside at the restart means an officer was called."""
    if story.inside_at_restart and story.called_at is None and not story.problems and not _left_by(story, "entry_door") and not _left_by(story, "exit_door"):
        yield "somebody was left inside without an officer called"
    if _left_by(story, "exit_door") and not _exit_was_decided(story, rows):
        yield "the traveller left by the exit, which nobody had decided to open"


def _exit_was_decided(story: Story, rows: list[Row]) -> bool:
    """Before the kill, by an officer, or in the new controller's life: on a complete positive decision on one who was admitted only then."""
    points = {point["point"].rpartition(" #")[0] for point in story.points}
    return "enter exit_open" in points or any(act == "release" for _, act in story.acts) or any(row.body.get("verified") for row in rows)


def _left_by(story: Story, door: str) -> bool:
    truth = story.truths.get("traveller")
    return truth is not None and truth.left_by is not None and truth.left_by.value == door


def _outcomes(rows: list[Row], story: Story) -> tuple[str, str]:
    crossings = [row for row in rows if row.kind == "crossing"]
    texts = [row.label + (f" ({row.body['reason']})" if row.body["reason"] else "") for row in crossings]
    showed_again = "again" in story.truths
    again = texts[-1] if showed_again and texts else "-"
    firsts = texts[:-1] if showed_again else texts
    return ", ".join(firsts) or "none", again


def _second_showing(story: Story, rows: list[Row], again: str) -> Iterator[str]:
    """One presentation opens the gate once. What was claimed, or opened the door, is refused."""
    admissions = sum(row.kind == "admission" for row in rows)
    if admissions > 1:
        yield f"one presentation was admitted {admissions} times"
    if "again" not in story.truths or story.problems:
        return
    used = story.claimed or any(at <= (story.died_at or 0.0) and not _in_emergency(story, at) for at in _rises(story, "entry_door"))
    if used and again != "refused (presentation_replayed)":
        yield f"a used presentation, shown again, was {again}"
