"""The MJPEG server, read with the standard library: what it sends is what the protocol says."""

import contextlib
import http.client
import itertools
import json
import os
import select
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from simulators.camera.__main__ import main
from simulators.camera.server import MjpegCamera
from simulators.control import ControlClient, ControlError

pytestmark = pytest.mark.wire
PATIENCE_S = 20.0


@pytest.fixture
def camera():
    camera = MjpegCamera(fps=60, width=160, height=120)
    yield camera
    camera.close()


class Reader:
    """Reads a multipart stream as RFC 2046 and the Content-Length of each part say."""

    def __init__(self, port, path="/stream.mjpg", timeout=PATIENCE_S):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.connection.request("GET", path)
        self.response = self.connection.getresponse()

    def part(self):
        boundary = self.response.headers.get_param("boundary", header="Content-Type")
        line = self.response.readline().strip()
        if not line:
            raise EOFError
        assert line == f"--{boundary}".encode()
        headers = http.client.parse_headers(self.response)
        assert headers["Content-Type"] == "image/jpeg"
        data = self.response.read(int(headers["Content-Length"]))
        assert self.response.readline() == b"\r\n"
        return data

    def parts(self, count):
        return [self.part() for _ in range(count)]

    def close(self):
        self.response.close()
        self.connection.close()


@pytest.fixture
def read_from():
    with contextlib.ExitStack() as stack:

        def read(port, **options):
            return stack.enter_context(contextlib.closing(Reader(port, **options)))

        yield read


