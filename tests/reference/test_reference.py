"""The reference is current, and nothing that a person can meet is left out of it."""

from __future__ import annotations

import re

import click
import pytest

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.core.reasons import Reason
from tests.reference import DIRECTORY
from tests.reference.found import FEED, JOURNAL, kinds
from tests.reference.pages import PAGES, _groups, commands, exit_meanings, told_events, told_json


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name):
    assert (DIRECTORY / name).read_text() == PAGES[name](), "run make reference"


def test_every_command_has_its_place():
    page = (DIRECTORY / "commands.md").read_text()
    named = [f"## {context.command_path}\n" for context, command in commands() if not isinstance(command, click.Group)]
    assert len(named) > 50
    assert [each for each in named if each not in page] == []


def test_every_command_with_json_has_its_fields_and_no_other():
    takes = {
        context.command_path.removeprefix("gatectl ")
        for context, command in commands()
        if any("--json" in each.opts for each in command.params) and context.command_path != "gatectl"
    }
    assert {command for each in told_json()["objects"] for command in each["commands"]} == takes
    assert len(takes) > 50


def test_every_option_has_its_place():
    page = (DIRECTORY / "commands.md").read_text()
    options = {option for _, command in commands() for each in command.params if isinstance(each, click.Option) and not each.hidden for option in each.opts}
    assert {option for option in options if option not in page} == set()


@pytest.mark.parametrize("where", [FEED, JOURNAL])
def test_every_kind_of_event_is_told_and_no_other(where):
    assert set(told_events()[where]) == {each.kind for each in kinds() if each.where == where}


def test_fields_are_those_of_the_source():
    told = {(where, kind): set(each["fields"]) for where, events in told_events().items() for kind, each in events.items()}
    made = [each for each in kinds() if each.fields is not None]
    assert [(each.kind, sorted(each.fields)) for each in made if not each.fields <= told[each.where, each.kind]] == []
    assert len(made) > 20


def test_every_reason_has_its_place():
    assert [reason for _, members in _groups() for reason in members] == list(Reason)


def test_every_exit_code_has_a_meaning():
    assert exit_meanings().keys() == set(ExitCode)


def test_every_key_of_the_configuration_says_what_it_is():
    rows = [line.split(" | ") for line in (DIRECTORY / "configuration.md").read_text().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row[0] for row in rows if not row[1].strip() or not row[2].strip()] == []


@pytest.mark.parametrize("page", ["gatectl.md", *(f"{DIRECTORY.name}/{name}" for name in PAGES)])
def test_links_lead_somewhere(page):
    path = DIRECTORY.parent / page
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        file, _, anchor = target.partition("#")
        found = path.parent / file if file else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.read_text()), target


def anchors(text):
    """Headings as links name them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
