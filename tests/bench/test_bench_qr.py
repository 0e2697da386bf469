import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).with_name("bench_qr.py")


def test_the_bench_runs_and_writes_its_figures(tmp_path):
    figures = tmp_path / "qr.json"
    command = [sys.executable, str(BENCH), "--frames", "2", "--only", "plain, 4 px a module", "tilt 35", "--json", str(figures)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "tilt 35" in ended.stdout
    decoders = json.loads(figures.read_text())["decoders"]
    assert set(decoders) == {"gate", "zxing-cpp", "pyzbar", "cv2 Aruco"}
    assert {name: row["rate"] for name, row in decoders["gate"]["conditions"].items()} == {"plain, 4 px a module": 1.0, "tilt 35": 1.0}
    assert decoders["pyzbar"]["conditions"]["tilt 35"]["rate"] == 0, "what zxing-cpp is there for"
