"""HTTP plumbing that the control API and the kiosk page share: limits, capped connections, server-sent events.

Knows neither the gate nor the events' contents.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import cast

import structlog
from aiohttp import hdrs, web

from gate_controller.control.accounts import Accounts

log = structlog.get_logger("gate.control")

SERVER_NAME = "gate-controller"  # instead of the library's name and version


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may cost the gate.

    Attributes:
        api_connections: Connections to the control socket at a time; beyond it, one of whoever has most is hung up on.
        api_connections_each: Those of one user, root apart: who may only read must not keep an officer out.
        kiosk_connections: Connections to the kiosk page at a time; of one user as above, so that no account can keep the display out, nor its subordinate user ids.
        kiosk_connections_each: Those of one user, root apart.
        officer_connections: Those to the officers' page; of one user as above.
        answers_per_s: Answers one user of the control socket gets a second to what only reads; further requests wait (pace.py).
        answers_at_once: Those that are given at once after a pause.
        all_answers_per_s: Answers that all users together get a second.
        all_answers_at_once: Those that are given at once after a pause.
        body_bytes: Largest request body.
        request_s: Time a client has to send a request, and the time an idle connection is kept.
        write_s: Time a client has to take what it was sent before it is hung up on.
        heartbeat_s: Time between two heartbeats. The page shows "lane closed" after 3 s without one.
        stop_s: Time running requests have to end when the server stops.
    """

    api_connections: int = 128
    api_connections_each: int = 56
    kiosk_connections: int = 32
    kiosk_connections_each: int = 8
    officer_connections: int = 64
    answers_per_s: float = 40.0
    answers_at_once: int = 20
    all_answers_per_s: float = 60.0
    all_answers_at_once: int = 40
    body_bytes: int = 4096
    request_s: float = 10.0
    write_s: float = 10.0
    heartbeat_s: float = 1.0
    stop_s: float = 0.5


class _Connection(web.RequestHandler):
    """A connection that is hung up on at once when there are too many."""

    def __init__(self, site: Site, server: web.Server, limits: Limits) -> None:
        # auto_decompress=False: a small compressed body must not become a large one in memory.
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.request_s,
            lingering_time=1.0,
            access_log=None,  # type: ignore[arg-type] # None switches it off
            auto_decompress=False,
        )
        self._site = site
        self._mine: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._mine = cast("asyncio.Transport", transport)
        self._site.enter(self._mine)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._site.leave(self._mine)
        super().connection_lost(exc)

    def handle_error(self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None) -> web.StreamResponse:  # noqa: ARG002 - the signature of the base class
        """Answer garbage in the API's own form, without repeating or logging it; a bug is logged."""
        if status >= 500:
            log.error("request failed", status=status, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already; all that is left is to hang up")
        error = "not an HTTP request" if status < 500 else "internal error"
        response = web.json_response({"error": error, "remedy": "see the documentation of the control API"}, status=status)
        response.force_close()
        return response


class Site:
    """One application on one listening socket with a cap on its connections.

    Args:
        app: The application.
        cap: Connections at a time.
        limits: The other limits.
        each: Connections of one user, root apart; that of the control socket by default.
        uid: Tells who is at the other end of a connection, where that is known.
        accounts: Which user ids count as one.
    """

    def __init__(
        self,
        app: web.Application,
        cap: int,
        limits: Limits,
        each: int | None = None,
        uid: Callable[[asyncio.BaseTransport | None], int | None] | None = None,
        accounts: Accounts | None = None,
    ) -> None:
        self._open: dict[asyncio.Transport, int | None] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._cap = cap
        self._each = limits.api_connections_each if each is None else each
        self._uid = uid or peer_uid
        self._accounts = accounts or Accounts()
        self._limits = limits
        # handler_cancellation: a stream whose client has gone ends at once, not at its next write.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=limits.stop_s)
        self._listening: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Accept connections on `listener`, a listening socket that is closed with the site."""
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            msg = "the runner was set up without a server"
            raise RuntimeError(msg)
        self._listening = await asyncio.get_running_loop().create_server(lambda: _Connection(self, server, self._limits), sock=listener)

    async def stop(self) -> None:
        """Stop accepting, end what runs, close every connection."""
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.stop_s):
                await self._empty.wait()  # what was written before the end is still on its way
        while self._open:  # to clients that do not read
            for transport in tuple(self._open):
                transport.abort()
            await asyncio.sleep(0)

    def enter(self, transport: asyncio.Transport) -> None:
        """Count a new connection. When there are too many, hang up on the newest one of whoever has most: several readers together must keep no officer out."""
        uid = self._accounts.account(self._uid(transport))
        self._open[transport] = uid
        self._empty.clear()
        held = Counter(self._open.values())
        if uid and held[uid] > self._each:
            self._hang_up(transport)
        elif len(self._open) > self._cap:
            most = uid if held[uid] == max(held.values()) else held.most_common(1)[0][0]
            self._hang_up(next(each for each, holder in reversed(self._open.items()) if holder == most))

    def _hang_up(self, transport: asyncio.Transport) -> None:
        self.leave(transport)  # at once: until the loop has told of its end, others come
        transport.abort()

    def leave(self, transport: asyncio.Transport) -> None:
        """Count a connection no longer."""
        self._open.pop(transport, None)
        if not self._open:
            self._empty.set()


def peer_uid(transport: asyncio.BaseTransport | None) -> int | None:
    """Who is at the other end of a unix socket (SO_PEERCRED); None of another, or of one that is closed."""
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    try:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
    except OSError:
        return None  # it has gone already
    return int(struct.unpack("iII", credentials)[1])


async def name_server(_request: web.Request, response: web.StreamResponse) -> None:
    """`on_response_prepare` signal: say what we are, not what we are made of."""
    response.headers[hdrs.SERVER] = SERVER_NAME


def frame(kind: str, data: str, event_id: str | None = None) -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2); `data` is one line of JSON text."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {kind}\ndata: {data}\n\n".encode()


async def stream(request: web.Request, chunks: AsyncGenerator[bytes, None], write_s: float) -> web.StreamResponse:
    """Answer with an event stream until `chunks` ends, the client leaves, or it does not read for `write_s`."""
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8", hdrs.CACHE_CONTROL: "no-store"})
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(write_s) as patience, contextlib.aclosing(chunks):
            await response.prepare(request)
            async for chunk in chunks:
                patience.reschedule(loop.time() + write_s)
                await response.write(chunk)
                patience.reschedule(None)  # waiting for the next event may take as long as it likes
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # the client has gone
    return response
