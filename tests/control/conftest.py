"""A gate written by hand, a running control server, and a real browser."""

from __future__ import annotations

import http.client
import json
import os
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gate_controller.control.client import GateClient
from gate_controller.control.feed import EventFeed
from gate_controller.control.server import ControlServer
from gate_controller.control.serving import Limits
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import RefusedByStateError

PATIENCE_S = 30.0
TRUST = {
    "trust": {
        "HK": {"state": "stale", "cause": "status_list_age", "remedy": "import", "restricted_in_s": 3600, "closed_in_s": 7200},
        "MO": {"state": "closed", "cause": "timestamp", "remedy": "import", "restricted_in_s": 0, "closed_in_s": 0},
    },
    "trust_store": {"versions": {"root": 1, "hk": 7}, "problem": None, "failures": 2, "latest_seen": 1_800_000_000.0, "clock_behind_s": 7.0},
}


class FakeGate:
    """A gate that is as strict as the port says; what it was asked to do stands in `acts`."""

    def __init__(self) -> None:
        self.name = "fake-1"
        self.state = "officer_referral"
        self.call_pending = True
        self.acts: list[tuple[str, str, str, int | None]] = []
        self.failing = False
        self.notes: list[dict[str, str]] = []
        self.in_maintenance = False
        self.status_calls = 0
        self.held = threading.Event()
        self.held.set()

    def status(self) -> dict[str, object]:
        self.status_calls += 1
        if self.failing:
            raise OSError("the secret of the gate")
        return {"gate": self.name, "state": self.state, "reason": "face_mismatch", "officer_call": None, **TRUST}

    def officer(self, action: str, identity: str, reason: str, uid: int | None = None, call: int | None = None) -> None:
        if action not in {"acknowledge", "assist", "release", "return", "rearm"}:
            raise ValueError("unknown action")
        if not identity:
            raise ValueError("identity is empty")
        if action == "release" and not reason:
            raise ValueError("reason is empty")
        allowed = {"acknowledge": self.call_pending, "rearm": self.state == "emergency"}.get(action, self.state == "officer_referral")
        if not allowed:
            what = f"{action} is not possible in state {self.state}"
            raise RefusedByStateError(what, "see gatectl status")
        assert self.held.wait(PATIENCE_S)
        self.acts.append((action, identity, reason, uid))

    def note(self, kind: str, fields: dict[str, str]) -> None:
        assert kind == "control_act"
        self.notes.append(dict(fields))

    def calls(self) -> list[dict[str, object]]:
        call = {"reason": "face_mismatch", "since_s": 1.5, "acknowledged": None, "escalations": 0, "state": self.state, "prompt": None}
        return [call] if self.call_pending else []

    def maintenance(self, on: bool, identity: str, uid: int | None = None) -> None:
        if on == self.in_maintenance:
            raise RefusedByStateError("maintenance is not possible in this state", "see gatectl status")
        self.in_maintenance = on

    def diagnostics(self) -> dict[str, object]:
        device = {"device": "io_board", "state": "ready", "reason": "", "detail": "", "remedy": "", "since_s": 1.0, "info": {"line": "9600 8N1"}}
        return {"uptime_s": 1.0, "devices": [device], "inputs": {"emergency": "clear"}, "stores": {}, "trust": {}, "queues": {"inbox": 0}}

    def test_device(self, device: str) -> dict[str, object]:
        if not self.in_maintenance:
            raise RefusedByStateError("the lane is not in maintenance", "gatectl maintenance on")
        return {"device": device, "result": "pass", "findings": [], "values": {"frames": 10}}

    def snapshot(self, camera: str) -> np.ndarray:
        if not self.in_maintenance:
            raise RefusedByStateError("the lane is not in maintenance", "gatectl maintenance on")
        return np.zeros((48, 64, 3), np.uint8)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(str(self._path))


