"""Some two hundred kills in the suite; `make kill` has more. And that the loop would notice what it is there to notice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LOOP = Path(__file__).with_name("kill_loop.py")


@pytest.mark.invariant("INV-8")
@pytest.mark.parametrize(("trial", "loops"), [("pass use", 160), ("key import", 40), ("enrolment import", 24)])
def test_kill_9_at_random_points(trial: str, loops: int, tmp_path: Path) -> None:
    figures = tmp_path / "kill.json"
    command = [sys.executable, str(LOOP), "--only", trial, "--loops", str(loops), "--seed", "7", "--records", "100", "--json", str(figures)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads(figures.read_text())["trials"][trial]
    assert found["kills"] == loops
    assert found["violations"] == []
    # Not before and after the work, but amid it.
    assert sum(counts["random"] + counts["before_a_step"] for state, counts in found["killed_in"].items() if state != "starting") > loops / 2
    assert sum(counts["before_a_step"] > 0 for counts in found["killed_in"].values()) >= 4
    if trial == "enrolment import":
        for kind in ("snapshot", "delta"):
            assert sum(sum(counts.values()) for state, counts in found["killed_in"].items() if state.startswith(kind)) >= loops / 6


FORGETFUL = """
from gate_controller.passes import replay
replay.SqliteReplayMemory._bound = lambda self: self._db.execute("ROLLBACK") and self._db.execute("BEGIN")
"""
NAMED_TOO_EARLY = """
import shutil
from gate_controller.trust.cache import TrustCache
def install(self, files):
    name = "generation-2" if self.token().startswith("generation-1") else "generation-1"
    shutil.rmtree(self.path / name, ignore_errors=True)
    (self.path / "current").write_text(f"{name}\\n")
    for file, content in files.items():
        path = self.path / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return name
TrustCache.install = install
"""


SWAPPED_TOO_EARLY = """
from gate_controller.enrolment import importing
begin = importing.Draft._begin
def early(self, master):
    begin(self, master)
    importing.EnrolmentDirectory(self._path.parent).swap(importing.Region.HK, self._path)
importing.Draft._begin = early
"""


@pytest.mark.parametrize(
    ("trial", "broken", "violation"),
    [
        ("pass use", FORGETFUL, "the memory says"),
        ("key import", NAMED_TOO_EARLY, "the cache cannot be loaded"),
        ("enrolment import", SWAPPED_TOO_EARLY, "a gate cannot start"),
    ],
)
def test_the_loop_notices_what_is_broken(trial: str, broken: str, violation: str) -> None:
    program = f"import sys\nsys.path.insert(0, {str(LOOP.parents[2])!r})\n{broken}\nfrom tests.kill.kill_loop import main\nsys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", program, "--only", trial, "--loops", "100", "--records", "100"], capture_output=True, text=True, timeout=900, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert "VIOLATION" in ended.stdout
    assert violation in ended.stdout
