"""The control server: API and officers' page, each on its unix socket, and kiosk page on the loopback; on one thread with its own event loop.

To the daemon it is synchronous: `start()` returns when all are served or raises, `stop()` when nothing is left.
Does not hold handlers (api, kiosk, officer_page) and does not touch devices: all it knows of the gate is GateControl and the feed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Collection, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from gate_controller.control.act_log import BURST
from gate_controller.control.api import ACTS, control_app
from gate_controller.control.counting import PassCounter
from gate_controller.control.feed import EventFeed
from gate_controller.control.kiosk import kiosk_app
from gate_controller.control.metrics import GateMetrics
from gate_controller.control.officer_page import officer_app
from gate_controller.control.peers import LoopbackPeers
from gate_controller.control.roles import DEFAULT_GROUPS, Role
from gate_controller.control.serving import Limits, Site
from gate_controller.control.sockets import UnixListener, adopt_loopback, adopt_unix, listen_loopback, listen_unix
from gate_controller.ports.control import GateControl, JsonObject

log = structlog.get_logger("gate.control")

WAITING = 2 * BURST
"""Requests that may wait for the gate at a time. A journal that hangs holds up each note of a denied act for seconds; one user's must not be all there is."""
METRICS_KEPT_S = 0.5
_START_S = 30.0
_JOIN_S = 30.0


class ControlServer:
    """Serves the control API and, if their places are given, the kiosk page and the officers' page.

    Args:
        gate: The running gate.
        feed: Where the gate publishes its events.
        socket_path: Unix socket of the control API.
        kiosk_port: Port of the kiosk page on 127.0.0.1; 0 takes a free one; None serves no page.
        officer_path: Unix socket of the officers' page; None serves none.
        officer_hosts: Names by which a reverse proxy shows the officers' page.
        limits: What a client may cost.
        passes: What counts the passes for the metrics.
        groups: The machine's group of each role.
        about: What the daemon knows of itself: members of the diagnostics.
        handed_over: Listeners that the service manager made, "control", "officer" and "kiosk", and "peers" (peers.py); those that are used are taken out.
    """

    def __init__(
        self,
        gate: GateControl,
        feed: EventFeed,
        *,
        socket_path: Path,
        kiosk_port: int | None,
        officer_path: Path | None = None,
        officer_hosts: Collection[str] = (),
        limits: Limits | None = None,
        passes: PassCounter | None = None,
        groups: Mapping[Role, str] = DEFAULT_GROUPS,
        about: Callable[[], JsonObject] = dict,
        handed_over: MutableMapping[str, socket.socket] | None = None,
    ) -> None:
        self._gate = gate
        self.metrics = GateMetrics(gate, passes, METRICS_KEPT_S)
        self._feed = feed
        self._path = socket_path
        self._port = kiosk_port
        self._officer_path = officer_path
        self._officer_hosts = officer_hosts
        self._limits = limits or Limits()
        self._groups = groups
        self._about = about
        self._handed_over = handed_over if handed_over is not None else {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._peers: LoopbackPeers | None = None
        self.kiosk_url: str | None = None

    def start(self) -> None:
        """Serve; returns when all places answer.

        Raises:
            ListenError: The socket or the port is in use, or not permitted; nothing is left open.
        """
        unix = self._unix("control", self._path, "gate-controller.socket")
        officers: UnixListener | None = None
        page: socket.socket | None = None
        try:
            if self._officer_path is not None:
                officers = self._unix("officer", self._officer_path, "gate-controller-officer.socket")
            if self._port is not None:
                given = self._handed_over.pop("kiosk", None)
                page = listen_loopback(self._port) if given is None else adopt_loopback(given, self._port)
                self._peers = LoopbackPeers(self._handed_over.pop("peers", None))
                self.kiosk_url = f"http://127.0.0.1:{page.getsockname()[1]}/"
            ready: Future[None] = Future()
            self._thread = threading.Thread(target=self._run, args=(unix, officers, page, ready), name="control", daemon=True)
            self._thread.start()
            ready.result(timeout=_START_S)
        except BaseException:
            self.stop()
            _close(unix, officers, page, self._peers)
            raise

    def stop(self) -> None:
        """Hang up on everybody, at once on event streams, and remove the socket. Stopping twice is harmless."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(_JOIN_S)
        if thread.is_alive():
            log.error("the control server did not stop", within_s=_JOIN_S)

    @property
    def alive(self) -> bool:
        """Whether the server's thread runs; for the daemon's watchdog."""
        return self._thread is not None and self._thread.is_alive()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _unix(self, name: str, path: Path, unit: str) -> UnixListener:
        given = self._handed_over.pop(name, None)
        return listen_unix(path) if given is None else adopt_unix(given, path, unit)

    def _run(self, unix: UnixListener, officers: UnixListener | None, page: socket.socket | None, ready: Future[None]) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve(unix, officers, page, ready))
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)
            else:
                log.exception("the control server failed")
        finally:
            _close(unix, officers, page, self._peers)

    async def _serve(self, unix: UnixListener, officers: UnixListener | None, page: socket.socket | None, ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(WAITING, thread_name_prefix="control act"))
        self._stopping = asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            self._feed.attach(self._loop)
            stack.callback(self._feed.detach)
            api = control_app(self._gate, self._feed, self.metrics, self._limits, self._groups, self._about)
            sites = [(Site(api, self._limits.api_connections, self._limits), unix.socket)]
            if officers is not None:
                app = officer_app(self._gate, self._feed, api[ACTS], self._limits, self._groups, self._officer_hosts)
                sites.append((Site(app, self._limits.officer_connections, self._limits), officers.socket))
            if page is not None:
                app = kiosk_app(self._feed, page.getsockname()[1], self._limits)
                peers = self._peers
                told = None if peers is None else peers.uid
                sites.append((Site(app, self._limits.kiosk_connections, self._limits, self._limits.kiosk_connections_each, told), page))
            for site, listener in sites:
                stack.push_async_callback(site.stop)
                await site.start(listener)
            stack.callback(self._feed.end_subscriptions)  # first of all when stopping: streams end by themselves
            beating = asyncio.create_task(self._beat())
            stack.callback(beating.cancel)
            ready.set_result(None)
            await self._stopping.wait()

    async def _beat(self) -> None:
        """A heartbeat says that the gate answers, not merely that this thread runs: without a status there is none."""
        answers = True
        while True:
            try:
                self._gate.status()
            except Exception:
                if answers:
                    log.exception("the gate gives no status; heartbeats have stopped")
                answers = False
            else:
                answers = True
                self._feed.beat()
            await asyncio.sleep(self._limits.heartbeat_s)


def _close(*listeners: UnixListener | socket.socket | LoopbackPeers | None) -> None:
    for each in listeners:
        if each is not None:
            each.close()
