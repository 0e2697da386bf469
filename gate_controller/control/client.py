"""A client of the control API with the standard library only: aiohttp takes too long to import for a command line.

Does not print and does not choose exit codes; the command line does.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import GateError, RefusedByStateError

DEFAULT_SOCKET = Path("/run/gate-controller/control.sock")

DEVICE_WITHIN_S = 15.0
"""Longest time for what the gate asks of a device."""

_ANSWER_BYTES = 64 * 2**20  # far above any answer; a runaway server must not fill this process
_LINE_BYTES = 2**20


class DaemonUnreachableError(GateError):
    """The gate controller does not run, does not answer, or what answers is not one (exit code 4)."""


class NotPermittedError(GateError):
    """This user may not use the control socket (exit code 5)."""


class RequestRefusedError(GateError):
    """The gate controller takes the request for a mistake (exit code 2)."""


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event as a client sees it.

    Attributes:
        kind: Kind of ports.control.EventSink, or "connected" {"run", "sequence"}, "lagged" {"missed"}, "heartbeat" {}.
        fields: The event's fields.
        sequence: Its number, None for the three kinds that have none.
        at: Seconds since the epoch, None for the same.
    """

    kind: str
    fields: JsonObject
    sequence: int | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class CrossingsPage:
    """Recent crossings.

    Attributes:
        run: The run the numbers belong to; a restart begins anew.
        last: Number of the newest crossing, 0 before the first.
        missed: Crossings asked for that the gate no longer keeps in memory (its journal does).
        crossings: Records, oldest first, each with "number" and "at".
    """

    run: str
    last: int
    missed: int
    crossings: list[JsonObject]


class GateClient:
    """Talks to one gate controller; may be shared between threads (each call has a connection of its own).

    Args:
        socket_path: The control socket.
        timeout_s: Time for each answer, and longest silence of an event stream (heartbeats come every second).

    Raises (all calls):
        DaemonUnreachableError: Nobody answers, or not as a gate controller does.
        NotPermittedError: The socket does not let this user in.
    """

    def __init__(self, socket_path: Path = DEFAULT_SOCKET, timeout_s: float = 5.0) -> None:
        self._path = socket_path
        self._timeout_s = timeout_s

    def status(self) -> JsonObject:
        """State of the lane; see GateControl.status()."""
        return self._ask("GET", "/v1/status")

    def crossings(self, after: int = 0, run: str | None = None) -> CrossingsPage:
        """Crossings with a number greater than `after`; all that are kept if `run` is not the gate's present run."""
        query = {"after": str(after)} | ({"run": run} if run is not None else {})
        answer = self._ask("GET", f"/v1/crossings?{urlencode(query)}")
        try:
            return CrossingsPage(str(answer["run"]), int(answer["last"]), int(answer["missed"]), list(answer["crossings"]))
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange() from error

    def officer(self, action: str, identity: str, reason: str = "", call: int | None = None) -> JsonObject:
        """An officer's act; see GateControl.officer(). `call`: number of the call that it answers, if it must be that one.

        Raises:
            RequestRefusedError: Unknown action, empty identity, or a release without a reason.
            RefusedByStateError: The lane's state does not allow it; nothing was done.
        """
        answered = {} if call is None else {"call": call}
        return self._ask("POST", "/v1/officer", {"action": action, "identity": identity, "reason": reason, **answered})

    def whoami(self) -> JsonObject:
        """Who the gate takes this process for: {"uid", "roles"}."""
        return self._ask("GET", "/v1/whoami")

    def calls(self) -> list[JsonObject]:
        """Calls for an officer that are not ended; see GateControl.calls(). Role: operator or officer."""
        calls = self._ask("GET", "/v1/officer/calls").get("calls")
        if not isinstance(calls, list):
            raise self._strange()
        return calls

    def maintenance(self, on: bool, identity: str, reason: str) -> JsonObject:
        """Take the lane, or give it back. Role: engineer.

        Raises:
            RequestRefusedError: Identity or reason are empty.
            RefusedByStateError: The lane's state does not allow it; nothing was done.
        """
        return self._ask("POST", "/v1/maintenance", {"on": on, "identity": identity, "reason": reason})

    def diagnostics(self) -> JsonObject:
        """Devices, inputs, stores, trust and queues; see GateControl.diagnostics(). Role: engineer."""
        return self._ask("GET", "/v1/diagnostics")

    def device_test(self, device: str, reason: str) -> JsonObject:
        """Let the gate test a device of ports.control.DEVICES; see GateControl.test_device(). Takes up to DEVICE_WITHIN_S. Role: engineer.

        Raises:
            RequestRefusedError: The reason is empty.
            RefusedByStateError: The lane is not in maintenance.
        """
        return self._ask("POST", f"/v1/devices/{quote(device, safe='')}/test", {"reason": reason}, DEVICE_WITHIN_S)

    def snapshot(self, camera: str) -> bytes:
        """A JPEG of what a camera of ports.control.CAMERAS sees. Role: engineer.

        Raises:
            RefusedByStateError: The lane is not in maintenance, or its chamber is not known to be empty.
            DaemonUnreachableError: Also when the camera gives no frame.
        """
        with self._exchange("GET", f"/v1/cameras/{quote(camera, safe='')}/snapshot", None, DEVICE_WITHIN_S) as response:
            if response.status != http.client.OK:
                self._check(response.status, self._json(response))
            if response.headers.get_content_type() != "image/jpeg":
                raise self._strange()
            return response.read(_ANSWER_BYTES)

    def metrics(self) -> str:
        """The metrics in Prometheus' text format."""
        with self._exchange("GET", "/v1/metrics") as response:
            if response.status != http.client.OK:
                self._check(response.status, self._json(response))
            return response.read(_ANSWER_BYTES).decode()

    def events(self, after: int | None = None, *, heartbeats: bool = False) -> EventStream:
        """Events as they come: first the last status and prompt, or, with `after`, what is kept since that number."""
        query = f"?{urlencode({'after': after})}" if after is not None else ""
        with self._failures_named():
            connection = self._connect()
            line = connection.sock
            try:
                connection.request("GET", f"/v1/events{query}")
                response = connection.getresponse()
                self._check_stream(response)
                return EventStream(connection, line, response, self._path, heartbeats=heartbeats)
            except BaseException:
                connection.close()
                raise

    def _ask(self, method: str, path: str, body: JsonObject | None = None, least_s: float = 0.0) -> JsonObject:
        with self._exchange(method, path, body, least_s) as response:
            answer = self._json(response)
            self._check(response.status, answer)
            return answer

    @contextlib.contextmanager
    def _exchange(self, method: str, path: str, body: JsonObject | None = None, least_s: float = 0.0) -> Iterator[http.client.HTTPResponse]:
        """One request on a connection of its own; it waits at least `least_s` for the answer."""
        with self._failures_named():
            connection = self._connect(least_s)
            try:
                connection.request(method, path, None if body is None else json.dumps(body), {"Connection": "close"})
                yield connection.getresponse()
            finally:
                connection.close()

    def _connect(self, least_s: float = 0.0) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost", timeout=self._timeout_s)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.sock.settimeout(max(self._timeout_s, least_s))
            connection.sock.connect(str(self._path))
        except BaseException:
            connection.close()
            raise
        return connection

    def _json(self, response: http.client.HTTPResponse) -> JsonObject:
        answer = json.loads(response.read(_ANSWER_BYTES))
        if not isinstance(answer, dict):
            raise self._strange()
        return answer

    def _check(self, status: int, answer: JsonObject) -> None:
        if status == http.client.OK:
            return
        what, remedy = str(answer.get("error", f"status {status}")), str(answer.get("remedy", ""))
        if status == http.client.CONFLICT:
            raise RefusedByStateError(what, remedy)
        if status == http.client.FORBIDDEN:
            raise NotPermittedError(what, remedy)
        if status == http.client.NOT_FOUND:
            unknown = f"the gate controller at {self._path} does not know this call"
            raise DaemonUnreachableError(unknown, "run gatectl and the daemon of one version")
        if status in {http.client.BAD_REQUEST, http.client.REQUEST_ENTITY_TOO_LARGE}:
            raise RequestRefusedError(what, remedy)
        unable = f"gate controller at {self._path}: {what}"
        raise DaemonUnreachableError(unable, remedy)

    def _check_stream(self, response: http.client.HTTPResponse) -> None:
        if response.status != http.client.OK:
            self._check(response.status, self._json(response))
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            raise self._strange()

    def _strange(self) -> DaemonUnreachableError:
        what = f"what answers at {self._path} is not a gate controller of this version"
        return DaemonUnreachableError(what, "run gatectl and the daemon of one version")

    @contextlib.contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            what = f"no permission for the control socket {self._path}"
            raise NotPermittedError(what, "join the socket's group, or run as its owner") from error
        except TimeoutError as error:
            what = f"no answer at {self._path} within {self._timeout_s:g} s"
            raise DaemonUnreachableError(what, "restart the daemon if this lasts") from error
        except OSError as error:
            raise _unreachable(self._path, error) from error
        except (http.client.HTTPException, ValueError, RecursionError) as error:
            raise self._strange() from error


