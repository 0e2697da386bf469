"""Who may do what: the caller's roles by user and groups, each call for each role, and every act on record."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import socket
import threading
from types import SimpleNamespace

import pytest
import structlog

from gate_controller.control import roles
from gate_controller.control.act_log import BURST, REFILL_S, Act, ActLog
from gate_controller.control.client import NotPermittedError
from gate_controller.control.roles import Caller, Role, caller
from gate_controller.control.routes import ROUTES
from gate_controller.ports.errors import RefusedByStateError

UID, GID = 4711, 4712
GIDS = {"gate-read": 51, "gate-operator": 52, "gate-officer": 53, "gate-engineer": 54}
ALL = ["read", "operator", "officer", "engineer"]


@pytest.fixture
def machine(monkeypatch):
    """A user database of this test's, and a peer that is not root. `of_user` are the groups the database has the user in."""
    database = SimpleNamespace(of_user=[GID], known=True, groups=dict(GIDS), gid=GID)

    def getgrnam(name):
        return SimpleNamespace(gr_gid=database.groups[name])

    def getpwuid(uid):
        if not database.known:
            raise KeyError(uid)
        return SimpleNamespace(pw_name="somebody", pw_gid=GID)

    monkeypatch.setattr(roles, "credentials", lambda _connection: (UID, database.gid))
    monkeypatch.setattr(grp, "getgrnam", getgrnam)
    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    monkeypatch.setattr(os, "getgrouplist", lambda _name, _gid: database.of_user)
    return database


@pytest.fixture
def as_role(monkeypatch):
    """Let every caller have these roles."""

    def become(*found):
        names = frozenset(found) | ({Role.READ} if found else frozenset())
        monkeypatch.setattr("gate_controller.control.requests.caller_as", lambda _uid, _gid, _groups: Caller(UID, names))

    return become


# -- who ---------------------------------------------------------------------------------------------------------------


def test_the_user_is_the_one_that_connected(open_directory, without_root):
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(open_directory / "s"))
        listener.listen()
        (open_directory / "s").chmod(0o666)
        with without_root():
            expected = os.geteuid()
            client.connect(str(open_directory / "s"))
        connection, _ = listener.accept()
        with connection:
            assert caller(connection).uid == expected


def test_root_and_the_gates_own_user_have_every_role(monkeypatch):
    one, other = socket.socketpair()
    with one, other:
        for uid in (0, os.geteuid()):
            monkeypatch.setattr(roles, "credentials", lambda _connection, uid=uid: (uid, uid))
            assert caller(one).names == ALL


@pytest.mark.parametrize("role", list(Role))
def test_a_group_gives_its_role_and_reading_and_nothing_else(machine, role):
    machine.of_user = [GID, GIDS[f"gate-{role.value}"]]
    assert caller(None).roles == {Role.READ, role}


def test_roles_are_a_set_and_not_a_ladder(machine):
    machine.of_user = [GIDS["gate-operator"], GIDS["gate-engineer"]]
    assert caller(None).names == ["read", "operator", "engineer"]


def test_a_primary_group_counts_and_so_does_the_one_the_process_has_now(machine):
    machine.gid = GIDS["gate-officer"]
    machine.known = False  # a user that the database does not know
    assert caller(None).names == ["read", "officer"]


def test_who_is_in_no_group_has_no_role(machine):
    assert caller(None).roles == frozenset()


def test_a_group_that_does_not_exist_gives_nobody_its_role(machine):
    machine.groups = {}
    machine.of_user = [GID, 51, 52, 53, 54]
    assert caller(None).roles == frozenset()


def test_the_configuration_names_the_groups(machine):
    machine.groups["border"] = 77
    machine.of_user = [77]
    assert caller(None, {Role.OFFICER: "border"}).names == ["read", "officer"]


# -- what --------------------------------------------------------------------------------------------------------------

BODIES = {
    "officer": {"action": "acknowledge", "identity": "n-7", "reason": "r"},
    "maintenance": {"on": True, "identity": "n-7", "reason": "r"},
    "test_device": {"reason": "r"},
}


