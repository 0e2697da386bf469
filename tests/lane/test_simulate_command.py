"""`gatectl simulate` as a person runs it: as a process, with what it prints and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = "89"
"""Seed of a cast that begins with a revoked and a suspended pass: both travellers are refused at the entry."""
pytestmark = [pytest.mark.wire, pytest.mark.lane]
ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gate_controller.cli.main", "simulate", "--kiosk-port", "0", *arguments]


def left_running(scratch: Path) -> list[str]:
    """Command lines of processes that still use `scratch`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"TMPDIR={scratch}".encode() in environment and line:
                found.append(line.replace(b"\0", b" ").decode())
    return found


@pytest.fixture
def scratch(tmp_path_factory):
    return Path(os.path.realpath(tmp_path_factory.mktemp("s")))


def test_json_gives_one_object_a_crossing_and_leaves_nothing(scratch):
    done = subprocess.run(
        command("--travellers", "2", "--seed", QUICK, "--json"),
        check=False,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["number"] for one in objects] == [1, 2]
    assert all(one["as_expected"] for one in objects)
    assert list(scratch.iterdir()) == []
    assert left_running(scratch) == []


def test_ctrl_c_stops_everything_and_leaves_nothing(scratch):
    process = subprocess.Popen(
        command("--seed", "1"),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        for line in process.stdout:
            if line.lstrip().startswith("1 "):
                break
        os.killpg(process.pid, signal.SIGINT)
        rest = process.communicate(timeout=90)[0]
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0
    assert "Traceback" not in rest
    assert list(scratch.iterdir()) == []
    assert left_running(scratch) == []
