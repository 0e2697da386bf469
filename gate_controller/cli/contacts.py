"""gatectl io: what the I/O board reports of the lane. Switches nothing, also where no gate controller runs and the board itself is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from gate_controller.cli.asking import CALL_S, daemon, opened, site_options
from gate_controller.cli.json_output import print_json
from gate_controller.cli.socket_option import one_line
from gate_controller.control.client import GateClient
from gate_controller.core.values import LaneInputs
from gate_controller.diagnostics.site import Site

NAMES = ("entry_door", "exit_door", "entry_beam", "exit_beam", "emergency", "tamper", "occupancy")
EVERY_S = 0.2
_WORDS = {"inactive": "clear"}


@click.group("io")
def io_group() -> None:
    """What the I/O board reports: doors, beams, loops, people counter."""


@io_group.command("show")
@site_options
def show_command(site: Site, as_json: bool) -> None:
    """Every input as it is now; "unknown" where the board does not tell."""
    told = next(_readings(site))
    if as_json:
        print_json({"inputs": told})
        return
    for name, value in told.items():
        click.echo(f"{one_line(name):<12} {one_line(value)}")


@io_group.command("watch")
@site_options
@click.option("--seconds", type=click.FloatRange(min=0), default=None, help="How long; default: until interrupted.")
def watch_command(site: Site, as_json: bool, seconds: float | None) -> None:
    """Each change of an input, as it comes: interrupt a beam, open a door, press the emergency button."""
    before: dict[str, str] = {}
    began = time.monotonic()
    for told in _readings(site):
        changes = {name: value for name, value in told.items() if before.get(name) != value}
        for name, value in changes.items():
            line = {"at_s": round(time.monotonic() - began, 2), "input": name, "is": value, "was": before.get(name)}
            if as_json:
                print_json(line)
            else:
                click.echo(f"{line['at_s']:8.2f} s  {one_line(name):<12} {one_line(value)}")
        before = told
        if seconds is not None and time.monotonic() >= began + seconds:
            return
        time.sleep(EVERY_S)


def _readings(site: Site) -> Iterator[dict[str, str]]:
    """Inputs by name, over and over.

    Raises:
        GateError: Neither the gate controller nor the board tells them.
    """
    client = daemon(site)
    if client is not None:
        while True:
            yield _told_by(client)
    with opened(site, "io_board", to_look=True) as board:
        while True:
            yield words(board.read(site.clock.monotonic() + CALL_S))


def _told_by(client: GateClient) -> dict[str, str]:
    inputs: dict[str, Any] = client.diagnostics().get("inputs", {})
    return {str(name): str(value) for name, value in inputs.items()}


def words(inputs: LaneInputs) -> dict[str, str]:
    """The inputs in the words of the control API: beams and loops are "clear", "active" or "unknown"."""
    values = {name: str(getattr(inputs, name).value) for name in NAMES}
    return {name: _WORDS.get(value, value) for name, value in values.items()}
