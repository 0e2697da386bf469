"""Who asks, and in which roles: by the kernel's word (SO_PEERCRED) and the groups of the machine.

Roles are a set, not a ladder: an engineer does not release travellers, an officer does not open the devices. Every role may read. Root and the
user that the gate runs as have all of them: both could do as they like with the process anyway. Does not decide what a role may do: routes.py does.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from asyncio.trsock import TransportSocket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Role(Enum):
    """What somebody at the control socket is."""

    READ = "read"
    OPERATOR = "operator"
    OFFICER = "officer"
    ENGINEER = "engineer"


DEFAULT_GROUPS: Mapping[Role, str] = MappingProxyType({role: f"gate-{role.value}" for role in Role})
"""The group of the machine that stands for each role, unless gate.toml names another."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The process at the other end of a connection, as it was when it connected.

    Attributes:
        uid: Its effective user id.
        roles: Its roles; none: it may ask who it is, and nothing else.
        user: The user's name on this machine; empty where it was not looked up, or the database knows none.
    """

    uid: int
    roles: frozenset[Role]
    user: str = ""

    @property
    def names(self) -> list[str]:
        """The roles' names, in the order of Role."""
        return [role.value for role in Role if role in self.roles]


def caller(connection: socket.socket | TransportSocket, groups: Mapping[Role, str] = DEFAULT_GROUPS) -> Caller:
    """Who is at the other end of a unix socket. May ask the machine's user database, which may block: not for an event loop.

    A group that does not exist gives nobody its role. A user counts as member as the database says now, so that who was put into a group, or
    taken out of it, need not log in anew.

    Args:
        connection: A connected unix socket (SO_PEERCRED, unix(7)).
        groups: The group of each role.
    """
    return caller_as(*credentials(connection), groups)


def caller_as(uid: int, gid: int, groups: Mapping[Role, str]) -> Caller:
    """The same for what the kernel said of the connection. For the process that serves: its own user has all roles."""
    return Caller(uid, frozenset(Role)) if uid == os.geteuid() != 0 else caller_by_groups(uid, gid, groups)


def caller_by_groups(uid: int, gid: int, groups: Mapping[Role, str]) -> Caller:
    """The same for any process: root has all roles, everybody else those of their groups."""
    if uid == 0:
        return Caller(uid, frozenset(Role), "root")
    user, member_of = _groups_of(uid, gid)
    found = {role for role, name in groups.items() if _gid(name) in member_of}
    return Caller(uid, frozenset(found | {Role.READ} if found else ()), user)


def credentials(connection: socket.socket | TransportSocket) -> tuple[int, int]:
    """User and group of the process at the other end, as the kernel keeps them. Blocks nobody."""
    _pid, uid, gid = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII")))
    return int(uid), int(gid)


def _groups_of(uid: int, gid: int) -> tuple[str, set[int]]:
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return "", {gid}  # a user whom the database does not know: only what the kernel says
    return user.pw_name, {gid, *os.getgrouplist(user.pw_name, user.pw_gid)}


def _gid(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
