import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simulators import process
from simulators.process import pairs


def test_values_are_json_where_they_parse():
    assert pairs(["a=1", "b=true", "c=text", "d=[1, 2]", "e=", "f=a=b"]) == {"a": 1, "b": True, "c": "text", "d": [1, 2], "e": "", "f": "a=b"}


def test_a_word_without_a_value_is_named():
    with pytest.raises(ValueError, match="lonely"):
        pairs(["a=1", "lonely"])


PATIENCE_S = 30.0


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


def test_a_parent_that_had_ended_before_the_first_call_is_noticed(monkeypatch):
    monkeypatch.setattr(os, "getppid", lambda: 1)
    monkeypatch.setattr(process, "_PR_SET_PDEATHSIG", 2)  # asks instead of setting: this process goes on
    with pytest.raises(SystemExit, match="has ended"):
        process.end_with_parent()
