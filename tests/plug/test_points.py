"""What `make plug` kills at, and that its judge sees what is wrong. Without processes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.values import Direction, Door, Outcome, Region
from gate_controller.journal import SqliteJournal
from simulators.lane.hardware import CoilChange
from simulators.lane.simulation import GroundTruth
from tests.plug.judge import judge
from tests.plug.play import Story
from tests.plug.points import to_kill_at
from tests.plug.scenarios import GOOD
from tests.plug.site import Files


def passed(*names):
    """A trail, a second between two points; a name with "3:" before it was passed in turn 3 of the decision thread."""
    turns = [int(name.partition(":")[0]) if ":" in name else None for name in names]
    return [{"point": name.rpartition(":")[2], "batch": turn, "at": float(at)} for at, (name, turn) in enumerate(zip(names, turns, strict=True))]


def test_one_kill_stands_for_all_names_of_an_instant():
    trail = passed("1:enter ready #1", "1:before A #1", "io before A #1", "1:after A #1", "1:before B #1", "1:after B #1", "2:before C #1")
    assert [(point.name, point.also) for point in to_kill_at(trail, [])] == [
        ("enter ready #1", ("before A #1",)),
        ("io before A #1", ()),
        ("after A #1", ("before B #1",)),
        ("after B #1", ()),
        ("before C #1", ()),
    ]


def test_what_is_only_shown_makes_no_instant_of_its_own():
    trail = passed("1:enter ready #1", "1:before ShowPrompt a #1", "1:after ShowPrompt a #1", "1:before A #1", "1:after A #1", "1:before SetLamp b #1")
    assert [point.name for point in to_kill_at(trail, [])] == ["enter ready #1", "after A #1"]


def test_a_worker_that_goes_straight_on_is_killed_once():
    trail = passed("io before A #1", "io after A #1", "io before B #1", "desk before C #1", "io after B #1")
    trail[2]["at"] = trail[1]["at"] + 0.001
    assert [(point.name, point.also) for point in to_kill_at(trail, [])] == [
        ("io before A #1", ()),
        ("io after A #1", ("io before B #1",)),
        ("desk before C #1", ()),
        ("io after B #1", ()),
    ]


def test_a_scenario_is_killed_only_where_it_parts_from_the_earlier_ones():
    earlier = [passed("1:enter a #1", "io x #1", "2:enter b #1"), passed("1:enter a #1", "2:enter c #1", "3:enter d #1")]
    trail = passed("1:enter a #1", "io x #1", "2:enter c #1", "io y #1", "3:enter e #1", "io z #1")
    assert [point.name for point in to_kill_at(trail, earlier)] == ["enter e #1", "io z #1"]
    assert to_kill_at(trail[:3], earlier) == []


@pytest.fixture
def story(tmp_path: Path):
    files = Files(tmp_path, tmp_path / "gate.toml")
    return Story(GOOD, "somewhere", files, died_at=10.0, restarted_at=11.0, points=[{"point": "enter exit_open #1"}])


@pytest.fixture
def write(story):
    """Rows of the journal: "admit", "end", "note"."""

    def rows(*kinds):
        with contextlib.closing(SqliteJournal(story.files.journal)) as journal:
            for kind in kinds:
                if kind == "admit":
                    journal.admit("a", Region.HK, Direction.HK_TO_MO, 1.0)
                elif kind == "end":
                    journal.record(CrossingRecord("a", Outcome.COMPLETED, None, True, Region.HK, Direction.HK_TO_MO), 2.0)
                else:
                    journal.event("officer_released", {"identity": "officer 7", "reason": "seen", "crossing_id": "b"}, 3.0)

    return rows


def truth(name, left_by=None):
    return GroundTruth(name, began_at=1.0, left_at=9.0, passages=(), entered=True, left_by=left_by)


def opened(door, at, until):
    return [CoilChange(at, door.value, True), CoilChange(until, door.value, False)]


def test_a_crossing_in_order(story, write):
    write("admit", "end")
    story.truths["traveller"] = truth("traveller", Door.EXIT)
    story.history = opened(Door.ENTRY, 1.0, 3.0) + opened(Door.EXIT, 5.0, 7.0)
    assert judge(story).broken == ()


@pytest.mark.parametrize(
    ("rows", "history", "left_by", "complaint"),
    [
        (["admit"], [], None, "0 outcomes of crossing admitted"),
        (["note"], [], None, "0 outcomes of crossing by hand"),
        ([], opened(Door.ENTRY, 1.0, 3.0), None, "the entry opened, and the journal does not know for whom"),
        ([], opened(Door.EXIT, 1.0, 3.0), None, "the exit opened, and the journal does not know for whom"),
        (["admit", "end"], [], None, "completed, but the traveller did not leave by the exit"),
        (["admit", "end"], opened(Door.EXIT, 5.0, 7.0) + opened(Door.ENTRY, 12.0, 13.0), Door.EXIT, "the restart opened entry_door"),
        (["admit", "end"], opened(Door.EXIT, 5.0, 50.0), Door.EXIT, "exit_door was held for 45.0 s"),
        (["admit", "end"], opened(Door.EXIT, 5.0, 7.0)[:1], Door.EXIT, "exit_door was never closed again"),
    ],
)
def test_what_the_judge_complains_of(story, write, rows, history, left_by, complaint):
    write(*rows)
    story.truths["traveller"] = truth("traveller", left_by)
    story.history = history
    assert complaint in "; ".join(judge(story).broken)


def test_a_used_presentation_must_be_refused(story, write):
    write("admit", "end")
    story.truths |= {"traveller": truth("traveller", Door.EXIT), "again": truth("again")}
    story.claimed = 1
    assert "a used presentation, shown again, was completed" in judge(story).broken


def test_a_damaged_journal_is_seen(story, write):
    write("admit", "end")
    data = bytearray(story.files.journal.read_bytes())
    place = data.rindex(b'"outcome":"completed"')
    data[place + 11 : place + 20] = b"abandoned"
    story.files.journal.write_bytes(bytes(data))
    assert any("does not verify" in line for line in judge(story).broken)
