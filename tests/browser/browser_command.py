"""`make run` as a person types it, on a terminal: the panel's address, and Ctrl-C in good order."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 600.0
"""For each line: only what is said, and in which order, is under test. A busy machine needs minutes until the gate is ready."""
STYLE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
"""What a terminal is told of colours and weights, which may stand in the middle of a line (ECMA-48, control sequences)."""
NO_SCREEN = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}


@pytest.fixture
def terminal(tmp_path_factory):
    """Runs gatectl simulate on a terminal; gives the process, and what reads on until a pattern is printed or it ends."""
    scratch = Path(os.path.realpath(tmp_path_factory.mktemp("s")))
    started = []

    def run(*arguments):
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "gate_controller.cli.main", "simulate", "--no-pad", "--kiosk-port", "0", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env={**NO_SCREEN, "TMPDIR": str(scratch)}, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        started.append((process, ours))
        said = b""

        def until(pattern):
            """The match of a pattern in what was printed, without its style; fails if the process ends or is silent for too long before."""
            nonlocal said
            limit = time.monotonic() + PATIENCE_S
            ended = False
            while not (found := re.search(pattern, STYLE.sub(b"", said).decode(errors="replace"))):
                assert not ended, f"it has ended: {said!r}"
                assert time.monotonic() < limit, f"it is silent: {said!r}"
                if select.select([ours], [], [], 1.0)[0]:
                    try:
                        said += os.read(ours, 65536)
                    except OSError:  # the terminal's other side is closed
                        ended = True
            return found

        return process, until

    run.scratch = scratch
    yield run
    for process, ours in started:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE_S)
        os.close(ours)


def test_a_terminal_gets_the_panel_and_ctrl_c_leaves_nothing(terminal):
    process, until = terminal("--panel-port", "0")
    url = until(r"panel: (http://127\.0\.0\.1:\d+/)").group(1)
    until("the gate is ready; Ctrl-C stops")
    assert b"Simulated gate" in urllib.request.urlopen(url, timeout=30).read()
    process.send_signal(signal.SIGINT)
    assert until("stopped; nothing is left running")
    assert process.wait(PATIENCE_S) == 0
    assert list(terminal.scratch.iterdir()) == []
    with pytest.raises(OSError):
        urllib.request.urlopen(url, timeout=5)


def test_a_port_that_is_taken_is_said_in_one_line(terminal):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process, until = terminal("--panel-port", str(port))
        assert until(rf"panel on 127\.0\.0\.1:{port}: Address already in use").group()
        assert until("--panel-port")
        assert process.wait(PATIENCE_S) == 8
    assert list(terminal.scratch.iterdir()) == []
