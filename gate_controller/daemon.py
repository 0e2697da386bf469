"""The daemon: composes the gate from its configuration, serves it, and stops it in good order.

`python -m gate_controller.daemon --config FILE`. Signals: SIGTERM or SIGINT lets an open crossing finish (at most [gate] stop_drain_s), a
second one ends it at once. Exit codes: 0 stopped as asked, 2 usage, 8 a configuration that cannot
be used, or another controller that runs already, 70 a bug. A store that cannot be used closes the lane, and is tried again.
Writes structured log lines to standard error; holds no rule of the lane.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import structlog

from gate_controller.composition.compose import ComposedGate, compose
from gate_controller.control.displays import BackgroundDisplay, ConsoleDisplay, FanOutDisplay
from gate_controller.control.feed import EventFeed
from gate_controller.control.metrics import PassCounter
from gate_controller.control.server import ControlServer
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import GateError
from gate_controller.ports.services import TravellerDisplay
from gate_controller.runtime.background_log import configure_log

EXIT_OK, EXIT_CONFIGURATION, EXIT_BUG = 0, 8, 70
SWITCH_S = 0.0005
"""How long a thread that computes may keep the interpreter from one that wakes up. Between an emergency's input and its door there are four hand-overs; at
Python's 5 ms each they cost 25 ms of the 100 that they may take (docs/plug.md)."""
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
        return _serve(options.config, options.prompts)
    finally:
        lines.flush(LOG_WITHIN_S)


def _serve(config: Path, prompts: bool) -> int:
    stops = Stops()
    feed = EventFeed(SystemClock())
    passes = PassCounter(feed)
    with stops.listening(), contextlib.ExitStack() as stack:
        try:
            composed = stack.enter_context(compose(config, SystemClock(), passes, _display(prompts, stack)))
            server = stack.enter_context(_server(composed, feed, passes))
        except GateError as error:
            _complain(error)
            return EXIT_CONFIGURATION
        gate, drain_s = composed.gate, composed.settings.gate.stop_drain_s
        gate.start()
        log.info("serving", gate=composed.settings.gate.id, kiosk=server.kiosk_url)
        while not stops.first.wait(0.5) and gate.failure is None:
            pass
        if gate.failure is None:
            log.info("stopping", drain_s=drain_s)
            gate.request_stop()
            _drain(gate.wait, stops, drain_s)
            gate.request_stop(now=True)
            gate.wait(2.0)
        failure = gate.failure
    if failure is not None:
        log.critical("a bug closed the lane", error=type(failure).__name__, exc_info=failure)
        return EXIT_BUG
    log.info("stopped")
    return EXIT_OK


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


def _display(prompts: bool, stack: contextlib.ExitStack) -> TravellerDisplay:
    if not prompts:
        return FanOutDisplay()  # the kiosk page is fed by the events themselves
    display = BackgroundDisplay(ConsoleDisplay(sys.stdout))
    stack.callback(display.close)
    return display


def _server(composed: ComposedGate, feed: EventFeed, passes: PassCounter) -> ControlServer:
    settings = composed.settings
    kiosk_port = settings.kiosk.port if settings.kiosk.enabled else None
    return ControlServer(composed.gate, feed, socket_path=settings.control.socket, kiosk_port=kiosk_port, passes=passes)


def _drain(wait: Callable[[float], bool], stops: Stops, limit_s: float) -> None:
    """Wait for the open crossing, a second signal, or the limit."""
    waited = 0.0
    while waited < limit_s and not stops.second.is_set() and not wait(0.1):
        waited += 0.1


def _complain(error: GateError) -> None:
    for line in str(error.what).splitlines():
        sys.stderr.write(f"gate: {line}\n")
    if error.remedy:
        sys.stderr.write(f"gate: remedy: {error.remedy}\n")


if __name__ == "__main__":
    sys.exit(main())
