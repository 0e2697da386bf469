from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Modality
from gate_controller.ports.devices import FingerprintOutcome as F
from gate_controller.ports.errors import DeviceTimeoutError
from gate_controller.runtime.fingerprint_worker import FingerprintWorker


@pytest.fixture
def worker(reader, session, around, make_record):
    session.expect("x")
    session.keep("x", make_record(b"first", b"second"))
    return FingerprintWorker(reader, session, around)


def check(worker, *, steps: int = 12):
    worker.submit(c.PrepareBiometrics("x"))
    worker.submit(c.StartCheck("x", Modality.FINGERPRINT, 10.0))
    for _ in range(steps):
        worker.step()
    ends = worker.around.post.of(e.CheckEnded)
    assert len(ends) <= 1
    return (ends[0].outcome, ends[0].reason) if ends else None


def test_a_match_succeeds(worker, reader):
    reader.script(F.NO_FINGER, F.MATCH)
    assert check(worker) == (CheckOutcome.SUCCESSFUL, None)
    assert [template.data for template in reader.loaded] == [b"first"]


def test_the_next_enrolled_finger_is_tried_after_a_mismatch(worker, reader, inbox):
    reader.script(F.NO_MATCH, F.NOT_LIFTED, F.MATCH)
    assert check(worker) == (CheckOutcome.SUCCESSFUL, None)
    assert [template.data for template in reader.loaded] == [b"first", b"second"]
    assert [event.prompt for event in inbox.of(e.CheckProgressed)] == [Prompt.TRY_FINGER_AGAIN, Prompt.LIFT_FINGER]


def test_mismatches_fail_after_the_policys_attempts(worker, reader):
    reader.script(F.NO_MATCH, F.TOO_MESSY, F.NO_MATCH, F.NO_MATCH)
    assert check(worker) == (CheckOutcome.FAILED, Reason.FINGERPRINT_MISMATCH)


def test_no_finger_in_time_is_undetermined(worker, clock):
    assert check(worker) is None
    clock.now += 11
    worker.step()
    assert check(worker, steps=0) == (CheckOutcome.UNDETERMINED, Reason.FINGERPRINT_NOT_CAPTURED)


def test_a_mismatch_and_then_nothing_is_a_failure(worker, reader, clock):
    reader.script(F.NO_MATCH)
    assert check(worker) is None
    clock.now += 11
    worker.step()
    assert check(worker, steps=0) == (CheckOutcome.FAILED, Reason.FINGERPRINT_MISMATCH)


def test_a_template_the_reader_refuses_is_skipped(worker, reader):
    reader.refuses = {b"first"}
    reader.script(F.MATCH)
    assert check(worker) == (CheckOutcome.SUCCESSFUL, None)
    assert [template.data for template in reader.loaded] == [b"second"]


def test_when_all_are_refused_the_check_is_not_supported(worker, reader):
    reader.refuses = {b"first", b"second"}
    reader.script(F.MATCH)
    assert check(worker) == (CheckOutcome.NOT_SUPPORTED, Reason.REFERENCE_REFUSED)


def test_ending_forgets_the_reference_and_the_check(worker, reader, inbox):
    check(worker)
    worker.submit(c.EndBiometrics("x"))
    worker.step()
    reader.script(F.MATCH)
    worker.step()
    assert reader.reference is None
    assert inbox.of(e.CheckEnded) == []


def test_another_crossings_templates_are_not_used(worker, reader):
    worker.submit(c.PrepareBiometrics("y"))
    worker.submit(c.StartCheck("y", Modality.FINGERPRINT, 10.0))
    reader.script(F.MATCH)
    for _ in range(3):
        worker.step()
    assert reader.loaded == []
    assert [event.outcome for event in worker.around.post.of(e.CheckEnded)] == [CheckOutcome.NOT_SUPPORTED]


@pytest.mark.invariant("INV-4")
def test_a_reader_lost_during_the_check_ends_nothing_and_is_reported(worker, reader, inbox):
    check(worker, steps=2)
    reader.results.append(DeviceTimeoutError("fingerprint: silent", "check the cable"))
    with pytest.raises(DeviceTimeoutError):
        worker.step()
    worker._lose(DeviceTimeoutError("fingerprint: silent", "check the cable"))
    assert inbox.of(e.CheckEnded) == []
    assert [(event.device.value, event.code) for event in inbox.of(e.DeviceLost)] == [("fingerprint", "timeout")]
    reader.script(F.MATCH)
    worker.step()
    assert inbox.of(e.CheckEnded) == [], "an aborted check never feeds a decision"


def test_a_reader_lost_and_back_before_the_check_gets_the_reference_again(worker, reader):
    worker.submit(c.PrepareBiometrics("x"))
    worker.step()
    worker._lose(DeviceTimeoutError("fingerprint: silent", "check the cable"))
    reader.clear_reference()  # it was restarted
    worker.opened()
    reader.script(F.MATCH)
    worker.submit(c.StartCheck("x", Modality.FINGERPRINT, 10.0))
    for _ in range(3):
        worker.step()
    assert [event.outcome for event in worker.around.post.of(e.CheckEnded)] == [CheckOutcome.SUCCESSFUL]


def test_after_the_end_of_a_crossing_its_reference_is_not_loaded_again(worker, reader, session):
    worker.submit(c.PrepareBiometrics("x"))
    worker.submit(c.EndBiometrics("x"))
    worker.step()
    worker.step()
    session.forget()
    worker.submit(c.StartCheck("x", Modality.FINGERPRINT, 10.0))
    for _ in range(3):
        worker.step()
    assert reader.reference is None
    assert [event.outcome for event in worker.around.post.of(e.CheckEnded)] == [CheckOutcome.NOT_SUPPORTED]


@pytest.mark.parametrize(("timeout_s", "limit_s"), [(10.0, 9.0), (1.0, 0.5)])
def test_the_check_answers_before_the_core_gives_up(worker, clock, timeout_s, limit_s):
    worker.submit(c.StartCheck("x", Modality.FINGERPRINT, timeout_s))
    worker.step()
    clock.now += limit_s - 0.01
    worker.step()
    assert worker.around.post.of(e.CheckEnded) == []
    clock.now += 0.02
    worker.step()
    assert [event.reason for event in worker.around.post.of(e.CheckEnded)] == [Reason.FINGERPRINT_NOT_CAPTURED]
