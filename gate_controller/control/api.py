"""The control API: HTTP and JSON on the unix socket, the only place that may act on the gate. routes.py lists the calls.

Here are the calls that only read, and what all calls share: who asks (SO_PEERCRED, looked up once a connection), whether a role of theirs allows it,
and errors as {"error", "remedy"}. Does not decide whether an act is possible: the gate does.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gate_controller.control import openapi
from gate_controller.control.about import version
from gate_controller.control.accounts import Accounts
from gate_controller.control.act_log import ActLog
from gate_controller.control.acts import Acts, Asked
from gate_controller.control.feed import Event, EventFeed
from gate_controller.control.metrics import CONTENT_TYPE, GateMetrics
from gate_controller.control.pace import Pace, Turns
from gate_controller.control.requests import answer, answer_text, caller_of, counter, errors_as_json, is_counter
from gate_controller.control.roles import DEFAULT_GROUPS, Caller, Role
from gate_controller.control.routes import ROUTES, Route
from gate_controller.control.serving import Limits, frame, name_server, peer_uid, stream
from gate_controller.ports.control import GateControl, JsonObject

ACTS = web.AppKey("acts", Acts)
"""What carries out the acts of this application: the officers' page hands its own to it, so that both share one record and its limits."""
_CALLS = {(route.method, route.path): route.name for route in ROUTES}
_AskedHandler = Callable[[Asked], Awaitable[web.StreamResponse]]


def control_app(
    gate: GateControl,
    feed: EventFeed,
    metrics: GateMetrics,
    limits: Limits,
    groups: Mapping[Role, str] = DEFAULT_GROUPS,
    about: Callable[[], JsonObject] = dict,
) -> web.Application:
    """The application for the unix socket.

    Args:
        gate: The gate.
        feed: Its events.
        metrics: Its metrics.
        limits: What a client may cost.
        groups: The machine's group of each role.
        about: What the daemon knows of itself: members of the diagnostics.
    """
    accounts = Accounts()
    turns = Turns(Pace(limits.answers_per_s, limits.answers_at_once), Pace(limits.all_answers_per_s, limits.all_answers_at_once))
    acting = Turns(Pace(limits.answers_per_s, limits.answers_at_once))
    log = ActLog(gate, feed.clock)
    acts = Acts(gate, feed, log, limits, about, lambda uid: turns.turn(accounts.account(uid)), lambda uid: acting.turn(accounts.account(uid)))
    reads = _Reads(gate, feed, metrics, limits, groups)
    callers = _Callers(groups)
    calls = Turns(Pace(limits.answers_per_s, limits.answers_at_once))
    middlewares = [_counting(metrics), _paced(turns, calls, accounts), errors_as_json("GET /v1/openapi.json lists the calls")]
    app = web.Application(client_max_size=limits.body_bytes, middlewares=middlewares)
    app[ACTS] = acts
    app.on_response_prepare.append(name_server)
    for route in ROUTES:
        handler: _AskedHandler = getattr(reads if hasattr(reads, route.name) else acts, route.name)
        app.router.add_route(route.method, route.path, _guarded(route, handler, callers, acts))
    return app


def _guarded(route: Route, handler: _AskedHandler, callers: _Callers, acts: Acts) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        asking = await callers.of(request)
        role = route.role_of(asking)
        if route.roles and role is None:
            raise await acts.deny(route.name, asking, route.roles)
        return await handler(Asked(request, asking, role))

    return handle


class _Callers:
    """Who is at the other end, looked up once a connection."""

    def __init__(self, groups: Mapping[Role, str]) -> None:
        self._groups = groups
        self._known: weakref.WeakKeyDictionary[Any, Caller] = weakref.WeakKeyDictionary()

    async def of(self, request: web.Request) -> Caller:
        """The caller.

        Raises:
            RequestError: The client has gone.
        """
        known = self._known.get(request.protocol)
        if known is not None:
            return known
        found = await caller_of(request, self._groups)
        self._known[request.protocol] = found
        return found


class _Reads:
    """The handlers that only read, by the names of their routes."""

    def __init__(self, gate: GateControl, feed: EventFeed, metrics: GateMetrics, limits: Limits, groups: Mapping[Role, str]) -> None:
        self._gate = gate
        self._feed = feed
        self._metrics = metrics
        self._limits = limits
        self._groups = {role.value: group for role, group in groups.items()}
        self._openapi = openapi.document()

    async def status(self, _asked: Asked) -> web.Response:
        """See routes.ROUTES."""
        return answer({**self._gate.status(), "version": version()})

    async def whoami(self, asked: Asked) -> web.Response:
        """See routes.ROUTES."""
        return answer({"uid": asked.caller.uid, "user": asked.caller.user, "roles": asked.caller.names, "groups": self._groups})

    async def openapi(self, _asked: Asked) -> web.Response:
        """See routes.ROUTES."""
        return answer(self._openapi)

    async def events(self, asked: Asked) -> web.StreamResponse:
        """See routes.ROUTES."""
        return await stream(asked.request, self._event_frames(self._resume_point(asked.request)), self._limits.write_s)

    async def crossings(self, asked: Asked) -> web.Response:
        """See routes.ROUTES."""
        found = self._feed.crossings(self._after(asked.request) or 0)
        records = ", ".join(f'{event.fields[:-1]}, "at": {event.at!r}}}' for event in found.records)  # each is JSON already, with its number at least
        return answer_text(f'{{"run": {json.dumps(self._feed.run)}, "last": {found.last}, "missed": {found.missed}, "crossings": [{records}]}}')

    async def metrics(self, _asked: Asked) -> web.Response:
        """See routes.ROUTES."""
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    def _after(self, request: web.Request) -> int | None:
        """The number the client asks to go on from; None when it names none, or one of an earlier run."""
        after = counter(request, "after")
        return after if request.query.get("run", self._feed.run) == self._feed.run else None

    def _resume_point(self, request: web.Request) -> int | None:
        after = self._after(request)
        run, _, number = request.headers.get("Last-Event-ID", "").partition(".")
        if after is None and run == self._feed.run and is_counter(number):
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


def _paced(turns: Turns, calls: Turns, accounts: Accounts) -> Middleware:
    """Everything waits for its turn before it costs anything, but acts: those wait in Acts, also what is denied.

    The calls are read before an officer acts: neither what else that user reads nor what others do holds this up.
    """

    @web.middleware
    async def wait(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        name = _CALLS.get((request.method, resource.canonical)) if resource is not None else None
        if name != "snapshot" and (name is None or request.method == "GET"):  # a snapshot is an engineer's act, in maintenance
            await (calls if name == "calls" else turns).turn(accounts.account(peer_uid(request.transport)))
        return await handler(request)

    return wait


def _counting(metrics: GateMetrics) -> Middleware:
    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        resource = request.match_info.route.resource  # None for a path that there is not
        metrics.requested(_CALLS.get((request.method, resource.canonical if resource is not None else ""), "none"), response.status)
        return response

    return count
