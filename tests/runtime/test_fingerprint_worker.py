from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Modality
from gate_controller.ports.devices import FingerprintLight
from gate_controller.ports.devices import FingerprintOutcome as F
from gate_controller.ports.errors import DeviceProtocolError, DeviceTimeoutError
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


def test_a_light_that_fails_after_the_match_does_not_take_the_match_back_and_is_a_lost_device(worker, reader, monkeypatch):
    def light(light, deadline):
        if light is FingerprintLight.GOOD:
            raise DeviceTimeoutError("fingerprint: silent", "check the cable")

    monkeypatch.setattr(reader, "light", light)
    reader.script(F.MATCH)
    with pytest.raises(DeviceTimeoutError):
        check(worker)
    assert [event.outcome for event in worker.around.post.of(e.CheckEnded)] == [CheckOutcome.SUCCESSFUL]


def test_the_next_enrolled_finger_is_tried_after_a_mismatch(worker, reader, inbox):
    reader.script(F.NO_MATCH, F.NOT_LIFTED, F.MATCH)
    assert check(worker) == (CheckOutcome.SUCCESSFUL, None)
    assert [template.data for template in reader.loaded] == [b"first", b"second"]
    assert [event.prompt for event in inbox.of(e.CheckProgressed)] == [Prompt.TRY_RIGHT_INDEX, Prompt.LIFT_FINGER]


def prompts(inbox):
    return [event.prompt for event in inbox.of(e.CheckProgressed)]


@pytest.mark.parametrize(
    ("outcome", "advice"),
    [(F.TOO_FEW_FEATURES, Prompt.PRESS_FINGER), (F.TOO_MESSY, Prompt.WIPE_FINGER), (F.CAPTURE_FAILED, Prompt.HOLD_FINGER_STILL)],
)
def test_what_helps_is_told_by_the_cause_and_stays_until_the_finger_is_laid_on_anew(worker, reader, inbox, outcome, advice):
    reader.script(F.NO_FINGER, outcome, outcome, outcome, F.NO_FINGER, F.NO_FINGER, F.MATCH)
    assert check(worker) == (CheckOutcome.SUCCESSFUL, None)
    assert prompts(inbox) == [advice]
    assert [template.data for template in reader.loaded] == [b"first"], "one touch is one attempt, however often it is looked at"


def test_the_causes_are_told_as_they_change(worker, reader, inbox):
    reader.script(F.TOO_FEW_FEATURES, F.TOO_MESSY, F.CAPTURE_FAILED, F.MATCH)
    check(worker)
    assert prompts(inbox) == [Prompt.PRESS_FINGER, Prompt.WIPE_FINGER, Prompt.HOLD_FINGER_STILL]


def test_a_finger_that_cannot_be_read_twice_gives_way_to_the_next_enrolled_one(worker, reader, inbox):
    reader.script(F.TOO_FEW_FEATURES, F.NO_FINGER, F.TOO_FEW_FEATURES, F.NOT_LIFTED, F.NO_FINGER, F.MATCH)
    assert check(worker) == (CheckOutcome.SUCCESSFUL, None)
    assert prompts(inbox) == [Prompt.PRESS_FINGER, Prompt.TRY_RIGHT_INDEX, Prompt.LIFT_FINGER, Prompt.TRY_RIGHT_INDEX]
    assert [template.data for template in reader.loaded] == [b"first", b"second"]


def test_the_only_enrolled_finger_is_asked_for_again(reader, session, around, make_record, inbox):
    session.expect("x")
    session.keep("x", make_record(b"only"))
    worker = FingerprintWorker(reader, session, around)
    reader.script(F.TOO_MESSY, F.NO_FINGER, F.TOO_MESSY, F.NO_FINGER, F.NO_MATCH, F.NOT_LIFTED, F.NO_FINGER, F.MATCH)
    assert check(worker) == (CheckOutcome.SUCCESSFUL, None)
    assert prompts(inbox) == [Prompt.WIPE_FINGER, Prompt.TRY_FINGER_AGAIN, Prompt.LIFT_FINGER, Prompt.PLACE_FINGER]
    assert len(reader.loaded) == 1


@pytest.mark.parametrize(
    ("position", "prompt"), [(0, Prompt.TRY_OTHER_FINGER), (1, Prompt.TRY_RIGHT_THUMB), (6, Prompt.TRY_LEFT_THUMB), (10, Prompt.TRY_LEFT_LITTLE)]
)
def test_the_next_finger_is_named_as_far_as_the_record_knows_it(reader, session, around, make_record, inbox, position, prompt):
    record = make_record(b"first", b"second")
    session.expect("x")
    session.keep("x", replace(record, fingers=(record.fingers[0], replace(record.fingers[1], position=position))))
    reader.script(F.NO_MATCH)
    check(FingerprintWorker(reader, session, around))
    assert prompts(inbox)[0] is prompt


