"""The daemon: composes the gate from its configuration, serves it, and stops it in good order.

`python -m gate_controller.daemon --config FILE`. Signals: SIGTERM or SIGINT lets an open crossing finish (at most [gate] stop_drain_s), a
second one ends it at once. Exit codes: 0 stopped as asked, 2 usage, 8 configuration or a store that cannot be used, 70 a bug.
Writes structured log lines to standard error; holds no rule of the lane.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import structlog

from gate_controller.composition.compose import compose
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import GateError

EXIT_OK, EXIT_CONFIGURATION, EXIT_BUG = 0, 8, 70
log = structlog.get_logger("gate.daemon")


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon; returns its exit code."""
    parser = argparse.ArgumentParser(prog="gate_controller.daemon", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="configuration file (gate.toml)")
    parser.add_argument("--prompts", action="store_true", help="print what the traveller is told")
    options = parser.parse_args(arguments)
    configure_log()
    stops = Stops()
    with stops.listening():
        try:
            composed = compose(options.config, SystemClock(), prompts=sys.stdout if options.prompts else None)
        except GateError as error:
            _complain(error)
            return EXIT_CONFIGURATION
        with composed:
            try:
                composed.start()
            except GateError as error:
                _complain(error)
                return EXIT_CONFIGURATION
            log.info("serving", gate=composed.gate_id, kiosk=composed.kiosk_url)
            while not stops.first.wait(0.5) and composed.gate.failure is None:
                pass
            if composed.gate.failure is None:
                log.info("stopping", drain_s=composed.stop_drain_s)
                composed.gate.request_stop()
                _drain(composed.gate.wait, stops, composed.stop_drain_s)
                composed.gate.request_stop(now=True)
                composed.gate.wait(2.0)
            failure = composed.gate.failure
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


def configure_log() -> None:
    """Structured lines on standard error; a service manager adds the time."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


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
