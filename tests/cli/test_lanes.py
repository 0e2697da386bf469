"""Many gates at a glance, over stub daemons: one that hangs, one that is not there, one that says nothing of a lane among them."""

import contextlib
import io
import json
import re
import socket
import threading
from pathlib import Path

import pytest

from gate_controller.cli import lanes
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.main import main
from gate_controller.cli.width import Wrapped
from tests.cli.stub_daemon import READY, STATUS, StubDaemon

CALL = {"number": 7, "reason": "face_mismatch", "escalation": 2, "acknowledged": False}
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def serve(open_directory):
    """Serve a lane with this status (or this answer) at a name of the directory."""
    with contextlib.ExitStack() as stack:

        def one(name, answer=None, **status):
            stub = StubDaemon(open_directory / f"{name}.sock")
            stub.answers["GET /v1/status"] = answer or (200, {**STATUS, "gate": name, "version": "0.1.0", **status})
            stack.enter_context(stub.served())
            return stub

        yield one


@pytest.fixture
def told(open_directory, capsys):
    def run(*arguments):
        code = main(["lanes", str(open_directory), *arguments])
        return code, capsys.readouterr().out.splitlines()

    return run


def test_who_wants_somebody_comes_first(serve, told):
    serve("a-well", trust={"HK": {"state": "fresh"}, "MO": {"state": "fresh"}})
    serve("b-lost", devices={**STATUS["devices"], "fingerprint": {**READY, "state": "lost"}})
    serve("c-taken", officer_call={**CALL, "acknowledged": True, "since_s": 4000})
    serve("d-called", officer_call={**CALL, "since_s": 12.5})
    serve("g-called-before", officer_call={**CALL, "since_s": 130.0})
    serve("e-closed", state="out_of_service", reason="device_lost")
    serve("f-stale", trust={"HK": {"state": "stale"}, "MO": {"state": "fresh"}})
    code, lines = told()
    assert code == ExitCode.CHECK_FAILED
    assert [line.split("  ")[0] for line in lines[:-1]] == ["g-called-before", "d-called", "c-taken", "b-lost", "e-closed", "f-stale", "a-well"]
    assert "OFFICER: face_mismatch for 2 min, NOBODY HAS TAKEN IT, repeated 2 times" in lines[0]
    assert "fingerprint lost" in lines[3]
    assert "out_of_service (device_lost) for 3 s" in lines[4]
    assert "keys of HK stale" in lines[5]
    assert lines[6] == "a-well  ready for 3 s; keys of HK, MO fresh; version 0.1.0"
    assert lines[-1] == "7 lanes: 3 call an officer, 3 in trouble, 1 as they should be"


ODD = [
    {"state": {"a": 1}},
    {"state": None, "since_s": float("nan")},
    {"since_s": float("inf"), "version": ["0.9"]},
    {"since_s": 10**400},
    {"officer_call": {"number": {"x": 1}, "since_s": "long", "acknowledged": []}},
    {"officer_call": "yes", "devices": [1], "trust": {"HK": "fresh"}},
    {"devices": {"a": {"state": ["x"]}}, "trust": {"HK": {"state": {}}}},
    {"gate": {"name": "x"}, "reason": 7},
]


@pytest.mark.parametrize("odd", ODD)
def test_a_lane_of_another_version_is_a_line_and_ends_no_list(serve, told, odd):
    serve("a-odd", **{"gate": "a-odd", **odd})
    serve("b-called", officer_call={**CALL, "since_s": 5})
    code, lines = told()
    assert code == ExitCode.CHECK_FAILED
    assert len(lines) == 3
    assert any(line.startswith("b-called  OFFICER: face_mismatch for 5 s") for line in lines)
    assert any(line.startswith("a-odd") for line in lines)
    assert len(told("--json")[1]) == 2


def test_where_socket_and_gate_have_two_names_both_are_told(serve, told):
    serve("gate-07", gate="MO-ARR-07")
    assert told()[1][0].startswith("gate-07 (MO-ARR-07)  ready")


def test_many_that_hang_take_no_longer_than_one(serve, told, open_directory, monkeypatch):
    """All are asked before the first has to answer: sixty do not wait for places."""
    asked = threading.Barrier(60)

    def ask(socket):
        asked.wait(30.0)
        return lanes.Lane(socket, {}, "timed out")

    monkeypatch.setattr(lanes, "ask", ask)
    assert len(lanes.look([open_directory / f"{number}.sock" for number in range(60)])) == 60


def test_lines_fit_sixty_columns(serve, told, monkeypatch, capsys):
    serve("gate-07", officer_call={**CALL, "since_s": 3725}, trust={"HK": {"state": "stale"}}, state="officer_referral", reason="face_mismatch")
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", Wrapped(stream, 60))
    told()
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0].startswith("gate-07  OFFICER: face_mismatch for 1 h 2 min")


