"""The real Controller, but for how a row is carried out once it is chosen: without the `transitions` package, which takes a quarter of the time.

Facts, guards, reasons, actions, table, the choice of the row, `handle` and its fail-secure ending are the core's own. That both do the same is checked by
walks beside a Controller as it is (test_abstraction.py).
"""

from __future__ import annotations

from gate_controller.core.actions import Actions
from gate_controller.core.machine import Controller
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.table import TABLE, Row


class DirectController(Controller):
    """A Controller whose rows change its state themselves."""

    def __init__(self, policy: CrossingPolicy, table: tuple[Row, ...] = TABLE) -> None:
        super().__init__(policy, table)
        self._by_state: dict[tuple[str, State], list[tuple[Row, list]]] = {}
        for row in table:
            asked = [(getattr(self._lane, name.removeprefix("!")), not name.startswith("!")) for name in row.when]
            for source in row.sources:
                self._by_state.setdefault((row.trigger, source), []).append((row, asked))

    @property
    def lane(self) -> Actions:
        """What the core keeps: the exploration reads it, and writes it to come back to a state."""
        return self._lane

    def _try(self, trigger: str) -> bool:
        lane = self._lane
        for row, asked in self._by_state.get((trigger, lane.state), ()):
            for guard, wanted in asked:
                if bool(guard()) is not wanted:
                    break
            else:
                lane.apply(row)
                if row.target is not None:
                    lane.state = row.target
                    lane.enter(row.target)
                return True
        return False
