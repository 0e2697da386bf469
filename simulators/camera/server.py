"""A camera as an MJPEG stream (multipart/x-mixed-replace) on the loopback, with faults. Speaks to any HTTP client.

Serves pictures and nothing else: scenes and faults come through the control socket (see __main__.py).
"""

from __future__ import annotations

import contextlib
import random
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

from simulators.camera.film import Film, jpeg
from simulators.camera.optics import black
from simulators.camera.scenes import EmptyScene, Scene, parse
from simulators.control import Message

FAULTS = {
    "black": "a covered lens: frames without light",
    "freeze": "the same frame for ever",
    "stall": "the connection stays, no frames come",
    "slow": "one frame in six: a long exposure, a crowded USB line",
    "drop": "connections are closed, new ones as soon as they are made",
    "corrupt": "JPEG data that no decoder takes",
    "damage": "JPEG data cut short and with flipped bytes, which decoders take",
    "refuse": "nothing listens on the port",
}
SLOW = 6
_PATH = "/stream.mjpg"
_BOUNDARY = "frame"


class MjpegCamera:
    """The simulated camera: scene and faults, and the server that shows them.

    Args:
        port: TCP port on 127.0.0.1; 0 takes a free one, kept from then on.
        fps: Frames a second.
        width: Of a frame, pixels.
        height: Of a frame, pixels.
        seed: Of noise and damage.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, port: int = 0, fps: float = 15.0, width: int = 1280, height: int = 720, seed: int = 0) -> None:
        self._fps = fps
        self._size = width, height
        self._seed = seed
        self._film = self._developed(EmptyScene())
        self._black = [jpeg(black(number, width, height, seed)) for number in range(8)]
        self._faults: set[str] = set()
        self._frozen: bytes | None = None
        self._closing = threading.Event()
        self._verbs = threading.Lock()
        self._server: _Server | None = None
        self.port = port
        self._listen()

    @property
    def url(self) -> str:
        """Where the stream is."""
        return f"http://127.0.0.1:{self.port}{_PATH}"

    def handle(self, verb: str, request: Message) -> Message:
        """Answer one control request: scene, fault, clear or state.

        Raises:
            ValueError: An unknown verb or fault, or a scene that cannot be.
        """
        fields = {key: value for key, value in request.items() if key != "do"}
        with self._verbs:  # every client of the control socket has a thread of its own
            match verb:
                case "scene":
                    self.show(parse(fields))
                case "fault":
                    self.fault(str(fields.get("name")))
                case "clear":
                    self.clear()
                case "state":
                    return self.state()
                case _:
                    msg = f"unknown verb {verb!r}: scene, fault, clear or state"
                    raise ValueError(msg)
        return {}

    def state(self) -> Message:
        """What is shown, and which faults are on."""
        return {
            "scene": self._film.scene.model_dump(),
            "faults": sorted(self._faults),
            "url": self.url,
            "fps": self._fps,
            "width": self._size[0],
            "height": self._size[1],
        }

    def show(self, scene: Scene) -> None:
        """Show a scene from the next frame on."""
        film = self._developed(scene)
        film.frame(0)  # a scene that cannot be drawn is refused here
        self._film = film

    def fault(self, name: str) -> None:
        """Add a fault, see FAULTS."""
        if name not in FAULTS:
            msg = f"unknown fault {name!r}: {', '.join(FAULTS)}"
            raise ValueError(msg)
        if name == "freeze" and name not in self._faults:
            self._frozen = self._film.frame(self._now())
        self._faults.add(name)
        if name == "refuse":
            self._hang_up()
        if name == "drop" and self._server is not None:
            self._server.cut_connections()

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()
        self._frozen = None
        if self._server is None:
            self._listen()

    def close(self) -> None:
        """Stop serving. Closing twice is harmless."""
        self._closing.set()
        self._hang_up()

    def stream(self, connection: socket.socket) -> None:
        """Send frames to one client until it hangs up, a fault cuts it, or the camera closes."""
        noise = random.Random(self._seed)
        number = self._now()
        with contextlib.suppress(OSError):  # it hung up, or was cut off
            while not self._closing.wait(max(0.0, number / self._fps - time.monotonic())) and not self._faults & {"drop", "refuse"}:
                if "stall" not in self._faults and ("slow" not in self._faults or number % SLOW == 0):
                    data = self._data(number, noise)
                    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    connection.sendall(head.encode() + data + b"\r\n")
                number = max(number + 1, self._now())  # a client that does not keep up misses frames

    def drops(self) -> bool:
        """Whether connections are closed as soon as they are made."""
        return "drop" in self._faults

    def _now(self) -> int:
        return int(time.monotonic() * self._fps)

    def _data(self, number: int, noise: random.Random) -> bytes:
        if self._frozen is not None:
            data = self._frozen
        elif "black" in self._faults:
            data = self._black[number % len(self._black)]
        else:
            data = self._film.frame(number)
        if "corrupt" in self._faults:
            return noise.randbytes(len(data))
        if "damage" in self._faults:
            damaged = bytearray(data[: noise.randrange(len(data) // 2, len(data))])
            for place in noise.sample(range(1024, len(damaged)), 20):  # behind the header's tables
                damaged[place] ^= 0x55
            return bytes(damaged)
        return data

    def _developed(self, scene: Scene) -> Film[bytes]:
        return Film(scene, *self._size, self._seed, jpeg)

    def _listen(self) -> None:
        self._server = _Server(self, self.port)
        self.port = self._server.server_address[1]
        self._server.start()

    def _hang_up(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True  # the same port again after a kill

    server_address: tuple[str, int]

    def __init__(self, camera: MjpegCamera, port: int) -> None:
        self.camera = camera
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="mjpeg server", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.cut_connections()
        self.server_close()  # joins the clients' threads

    def cut_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - socketserver's signature
        return not self.camera.drops()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients come and go; a broken connection is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # for the request; a stream that is not read for this long ends

    def do_GET(self) -> None:
        """Send the stream."""
        if self.path != _PATH:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.close_connection = True
        self.server.camera.stream(self.connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: stdout belongs to the ready line."""
