"""The metrics' file: whole at every moment, readable by the collector, telling when the gate is down, gone in the end, harmless when it cannot be written."""

import os
import stat
import threading

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from gate_controller.control.textfile import TextFile
from gate_controller.ports.errors import GateError


class Metrics:
    def __init__(self):
        self.told = b"gate_up 1.0\n"
        self.asked = threading.Semaphore(0)

    def text(self):
        self.asked.release()
        if self.told is None:
            raise GateError("no status", "restart")
        return self.told


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gate.prom"


def test_a_whole_new_file_takes_the_place_of_the_last(metrics, path):
    file = TextFile(path, 15, metrics.text)
    before = os.umask(0o077)
    try:
        file.write()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "the collector is another user"
    with path.open("rb") as reader:
        metrics.told = b"x 1.0\n" * 100_000
        file.write()
        assert reader.read() == b"gate_up 1.0\n", "who reads the last one reads it to its end"
    assert path.read_bytes() == metrics.told
    assert [each.name for each in path.parent.iterdir()] == ["gate.prom"]


def test_what_a_killed_daemon_left_is_no_obstacle_and_no_trap(metrics, path, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    path.with_name(".gate.prom.new").symlink_to(elsewhere)
    TextFile(path, 15, metrics.text).write()
    assert (path.read_bytes(), elsewhere.read_text()) == (b"gate_up 1.0\n", "mine")


def test_a_gate_without_a_status_is_down(metrics, path):
    metrics.told = None
    TextFile(path, 15, metrics.text).write()
    (family,) = text_string_to_metric_families(path.read_text())
    assert [(each.name, each.value) for each in family.samples] == [("gate_up", 0.0)]


def test_a_bug_in_the_metrics_is_told_as_down_too(path):
    def broken():
        raise KeyError("since_s")

    path.write_text("gate_up 1.0\n")
    with structlog.testing.capture_logs() as logs:
        file = TextFile(path, 15, broken)
        file.write()
        file.write()
    assert path.read_text().endswith("gate_up 0.0\n")
    assert [entry["log_level"] for entry in logs] == ["error"]


def test_it_is_written_over_and_over_and_gone_in_the_end(metrics, path):
    with TextFile(path, 0.001, metrics.text):
        for _ in range(3):
            assert metrics.asked.acquire(timeout=60)
        assert path.exists()
    assert not path.exists()


def test_a_directory_that_is_not_there_is_told_once_until_it_is(metrics, tmp_path):
    path = tmp_path / "later" / "gate.prom"
    file = TextFile(path, 15, metrics.text)
    with structlog.testing.capture_logs() as logs:
        file.write()
        file.write()
        path.parent.mkdir()
        file.write()
        path.unlink()
        path.parent.rmdir()
        file.write()
    assert [entry["error"] for entry in logs] == ["No such file or directory"] * 2
    assert all(entry["remedy"] for entry in logs)
