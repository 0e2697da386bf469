"""gate-keys: fetches again whatever happened, at its intervals, and ends when told to. Time and chance are the tests' own."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gate_controller import keys_sync
from gate_controller.composition.trust import trust_parts
from gate_controller.keys_sync import FIRST_RETRY_S, TrustSync, fetch
from gate_controller.ports.errors import ConfigurationError, GateError, StoreError
from gate_controller.settings import load
from gate_controller.trust.errors import TrustError
from gate_controller.trust.importing import ImportReport
from gate_controller.trust.sources import CHUNK_BYTES, DirectorySource, MemorySource, SourceError

GENEROUS_S = 60
REPORT = ImportReport(True, {}, {"root": 1, "timestamp": 2}, {}, ())


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


class Wall:
    def wall(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0


class Waits(threading.Event):
    """Counts the waits instead of waiting, and stops after so many."""

    def __init__(self, at_most: int) -> None:
        super().__init__()
        self.waited: list[float] = []
        self._at_most = at_most

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waited.append(timeout)
        if len(self.waited) == self._at_most:
            self.set()
        return self.is_set()


def after(outcomes: list[object], jitter: Callable[[], float], every_s: float = 3600) -> list[float]:
    """The waits between fetches that end like this."""
    left = iter(outcomes)

    def one() -> ImportReport:
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return REPORT

    waits = Waits(len(outcomes))
    TrustSync(one, every_s, Wall(), jitter).run(waits)
    return waits.waited


REFUSED = TrustError("mirror x: metadata/timestamp.json: bad", "take another")


def test_the_usual_interval_varies_a_little(logged: Any) -> None:
    assert after([None, None], lambda: 0.0) == [3240, 3240]
    assert after([None], lambda: 1.0) == pytest.approx([3960])


def test_failures_are_retried_soon_then_ever_later_up_to_the_usual_interval(logged: Any) -> None:
    failures: list[object] = [SourceError("mirror x: no answer", "again")] * 40
    longest = after(failures, lambda: 1.0)
    assert longest[:8] == [FIRST_RETRY_S * 2**n for n in range(7)] + [3600]
    assert set(longest[8:]) == {3600}
    assert after(failures, lambda: 0.0)[:3] == [15, 30, 60]
    assert after([*failures[:3], None, failures[0]], lambda: 1.0) == pytest.approx([30, 60, 120, 3960, 30])
    assert after(failures[:2], lambda: 1.0, every_s=60) == [30, 60]


def test_a_failure_is_one_line_with_a_remedy(logged: Any) -> None:
    after([REFUSED], lambda: 0.0)
    assert logged[0] == {
        "log_level": "warning",
        "event": "not taken; the trust in force stays",
        "what": "mirror x: metadata/timestamp.json: bad",
        "remedy": "take another",
        "failures": 1,
    }


def test_even_a_bug_does_not_end_the_loop(logged: Any) -> None:
    assert len(after([ZeroDivisionError(), RecursionError(), None], lambda: 1.0)) == 3
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["a bug; the trust in force stays"] * 2


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (None, 0),
        (REFUSED, 1),
        (SourceError("x", "y"), 1),
        (StoreError("x", "y"), 8),
        (ConfigurationError("x", "y"), 8),
        (GateError("x", "y"), 1),
        (ZeroDivisionError(), 70),
    ],
)
def test_exit_codes_of_once(logged: Any, outcome: Exception | None, code: int) -> None:
    def one() -> ImportReport:
        if outcome is not None:
            raise outcome
        return REPORT

    assert TrustSync(one, 60, Wall()).once() == code


class Endless:
    """A mirror that sends without end, whatever is asked for."""

    name = "mirror endless"

    def read(self, _name: str) -> Iterator[bytes]:
        while True:
            yield bytes(CHUNK_BYTES)


def test_a_real_import_and_hostile_mirrors(trust_site: Any, logged: Any) -> None:
    trust_site.installed()
    parts = trust_parts(load(trust_site.config()))
    genuine = DirectorySource(trust_site.published)
    sources = iter([genuine, Endless(), MemorySource({}), MemorySource({"metadata/timestamp.json": b"\xff" * 99}), genuine])
    trust_site.repository.publish(trust_site.now)
    TrustSync(lambda: fetch(parts, next(sources), trust_site), 3600, trust_site, lambda: 0.0).run(Waits(5))
    told = [line for line in logged if line["event"] not in ("next fetch", "freshness")]
    assert [line["event"] for line in told] == ["taken", *["not taken; the trust in force stays"] * 3, "nothing new"]
    assert told[0]["versions"] == "root 1, timestamp 2, snapshot 2, targets 1, hk 2, mo 2"
    assert all(str(line.get("what", "")).isprintable() for line in told)
    assert any(line.get("state", "").startswith("HK: fresh") for line in logged)


def test_nothing_is_held_between_two_fetches(trust_site: Any, logged: Any) -> None:
    trust_site.installed()
    parts = trust_parts(load(trust_site.config()))
    opened = []

    class Looks(Waits):
        def wait(self, timeout: float | None = None) -> bool:
            with (trust_site.cache / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            opened.extend(path for entry in Path("/proc/self/fd").iterdir() if (path := _target(entry)).startswith(str(trust_site.directory)))
            return super().wait(timeout)

    TrustSync(lambda: fetch(parts, DirectorySource(trust_site.published), trust_site), 3600, trust_site).run(Looks(2))
    assert opened == []


def _target(entry: Path) -> str:
    with contextlib.suppress(OSError):
        return str(entry.readlink())
    return ""


# -- the process ---------------------------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "gate_controller.keys_sync", *map(str, arguments)], stderr=subprocess.PIPE, text=True)


def test_sigterm_ends_it_in_the_middle_of_a_fetch(trust_site: Any) -> None:
    """The mirror never answers; what is in the cache stays."""
    trust_site.installed()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        trust_site.changes["sync"] = {"mirror": f"http://127.0.0.1:{listener.getsockname()[1]}/"}
        listener.settimeout(GENEROUS_S)
        process = run("--config", trust_site.config())
        try:
            client, _ = listener.accept()  # it is asking now
            with client:
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=GENEROUS_S)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "event=serving" in errors
    assert "event=stopped" in errors
    assert trust_site.keys("import", trust_site.published) == 3


def test_it_has_no_use_for_what_it_must_not_need(trust_site: Any) -> None:
    """No vision, no web server, no devices: the process with the network is to have little else in it."""
    unwanted = (
        "cv2 dlib face_recognition aiohttp pymodbus serial zxingcpp pyzbar gate_controller.passes gate_controller.control gate_controller.core.machine drivers"
    )
    code = f"import sys, gate_controller.keys_sync; print([name for name in {unwanted.split()} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.fixture
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_sync.signal, "signal", lambda *_: None)


@pytest.mark.usefixtures("no_signals")
def test_once(trust_site: Any, logged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_sync, "SystemClock", lambda: trust_site)
    trust_site.installed()
    trust_site.repository.publish(trust_site.now)
    with trust_site.served() as url:
        trust_site.changes["sync"] = {"mirror": url}
        assert keys_sync._serve(trust_site.config(), once=True) == 0
        assert keys_sync._serve(trust_site.config(), once=True) == 0
    assert keys_sync._serve(trust_site.config(), once=True) == 1
    trust_site.floor.unlink()
    assert keys_sync._serve(trust_site.config(), once=True) == 8
    outcomes = ("taken", "nothing new", "not taken; the trust in force stays")
    assert [line["event"] for line in logged if line["event"] in outcomes] == [*outcomes, outcomes[2]]


@pytest.mark.usefixtures("no_signals")
def test_configurations_that_cannot_be_used(trust_site: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys_sync._serve(trust_site.config(), once=False) == 8
    assert "gate-keys: [sync] mirror is not set" in capsys.readouterr().err
    trust_site.root.write_bytes(b"another")
    assert keys_sync._serve(trust_site.config(), once=False) == 8
    assert "is not the SHA-256" in capsys.readouterr().err
    shutil.rmtree(trust_site.directory)
    assert keys_sync._serve(trust_site.directory / "gate.toml", once=False) == 8
    with pytest.raises(SystemExit) as stopped:
        keys_sync.main([])
    assert stopped.value.code == 2
