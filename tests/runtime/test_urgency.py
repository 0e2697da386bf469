"""Threads that compute step behind those that decide and move doors, where the process runs under a real-time policy."""

from __future__ import annotations

import os

import pytest

from gate_controller.runtime.face_worker import FaceWorker
from gate_controller.runtime.fingerprint_worker import FingerprintWorker
from gate_controller.runtime.io_worker import IoWorker
from gate_controller.runtime.qr_worker import QrWorker
from gate_controller.runtime.worker import step_back


def test_only_the_doors_are_urgent():
    assert IoWorker.urgent
    assert not any(worker.urgent for worker in (FaceWorker, FingerprintWorker, QrWorker))


@pytest.mark.parametrize(("policy", "leaves"), [(os.SCHED_RR, True), (os.SCHED_FIFO, True), (os.SCHED_OTHER, False), (os.SCHED_BATCH, False)])
def test_a_thread_leaves_the_real_time_policy(monkeypatch, policy, leaves):
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "sched_getscheduler", lambda _thread: policy)
    monkeypatch.setattr(os, "sched_setscheduler", lambda _thread, other, parameters: told.append((other, parameters.sched_priority)))
    step_back()
    assert told == ([(os.SCHED_OTHER, 0)] if leaves else [])


def test_a_worker_that_may_not_leave_it_works_all_the_same(monkeypatch):
    def refuse(_thread, _policy, _parameters):
        raise PermissionError

    monkeypatch.setattr(os, "sched_getscheduler", lambda _thread: os.SCHED_RR)
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    step_back()


@pytest.mark.parametrize(("urgent", "steps"), [(True, 0), (False, 1)])
def test_a_worker_steps_back_before_it_begins(monkeypatch, urgent, steps):
    told: list[str] = []
    monkeypatch.setattr("gate_controller.runtime.worker.step_back", lambda: told.append("back"))
    monkeypatch.setattr(QrWorker, "urgent", urgent)
    worker = QrWorker.__new__(QrWorker)
    worker.errands = type("Errands", (), {"fail": lambda _self, _error: None})()
    worker._stopping = type("Set", (), {"is_set": lambda _self: True})()
    worker._port = type("Port", (), {"close": lambda _self: told.append("closed")})()
    worker.run()
    assert told == ["back"] * steps + ["closed"]
