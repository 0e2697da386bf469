"""gatectl status, events and officer against a real control server: what they print and how they exit."""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass

import pytest
import structlog
from click.testing import CliRunner

from gate_controller.cli import following
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.main import main
from gate_controller.cli.officer import officer_group
from gate_controller.cli.status import events_command, status_command
from gate_controller.control.about import version
from gate_controller.control.client import DaemonUnreachableError, FeedEvent, GateClient
from gate_controller.control.feed import EventFeed
from gate_controller.control.server import ControlServer
from gate_controller.control.serving import Limits
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import RefusedByStateError

STATUS = {
    "gate": "mo-07",
    "region": "MO",
    "direction": "HK_TO_MO",
    "state": "officer_referral",
    "reason": "face_mismatch",
    "prompt": "wait_for_officer",
    "occupancy": "one",
    "doors": {"entry_door": "closed", "exit_door": "closed"},
    "devices": {"io_board": {"state": "ready"}, "fingerprint": {"state": "lost", "code": "absent", "detail": "tty\x1b[2J", "remedy": "plug it in"}},
    "trust": {
        "HK": {"state": "fresh", "cause": "none", "remedy": "", "restricted_in_s": 90000, "closed_in_s": 180061},
        "MO": {"state": "closed", "cause": "timestamp", "remedy": "import current trust", "restricted_in_s": 0, "closed_in_s": 0},
    },
    "trust_store": {"versions": {"root": 1}, "problem": {"what": "timestamp.json is\x1b damaged", "remedy": "import again"}, "failures": 1},
    "officer_call": {"reason": "face_mismatch", "escalation": 1, "acknowledged": False},
    "since_s": 3.2,
    "uptime_s": 86400,
}


class Gate:
    """Refuses what the port lets a gate refuse."""

    def __init__(self):
        self.acts = []

    def status(self):
        return STATUS

    def calls(self):
        return []

    def officer(self, action, identity, reason, uid=None, call=None):
        if not identity or (action == "release" and not reason):
            raise ValueError("identity or reason is empty")
        if action == "rearm":
            raise RefusedByStateError("rearm is not possible in state officer_referral", "wait for an emergency")
        self.acts.append((action, identity, reason))

    def note(self, kind, fields):
        pass


@dataclass
class Ended:
    exit_code: int
    stdout: str
    stderr: str


class Daemon:
    def __init__(self, path):
        self.path = path
        self.gate = Gate()
        self.feed = EventFeed(SystemClock(), events=8)
        self.server = ControlServer(self.gate, self.feed, socket_path=path, kiosk_port=None, limits=Limits(heartbeat_s=0.02))

    def run(self, command, *arguments):
        with CliRunner().isolation() as (out, err, _):
            code = main([*arguments, "--socket", str(self.path)], command)
            return Ended(code, out.getvalue().decode(), err.getvalue().decode())


@pytest.fixture
def daemon(open_directory):
    made = Daemon(open_directory / "control.sock")
    with structlog.testing.capture_logs(), made.server:  # its log would stand among the command's output here
        yield made


COMMANDS = [
    (status_command, []),
    (status_command, ["--json"]),
    (events_command, []),
    (events_command, ["--follow"]),
    (officer_group, ["acknowledge", "--identity", "officer-7"]),
    (officer_group, ["release", "--identity", "officer-7", "--reason", "passport seen"]),
    (officer_group, ["return", "--identity", "officer-7", "--reason", "asked to"]),
    (officer_group, ["rearm", "--identity", "officer-7"]),
]


def assert_failed(result, code):
    """One line what, one line remedy, no traceback; on standard output nothing, or the same as JSON."""
    assert result.exit_code == code
    for line in result.stdout.splitlines():
        told = json.loads(line)
        assert (told["ok"], told["exit_code"]) == (False, code)
        assert f"gatectl: {told['what']}\ngatectl: remedy: {told['remedy']}\n" in result.stderr
    lines = [line for line in result.stderr.splitlines() if not line.startswith("no officer is called")]
    assert [line.startswith("gatectl: ") for line in lines] == [True, True]
    assert lines[1].startswith("gatectl: remedy: ")


@pytest.mark.parametrize(("command", "arguments"), COMMANDS)
def test_no_daemon_is_exit_code_4(open_directory, command, arguments):
    assert_failed(Daemon(open_directory / "none.sock").run(command, *arguments), ExitCode.DAEMON_UNREACHABLE)


