"""How each fault is put into the gate: into its files, its simulators, its clock, its file systems, the programs beside it. By name, as in faults.toml."""

from __future__ import annotations

import contextlib
import fcntl
import http.server
import json
import os
import shutil
import socket
import socketserver
import sqlite3
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gate_controller.journal import SqliteJournal
from gate_controller.journal.key_file import origin_of, signer_beside
from tests.doctor.gate import NOBODY, BrokenGate

INJECT: dict[str, Callable[..., None]] = {}


def fault(inject: Callable[..., None]) -> Callable[..., None]:
    INJECT[inject.__name__] = inject
    return inject


# --- simulators ---------------------------------------------------------------------------------------------------------------


@fault
def simulator(gate: BrokenGate, device: str, fault: str, **fields: Any) -> None:
    """A fault that the wire simulator offers."""
    gate.lane.ask(device, "fault", name=fault, **fields)


@fault
def kill(gate: BrokenGate, device: str) -> None:
    """The simulator dies: for a pseudo-terminal a link that leads to nothing."""
    gate.lane.kill(device)


@fault
def contacts(gate: BrokenGate, **levels: bool) -> None:
    gate.inputs(**levels)


# --- configuration and files --------------------------------------------------------------------------------------------------


@fault
def configure(gate: BrokenGate, table: str, **keys: Any) -> None:
    gate.change(table, **keys)


@fault
def edit(gate: BrokenGate, file: str, old: str, new: str) -> None:
    path = gate.directory / file
    text = path.read_text()
    assert old in text, f"{file} does not contain {old!r}"
    path.write_text(text.replace(old, new, 1))


@fault
def remove(gate: BrokenGate, file: str) -> None:
    for path in _files(gate, file):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@fault
