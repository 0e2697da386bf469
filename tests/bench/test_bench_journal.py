import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).with_name("bench_journal.py")


def test_the_bench_runs_and_writes_its_figures(tmp_path):
    figures = tmp_path / "journal.json"
    command = [sys.executable, str(BENCH), "--rows", "2000", "--appends", "20", "--json", str(figures)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "inclusion proof" in ended.stdout
    written = json.loads(figures.read_text())
    assert written["journal"]["rows"] == 2060
    assert written["measures"]["admit"]["p99_us"] > 0
