"""The latest time seen: it goes on without the wall clock, is written down, and is forgotten only on purpose."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from gate_controller.core.values import Region
from gate_controller.ports.errors import StoreError
from gate_controller.ports.trust import Cause, Freshness, RegionFreshness
from gate_controller.trust.store import PERSIST_EVERY_S

HOUR_S = 3600
DAY_S = 86_400


def cause(gate: Any, region: Region = Region.HK) -> Cause:
    freshness: RegionFreshness = gate.store.current().freshness(region, gate.now)
    return freshness.cause


@pytest.fixture
def started(gate: Any) -> Any:
    gate.store = gate.start()
    return gate


def count_writes(gate: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    written: list[float] = []
    saw = gate.floor.saw
    monkeypatch.setattr(gate.floor, "saw", lambda wall: (written.append(wall), saw(wall)))
    return written


def test_time_is_written_down_once_a_minute(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    written = count_writes(started, monkeypatch)
    for second in range(301):
        started.store.observe(started.now + second)
    assert [wall - started.now for wall in written] == [60, 120, 180, 240, 300]
    assert started.store.latest_seen == started.now + 300


def test_time_is_written_down_at_the_start(gate: Any) -> None:
    gate.pass_time(DAY_S)
    gate.start()
    assert gate.floor.latest_seen() == gate.now


def test_a_jump_ahead_is_written_down_at_once(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    written = count_writes(started, monkeypatch)
    started.store.observe(started.now + 5 * DAY_S)
    started.store.observe(started.now + 5 * DAY_S + 1)
    assert written == [started.now + 5 * DAY_S]
    assert started.floor.latest_seen() == started.now + 5 * DAY_S


def test_a_clock_put_back_closes_every_region(started: Any) -> None:
    started.store.observe(started.now + HOUR_S)
    started.store.observe(started.now)
    view = started.store.current()
    tolerance = started.budget.clock_tolerance_s
    for region in Region:
        assert view.freshness(region, started.now + HOUR_S - tolerance - 1) == RegionFreshness(region, Freshness.CLOSED, Cause.CLOCK_BEHIND)
        assert view.freshness(region, started.now + HOUR_S - tolerance).state is Freshness.FRESH


@pytest.mark.parametrize("put_back_s", [1, 10, 50])
def test_a_clock_put_back_again_and_again_holds_nothing_back(started: Any, put_back_s: int) -> None:
    """Never by more than the tolerance at once; also a clock that stands, as a real-time clock without a battery does."""
    begin = started.now
    rounds = started.budget.clock_tolerance_s // put_back_s
    for number in range(1, rounds + 2):
        assert cause(started) is Cause.NONE, number
        started.counted += put_back_s
        started.store.observe(begin + put_back_s)
        started.store.observe(begin)
    assert started.store.latest_seen == begin + (rounds + 1) * put_back_s
    assert cause(started) is Cause.CLOCK_BEHIND
    started.counted += 4 * DAY_S
    started.store.observe(begin)
    assert started.floor.latest_seen() == started.store.latest_seen, "also after a restart"


def test_a_healthy_clock_is_corrected_and_the_computer_sleeps(started: Any) -> None:
    for wall_s, counted_s in ((60, 60), (-5, 0), (60, 60.5), (60, 59.5), (10 * HOUR_S, 0), (-3, 1), (60, 60)):
        started.now += wall_s
        started.counted += counted_s
        started.store.observe(started.now)
        assert cause(started) is Cause.NONE
    assert 0 <= started.store.latest_seen - started.now < 10


def test_what_could_not_be_written_down_is_not_forgotten(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: float) -> None:
        raise StoreError("trust floor: the disk is full", "free space")

    begin = started.now
    with monkeypatch.context() as patch:
        patch.setattr(started.floor, "saw", full)
        for wall in (begin + HOUR_S, begin):
            with pytest.raises(StoreError, match="disk is full"):
                started.store.observe(wall)
    assert (started.store.latest_seen, started.store.forgotten) == (begin + HOUR_S, None)
    assert cause(started) is Cause.CLOCK_BEHIND


def test_a_list_from_the_future_closes_the_lane_and_is_not_remembered(started: Any) -> None:
    """No import takes it; this one lay in the cache. Nobody could have the gate forget a signed time."""
    started.keepers.publish(started.real + 3000)
    started.cache.install(started.keepers.current())
    assert started.store.refresh(started.now)
    assert cause(started) is Cause.CLOCK_BEHIND_SIGNED
    assert (started.store.latest_seen, started.floor.latest_seen()) == (started.now, started.now)


def test_a_clock_a_little_behind_never_makes_anything_younger(started: Any) -> None:
    closed_at = started.store.current().freshness(Region.HK, started.now).closed_at
    started.store.observe(closed_at)
    assert started.store.current().freshness(Region.HK, closed_at - 100).state is Freshness.CLOSED


def test_a_clock_put_back_is_still_known_after_a_restart(started: Any) -> None:
    started.store.observe(started.now + DAY_S)
    started.store = started.start()
    assert cause(started) is Cause.CLOCK_BEHIND


def test_a_dead_clock_at_the_start(gate: Any) -> None:
    gate.now = 0.0
    gate.store = gate.start()
    assert gate.store.problem is None
    assert cause(gate) is Cause.CLOCK_BEHIND_SIGNED


def test_what_a_region_has_signed_is_a_lower_bound_of_time(gate: Any) -> None:
    """Even on a floor that was made by a clock that was behind."""
    gate.pass_time(HOUR_S)
    gate.keepers.publish(gate.real)
    gate.take()
    gate.floor.forget_time(0)
    gate.now = gate.real - HOUR_S
    gate.store = gate.start()
    assert gate.store.latest_seen == gate.real
    assert cause(gate) is Cause.CLOCK_BEHIND_SIGNED


def test_a_newer_list_moves_the_time_of_the_running_gate(started: Any) -> None:
    """Its clock is a little behind; nothing is judged by an earlier time than the region's."""
    started.real += 100
    started.keepers.publish(started.real)
    started.take()
    assert started.store.refresh(started.now)
    assert started.store.latest_seen == started.real


