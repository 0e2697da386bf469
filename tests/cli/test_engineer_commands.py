"""What an engineer and an officer do with gatectl: what is asked of the daemon, what is printed, how it exits."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from gate_controller.cli import camera, door, following
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.main import main
from gate_controller.cli.status import moment
from gate_controller.core.values import Door, DoorPosition, LaneInputs, Occupancy, TriState
from gate_controller.ports.errors import DeviceTimeoutError, GateError, RefusedByStateError
from gate_controller.settings.render import derive
from tests.cli.stub_daemon import INPUTS, STATUS, StubDaemon

ROOT = Path(__file__).parents[2]
WHO = ("--identity", "staff 7", "--reason", "lens cleaned")
JPEG = b"\xff\xd8\xff\xe0 a picture"


@pytest.fixture
def config(tmp_path_factory):
    directory = tmp_path_factory.mktemp("g")
    path = directory / "gate.toml"
    devices = {"fingerprint": {"port": str(directory / "none")}, "io_board": {"port": str(directory / "nothing")}}
    changes = {"control": {"socket": str(directory / "c.sock")}, "journal": {"path": str(directory / "journal.db")}, "devices": devices}
    path.write_text(derive(ROOT / "config/simulated.toml", changes))
    return path


@pytest.fixture
def stub(config):
    with StubDaemon(config.with_name("c.sock")).served() as served:
        yield served


@pytest.fixture
def run(config, capsys):
    def call(*arguments):
        named = ("--socket", str(config.with_name("c.sock"))) if arguments[0] in {"officer", "maintenance", "status", "events"} else ("--config", str(config))
        capsys.readouterr()
        code = main([*arguments, *named])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


ASKED = [
    (["maintenance", "on", *WHO], "POST /v1/maintenance", {"on": True, "identity": "staff 7", "reason": "lens cleaned"}),
    (["maintenance", "off", *WHO], "POST /v1/maintenance", {"on": False, "identity": "staff 7", "reason": "lens cleaned"}),
    (["officer", "release", *WHO, "--call", "5"], "POST /v1/officer", {"action": "release", "identity": "staff 7", "reason": "lens cleaned", "call": 5}),
    (["officer", "calls"], "GET /v1/officer/calls", None),
    (["fingerprint", "test", "--reason", "wet"], "POST /v1/devices/fingerprint/test", {"reason": "wet"}),
    (["face", "test"], "POST /v1/devices/face/test", {"reason": "tried with gatectl"}),
    (["qr", "test"], "POST /v1/devices/qr/test", {"reason": "tried with gatectl"}),
    (["fingerprint", "info"], "GET /v1/diagnostics", None),
    (["io", "show"], "GET /v1/diagnostics", None),
]


@pytest.mark.parametrize(("arguments", "asked", "body"), ASKED)
def test_the_daemon_is_asked_where_it_runs(run, stub, arguments, asked, body):
    stub.answers |= {
        f"POST /v1/devices/{name}/test": (200, {"device": name, "result": "pass", "findings": [], "values": {}}) for name in ("fingerprint", "face", "qr")
    }
    code, out, _ = run(*arguments, "--json")
    assert code == ExitCode.OK
    assert stub.asked[-1] == (asked, body)
    assert isinstance(json.loads(out), dict)


@pytest.mark.parametrize(
    ("status", "code"), [(403, ExitCode.NOT_PERMITTED), (409, ExitCode.REFUSED_BY_STATE), (400, ExitCode.USAGE), (503, ExitCode.DAEMON_UNREACHABLE)]
)
@pytest.mark.parametrize(("arguments", "asked", "_body"), ASKED[:7])
def test_a_refusal_is_told_with_its_remedy_and_its_exit_code(run, stub, status, code, arguments, asked, _body):
    stub.answers[asked] = (status, {"error": "the lane is open", "remedy": "close it first"})
    said, out, err = run(*arguments)
    assert said == code
    assert out == ""
    assert "the lane is open" in err
    assert "close it first" in err


@pytest.mark.parametrize("arguments", [each[0] for each in ASKED[:4]])
def test_a_socket_that_is_not_there(run, arguments):
    code, _, err = run(*arguments)
    assert code == ExitCode.DAEMON_UNREACHABLE
    assert "start it" in err


@pytest.mark.parametrize("arguments", [["fingerprint", "info"], ["fingerprint", "test"], ["io", "show"], ["io", "watch"], ["door", "cycle", "exit", "--yes"]])
def test_without_a_daemon_the_device_itself_is_asked_and_is_not_there(run, arguments):
    code, _, err = run(*arguments)
    assert code == ExitCode.DEVICE_ABSENT
    assert "remedy:" in err


@pytest.mark.parametrize(("reason", "code"), [("absent", ExitCode.DEVICE_ABSENT), ("timeout", ExitCode.CHECK_FAILED)])
def test_a_reader_that_the_gate_has_lost_is_not_described_as_if_it_were_there(run, stub, reason, code):
    lost = {"device": "fingerprint", "state": "lost", "reason": reason, "detail": "no answer", "remedy": "its cable", "info": {"model": "R503"}}
    stub.answers["GET /v1/diagnostics"] = (200, {"devices": [lost]})
    found, out, err = run("fingerprint", "info")
    assert (found, out) == (code, "")
    assert "no answer" in err
    assert "remedy: its cable" in err


def test_a_test_that_fails_is_exit_code_1(run, stub):
    stub.answers["POST /v1/devices/face/test"] = (200, {"device": "face", "result": "fail", "findings": ["no pic\x1bture"], "values": {"rate": 0}})
    code, out, _ = run("face", "test")
    assert code == ExitCode.CHECK_FAILED
    assert "no pic?ture" in out


def test_calls_are_told_without_the_terminals_commands(run, stub):
    call = {
        "reason": "face_mismatch",
        "since_s": 12,
        "acknowledged": "staff\x1b[2J 7",
        "escalations": 1,
        "state": "officer_referral",
        "prompt": "wait_for_officer",
    }
    stub.answers["GET /v1/officer/calls"] = (200, {"calls": [call]})
    code, out, _ = run("officer", "calls")
    assert code == ExitCode.OK
    assert "staff?[2J 7" in out
    assert "escalations 1" in out


def test_another_programs_socket_is_no_daemon(run, stub):
    stub.answers["GET /v1/status"] = (200, b"SSH-2.0")
    code, _, err = run("io", "show")
    assert code == ExitCode.DAEMON_UNREACHABLE
    assert "not a gate controller" in err


# --- cameras --------------------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_its_owners_alone(run, stub, tmp_path):
    stub.answers["GET /v1/cameras/qr/snapshot"] = (200, JPEG)
    picture = tmp_path / "lens.jpg"
    picture.touch(0o644)
    code, out, _ = run("camera", "snapshot", "qr", "-o", str(picture), "--json")
    assert code == ExitCode.OK
    assert json.loads(out) == {"schema": 1, "camera": "qr", "file": str(picture), "bytes": len(JPEG)}
    assert picture.read_bytes() == JPEG
    assert picture.stat().st_mode & 0o777 == 0o600


def test_no_snapshot_through_a_link_or_of_an_occupied_chamber(run, stub, tmp_path):
    stub.answers["GET /v1/cameras/face/snapshot"] = (200, JPEG)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert run("camera", "snapshot", "face", "-o", str(tmp_path / "link"))[0] == ExitCode.CONFIGURATION
    assert not (tmp_path / "elsewhere").exists()
    stub.answers["GET /v1/cameras/face/snapshot"] = (409, {"error": "the chamber is not known to be empty", "remedy": ""})
    assert run("camera", "snapshot", "face", "-o", str(tmp_path / "b.jpg"))[0] == ExitCode.REFUSED_BY_STATE
    assert not (tmp_path / "b.jpg").exists()


@pytest.mark.parametrize(("columns", "rows"), [(60, 20), (200, 5), (1, 1)])
def test_a_preview_fits_the_terminal_in_plain_ascii(columns, rows):
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, 320:] = 255
    lines = camera.drawn(image, columns, rows).splitlines()
    assert len(lines) <= rows
    assert all(len(line) <= columns and line.isascii() for line in lines)
    if columns > 1:
        assert lines[0][0] == " "
        assert lines[0][-1] == "@"


# --- doors ----------------------------------------------------------------------------------------------------------------------

IDLE = {
    "entry_door": DoorPosition.CLOSED,
    "exit_door": DoorPosition.CLOSED,
    "entry_beam": TriState.INACTIVE,
    "exit_beam": TriState.INACTIVE,
    "emergency": TriState.INACTIVE,
    "tamper": TriState.INACTIVE,
    "occupancy": Occupancy.ZERO,
}
FORBIDDING = [
    *({"entry_door": position} for position in DoorPosition if position is not DoorPosition.CLOSED),
    *({"exit_door": position} for position in DoorPosition if position is not DoorPosition.CLOSED),
    *({"occupancy": count} for count in Occupancy if count is not Occupancy.ZERO),
    *({loop: state} for loop in ("emergency", "tamper") for state in (TriState.ACTIVE, TriState.UNKNOWN)),
]


class Board:
    """An I/O board whose door moves as told; time passes with each reading."""

    def __init__(self, positions, **first):
        self.positions = list(positions)
        self.first = first
        self.now = 0.0
        self.did = []

    def read(self, deadline):
        self.now += 0.1
        if not self.did:
            return LaneInputs(**IDLE | self.first)
        position = self.positions.pop(0) if len(self.positions) > 1 else self.positions[0]
        if isinstance(position, Exception):
            raise position
        return LaneInputs(**IDLE | (position if isinstance(position, dict) else {"exit_door": position}))

    def hold_open(self, which, duration_s, deadline):
        self.did.append(("open", which, duration_s))

    def release(self, which, deadline):
        self.did.append(("release", which))

    def clock(self):
        return self.now


@pytest.mark.parametrize("changed", FORBIDDING)
@pytest.mark.parametrize("which", [Door.ENTRY, Door.EXIT])
@pytest.mark.invariant("INV-1")
def test_no_door_is_opened_unless_everything_is_known_and_clear(changed, which):
    board = Board([DoorPosition.CLOSED], **changed)
    with pytest.raises(RefusedByStateError):
        door.cycle(board, which, 2.0, board.clock)
    assert board.did == []


def test_a_door_that_opens_and_closes():
    board = Board([DoorPosition.CLOSED, DoorPosition.MOVING, DoorPosition.OPEN, DoorPosition.OPEN, DoorPosition.MOVING, DoorPosition.CLOSED])
    result = door.cycle(board, Door.EXIT, 2.0, board.clock)
    assert result == {"door": "exit_door", "result": "pass", "opened_s": 0.3, "closed_s": 0.6, "finding": ""}
    assert board.did == [("open", Door.EXIT, 2.0), ("release", Door.EXIT)]


@pytest.mark.parametrize(("stays", "finding"), [(DoorPosition.CLOSED, "it was not seen to open"), (DoorPosition.OPEN, "it was not seen to close")])
def test_a_door_that_does_not_move_is_found_and_released(stays, finding):
    board = Board([stays])
    result = door.cycle(board, Door.EXIT, 2.0, board.clock)
    assert (result["result"], result["finding"]) == ("fail", finding)
    assert board.did[-1] == ("release", Door.EXIT)


@pytest.mark.parametrize("trouble", [DeviceTimeoutError("silent"), {"exit_door": DoorPosition.OPEN, "entry_door": DoorPosition.UNKNOWN}])
def test_whatever_goes_wrong_meanwhile_the_door_is_released(trouble):
    board = Board([DoorPosition.MOVING, trouble])
    with pytest.raises(GateError):
        door.cycle(board, Door.EXIT, 2.0, board.clock)
    assert board.did[-1] == ("release", Door.EXIT)


def test_no_door_is_cycled_beside_a_daemon(run, stub):
    code, _, err = run("door", "cycle", "exit", "--yes")
    assert code == ExitCode.REFUSED_BY_STATE
    assert "stop it first" in err


def test_a_door_is_not_cycled_without_a_yes(run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, _, err = run("door", "cycle", "exit")
    assert code == 130
    assert "border" in err


# --- inputs ---------------------------------------------------------------------------------------------------------------------


def test_inputs_are_watched_change_by_change(run, stub):
    code, out, _ = run("io", "watch", "--seconds", "0", "--json")
    assert code == ExitCode.OK
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["input"]: line["is"] for line in lines} == INPUTS
    assert all(line.keys() == {"schema", "at_s", "input", "is", "was"} for line in lines)


# --- status and events ----------------------------------------------------------------------------------------------------------


def stream(*events):
    return "".join(f"event: {kind}\ndata: {json.dumps(body)}\n\n" for kind, body in events).encode()


def test_status_is_watched_change_by_change(run, stub, monkeypatch):
    def give_up(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "pause", give_up)
    told = [{"sequence": number, "at": 1.0, "fields": {**STATUS, "state": state}} for number, state in enumerate(("ready", "entry_open"), 1)]
    stub.answers["GET /v1/events"] = (200, stream(("connected", {"run": "a", "sequence": 2}), *(("status", each) for each in told)))
    _, out, err = run("status", "--watch", "--json")
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["ready", "entry_open"]
    assert "ended the stream; trying again" in err  # as when the daemon stops


def test_events_since(run, stub):
    told = [{"sequence": number, "at": at, "fields": {"prompt": "wait"}} for number, at in enumerate((100.0, 4e9), 1)]
    stub.answers["GET /v1/events"] = (200, stream(("connected", {"run": "a", "sequence": 2}), *(("prompt", each) for each in told)))
    code, out, _ = run("events", "--since", "10m", "--json")
    assert code == ExitCode.OK
    assert [json.loads(line)["sequence"] for line in out.splitlines()] == [2]


@pytest.mark.parametrize(("text", "before"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_a_moment_may_be_so_long_ago(text, before):
    assert moment(text, 1e9) == 1e9 - before


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "10", "-5m", "99999999d"])
def test_what_is_no_time_is_a_mistake_of_usage(run, text):
    code, _, err = run("events", "--since", text)
    assert code == ExitCode.USAGE
    assert "no time" in err
