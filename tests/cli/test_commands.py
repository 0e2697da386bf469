"""What holds for every command: it is listed, documented, has JSON where it prints data, and behaves in a narrow, plain or deaf terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.failures import exit_code_of
from gate_controller.cli.main import COMMANDS, gatectl, main
from gate_controller.control.client import DaemonUnreachableError, NotPermittedError, RequestRefusedError
from gate_controller.ports.errors import (
    ConfigurationError,
    DeviceAbsentError,
    DevicePermissionError,
    DeviceTimeoutError,
    GateError,
    RefusedByStateError,
    StoreError,
)
from tests.cli.stub_daemon import STATUS, StubDaemon

ROOT = Path(__file__).parents[2]
NO_DATA = {
    "run": "becomes the daemon",
    "diagram": "prints Mermaid text",
    "completion": "prints what a shell reads",
}
ERRORS = [
    (GateError("x"), ExitCode.CHECK_FAILED),
    (DeviceTimeoutError("x"), ExitCode.CHECK_FAILED),
    (RequestRefusedError("x"), ExitCode.USAGE),
    (DaemonUnreachableError("x"), ExitCode.DAEMON_UNREACHABLE),
    (NotPermittedError("x"), ExitCode.NOT_PERMITTED),
    (DevicePermissionError("x"), ExitCode.NOT_PERMITTED),
    (DeviceAbsentError("x"), ExitCode.DEVICE_ABSENT),
    (RefusedByStateError("x"), ExitCode.REFUSED_BY_STATE),
    (ConfigurationError("x"), ExitCode.CONFIGURATION),
    (StoreError("x"), ExitCode.CONFIGURATION),
]


def commands(group=gatectl, path=()):
    """Every command that does something, by its words."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name)), command


ALL = dict(commands())


def run(*arguments, code=None, **environment):
    inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}  # a worker of pytest-xdist has one
    done = subprocess.run(
        [sys.executable, "-m", "gate_controller.cli.main", *arguments], check=False, capture_output=True, env={**inherited, **environment}, timeout=120
    )
    if code is not None:
        assert done.returncode == code, done.stderr
    return done


@pytest.mark.parametrize("name", ALL)
def test_every_command_says_what_it_does_and_explains_each_option(name):
    command = ALL[name]
    assert command.help
    assert all(each.help for each in command.params if isinstance(each, click.Option))


@pytest.mark.parametrize("name", sorted(ALL.keys() - NO_DATA.keys()))
def test_every_command_that_prints_data_prints_it_as_json(name):
    assert "--json" in {option for each in ALL[name].params for option in each.opts}


def test_the_exceptions_are_commands():
    assert NO_DATA.keys() <= ALL.keys()


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_each_error_has_its_exit_code(error, code, capsys):
    def raises(**_: object) -> None:
        raise error

    assert exit_code_of(error) is code
    assert main([], raises) == code
    assert "gatectl: x" in capsys.readouterr().err


def test_a_bug_is_exit_code_70_with_a_traceback(capsys):
    def raises(**_: object) -> None:
        raise ZeroDivisionError

    assert main([], raises) == ExitCode.BUG
    assert "Traceback" in capsys.readouterr().err


def test_every_exit_code_is_used():
    elsewhere = {ExitCode.OK, ExitCode.NOTHING_TO_DO, ExitCode.BUG}
    assert {code for _, code in ERRORS} | elsewhere == set(ExitCode)


@pytest.mark.parametrize("words", [["statu"], ["--nonsense"], ["officer", "fire"], ["door", "cycle", "window"], ["events", "--since", "never"]])
def test_a_mistake_of_usage_is_exit_code_2_without_a_traceback(words, capsys):
    assert main(words) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert said.startswith("Usage: gatectl")
    assert said.splitlines()[-1].startswith("gatectl: remedy: see gatectl")
    assert said.splitlines()[-1].endswith("--help")
    assert "Traceback" not in said


def test_a_command_that_does_not_exist_is_told_the_nearest(capsys):
    main(["docter"])
    assert "did you mean doctor?" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell, capsys):
    assert main(["completion", shell]) == ExitCode.OK
    assert "_GATECTL_COMPLETE" in capsys.readouterr().out