@pytest.mark.parametrize(("command", "arguments"), COMMANDS)
def test_a_socket_of_somebody_else_is_exit_code_5(open_directory, without_root, command, arguments):
    path = open_directory / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        with without_root():
            result = Daemon(path).run(command, *arguments)
    assert_failed(result, ExitCode.NOT_PERMITTED)


def test_an_act_that_the_state_does_not_allow_is_exit_code_7(daemon):
    assert_failed(daemon.run(officer_group, "rearm", "--identity", "officer-7"), ExitCode.REFUSED_BY_STATE)


@pytest.mark.parametrize(
    "arguments",
    [
        ["open"],
        ["release", "--reason", "x"],
        ["release", "--identity", "officer-7"],
        ["release", "--identity", "officer-7", "--reason", " "],
        ["return", "--identity", "officer-7"],
        ["acknowledge", "--identity", ""],
        ["acknowledge", "--identity", "two\nlines"],
        ["acknowledge", "--identity", "x" * 65],
    ],
)
def test_a_mistake_in_the_command_is_exit_code_2_and_does_nothing(daemon, arguments):
    result = daemon.run(officer_group, *arguments)
    assert (result.exit_code, result.stdout, daemon.gate.acts) == (ExitCode.USAGE, "", [])
    assert result.stderr


@pytest.mark.parametrize("action", ["acknowledge", "release", "return"])
def test_an_act_is_carried_out(daemon, action):
    uncalled = [] if action == "acknowledge" else ["--call", "none"]
    result = daemon.run(officer_group, action, "--identity", "officer-7", "--reason", "passport seen", *uncalled)
    assert (result.exit_code, result.stdout) == (ExitCode.OK, f"{action}: accepted\n")
    assert result.stderr == ("" if uncalled else "no officer is called: this is for whoever is in the lane\n")
    assert daemon.gate.acts == [(action, "officer-7", "passport seen")]


