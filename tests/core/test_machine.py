"""The rows that the controller takes are those that `transitions` would take by itself, trying one row's conditions after the other's."""

from __future__ import annotations

from functools import partial

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transitions import Machine

from gate_controller.core.machine import Controller
from gate_controller.core.states import State
from gate_controller.core.table import TABLE
from tests.core.test_invariants import play, steps, walks


class Plain(Controller):
    """Leaves the choice of the row to `transitions`."""

    def __init__(self, policy):
        super().__init__(policy)
        self._known = {(row.trigger, source) for row in TABLE for source in row.sources}
        lane = self._lane
        plain = Machine(lane, State, State.OUT_OF_SERVICE, auto_transitions=False, ignore_invalid_triggers=True, model_attribute="plain_state")
        for row in TABLE:
            plain.add_transition(
                row.trigger,
                list(row.sources),
                row.target,
                conditions=[name for name in row.when if not name.startswith("!")],
                unless=[name[1:] for name in row.when if name.startswith("!")],
                before=partial(lane.apply, row),
                after=partial(self._enter, row.target) if row.target is not None else None,
            )

    def _enter(self, target):
        self._lane.state = target
        self._lane.enter(target)

    def _try(self, trigger):
        return (trigger, self._lane.state) in self._known and bool(getattr(self._lane, trigger)())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(walked=walks, script=st.lists(steps, max_size=40))
def test_the_same_rows_are_taken_in_the_same_order(new_lane, walked, script):
    lane, plain = new_lane(), new_lane()
    plain.controller = Plain(plain.policy)
    for one in (lane, plain):
        one.start()
        play(one, walked + script)
    assert lane.out == plain.out
    assert (lane.state, lane.controller.reason, lane.controller.prompt, lane.controller.officer_call) == (
        plain.state,
        plain.controller.reason,
        plain.controller.prompt,
        plain.controller.officer_call,
    )


def test_the_first_row_whose_guards_hold_is_taken_and_a_mark_negates(new_lane):
    lane = new_lane().start()
    taken = []
    for row in TABLE:
        for source in row.sources:
            choices = [event.name for _, event in lane.controller._choices[row.trigger, source]]
            assert choices == sorted(choices, key=lambda name: int(name.removeprefix("row_")))
            taken += choices
    assert len(set(taken)) == len(TABLE)
    negated = [(row, number) for number, row in enumerate(TABLE) if any(name.startswith("!") for name in row.when)]
    for row, number in negated:
        asked = next(asked for asked, event in lane.controller._choices[row.trigger, row.sources[0]] if event.name == f"row_{number}")
        assert [wanted for _, wanted in asked] == [not name.startswith("!") for name in row.when]