def test_fingers_take_turns_until_the_attempts_are_used_up(worker, reader):
    reader.script(F.NO_MATCH, F.NO_MATCH, F.NO_MATCH)
    assert check(worker) == (CheckOutcome.FAILED, Reason.FINGERPRINT_MISMATCH)
    assert [template.data for template in reader.loaded] == [b"first", b"second", b"first"]


def test_a_mismatch_is_not_undone_by_a_reader_that_refuses_the_other_templates(worker, reader):
    reader.script(F.NO_FINGER, F.NO_MATCH)
    worker.submit(c.PrepareBiometrics("x"))
    worker.submit(c.StartCheck("x", Modality.FINGERPRINT, 10.0))
    for _ in range(3):
        worker.step()
    reader.refuses = {b"first", b"second"}
    assert check_end(worker) == (CheckOutcome.FAILED, Reason.FINGERPRINT_MISMATCH)


def check_end(worker):
    for _ in range(5):
        worker.step()
    (end,) = worker.around.post.of(e.CheckEnded)
    return end.outcome, end.reason


def test_the_light_is_ready_again_once_the_finger_is_lifted(worker, reader):
    reader.script(F.NO_MATCH, F.NOT_LIFTED, F.NO_FINGER, F.NO_FINGER, F.MATCH)
    check(worker)
    assert reader.lights == [FingerprintLight.READY, FingerprintLight.BAD, FingerprintLight.READY, FingerprintLight.GOOD]


def test_the_reference_is_in_the_reader_before_the_check_and_in_none_after_it(worker, reader):
    worker.submit(c.PrepareBiometrics("x"))
    worker.step()
    assert [template.data for template in reader.loaded] == [b"first"]
    worker.submit(c.StartCheck("x", Modality.FINGERPRINT, 10.0))
    reader.script(F.MATCH)
    worker.step()
    worker.step()
    assert len(reader.loaded) == 1, "nothing is sent while the traveller waits"
    worker.submit(c.EndBiometrics("x"))
    worker.step()
    assert reader.reference is None


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


@pytest.mark.parametrize("fingers", [(), ("zhiantec/zfm20/512",)], ids=["none enrolled", "another reader's"])
def test_without_a_finger_that_this_reader_takes_the_check_is_not_supported_and_nobody_waits_for_one(reader, session, around, make_record, fingers):
    # Whether that person may pass on the face alone is the policy's: tests/core/test_crossing.py, test_mutants_guards.py.
    record = make_record(b"a")
    session.expect("x")
    session.keep("x", replace(record, fingers=tuple(replace(record.fingers[0], format=name) for name in fingers)))
    assert check(FingerprintWorker(reader, session, around)) == (CheckOutcome.NOT_SUPPORTED, Reason.NO_TEMPLATE)
    assert reader.loaded == []


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


def test_garbage_from_the_reader_is_a_lost_device_by_code_with_one_line_and_ends_no_check(worker, reader, inbox):
    check(worker, steps=2)
    reader.results.append(DeviceProtocolError("the fingerprint reader at /dev/gate/fingerprint sent a damaged packet: packet checksum", "check the wiring"))
    with pytest.raises(DeviceProtocolError) as error:
        worker.step()
    worker._lose(error.value)
    assert inbox.of(e.CheckEnded) == []
    assert [event.code for event in inbox.of(e.DeviceLost)] == ["protocol"]
    (report,) = inbox.reports[-1:]
    assert (report.state, report.code, "\n" in report.detail, report.remedy) == ("lost", "protocol", False, "check the wiring")


def test_the_template_is_sent_afresh_for_every_traveller_even_the_same_one(worker, reader, session, make_record):
    for crossing_id in ("x", "y"):
        session.expect(crossing_id)
        session.keep(crossing_id, make_record(b"first"))
        worker.submit(c.PrepareBiometrics(crossing_id))
        worker.submit(c.EndBiometrics(crossing_id))
        worker.step()
        worker.step()
    assert [template.data for template in reader.loaded] == [b"first", b"first"]


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


def test_an_idle_lane_overwrites_what_the_module_holds_and_a_crossing_never_does(worker, reader):
    reader.script(F.MATCH)
    check(worker)
    assert reader.left == 2
    worker.submit(c.EndBiometrics("x"))
    for _ in range(4):
        worker.step()
    assert reader.left == 0


def test_a_traveller_who_follows_at_once_does_not_wait_for_it(worker, reader, session, make_record):
    check(worker)
    worker.submit(c.EndBiometrics("x"))
    session.expect("y")
    session.keep("y", make_record(b"third"))
    worker.submit(c.PrepareBiometrics("y"))
    worker.step()
    worker.step()
    assert [template.data for template in reader.loaded] == [b"first", b"third"]
