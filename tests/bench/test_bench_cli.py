import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).with_name("bench_cli.py")


def test_the_bench_runs_and_writes_its_figures(tmp_path):
    figures = tmp_path / "cli.json"
    ended = subprocess.run([sys.executable, str(BENCH), "--runs", "1", "--json", str(figures)], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "gatectl status" in ended.stdout
    assert json.loads(figures.read_text())["commands"]["gatectl --help"]["p50_ms"] > 0