class Served:
    """A control server with its gate, its feed, and ways to talk to both of its places."""

    def __init__(self, gate: FakeGate, feed: EventFeed, server: ControlServer, path: Path) -> None:
        self.gate = gate
        self.feed = feed
        self.server = server
        self.path = path
        self.client = GateClient(path, timeout_s=PATIENCE_S)

    @property
    def port(self) -> int:
        assert self.server.kiosk_url is not None
        return int(self.server.kiosk_url.rstrip("/").rpartition(":")[2])

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, dict[str, object]]:
        """One request to the API: status and JSON body."""
        connection = UnixConnection(self.path)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def page(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        """One request to the kiosk page: status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def raw(self) -> socket.socket:
        """A bare connection to the API."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(PATIENCE_S)
        connection.connect(str(self.path))
        return connection

    def status_calls(self, more: int, eventually: Callable[[Callable[[], object], str], object]) -> None:
        """Wait until the server has asked for the status `more` times."""
        goal = self.gate.status_calls + more
        eventually(lambda: self.gate.status_calls >= goal, "the server asks the gate how it is")


@pytest.fixture
def eventually() -> Callable[[Callable[[], object], str], object]:
    """Wait for a condition; its name is the failure's message."""

    def wait(condition: Callable[[], object], what: str) -> object:
        deadline = time.monotonic() + PATIENCE_S
        while not (result := condition()):
            assert time.monotonic() < deadline, f"never: {what}"
            time.sleep(0.01)
        return result

    return wait


@pytest.fixture
def gate() -> FakeGate:
    return FakeGate()


@pytest.fixture
def socket_path(open_directory: Path) -> Path:
    return open_directory / "control.sock"


@pytest.fixture
def serve(gate: FakeGate, socket_path: Path) -> Iterator[Callable[..., Served]]:
    """Start a control server; limits by keyword; all are stopped at the end."""
    started: list[ControlServer] = []

    def start(
        *, path: Path = socket_path, kiosk_port: int | None = 0, events: int = 1024, crossings: int = 1024, run: str | None = None, **limits: float
    ) -> Served:
        feed = EventFeed(SystemClock(), events=events, crossings=crossings, run=run)
        server = ControlServer(
            gate,
            feed,
            socket_path=path,
            kiosk_port=kiosk_port,
            limits=Limits(**{"heartbeat_s": 0.02, "answers_per_s": 1e6, "all_answers_per_s": 1e6, **limits}),
        )  # type: ignore[arg-type] # tests name any limit
        started.append(server)
        server.start()
        return Served(gate, feed, server, path)

    yield start
    for server in started:
        server.stop()


class Chromium:
    """Headless Chromium by its DevTools protocol over a pipe; one page."""

    def __init__(self, program: str, profile: Path) -> None:
        orders_read, self._orders = os.pipe()
        self._answers, answers_write = os.pipe()
        flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
        command = [program, *flags.split(), f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        # DevTools reads its pipe on descriptor 3 and writes on 4.
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{orders_read} 4>&{answers_write}', "bash", *command],
            pass_fds=(orders_read, answers_write),
            stderr=subprocess.DEVNULL,
        )
        os.close(orders_read)
        os.close(answers_write)
        self._buffer = b""
        self._count = 0
        self._session: str | None = None
        self.complaints: list[dict[str, object]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM", "CSS"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, object]:
        self._count += 1
        order = {"id": self._count, "method": method, "params": parameters} | ({"sessionId": self._session} if self._session else {})
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == self._count:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") in {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}:
                self.complaints.append(message)

    def evaluate(self, expression: str) -> object:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def size(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def close(self) -> None:
        os.close(self._orders)  # Chromium ends when nobody gives it orders any more
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._answers)

    def _read(self) -> dict[str, object]:
        while b"\0" not in self._buffer:
            assert select.select([self._answers], [], [], 2 * PATIENCE_S)[0], "Chromium does not answer"
            data = os.read(self._answers, 65536)
            assert data, "Chromium has ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium here: the kiosk page is not looked at (Debian: apt install chromium)")
    browser = Chromium(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()
