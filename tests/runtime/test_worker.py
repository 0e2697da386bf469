"""What all device workers share, shown on the reader's and the camera's."""

from __future__ import annotations

import pytest

from gate_controller.core import events as e
from gate_controller.ports.errors import DeviceTimeoutError
from gate_controller.runtime import worker as worker_module
from gate_controller.runtime.fingerprint_worker import FingerprintWorker
from gate_controller.runtime.worker import STEADY_S

SILENT = DeviceTimeoutError("fingerprint: silent", "check the cable")


class Waits:
    """Stands in for the event a worker waits on between attempts; ends the worker after so many waits."""

    def __init__(self, rounds: int) -> None:
        self.waited: list[float] = []
        self._rounds = rounds

    def is_set(self) -> bool:
        return len(self.waited) >= self._rounds

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return False


@pytest.fixture
def make_worker(reader, session, inbox, clock, around):
    def make(rounds: int) -> FingerprintWorker:
        options = worker_module.RuntimeOptions("gate-test", face_threshold=1.0, idle_poll_s=0.0, retry_s=(0.2, 2.0))
        worker = FingerprintWorker(reader, session, worker_module.Surroundings(clock, inbox, options))
        worker._stopping = Waits(rounds)
        return worker

    return make


def test_a_device_that_opens_but_never_answers_is_lost_once_and_never_ready(make_worker, reader, inbox):
    def silent(_deadline) -> bool:
        raise SILENT

    reader.finger_present = silent
    worker = make_worker(6)
    worker.run()
    assert reader.opened == 6
    assert inbox.of(e.DeviceReady) == []
    assert len(inbox.of(e.DeviceLost)) == 1
    assert worker._stopping.waited == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


@pytest.mark.parametrize(("works_s", "waits"), [(1.0, [0.2, 0.4, 0.8]), (STEADY_S, [0.2, 0.2, 0.2])])
def test_only_a_device_that_worked_for_a_while_is_opened_again_quickly(make_worker, reader, clock, works_s, waits):
    calls = []

    def every_third_is_silent(_deadline) -> bool:
        calls.append(clock.now)
        if len(calls) % 3 == 0:
            raise SILENT
        clock.now += works_s
        return False

    reader.finger_present = every_third_is_silent
    worker = make_worker(3)
    worker.run()
    assert worker._stopping.waited == waits


def test_a_device_that_fails_while_it_is_left_is_closed_all_the_same(make_worker, reader):
    def silent() -> None:
        raise SILENT

    reader.clear_reference = silent
    make_worker(0).run()
    assert reader.closed == 1