def garbage(gate: BrokenGate, file: str, at: int = 0, length: int = 4096) -> None:
    """Overwrite a part of it with a pattern."""
    for path in _files(gate, file):
        with path.resolve().open("r+b") as opened:
            opened.seek(at)
            opened.write((b"\xa5\x5a\x00\xff" * (length // 4 + 1))[:length])


@fault
def cut(gate: BrokenGate, file: str) -> None:
    """Only its first half is left."""
    for path in _files(gate, file):
        os.truncate(path.resolve(), path.resolve().stat().st_size // 2)


@fault
def write(gate: BrokenGate, file: str, text: str) -> None:
    (gate.directory / file).write_text(text)


@fault
def mode(gate: BrokenGate, file: str, mode: str) -> None:
    (gate.directory / file).chmod(int(mode, 8))


@fault
def foreign_database(gate: BrokenGate, file: str) -> None:
    path = gate.directory / file
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE addresses (name TEXT)")
    connection.commit()
    connection.close()


@fault
def older_trust(gate: BrokenGate) -> None:
    """Newer trust is imported, then the cache is put back as it was before."""
    before = gate.directory / "before"
    shutil.copytree(gate.directory / "trust", before)
    gate.files.trust.publish(())
    gate.files.trust.bring(gate.config)
    shutil.rmtree(gate.directory / "trust")
    before.rename(gate.directory / "trust")


@fault
def foreign_journal(gate: BrokenGate, gate_id: str) -> None:
    """The disk was copied from another gate."""
    for path in _files(gate, "journal.db*"):
        path.unlink()
    journal = gate.directory / "journal.db"
    _write_journal(journal, gate_id)


@fault
def older_journal(gate: BrokenGate) -> None:
    """The journal is put back as it was before, without the file beside it."""
    journal = gate.directory / "journal.db"
    before = journal.read_bytes()
    _write_journal(journal, "MO-SIM-1")
    journal.write_bytes(before)


def _write_journal(journal: Path, gate_id: str) -> None:
    written = SqliteJournal(journal, signer_beside(journal, origin_of(gate_id)))
    for number in range(150):
        written.event("device_lost", {"device": "qr_camera", "number": str(number)}, time.time())
    written.tend(time.time() + 400)
    written.close()


# --- whoever runs it ----------------------------------------------------------------------------------------------------------


@fault
def not_permitted(gate: BrokenGate, file: str = "", device: str = "") -> None:
    """It belongs to somebody else, and doctor runs without root's power to use it all the same."""
    path = gate.directory / file if file else Path(os.path.realpath(getattr(gate.lane.endpoints, device)))
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o700 if path.is_dir() else 0o600)
    gate.prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@fault
def clock(gate: BrokenGate, offset_s: float = 0.0, at: float | None = None) -> None:
    """The wall clock of doctor's process shows another time."""
    shown = f"lambda: {at} + real() - began" if at is not None else f"lambda: real() + {offset_s}"
    gate.start = f"import time; real = time.time; began = real(); time.time = {shown}; {gate.start}"


# --- file systems: in a mount name space of doctor's own ----------------------------------------------------------------------


@fault
def small_disk(gate: BrokenGate, size: str, options: str = "", fill: bool = False, read_only: bool = False, files: int = 0) -> None:
    """The journal lies on a file system of its own."""
    mount = gate.directory / "disk"
    mount.mkdir()
    gate.change("journal", path=str(mount / "journal.db"))
    steps = [f"mount -t tmpfs -o size={size}{options} none {mount}", f"cp {gate.directory}/journal.db* {mount}/"]
    if fill:
        steps.append(f"head -c 1G /dev/zero > {mount}/fill 2>/dev/null; true")
    if files:
        steps.append(f"for each in $(seq {files}); do touch {mount}/$each 2>/dev/null; done; true")
    if read_only:
        steps.append(f"mount -o remount,ro {mount}")
    gate.prefix = ["unshare", "-m", "sh", "-c", " && ".join(f"{{ {step}; }}" for step in steps) + ' && exec "$@"', "sh"]


# --- programs beside it -------------------------------------------------------------------------------------------------------


@fault
def hold_port(gate: BrokenGate) -> None:
    """Another program serves the display's port."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", gate.files.changes["kiosk"]["port"]))
    listener.listen()
    gate.cleanup.callback(listener.close)


@fault
def hold_journal(gate: BrokenGate) -> None:
    """A gate controller writes the journal, and its socket is gone."""
    descriptor = os.open(gate.directory / "journal.db.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    gate.cleanup.callback(os.close, descriptor)


@fault
def hold_device(gate: BrokenGate, device: str) -> None:
    """Another program has the line, exclusively."""
    node = os.path.realpath(getattr(gate.lane.endpoints, device))
    hold = f"import fcntl, os, sys; d = os.open({node!r}, os.O_RDWR | os.O_NOCTTY); fcntl.flock(d, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    gate.cleanup.callback(holder.communicate)


@fault
def other_speed(gate: BrokenGate, device: str, baud: int) -> None:
    """The gate is configured for another rate than the device has."""
    assert hasattr(termios, f"B{baud}")
    gate.change(f"devices.{device}", baud=baud)


@fault
def listen(gate: BrokenGate, says: str = "", mode: str = "666") -> None:
    """Something that is no gate controller listens at the control socket; it says that, or nothing."""
    path = gate.directory / "control.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(int(mode, 8))
    listener.listen()
    open_ones: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if says:
                client.sendall(says.encode())
                client.close()
            else:
                open_ones.append(client)

    threading.Thread(target=serve, daemon=True).start()
    gate.cleanup.callback(listener.close)
    gate.cleanup.callback(listener.shutdown, socket.SHUT_RDWR)
    gate.cleanup.callback(lambda: [each.close() for each in open_ones])


@fault
def daemon(
    gate: BrokenGate, version: str = "", status: dict[str, Any] | None = None, inputs: dict[str, str] | None = None, page: str = "heartbeat", says: str = ""
) -> None:
    """A running gate controller that says what is given, and else that all is well; `page`: what the display is told; `says`: this and nothing else."""
    from importlib.metadata import version as installed

    ready = {"state": "ready", "code": "", "detail": "", "remedy": ""}
    devices = dict.fromkeys(("qr_camera", "face_camera", "fingerprint", "io_board", "pass_verifier", "trust", "enrolment", "journal"), ready)
    said = {
        "gate": "MO-SIM-1",
        "state": "ready",
        "reason": None,
        "occupancy": "zero",
        "doors": {"entry_door": "closed", "exit_door": "closed"},
        "officer_call": None,
    } | (status or {})
    said["devices"] = devices | said.get("devices", {})
    quiet = dict.fromkeys(("entry_beam", "exit_beam", "emergency", "tamper"), "clear")
    answers = {"/v1/status": said, "/v1/diagnostics": {"version": version or installed("gate-controller"), "inputs": quiet | (inputs or {})}}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = says.encode() or json.dumps(answers.get(self.path, {"error": "unknown", "remedy": ""})).encode()
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: object) -> None:
            pass

    server = socketserver.ThreadingUnixStreamServer(str(gate.directory / "control.sock"), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    _page(gate, page)
    gate.cleanup.callback(server.server_close)
    gate.cleanup.callback(server.shutdown)


def _page(gate: BrokenGate, says: str) -> None:
    """The display's page: an event of that name now and then; "" hangs up, "silence" says nothing."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not says:
                return
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"event: %s\ndata: {}\n\n" % says.encode() if says != "silence" else b": \n\n")
                    time.sleep(0.2)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False

    server = Server(("127.0.0.1", gate.files.changes["kiosk"]["port"]), Page)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    gate.cleanup.callback(server.server_close)
    gate.cleanup.callback(server.shutdown)


def _files(gate: BrokenGate, pattern: str) -> list[Path]:
    base = gate.models.parent if pattern.startswith("models/") else gate.directory
    found = sorted(base.glob(pattern))
    assert found, f"no file {pattern}"
    return found