class EventStream:
    """Iterates over events until `close()`, which any thread may call.

    Raises (while iterating):
        DaemonUnreachableError: The stream ended or fell silent: a gate that runs neither ends it nor stops its heartbeat.
    """

    def __init__(
        self, connection: http.client.HTTPConnection, line: socket.socket, response: http.client.HTTPResponse, path: Path, *, heartbeats: bool
    ) -> None:
        self._connection = connection
        self._socket = line
        self._response = response
        self._path = path
        self._heartbeats = heartbeats
        self._closed = False

    def __iter__(self) -> Iterator[FeedEvent]:
        try:
            for event in self._parse():
                if event.kind != "heartbeat" or self._heartbeats:
                    yield event
            what = f"the gate controller at {self._path} ended the stream"
            failure = DaemonUnreachableError(what, "it was stopped or restarted; connect again")
        except (OSError, http.client.HTTPException, ValueError, RecursionError, AttributeError) as error:  # AttributeError: closed under http.client's hands
            failure = _unreachable(self._path, error)
        if not self._closed:
            self.close()
            raise failure

    def close(self) -> None:
        """Hang up; a running iteration ends."""
        self._closed = True
        # Shut down first: a thread that reads lets go of the response only then.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _parse(self) -> Iterator[FeedEvent]:
        """Event stream of WHATWG HTML section 9.2, as far as our server uses it: "event" and one "data" line an event."""
        kind, data = "message", ""
        while line := self._response.readline(_LINE_BYTES):
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data = value
            elif not name and data:
                yield _event(kind, json.loads(data))
                kind, data = "message", ""


def _event(kind: str, body: Any) -> FeedEvent:
    numbered = isinstance(body, dict) and "fields" in body
    fields = body["fields"] if numbered else body
    if not isinstance(fields, dict):
        msg = "an event is not a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - malformed input, not a programmer's mistake
    return FeedEvent(kind, fields, body.get("sequence"), body.get("at")) if numbered else FeedEvent(kind, fields)


def _unreachable(path: Path, error: Exception) -> DaemonUnreachableError:
    reason = getattr(error, "strerror", None) or error or type(error).__name__
    return DaemonUnreachableError(f"no gate controller at {path}: {reason}", "start it (gatectl run), or give its socket with --socket")
