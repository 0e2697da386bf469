"""gate-keys: fetches current trust from the mirror into the cache, again and again, as a process of its own with a network and no devices.

    gate-keys --config FILE [--once]

The gate itself has no network: it reads the cache and verifies it again. Between two fetches nothing is held, neither the cache's lock nor the
floor. Whatever a mirror does ends one fetch and never the process; after a failure the next one comes sooner than usual, then ever later, at
random so that the gates of a checkpoint do not come all at once. SIGTERM and SIGINT end it at once, also in the middle of a fetch: the
cache has the old state then, or the new one.

Exit codes: 0 stopped as asked, 2 usage, 8 configuration, 70 a bug; with --once: 0 what the mirror has is in force, 1 it was refused or could not
be fetched, 8 the configuration, the cache or the floor cannot be used. Writes structured log lines to standard error. Knows nothing of lanes.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from gate_controller.composition.trust import TrustParts, trust_parts
from gate_controller.ports.clock import Clock, SystemClock
from gate_controller.ports.errors import ConfigurationError, GateError, StoreError
from gate_controller.runtime.background_log import configure_log
from gate_controller.settings import Settings, load
from gate_controller.trust.errors import InstalledError, TrustError
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import freshness_text
from gate_controller.trust.importing import ImportReport, import_trust
from gate_controller.trust.sources import Source

EXIT_OK, EXIT_REFUSED, EXIT_CONFIGURATION, EXIT_BUG = 0, 1, 8, 70
FIRST_RETRY_S = 30.0
"""After the first failure; doubled after each further one, up to the usual time between two fetches."""
LOG_WITHIN_S = 2.0
log = structlog.get_logger("gate.keys")


class TrustSync:
    """Fetches, and says when to fetch again.

    Args:
        fetch: One import; raises a GateError.
        every_s: Usual time between two fetches.
        clock: For what the log says of freshness.
        jitter: A random number from 0 to 1.
    """

    def __init__(self, fetch: Callable[[], ImportReport], every_s: float, clock: Clock, jitter: Callable[[], float] = random.random) -> None:
        self._fetch = fetch
        self._every_s = every_s
        self._clock = clock
        self._jitter = jitter
        self._failures = 0

    def run(self, stop: threading.Event) -> None:
        """Fetch until `stop` is set."""
        while not stop.is_set():
            self.once()
            wait_s = self.wait_s()
            log.info("next fetch", in_s=round(wait_s), failures=self._failures)
            stop.wait(wait_s)

    def once(self) -> int:
        """One fetch, and what came of it in the log. Never raises.

        Returns:
            The exit code that --once has for it.
        """
        try:
            report = self._fetch()
        except GateError as error:
            self._failures += 1
            outcome = "taken, but not noted in the floor" if isinstance(error, InstalledError) else "not taken; the trust in force stays"
            log.warning(outcome, what=error.what, remedy=error.remedy, failures=self._failures)
            unusable = isinstance(error, ConfigurationError | StoreError) and not isinstance(error, TrustError)
            return EXIT_CONFIGURATION if unusable else EXIT_REFUSED
        except Exception:
            self._failures += 1
            log.exception("a bug; the trust in force stays", failures=self._failures)
            return EXIT_BUG
        self._failures = 0
        versions = ", ".join(f"{role} {version}" for role, version in report.versions_after.items())
        log.info("taken" if report.changed else "nothing new", versions=versions)
        now = self._clock.wall()
        for freshness in report.freshness.values():
            (log.warning if freshness.cause.remedy else log.info)("freshness", state=freshness_text(freshness, now), remedy=freshness.cause.remedy)
        return EXIT_OK

    def wait_s(self) -> float:
        """Time until the next fetch, in seconds."""
        if self._failures == 0:
            return self._every_s * (0.9 + 0.2 * self._jitter())
        # Half of it is certain: an overloaded mirror gets a pause from everybody.
        longest_s = min(self._every_s, FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 32))
        return longest_s * (0.5 + 0.5 * self._jitter())


def main(arguments: list[str] | None = None) -> int:
    """Run the sync; returns its exit code."""
    parser = argparse.ArgumentParser(prog="gate-keys", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="configuration file (gate.toml)")
    parser.add_argument("--once", action="store_true", help="fetch once, then end")
    options = parser.parse_args(arguments)
    lines = configure_log("gate-keys")
    try:
        return _serve(options.config, once=options.once)
    finally:
        lines.flush(LOG_WITHIN_S)


def _serve(config: Path, *, once: bool) -> int:
    clock = SystemClock()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load(config)
        parts, url = trust_parts(settings), _mirror(settings)
    except GateError as error:
        for line in (*error.what.splitlines(), f"remedy: {error.remedy}" if error.remedy else ""):
            if line:
                sys.stderr.write(f"gate-keys: {line}\n")
        return EXIT_CONFIGURATION
    sync = TrustSync(lambda: fetch(parts, parts.mirror(url), clock), settings.sync.every_s, clock)
    outcome: list[int] = []

    def work() -> None:
        try:
            if once:
                outcome.append(sync.once())
            else:
                sync.run(stop)
        finally:
            stop.set()

    log.info("serving", gate=settings.gate.id, mirror=url, every_s=settings.sync.every_s)
    # In a thread, so that a signal is answered even while the resolver or a disk keeps the fetch waiting.
    threading.Thread(target=work, name="sync", daemon=True).start()
    stop.wait()
    log.info("stopped")
    return outcome[0] if outcome else EXIT_OK


def fetch(parts: TrustParts, source: Source, clock: Clock) -> ImportReport:
    """One import.

    Raises:
        GateError: Nothing was taken; see import_trust.
    """
    with contextlib.closing(Floor.open(parts.floor)) as floor:
        return import_trust(source, parts.cache, parts.pinned_root, floor, parts.budget, clock.wall())


def _mirror(settings: Settings) -> str:
    """The mirror's URL.

    Raises:
        ConfigurationError: There is none.
    """
    if settings.sync.mirror is None:
        raise ConfigurationError("[sync] mirror is not set: there is nothing to fetch from", "set it, or import by hand: gatectl keys import DIRECTORY")
    return settings.sync.mirror


def script() -> None:
    """Console script."""
    sys.exit(main())


if __name__ == "__main__":
    script()