def test_where_nobody_wants_anything_the_exit_code_is_0(serve, told):
    serve("a")
    serve("b", state="admitting")
    assert told()[0] == ExitCode.OK


def test_a_gate_that_does_not_answer_is_a_line_and_holds_up_nobody(serve, told, open_directory, monkeypatch):
    monkeypatch.setattr(lanes, "ANSWER_S", 0.3)
    serve("a-well")
    serve("b-odd", answer=(200, {}))
    serve("c-refuses", answer=(403, {"error": "it needs the role read", "remedy": "ask"}))
    dead = open_directory / "d-dead.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(dead))
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(open_directory / "e-hangs.sock"))
        hanging.listen()
        code, lines = told()
    assert code == ExitCode.CHECK_FAILED
    assert [line.split("  ")[0] for line in lines[:-1]] == ["b-odd", "c-refuses", "d-dead", "e-hangs", "a-well"]
    assert all("no answer: " in line for line in lines[:4])
    assert "it needs the role read" in lines[1]


def test_json_is_an_object_a_lane(serve, told):
    serve("a", officer_call=CALL)
    serve("b", answer=(200, {}))
    _, lines = told("--json")
    first, second = map(json.loads, lines)
    assert (first["gate"], first["wants"], first["officer_call"]["number"], first["version"]) == ("a", "officer", 7, "0.1.0")
    assert (second["gate"], second["wants"], second["state"]) == ("b", "engineer", None)
    assert second["problem"]


def test_a_directory_without_sockets_and_a_socket_that_is_not_there(told, open_directory, capsys):
    assert told()[0] == ExitCode.CONFIGURATION
    assert main(["lanes", str(open_directory / "none.sock")]) == ExitCode.CHECK_FAILED
    assert "none  no answer: " in capsys.readouterr().out


def test_watching_rings_for_a_new_call_only(serve, open_directory, monkeypatch, capsys):
    stub = serve("a")
    calls = iter([{**CALL, "number": 7}, {**CALL, "number": 7}, {**CALL, "number": 8}])

    def pause(_seconds):
        call = next(calls, None)
        if call is None:
            raise KeyboardInterrupt
        stub.answers["GET /v1/status"] = (200, {**STATUS, "gate": "a", "officer_call": call})

    monkeypatch.setattr(lanes, "pause", pause)
    monkeypatch.setattr(lanes.sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["lanes", str(open_directory), "--watch"]) == 130
    looks = capsys.readouterr().out.split("\x1b[2J")
    assert ["\a" in look for look in looks if "lanes:" in look] == [False, True, False, True]


def test_a_socket_that_goes_while_it_is_watched_stays_in_the_list_and_one_that_comes_is_in_it(serve, open_directory, monkeypatch, capsys):
    """With ssh's forward goes its socket: the gate must not be missing without a word."""
    serve("a")
    late = iter([lambda: serve("b"), lambda: [each.unlink() for each in open_directory.glob("*.sock")]])

    def pause(_seconds):
        happens = next(late, None)
        if happens is None:
            raise KeyboardInterrupt
        happens()

    monkeypatch.setattr(lanes, "pause", pause)
    assert main(["lanes", str(open_directory), "--watch"]) == 130
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines if "lanes:" not in line] == ["a", "a", "b", "a", "b"]
    assert all("no answer: " in line for line in lines[-3:-1])


def test_a_directory_that_may_not_be_looked_into_is_a_line(monkeypatch, capsys, open_directory):
    def refuse(_self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert main(["lanes", str(open_directory / "none.sock")]) == ExitCode.CHECK_FAILED
    assert "no answer: " in capsys.readouterr().out


def test_what_a_gate_says_is_no_command_for_the_terminal(serve, told):
    serve("a\x1b[2J", state="rea\x1bdy")
    assert "\x1b" not in "".join(told()[1])


def test_the_alerts_name_metrics_and_labels_that_are():
    """And the labels that they have: `{{ $labels.x }}` of one that is not there is an empty text in the message."""
    known = {}
    for name, labels in re.findall(r"^\| `(gate_[a-z_]+)` \|.*\| ([^|]*) \|$", (DOCS / "reference/metrics.md").read_text(), re.MULTILINE):
        known[name] = set(re.findall(r"`(\w+)`", labels))
    rules = (DOCS / "alerts.yml").read_text().split("- alert: ")[1:]
    assert len(rules) >= 8
    for rule in rules:
        expression = re.search(r"^ +expr: (.+)$", rule, re.MULTILINE)[1]
        named = re.findall(r"\bgate_[a-z_]+", expression)
        assert named or re.search(r"\b(up|node_textfile_mtime_seconds)\{", expression), rule
        assert set(named) <= set(known), rule
        told = re.findall(r"\$labels\.(\w+)", rule) + re.findall(r"gate_\w+\{(\w+)", expression)
        assert set(told) - {"instance"} <= set().union(*(known[name] for name in named)), rule
