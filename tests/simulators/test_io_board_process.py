"""The simulated board as a process: starts, serves, is commanded, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from simulators.control import ControlClient, ControlError
from simulators.io_board import rtu
from simulators.io_board.__main__ import main
from simulators.io_board.process import LIMIT_S, IoBoardProcess

pytestmark = pytest.mark.wire


def ctl(board: IoBoardProcess, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulators.io_board", "ctl", str(board.control), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.fixture(scope="module")
def shared_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IoBoardProcess]:
    with IoBoardProcess(tmp_path_factory.mktemp("io_board")) as board:
        yield board


@pytest.fixture
def board(shared_board: IoBoardProcess) -> IoBoardProcess:
    shared_board.ask("clear")
    shared_board.ask("power_cycle")
    return shared_board


def test_starts_idle_and_removes_its_link_and_socket_at_the_end(tmp_path: Path) -> None:
    board = IoBoardProcess(tmp_path)
    board.start()
    state = board.ask("state")
    assert state["inputs"]["entry_door_closed"] is True
    assert state["inputs"]["occupancy_zero"] is True
    assert state["inputs"]["occupancy_one"] is False
    assert not any(state["coils"].values())
    assert board.link.resolve().parent == Path("/dev/pts")
    assert board.stop() == 0
    assert list(tmp_path.iterdir()) == []


def test_replaces_the_link_a_killed_one_left(tmp_path: Path) -> None:
    board = IoBoardProcess(tmp_path)
    board.start()
    board.kill()
    assert board.link.is_symlink()
    with board:
        assert board.link.exists()


def test_leaves_a_file_that_is_no_link_alone(tmp_path: Path) -> None:
    precious = tmp_path / "io_board"
    precious.write_text("precious")
    with pytest.raises(RuntimeError):
        IoBoardProcess(tmp_path).start()
    assert precious.read_text() == "precious"


def test_command_line_sets_contacts_registers_and_faults(board: IoBoardProcess) -> None:
    for words in ("set entry_door_closed=false 1=true", "register 0 2", "fault late delay_ms=50 times=3"):
        assert main(["ctl", str(board.control), *words.split()]) == 0
    state = json.loads(ctl(board, "state").stdout)
    assert state["inputs"]["entry_door_closed"] is False
    assert state["inputs"]["entry_door_open"] is True
    assert state["registers"][0] == 2
    assert state["faults"] == ["late"]
    assert main(["ctl", str(board.control), "clear"]) == 0
    assert board.ask("state")["faults"] == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("set",), 2),
        (("set", "entry_door_closed"), 2),
        (("set", "no_such_input=true"), 1),
        (("set", "99=true"), 1),
        (("set", "entry_door_closed=1"), 1),
        (("register", "99", "1"), 1),
        (("register", "0", "65536"), 1),
        (("fault", "smoke"), 1),
    ],
)
def test_command_line_refuses_nonsense_and_says_why(board: IoBoardProcess, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int) -> None:
    before = board.ask("state")
    assert main(["ctl", str(board.control), *words]) == code
    assert capsys.readouterr().err.strip()
    assert board.ask("state") == before


def test_command_line_says_when_nobody_listens(tmp_path: Path) -> None:
    done = ctl(IoBoardProcess(tmp_path), "state")
    assert done.returncode == 1
    assert "no simulator listens" in done.stderr


def test_ends_with_its_parent(tmp_path: Path) -> None:
    script = f"""
import os, pathlib, signal
from simulators.io_board import rtu
from simulators.io_board.__main__ import main
from simulators.io_board.process import IoBoardProcess
board = IoBoardProcess(pathlib.Path({str(tmp_path)!r}))
board.start()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=LIMIT_S, check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        time.sleep(0.01)
        try:
            ControlClient(tmp_path / "io_board.control").close()
        except ControlError:
            break
    else:
        pytest.fail("the simulator outlived its parent")


def test_coil_changes_are_published_and_the_board_ends_its_pulse_itself(board: IoBoardProcess) -> None:
    watcher = ControlClient(board.control, timeout_s=LIMIT_S)
    watcher.ask("watch")
    pulse = bytes.fromhex("01 05 02 00 00 01 0d b2")
    with serial.Serial(str(board.link), 9600, timeout=LIMIT_S) as port:
        port.write(pulse)
        assert port.read(8) == pulse
    events = [json.loads(watcher._lines.readline()) for _ in range(2)]
    watcher.close()
    assert events == [{"event": "coil", "channel": 0, "on": True}, {"event": "coil", "channel": 0, "on": False}]


def test_hears_nothing_at_another_speed_from_another_unit_or_with_a_broken_checksum(board: IoBoardProcess) -> None:
    read_coils = bytes.fromhex("01 01 00 00 00 08 3d cc")
    with serial.Serial(str(board.link), 19200, timeout=LIMIT_S) as port:
        port.write(read_coils)
        board.until(lambda state: state["unheard"] == 1)
        port.baudrate = 9600
        port.write(rtu.frame(2, read_coils[1:-2]))
        board.until(lambda state: state["unheard"] == 2)
        port.write(read_coils[:-1] + b"\x00")
        board.until(lambda state: state["unheard"] == 3)
        port.write(read_coils[:5])
        board.until(lambda state: state["unheard"] == 4)
        assert board.ask("state")["replies"] == 0
        port.write(read_coils)
        assert port.read(6) == bytes.fromhex("01 01 01 00 51 88")


def test_a_broadcast_is_carried_out_and_not_answered(board: IoBoardProcess) -> None:
    with serial.Serial(str(board.link), 9600, timeout=LIMIT_S) as port:
        port.write(rtu.frame(0, bytes.fromhex("05 0002 ff00")))
        board.until(lambda state: state["coils"]["entry_green"])
        assert board.ask("state")["replies"] == 0


def test_a_function_it_does_not_have_is_refused_after_the_silence(board: IoBoardProcess) -> None:
    with serial.Serial(str(board.link), 9600, timeout=LIMIT_S) as port:
        port.write(rtu.frame(1, bytes.fromhex("2b 0e 01 00")))
        assert port.read(5) == rtu.frame(1, bytes.fromhex("ab 01"))


def test_a_late_reply_comes_late(board: IoBoardProcess) -> None:
    watcher = ControlClient(board.control, timeout_s=LIMIT_S)
    watcher.ask("watch")
    board.ask("fault", name="late", delay_ms=100)
    with serial.Serial(str(board.link), 9600, timeout=LIMIT_S) as port:
        begun = time.monotonic()
        port.write(bytes.fromhex("01 01 00 00 00 08 3d cc"))
        assert port.read(6) == bytes.fromhex("01 01 01 00 51 88")
        assert time.monotonic() - begun >= 0.1
    assert json.loads(watcher._lines.readline()) == {"event": "late_reply"}
    watcher.close()


def test_a_paced_line_is_as_slow_as_its_characters(tmp_path: Path) -> None:
    with IoBoardProcess(tmp_path, "--paced") as board, serial.Serial(str(board.link), 9600, timeout=LIMIT_S) as port:
        begun = time.monotonic()
        port.write(bytes.fromhex("01 01 00 00 00 08 3d cc"))
        assert port.read(6) == bytes.fromhex("01 01 01 00 51 88")
        assert time.monotonic() - begun >= (8 + 3.5 + 6) * 10 / 9600
        assert board.ask("state")["unheard"] == 0


def test_unplugged_takes_the_link_away_until_cleared(board: IoBoardProcess) -> None:
    board.ask("fault", name="unplugged")
    assert not board.link.is_symlink()
    board.ask("clear")
    assert board.link.exists()
