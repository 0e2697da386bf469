"""What the checks said of each mutant, kept under build/ so that a run that was interrupted goes on where it was.

A result counts only for the very sources it was found with: the core's and the check's. What found a mutant at other times is a hint which test, search or
episode to try first, and no more. Decides nothing.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from tests.mutation.checks import CHECKS, EXPLORATION, PROPERTIES, SIMULATION, TESTS
from tests.mutation.mutant import Mutant
from tests.mutation.workshop import Verdict

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "mutation.jsonl"
CORE = "gate_controller/core"
SOURCES = {
    TESTS: ("tests/core",),
    PROPERTIES: ("tests/core", "tests/exploration"),
    EXPLORATION: ("tests/exploration",),
    SIMULATION: ("simulators/virtual",),
}
HELPERS = ("tests/core/conftest.py", "tests/core/scenes.py")
ALWAYS = (CORE, "tests/mutation/checks.py", "tests/mutation/mutant.py", "tests/mutation/rows.py", "tests/mutation/code.py")


class Results:
    """Verdicts by mutant and check, from the file and added to it."""

    def __init__(self, path: Path = KEPT) -> None:
        self._path = path
        self._verdicts: dict[tuple[str, str], Verdict] = {}
        self._hints: dict[tuple[str, str], str] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text().splitlines() if path.exists() else ():
            kept = json.loads(line)
            place = kept["mutant"], kept["check"]
            if kept["by"] is not None:
                self._hints[place] = kept["by"]
            if kept["check"] in CHECKS and kept["key"] == key(kept["check"], kept["by"]):
                self._verdicts[place] = Verdict(kept["by"], kept["cpu_s"])

    def of(self, mutant: str, check: str) -> Verdict | None:
        """What the check said, or None if it was not asked, or of other sources."""
        return self._verdicts.get((mutant, check))

    def hint(self, mutant: str, check: str) -> str | None:
        """What found it last time."""
        return self._hints.get((mutant, check))

    def was_found(self, mutant: Mutant) -> bool:
        """Whether anything found it at any time."""
        return any((mutant.id, check) in self._hints for check in CHECKS)

    def keep(self, mutant: str, check: str, verdict: Verdict) -> None:
        """Add one; it is on the disk when this returns."""
        self._verdicts[mutant, check] = verdict
        line = {"mutant": mutant, "check": check, "by": verdict.by, "cpu_s": round(verdict.cpu_s, 2), "key": key(check, verdict.by)}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


@cache
def key(check: str, by: str | None) -> str:
    """Digest of all that such a verdict depends on. A mutant that one test found stays found while that test's file is the same, whatever tests are added."""
    test, found_by_a_test, _ = (by or "").partition("::")
    places = (*HELPERS, f"tests/core/{test}") if check == TESTS and found_by_a_test else SOURCES[check]
    digest = hashlib.sha256()
    for place in (*ALWAYS, *places):
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else (path,):
            digest.update(str(file.relative_to(ROOT)).encode() + (file.read_bytes() if file.exists() else b""))
    return digest.hexdigest()[:16]
