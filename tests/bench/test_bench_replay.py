import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).with_name("bench_replay.py")


def test_the_bench_runs_and_writes_its_figures(tmp_path):
    figures = tmp_path / "replay.json"
    command = [sys.executable, str(BENCH), "--rows", "300", "--claims", "20", "--json", str(figures)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "check, used pass" in ended.stdout
    written = json.loads(figures.read_text())
    assert written["memory"]["rows"] == 300
    assert written["measures"]["claim, full memory"]["p99_us"] > 0
