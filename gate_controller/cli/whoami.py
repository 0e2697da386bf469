"""gatectl whoami: whom the gate controller takes this user for, and what follows from it.

Does not change a role: the machine's groups do, and root puts people into them.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import click

from gate_controller.cli.json_output import print_json
from gate_controller.cli.socket_option import one_line, socket_option
from gate_controller.control.client import DaemonUnreachableError, GateClient
from gate_controller.control.roles import DEFAULT_GROUPS, Role, caller_as
from gate_controller.ports.errors import GateError

MAY = {
    Role.READ: "status, events, metrics, lanes",
    Role.OPERATOR: "officer calls, acknowledge, assist",
    Role.OFFICER: "officer calls, acknowledge, assist, release, return, rearm",
    Role.ENGINEER: "maintenance, doctor's questions to the controller, device tests, camera, io, bundle",
}
"""What each role is good for, in gatectl's words."""


@click.command("whoami")
@socket_option
@click.option("as_json", "--json", is_flag=True, help="Print one JSON object.")
def whoami_command(socket_path: Path, as_json: bool) -> None:
    """Show your roles on this gate, what they allow, and which group would give another.

    Where no gate controller answers, the roles are those of this machine's groups, and the exit code is 4.
    """
    unreachable: GateError | None = None
    try:
        found = GateClient(socket_path).whoami()
        uid, roles = found.get("uid"), [role for role in Role if role.value in found.get("roles", [])]
    except DaemonUnreachableError as error:
        unreachable = error
        here = caller_as(os.geteuid(), os.getegid(), DEFAULT_GROUPS)
        uid, roles = here.uid, [role for role in Role if role in here.roles]
    if as_json and unreachable is None:
        print_json({"uid": uid, "user": _name(uid), "roles": [role.value for role in roles], "may": {role.value: MAY[role] for role in roles}})
    elif not as_json:
        click.echo(f"{_name(uid)} (user {one_line(uid)}): {', '.join(role.value for role in roles) or 'no role on this gate'}")
        for role in Role:
            if role in roles:
                click.echo(f"  {role.value:<9} yes: {MAY[role]}")
            else:
                click.echo(f"  {role.value:<9} no; for {MAY[role]}: sudo adduser {_name(uid)} {DEFAULT_GROUPS[role]}, and log in anew")
    if unreachable is not None:
        raise unreachable


def _name(uid: object) -> str:
    try:
        return pwd.getpwuid(uid).pw_name if isinstance(uid, int) else "?"
    except KeyError:
        return f"user-{uid}"
