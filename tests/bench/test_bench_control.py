"""The bench of the control socket's load: its arithmetic. `python tests/bench/bench_control.py --crossings 4 --block 2 --readers 4` crosses."""

import pytest

from tests.bench.bench_control import IDENTITY, PASS, percentile, rows


def test_the_ratio_is_of_the_95th_percentiles_with_load_to_without():
    off = [{PASS: 0.1, IDENTITY: 0.2}] * 20
    on = [{PASS: 0.12, IDENTITY: 0.2}] * 18 + [{PASS: 0.15, IDENTITY: 0.3}] * 2
    found = {row.what: row for row in rows({False: off, True: on})}
    assert found[PASS].ratio == pytest.approx(1.5)
    assert (found[IDENTITY].p50_off_ms, found[IDENTITY].p95_on_ms) == (200.0, 300.0)
    assert (found[PASS].n_off, found[PASS].n_on, found[PASS].missing) == (20, 20, 0)


def test_what_was_not_reached_is_counted_apart():
    (first, second) = rows({False: [{PASS: 0.1}], True: [{PASS: 0.1, IDENTITY: 0.2}]})
    assert (first.missing, second.missing, second.n_off, second.n_on) == (0, 1, 0, 1)
    assert second.ratio == float("inf")


def test_percentiles_are_of_what_was_measured():
    assert percentile([0.001 * number for number in range(100)], 0.95) == 95.0
    assert percentile([0.002], 0.95) == 2.0
