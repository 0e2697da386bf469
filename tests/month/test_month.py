"""A month without a network: which second each state begins, what is refused meanwhile, and when a revocation arrives."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from gate_controller.core.values import Region
from tests.month.month import DAILY, DAY_0, DAY_S, HOUR_S, NEVER, PLANS, REVOKED, SECOND, SILENT, SLOW, TRAVELLERS, Month, Plan, Span, run
from tests.month.page import BEGIN, END, page
from tests.month.plot import draw

DOCS = Path(__file__).parents[2] / "docs"
LOW_RISK, OLD, CLASS_2 = (traveller.name for traveller in TRAVELLERS[:3])
MEMORY = "/dev/shm"
NEVER_AGAIN = 40 * DAY_S
BOTH = pytest.mark.parametrize("region", Region)


@pytest.fixture(scope="module")
def months() -> dict[Plan, Month]:
    """Looked at when something changes and the second before; `make month` looks every hour as well, and makes every hour's publication.

    In memory where there is such a file system: thousands of fsyncs are not what is tested here.
    """
    found = {}
    for plan in PLANS:
        with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as scratch:
            found[plan] = run(plan, Path(scratch), step_s=NEVER_AGAIN, every_hour=False)
    return found


def at(day: int, hour: float) -> int:
    return DAY_0 + day * DAY_S + round(hour * HOUR_S)


def changes(spans: list[Span]) -> list[tuple[int, str]]:
    return [(span.begin, span.value) for span in spans]


@BOTH
def test_with_a_stick_each_day_the_gate_is_never_worse_than_stale(months: dict[Plan, Month], region: Region) -> None:
    each_day = [(at(day, hour), state) for day in range(31) for hour, state in ((7.5, "fresh"), (18, "stale"))]
    assert changes(months[DAILY].states(region)) == [(at(0, 0), "closed"), *each_day]


@BOTH
@pytest.mark.parametrize("traveller", [LOW_RISK, OLD, CLASS_2])
def test_with_a_stick_each_day_no_good_pass_is_ever_refused(months: dict[Plan, Month], region: Region, traveller: str) -> None:
    assert changes(months[DAILY].decisions(region, traveller)) == [(at(0, 0), "pass_unknown_key"), (at(0, 7.5), "accepted")]


@BOTH
def test_a_revocation_arrives_with_the_first_stick_written_after_it(months: dict[Plan, Month], region: Region) -> None:
    """Revoked on day 5 at 12:00; the stick of that day was written at 06:00."""
    for plan in (DAILY, SECOND):
        assert changes(months[plan].decisions(region, REVOKED.name))[-1] == (at(6, 7.5), "pass_revoked")
    assert changes(months[DAILY].decisions(region, REVOKED.name))[:-1] == [(at(0, 0), "pass_unknown_key"), (at(0, 7.5), "accepted")]


@BOTH
def test_without_imports_warned_restricted_and_closed_by_the_lists_age(months: dict[Plan, Month], region: Region) -> None:
    published = at(0, 6)
    month = months[NEVER]
    assert changes(month.states(region)) == [
        (at(0, 0), "closed"),
        (at(0, 7.5), "fresh"),
        (published + 12 * HOUR_S, "stale"),
        (published + 26 * HOUR_S, "degraded"),
        (published + 72 * HOUR_S, "closed"),
    ]
    begin = [(at(0, 0), "pass_unknown_key"), (at(0, 7.5), "accepted")]
    closed = (published + 72 * HOUR_S, "pass_region_closed")
    for traveller in (LOW_RISK, REVOKED.name):
        assert changes(month.decisions(region, traveller)) == [*begin, (published + 26 * HOUR_S, "accepted as low-risk"), closed]
    for traveller in (OLD, CLASS_2):
        assert changes(month.decisions(region, traveller)) == [*begin, (published + 26 * HOUR_S, "pass_status_stale"), closed]


@BOTH
def test_without_imports_the_countdown_runs_to_the_second(months: dict[Plan, Month], region: Region) -> None:
    for sample in [sample for sample in months[NEVER].samples if sample.at >= at(0, 7.5)]:
        freshness = sample.freshness[region]
        assert (freshness.restricted_at, freshness.closed_at) == (at(1, 8), at(3, 6))
        assert freshness.next_at == next((moment for moment in (at(0, 18), at(1, 8), at(3, 6)) if moment > sample.at), None)
    told = [(sample.at, line.partition("; ")[0]) for sample in months[NEVER].samples for line in sample.told if line.startswith(region.value)]
    assert told == [
        (at(0, 0), f"{region.value}: closed (no trust is installed): import trust: gatectl keys import DIRECTORY"),
        (at(0, 7.5), f"{region.value}: fresh"),
        (at(0, 18), f"{region.value}: stale (the status list is getting old)"),
        (at(1, 8), f"{region.value}: degraded (the status list is too old)"),
        (at(3, 6), f"{region.value}: closed (the status list is too old)"),
    ]


@BOTH
def test_a_stick_that_is_too_long_on_the_way_restricts_every_day(months: dict[Plan, Month], region: Region) -> None:
    """Published at 04:00, imported at 07:30: 26 hours old at 06:00 the next day."""
    spans = [span for span in months[SLOW].decisions(region, CLASS_2) if span.value == "pass_status_stale"]
    assert [(span.begin, span.end) for span in spans] == [(at(day, 6), at(day, 7.5)) for day in (1, 2, 3)]
    assert {span.value for span in months[SLOW].decisions(region, LOW_RISK)[1:]} == {"accepted", "accepted as low-risk"}


@BOTH
def test_a_stick_every_second_day_restricts_every_second_day_and_never_closes(months: dict[Plan, Month], region: Region) -> None:
    spans = [span for span in months[SECOND].states(region) if span.value == "degraded"]
    assert [span.begin for span in spans] == [at(day, 8) for day in (1, 3, 5, 7)]
    assert [span.end for span in spans[:-1]] == [at(day, 7.5) for day in (2, 4, 6)]
    assert "closed" not in {span.value for span in months[SECOND].states(region)[1:]}


def test_a_region_that_does_not_publish_closes_itself_alone(months: dict[Plan, Month]) -> None:
    """Macao's last publication before its silence is of day 0, 23:00; its next of day 6, 00:00, on the stick of that day."""
    month, last = months[SILENT], at(0, 23)
    since = [change for change in changes(month.states(Region.MO)) if at(1, 7.5) <= change[0] < at(7, 0)]
    assert since == [
        (at(1, 7.5), "fresh"),
        (last + 12 * HOUR_S, "stale"),
        (last + 26 * HOUR_S, "degraded"),
        (last + 72 * HOUR_S, "closed"),
        (at(6, 7.5), "fresh"),
        (at(6, 18), "stale"),
    ]
    assert changes(month.decisions(Region.MO, REVOKED.name))[-2:] == [(last + 72 * HOUR_S, "pass_region_closed"), (at(6, 7.5), "pass_revoked")]
    assert {span.value for span in month.states(Region.HK)[1:]} == {"fresh", "stale"}
    assert {span.value for span in month.decisions(Region.HK, CLASS_2)[1:]} == {"accepted"}


def test_the_page_is_what_the_runs_gave(months: dict[Plan, Month]) -> None:
    text = (DOCS / "month.md").read_text()
    assert text.partition(BEGIN)[2].partition(END)[0] == page(months.values()), "make month"


def test_the_picture_is_drawn(months: dict[Plan, Month], tmp_path: Path) -> None:
    draw([months[NEVER]], tmp_path / "month.svg")
    picture = (tmp_path / "month.svg").read_text()
    assert all(words in picture for words in ("pass_region_closed", "degraded from day 1, 08:00; closed from day 3, 06:00"))
