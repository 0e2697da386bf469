from __future__ import annotations

from pathlib import Path

from gate_controller.core.actions import ENTER, Actions
from gate_controller.core.diagram import mermaid, page
from gate_controller.core.states import DEADLINES, State
from gate_controller.core.table import TABLE

DOCS = Path(__file__).parents[2] / "docs"


def test_the_checked_in_diagram_is_current():
    assert (DOCS / "state-diagram.md").read_text() == page(), "run: gatectl diagram --write docs/state-diagram.md"


def test_every_state_is_reached_and_left():
    text = mermaid()
    for state in State:
        assert f"--> {state.value}" in text
        assert f"{state.value} -->" in text
        assert state in DEADLINES
        assert state in ENTER


def test_rows_name_only_guards_and_actions_that_exist():
    for row in TABLE:
        for name in row.when:
            assert callable(getattr(Actions, name.removeprefix("!")))
        for name in row.do:
            assert callable(getattr(Actions, name))
        if isinstance(row.reason, str):
            assert callable(getattr(Actions, row.reason))
