from __future__ import annotations

from pathlib import Path

import pytest

from gate_controller.ports.trust import Cause, Freshness
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.freshness_page import generated, mermaid, rewritten

PAGE = Path(__file__).parents[2] / "docs" / "freshness.md"


def test_the_checked_in_page_is_current():
    page = PAGE.read_text(encoding="utf-8")
    assert page == rewritten(page), "run: python -m gate_controller.trust.freshness_page docs/freshness.md"


def test_every_state_and_cause_is_on_it():
    text = generated()
    for state in Freshness:
        assert f"| {state.value} |" in text
        assert f"--> {state.value}" in text
    for cause in Cause:
        assert (f"| {cause.code} |" in text) is (cause is not Cause.NONE)


def test_the_arrows_are_the_steps():
    """Worse by time along every path; better only by newer trust, to fresh."""
    arrows = [line.split(":")[0].split() for line in mermaid(FreshnessBudget())[3:]]
    assert {(source, target) for source, _, target in arrows} == {
        ("fresh", "stale"),
        ("stale", "degraded"),
        ("stale", "closed"),
        ("degraded", "closed"),
        ("stale", "fresh"),
        ("degraded", "fresh"),
        ("closed", "fresh"),
    }


def test_another_budget_is_another_page():
    assert "3 h after" in generated(FreshnessBudget(status_stale_s=3 * 3600))


def test_a_page_without_markers_is_not_touched():
    with pytest.raises(ValueError, match="markers"):
        rewritten("# Something else\n")