def call(served, route):
    path = route.path.replace("{device}", "io").replace("{camera}", "qr")
    body = json.dumps(BODIES[route.name]).encode() if route.name in BODIES else None
    connection = served.raw()
    try:
        head = f"{route.method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + (f"Content-Length: {len(body)}\r\n" if body else "")
        connection.sendall(head.encode() + b"\r\n" + (body or b""))
        return int(connection.makefile("rb").readline().split()[1])
    finally:
        connection.close()


@pytest.mark.parametrize("found", [(), *((role,) for role in Role)], ids=lambda found: found[0].value if found else "nobody")
def test_each_call_is_for_its_roles_and_no_others(serve, gate, as_role, found):
    as_role(*found)
    served = serve()
    for route in ROUTES:
        allowed = not route.roles or bool(route.roles & ({*found, Role.READ} if found else set()))
        status = call(served, route)
        assert (status == 403) is not allowed, (route.name, status)
        if not allowed:
            assert gate.notes[-1]["outcome"] == "denied"


@pytest.mark.parametrize("action", ["release", "return", "rearm"])
def test_an_operator_moves_no_door(serve, gate, as_role, action):
    as_role(Role.OPERATOR)
    served = serve()
    with pytest.raises(NotPermittedError) as error:
        served.client.officer(action, "n-7", "because")
    assert "officer" in error.value.what
    assert gate.acts == []
    assert gate.notes == [
        {"act": f"officer.{action}", "identity": f"uid {UID}", "omitted": "0", "outcome": "denied", "reason": "", "role": "", "uid": str(UID)}
    ]


def test_who_has_no_role_still_learns_who_they_are(serve, as_role):
    as_role()
    groups = {role.value: f"gate-{role.value}" for role in Role}
    assert serve().client.whoami() == {"uid": UID, "user": "", "roles": [], "groups": groups}


def test_the_name_is_the_one_at_the_gate(machine):
    assert caller(None).user == "somebody"
    machine.known = False
    assert caller(None).user == ""


def test_only_the_process_that_serves_takes_its_own_user_for_the_gates(machine, monkeypatch):
    """Another that asks for its own roles, as gatectl does where no gate controller answers, is not the gate."""
    monkeypatch.setattr(os, "geteuid", lambda: UID)
    assert caller(None).names == ALL
    assert roles.caller_by_groups(UID, GID, roles.DEFAULT_GROUPS).names == []


def test_the_groups_are_asked_once_a_connection(serve, monkeypatch):
    asked = []
    monkeypatch.setattr("gate_controller.control.requests.caller_as", lambda _uid, _gid, _groups: asked.append(1) or Caller(UID, frozenset(Role)))
    with serve().raw() as line:
        for _ in range(3):
            line.sendall(b"GET /v1/whoami HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in line.recv(65536)
    assert len(asked) == 1


def test_a_user_whose_look_ups_hang_holds_up_nobody_else_however_many_connections_they_have(serve, monkeypatch):
    asked, database, arrived = [], threading.Event(), threading.Semaphore(0)

    def look_up(uid, _gid, _groups):
        asked.append(uid)
        assert uid != UID or database.wait(60)
        return Caller(uid, frozenset(Role))

    monkeypatch.setattr("gate_controller.control.requests.caller_as", look_up)
    monkeypatch.setattr("gate_controller.control.requests.credentials", lambda _connection: arrived.release() or (UID, 0))
    served = serve()
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(served.raw()) for _ in range(40)]
        for line in many:
            line.sendall(b"GET /v1/whoami HTTP/1.1\r\nHost: x\r\n\r\n")
        assert all(arrived.acquire(timeout=60) for _ in many)
        monkeypatch.setattr("gate_controller.control.requests.credentials", lambda _connection: (UID + 1, 0))
        try:
            assert served.client.whoami()["uid"] == UID + 1
        finally:
            database.set()
        answers = [line.recv(65536) for line in many]
    assert all(b"200" in each.split(b"\r\n")[0] for each in answers)
    assert asked == [UID, UID + 1]


# -- on record ---------------------------------------------------------------------------------------------------------


