"""What lies on a stick is given as it is, in whatever state the gate: what is not needed stops nothing that is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate_controller.core.values import Region
from gate_controller.enrolment.importing import import_publication, still_needed
from gate_controller.enrolment.manifest import Refused
from gate_controller.enrolment.publication import Publication, PublicationError
from gate_controller.ports.services import EnrolmentRecord

NOW = 1_800_000_000
State = tuple[int, int]


class Published:
    """A region's files by their state, and a gate that takes some of them at once."""

    def __init__(self, laboratory: Any, make_record: Callable[..., EnrolmentRecord]) -> None:
        self._laboratory = laboratory
        people = [make_record(number) for number in range(10)]
        self.files: dict[State, Path] = {}
        for snapshot in (4, 5, 6):
            self.files[snapshot, 0] = laboratory.published(people, snapshot=snapshot)
            for delta in (1, 2, 3):
                self.files[snapshot, delta] = laboratory.published([make_record(2, delta + 1)], snapshot=snapshot, delta=delta)

    def give(self, *states: State) -> list[State]:
        """One command with these files; the states that were taken or in force already."""
        with contextlib.ExitStack() as stack:
            lab = self._laboratory
            publications = [stack.enter_context(Publication(self.files[state], lab.keys, lab.master, NOW + 1000)) for state in states]
            return [
                (report.snapshot, report.delta)
                for each in still_needed(publications, lab.directory, lab.master)
                for report in [import_publication(each, lab.directory, lab.master)]
            ]


@pytest.fixture
def region(laboratory: Any, make_record: Callable[..., EnrolmentRecord]) -> Published:
    return Published(laboratory, make_record)


@pytest.mark.parametrize(
    ("before", "given", "taken"),
    [
        ([(5, 0), (5, 1)], [(5, 0), (5, 2)], [(5, 2)]),  # the delta in between came on another stick
        ([(5, 0), (5, 1)], [(4, 0), (4, 3), (5, 0), (5, 1), (5, 2), (5, 3)], [(5, 1), (5, 2), (5, 3)]),
        ([(5, 0)], [(4, 0), (6, 0), (6, 1)], [(6, 0), (6, 1)]),
        ([(5, 0)], [(5, 2), (5, 3), (6, 0)], [(6, 0)]),  # the gap does not matter any more
        ([(4, 0)], [(5, 1), (6, 0), (6, 1)], [(6, 0), (6, 1)]),
        ([], [(4, 2), (5, 0), (5, 1), (6, 0)], [(5, 0), (5, 1), (6, 0)]),
        ([], [(6, 1), (6, 0)], [(6, 0), (6, 1)]),
    ],
)
def test_everything_that_fits_is_taken(region: Published, before: list[State], given: list[State], taken: list[State]) -> None:
    region.give(*before)
    assert region.give(*given) == taken
    assert region.give(*given)[-1] == taken[-1], "and given again it changes nothing"


@pytest.mark.parametrize(
    ("before", "given", "says"),
    [
        ([(5, 0), (5, 1)], [(5, 0)], "is not newer than snapshot 5 with delta 1"),  # alone an old file is an error to be told
        ([(5, 0), (5, 1)], [(4, 0), (5, 0)], "is not newer than snapshot 5 with delta 1"),
        ([(5, 0)], [(5, 2), (5, 3)], "delta 5.1 is missing"),
        ([(5, 0)], [(6, 1)], "belongs to snapshot 6, and 5 is in force"),
        ([(5, 0)], [(6, 0), (6, 2)], "delta 6.1 is missing"),
        ([], [(5, 1)], "needs HK snapshot 5"),
    ],
)
def test_what_is_missing_is_told_all_the_same(region: Published, before: list[State], given: list[State], says: str) -> None:
    region.give(*before)
    with pytest.raises(PublicationError, match=says):
        region.give(*given)


def test_regions_do_not_mix(region: Published, laboratory: Any, make_record: Callable[..., EnrolmentRecord]) -> None:
    region.give((5, 0), (5, 1))
    region.files[9, 0] = laboratory.published([make_record(500)], Region.MO, snapshot=9)
    assert region.give((5, 0), (5, 2), (9, 0)) == [(5, 2), (9, 0)]


def test_after_a_store_is_lost_only_what_the_floor_lets_pass_is_asked_for(region: Published, laboratory: Any) -> None:
    region.give((6, 0), (6, 1))
    path = laboratory.directory.current(Region.HK)
    (path.parent / "hk.current").unlink()
    path.unlink()
    assert region.give((5, 0), (5, 1), (6, 0), (6, 1)) == [(6, 0), (6, 1)]


def test_an_old_snapshot_alone_is_refused_after_a_store_is_lost(region: Published, laboratory: Any) -> None:
    region.give((6, 0))
    path = laboratory.directory.current(Region.HK)
    (path.parent / "hk.current").unlink()
    path.unlink()
    with pytest.raises(PublicationError, match="is not newer than snapshot 6"):
        region.give((5, 0), (5, 1))


def test_two_of_one_number_are_refused_by_name(region: Published, laboratory: Any, make_record: Callable[..., EnrolmentRecord]) -> None:
    region.give((5, 0))
    other = laboratory.published([make_record(7)], snapshot=6)
    with contextlib.ExitStack() as stack:
        publications = [stack.enter_context(Publication(path, laboratory.keys, laboratory.master, NOW + 1000)) for path in (region.files[6, 0], other)]
        with pytest.raises(PublicationError, match="HK snapshot 6: is there twice, with different contents") as found:
            still_needed(publications, laboratory.directory, laboratory.master)
    assert found.value.reason is Refused.TWO_OF_ONE_NUMBER


def test_two_of_one_number_that_nobody_needs_stop_nothing(region: Published, laboratory: Any, make_record: Callable[..., EnrolmentRecord]) -> None:
    region.give((5, 0))
    other = laboratory.published([make_record(7)], snapshot=4)
    with contextlib.ExitStack() as stack:
        given = (region.files[4, 0], other, region.files[6, 0])
        publications = [stack.enter_context(Publication(path, laboratory.keys, laboratory.master, NOW + 1000)) for path in given]
        assert [each.manifest.state for each in still_needed(publications, laboratory.directory, laboratory.master)] == [(6, 0)]
