"""gatectl whoami: whom the gate controller takes this user for, and what follows from it, act by act.

Does not change a role: the machine's groups do, and root puts people into them. Does not look the user up here where the gate answers: its socket may come
from another machine, where the same number is somebody else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from gate_controller.cli.json_output import print_json
from gate_controller.cli.socket_option import one_line, socket_option
from gate_controller.control.client import DaemonUnreachableError, GateClient, NotPermittedError
from gate_controller.control.roles import DEFAULT_GROUPS, Caller, Role, caller_by_groups
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import GateError

MAY = {
    Role.READ: "status, events, metrics, lanes",
    Role.OPERATOR: "officer calls, acknowledge, assist",
    Role.OFFICER: "officer calls, acknowledge, assist, release, return, rearm",
    Role.ENGINEER: "maintenance, doctor's questions to the controller, device tests, camera, io, bundle",
}
"""What each role is good for, in gatectl's words."""
_READERS, _AT_CALLS, _OFFICERS, _ENGINEERS = (Role.READ,), (Role.OPERATOR, Role.OFFICER), (Role.OFFICER,), (Role.ENGINEER,)
ACTS: Mapping[str, tuple[Role, ...]] = {
    "status": _READERS,
    "events": _READERS,
    "officer calls": _AT_CALLS,
    "officer acknowledge": _AT_CALLS,
    "officer assist": _AT_CALLS,
    "officer release": _OFFICERS,
    "officer return": _OFFICERS,
    "officer rearm": _OFFICERS,
    "maintenance": _ENGINEERS,
    "diagnostics": _ENGINEERS,
    "device tests": _ENGINEERS,
    "camera snapshot": _ENGINEERS,
}
"""Which roles allow what, any of them; a test holds it against control.routes, which takes long to import."""


@click.command("whoami")
@socket_option
@click.option("as_json", "--json", is_flag=True, help="Print one JSON object.")
def whoami_command(socket_path: Path, as_json: bool) -> None:
    """Show your roles on this gate, for each act whether you may, and which group would let you.

    Where no gate controller answers (exit code 4), or none lets you ask (5), this machine's groups are told instead, and that they are.
    """
    unanswered: GateError | None = None
    try:
        told = _by_the_gate(GateClient(socket_path).whoami())
    except (DaemonUnreachableError, NotPermittedError) as error:
        unanswered = error
        told = _as_told("local", caller_by_groups(os.geteuid(), os.getegid(), DEFAULT_GROUPS), DEFAULT_GROUPS)
    if as_json:
        print_json(told)
    else:
        for line in _lines(told):
            click.echo(line)
        if isinstance(unanswered, NotPermittedError) and told["roles"]:
            click.echo("A group counts at the socket once you have logged in anew.")
    if unanswered is not None:
        raise unanswered


def _by_the_gate(answer: JsonObject) -> JsonObject:
    """What the gate says; of an older version without the name, and without the groups."""
    uid, roles, groups = answer.get("uid"), answer.get("roles"), answer.get("groups")
    if not isinstance(uid, int) or not isinstance(roles, list):
        raise DaemonUnreachableError("the gate controller does not say who asks", "gatectl and the gate controller must be of the same version")
    known = groups if isinstance(groups, dict) else {}
    named = {role: str(known.get(role.value) or DEFAULT_GROUPS[role]) for role in Role}
    return _as_told("gate", Caller(uid, frozenset(role for role in Role if role.value in roles), str(answer.get("user") or "")), named)


def _as_told(source: str, caller: Caller, groups: Mapping[Role, str]) -> JsonObject:
    acts = [
        {"act": act, "allowed": bool(caller.roles & set(roles)), "groups": [groups[role] for role in (tuple(Role) if roles == _READERS else roles)]}
        for act, roles in ACTS.items()
    ]
    may = {role.value: MAY[role] for role in Role if role in caller.roles}
    of_roles = {role.value: group for role, group in groups.items()}
    return {"source": source, "uid": caller.uid, "user": caller.user, "roles": caller.names, "groups": of_roles, "may": may, "acts": acts}


def _lines(told: JsonObject) -> list[str]:
    """For people."""
    lines = ["No gate controller was asked: this is what this machine's groups say, as shipped."] if told["source"] == "local" else []
    user = one_line(told["user"])
    lines.append(f"{user or '(no name)'} (user {told['uid']}): {', '.join(told['roles']) or 'no role on this gate'}")
    lines += [f"  {each['act']:<20} {'yes' if each['allowed'] else 'no; by the group ' + one_line(' or '.join(each['groups']))}" for each in told["acts"]]
    if not all(each["allowed"] for each in told["acts"]):
        lines.append(f"Root gives a group at the gate: sudo adduser {user or 'USER'} GROUP")
    return lines
