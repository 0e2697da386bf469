import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).with_name("bench_enrolment.py")


def test_the_bench_runs_and_writes_its_figures(tmp_path):
    figures = tmp_path / "enrolment.json"
    command = [sys.executable, str(BENCH), "--records", "200", "--changed", "20", "--lookups", "20", "--json", str(figures), "--directory", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "found, cold" in ended.stdout
    written = json.loads(figures.read_text())
    assert written["imports"]["HK delta"]["entries"] == 20
    assert written["lookups"]["found, warm"]["p99_us"] > 0
