"""How the daemon ends when its gate fails; the gate is a fake, the rest of main() is real."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
import structlog

from gate_controller import daemon


class FakeGate:
    """Runs until it fails by itself, which it has done when it is started."""

    def __init__(self) -> None:
        self.failure: Exception | None = None

    def start(self) -> None:
        self.failure = RuntimeError("the decision thread has ended")

    def ailment(self) -> str:
        return str(self.failure)


class FakeServer:
    kiosk_url = None


@pytest.fixture
def serving(monkeypatch):
    settings = SimpleNamespace(gate=SimpleNamespace(id="gate-test", stop_drain_s=0.0), kiosk=SimpleNamespace(voice=()), metrics=SimpleNamespace(textfile=None))
    composed = SimpleNamespace(gate=FakeGate(), settings=settings)
    monkeypatch.setattr(daemon, "compose", lambda *_arguments: contextlib.nullcontext(composed))
    monkeypatch.setattr(daemon, "_server", lambda *_arguments: contextlib.nullcontext(FakeServer()))
    yield
    structlog.reset_defaults()


@pytest.mark.invariant("INV-4")
@pytest.mark.usefixtures("serving")
def test_a_gate_that_fails_ends_the_daemon_with_the_code_of_a_bug_and_its_last_line_is_written(capfd, tmp_path):
    assert daemon.main(["--config", str(tmp_path / "gate.toml")]) == 70
    assert "a bug closed the lane" in capfd.readouterr().err
