"""The lane of wire simulators: starts, dies piece by piece, comes back showing the world as it is, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import serial

from gate_controller.ports.clock import SystemClock
from simulators.control import ControlError
from simulators.io_board.rtu import frame
from simulators.lane.coils import CoilWatcher
from simulators.lane.feeder import Feeder
from simulators.lane.process import SimulatorProcess
from simulators.lane.wire import DEVICES, FACE_CAMERA, FINGERPRINT, IO_BOARD, QR_CAMERA, WireLane
from simulators.travellers.perception import ReaderLight
from simulators.world import World

pytestmark = pytest.mark.wire
LIMIT_S = 60.0


def until(condition, what):
    end = time.monotonic() + LIMIT_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        pause.wait(0.02)


def listens(url):
    address = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def write_coil(lane, channel, on):
    """What a Modbus master does."""
    request = frame(1, bytes([5, 0, channel, 0xFF if on else 0, 0]))
    with serial.Serial(str(lane.endpoints.io_board), 9600, timeout=LIMIT_S) as port:
        port.write(request)
        assert port.read(len(request)) == request


def collect(lane, coil):
    """Waits for changes of one coil and returns their levels."""
    seen = []

    def look():
        seen.extend(change.on for change in lane.coil_changes() if change.name == coil)
        return bool(seen)

    until(look, f"a change of {coil}")
    return seen


@pytest.fixture(scope="module")
def lane():
    with WireLane() as lane:
        yield lane


def tell(lane):
    levels = World().inputs() | {"occupancy_zero": False, "occupancy_one": True, "exit_beam_clear": False}
    lane.set_inputs(levels)
    lane.show_phone("ECH1:TEXT")
    lane.show_faces(["person03", "person07", "person09"])
    lane.set_finger("somebody/right-index")
    return levels


def shows(lane, name, levels):
    state = lane.ask(name, "state")
    match name:
        case "io_board":
            return state["inputs"] == levels
        case "fingerprint":
            return state["finger"] == "somebody/right-index"
        case "qr_camera":
            return (state["scene"]["kind"], state["scene"].get("text")) == ("phone", "ECH1:TEXT")
        case _:
            return (state["scene"].get("person"), state["scene"].get("second")) == ("person03", "person07")


def test_the_world_reaches_all_four_and_goes_away_again(lane):
    levels = tell(lane)
    for name in DEVICES:
        until(lambda name=name: shows(lane, name, levels), name)
    lane.show_phone(None)
    lane.show_faces([])
    lane.set_finger(None)
    until(lambda: lane.ask(FINGERPRINT, "state")["finger"] is None, "finger lifted")
    for camera in (QR_CAMERA, FACE_CAMERA):
        until(lambda camera=camera: lane.ask(camera, "state")["scene"]["kind"] == "empty", camera)


@pytest.mark.parametrize("name", DEVICES)
def test_a_killed_simulator_comes_back_at_its_endpoint_with_the_world_as_it_is_now(lane, name):
    lane.show_phone("OLD")
    endpoints, others = lane.endpoints, [(each, lane.pid(each)) for each in DEVICES if each != name]
    lane.kill(name)
    assert not lane.alive(name)
    with pytest.raises(ControlError):
        lane.ask(name, "state")
    levels = tell(lane)  # while it is dead
    lane.restart(name)
    assert lane.endpoints == endpoints
    assert shows(lane, name, levels)
    if name in {QR_CAMERA, FACE_CAMERA}:
        assert listens(getattr(endpoints, name))
    else:
        assert getattr(endpoints, name).exists()
    assert [(each, lane.pid(each)) for each, _ in others] == others
    with pytest.raises(ControlError, match="runs already"):
        lane.restart(name)


def test_one_that_was_killed_from_outside_can_be_restarted_too(lane):
    os.kill(lane.pid(IO_BOARD), signal.SIGKILL)
    until(lambda: not lane.alive(IO_BOARD), "board dead")
    levels = tell(lane)
    lane.restart(IO_BOARD)
    assert shows(lane, IO_BOARD, levels)


def test_coils_are_seen_and_drop_when_the_board_dies(lane):
    lane.coil_changes()
    before = SystemClock().monotonic()
    write_coil(lane, 1, on=True)
    assert collect(lane, "exit_door") == [True]
    lane.kill(IO_BOARD)
    assert [(change.name, change.on) for change in lane.coil_changes()] == [("exit_door", False), ("board_power", False)]
    lane.restart(IO_BOARD)
    write_coil(lane, 5, on=True)
    assert collect(lane, "officer_call") == [True]
    write_coil(lane, 5, on=False)
    assert collect(lane, "officer_call") == [False]
    assert SystemClock().monotonic() > before


def test_coils_that_were_on_before_anybody_watched_are_found(lane):
    write_coil(lane, 2, on=True)
    collect(lane, "entry_green")
    watcher = CoilWatcher(lane._processes[IO_BOARD].control, SystemClock())
    try:
        watcher.connect(LIMIT_S)
        assert [(change.name, change.on) for change in watcher.take()] == [("board_power", True), ("entry_green", True)]
    finally:
        watcher.stop()
    write_coil(lane, 2, on=False)
    collect(lane, "entry_green")


def test_a_simulator_that_hangs_holds_up_nobody_else_and_is_told_later(lane):
    lane.set_finger(None)
    until(lambda: lane.ask(FINGERPRINT, "state")["finger"] is None, "finger lifted")
    os.kill(lane.pid(FINGERPRINT), signal.SIGSTOP)
    try:
        levels = tell(lane)
        until(lambda: shows(lane, IO_BOARD, levels), "inputs while the other hangs")
    finally:
        os.kill(lane.pid(FINGERPRINT), signal.SIGCONT)
    until(lambda: shows(lane, FINGERPRINT, levels), "finger after the hang")


def test_the_readers_light_is_what_the_module_shows(lane):
    def aura(control, colour):
        content = bytes([0x35, control, 0, colour, 0])
        body = b"\x01" + (len(content) + 2).to_bytes(2, "big") + content
        with serial.Serial(str(lane.endpoints.fingerprint), 57600, timeout=LIMIT_S) as port:
            port.write(b"\xef\x01\xff\xff\xff\xff" + body + (sum(body) & 0xFFFF).to_bytes(2, "big"))
            assert port.read_until(b"\x07\x00\x03\x00\x00\x0a").endswith(b"\x07\x00\x03\x00\x00\x0a")

    for control, colour, light in ((2, 1, ReaderLight.BAD), (3, 4, ReaderLight.GOOD), (4, 1, ReaderLight.NONE)):
        aura(control, colour)
        until(lambda light=light: lane.reader_light() is light, str(light))


def test_stopping_leaves_no_process_socket_file_or_thread(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    threads = set(threading.enumerate())
    lane = WireLane(paced=False)
    endpoints = lane.start()
    pids = [lane.pid(name) for name in DEVICES]
    assert all(map(running, pids))
    lane.kill(QR_CAMERA)  # its leftovers must go, too
    lane.stop()
    assert not any(map(running, pids))
    assert not any(map(listens, (endpoints.qr_camera, endpoints.face_camera)))
    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) == threads
    lane.stop()
    lane.show_phone("to nobody")
    assert (lane.coil_changes(), lane.reader_light()) == ([], ReaderLight.NONE)
    with pytest.raises(ControlError, match="not running"):
        _ = lane.endpoints


def test_a_lane_that_cannot_start_says_why_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    threads = set(threading.enumerate())
    lane = WireLane()
    lane._arguments[FACE_CAMERA] = ["--port", "none"]
    with pytest.raises(ControlError, match=r"face_camera simulator did not become ready: .*invalid int value"):
        lane.start()
    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) == threads


def test_a_simulator_that_ends_without_a_word_is_an_error(tmp_path):
    process = SimulatorProcess("silent", ["this"], tmp_path / "s", tmp_path / "log")
    process.start()
    with pytest.raises(ControlError, match="silent simulator did not become ready: it said nothing"):
        process.wait_ready()
    assert process.pid is None


def test_a_feeder_without_a_simulator_gives_up_in_time(tmp_path):
    feeder = Feeder("nobody", tmp_path / "nobody.control")
    try:
        feeder.want("finger", "remove")
        with pytest.raises(ControlError, match="could not be told"):
            feeder.connect(0.5)
    finally:
        feeder.stop()


def test_the_simulators_end_with_the_process_that_started_them(tmp_path):
    program = """
import sys
from simulators.lane.wire import DEVICES, WireLane
lane = WireLane()
lane.start()
print(*[lane.pid(name) for name in DEVICES], flush=True)
sys.stdin.read()
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
    with closing(parent.stdin), closing(parent.stdout):
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 4
        parent.kill()
        parent.wait(LIMIT_S)
        until(lambda: not any(map(running, pids)), "all gone")
