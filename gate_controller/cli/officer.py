"""gatectl officer: what an officer may do at a lane, always with an identity.

Does not decide whether the lane's state allows it: the daemon does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gate_controller.cli.socket_option import failures_as_exit_codes, socket_option
from gate_controller.control.client import GateClient


@click.group("officer")
def officer_group() -> None:
    """Answer an officer call, or act on the lane. Every act is journalled with identity, reason and user id."""


def _act(action: str, *, reason_required: bool, help_text: str) -> None:
    def command(socket_path: Path, identity: str, reason: str) -> None:
        with failures_as_exit_codes():
            GateClient(socket_path).officer(action, identity, reason)
        click.echo(f"{action}: accepted")

    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        socket_option,
        click.option("--identity", required=True, callback=_not_empty, help="Who acts: staff number or name as the checkpoint uses it."),
        click.option("--reason", required=reason_required, default="", callback=_not_empty if reason_required else None, help="Why."),
    ]
    decorated: Callable[..., Any] = command
    for option in reversed(options):
        decorated = option(decorated)
    officer_group.command(action, help=help_text)(decorated)


def _not_empty(_context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not value.strip():
        msg = f"--{parameter.name} must not be empty"
        raise click.BadParameter(msg)
    return value


_act("acknowledge", reason_required=False, help_text="Take the pending call.")
_act("assist", reason_required=False, help_text="Take over the traveller inside, who needs help: the checks end, an officer is called.")
_act("release", reason_required=True, help_text="Let whoever is inside through the exit.")
_act("return", reason_required=True, help_text="Send whoever is inside back through the entry.")
_act("rearm", reason_required=False, help_text="Put the lane back into service after an emergency, once the chamber is verified empty.")
