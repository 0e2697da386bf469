"""A disk that is full, read-only or broken when the daemon starts: it serves, the lane is closed by the store's name, and an officer can let out (INV-4, INV-5)."""

from __future__ import annotations

import contextlib
import signal
import subprocess

import pytest

from gate_controller.composition import compose
from gate_controller.journal import JournalReader
from gate_controller.ports.clock import SystemClock
from gate_controller.settings import load
from simulators.io_board.process import IoBoardProcess
from tests.daemon.conftest import Site

pytestmark = pytest.mark.lane
STORES = ("journal", "trust", "enrolment", "pass_verifier")


def lost(status, *devices: str) -> bool:
    """Whether exactly these stores are lost; the others ready."""
    return all(status["devices"][name]["state"] == ("lost" if name in devices else "ready") for name in STORES)


def fill(directory) -> None:
    """Leave no byte on that file system."""
    with (directory / "filler").open("wb", buffering=0) as filler:
        for size in (1 << 16, 1):
            with contextlib.suppress(OSError):
                while filler.write(bytes(size)):
                    pass


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", str(directory)], check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.fixture
def on_disk(disk, tmp_path):
    site = Site(disk, tmp_path)
    site.trust.bring(site.config)
    return site


@pytest.mark.invariant("INV-4")
@pytest.mark.invariant("INV-5")
def test_after_a_kill_and_on_a_full_disk_an_officer_lets_out_and_an_emergency_is_served(on_disk, tmp_path, run_daemon):
    with IoBoardProcess(tmp_path) as board:
        on_disk.changes["devices"]["io_board"]["port"] = str(board.link)
        board.ask("set", inputs={"occupancy_zero": False, "occupancy_one": True})
        first = run_daemon(on_disk)
        first.wait_status(lambda status: lost(status) and status["devices"]["io_board"]["state"] == "ready")
        first.client.officer("release", "officer 7", "the door stuck", first.client.calls()[0]["number"])
        board.until(lambda state: state["coils"]["exit_door"])
        first.stop(signal.SIGKILL)
        board.ask("power_cycle")
        fill(on_disk.directory)

        daemon = run_daemon(on_disk)
        status = daemon.wait_status(lambda status: status["devices"]["journal"]["state"] == "lost" and status["devices"]["io_board"]["state"] == "ready")
        assert (status["state"], status["reason"]) == ("out_of_service", "journal_lost")
        assert "the disk is full" in status["devices"]["journal"]["detail"]
        assert "free space" in status["devices"]["journal"]["remedy"]
        board.until(lambda state: state["coils"]["officer_call"])
        daemon.client.officer("release", "officer 7", "the disk is full", daemon.client.calls()[0]["number"])
        board.until(lambda state: state["coils"]["exit_door"])
        board.ask("set", inputs={"emergency_loop_closed": False})
        daemon.wait_status(lambda status: status["state"] == "emergency")
        board.until(lambda state: state["coils"]["entry_door"])  # the policy's default: the border side stays shut

        (on_disk.directory / "filler").unlink()
        daemon.wait_status(lost)
        code, log = daemon.stop()
        assert (code, "Traceback" in log) == (0, False), log
    with JournalReader(on_disk.directory / "journal.db") as journal:
        released = [entry.body["fields"]["reason"] for entry in journal.entries() if entry.label == "officer_released"]
        assert released == ["the door stuck", "the disk is full"]
        assert not journal.any_open_crossing()


def test_a_disk_that_is_mounted_read_only_closes_the_lane_and_its_stores_are_found_again(on_disk, run_daemon):
    with contextlib.ExitStack() as stack:
        compose._stores(load(on_disk.config), SystemClock(), stack)  # makes them
    subprocess.run(["mount", "-o", "remount,ro", str(on_disk.directory)], check=True)
    daemon = run_daemon(on_disk)
    status = daemon.wait_status(lambda status: lost(status, *STORES))
    assert all(status["devices"][name]["remedy"] for name in STORES)
    assert status["state"] == "out_of_service"
    subprocess.run(["mount", "-o", "remount,rw", str(on_disk.directory)], check=True)
    daemon.wait_status(lost)
    code, log = daemon.stop()
    assert (code, "Traceback" in log) == (0, False), log
