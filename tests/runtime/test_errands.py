"""What an engineer has a device's worker do: on its thread alone, a turn at a time, and only while it is allowed."""

import threading

import pytest

from gate_controller.ports.errors import DeviceAbsentError, DeviceTimeoutError, RefusedByStateError
from gate_controller.runtime import errands as errands_module
from gate_controller.runtime.errands import Errands

PATIENCE_S = 30.0


class Asked:
    """`run()` on a thread of its own; the test's thread plays the worker's."""

    def __init__(self, errands, work, allowed=lambda: None):
        self.result = self.error = None
        self._thread = threading.Thread(target=self._run, args=(errands, work, allowed))
        self._thread.start()

    def _run(self, errands, work, allowed):
        try:
            self.result = errands.run(work, allowed)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was answered
            self.error = error

    def ended(self):
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self


def queued(errands):
    """Wait until the errand is there; gives the errands."""
    limit = threading.Event()
    for _ in range(int(PATIENCE_S / 0.01)):
        if not errands._waiting.empty():
            return errands
        limit.wait(0.01)
    raise AssertionError("nobody asked")


def test_it_runs_on_the_workers_thread_one_turn_at_a_time():
    errands, threads = Errands(), []

    def work():
        for _ in range(3):
            threads.append(threading.current_thread())
            yield
        return "found"

    asked = Asked(errands, work)
    queued(errands)
    for turns in range(1, 4):
        errands.turn()
        assert len(threads) == turns
    errands.turn()
    assert asked.ended().result == "found"
    assert set(threads) == {threading.current_thread()}


def test_without_an_errand_a_turn_is_nothing():
    Errands().turn()


def test_a_lane_given_back_meanwhile_ends_it():
    errands, turns, allowed = Errands(), [], [True]

    def may():
        if not allowed[0]:
            raise RefusedByStateError("not in maintenance", "gatectl maintenance on")

    def work():
        try:
            while True:
                turns.append(1)
                yield
        finally:
            turns.append("closed")

    asked = Asked(errands, work, may)
    queued(errands).turn()
    allowed[0] = False
    errands.turn()
    assert isinstance(asked.ended().error, RefusedByStateError)
    assert turns == [1, "closed"]
    errands.turn()  # nothing is left of it


def test_a_device_that_fails_is_told_to_who_asked_and_to_its_worker():
    errands = Errands()

    def work():
        raise DeviceTimeoutError("no answer", "look at the cable")
        yield

    asked = Asked(errands, work)
    with pytest.raises(DeviceTimeoutError):
        queued(errands).turn()
    assert isinstance(asked.ended().error, DeviceTimeoutError)


def test_a_bug_says_nothing_of_what_it_saw():
    errands = Errands()

    def work():
        raise KeyError("a traveller's name")
        yield

    asked = Asked(errands, work)
    with pytest.raises(KeyError):
        queued(errands).turn()
    assert "traveller" not in str(asked.ended().error)


def test_a_lost_device_answers_all_who_wait():
    errands = Errands()

    def work():
        yield

    asked = [Asked(errands, work) for _ in range(3)]
    queued(errands).turn()
    while errands._waiting.qsize() < 2:
        threading.Event().wait(0.01)
    errands.fail(DeviceAbsentError("not there", "plug it in"))
    assert all(isinstance(each.ended().error, DeviceAbsentError) for each in asked)


def test_a_worker_that_does_not_come_to_it_is_not_waited_for_for_ever_and_does_not_do_it_later(monkeypatch):
    monkeypatch.setattr(errands_module, "ANSWER_WITHIN_S", 0.0)
    errands, done = Errands(), []

    def work():
        done.append(1)
        yield

    with pytest.raises(DeviceTimeoutError):
        errands.run(work, lambda: None)
    errands.turn()
    assert done == []
