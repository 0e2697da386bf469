"""A client of the control API: neither aiohttp nor http.client, which take too long to import for a command line (exchange.py).

Does not print and does not choose exit codes; the command line does.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

from gate_controller.control.exchange import Exchange
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import GateError, RefusedByStateError

DEFAULT_SOCKET = Path("/run/gate-controller/control.sock")

DEVICE_WITHIN_S = 30.0
"""Longest time for what the gate asks of a device."""

_ANSWER_BYTES = 64 * 2**20  # far above any answer; a runaway server must not fill this process
_LINE_BYTES = 2**20
_OK, _BAD_REQUEST, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_LARGE = 200, 400, 403, 404, 409, 413


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
        status = self._ask("GET", "/v1/status")
        if "state" not in status:
            raise self._strange()
        return status

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
        return self._done("/v1/officer", {"action": action, "identity": identity, "reason": reason, **answered})

    def whoami(self) -> JsonObject:
        """Who the gate takes this process for: {"uid", "user": its name at the gate, "roles", "groups": {role: group}}."""
        return self._ask("GET", "/v1/whoami")

    def pending_call(self) -> int:
        """Number of the call that is pending now; 0: none. For who acts on whatever is pending. Role: operator or officer."""
        return next((int(call["number"]) for call in self.calls()), 0)

    def calls(self) -> list[JsonObject]:
        """Calls for an officer that are not ended; see GateControl.calls(). Role: operator or officer."""
        calls = self._ask("GET", "/v1/officer/calls").get("calls")
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            raise self._strange()
        return calls

    def maintenance(self, on: bool, identity: str, reason: str) -> JsonObject:
        """Take the lane, or give it back. Role: engineer.

        Raises:
            RequestRefusedError: Identity or reason are empty.
            RefusedByStateError: The lane's state does not allow it; nothing was done.
        """
        return self._done("/v1/maintenance", {"on": on, "identity": identity, "reason": reason})

    def diagnostics(self) -> JsonObject:
        """Devices, inputs, stores, trust and queues; see GateControl.diagnostics(). Role: engineer."""
        answer = self._ask("GET", "/v1/diagnostics")
        devices = answer.get("devices", [])  # a daemon of another version is asked for that, too
        if not isinstance(devices, list) or not all(isinstance(device, dict) for device in devices):
            raise self._strange()
        return answer

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
            if response.status != _OK:
                self._check(response.status, self._json(response))
            if response.media != "image/jpeg":
                raise self._strange()
            return response.read(_ANSWER_BYTES)

    def metrics(self) -> str:
        """The metrics in Prometheus' text format."""
        with self._exchange("GET", "/v1/metrics") as response:
            if response.status != _OK:
                self._check(response.status, self._json(response))
            return response.read(_ANSWER_BYTES).decode()

    def events(self, after: int | None = None, *, heartbeats: bool = False) -> EventStream:
        """Events as they come: first the last status and prompt, or, with `after`, what is kept since that number."""
        query = f"?{urlencode({'after': after})}" if after is not None else ""
        with self._failures_named(self._timeout_s):
            exchange = Exchange(self._path, self._timeout_s)
            try:
                exchange.ask("GET", f"/v1/events{query}")
                self._check_stream(exchange)
            except BaseException:
                exchange.close()
                raise
            return EventStream(exchange, self._path, self._timeout_s, heartbeats=heartbeats)

    def _ask(self, method: str, path: str, body: JsonObject | None = None, least_s: float = 0.0) -> JsonObject:
        with self._exchange(method, path, body, least_s) as response:
            answer = self._json(response)
            self._check(response.status, answer)
            return answer

    def _done(self, path: str, body: JsonObject) -> JsonObject:
        """An act's answer; one that does not say so is no proof that anything was done."""
        answer = self._ask("POST", path, body)
        if answer.get("accepted") is not True:
            raise _unanswered(self._strange().what)
        return answer

    @contextlib.contextmanager
    def _exchange(self, method: str, path: str, body: JsonObject | None = None, least_s: float = 0.0) -> Iterator[Exchange]:
        """One request on a connection of its own; it waits at least `least_s` for the answer."""
        within_s = max(self._timeout_s, least_s)
        with self._failures_named(within_s):
            exchange = Exchange(self._path, within_s)
        with exchange, self._failures_named(within_s, is_act=method == "POST"):
            exchange.ask(method, path, None if body is None else json.dumps(body).encode())
            yield exchange

    def _json(self, exchange: Exchange) -> JsonObject:
        answer = json.loads(exchange.read(_ANSWER_BYTES))
        if not isinstance(answer, dict):
            raise self._strange()
        return answer

    def _check(self, status: int, answer: JsonObject) -> None:
        if status == _OK:
            return
        what, remedy = str(answer.get("error", f"status {status}")), str(answer.get("remedy", ""))
        if status == _CONFLICT:
            raise RefusedByStateError(what, remedy)
        if status == _FORBIDDEN:
            raise NotPermittedError(what, remedy)
        if status == _NOT_FOUND:
            unknown = f"the gate controller at {self._path} does not know this call"
            raise DaemonUnreachableError(unknown, "run gatectl and the daemon of one version")
        if status in {_BAD_REQUEST, _TOO_LARGE}:
            raise RequestRefusedError(what, remedy)
        unable = f"gate controller at {self._path}: {what}"
        raise DaemonUnreachableError(unable, remedy)

    def _check_stream(self, exchange: Exchange) -> None:
        if exchange.status != _OK:
            self._check(exchange.status, self._json(exchange))
        if exchange.media != "text/event-stream":
            raise self._strange()

    def _strange(self) -> DaemonUnreachableError:
        what = f"what answers at {self._path} is not a gate controller of this version"
        return DaemonUnreachableError(what, "run gatectl and the daemon of one version")

    @contextlib.contextmanager
    def _failures_named(self, within_s: float, *, is_act: bool = False) -> Iterator[None]:
        """What the kernel says, in words. An act that was sent may have been carried out although no answer came: whoever asked must not be left to guess."""
        try:
            yield
        except PermissionError as error:
            what = f"no permission for the control socket {self._path}"
            raise NotPermittedError(
                what, "put the user into the group of a role, and log in again: sudo adduser USER gate-read (or gate-operator, gate-officer, gate-engineer)"
            ) from error
        except TimeoutError as error:
            what = f"no answer at {self._path} within {within_s:g} s"
            raise DaemonUnreachableError(what, "restart the daemon if this lasts") if not is_act else _unanswered(what) from error
        except OSError as error:
            raise _unreachable(self._path, error) if not is_act else _unanswered(f"{self._path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise self._strange() from error


class EventStream:
    """Iterates over events until `close()`, which any thread may call.

    Raises (while iterating):
        DaemonUnreachableError: The stream ended or fell silent: a gate that runs neither ends it nor stops its heartbeat.
    """

    def __init__(self, exchange: Exchange, path: Path, silence_s: float, *, heartbeats: bool) -> None:
        self._exchange = exchange
        self._path = path
        self._silence_s = silence_s
        self._heartbeats = heartbeats
        self._closed = False

    def __iter__(self) -> Iterator[FeedEvent]:
        try:
            for event in self._parse():
                if event.kind != "heartbeat" or self._heartbeats:
                    yield event
            what = f"the gate controller at {self._path} ended the stream"
            failure = DaemonUnreachableError(what, "it was stopped or restarted; connect again")
        except TimeoutError:
            what = f"the gate controller at {self._path} has fallen silent for {self._silence_s:g} s"
            failure = DaemonUnreachableError(what, "gatectl doctor; restart the daemon if this lasts")
        except (OSError, ValueError, RecursionError) as error:
            failure = _unreachable(self._path, error)
        if not self._closed:
            self.close()
            raise failure

    def close(self) -> None:
        """Hang up; a running iteration ends."""
        self._closed = True
        self._exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _parse(self) -> Iterator[FeedEvent]:
        """Event stream of WHATWG HTML section 9.2, as far as our server uses it: "event" and one "data" line an event."""
        kind, data = "message", ""
        for line in self._exchange.lines(self._silence_s, _LINE_BYTES):
            name, _, value = line.decode().partition(": ")
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
    sequence, at = (body.get("sequence"), body.get("at")) if numbered else (None, None)
    if not isinstance(fields, dict) or not isinstance(sequence, int | None) or not isinstance(at, int | float | None):
        msg = "an event is not a JSON object of this version"
        raise ValueError(msg)  # noqa: TRY004 - malformed input, not a programmer's mistake
    return FeedEvent(kind, fields, sequence, at)


def _unreachable(path: Path, error: Exception) -> DaemonUnreachableError:
    reason = getattr(error, "strerror", None) or error or type(error).__name__
    return DaemonUnreachableError(
        f"no gate controller at {path}: {reason}", "start it (sudo systemctl start gate-controller), or give its socket with --socket"
    )


def _unanswered(what: str) -> DaemonUnreachableError:
    return DaemonUnreachableError(f"{what}; whether it was carried out is not known", "look at the lane and at gatectl status before you do it again")