def test_completion_completes():
    done = run(_GATECTL_COMPLETE="bash_complete", COMP_WORDS="gatectl doc", COMP_CWORD="1", code=0)
    assert b"doctor" in done.stdout


# --- terminals ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def daemon(tmp_path):
    stub = StubDaemon(tmp_path / "c.sock")
    trouble = {"state": "lost", "code": "absent", "detail": "the module at /dev/gate/fingerprint \u2013 is gone " * 3, "remedy": "plug it in " * 12}
    stub.answers["GET /v1/status"] = (200, {**STATUS, "devices": {**STATUS["devices"], "fingerprint": trouble}})
    with stub.served():
        yield str(stub.path)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("--help", 0),
        ("status --socket {daemon}", 0),
        ("officer calls --socket {daemon}", 0),
        ("officer release --help", 0),
        ("config explain", 0),
        ("config explain devices.fingerprint.baud", 0),
        ("doctor --config /nonexistent/with/a/name", 1),
        ("lanes {daemon} /nonexistent/with/a/name.sock", 1),
        ("whoami --socket {daemon}", 0),
    ],
)
def test_sixty_columns_are_enough(daemon, command, code):
    done = run(*command.format(daemon=daemon).split(), code=code, COLUMNS="60", PYTHONUTF8="1")
    lines = done.stdout.decode().splitlines()
    assert lines
    assert [line for line in lines if len(line) > 60 and " " in line.strip()] == []


@pytest.mark.parametrize("command", ["keys status", "journal tail", "config check", "statsu"])
def test_each_line_of_an_error_stays_whole_in_a_log(command):
    arguments = [*command.split(), *([] if command == "statsu" else ["--config", "/nonexistent/with/a/name/that/is/long/enough/for/a/line.toml"])]
    said = run(*arguments, COLUMNS="60").stderr.decode().splitlines()
    assert [line.startswith(("gatectl: ", "Usage: ")) for line in said] == [True] * len(said)


def test_into_a_pipe_each_line_stays_whole(daemon):
    whole = run("config", "explain", code=0).stdout.decode().splitlines()
    assert max(map(len, whole)) > 100
    assert not any(line.startswith(" ") for line in whole)
    assert run("completion", "bash", code=0, COLUMNS="60").stdout == run("completion", "bash", code=0).stdout
    status = run("status", "--json", "--socket", daemon, code=0, COLUMNS="60").stdout.decode()
    assert len(status.splitlines()) == 1


@pytest.mark.parametrize(("encoding", "dash"), [("latin-1", rb"\u2013"), ("ascii", b" is gone")])
def test_a_terminal_without_utf8_is_no_crash(daemon, encoding, dash):
    done = run("status", "--socket", daemon, code=0, PYTHONUTF8="0", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING=encoding)
    assert dash in done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted_or_nobody_looks(daemon, environment):
    assert b"\x1b" not in run("status", "--socket", daemon, code=0, **environment).stdout


@pytest.mark.parametrize("command", ["diagram", "status --socket {daemon}"])
def test_a_pipe_that_closes_early_is_no_error(daemon, command):
    script = f"{sys.executable} -m gate_controller.cli.main {command.format(daemon=daemon)} | true; echo code ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout == "code 0\n"


@pytest.mark.parametrize("command", ["--help", "status --socket {daemon}", "status --json --socket {daemon}"])
def test_output_that_cannot_be_written_is_no_success_and_no_bug(daemon, command):
    script = f"{sys.executable} -m gate_controller.cli.main {command.format(daemon=daemon)} > /dev/full"
    done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == ExitCode.CHECK_FAILED
    assert done.stderr.splitlines()[0] == "gatectl: the output cannot be written: No space left on device"
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("closed", ["<&-", "2>&-", ">/dev/null", "<&- >/dev/null 2>&-"])
def test_a_standard_stream_that_is_closed_is_no_bug(daemon, closed):
    assert ended(f"status --socket {daemon}", closed) == (0, "")


