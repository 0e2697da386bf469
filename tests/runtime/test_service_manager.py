"""What is told to a service manager, and what is taken over from one: a socket of this test's plays systemd's part."""

import os
import socket
import subprocess
import sys

import pytest

from gate_controller.runtime.service_manager import ServiceManager


class HandClock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def wall(self):
        return 1_800_000_000.0


class Systemd:
    """The end at which systemd listens."""

    def __init__(self, address):
        self.line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.line.bind(address)
        self.line.setblocking(False)

    def heard(self):
        found = []
        while True:
            try:
                found.append(self.line.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def systemd(open_directory):
    made = Systemd(str(open_directory / "notify"))
    made.address = str(open_directory / "notify")
    yield made
    made.line.close()


def test_ready_state_and_stopping_are_told(systemd, clock):
    manager = ServiceManager(systemd.address, None, clock)
    manager.status("ready")
    manager.ready()
    manager.status("ready")  # nothing new
    manager.status("out_of_service:\n io_board_lost")
    manager.stopping()
    assert systemd.heard() == ["STATUS=ready", "READY=1", "STATUS=out_of_service: io_board_lost", "STOPPING=1"]


def test_a_sign_of_life_is_sent_once_in_half_of_the_watchdogs_time(systemd, clock):
    manager = ServiceManager(systemd.address, 10.0, clock)
    manager.ready()
    assert systemd.heard() == ["READY=1", "WATCHDOG=1"]
    for now, told in ((104.9, []), (105.0, ["WATCHDOG=1"]), (105.5, []), (112.0, ["WATCHDOG=1"]), (116.9, []), (117.0, ["WATCHDOG=1"])):
        clock.now = now
        manager.alive()
        assert systemd.heard() == told, now


def test_an_abstract_address_is_understood(clock):
    name = f"gate-test-{os.getpid()}"
    systemd = Systemd(f"\0{name}")
    environment = {"NOTIFY_SOCKET": f"@{name}"}
    ServiceManager.of_this_process(clock, environment).ready()
    assert systemd.heard() == ["READY=1"]
    systemd.line.close()


def test_without_a_manager_nothing_is_told(clock):
    manager = ServiceManager.of_this_process(clock, {})
    manager.ready()
    manager.status("ready")
    manager.alive()
    manager.stopping()
    assert (manager.watchdog_s, manager.listeners) == (None, {})


def test_what_the_environment_says_is_not_handed_on_to_children(clock):
    said = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid()), "LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
    environment = {**said, "PATH": "/bin"}
    manager = ServiceManager.of_this_process(clock, environment)
    assert environment == {"PATH": "/bin"}
    assert manager.watchdog_s == 10.0
    assert manager.listeners == {}, "they were meant for another process"


@pytest.mark.parametrize(
    "environment", [{"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "-5"}]
)
def test_a_watchdog_that_is_not_ours_or_makes_no_sense_is_none(clock, environment):
    assert ServiceManager.of_this_process(clock, dict(environment)).watchdog_s is None


def test_a_manager_that_is_gone_or_does_not_read_harms_nothing(systemd, clock, open_directory):
    ServiceManager(str(open_directory / "nobody"), 10.0, clock).ready()
    ServiceManager("/" + "x" * 300, 10.0, clock).ready()
    systemd.line.close()
    ServiceManager(systemd.address, 10.0, clock).stopping()


HANDED_OVER = """
import os, socket
from gate_controller.ports.clock import SystemClock
from gate_controller.runtime.service_manager import ServiceManager
os.environ["LISTEN_PID"] = str(os.getpid())
manager = ServiceManager.of_this_process(SystemClock())
print({name: (each.family.name, each.getsockname() != "", each.get_inheritable(), each.gettimeout()) for name, each in manager.listeners.items()})
taken = manager.listeners.pop("control")
manager.close()
print(len(manager.listeners), taken.fileno())
taken.close()
"""


def test_listeners_are_taken_over_by_their_names(open_directory):
    """As systemd hands them over: from descriptor 3 on. The third is no socket, the fourth has a name that was there before."""
    unix, page = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_INET)
    unix.bind(str(open_directory / "c.sock"))
    page.bind(("127.0.0.1", 0))
    for each in (unix, page):
        each.listen()
    null = os.open("/dev/null", os.O_RDONLY)
    handed = [unix.fileno(), page.fileno(), null, page.fileno()]
    free = max(handed) + 1  # a worker that runs long has many open: none of those handed over may be written over
    moves = " ".join([*(f"{free + n}<&{descriptor}" for n, descriptor in enumerate(handed)), *(f"{3 + n}<&{free + n}" for n in range(4))])
    environment = {**os.environ, "LISTEN_FDS": "4", "LISTEN_FDNAMES": "control:kiosk:odd:kiosk", "CODE": HANDED_OVER}
    done = subprocess.run(
        ["bash", "-c", f'exec "$0" -c "$CODE" {moves}', sys.executable],
        pass_fds=handed,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("{", "0"))]
    assert lines == ["{'control': ('AF_UNIX', True, False, 0.0), 'kiosk': ('AF_INET', True, False, 0.0)}", "0 3"], done.stdout + done.stderr
    os.close(null)
    unix.close()
    page.close()