def test_forgetting_the_time_takes_effect_while_running(started: Any) -> None:
    started.store.observe(started.now + 365 * DAY_S)
    started.store.observe(started.now)
    assert cause(started) is Cause.CLOCK_BEHIND
    started.floor.forget_time(started.now)
    started.store.observe(started.now)
    assert cause(started) is Cause.NONE
    assert started.store.latest_seen == started.now
    assert started.store.forgotten == (started.now + 365 * DAY_S, started.now)
    view = started.store.current()
    assert view.latest == started.now


def test_forgetting_the_time_before_the_clock_is_set_gains_nothing(started: Any) -> None:
    ahead = started.now + 365 * DAY_S
    started.store.observe(ahead)
    started.floor.forget_time(started.now)
    started.store.observe(ahead + PERSIST_EVERY_S)
    assert started.floor.latest_seen() == ahead + PERSIST_EVERY_S


def test_time_that_cannot_be_written_down_is_an_error_until_it_can(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: float) -> None:
        raise StoreError("trust floor: the disk is full", "free space")

    with monkeypatch.context() as patch:
        patch.setattr(started.floor, "saw", full)
        for second in (60, 61):
            with pytest.raises(StoreError, match="disk is full"):
                started.store.observe(started.now + second)
    started.store.observe(started.now + 62)
    assert started.floor.latest_seen() == started.now + 62


def test_a_wiped_floor_is_noticed_within_a_minute(started: Any) -> None:
    os.unlink(started.path / "floor.sqlite")  # noqa: PTH108
    with pytest.raises(StoreError, match="is missing"):
        started.store.observe(started.now + PERSIST_EVERY_S)


def test_observing_from_several_threads(started: Any) -> None:
    walls = [started.now + number * 10 for number in range(60)]
    threads = [threading.Thread(target=lambda part=part: [started.store.observe(wall) for wall in part]) for part in (walls[::2], walls[1::2], walls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert started.store.latest_seen == walls[-1]