@pytest.mark.parametrize("command", ["status --socket {daemon}", "status --socket {daemon} --json", "--help", "status --socket {daemon}.none --json"])
@pytest.mark.parametrize("closed", [">&-", "1</dev/null", "<&- >&- 2>&-"])
def test_output_that_was_closed_is_no_success(daemon, command, closed):
    code, said = ended(command.format(daemon=daemon), closed)
    assert code == (ExitCode.DAEMON_UNREACHABLE if ".none" in command else ExitCode.CHECK_FAILED)
    assert "Traceback" not in said
    if "2>&-" not in closed and ".none" not in command:
        assert said.splitlines()[0] == "gatectl: the output cannot be written: Bad file descriptor"


def test_what_prints_nothing_does_without_output(tmp_path):
    assert ended(f"diagram --write {tmp_path / 'page.md'}", ">&-") == (0, "")


def ended(command, streams):
    """Exit code and standard error of a command whose streams the shell has prepared so."""
    script = f"exec 9>&1; {sys.executable} -m gate_controller.cli.main {command} {streams}; echo code $? >&9"
    done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True, timeout=120)
    return int(done.stdout.rpartition("code ")[2]), done.stderr


# --- daemons --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"\xff\xfe", b"{" * 5000, b"null"])
def test_a_daemon_of_another_kind_is_told_apart(tmp_path, answer, capsys):
    stub = StubDaemon(tmp_path / "c.sock")
    stub.answers["GET /v1/status"] = (200, answer)
    with stub.served():
        assert main(["status", "--socket", str(stub.path)]) == ExitCode.DAEMON_UNREACHABLE
    assert "one version" in capsys.readouterr().err


def test_a_daemon_of_another_version_that_lacks_a_call_is_told(tmp_path, capsys):
    stub = StubDaemon(tmp_path / "c.sock")
    del stub.answers["GET /v1/officer/calls"]
    with stub.served():
        assert main(["officer", "calls", "--socket", str(stub.path)]) == ExitCode.DAEMON_UNREACHABLE
    assert "one version" in capsys.readouterr().err


def test_a_status_of_another_version_still_prints(tmp_path, capsys):
    stub = StubDaemon(tmp_path / "c.sock")
    stub.answers["GET /v1/status"] = (200, {"state": {"new": 1}, "doors": None, "devices": [1], "officer_call": "yes", "trust_store": 7})
    with stub.served():
        assert main(["status", "--socket", str(stub.path)]) == ExitCode.OK
        assert main(["status", "--socket", str(stub.path), "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["trust_store"] == 7


def test_help_and_status_load_nothing_heavy():
    heavy = "{'numpy', 'cv2', 'pydantic', 'aiohttp', 'rich', 'nacl', 'tuf', 'structlog', 'yaml'}"
    script = f"import sys, gate_controller.cli.main as m, gate_controller.cli.status; m.main(['--help']); sys.exit(repr({heavy} & sys.modules.keys() or ''))"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=120)
    assert done.stderr.strip() in {"", "''"}


def test_the_list_names_every_command(capsys):
    assert main(["--help"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("whoami",),
        ("events",),
        ("officer", "calls"),
        ("io", "show"),
        ("config", "check"),
        ("keys", "status"),
        ("lanes",),
        ("journal", "tail"),
    ],
)
def test_what_this_user_may_not_read_is_no_mistake_of_usage(command, tmp_path, monkeypatch, capsys):
    """The command itself says what is not permitted, and what helps; click's own look comes to nothing more than "not readable"."""
    closed = tmp_path / "closed"
    closed.write_text("")
    monkeypatch.setattr(os, "access", lambda *_args, **_named: False)  # as it is for anybody but root
    place = {"lanes": [str(closed)], "config": ["--config", str(closed)], "keys": ["--config", str(closed)]}
    options = place.get(command[0], ["--config", str(closed)] if command[0] in {"io", "journal"} else ["--socket", str(closed)])
    code = main([*command, *options])
    assert code not in {ExitCode.OK, ExitCode.USAGE}
    assert "not readable" not in capsys.readouterr().err
