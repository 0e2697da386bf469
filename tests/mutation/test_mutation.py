"""The mutation check itself: what it puts into the core is in effect, and nothing is explained that is not there. The check as a whole: `make mutate`."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.machine import Controller
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.table import TABLE
from gate_controller.core.values import Device, Direction, Door, DoorPosition, LaneInputs, Occupancy, Region, TriState
from tests.mutation.every import mutants
from tests.mutation.explained import explained, groups
from tests.mutation.mutant import NoEffectError, change_row
from tests.mutation.page import PAGE
from tests.mutation.results import Results
from tests.mutation.workshop import Verdict

CALM = LaneInputs(DoorPosition.CLOSED, DoorPosition.CLOSED, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, Occupancy.ZERO)


@cache
def by_id():
    return {mutant.id: mutant for mutant in mutants()}


def day():
    """A lane that starts, is shown a pass that nobody answers for, loses sight of its chamber, is forced and meets an emergency: all that it says."""
    core, told = Controller(CrossingPolicy(Region.MO, Direction.HK_TO_MO)), []
    last, *others = sorted(Device, key=lambda device: device is Device.IO_BOARD)
    blind, forced = replace(CALM, occupancy=Occupancy.UNKNOWN), replace(CALM, exit_door=DoorPosition.OPEN)
    events = [e.Started(), *map(e.DeviceReady, others), e.InputsRead(CALM), e.TimerExpired(), e.DeviceReady(last), e.PassRead("x", "T"), e.TimerExpired()]
    events += [e.TimerExpired(), e.InputsRead(blind), e.TimerExpired(), e.InputsRead(CALM), e.TimerExpired(), e.InputsRead(forced)]
    for second, event in enumerate([*events, e.InputsRead(replace(forced, emergency=TriState.ACTIVE))]):
        told += [core.handle(event, 10.0 * second), core.state, core.reason, core.next_deadline()]
    return told, core.failure is None


def put(mutant, end):
    try:
        mutant.apply()
        end.send((None, repr(day())))
    except (NoEffectError, AttributeError, StopIteration, SyntaxError) as error:
        end.send((repr(error), ""))


def in_a_process_of_its_own(mutant):
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=put, args=(mutant, theirs))
    process.start()
    said = ours.recv()
    process.join()
    return said


IN_EFFECT = (
    "row:ready/pass_read/clear_to_admit dropped",
    "row:any_but_emergency/evaluate/emergency_reported -state:ready",
    "row:ready/pass_read/clear_to_admit guard:!clear_to_admit",
    "row:ready/pass_read/clear_to_admit -> officer_referral",
    "row:ready/pass_read/clear_to_admit -do:verify_pass",
    "row:pass_check/evaluate/expired_pass_check -outcome",
    "row:pass_check/evaluate/expired_pass_check outcome:aborted",
    "row:any_but_emergency/evaluate/emergency_reported after ready/evaluate/a_door_forced",
    "deadline:pass_check -pass_check",
    "enter:emergency -do:hold_emergency_doors",
    "code:Guards.in_service -operand: not self.missing",
    "code:Facts.stable inverted: self.inputs.occupancy in values",
    "code:Guards.nobody_inside unknown counts: self.stable(Occupancy.ZERO)",
    "code:Actions.close_both -statement: self.close_exit()",
    "command:OpenDoor entry_door in an emergency lost",
)
"""Of each kind one that is seen in a day of the lane."""


def test_the_core_is_as_it_was_afterwards():
    before = repr(day())
    assert in_a_process_of_its_own(by_id()[IN_EFFECT[0]])[1] != before
    assert repr(day()) == before


@pytest.mark.parametrize("name", IN_EFFECT)
def test_a_mutant_is_in_effect(name):
    error, told = in_a_process_of_its_own(by_id()[name])
    assert error is None
    assert told != repr(day())


def test_what_changes_nothing_is_refused():
    with pytest.raises(NoEffectError):
        change_row(0, target=TABLE[0].target)


def test_every_row_guard_and_deadline_has_its_mutants():
    kinds = Counter(mutant.kind for mutant in by_id().values())
    assert kinds["row dropped"] == len(TABLE)
    assert kinds["guard dropped"] == kinds["guard negated"] == sum(len(row.when) for row in TABLE)
    assert kinds["action dropped"] == sum(len(row.do) for row in TABLE)
    assert kinds["transition retargeted"] >= len(TABLE)
    assert kinds["command dropped"] >= len(c.Command.__args__) + len(Door)
    assert all(any(name.startswith(f"deadline:{state.value} ") for name in by_id()) for state in set(State) - {State.MAINTENANCE})


def test_every_explanation_is_of_a_mutant_that_is_there():
    ids = [each for _, group in groups() for each in group]
    assert sorted(set(ids) - set(by_id())) == []
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    assert [why for why, group in groups() if len(why) < 40 or not group] == []


def test_the_page_has_all_explanations():
    text = PAGE.read_text()
    assert [name for name in explained() if f"`{name}`" not in text] == []
    assert [why for why, _ in groups() if why not in text] == []


def test_results_are_kept_and_count_only_for_the_same_sources(tmp_path):
    file = tmp_path / "results"
    Results(file).keep("m", "tests", Verdict("test_x", 0.25))
    again = Results(file)
    assert again.of("m", "tests") == Verdict("test_x", 0.25)
    assert again.of("m", "simulation") is None
    file.write_text(file.read_text().replace('"key": "', '"key": "other'))
    of_other_sources = Results(file)
    assert of_other_sources.of("m", "tests") is None
    assert of_other_sources.hint("m", "tests") == "test_x"
