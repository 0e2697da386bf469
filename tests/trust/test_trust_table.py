"""The table in docs/trust.md names every case's test, and every such test has its row."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "trust.md"
CASES = (
    "test_tuf_rollback.py",
    "test_tuf_metadata.py",
    "test_tuf_malformed.py",
    "test_import_accepted.py",
    "test_import_content.py",
    "test_trust_store.py",
    "test_trust_store_time.py",
)
NO_CASES = {"test_foreign_text_is_one_printable_line", "test_it_is_a_trust"}


def defined(file: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE))


def test_every_case_has_its_row_and_every_row_its_test() -> None:
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT.read_text()))
    everywhere = set().union(*(defined(file) for file in HERE.glob("test_*.py")))
    assert named - everywhere == set()
    assert set().union(*(defined(HERE / file) for file in CASES)) - named == NO_CASES


def test_every_file_that_is_named_is_there() -> None:
    for name in set(re.findall(r"`(test_\w+\.py)`", DOCUMENT.read_text())):
        assert (HERE / name).exists(), name
