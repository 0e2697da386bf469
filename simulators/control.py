"""Control socket of a wire simulator: JSON lines over a unix stream socket.

A request is one line `{"do": VERB, ...}`; the reply is one line `{"ok": true, ...}` or
`{"ok": false, "error": "..."}`. After `{"do": "watch"}` the reply is followed by one line for every event
the simulator publishes, e.g. `{"event": "coil", "channel": 0, "on": true}`, until the client hangs up.

Does not know what the verbs mean: each simulator hands in a handler.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_LONGEST_PATH = 107  # unix(7): sun_path has 108 bytes, the last is zero

Message = dict[str, Any]
Handler = Callable[[str, Message], Message]


class ControlError(Exception):
    """A simulator refused a request, or is not there."""


class ControlServer:
    """Serves one control socket on threads of its own.

    Args:
        path: Where to bind; a dead socket left there is replaced, anything else there is an error.
        handler: Called with verb and request; returns the reply's fields; a ControlError or ValueError becomes
            `{"ok": false}`.

    Raises:
        ControlError: It cannot be bound.
    """

    def __init__(self, path: Path, handler: Handler) -> None:
        address = _address(path)
        self._path = path
        self._handler = handler
        self._lock = threading.Lock()
        self._watchers: set[socket.socket] = set()
        self._clients: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _bind(self._listener, path, address)
        except OSError as error:
            self._listener.close()
            msg = f"control socket {path}: {error.strerror or error}"
            raise ControlError(msg) from error
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._accept, name=f"control {path.name}", daemon=True)
        self._thread.start()

    def publish(self, event: Message) -> None:
        """Send an event to every watcher; a watcher that does not keep up is dropped."""
        line = json.dumps(event).encode() + b"\n"
        with self._lock:
            for watcher in list(self._watchers):
                try:
                    watcher.sendall(line)
                except OSError:
                    self._watchers.discard(watcher)

    def close(self) -> None:
        """Hang up on everybody and remove the socket."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._clients.add(client)
            threading.Thread(target=self._serve, args=(client,), name=f"control {self._path.name} client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, client.makefile("rb") as lines:
                client.settimeout(None)
                for line in lines:
                    reply = self._answer(line)
                    with self._lock:
                        client.sendall(json.dumps(reply).encode() + b"\n")
                        if reply.get("watching"):
                            self._watchers.add(client)
        except OSError:
            pass
        finally:
            with self._lock:
                self._clients.discard(client)
                self._watchers.discard(client)

    def _answer(self, line: bytes) -> Message:
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or not isinstance(request.get("do"), str):
                return {"ok": False, "error": 'a request is a JSON object with a "do"'}
            if request["do"] == "watch":
                return {"ok": True, "watching": True}
            return {"ok": True, **self._handler(request["do"], request)}
        except (ControlError, ValueError, KeyError, TypeError, OSError) as error:
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}


class ControlClient:
    """Talks to one simulator. Not shared between threads."""

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        address = _address(path)
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            msg = f"no simulator listens at {path}: {error.strerror or error}"
            raise ControlError(msg) from error
        self._lines = self._socket.makefile("rb")

    def ask(self, verb: str, **fields: object) -> Message:
        """Send one request and return the reply's fields.

        Raises:
            ControlError: The simulator refused, hung up, or did not answer in time.
        """
        try:
            self._socket.sendall(json.dumps({"do": verb, **fields}).encode() + b"\n")
            line = self._lines.readline()
        except OSError as error:
            msg = f"{self._path}: {error.strerror or error}"
            raise ControlError(msg) from error
        if not line:
            msg = f"{self._path}: the simulator hung up"
            raise ControlError(msg)
        reply: Message = json.loads(line)
        if not reply.get("ok"):
            raise ControlError(str(reply.get("error", "refused")))
        return reply

    def watch(self, started: Callable[[], None] | None = None) -> Iterator[Message]:
        """Events as they come, until the simulator hangs up or `close()` is called from another thread.

        Args:
            started: Called once no event can be missed any more, before the first one is read.
        """
        self.ask("watch")
        if started is not None:
            started()
        try:
            self._socket.settimeout(None)
            for line in self._lines:
                yield json.loads(line)
        except (OSError, ValueError):
            return

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # whoever reads sees the end, and lets go of the lines
        with contextlib.suppress(OSError):
            self._lines.close()
        self._socket.close()


def _address(path: Path) -> str:
    length = len(os.fsencode(path))
    if length > _LONGEST_PATH:
        msg = f"control socket {path}: the path has {length} bytes, a socket's may have {_LONGEST_PATH}"
        raise ControlError(msg)
    return str(path)


def _bind(listener: socket.socket, path: Path, address: str) -> None:
    try:
        listener.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "is there and is not a socket; it stays") from error
        if not _is_dead(address):
            raise
        path.unlink()
        listener.bind(address)


def _is_dead(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)  # a full backlog would block, and is a sign of life
        try:
            probe.connect(address)
        except ConnectionRefusedError:
            return True
        except OSError:  # not allowed, or too busy: no proof that it is dead
            return False
    return False
