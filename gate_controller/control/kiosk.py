"""The traveller's page on 127.0.0.1: GET only, nothing to act on, nothing that identifies or accuses anybody.

    GET /, /kiosk.css, /kiosk.js, /prompts.json
    GET /events    server-sent events "prompt" {"prompt", "region"}, "state" {"state"}, "heartbeat" {"prompt"}; nothing else ever

The region is that of the pass, before one was accepted that of the lane: it orders the languages, and is left out while nobody knows it.
The stream carries the latest prompt and state, not their history, so a slow page is never behind. There is no heartbeat
while the gate cannot say how it is; the page then shows "lane closed". Does not hold texts: prompts.json does.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from importlib import resources

from aiohttp import web

from gate_controller.control.feed import Event, EventFeed
from gate_controller.control.serving import Limits, frame, name_server, stream
from gate_controller.core.prompts import Prompt
from gate_controller.core.states import State
from gate_controller.core.values import Region
from gate_controller.ports.control import JsonObject

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}

_FILES = {
    "/": ("index.html", "text/html"),
    "/kiosk.css": ("kiosk.css", "text/css"),
    "/kiosk.js": ("kiosk.js", "text/javascript"),
    "/prompts.json": ("prompts.json", "application/json"),
}
_PROMPTS = frozenset(prompt.value for prompt in Prompt)
_STATES = frozenset(state.value for state in State)
_REGIONS = frozenset(region.value for region in Region)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def kiosk_app(feed: EventFeed, port: int, limits: Limits) -> web.Application:
    """The application for 127.0.0.1:`port`. The files are read now, so a broken installation shows at the start."""
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")} | ({"127.0.0.1", "localhost"} if port == 80 else set())

    @web.middleware
    async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
        # A page elsewhere whose name was made to resolve to 127.0.0.1 (DNS rebinding) sends its own name as Host.
        if request.headers.get("Host", "").lower() not in hosts:
            raise web.HTTPMisdirectedRequest
        if request.method != "GET":
            raise web.HTTPMethodNotAllowed(request.method, ["GET"])
        if request.can_read_body:
            raise web.HTTPBadRequest
        return await handler(request)

    async def events(request: web.Request) -> web.StreamResponse:
        return await stream(request, _frames(feed), limits.write_s)

    app = web.Application(middlewares=[guard], client_max_size=limits.body_bytes)
    app.on_response_prepare.append(name_server)
    app.on_response_prepare.append(_add_headers)
    static = resources.files("gate_controller.control").joinpath("static")
    for path, (name, content_type) in _FILES.items():
        app.router.add_get(path, _file_handler(static.joinpath(name).read_bytes(), content_type), allow_head=False)
    app.router.add_get("/events", events, allow_head=False)
    return app


def _file_handler(body: bytes, content_type: str) -> _Handler:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return handler


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _frames(feed: EventFeed) -> AsyncGenerator[bytes, None]:
    subscription = feed.subscribe()
    shown: tuple[JsonObject, str | None] = ({}, None)
    alive = False
    try:
        yield b"retry: 1000\n\n"
        while True:
            closed = subscription.closed  # looked at first: what was published before the end is still sent
            beat = subscription.take().beat
            alive = alive or beat  # until the first heartbeat nobody knows whether the gate that left these still lives
            if alive:
                latest = feed.latest()
                prompt, state = _allowed(latest.prompt, "prompt", _PROMPTS), _allowed(latest.status, "state", _STATES)
                region = _allowed(latest.prompt, "region", _REGIONS) or _allowed(latest.status, "region", _REGIONS)
                told: JsonObject = {"prompt": prompt} | ({"region": region} if region is not None else {})
                if prompt is not None and told != shown[0]:
                    yield frame("prompt", json.dumps(told))
                if state is not None and state != shown[1]:
                    yield frame("state", json.dumps({"state": state}))
                shown = told, state
                if beat:
                    yield frame("heartbeat", json.dumps({"prompt": prompt}))
            if closed:
                return
            await subscription.wait()
    finally:
        subscription.close()


def _allowed(event: Event | None, name: str, values: frozenset[str]) -> str | None:
    """The one field the page may see, if it has one of the known values."""
    fields = json.loads(event.fields) if event is not None else None
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, str) and value in values else None
