"""Who one is at a gate, as the gate says; and by the machine's groups where it cannot be asked."""

import json
import os
import pwd

import pytest

from gate_controller.cli import whoami
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.main import main
from gate_controller.control import roles
from gate_controller.control.roles import Role
from gate_controller.control.routes import OPERATORS_ACTS, ROUTES
from gate_controller.control.schemas import ACTIONS
from tests.cli.stub_daemon import StubDaemon

GROUPS = {role.value: f"gate-{role.value}" for role in Role}


@pytest.fixture
def says(open_directory, capsys):
    """Ask a gate that answers this."""

    def ask(answer, *options, code=ExitCode.OK, status=200):
        stub = StubDaemon(open_directory / "c.sock")
        stub.answers["GET /v1/whoami"] = (status, answer)
        with stub.served():
            assert main(["whoami", *options, "--socket", str(stub.path)]) == code
        stub.path.unlink()
        return capsys.readouterr().out

    return ask


@pytest.fixture
def nobody(monkeypatch):
    """A user of this machine without a gate's group."""
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(os, "getegid", lambda: 65534)
    monkeypatch.setattr(roles, "_gid", lambda _group: -1)


def test_the_acts_are_those_of_the_control_api_with_their_roles():
    routes = {route.name: route.roles for route in ROUTES}
    expected = {f"officer {action}": routes["officer"] if action in OPERATORS_ACTS else {Role.OFFICER} for action in ACTIONS}
    expected |= {"status": routes["status"], "events": routes["events"], "officer calls": routes["calls"], "maintenance": routes["maintenance"]}
    expected |= {"diagnostics": routes["diagnostics"], "device tests": routes["test_device"], "camera snapshot": routes["snapshot"]}
    assert {act: set(needed) for act, needed in whoami.ACTS.items()} == expected


def test_each_act_is_told_with_the_group_that_would_allow_it(says):
    lines = says({"uid": 1003, "user": "anna", "roles": ["read", "operator"], "groups": GROUPS}).splitlines()
    assert lines[0] == "anna (user 1003): read, operator"
    assert "  officer assist       yes" in lines
    assert "  officer release      no; by the group gate-officer" in lines
    assert "  maintenance          no; by the group gate-engineer" in lines
    assert lines[-1] == "Root gives a group at the gate: sudo adduser anna GROUP"


def test_who_may_do_all_is_told_of_no_group(says):
    said = says({"uid": 0, "user": "root", "roles": [role.value for role in Role], "groups": GROUPS})
    assert "no;" not in said
    assert "adduser" not in said


def test_the_groups_are_those_of_the_gate(says):
    told = json.loads(says({"uid": 9, "user": "a", "roles": [], "groups": {**GROUPS, "officer": "checkpoint-7"}}, "--json"))
    assert told["source"] == "gate"
    assert {each["act"]: each["groups"] for each in told["acts"]}["officer release"] == ["checkpoint-7"]
    assert not any(each["allowed"] for each in told["acts"])
    assert told["groups"]["officer"] == "checkpoint-7"


def test_the_number_is_not_looked_up_on_this_machine(says, monkeypatch):
    """The socket may come from a gate, where somebody else has it: root would give that name the role."""
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: pytest.fail("looked up"))
    said = says({"uid": 1000, "roles": ["read"]})
    assert said.splitlines()[0] == "(no name) (user 1000): read"
    assert "sudo adduser USER GROUP" in said


def test_without_a_gate_controller_the_machines_groups_are_told_and_that_they_are(open_directory, capsys, nobody):
    socket = str(open_directory / "none.sock")
    assert main(["whoami", "--socket", socket]) == ExitCode.DAEMON_UNREACHABLE
    said = capsys.readouterr().out
    assert said.startswith("No gate controller was asked: this is what this machine's groups say")
    assert "no role on this gate" in said, "the gate's own user has all roles there, which nobody here is"
    assert main(["whoami", "--json", "--socket", socket]) == ExitCode.DAEMON_UNREACHABLE
    told, error = map(json.loads, capsys.readouterr().out.splitlines())
    assert (told["source"], told["uid"], told["roles"], error["exit_code"]) == ("local", 65534, [], ExitCode.DAEMON_UNREACHABLE)


def test_whom_the_socket_does_not_let_in_is_told_what_this_machine_knows(says, nobody, monkeypatch):
    refused = {"error": "not for you", "remedy": "ask"}
    assert "no role on this gate" in says(refused, status=403, code=ExitCode.NOT_PERMITTED)
    monkeypatch.setattr(roles, "_gid", lambda group: 65534 if group == "gate-officer" else -1)
    said = says(refused, status=403, code=ExitCode.NOT_PERMITTED)
    assert "officer release      yes" in said
    assert "logged in anew" in said


@pytest.mark.parametrize("answer", [{}, {"uid": "root", "roles": []}, {"uid": 5, "roles": "officer"}])
def test_a_gate_of_another_version_is_not_believed(says, answer):
    assert says(answer, code=ExitCode.DAEMON_UNREACHABLE).startswith("No gate controller was asked")
