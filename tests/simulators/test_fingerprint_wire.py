"""The simulated module on its pseudo-terminal: pacing, baud rates, symlink, command line."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from gate_controller.ports.devices import Family
from simulators.control import ControlError
from simulators.fingerprint.__main__ import main
from simulators.fingerprint.faults import FAULTS
from simulators.fingerprint.pacing import Line
from simulators.fingerprint.process import FingerprintProcess

READ_PARAMETERS = bytes.fromhex("ef01ffffffff0100030f0013")
AMPLE_S = 20.0
pytestmark = pytest.mark.wire


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FingerprintProcess]:
    with FingerprintProcess(Family.R503, tmp_path_factory.mktemp("wire")) as process:
        yield process


@pytest.fixture
def process(running: FingerprintProcess) -> FingerprintProcess:
    running.ask("reset")
    return running


def read(port: serial.Serial, count: int) -> bytes:
    port.timeout = AMPLE_S
    return port.read(count)


def test_a_line_gives_5760_bytes_a_second_at_57600_baud() -> None:
    line = Line(paced=True)
    assert line.through_at(10.0, 5760, 57600) == pytest.approx(11.0)
    assert line.through_at(10.5, 576, 57600) == pytest.approx(11.1), "bytes queue behind those before them"
    assert line.through_at(20.0, 576, 115200) == pytest.approx(20.05)
    instant = Line(paced=False)
    assert [instant.through_at(5.0, 10, 9600), instant.through_at(4.0, 10, 9600)] == [5.0, 5.0]


def test_paced_bytes_take_at_least_their_time_on_the_line(tmp_path: Path) -> None:
    with FingerprintProcess(Family.R307, tmp_path, paced=True) as process, serial.Serial(str(process.link), 57600) as port:
        process.ask("reset")
        began = time.monotonic()
        port.write(bytes.fromhex("ef01ffffffff0100040801000e"))
        template = read(port, 12 + 768 + 6 * 11)
        took = time.monotonic() - began
    assert len(template) == 12 + 768 + 6 * 11
    assert took >= (13 + len(template)) * 10 / 57600 * 0.999


def test_a_host_at_another_baud_rate_is_not_understood_and_gets_garbage(process: FingerprintProcess) -> None:
    with serial.Serial(str(process.link), 9600) as port:
        port.write(READ_PARAMETERS)
        port.timeout = 0.3
        assert port.read(28) == b""
        assert process.ask("state")["commands"] == 0
        process.ask("fault", name="power_cycle")
        assert read(port, 1) not in {b"", b"\x55"}
        port.baudrate = 57600
        port.write(READ_PARAMETERS)
        assert len(read(port, 28)) == 28


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 7, 12])
def test_every_baud_rate_of_the_protocol_can_be_used(process: FingerprintProcess, factor: int) -> None:
    with serial.Serial(str(process.link), 57600) as port:
        checksum = 1 + 5 + 0x0E + 4 + factor
        port.write(bytes.fromhex("ef01ffffffff0100050e04") + bytes([factor, 0, checksum]))
        assert read(port, 12)[9] == 0, "acknowledged at the old rate"
        port.baudrate = 9600 * factor
        port.write(READ_PARAMETERS)
        assert read(port, 28)[-4:-2] == bytes([0, factor])


def test_the_line_stays_up_when_a_host_hangs_up(process: FingerprintProcess) -> None:
    for _ in range(3):
        with serial.Serial(str(process.link), 57600, exclusive=True) as port:
            port.write(READ_PARAMETERS)
            assert len(read(port, 28)) == 28


def test_the_link_follows_unplugging_and_replugging(process: FingerprintProcess) -> None:
    nodes = [process.link.readlink()]
    for _ in range(3):
        process.ask("fault", name="unplugged")
        assert not process.link.is_symlink()
        process.ask("clear")
        nodes.append(process.link.readlink())
    assert all(former != latter for former, latter in itertools.pairwise(nodes))


def test_unknown_verbs_faults_and_fingers_are_refused(process: FingerprintProcess) -> None:
    for verb, fields in (
        ("dance", {}),
        ("fault", {"name": "cheerful"}),
        ("fault", {}),
        ("place", {"finger": "#dry"}),
        ("fault", {"name": "answer"}),
        ("fault", {"name": "slow", "delay_s": "soon"}),
    ):
        with pytest.raises(ControlError):
            process.ask(verb, **fields)
    assert process.ask("state")["faults"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_it_cleans_up(tmp_path: Path, number: int) -> None:
    link, control = tmp_path / "link", tmp_path / "control"
    command = [sys.executable, "-m", "simulators.fingerprint", "--family", "zfm20", "--link", str(link), "--control", str(control)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == f"ready {link}\n"
        assert link.is_symlink()
        assert control.is_socket()
        process.send_signal(number)
        assert process.wait(timeout=AMPLE_S) == 0
    assert not link.is_symlink()
    assert not control.exists()


def test_with_parent_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    simulator = [
        sys.executable,
        "-m",
        "simulators.fingerprint",
        "--family",
        "zfm20",
        "--link",
        str(tmp_path / "link"),
        "--control",
        str(tmp_path / "control"),
        "--with-parent",
    ]
    script = f"import subprocess, time; p = subprocess.Popen({simulator!r}); print(p.pid, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert parent.stdout.readline().startswith("ready")
        parent.kill()
        assert parent.stdout.read() == "", "its end closes the pipe it inherited"
    gives_up_at = time.monotonic() + AMPLE_S
    while (tmp_path / "link").is_symlink() and time.monotonic() < gives_up_at:
        os.sched_yield()
    assert not (tmp_path / "link").is_symlink(), pid


def test_the_command_line_acts_on_a_running_module(process: FingerprintProcess, capsys: pytest.CaptureFixture[str]) -> None:
    def ctl(*words: str) -> int:
        return main(["ctl", str(process.link.with_name("fingerprint.sock")), *words])

    assert ctl("place", "ada") == 0
    assert ctl("fault", "slow", "delay_s=0.2", "times=3") == 0
    state = process.ask("state")
    assert (state["finger"], state["faults"]) == ("ada", ["slow"])
    capsys.readouterr()
    assert ctl("fault", "list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FAULTS)
    assert ctl("state") == 0
    assert '"finger": "ada"' in capsys.readouterr().out
    assert ctl("fault", "cheerful") == 1
    assert "no such fault" in capsys.readouterr().err
    assert ctl("fault", "slow", "late") == 2
    assert [ctl("remove"), ctl("clear")] == [0, 0]
    assert (process.ask("state")["finger"], process.ask("state")["faults"]) == (None, [])
    assert main(["ctl", "/nowhere/socket", "state"]) == 1


def test_a_control_socket_in_use_is_refused(process: FingerprintProcess, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "simulators.fingerprint",
        "--family",
        "zfm20",
        "--link",
        str(tmp_path / "other"),
        "--control",
        str(process.link.with_name("fingerprint.sock")),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1
    assert "control socket" in result.stderr
    assert not (tmp_path / "other").is_symlink(), "it leaves nothing behind"
    assert process.ask("state")["family"] == "r503"
