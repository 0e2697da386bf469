"""The exploration in small: it breaks no invariant near the start, and it finds mistakes that are planted, one for each invariant. `make explore` does it whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from gate_controller.core.guards import Guards
from gate_controller.core.policy import CrossingPolicy, PadRule
from gate_controller.core.states import State
from gate_controller.core.table import TABLE, Row
from gate_controller.core.values import CheckOutcome, Direction, Modality, Region
from tests.exploration.help import NotHelpedError, Wait, longest_wait
from tests.exploration.run import explore, explore_together
from tests.exploration.world import ANSWERS

POLICY = CrossingPolicy(Region.MO, Direction.HK_TO_MO)
MOST = 500

READY = ("started", "io_board works", "calm", "occupancy_since over", "trust works")
CLAIMED = (*READY, "pass read", "pass verified", "enrolment found")
ADMITTED = (*CLAIMED, "admission recorded")
INSIDE = (*ADMITTED, "occupancy one", "occupancy_since over")
HALF_CHECKED = (*INSIDE, "fingerprint check successful")
MATCHED = (*HALF_CHECKED, "face check successful")
LET_OUT = (*MATCHED, "pad check successful")
GONE = (*LET_OUT, "exit_door open", "exit_beam active", "exit_beam inactive, occupancy zero")


@pytest.mark.invariant("INV-1")
@pytest.mark.invariant("INV-2")
@pytest.mark.invariant("INV-3")
@pytest.mark.invariant("INV-4")
@pytest.mark.invariant("INV-5")
@pytest.mark.invariant("INV-6")
@pytest.mark.invariant("INV-8")
@pytest.mark.parametrize("after", [(), LET_OUT], ids=["start", "exit_open"])
def test_the_states_nearest_to_the_start_and_to_the_open_exit_break_no_invariant(after):
    found = explore(POLICY, most_nodes=MOST, after=after)
    assert found.traces == {}
    assert found.nodes >= MOST


@dataclass(frozen=True)
class Planted:
    """A mistake in the table: rows from `source` (to `target`, on `trigger`) are changed, and from the end of a trace on the monitor must see it.

    Attributes:
        change: What becomes of such a row; None when it is dropped.
        most: So many nodes are enough to see it.
    """

    expected: str
    source: State
    target: State | None
    change: Callable[[Row], Row | None]
    trigger: str = "evaluate"
    after: tuple[str, ...] = ()
    most: int = MOST

    def table(self) -> tuple[Row, ...]:
        rows = [self.change(row) if self.hits(row) else row for row in TABLE]
        assert any(map(self.hits, TABLE))
        return tuple(row for row in rows if row is not None)

    def hits(self, row: Row) -> bool:
        return self.source in row.sources and row.target is self.target and row.trigger == self.trigger


S = State
PLANTED = (
    Planted("INV-1", S.ENTRY_OPEN, S.OCCUPANCY_CHECK, lambda row: replace(row, do=()), after=HALF_CHECKED),
    Planted("INV-2", S.IDENTITY_CHECK, S.EXIT_OPEN, lambda row: replace(row, when=()), after=INSIDE[:-1]),
    Planted("INV-3", S.PASS_CHECK, S.ENTRY_OPEN, lambda row: replace(row, when=("mine", "authorised")), "admission_recorded", CLAIMED),
    Planted(
        "INV-4: somebody is inside", S.IDENTITY_CHECK, S.OFFICER_REFERRAL, lambda row: None if "expired_identity" in row.when else row, after=INSIDE, most=60
    ),
    Planted("INV-4: the core failed", S.IDENTITY_CHECK, S.RETURN_PATH, lambda row: replace(row, when=("many_inside",)), after=(*INSIDE, "exit_door open")),
    Planted("INV-5: an emergency is reported", S.IDENTITY_CHECK, S.EMERGENCY, lambda _: None, after=INSIDE),
    Planted("INV-5: re-armed", S.EMERGENCY, S.OUT_OF_SERVICE, lambda row: replace(row, when=()), "rearmed", READY),
    Planted("INV-6: recorded as completed without", S.EXIT_OPEN, S.CLEARING, lambda row: replace(row, do=("close_exit",)), after=GONE),
    Planted("INV-6: completed with the chamber not empty and shut", S.EXIT_OPEN, S.CLEARING, lambda row: replace(row, target=S.READY), after=GONE),
    Planted("INV-6: a crossing began", S.READY, S.PASS_CHECK, lambda row: replace(row, sources=(S.READY, S.PASS_CHECK)), "pass_read", READY),
    Planted("INV-8: an admission was ordered", S.PASS_CHECK, None, lambda row: replace(row, when=("mine", "pass_known")), "enrolment_found", CLAIMED),
    Planted("INV-8: the entry was opened", S.PASS_CHECK, S.ENTRY_OPEN, lambda row: replace(row, when=("mine", "clear_to_admit")), "admission_recorded", READY),
)


INV_4, INV_5 = "INV-4: somebody is inside", "INV-5: an emergency is reported"
FORGOTTEN = (
    ("expired_return_path", S.RETURN_PATH, INV_4, (*INSIDE, "occupancy many", "occupancy_since over")),
    ("expired_exit_open", S.EXIT_OPEN, INV_4, LET_OUT),
    ("expired_renew", S.EMERGENCY, INV_5, (*INSIDE, "emergency active")),
    ("io_back", S.EMERGENCY, INV_5, (*INSIDE, "emergency active")),
)
"""Guards whose rows are dropped from a state: the board ends by itself what nobody ends or renews."""
EVIDENCE = ("passed_exit_beam", "exit_was_ajar", "exit_beam_clear")


@pytest.mark.parametrize(("guard", "state", "expected", "after"), FORGOTTEN, ids=[guard for guard, *_ in FORGOTTEN])
def test_an_opening_that_runs_out_helps_nobody(guard, state, expected, after):
    table = tuple(row for row in TABLE if not (guard in row.when and state in row.sources))
    assert table != TABLE
    found = explore(POLICY, table, MOST, after, first_only=expected == INV_5)
    assert [what for what in found.traces if what.startswith(expected)], found.traces


@pytest.mark.parametrize("guard", EVIDENCE)
def test_nobody_completes_without_having_been_seen_to_go(guard):
    def loosened(row: Row) -> Row:
        hit = S.EXIT_OPEN in row.sources and "note_exited" in row.do and "doorless_entry" not in row.when
        return replace(row, when=tuple(name for name in row.when if name != guard)) if hit else row

    found = explore(POLICY, tuple(map(loosened, TABLE)), 2 * MOST, LET_OUT, first_only=True)
    assert [what for what in found.traces if what.startswith("INV-6: recorded as completed without")], found.traces


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.expected.replace(" ", "_"))
def test_a_planted_mistake_is_found(planted):
    found = explore(POLICY, planted.table(), planted.most, planted.after, first_only=True)
    seen = [what for what in found.traces if what.startswith(planted.expected)]
    assert seen, found.traces
    assert [line.partition("  ->")[0] for line in found.traces[seen[0]][: len(planted.after)]] == list(planted.after)


def signalled_is_enough(guards: Guards) -> bool:
    return guards._check(Modality.PAD) in {CheckOutcome.SUCCESSFUL, CheckOutcome.NOT_SUPPORTED}


def not_ended_is_enough(guards: Guards) -> bool:
    return guards._check(Modality.PAD) in {CheckOutcome.SUCCESSFUL, None}


@pytest.mark.invariant("INV-2")
@pytest.mark.parametrize(
    ("pad_rule", "mistaken", "after"),
    [
        (PadRule.REQUIRED, not_ended_is_enough, HALF_CHECKED),
        (PadRule.SIGNALLED, not_ended_is_enough, HALF_CHECKED),
        (PadRule.SIGNALLED, lambda _: True, MATCHED[:-1]),
        (PadRule.REQUIRED, lambda _: True, HALF_CHECKED),
    ],
)
def test_an_exit_that_does_not_wait_for_the_judgement_is_found(monkeypatch, pad_rule, mistaken, after):
    monkeypatch.setattr(Guards, "pad_met", mistaken)
    found = explore(replace(POLICY, pad_rule=pad_rule), most_nodes=MOST, after=after, first_only=True)
    assert [what for what in found.traces if what.startswith("INV-2: the exit was released")], found.traces


@pytest.mark.invariant("INV-2")
def test_a_judgement_that_was_not_made_where_it_is_required_is_found(monkeypatch):
    """The exploration leaves such an answer out where it is required: it is put in here, and the monitor must tell it from a face judged live."""
    monkeypatch.setattr(Guards, "pad_met", signalled_is_enough)
    monkeypatch.setattr("tests.exploration.steps.answers", lambda _policy: ANSWERS)
    found = explore(POLICY, most_nodes=MOST, after=MATCHED, first_only=True)
    assert [what for what in found.traces if what.startswith("INV-2: the exit was released")], found.traces


def test_the_shortest_way_to_a_mistake_is_told():
    no_emergency = tuple(row for row in TABLE if row.target is not State.EMERGENCY)
    found = explore(POLICY, no_emergency, MOST, first_only=True)
    what, trace = next(iter(found.traces.items()))
    assert what.startswith("INV-5: an emergency is reported")
    assert [line.partition("  ->")[0] for line in trace] == ["started", "io_board works", "emergency active, occupancy one"]


def test_two_processes_find_what_one_finds():
    one, two = explore(POLICY, most_nodes=400), explore_together(POLICY, most_nodes=400)
    assert two.nodes >= 400
    assert (one.traces, two.traces) == ({}, {})


def test_waiting_for_help():
    assert longest_wait({}) == Wait(0, 0.0)
    assert longest_wait({1: [(8.0, 2), (0.5, 3)], 3: [(2.0, 4)]}) == Wait(2, 2.5)
    assert longest_wait({1: [(60.0, 1), (0.3, 2)]}) == Wait(1, 0.3)
    with pytest.raises(NotHelpedError, match="nothing more is due"):
        longest_wait({1: [(1.0, 2)], 2: [(60.0, 2)]})
    with pytest.raises(NotHelpedError, match="circles"):
        longest_wait({1: [(1.0, 2)], 2: [(1.0, 3), (1.0, 1)], 4: [(1.0, 1)]})
