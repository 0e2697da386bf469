"""The control API: HTTP and JSON on the unix socket, the only place that may act on the gate.

    GET  /v1/status                     the lane, as GateControl.status() gives it
    GET  /v1/events[?after=N&run=R]     server-sent events; "connected" {"run", "sequence"} first, then the last status and prompt
                                        or, with `after` (or Last-Event-ID), what came since; "heartbeat" {} every second;
                                        "lagged" {"missed"} if the ring went round: ask for the status again
    GET  /v1/crossings[?after=N&run=R]  recent crossing records {"run", "last", "missed", "crossings"}
    GET  /v1/metrics                    Prometheus' text format (control.metrics)
    POST /v1/officer                    {"action", "identity", "reason"}

Errors are {"error", "remedy"}. Who may connect is decided by the socket's mode; roles within the API are not built yet.
Does not decide whether an act is allowed: the gate does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable

import structlog
from aiohttp import web

from gate_controller.control.feed import Event, EventFeed
from gate_controller.control.metrics import CONTENT_TYPE, GateMetrics
from gate_controller.control.serving import Limits, frame, name_server, stream
from gate_controller.control.sockets import peer_uid
from gate_controller.ports.control import GateControl, JsonObject
from gate_controller.ports.errors import GateError, RefusedByStateError

log = structlog.get_logger("gate.control")

ACTIONS = ("acknowledge", "assist", "release", "return", "rearm")
IDENTITY_LENGTH = 64
REASON_LENGTH = 200
_COUNTERS = 2**53  # the largest integer JSON keeps everywhere (RFC 8259 section 6)


class _RequestError(Exception):
    """A request that makes no sense; answered with 400."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def control_app(gate: GateControl, feed: EventFeed, metrics: GateMetrics, limits: Limits) -> web.Application:
    """The application for the unix socket."""
    api = _Api(gate, feed, metrics, limits)
    app = web.Application(client_max_size=limits.body_bytes, middlewares=[_errors_as_json])
    app.on_response_prepare.append(name_server)
    app.router.add_get("/v1/status", api.status, allow_head=False)
    app.router.add_get("/v1/events", api.events, allow_head=False)
    app.router.add_get("/v1/crossings", api.crossings, allow_head=False)
    app.router.add_get("/v1/metrics", api.metrics, allow_head=False)
    app.router.add_post("/v1/officer", api.officer)
    return app


