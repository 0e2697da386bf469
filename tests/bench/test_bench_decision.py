"""The bench of the decisions: its arithmetic, and one whole crossing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.bench_decision import Crossing, rows

BENCH = Path(__file__).with_name("bench_decision.py")


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


@pytest.mark.lane
def test_the_bench_crosses_and_writes_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "decision.json"
    command = [sys.executable, str(BENCH), "--repetitions", "1", "--imaging-ms", "20", "--extraction-ms", "30", "--json", str(figures)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "pass in view to entry command" in ended.stdout
    written = json.loads(figures.read_text())["rows"]
    assert all(row["p50_ms"] > 0 for row in written)
