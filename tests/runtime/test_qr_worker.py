from __future__ import annotations

import pytest

from gate_controller.core import events as e
from gate_controller.runtime.qr_worker import BUSY_INTERVAL_S, READY_INTERVAL_S, THOROUGH_INTERVAL_S, QrWorker


class FakeDecoder:
    """Reads a code that is shown well always, one that is shown badly only when it looks thoroughly."""

    def __init__(self):
        self.well, self.badly = [], []
        self.looks = []

    def decode(self, image, *, quick=False):
        self.looks.append(quick)
        return self.well if quick else self.well + self.badly


@pytest.fixture
def decoder():
    return FakeDecoder()


@pytest.fixture
def worker(camera, decoder, around, monkeypatch):
    worker = QrWorker(camera, decoder, around, wanted=lambda: worker.is_wanted)
    worker.is_wanted = True
    worker.waits = []
    monkeypatch.setattr(worker._stopping, "wait", worker.waits.append)
    return worker


def frames(worker, clock, count, every_s):
    for _ in range(count):
        worker.step()
        clock.now += every_s


def read(inbox):
    return [event.text for event in inbox.of(e.PassRead)]


def test_every_frame_is_looked_at_and_some_with_repairs(worker, decoder, clock):
    frames(worker, clock, 12, THOROUGH_INTERVAL_S / 2.5)
    assert decoder.looks == [False, True, True] * 4


def test_a_slow_camera_gets_repairs_with_every_frame(worker, decoder, clock):
    frames(worker, clock, 5, THOROUGH_INTERVAL_S)
    assert decoder.looks == [False] * 5


def test_a_code_that_is_shown_well_does_not_wait_for_the_repairs(worker, decoder, clock, inbox):
    frames(worker, clock, 1, 0.03)
    decoder.well = ["A"]
    frames(worker, clock, 1, 0.03)
    assert decoder.looks == [False, True]
    assert read(inbox) == ["A"]


def test_a_code_that_only_repairs_can_read_stays_taken_while_it_is_held_up(worker, decoder, clock, inbox):
    decoder.badly = ["A"]
    frames(worker, clock, 1, 0.03)
    worker.presentations.handed_on("A", clock.monotonic())
    frames(worker, clock, 200, 0.03)
    assert read(inbox) == ["A"]


@pytest.mark.parametrize(("wanted", "interval_s"), [(True, READY_INTERVAL_S), (False, BUSY_INTERVAL_S)])
def test_the_pause_depends_on_whether_a_code_is_wanted(worker, wanted, interval_s):
    worker.is_wanted = wanted
    worker.step()
    assert worker.waits == [pytest.approx(interval_s)]
