"""The OpenCV driver on the simulated camera as a process of its own, which can be killed."""

import os
import select
import signal
import subprocess
import sys
import textwrap

import pytest

from drivers.camera import CameraOptions
from drivers.camera.opencv import OpenCvCamera
from drivers.qr.decoder import ZxingQrDecoder
from drivers.qr.options import QrOptions
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import DeviceAbsentError, DeviceError, DeviceUntrustedError
from simulators.camera.server import MjpegCamera
from simulators.control import ControlClient

pytestmark = pytest.mark.wire
PATIENCE_S = 20.0
WIDTH, HEIGHT = 640, 480
CLOCK = SystemClock()


class Process:
    """The simulator's process; `port` stays over restarts."""

    def __init__(self, socket):
        self.socket = socket
        self.port = 0
        self.start()

    def start(self):
        command = [sys.executable, "-m", "simulators.camera", "--with-parent", "--control", self.socket, "--port", self.port]
        command += ["--width", WIDTH, "--height", HEIGHT, "--fps", 30]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        word, self.url = self.process.stdout.readline().split() if ready else ("silent", "")
        assert word == "ready"
        self.port = int(self.url.split(":")[2].split("/")[0])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        else:
            self.process.stdout.close()


@pytest.fixture
def process(tmp_path):
    process = Process(tmp_path / "camera.sock")
    yield process
    process.close()


@pytest.fixture
def simulator():
    simulator = MjpegCamera(fps=60, width=WIDTH, height=HEIGHT)
    yield simulator
    simulator.close()


@pytest.fixture
def camera_at():
    cameras = []

    def open_camera(url, **options):
        camera = OpenCvCamera(CameraOptions(**{"source": url, "width": WIDTH, "height": HEIGHT, **options}), CLOCK)
        cameras.append(camera)
        camera.open(soon())
        return camera

    yield open_camera
    for camera in cameras:
        camera.close()


def soon(seconds=PATIENCE_S):
    return CLOCK.monotonic() + seconds


def test_kill_9_is_noticed_within_two_seconds_and_a_restart_brings_frames_back(process, camera_at):
    camera = camera_at(process.url)
    newest = camera.frame(0, soon()).sequence
    process.kill()
    killed_at = CLOCK.monotonic()
    error = None
    while not isinstance(error, DeviceAbsentError) and CLOCK.monotonic() < killed_at + PATIENCE_S:
        try:
            newest = camera.frame(newest, soon(0.3)).sequence  # what came before the kill may still be fresh
        except DeviceError as raised:
            error = raised
    assert CLOCK.monotonic() - killed_at < 2.0
    assert isinstance(error, DeviceAbsentError)
    assert process.url in error.what
    assert error.remedy
    process.start()
    frame = until_frame(camera, newest)
    assert frame.sequence > newest


def until_frame(camera, newest):
    limit = soon()
    while CLOCK.monotonic() < limit:
        try:
            return camera.frame(newest, soon(0.3))
        except DeviceError:
            continue
    return pytest.fail("no frame came back")


def test_a_pass_goes_from_the_screen_to_text(process, camera_at):
    text = "ECH1:" + "6BFOXN*TS0BI$ZD4N9:9S6RC" * 20
    camera = camera_at(process.url)
    decoder = ZxingQrDecoder(QrOptions(second_opinion_every=0), print)
    control = ControlClient(process.socket)
    control.ask("scene", kind="phone", text=text, px_per_module=3, tilt_deg=15)
    limit, newest, seen = soon(), 0, []
    while CLOCK.monotonic() < limit and not seen:
        frame = camera.frame(newest, soon())
        newest, seen = frame.sequence, decoder.decode(frame.image)
    control.close()
    assert seen == [text]


def test_a_slow_consumer_gets_the_newest_frame(simulator, camera_at):
    camera = camera_at(simulator.url, stale_after_s=0.5)
    drain = camera._drain
    for _ in range(3):
        before = camera.frame(0, soon())
        with drain.changed:
            seen = drain.arrived
            assert drain.changed.wait_for(lambda seen=seen: drain.arrived >= seen + 15, PATIENCE_S), "the drain reads on without a consumer"
        frame = camera.frame(before.sequence, soon())
        # On a busy machine one of them may have come too late to be counted.
        assert frame.sequence >= before.sequence + 10, "frames nobody took are skipped, not queued"


def test_what_a_slow_consumer_sees_is_what_is_there(simulator, camera_at):
    camera = camera_at(simulator.url)
    drain = camera._drain
    simulator.handle("scene", {"kind": "phone", "text": "ECH1:ABC", "px_per_module": 8})
    with drain.changed:
        seen = drain.arrived
        # Two frames may have been on the way before the scene changed.
        assert drain.changed.wait_for(lambda: drain.arrived >= seen + 5, PATIENCE_S)
    assert camera.frame(0, soon()).image.max() > 200


def test_another_size_than_configured_is_an_error(simulator, camera_at):
    with pytest.raises(DeviceUntrustedError) as raised:
        camera_at(simulator.url, width=1280, height=720)
    assert "1280x720" in raised.value.what
    assert "640x480" in raised.value.what


def test_a_wrong_path_is_told_from_a_dead_server(simulator, camera_at):
    with pytest.raises(DeviceAbsentError) as raised:
        camera_at(simulator.url.replace("stream", "other"))
    assert "path" in raised.value.remedy


def test_close_returns_while_the_stream_stalls(simulator, camera_at):
    camera = camera_at(simulator.url, read_timeout_s=0.3, open_timeout_s=0.3)
    simulator.fault("stall")
    before = CLOCK.monotonic()
    camera.close()
    assert CLOCK.monotonic() - before < PATIENCE_S / 2


def test_opencv_and_ffmpeg_print_nothing(simulator):
    simulator.fault("damage")
    script = f"""
        from drivers.camera import CameraOptions
        from drivers.camera.opencv import OpenCvCamera
        from gate_controller.ports.clock import SystemClock
        from gate_controller.ports.errors import DeviceError
        clock = SystemClock()
        camera = OpenCvCamera(CameraOptions(source={simulator.url!r}, width={WIDTH}, height={HEIGHT}), clock)
        camera.open(clock.monotonic() + {PATIENCE_S})
        newest = 0
        for _ in range(10):
            newest = camera.frame(newest, clock.monotonic() + {PATIENCE_S}).sequence
        camera.close()
        for source in ("http://127.0.0.1:9/nothing", "/dev/no-such-camera"):
            camera = OpenCvCamera(CameraOptions(source=source), clock)
            try:
                camera.open(clock.monotonic() + {PATIENCE_S})
            except DeviceError as error:
                print(error.code)
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV_")}
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True, env=plain)
    assert ended.stdout.split() == ["absent", "absent"]
    assert ended.stderr == ""
