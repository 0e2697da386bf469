"""Daemons as processes, on configurations that are right but for one thing. No simulator runs: the devices are absent."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gate_controller.cli.simulated_trust import SimulatedTrust
from gate_controller.control.client import GateClient
from gate_controller.enrolment import MasterKey, import_records
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import GateError
from gate_controller.settings.render import derive
from gate_controller.trust.floor import Floor
from simulators.authority import Authorities

ROOT = Path(__file__).parents[2]
GENEROUS_S = 60.0


class Site:
    """The files of one gate; its trust is published, and nothing is imported yet.

    Args:
        directory: Its stores.
        apart: Its configuration and its socket, if they are not to share the stores' file system.
    """

    def __init__(self, directory: Path, apart: Path | None = None) -> None:
        self.directory = directory
        self.apart = apart or directory
        self.trust = SimulatedTrust(directory, Authorities("daemon test"), SystemClock())
        self.key = directory / "master.key"
        self.key.touch(mode=0o600)
        self.key.write_text("5a" * 32 + "\n")
        import_records(directory / "enrolment.db", MasterKey.from_file(self.key), [])
        self.changes: dict[str, dict[str, object]] = {
            "gate": {"stop_drain_s": 0.0},
            "devices": {
                "qr_camera": {"source": "http://127.0.0.1:9/qr.mjpg"},
                "face_camera": {"source": "http://127.0.0.1:9/face.mjpg"},
                "fingerprint": {"port": str(directory / "fingerprint")},
                "io_board": {"port": str(directory / "io-board")},
            },
            "keys": dict(self.trust.settings),
            "enrolment": {"store": str(directory / "enrolment.db"), "master_key_file": str(self.key)},
            "journal": {"path": str(directory / "journal.db")},
            "replay": {"path": str(directory / "replay.db")},
            "models": {"directory": str(ROOT / "var" / "models")},
            "control": {"socket": str(self.apart / "c.sock")},
            "kiosk": {"enabled": True, "port": 0},
        }
        Floor.create(directory / "trust-floor.db", SystemClock().wall()).close()

    @property
    def config(self) -> Path:
        path = self.apart / "gate.toml"
        path.write_text(derive(ROOT / "config" / "simulated.toml", self.changes))
        return path

    def run(self, config: Path | None = None, timeout: float = GENEROUS_S) -> subprocess.CompletedProcess[str]:
        """Run a daemon that is expected to end by itself."""
        command = [sys.executable, "-m", "gate_controller.daemon", "--config", str(config or self.config)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)


class Running:
    """A daemon that serves."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gate_controller.daemon", "--config", str(site.config)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.client = GateClient(site.apart / "c.sock")

    def wait_status(self, wanted):
        limit = time.monotonic() + GENEROUS_S
        status = {}
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                pytest.fail(f"the daemon ended with {self.process.returncode}: {self.process.stderr.read()}")
            try:
                status = self.client.status()
            except GateError:
                status = {}
            if status and wanted(status):
                return status
            time.sleep(0.02)
        pytest.fail(f"not in {GENEROUS_S:g} s; the status is {status}")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        log = self.process.communicate(timeout=GENEROUS_S)[1]
        return self.process.returncode, log


@pytest.fixture
def site(tmp_path_factory) -> Site:
    return Site(tmp_path_factory.mktemp("g"))


@pytest.fixture
def run_daemon(request):
    running: list[Running] = []

    def start(site: Site | None = None) -> Running:
        running.append(Running(site or request.getfixturevalue("site")))
        return running[-1]

    yield start
    for daemon in running:
        if daemon.process.poll() is None:
            daemon.process.kill()
        daemon.process.communicate()
