"""gatectl officer: the calls of a lane, and what an officer may do there, always with an identity.

An act names the call that the officer was shown, so that it is never carried out on whoever came after. Does not decide whether the lane's state allows
it: the daemon does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gate_controller.cli.json_output import print_json
from gate_controller.cli.socket_option import one_line, socket_option
from gate_controller.control.client import DaemonUnreachableError, GateClient
from gate_controller.ports.control import MOVES_PEOPLE, JsonObject
from gate_controller.ports.errors import GateError, RefusedByStateError

NOBODY_CALLED = 0
"""In place of a call's number."""


class CallNumber(click.ParamType[int]):
    """A call's number, or "none"."""

    name = "number|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See click.ParamType."""
        if value == "none":
            return NOBODY_CALLED
        return click.IntRange(min=1).convert(value, param, ctx)


@click.group("officer")
def officer_group() -> None:
    """Answer an officer call, or act on the lane. Every act is journalled with identity, reason and user id."""


def not_empty(_context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Refuse an option without text, as a mistake of usage."""
    if not value.strip():
        msg = f"--{parameter.name} must not be empty"
        raise click.BadParameter(msg)
    return value


identity_option = click.option("--identity", required=True, callback=not_empty, help="Who acts: staff number or name as the checkpoint uses it.")
json_option = click.option("as_json", "--json", is_flag=True, help="Print the gate controller's answer as one JSON object.")


@officer_group.command("calls")
@socket_option
@click.option(
    "as_json", "--json", is_flag=True, help='One JSON object: {"calls": [{"number", "reason", "since_s", "acknowledged", "escalations", "state", "prompt"}]}.'
)
def calls_command(socket_path: Path, as_json: bool) -> None:
    """The calls that are not ended: why, since when, and who has taken them."""
    calls = GateClient(socket_path).calls()
    if as_json:
        print_json({"calls": calls})
        return
    for call in calls:
        for line in _lines(call):
            click.echo(line)
    if not calls:
        click.echo("no officer is called")


def _act(action: str, *, reason_required: bool, help_text: str) -> None:
    def command(socket_path: Path, identity: str, reason: str, call: int | None, as_json: bool) -> None:
        client = GateClient(socket_path)
        answered = _meant(client, action) if call is None else call
        try:
            answer = client.officer(action, identity, reason, answered)
        except RefusedByStateError as error:
            raise _refused(client, answered, error) from error
        if as_json:
            print_json(answer)
        else:
            click.echo(f"{action}: accepted")

    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        socket_option,
        identity_option,
        click.option("--reason", required=reason_required, default="", callback=not_empty if reason_required else None, help="Why."),
        click.option(
            "--call",
            type=CallNumber(),
            default=None,
            help="Number of the call it answers (officer calls), or none: nobody is called; refused if that is not so by then. Without it, the pending call is shown first"
            + (", and on a terminal you are asked; a script must give it." if action in MOVES_PEOPLE else "."),
        ),
        json_option,
    ]
    decorated: Callable[..., Any] = command
    for option in reversed(options):
        decorated = option(decorated)
    officer_group.command(action, help=help_text)(decorated)


def _refused(client: GateClient, answered: int | None, error: RefusedByStateError) -> RefusedByStateError:
    """The refusal, with what is pending by now where the act was for something else."""
    if answered is None:
        return error
    try:
        calls = client.calls()
    except GateError:
        return error
    if [call.get("number") for call in calls] == ([answered] if answered else []):
        return error
    now = " and ".join(f"call {one_line(call.get('number'))} ({one_line(call.get('reason'))})" for call in calls)
    since = f"call {answered} is not pending, {f'but {now}' if now else 'and nobody is called'}" if answered else f"an officer has been called since: {now}"
    return RefusedByStateError(f"{error.what}; {since}", error.remedy)


def _meant(client: GateClient, action: str) -> int | None:
    """The number of the call that is pending, shown first; None where none is. What moves somebody is asked about, as the call may not be the one in mind.

    Raises:
        click.UsageError: Nobody can be asked, or more than one call is pending.
        RefusedByStateError: None was pending when asked about, and one is by now.
        DaemonUnreachableError: The gate controller does not number its calls, and the act moves somebody.
    """
    calls = client.calls()
    for line in (line for call in calls for line in _lines(call)):
        click.echo(line, err=True)
    if not calls:
        click.echo("no officer is called: this is for whoever is in the lane", err=True)
    if len(calls) > 1:
        raise click.UsageError("more than one call is pending: say which with --call NUMBER")
    if action in MOVES_PEOPLE:
        if not sys.stdin.isatty():
            raise click.UsageError("say which call it answers: --call NUMBER, as shown" if calls else "nobody is called: if that is meant, say --call none")
        click.confirm(f"{action} {'whom this call is about' if calls else 'whoever is inside'}?", abort=True, err=True)
        if not calls and client.calls():
            raise RefusedByStateError("an officer has been called since: nothing was done", "look at it: gatectl officer calls")
    if not calls:
        return NOBODY_CALLED
    number = calls[0].get("number")
    if type(number) is int:
        return number
    if action in MOVES_PEOPLE:  # without a number it would be for whoever is inside by then
        raise DaemonUnreachableError("the pending call has no number: nothing was done", "gatectl and the gate controller must be of the same version")
    return None


def _lines(call: JsonObject) -> list[str]:
    taken = f"acknowledged by {one_line(call['acknowledged'])}" if call.get("acknowledged") else "NOT ACKNOWLEDGED"
    return [
        f"call {one_line(call.get('number'))}: {one_line(call.get('reason'))} for {one_line(call.get('since_s'))} s, {taken}, escalations {one_line(call.get('escalations'))}",
        f"  lane {one_line(call.get('state'))}, the traveller sees {one_line(call.get('prompt'))}",
    ]


_act("acknowledge", reason_required=False, help_text="Take the pending call.")
_act("assist", reason_required=False, help_text="Take over the traveller inside, who needs help: the checks end, an officer is called.")
_act("release", reason_required=True, help_text="Let whoever is inside through the exit.")
_act("return", reason_required=True, help_text="Send whoever is inside back through the entry.")
_act("rearm", reason_required=False, help_text="Put the lane back into service after an emergency, once the chamber is verified empty.")