def test_an_act_is_noted_with_user_role_and_reason_and_logged_without(serve, gate, as_role):
    as_role(Role.OFFICER)
    with structlog.testing.capture_logs() as lines:
        serve().client.officer("release", "n-7", "passport seen", 0)
    note = {"act": "officer.release", "identity": "n-7", "omitted": "0", "outcome": "done", "reason": "passport seen", "role": "officer", "uid": str(UID)}
    assert gate.notes == [note]
    assert [line["act"] for line in lines if line["event"] == "act"] == ["officer.release"]
    assert "passport" not in repr(lines)
    assert "n-7" not in repr(lines)


def test_what_the_state_refuses_is_noted_too(serve, gate, as_role):
    as_role(Role.ENGINEER)
    served = serve()
    for ask in (lambda: served.client.device_test("io", "smoke"), lambda: served.client.snapshot("qr"), lambda: served.client.maintenance(False, "n-7", "r")):
        with pytest.raises(RefusedByStateError):
            ask()
    assert [(note["act"], note["outcome"]) for note in gate.notes] == [
        ("test_device.io", "refused"),
        ("snapshot.qr", "refused"),
        ("maintenance.off", "refused"),
    ]


def test_an_engineer_takes_the_lane_tests_and_looks(serve, gate, as_role):
    as_role(Role.ENGINEER)
    served = serve()
    assert served.client.maintenance(True, "n-7", "lens") == {"accepted": True, "on": True, "uid": UID}
    assert served.client.device_test("qr", "lens")["result"] == "pass"
    assert served.client.snapshot("qr")[:3] == b"\xff\xd8\xff"
    assert served.client.diagnostics()["devices"][0]["info"] == {"line": "9600 8N1"}
    assert [note["outcome"] for note in gate.notes] == ["done", "done", "done"]


class HandClock:
    now = 0.0

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now


def test_who_is_denied_again_and_again_does_not_fill_the_journal(gate):
    clock = HandClock()
    log = ActLog(gate, clock)
    act = Act("maintenance", Caller(UID, frozenset()), None)
    for _ in range(1000):
        log.note(act, "denied")
    assert len(gate.notes) == BURST
    log.note(Act("officer.release", Caller(UID, frozenset()), Role.OFFICER), "done")  # what was done is always noted
    assert gate.notes[-1]["omitted"] == str(1000 - BURST)
    log.note(Act("maintenance", Caller(UID + 1, frozenset()), None), "denied")
    assert gate.notes[-1]["uid"] == str(UID + 1)  # another user's are their own
    clock.now += REFILL_S
    log.note(act, "denied")
    log.note(act, "denied")
    assert len(gate.notes) == BURST + 3


def test_one_user_cannot_keep_the_others_out(serve, open_directory, without_root):
    served = serve(api_connections=8, api_connections_each=2)
    served.path.chmod(0o666)
    with without_root():
        lines = [served.raw() for _ in range(4)]
    if os.geteuid() == 0:  # else this process has one user only, and has used its share up
        assert served.client.whoami()["uid"] == 0
    hung_up = []
    for line in lines[2:]:
        try:
            hung_up.append(line.recv(1) == b"")
        except ConnectionResetError:
            hung_up.append(True)
    assert hung_up == [True, True]
    lines[0].sendall(b"GET /v1/whoami HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 200 " in lines[0].recv(65536)
    for line in lines:
        line.close()


def answered(line):
    with contextlib.suppress(OSError):
        line.sendall(b"GET /v1/whoami HTTP/1.1\r\nHost: x\r\n\r\n")
        return b" 200 " in line.recv(65536)
    return False


@pytest.mark.skipif(os.geteuid() != 0, reason="other users need root")
def test_several_users_together_keep_nobody_out(serve, without_root):
    served = serve(api_connections=4, api_connections_each=2)
    served.path.chmod(0o666)
    with without_root():
        crowd = [served.raw() for _ in range(2)]
    crowd += [served.raw() for _ in range(2)]
    os.seteuid(UID)
    try:
        late = served.raw()  # somebody else, when every place is taken
    finally:
        os.seteuid(0)
    assert [answered(line) for line in [late, *crowd]].count(True) == 4
    assert answered(late)
    for line in [late, *crowd]:
        line.close()