def picture(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def ask(camera, verb, **fields):
    return camera.handle(verb, {"do": verb, **fields})


def test_frames_are_jpegs_and_consecutive_ones_differ(camera, read_from):
    reader = read_from(camera.port)
    assert reader.response.status == 200
    assert reader.response.headers.get_content_type() == "multipart/x-mixed-replace"
    parts = reader.parts(20)
    assert all(earlier != later for earlier, later in itertools.pairwise(parts))
    assert picture(parts[0]).shape == (120, 160, 3)


def test_two_clients_are_served(camera, read_from):
    one, other = read_from(camera.port), read_from(camera.port)
    assert picture(one.part()).shape == picture(other.part()).shape


def test_another_path_is_not_found(camera, read_from):
    assert read_from(camera.port, path="/").response.status == 404


def test_a_scene_is_shown(camera, read_from):
    reader = read_from(camera.port)
    ask(camera, "scene", kind="phone", text="A", px_per_module=3)
    assert any(picture(reader.part()).max() > 200 for _ in range(120))
    assert ask(camera, "state")["scene"]["text"] == "A"


def test_a_scene_that_cannot_be_drawn_leaves_the_old_one(camera):
    with pytest.raises(ValueError):
        ask(camera, "scene", kind="phone", text="x" * 500, px_per_module=10)
    assert ask(camera, "state")["scene"]["kind"] == "empty"


def test_frozen_frames_are_identical_whatever_the_scene(camera, read_from):
    ask(camera, "fault", name="freeze")
    reader = read_from(camera.port)
    first = reader.part()
    ask(camera, "scene", kind="phone", text="A", px_per_module=3)
    assert set(reader.parts(10)) == {first}


def test_black_frames_are_dark_but_differ(camera, read_from):
    ask(camera, "fault", name="black")
    reader = read_from(camera.port)
    one, other = reader.part(), reader.part()
    assert one != other
    assert picture(one).max() < 25


def test_a_stall_keeps_the_connection(camera, read_from):
    ask(camera, "fault", name="stall")
    reader = read_from(camera.port, timeout=0.3)
    with pytest.raises(TimeoutError):
        reader.part()
    assert reader.response.status == 200


def test_a_stall_ends_in_frames_on_the_same_connection(camera, read_from):
    reader = read_from(camera.port)
    reader.part()
    ask(camera, "fault", name="stall")
    ask(camera, "clear")
    assert len(reader.parts(5)) == 5


def test_drop_cuts_the_stream_and_new_ones(camera, read_from):
    reader = read_from(camera.port)
    reader.part()
    ask(camera, "fault", name="drop")
    with pytest.raises((EOFError, OSError, http.client.HTTPException)):
        reader.parts(1000)
    with pytest.raises((OSError, http.client.HTTPException)):
        read_from(camera.port)
    ask(camera, "clear")
    assert read_from(camera.port).part()


def test_refuse_closes_the_port_and_clear_opens_the_same(camera, read_from):
    port = camera.port
    read_from(port).part()
    ask(camera, "fault", name="refuse")
    with pytest.raises(ConnectionRefusedError):
        read_from(port)
    ask(camera, "clear")
    assert camera.port == port
    assert read_from(port).part()


def test_corrupt_data_is_no_jpeg(camera, read_from):
    ask(camera, "fault", name="corrupt")
    assert picture(read_from(camera.port).part()) is None


def test_damaged_data_is_a_jpeg_cut_short(camera, read_from):
    ask(camera, "fault", name="damage")
    data = read_from(camera.port).part()
    assert data.startswith(b"\xff\xd8")
    assert not data.endswith(b"\xff\xd9")


@pytest.mark.parametrize(("verb", "fields"), [("fault", {"name": "fire"}), ("fault", {}), ("dance", {}), ("scene", {"kind": "crowd"})])
def test_unknown_requests_are_refused(camera, verb, fields):
    with pytest.raises(ValueError):
        ask(camera, verb, **fields)


def test_closing_does_not_wait_for_clients(camera):
    reader = Reader(camera.port)
    reader.part()
    silent = http.client.HTTPConnection("127.0.0.1", camera.port)
    silent.connect()  # never asks for anything
    camera.close()
    camera.close()
    reader.close()
    silent.close()


# ----- the command


@pytest.fixture
def process(tmp_path):
    command = [sys.executable, "-m", "simulators.camera", "--control", str(tmp_path / "c"), "--with-parent", "--width", "160", "--height", "120"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert select.select([process.stdout], [], [], PATIENCE_S)[0], "it never got ready"
            word, url = process.stdout.readline().split()
            assert word == "ready"
            yield process, tmp_path / "c", int(url.split(":")[2].split("/")[0])
        finally:
            process.kill()


def test_the_command_serves_obeys_and_cleans_up(process, read_from, capsys):
    running, socket, port = process
    assert read_from(port).part()
    assert main(["ctl", str(socket), "scene", "phone", "text=123", "px_per_module=3", "tilt_deg=10"]) == 0
    assert main(["ctl", str(socket), "fault", "black"]) == 0
    capsys.readouterr()
    assert main(["ctl", str(socket), "state"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert state["scene"]["text"] == "123"
    assert state["scene"]["tilt_deg"] == 10
    assert state["faults"] == ["black"]
    assert main(["ctl", str(socket), "clear"]) == 0
    assert main(["ctl", str(socket), "fault", "fire"]) == 1
    assert "fire" in capsys.readouterr().err
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE_S) == 0
    assert not socket.exists()
    assert main(["ctl", str(socket), "state"]) == 1


@pytest.mark.parametrize("words", [["scene"], ["fault"], ["fault", "a", "b"], ["clear", "x"], ["scene", "phone", "text"]])
def test_words_that_do_not_fit_are_a_usage_error(words, tmp_path):
    with pytest.raises(SystemExit) as raised:
        main(["ctl", str(tmp_path / "c"), *words])
    assert raised.value.code == 2


def test_a_taken_port_is_said_so(camera, tmp_path, capsys):
    assert main(["--control", str(tmp_path / "c"), "--port", str(camera.port)]) == 1
    assert "in use" in capsys.readouterr().err


def test_it_ends_with_its_parent(tmp_path):
    socket = tmp_path / "c"
    parent = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "simulators.camera", "--control", {str(socket)!r}, "--with-parent"], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("ready")
        descriptor = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
        assert select.select([descriptor], [], [], PATIENCE_S)[0], "the simulator lives on"
        os.close(descriptor)
    with pytest.raises(ControlError):
        ControlClient(socket)
