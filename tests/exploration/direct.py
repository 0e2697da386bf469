"""The real Controller, but for how a row is carried out once it is chosen: without the `transitions` package, which takes a quarter of the time.

Facts, guards, reasons, actions, table, the choice of the row, `handle` and its fail-secure ending are the core's own. That both do the same is checked by
walks beside a Controller as it is (test_abstraction.py).
"""

from __future__ import annotations

from collections.abc import Callable

from gate_controller.core.actions import Actions
from gate_controller.core.machine import Controller
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.table import TABLE, Row

Asked = tuple[tuple[int, Callable[[], object], bool], ...]
"""The guards of a row: the number of its answer, method, and what it must answer."""


class DirectController(Controller):
    """A Controller whose rows change its state themselves."""

    def __init__(self, policy: CrossingPolicy, table: tuple[Row, ...] = TABLE) -> None:
        super().__init__(policy, table)
        self._by_state: dict[tuple[str, State], list[tuple[Row, Asked]]] = {}
        numbers: dict[str, int] = {}
        for row in table:
            names = [(name.removeprefix("!"), not name.startswith("!")) for name in row.when]
            asked = tuple((numbers.setdefault(guard, len(numbers)), getattr(self._lane, guard), wanted) for guard, wanted in names)
            for source in row.sources:
                self._by_state.setdefault((row.trigger, source), []).append((row, asked))
        self._nothing_asked: list[bool | None] = [None] * len(numbers)

    @property
    def lane(self) -> Actions:
        """What the core keeps: the exploration reads it, and writes it to come back to a state."""
        return self._lane

    def _try(self, trigger: str) -> bool:
        lane = self._lane
        answers = self._nothing_asked.copy()  # nothing changes before a row is taken, so each guard is asked once
        for row, asked in self._by_state.get((trigger, lane.state), ()):
            for number, guard, wanted in asked:
                answer = answers[number]
                if answer is None:
                    answer = answers[number] = bool(guard())
                if answer is not wanted:
                    break
            else:
                lane.apply(row)
                if row.target is not None:
                    lane.state = row.target
                    lane.enter(row.target)
                return True
        return False