class _Api:
    def __init__(self, gate: GateControl, feed: EventFeed, metrics: GateMetrics, limits: Limits) -> None:
        self._gate = gate
        self._feed = feed
        self._metrics = metrics
        self._limits = limits

    async def status(self, _request: web.Request) -> web.Response:
        return _json(self._gate.status())

    async def events(self, request: web.Request) -> web.StreamResponse:
        return await stream(request, self._event_frames(self._resume_point(request)), self._limits.write_s)

    async def crossings(self, request: web.Request) -> web.Response:
        found = self._feed.crossings(self._after(request) or 0)
        records = [{**json.loads(event.fields), "at": event.at} for event in found.records]
        return _json({"run": self._feed.run, "last": found.last, "missed": found.missed, "crossings": records})

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    async def officer(self, request: web.Request) -> web.Response:
        act = await self._read_json(request)
        action, identity, reason = (_text(act, name, limit) for name, limit in (("action", 16), ("identity", IDENTITY_LENGTH), ("reason", REASON_LENGTH)))
        if action not in ACTIONS:
            raise _RequestError("unknown action", f"one of {', '.join(ACTIONS)}")
        connection = request.get_extra_info("socket")
        if connection is None:
            raise _RequestError("the client has gone", "ask again")
        uid = peer_uid(connection)

        def act_now() -> None:
            self._gate.officer(action, identity, reason, uid)
            log.info("officer acted", action=action, uid=uid)
            self._feed.publish("officer_acted", {"action": action, "uid": uid})  # identity and reason go to the journal only

        try:
            await asyncio.to_thread(act_now)  # a gate that takes its time must not delay other clients' heartbeats
        except ValueError as error:
            what = f"{action}: {error}"
            raise _RequestError(what, "see gatectl officer --help") from error
        return _json({"accepted": True, "action": action, "uid": uid})

    async def _read_json(self, request: web.Request) -> JsonObject:
        try:
            async with asyncio.timeout(self._limits.request_s):
                body = await request.read()
            act = json.loads(body)
        except TimeoutError as error:
            raise _RequestError("the body did not come in time", "send it with the request") from error
        except (ValueError, RecursionError) as error:
            raise _RequestError("the body is not JSON", 'send {"action", "identity", "reason"}') from error
        if not isinstance(act, dict) or not act.keys() <= {"action", "identity", "reason"}:
            raise _RequestError("the body is not an officer's act", 'send {"action", "identity", "reason"} and nothing else')
        return act

    def _after(self, request: web.Request) -> int | None:
        """The number the client asks to go on from; None when it names none, or one of an earlier run."""
        after = _counter(request, "after")
        return after if request.query.get("run", self._feed.run) == self._feed.run else None

    def _resume_point(self, request: web.Request) -> int | None:
        after = self._after(request)
        run, _, number = request.headers.get("Last-Event-ID", "").partition(".")
        if after is None and run == self._feed.run and _is_counter(number):
            after = int(number)
        return after if after is not None and after <= self._feed.latest().sequence else None

    async def _event_frames(self, after: int | None) -> AsyncGenerator[bytes, None]:
        subscription = self._feed.subscribe(after)
        try:
            yield frame("connected", json.dumps({"run": self._feed.run, "sequence": self._feed.latest().sequence}))
            latest = self._feed.latest()
            for event in filter(None, (latest.status, latest.prompt) if after is None else ()):
                yield _event_frame(event)  # without an id: it may come once more, in its turn
            while True:
                closed = subscription.closed  # looked at first: what was published before the end is still sent
                taken = subscription.take()
                chunks = [frame("lagged", json.dumps({"missed": taken.missed}))] if taken.missed else []
                chunks += [_event_frame(event, f"{self._feed.run}.{event.sequence}") for event in taken.events]
                chunks += [frame("heartbeat", "{}")] if taken.beat else []
                if chunks:
                    yield b"".join(chunks)  # one write: small ones fill a socket's buffer with little
                if closed and not taken.events:
                    return
                if not closed:
                    await subscription.wait()
        finally:
            subscription.close()


def _event_frame(event: Event, event_id: str | None = None) -> bytes:
    return frame(event.kind, f'{{"sequence": {event.sequence}, "at": {event.at!r}, "fields": {event.fields}}}', event_id)


def _json(body: JsonObject, status: int = 200) -> web.Response:
    return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})


def _is_counter(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 17 and int(text) < _COUNTERS


def _counter(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is not None and not _is_counter(text):
        what = f"{name} is not the number of an event or a crossing"
        raise _RequestError(what, f"a whole number from 0 to {_COUNTERS - 1}")
    return None if text is None else int(text)


def _text(act: JsonObject, name: str, limit: int) -> str:
    value = act.get(name, "")
    if not isinstance(value, str) or len(value) > limit or not value.isprintable():
        what = f"{name} is not one line of text"
        raise _RequestError(what, f"at most {limit} printable characters")
    return value.strip()


def _refuse_body(request: web.Request) -> None:
    if request.method != "POST" and request.can_read_body:
        raise _RequestError("this request takes no body", "send it without one")


@web.middleware
async def _errors_as_json(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    try:
        _refuse_body(request)
        return await handler(request)
    except web.HTTPException as error:
        status, what, remedy = error.status, error.reason, "GET /v1/status, /v1/events, /v1/crossings, /v1/metrics; POST /v1/officer"
    except _RequestError as error:
        status, what, remedy = 400, error.what, error.remedy
    except RefusedByStateError as error:
        status, what, remedy = 409, error.what, error.remedy
    except GateError as error:
        status, what, remedy = 503, error.what, error.remedy
    except Exception:
        log.exception("request failed", method=request.method, route=request.path)
        status, what, remedy = 500, "internal error", "see the gate controller's log"
    return _json({"error": what, "remedy": remedy}, status)
