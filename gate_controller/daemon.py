"""The daemon: composes the gate from its configuration, serves it, and stops it in good order.

`python -m gate_controller.daemon --config FILE`. Signals: SIGTERM or SIGINT lets an open crossing finish (at most [gate] stop_drain_s), a
second one ends it at once. Exit codes: 0 stopped as asked, 2 usage, 8 a configuration that cannot
be used, or another controller that runs already, 70 a bug. A store that cannot be used closes the lane, and is tried again.
Under systemd it takes over the listeners of the units "control", "officer" and "kiosk", tells when it is ready, and gives signs of life while all of it runs.
Writes structured log lines to standard error; holds no rule of the lane.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import structlog

from gate_controller.composition.compose import ComposedGate, compose
from gate_controller.control.about import About
from gate_controller.control.counting import PassCounter
from gate_controller.control.displays import BackgroundDisplay, ConsoleDisplay, FanOutDisplay
from gate_controller.control.feed import GATHER_S, EventFeed
from gate_controller.control.roles import Role
from gate_controller.control.server import ControlServer
from gate_controller.control.textfile import TextFile
from gate_controller.control.texts import Language
from gate_controller.control.voice import VoiceDisplay, find_speaker
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import GateError
from gate_controller.runtime.background_log import BackgroundLog, configure_log
from gate_controller.runtime.gate import Gate
from gate_controller.runtime.service_manager import ServiceManager

EXIT_OK, EXIT_CONFIGURATION, EXIT_BUG = 0, 8, 70
SWITCH_S = 0.0005
"""How long a thread that computes may keep the interpreter from one that wakes up. Between an emergency's input and its door there are four hand-overs; at
Python's 5 ms each they cost 25 ms of the 100 that they may take (docs/plug.md)."""
LOOK_S = 0.5
"""How often the daemon looks whether all of it runs, at least."""
LOG_WITHIN_S = 2.0
"""Time for the last log lines; a reader that stalls must not keep the process."""
log = structlog.get_logger("gate.daemon")


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon; returns its exit code."""
    parser = argparse.ArgumentParser(prog="gate_controller.daemon", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="configuration file (gate.toml)")
    parser.add_argument("--prompts", action="store_true", help="print what the traveller is told")
    parser.add_argument("--with-parent", type=int, metavar="PID", help="end when that process, which started this one, ends (simulation)")
    options = parser.parse_args(arguments)
    if options.with_parent is not None and not _end_with_parent(options.with_parent):
        return EXIT_OK
    sys.setswitchinterval(SWITCH_S)
    lines = configure_log()
    try:
        manager = ServiceManager.of_this_process(SystemClock())
        with contextlib.closing(manager):
            return _serve(options.config, options.prompts, manager, lines)
    finally:
        lines.flush(LOG_WITHIN_S)


def _serve(config: Path, prompts: bool, manager: ServiceManager, lines: BackgroundLog) -> int:
    stops = Stops()
    feed = EventFeed(SystemClock(), gather_s=GATHER_S)
    passes = PassCounter(feed)
    with stops.listening(), contextlib.ExitStack() as stack:
        try:
            display = _display(prompts, stack)
            composed = stack.enter_context(compose(config, SystemClock(), passes, display))
            if composed.settings.kiosk.voice:
                voice = VoiceDisplay([Language(tag) for tag in composed.settings.kiosk.voice], find_speaker())
                stack.callback(voice.close)
                display.add(voice)
            server = stack.enter_context(_server(composed, config, feed, passes, manager, lines))
        except GateError as error:
            _complain(error)
            return EXIT_CONFIGURATION
        gate, drain_s = composed.gate, composed.settings.gate.stop_drain_s
        gate.start()
        if composed.settings.metrics.textfile is not None:
            stack.enter_context(TextFile(composed.settings.metrics.textfile, composed.settings.metrics.every_s, server.metrics.text))
        log.info("serving", gate=composed.settings.gate.id, kiosk=server.kiosk_url)
        gc.collect()
        gc.freeze()  # what is loaded stays; looking through it for garbage would hold the interpreter for 50 ms, whoever waits for a door
        manager.close()  # of what it handed over, all that is used is taken
        watch = Watch(gate, server, manager)
        watch.look()
        while not stops.first.wait(watch.every_s) and gate.failure is None:
            watch.look()
        if gate.failure is None:  # else it is no stopping in good order, and the service manager is to see a failure
            manager.stopping()
            log.info("stopping", drain_s=drain_s)
            gate.request_stop()
            _drain(gate.wait, stops, drain_s, watch.look)
            gate.request_stop(now=True)
            gate.wait(2.0)
        failure = gate.failure
    if failure is not None:
        log.critical("a bug closed the lane", error=type(failure).__name__, exc_info=failure)
        return EXIT_BUG
    log.info("stopped")
    return EXIT_OK


class Watch:
    """Tells the service manager how the gate is: that it is ready, its state, and that it lives, which it must not say when it does not.

    A lane that is out of service for a device's sake is well: it says so itself, and serves an emergency. Ready means that the gate decides and answers.

    Args:
        gate: The gate, started.
        server: Its control server, started.
        manager: Whom to tell.
    """

    def __init__(self, gate: Gate, server: ControlServer, manager: ServiceManager) -> None:
        self._gate = gate
        self._server = server
        self._manager = manager
        self._told_ready = False
        self._ailment: str | None = None
        self.every_s = LOOK_S if manager.watchdog_s is None else min(LOOK_S, manager.watchdog_s / 8)

    def look(self) -> None:
        """Look once. Never raises: whatever ails the gate, this thread must not end what moves the doors; no sign of life ends it, in its time."""
        try:
            ailment = self._gate.ailment() or (None if self._server.alive else "the control server has ended")
            status = self._gate.status() if ailment is None else {}
        except GateError as error:
            ailment = error.what  # it got stuck since
        except Exception as error:
            ailment = f"{type(error).__name__} when looking at the gate: this is a bug"
            if ailment != self._ailment:
                log.exception("the gate cannot be looked at")
        if ailment is not None:
            if ailment != self._ailment:
                log.critical("no sign of life is given any more", why=ailment)
            self._ailment = ailment
            self._manager.status(ailment)
            return
        self._ailment = None
        self._manager.status(f"{status['state']}: {status['reason']}" if status["reason"] else status["state"])
        if not self._told_ready:
            self._told_ready = True
            gc.freeze()  # the devices' share of it, the models above all
            self._manager.ready()
        self._manager.alive()


class Stops:
    """Counts the requests to stop."""

    def __init__(self) -> None:
        self.first = threading.Event()
        self.second = threading.Event()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT while the block runs."""
        before = {number: signal.signal(number, self._take) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        (self.second if self.first.is_set() else self.first).set()


def _end_with_parent(parent: int) -> bool:
    """Have the kernel send SIGTERM when the parent dies, however it dies (PR_SET_PDEATHSIG, prctl(2)); False when it is dead already."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)
    return os.getppid() == parent


def _display(prompts: bool, stack: contextlib.ExitStack) -> FanOutDisplay:
    if not prompts:
        return FanOutDisplay()  # the kiosk page is fed by the events themselves
    display = BackgroundDisplay(ConsoleDisplay(sys.stdout))
    stack.callback(display.close)
    return FanOutDisplay(display)


def _server(composed: ComposedGate, config: Path, feed: EventFeed, passes: PassCounter, manager: ServiceManager, lines: BackgroundLog) -> ControlServer:
    settings = composed.settings
    kiosk_port = settings.kiosk.port if settings.kiosk.enabled else None
    groups = {role: getattr(settings.control.roles, role.value) for role in Role}
    about = About(
        config.absolute(),
        drivers={name: device.driver_name for name, device in settings.equipment.items()},
        paths={"journal": settings.journal.path, "replay": settings.replay.path, "enrolment": settings.enrolment.store, "keys": settings.keys.floor},
        queues={"log_lines_dropped": lambda: lines.dropped_total},
    )
    return ControlServer(
        composed.gate,
        feed,
        socket_path=settings.control.socket,
        kiosk_port=kiosk_port,
        officer_path=settings.control.officer_socket,
        officer_hosts=settings.control.officer_hosts,
        passes=passes,
        groups=groups,
        about=about,
        handed_over=manager.listeners,
    )


def _drain(wait: Callable[[float], bool], stops: Stops, limit_s: float, look: Callable[[], None]) -> None:
    """Wait for the open crossing, a second signal, or the limit; signs of life go on meanwhile."""
    waited = 0.0
    while waited < limit_s and not stops.second.is_set() and not wait(0.1):
        look()
        waited += 0.1


def _complain(error: GateError) -> None:
    for line in str(error.what).splitlines():
        sys.stderr.write(f"gate: {line}\n")
    if error.remedy:
        sys.stderr.write(f"gate: remedy: {error.remedy}\n")


if __name__ == "__main__":
    sys.exit(main())
