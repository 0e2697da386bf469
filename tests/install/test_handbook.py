"""The field handbook has every reason that a gate can give, and its own links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from gate_controller.cli.main import gatectl
from gate_controller.core.reasons import Reason

DOCS = Path(__file__).parents[2] / "docs"
HANDBOOK = (DOCS / "handbook.md").read_text()


def anchors(text: str) -> set[str]:
    """Headings as links name them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_reason_is_in_it():
    tables = HANDBOOK[HANDBOOK.index("## Reasons that close a lane") :]
    assert {reason.code for reason in Reason if f"`{reason.code}`" not in tables} == set()


def test_it_names_no_reason_that_there_is_not():
    tables = HANDBOOK[HANDBOOK.index("## Reasons that close a lane") :]
    named = {code for code in re.findall(r"`([a-z_0-9]+)`", tables) if "_" in code}
    assert named <= {reason.code for reason in Reason}


@pytest.mark.parametrize("page", ["handbook.md", "installing.md"])
def test_links_lead_somewhere(page):
    text = (DOCS / page).read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        found = DOCS / file if file else DOCS / page
        assert found.is_file(), target
        assert not anchor or anchor in anchors(found.read_text()), target


@pytest.mark.parametrize("page", ["handbook.md", "installing.md"])
def test_every_command_that_it_gives_exists(page):
    text = (DOCS / page).read_text()
    code = "\n".join([*re.findall(r"```\n(.*?)```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)])
    given = set(re.findall(r"\bgatectl ([a-z]+)(?: ([a-z-]+))?", code)) | {("enrolment", sub) for sub in re.findall(r"\brun enrolment ([a-z]+)", code)}
    assert len(given) > 10
    for name, sub in given:
        command = gatectl.get_command(None, name)
        assert command is not None, name
        if sub and not sub.startswith("-") and isinstance(command, click.Group):
            assert sub in command.commands, f"{name} {sub}"
