"""The mutants that no check can find, and why: equivalent.toml. A reason may stand for several mutants."""

from __future__ import annotations

import tomllib
from pathlib import Path

DATA = Path(__file__).with_name("equivalent.toml")


def groups() -> list[tuple[str, list[str]]]:
    """Each reason with the ids of its mutants, in the order of the file."""
    return [(each["why"], each["mutants"]) for each in tomllib.loads(DATA.read_text()).get("equivalent", [])]


def explained() -> dict[str, str]:
    """Reasons by mutant id."""
    return {mutant: why for why, ids in groups() for mutant in ids}
