"""The benches of the decisions and of the daemon: their arithmetic, and one whole crossing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.bench import bench_decision
from tests.bench.bench_daemon import after_crossings, by_package
from tests.bench.bench_decision import Crossing, row, rows, verdict
from tests.plug.site import Site


def test_the_stages_add_up_and_the_readers_own_time_is_taken_off() -> None:
    points = {"enter pass_check": 10.05, "enter entry_open": 10.07, "face after CheckEnded": 20.2, "finger after CheckEnded": 20.75, "enter exit_open": 20.76}
    passed = tuple({"point": f"{name} #{number}", "at": at} for name, at in points.items() for number in (1, 2))
    table = {row.what.strip(): row for row in rows([Crossing(10.0, 10.1, 20.0, 20.8, passed)], 700.0)}
    assert {what: row.p50_ms for what, row in table.items()} == {
        "pass in view to entry command": 100.0,
        "camera and decoder": 50.0,
        "pass, enrolment, durable admission": 20.0,
        "board: until the frame is through": 30.0,
        "finger and face to exit command": 800.0,
        "without the reader's own 700 ms": 100.0,
        "face check ended": 200.0,
        "finger check ended": 750.0,
        "board: decision until the frame is through": 40.0,
    }
    assert [row.what for row in table.values() if row.target_ms is not None] == ["pass in view to entry command", "  without the reader's own 700 ms"]


def test_what_was_not_reached_is_counted_apart_and_hides_no_time() -> None:
    line = row("x", [0.9, float("nan"), 0.1, 0.2], 150.0)
    assert (line.repetitions, line.missing, line.p50_ms, line.p95_ms, line.max_ms) == (3, 1, 200.0, 900.0, 900.0)
    assert "NOT MET" in verdict(line)
    assert "1 not reached" in verdict(line)
    assert "NaN" not in json.dumps(asdict(line))
    nothing = row("x", [float("nan")], 150.0)
    assert (nothing.repetitions, nothing.missing, nothing.p95_ms) == (0, 1, None)
    assert "NOT MET" in verdict(nothing)
    assert verdict(row("x", [0.1, 0.12], 150.0)).endswith(": met")


def test_what_was_measured_before_a_crossing_that_did_not_go_on_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def measure(_options: object, table: list[bench_decision.Row]) -> None:
        table.append(row("the first lane's", [0.1], 150.0))
        raise TimeoutError("not in 30 s: EXIT_DOOR opens")

    monkeypatch.setattr(bench_decision, "measure", measure)
    monkeypatch.setattr("sys.argv", ["bench_decision.py", "--json", str(tmp_path / "figures")])
    assert bench_decision.main() == 1
    shown = capsys.readouterr()
    assert "the first lane's" in shown.out
    assert "not in 30 s: EXIT_DOOR opens" in shown.err
    assert json.loads((tmp_path / "figures").read_text())["rows"][0]["p50_ms"] == 100.0


@pytest.mark.lane
def test_the_benches_of_decisions_and_of_the_daemon_cross() -> None:
    with Site() as site:
        memory = after_crossings(site, 1, rest_s=0.0)
    assert 50 < memory["Pss"] <= memory["Rss"]


def test_import_times_are_summed_by_package() -> None:
    written = """timestamp=20:51:53 level=info event=serving
import time: self [us] | cumulative | imported package
import time:      1500 |       9999 |     numpy._core.multiarray
import time:      2600 |       9999 | numpy
import time:     40000 |      40000 | os.path
"""
    assert by_package(written) == {"the standard library": 40, "numpy": 4}
