"""The bench of the fingerprint reader runs, and bytes take at least their time on the line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).with_name("bench_fingerprint.py")


@pytest.mark.wire
def test_the_bench_runs_and_is_never_faster_than_the_line(tmp_path: Path) -> None:
    figures = tmp_path / "fingerprint.json"
    command = [sys.executable, str(BENCH), "--rounds", "1", "--family", "zfm20", "--json", str(figures)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "DownChar" in ended.stdout
    results = json.loads(figures.read_text())["results"]
    assert [(row["family"], row["template_bytes"], row["baud"]) for row in results] == [("zfm20", 512, 57600), ("zfm20", 512, 115200)]
    for row in results:
        for name in ("load_reference", "preloaded", "not_preloaded"):
            assert row[name]["p50_ms"] >= row[name]["limit_ms"] * 0.99, name
