import ctypes
import os
import select
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from simulators import process
from simulators.camera import __main__ as camera
from simulators.fingerprint import __main__ as fingerprint
from simulators.io_board import __main__ as io_board
from simulators.link import check_link
from simulators.process import pairs


def test_values_are_json_where_they_parse():
    assert pairs(["a=1", "b=true", "c=text", "d=[1, 2]", "e=", "f=a=b"]) == {"a": 1, "b": True, "c": "text", "d": [1, 2], "e": "", "f": "a=b"}


def test_a_word_without_a_value_is_named():
    with pytest.raises(ValueError, match="lonely"):
        pairs(["a=1", "lonely"])


PATIENCE_S = 30.0
MAINS = {"camera": camera.main, "fingerprint": fingerprint.main, "io_board": io_board.main}


@pytest.fixture(params=["camera", "fingerprint", "io_board"])
def command(request, tmp_path):
    own = {
        "camera": ["--width", "64", "--height", "64"],
        "fingerprint": ["--family", "r503", "--link", tmp_path / "link"],
        "io_board": ["--link", tmp_path / "link"],
    }
    return [str(word) for word in [sys.executable, "-m", f"simulators.{request.param}", "--control", tmp_path / "control", *own[request.param]]]


@pytest.mark.wire
def test_a_signal_that_another_thread_takes_ends_it_too(command, tmp_path):
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert select.select([running.stdout], [], [], PATIENCE_S)[0]
            assert running.stdout.readline().startswith("ready")
            others = {int(thread.name) for thread in Path(f"/proc/{running.pid}/task").iterdir()} - {running.pid}
            assert ctypes.CDLL(None).tgkill(running.pid, max(others), signal.SIGTERM) == 0
            assert running.wait(PATIENCE_S) == 0
        finally:
            running.kill()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.wire
@pytest.mark.parametrize("name", ["fingerprint", "io_board"])
def test_the_link_of_a_running_simulator_is_not_taken_and_that_of_a_killed_one_is(name, tmp_path, capsys):
    link, control = tmp_path / "link", tmp_path / "control"
    options = [*(["--family", "r503"] if name == "fingerprint" else []), "--link", str(link)]
    with subprocess.Popen([sys.executable, "-m", f"simulators.{name}", *options, "--control", str(control)], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert select.select([running.stdout], [], [], PATIENCE_S)[0]
            served = link.readlink()
            assert MAINS[name]([*options, "--control", str(tmp_path / "other")]) == 1
            assert "alive" in capsys.readouterr().err
            assert link.readlink() == served
        finally:
            running.kill()
    check_link(link)


WRONG = [
    ("camera", "--port", "65536"),
    ("camera", "--port", "-1"),
    ("camera", "--width", "15"),
    ("camera", "--height", "4097"),
    ("camera", "--fps", "0"),
    ("camera", "--fps", "nan"),
    ("camera", "--seed", "-1"),
    ("io_board", "--unit", "0"),
    ("io_board", "--unit", "248"),
    ("io_board", "--unit", "one"),
    ("io_board", "--baud", "1234"),
    ("fingerprint", "--password", "-1"),
    ("fingerprint", "--password", "0x100000000"),
]


@pytest.mark.parametrize(("name", "option", "value"), WRONG)
def test_an_option_out_of_bounds_is_a_usage_error(name, option, value, tmp_path, capsys):
    own = {"camera": [], "fingerprint": ["--family", "r503", "--link", "link"], "io_board": ["--link", "link"]}[name]
    with pytest.raises(SystemExit) as raised:
        MAINS[name]([*own, "--control", str(tmp_path / "control"), f"{option}={value}"])
    assert raised.value.code == 2
    assert option in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.wire
def test_a_reader_that_hangs_up_is_no_crash():
    command = [sys.executable, "-m", "simulators.fingerprint", "ctl", "nowhere", "fault", "list"]
    out, into = os.pipe()
    os.close(out)
    try:
        ended = subprocess.run(command, stdout=into, stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False)
    finally:
        os.close(into)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_parent_that_had_ended_before_the_first_call_is_noticed(monkeypatch):
    monkeypatch.setattr(os, "getppid", lambda: 1)
    monkeypatch.setattr(process, "_PR_SET_PDEATHSIG", 2)  # asks instead of setting: this process goes on
    with pytest.raises(SystemExit, match="has ended"):
        process.end_with_parent()


@pytest.mark.parametrize(
    ("parents", "told", "ends"), [((1, 1), 0, True), ((1, 1), 1, False), ((7, 7), 7, False), ((1, 1), 7, True), ((7, 1), 7, True), ((7, 7), 0, False)]
)
def test_whoever_started_it_may_be_process_1(monkeypatch, parents, told, ends):
    """In a container the gate itself is process 1; elsewhere that is who takes over orphans."""
    monkeypatch.setattr(process.os, "getppid", iter(parents).__next__)
    monkeypatch.setattr(process.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(prctl=lambda *_: 0))
    with pytest.raises(SystemExit) if ends else nullcontext():
        process.end_with_parent(told)
