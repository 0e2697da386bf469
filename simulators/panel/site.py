"""The panel's server on 127.0.0.1: page, pictures, events, and what a person does there.

    GET  /, /panel.css, /panel.js        the page
    GET  /choices                        who can come, tricks, mishaps, sizes of the lane
    GET  /portraits/PERSON, /cameras/qr, /cameras/face    simulated pictures, JPEG
    GET  /events                         server-sent events "lane", "status", "crossing", "traveller", "gate"
    GET  /kiosk/...                      the running gate's own kiosk page, passed on
    POST /play {"traveller", "trick"}, /mishap {"name", "on"}, /officer {"action"}, /duty {"on"}, /crash {}

Anybody on this machine may play; no page from elsewhere may: Host and Origin are checked, and a body must say that it is JSON. Decides nothing for
the gate, and has no part in one with real devices: what it moves are simulators.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from importlib import resources
from typing import Any, Protocol

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from gate_controller.ports.errors import GateError
from simulators.camera.scenes import FACES
from simulators.lane.simulation import LaneSimulation
from simulators.panel.mishaps import MISHAPS, Mishaps, Simulators
from simulators.panel.pictures import frame_of
from simulators.panel.plays import TRICKS, Casting, PlayError
from simulators.panel.view import look, sizes

LOOK_S = 0.05
BODY_BYTES = 4096
CROSSINGS_KEPT = 30
SILENT_S = 1.0
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_FILES = {"/": ("panel.html", "text/html"), "/panel.css": ("panel.css", "text/css"), "/panel.js": ("panel.js", "text/javascript")}
_KIOSK_FILES = frozenset({"", "kiosk.css", "kiosk.js", "prompts.json", "events"})
_KIOSK_HEADERS = ("Content-Type", "Content-Security-Policy", "X-Content-Type-Options")
ACTIONS = frozenset({"acknowledge", "assist", "release", "return", "rearm"})
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PlayedGate(Protocol):
    """The gate that is played with, from outside. Calls may block for seconds."""

    @property
    def kiosk_url(self) -> str:
        """Where its kiosk page is, with a slash at the end."""
        ...

    @property
    def cameras(self) -> dict[str, str]:
        """URLs of the simulated cameras: "qr" and "face"."""
        ...

    def officer(self, action: str) -> None:
        """What the person at the panel does as the officer; raises GateError when the gate refuses."""
        ...

    def crash(self) -> None:
        """Kill the controller as a bug would; whoever started it starts it again."""
        ...


class PanelSite:
    """Serves the panel until `stop()`.

    Args:
        simulation: The simulated world; it moves on a thread of its own.
        lane: The simulated devices.
        gate: The gate that is played with.
        casting: Who can come.
        port: Port on 127.0.0.1; 0 takes a free one.
    """

    def __init__(self, simulation: LaneSimulation, lane: Simulators, gate: PlayedGate, casting: Casting, port: int = 0) -> None:
        self._simulation = simulation
        self._mishaps = Mishaps(simulation, lane)
        self._gate = gate
        self._casting = casting
        self._port = port
        self._pages: set[asyncio.Queue[bytes]] = set()
        self._crossings: deque[dict[str, Any]] = deque(maxlen=CROSSINGS_KEPT)
        self._latest: dict[str, dict[str, Any]] = {}
        self._lane: dict[str, Any] = {}
        self._lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self.url = ""

    # From any thread

    def start(self) -> None:
        """Serve; returns when the page answers.

        Raises:
            OSError: The port is in use, or not permitted.
        """
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="panel", daemon=True)
        self._thread.start()
        ready.result()

    def stop(self) -> None:
        """Hang up on everybody. Stopping twice is harmless."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join()

    def tell(self, kind: str, fields: dict[str, Any]) -> None:
        """Show an event of the gate or of the world: "status", "crossing", "traveller", "gate"."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._publish, kind, fields)

    # On the loop

    def _run(self, ready: Future[None]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:  # noqa: BLE001 - whoever waits in start() must hear of it
            if not ready.done():
                ready.set_exception(error)

    async def _serve(self, ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=None, connect=2, sock_read=SILENT_S * 10)))
            runner = web.AppRunner(self._app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", self._port)
            await site.start()
            self._port = runner.addresses[0][1]
            self.url = f"http://127.0.0.1:{self._port}/"
            watching = asyncio.create_task(self._watch())
            stack.callback(watching.cancel)
            ready.set_result(None)
            await self._stopping.wait()
            self._publish("end", {})

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=BODY_BYTES)
        app.on_response_prepare.append(_add_headers)
        static = resources.files("simulators.panel").joinpath("static")
        for path, (name, content_type) in _FILES.items():
            app.router.add_get(path, _file(static.joinpath(name).read_bytes(), content_type), allow_head=False)
        for path, handler in {
            "/choices": self._choices,
            "/portraits/{person}": self._portrait,
            "/cameras/{camera}": self._camera,
            "/events": self._events,
            "/kiosk/{file}": self._kiosk,
            "/kiosk/": self._kiosk,
        }.items():
            app.router.add_get(path, handler, allow_head=False)
        for path, act in {"/play": self._play, "/mishap": self._mishap, "/officer": self._officer, "/duty": self._duty, "/crash": self._crash}.items():
            app.router.add_post(path, _acting(act))
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        names = {f"127.0.0.1:{self._port}", f"localhost:{self._port}"}
        host = request.headers.get("Host", "").lower()
        if host not in names:  # a name elsewhere that was made to resolve to 127.0.0.1 (DNS rebinding)
            raise web.HTTPMisdirectedRequest
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise web.HTTPForbidden
        if request.method == "POST":  # a form or a script of another page (CSRF): it cannot lie about its origin, nor send JSON unasked
            if request.headers.get("Origin", "") != f"http://{host}" or request.content_type != "application/json":
                raise web.HTTPForbidden
        elif request.method != "GET":
            raise web.HTTPMethodNotAllowed(request.method, ["GET", "POST"])
        return await handler(request)

    async def _watch(self) -> None:
        while True:
            if self._pages:
                lane = look(self._simulation) | {"mishaps": self._mishaps.on, "duty": self._simulation.officer_on_duty}
                if lane != self._lane:
                    self._lane = lane
                    self._publish("lane", lane)
            await asyncio.sleep(LOOK_S)

    def _publish(self, kind: str, fields: dict[str, Any]) -> None:
        if kind == "crossing":
            self._crossings.append(fields)
        elif kind != "end":
            self._latest[kind] = fields
        data = b"" if kind == "end" else _frame(kind, fields)
        for page in self._pages:
            if page.full():
                page.get_nowait()  # a page that does not keep up misses the oldest
            page.put_nowait(data)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        page: asyncio.Queue[bytes] = asyncio.Queue(256)
        for fields in self._crossings:
            page.put_nowait(_frame("crossing", fields))
        for kind, fields in self._latest.items():
            page.put_nowait(_frame(kind, fields))
        self._pages.add(page)
        try:
            while True:
                try:
                    data = await asyncio.wait_for(page.get(), SILENT_S)
                except TimeoutError:
                    data = b": still here\n\n"
                if not data:
                    break
                await response.write(data)
        except ConnectionError:
            pass
        finally:
            self._pages.discard(page)
        return response

    async def _choices(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "travellers": [{"id": guest.id, "person": guest.person, "region": guest.region.value} for guest in self._casting.guests],
                "tricks": [{"id": id_, "label": trick.label, "hint": trick.hint} for id_, trick in TRICKS.items()],
                "mishaps": [{"id": id_, "label": mishap.label, "hint": mishap.hint} for id_, mishap in MISHAPS.items()],
                "sizes": sizes(self._simulation),
            }
        )

    async def _portrait(self, request: web.Request) -> web.Response:
        person = request.match_info["person"]
        if person not in {guest.person for guest in self._casting.guests}:
            raise web.HTTPNotFound
        return web.Response(body=(FACES / f"{person}_1.jpg").read_bytes(), content_type="image/jpeg")

    async def _camera(self, request: web.Request) -> web.Response:
        url = self._gate.cameras.get(request.match_info["camera"])
        if url is None:
            raise web.HTTPNotFound
        try:
            return web.Response(body=await asyncio.to_thread(frame_of, url), content_type="image/jpeg")
        except OSError as error:
            raise web.HTTPServiceUnavailable(text="no picture") from error

    async def _kiosk(self, request: web.Request) -> web.StreamResponse:
        """The gate's page under the panel's own name: so the gate itself need not allow anybody to frame it."""
        name = request.match_info.get("file", "")
        if name not in _KIOSK_FILES:
            raise web.HTTPNotFound
        try:
            source = await self._session.get(self._gate.kiosk_url + name)
        except (ClientError, TimeoutError, OSError) as error:
            raise web.HTTPBadGateway(text="the gate's page does not answer") from error
        async with source:
            response = web.StreamResponse(status=source.status)
            response.headers.update({key: source.headers[key] for key in _KIOSK_HEADERS if key in source.headers})
            policy = response.headers.get("Content-Security-Policy", "")
            response.headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
            await response.prepare(request)
            with contextlib.suppress(ClientError, TimeoutError, ConnectionError):  # either side has gone: so does the other
                async for chunk in source.content.iter_any():
                    await response.write(chunk)
            response.force_close()
            return response

    # What a person does

    async def _play(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._simulation.busy:
            raise PlayError("somebody is at the lane; one traveller at a time")
        member = self._casting.member(str(body.get("traveller")), str(body.get("trick")))
        self._simulation.send(member)
        expected = member.expected
        fields = {
            "name": member.name,
            "trick": TRICKS[str(body.get("trick"))].label,
            "region": member.region.value,
            "expected": {"outcome": expected.outcome.value, "reason": expected.reason.code if expected.reason else None},
        }
        self._publish("traveller", fields)
        return fields

    async def _mishap(self, body: dict[str, Any]) -> dict[str, Any]:
        async with self._lock:
            await asyncio.to_thread(self._mishaps.turn, str(body.get("name")), on=body.get("on") is True)
        return {"on": self._mishaps.on}

    async def _officer(self, body: dict[str, Any]) -> dict[str, Any]:
        action = body.get("action")
        if action not in ACTIONS:
            raise PlayError("there is no such act")
        await asyncio.to_thread(self._gate.officer, str(action))
        return {}

    async def _duty(self, body: dict[str, Any]) -> dict[str, Any]:
        self._simulation.officer_on_duty = body.get("on") is True
        return {}

    async def _crash(self, _body: dict[str, Any]) -> dict[str, Any]:
        await asyncio.to_thread(self._gate.crash)
        return {}


def _acting(act: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> _Handler:
    async def handler(request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return web.json_response({"error": "a JSON object is wanted"}, status=400)
        try:
            return web.json_response(await act(body))
        except PlayError as error:
            return web.json_response({"error": str(error)}, status=409)
        except GateError as error:
            return web.json_response({"error": f"{error.what}; {error.remedy}"}, status=409)

    return handler


def _file(body: bytes, content_type: str) -> _Handler:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return handler


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "gate-simulator"


def _frame(kind: str, fields: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(fields)}\n\n".encode()
