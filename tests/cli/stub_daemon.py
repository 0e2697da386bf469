"""A control socket that answers what a test tells it to, whatever the real server would do."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

READY = {"state": "ready", "code": "", "detail": "", "remedy": ""}
STATUS: dict[str, Any] = {
    "gate": "MO-SIM-1",
    "region": "MO",
    "direction": "HK_TO_MO",
    "state": "ready",
    "reason": None,
    "prompt": "show_code",
    "occupancy": "zero",
    "doors": {"entry_door": "closed", "exit_door": "closed"},
    "devices": dict.fromkeys(("qr_camera", "face_camera", "fingerprint", "io_board", "pass_verifier", "trust", "enrolment", "journal"), READY),
    "officer_call": None,
    "since_s": 3.2,
    "uptime_s": 86400,
    "trust": {},
    "trust_store": {"versions": {"root": 1}, "problem": None, "failures": 0},
}
INPUTS = {
    "entry_door": "closed",
    "exit_door": "closed",
    "entry_beam": "clear",
    "exit_beam": "clear",
    "emergency": "clear",
    "tamper": "clear",
    "occupancy": "zero",
}
Answer = tuple[int, Any]


class StubDaemon:
    """What it was asked stands in `asked`; what it answers in `answers`, by "METHOD /path": (status, JSON or bytes)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, Answer] = {
            "GET /v1/status": (200, STATUS),
            "GET /v1/whoami": (200, {"uid": 0, "user": "root", "roles": ["engineer"], "groups": {}}),
            "GET /v1/officer/calls": (200, {"calls": []}),
            "GET /v1/diagnostics": (200, {"version": "0.1.0", "inputs": INPUTS, "devices": [{"device": "fingerprint", "info": {"model": "R503"}}]}),
            "POST /v1/maintenance": (200, {"accepted": True}),
            "POST /v1/officer": (200, {"accepted": True}),
        }

    @contextmanager
    def served(self) -> Iterator[StubDaemon]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null"))

            def _answer(self, body: Any) -> None:
                asked = f"{self.command} {self.path.partition('?')[0]}"
                stub.asked.append((asked, body))
                status, content = stub.answers.get(asked, (404, {"error": "there is no such thing", "remedy": ""}))
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                kind = "image/jpeg" if isinstance(content, bytes) and content[:2] == b"\xff\xd8" else "application/json"
                self.send_response(status)
                self.send_header("Content-Type", "text/event-stream" if self.path.startswith("/v1/events") else kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: object) -> None:
                pass

        server = socketserver.ThreadingUnixStreamServer(str(self.path), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
