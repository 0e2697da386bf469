"""gatectl maintenance: an engineer takes the lane, or gives it back. Whether the lane's state allows it, the gate controller decides."""

from __future__ import annotations

from pathlib import Path

import click

from gate_controller.cli.json_output import print_json
from gate_controller.cli.officer import identity_option, json_option, not_empty
from gate_controller.cli.socket_option import socket_option
from gate_controller.control.client import GateClient

reason_option = click.option("--reason", required=True, callback=not_empty, help="Why.")


@click.group("maintenance")
def maintenance_group() -> None:
    """Take the lane for maintenance, or give it back. Journalled with identity, reason and user id."""


@maintenance_group.command("on")
@socket_option
@identity_option
@reason_option
@json_option
def on_command(socket_path: Path, identity: str, reason: str, as_json: bool) -> None:
    """Close the lane and let its devices be tried; refused while somebody is inside.

    Exit code: 0 done, 4 no gate controller runs, 5 not an engineer, 7 refused by the lane's state.
    """
    _ask(socket_path, on=True, identity=identity, reason=reason, as_json=as_json)


@maintenance_group.command("off")
@socket_option
@identity_option
@reason_option
@json_option
def off_command(socket_path: Path, identity: str, reason: str, as_json: bool) -> None:
    """Give the lane back; it comes into service once it is verified empty and shut.

    Exit code: as `on`.
    """
    _ask(socket_path, on=False, identity=identity, reason=reason, as_json=as_json)


def _ask(socket_path: Path, *, on: bool, identity: str, reason: str, as_json: bool) -> None:
    answer = GateClient(socket_path).maintenance(on, identity, reason)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"maintenance {'on' if on else 'off'}: accepted")
