"""The requirement table is current, and every requirement has a test."""

from __future__ import annotations

from tests import requirements_table


def test_the_page_is_current():
    assert requirements_table.PAGE.read_text() == requirements_table.page(), "run python -m tests.requirements_table"


def test_every_requirement_has_a_test_and_every_marker_a_requirement():
    assert requirements_table.marked().keys() == requirements_table.requirements().keys()
