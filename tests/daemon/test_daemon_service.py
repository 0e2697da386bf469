"""The daemon under a service manager: ready, state, signs of life only while all of it runs, listeners taken over."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import structlog

from gate_controller.control.client import GateClient
from gate_controller.daemon import Watch
from gate_controller.ports.errors import GateError

GENEROUS_S = 60.0


class HandGate:
    ill = None
    stuck = False

    def ailment(self):
        return self.ill

    def status(self):
        if self.stuck:
            raise GateError("no decision", "restart")
        return {"state": "out_of_service", "reason": "io_board_lost"}


class HandServer:
    alive = True


class Told(list):
    watchdog_s = 10.0

    def __getattr__(self, what):
        return lambda *said: self.append((what, *said))


@pytest.fixture
def parts():
    gate, server, told = HandGate(), HandServer(), Told()
    return gate, server, told, Watch(gate, server, told)


def test_a_gate_that_decides_and_answers_is_ready_whatever_its_lane_is(parts):
    *_, told, watch = parts
    watch.look()
    watch.look()
    assert told == [("status", "out_of_service: io_board_lost"), ("ready",), ("alive",), ("status", "out_of_service: io_board_lost"), ("alive",)]


def test_what_is_loaded_when_the_gate_is_ready_is_no_longer_looked_through_for_garbage(parts, monkeypatch):
    *_, watch = parts
    frozen = []
    monkeypatch.setattr("gate_controller.daemon.gc.freeze", lambda: frozen.append(1))
    watch.look()
    watch.look()
    assert frozen == [1]


def test_no_sign_of_life_while_something_does_not_run(parts):
    gate, server, told, watch = parts
    watch.look()
    for ill, alive, says in (
        ("the decision thread does not turn", True, "the decision thread does not turn"),
        ("the thread io_board has ended", True, "the thread io_board has ended"),
        (None, False, "the control server has ended"),
    ):
        gate.ill, server.alive = ill, alive
        told.clear()
        watch.look()
        assert told == [("status", says)]
    gate.ill, server.alive = None, True
    told.clear()
    watch.look()
    assert told[-1] == ("alive",), "it turns again, and is not ready for a second time"
    assert ("ready",) not in told
    gate.stuck = True
    told.clear()
    watch.look()
    assert told == [("status", "no decision")]


def test_a_bug_in_looking_ends_the_signs_of_life_and_nothing_else(parts):
    gate, _server, told, watch = parts
    gate.status = lambda: {}["state"]
    with structlog.testing.capture_logs() as logs:
        watch.look()
        watch.look()
    assert told == [("status", "KeyError when looking at the gate: this is a bug")] * 2
    assert [entry["log_level"] for entry in logs] == ["error", "critical"], "once"


def test_it_looks_often_enough_for_a_short_watchdog(parts):
    gate, server, told, watch = parts
    assert watch.every_s == 0.5
    told.watchdog_s = 0.8
    assert Watch(gate, server, told).every_s == pytest.approx(0.1)


def test_a_daemon_tells_systemd_and_takes_over_its_listeners(site, open_directory):
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(open_directory / "notify"))
    notify.settimeout(GENEROUS_S)
    control, page = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_INET)
    path = site.apart / "c.sock"
    control.bind(str(path))
    page.bind(("127.0.0.1", 0))
    for each in (control, page):
        each.listen()
    site.changes["kiosk"] = {"enabled": True, "port": page.getsockname()[1]}
    environment = {
        **os.environ,
        "NOTIFY_SOCKET": str(open_directory / "notify"),
        "WATCHDOG_USEC": "2000000",
        "LISTEN_FDS": "2",
        "LISTEN_FDNAMES": "control:kiosk",
    }
    command = f'export LISTEN_PID=$$; exec "$0" -m gate_controller.daemon --config "$1" 3<&{control.fileno()} 4<&{page.fileno()}'
    process = subprocess.Popen(
        ["bash", "-c", command, sys.executable, str(site.config)],
        pass_fds=(control.fileno(), page.fileno()),
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        heard = [notify.recv(4096).decode() for _ in range(4)]
        assert heard[0].startswith("STATUS=out_of_service: ")
        assert heard[1:3] == ["READY=1", "WATCHDOG=1"]
        assert GateClient(path, timeout_s=GENEROUS_S).status()["state"] == "out_of_service"
        with urllib.request.urlopen(f"http://127.0.0.1:{page.getsockname()[1]}/", timeout=GENEROUS_S) as answer:
            assert answer.status == 200
        signs, limit = 0, time.monotonic() + GENEROUS_S
        while signs < 2 and time.monotonic() < limit:
            signs += notify.recv(4096) == b"WATCHDOG=1"
        assert signs == 2, "they go on by themselves"
        process.send_signal(signal.SIGTERM)
        while notify.recv(4096) != b"STOPPING=1":
            pass
        assert process.wait(GENEROUS_S) == 0
        assert path.exists(), "the file is the service manager's"
    finally:
        process.kill()
        process.communicate()
        for each in (notify, control, page):
            each.close()


def test_a_listener_elsewhere_than_in_the_configuration_is_one_clear_line(site):
    control = socket.socket(socket.AF_UNIX)
    control.bind(str(site.apart / "other.sock"))
    control.listen()
    command = f'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=control; exec "$0" -m gate_controller.daemon --config "$1" 3<&{control.fileno()}'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, str(site.config)], pass_fds=(control.fileno(),), capture_output=True, text=True, check=False, timeout=GENEROUS_S
    )
    control.close()
    assert done.returncode == 8
    assert "other.sock, by [control] socket it is" in done.stderr
    assert "Traceback" not in done.stderr
