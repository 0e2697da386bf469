"""A few of the points of `make plug`: the controller is killed over wire simulators, started again, and judged by the world and the files."""

from __future__ import annotations

import pytest

from tests.plug.judge import judge
from tests.plug.play import Play
from tests.plug.scenarios import GOOD, SCENARIOS
from tests.plug.site import Site

pytestmark = [pytest.mark.wire, pytest.mark.lane]
BY_HAND = next(scenario for scenario in SCENARIOS if scenario.name == "no crossing known, let through by hand")


@pytest.fixture(scope="module")
def site():
    with Site() as site:
        yield site


@pytest.mark.invariant("INV-8")
@pytest.mark.invariant("INV-6")
def test_killed_while_the_entry_opens(site):
    """The frame that opens the entry is on the line, its answer was never read."""
    story = Play(site, GOOD, "io sent entry_door pulse #1").run()
    judged = judge(story)
    assert judged.broken == ()
    assert story.state == "entry_open"
    assert judged.outcome.startswith("aborted (restarted)")
    assert judged.again == "refused (presentation_replayed)"


@pytest.mark.invariant("INV-4")
@pytest.mark.invariant("INV-6")
def test_killed_while_an_officer_lets_somebody_through_who_was_not_admitted(site):
    """The crossing exists by the officer's act alone."""
    story = Play(site, BY_HAND, "io sent exit_door pulse #1").run()
    judged = judge(story)
    assert judged.broken == ()
    assert judged.outcome.startswith("aborted (restarted)")