def test_status_as_json_is_what_the_gate_said(daemon):
    result = daemon.run(status_command, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (ExitCode.OK, {"schema": 1, **STATUS, "version": version()})


def test_status_for_people_says_what_is_wrong_and_what_to_do(daemon):
    result = daemon.run(status_command)
    assert result.exit_code == ExitCode.OK
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "state officer_referral" in lines
    assert "door exit_door: closed" in lines
    assert "device fingerprint: lost - absent - tty?[2J" in lines
    assert "remedy: plug it in" in lines
    assert "officer call face_mismatch, escalation 1, NOT ACKNOWLEDGED" in lines
    assert "trust HK: fresh, restricted in 1 d 1 h, closed in 2 d 2 h" in lines
    assert "trust MO: closed (timestamp)" in lines
    assert lines[lines.index("trust MO: closed (timestamp)") + 1] == "remedy: import current trust"
    assert "trust what was imported is not in force: timestamp.json is? damaged" in lines


def test_what_a_status_lacks_is_a_dash_for_people(daemon, monkeypatch):
    monkeypatch.setattr(Gate, "status", lambda _self: {**STATUS, "reason": None})
    assert "reason        -" in daemon.run(status_command).stdout.splitlines()


def test_events_prints_what_the_daemon_holds_and_ends(daemon):
    for number in range(3):
        daemon.feed.publish("device", {"n": number})
    result = daemon.run(events_command, "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == ExitCode.OK
    assert [(event["sequence"], event["kind"], event["fields"]) for event in events] == [
        (1, "device", {"n": 0}),
        (2, "device", {"n": 1}),
        (3, "device", {"n": 2}),
    ]


def test_a_status_among_the_events_is_one_short_line(daemon):
    daemon.feed.publish("status", STATUS)
    (line,) = daemon.run(events_command).stdout.splitlines()
    told = "state=officer_referral reason=face_mismatch prompt=wait_for_officer occupancy=one entry_door=closed exit_door=closed fingerprint=lost"
    assert line.partition(" status ")[2] == f"{told} officer_call=face_mismatch"


def test_events_of_a_quiet_daemon_are_none(daemon):
    result = daemon.run(events_command)
    assert (result.exit_code, result.stdout) == (ExitCode.OK, "")


def test_events_says_how_many_are_no_longer_held(daemon):
    for number in range(20):
        daemon.feed.publish("device", {"device": "io_board", "n": number, "detail": "\x1b[2J"})
    lines = daemon.run(events_command).stdout.splitlines()
    assert lines[0] == "(12 events are no longer held in memory)"
    assert len(lines) == 9
    assert lines[-1].endswith(r'device device="io_board" n=19 detail="\u001b[2J"')


def test_follow_tells_what_came_before_the_daemon_stopped_and_waits_for_it(daemon, monkeypatch):
    def give_up(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "pause", give_up)
    daemon.feed.publish("device", {"n": 0})
    results = []
    thread = threading.Thread(target=lambda: results.append(daemon.run(events_command, "--follow", "--json")))
    thread.start()
    deadline = time.monotonic() + 30
    while not daemon.feed._subscribers:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    daemon.feed.publish("device", {"n": 1})
    daemon.server.stop()  # what was published before is still told
    thread.join(30)
    assert [json.loads(line)["fields"]["n"] for line in results[0].stdout.splitlines()] == [0, 1]
    assert "ended the stream; trying again" in results[0].stderr


class Streams:
    """A GateClient whose streams are given, one a connection; an error is one that fails."""

    def __init__(self, *streams):
        self.left = list(streams)

    def events(self, _after, *, heartbeats):
        assert heartbeats
        found = self.left.pop(0)
        if isinstance(found, Exception):
            raise found
        return contextlib.nullcontext(self._told(found))

    @staticmethod
    def _told(stream):
        yield from stream
        raise DaemonUnreachableError("it ended", "connect again")


def stream_of(run, *sequences):
    return [FeedEvent("connected", {"run": run}), *(FeedEvent("device", {"run": run}, number, 0.0) for number in sequences)]


def test_who_follows_sees_a_daemon_that_crashes_come_back_and_nothing_twice(monkeypatch, tmp_path, capsys):
    gone = DaemonUnreachableError("gone", "start it")
    client = Streams(stream_of("A", 1, 2), gone, stream_of("A", 1, 2, 3), gone, gone, stream_of("B", 1, 2), gone)
    waited = []

    def pause(seconds):
        waited.append(seconds)
        if not client.left:
            raise KeyboardInterrupt

    monkeypatch.setattr(following, "GateClient", lambda _path: client)
    monkeypatch.setattr(following, "pause", pause)
    seen = []
    with contextlib.suppress(KeyboardInterrupt):
        for event in following.follow(tmp_path, after=0):
            seen.append((event.fields["run"], event.sequence))  # noqa: PERF401 - what was seen before the interruption counts
    assert [each for each in seen if each[1] is not None] == [("A", 1), ("A", 2), ("A", 3), ("B", 1), ("B", 2)]
    told = capsys.readouterr().err
    assert told.count("trying again") == 3
    assert told.count("answers again") == 2
    assert len(waited) == 7


def test_whoever_follows_no_daemon_at_all_is_told_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(following, "GateClient", lambda _path: Streams(DaemonUnreachableError("gone", "start it")))
    with pytest.raises(DaemonUnreachableError):
        next(following.follow(tmp_path))


def test_a_pipe_that_nobody_reads_ends_an_idle_watch(monkeypatch, tmp_path):
    monkeypatch.setattr(following, "GateClient", lambda _path: Streams([FeedEvent("heartbeat", {})] * 2))
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            next(following.follow(tmp_path))


@pytest.mark.parametrize("answer", [{}, {"accepted": "yes"}, {"accepted": False}])
def test_an_act_that_the_answer_does_not_confirm_is_not_called_done(answer, monkeypatch, tmp_path):
    client = GateClient(tmp_path / "s")
    monkeypatch.setattr(client, "_ask", lambda *_about: answer)
    for act in (lambda: client.officer("acknowledge", "n-7"), lambda: client.maintenance(True, "n-7", "r")):
        with pytest.raises(DaemonUnreachableError, match="whether it was carried out is not known"):
            act()


@pytest.mark.parametrize(("ask", "answer"), [("status", {}), ("diagnostics", {"devices": [1, 2]})])
def test_a_daemon_of_another_version_is_not_believed(ask, answer, monkeypatch, tmp_path):
    client = GateClient(tmp_path / "s")
    monkeypatch.setattr(client, "_ask", lambda *_about: answer)
    with pytest.raises(DaemonUnreachableError, match="not a gate controller of this version"):
        getattr(client, ask)()


def test_the_socket_may_come_from_the_environment(daemon):
    result = CliRunner().invoke(status_command, ["--json"], env={"GATECTL_SOCKET": str(daemon.path)})
    assert json.loads(result.stdout) == {"schema": 1, **STATUS, "version": version()}
