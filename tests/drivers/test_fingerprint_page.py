"""docs/fingerprint.md names every fault of the simulated module, and only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from simulators.fingerprint.faults import FAULTS

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "fingerprint.md").read_text(encoding="utf-8")
FILES = {"tests/drivers/test_fingerprint_quirks.py", *re.findall(r"`(tests/[a-z_/]+\.py)", PAGE)}


def test_every_fault_is_in_the_table() -> None:
    assert [name for name in FAULTS if f"`{name}`" not in PAGE] == []


def test_every_test_it_names_exists() -> None:
    code = "".join((TOP / file).read_text(encoding="utf-8") for file in FILES)
    named = re.findall(r"[`:](test_[a-z0-9_]+)`", PAGE)
    assert len(named) > 30
    assert [test for test in named if f"def {test}(" not in code] == []
