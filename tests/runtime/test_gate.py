"""The decision loop over fakes; its turns are called one by one, so no thread runs unless a test starts one."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from concurrent.futures import Future

import pytest
import structlog

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import (
    UNKNOWN_INPUTS,
    CheckOutcome,
    Device,
    Direction,
    Door,
    DoorPosition,
    LaneInputs,
    Modality,
    Occupancy,
    Outcome,
    Region,
    TriState,
)
from gate_controller.ports.errors import RefusedByStateError, UnansweredError
from gate_controller.ports.trust import TrustClosed
from gate_controller.runtime import acts
from gate_controller.runtime import gate as gate_module
from gate_controller.runtime.desk import Stores
from gate_controller.runtime.devices import Devices
from gate_controller.runtime.engineering import HUNG_S
from gate_controller.runtime.gate import Gate, _Letter

EMPTY = LaneInputs(DoorPosition.CLOSED, DoorPosition.CLOSED, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, Occupancy.ZERO)


class FakeDisplay:
    def show(self, prompt) -> None:
        pass


class NoCodes:
    def decode(self, image, *, quick=False) -> list[str]:
        return []


@pytest.fixture
def board(make_board):
    return make_board(EMPTY)


@pytest.fixture
def gate(around, camera, matcher, reader, board, stores, trust, sink, clock, monkeypatch):
    for pause in ("face_worker.IDLE_INTERVAL_S", "qr_worker.READY_INTERVAL_S", "qr_worker.BUSY_INTERVAL_S"):
        monkeypatch.setattr(f"gate_controller.runtime.{pause}", 0.0)
    devices = Devices(camera, NoCodes(), camera, matcher, reader, board)
    policy = CrossingPolicy(Region.MO, Direction.HK_TO_MO)
    gate = Gate(policy, around.options, devices, Stores(stores, stores, stores, stores, trust), FakeDisplay(), sink, clock)
    yield gate
    gate.close()


def turn(gate) -> None:
    """Let the decision loop take everything that waits."""
    while not gate._inbox.empty():
        gate._turn(gate._inbox.get())
    gate._turn(_Letter(e.TimerExpired()))


def work(gate) -> None:
    """One step of every worker, then the decision loop."""
    for worker in gate._workers:
        if not worker._is_open:
            worker._is_open = True
            worker.opened()
        worker.step()
    gate._desk._recover()
    turn(gate)


@pytest.fixture
def ready(gate):
    gate._decide(_Letter(e.Started()))
    work(gate)
    gate._clock.now += 0.5  # the counter must hold still for a moment
    work(gate)
    assert gate._status["state"] == "ready"
    return gate


@pytest.mark.parametrize("pause_s", [1.5, 2.5])
def test_a_pause_of_the_whole_process_closes_the_lane_only_until_the_next_reading(ready, clock, pause_s):
    clock.now += pause_s
    ready._watch_workers()
    assert ready._controller.inputs == UNKNOWN_INPUTS
    ready._io.step()
    turn(ready)
    clock.now += 0.5
    ready._io.step()
    turn(ready)
    assert ready._controller.inputs == EMPTY
    assert ready._status["state"] == "ready"
    assert ready._status["devices"][Device.IO_BOARD.value]["state"] == "ready"


@pytest.mark.invariant("INV-3")
@pytest.mark.parametrize("pause_s", [1.1, 30.0, 3600.0])
def test_nothing_is_decided_on_the_picture_of_before_a_pause(ready, clock, pause_s):
    """A letter that waited is taken after everything is unknown, though the worker may have read again before: its reading waits behind the letter."""
    seen = []
    handle = ready._controller.handle

    def listen(event, now):
        seen.append((type(event), ready._controller.inputs))
        return handle(event, now)

    ready._controller.handle = listen
    ready._inbox.put(_Letter(e.CheckEnded("x", Modality.PAD, CheckOutcome.SUCCESSFUL)))
    clock.now += pause_s
    ready._io.step()  # awake before the decision thread
    turn(ready)
    assert next(inputs for kind, inputs in seen if kind is e.CheckEnded) == UNKNOWN_INPUTS


@pytest.mark.invariant("INV-3")
@pytest.mark.parametrize("where", ["_next_letter", "_decide"])
def test_it_does_not_matter_what_the_thread_was_doing_when_it_stood_still(ready, clock, where):
    seen, act = [], getattr(ready, where)

    def stand_still(*arguments):
        """Five seconds, once; meanwhile a check ends, and the board's worker, awake first, sees somebody come in."""
        setattr(ready, where, act)
        told = act(*arguments)
        clock.now += 5.0
        ready._io.last_read = clock.now
        ready._inbox.put(_Letter(e.CheckEnded("x", Modality.PAD, CheckOutcome.SUCCESSFUL)))
        return told

    setattr(ready, where, stand_still)
    handle = ready._controller.handle
    ready._controller.handle = lambda event, now: (seen.append((type(event), ready._controller.inputs)), handle(event, now))[1]
    ready._closing.is_set = iter([False, False, False, True]).__next__
    ready._run()
    assert next(inputs for kind, inputs in seen if kind is e.CheckEnded) == UNKNOWN_INPUTS


def test_a_code_that_was_read_twice_before_it_was_taken_is_one_crossing(ready, clock):
    for crossing in ("one", "two"):
        ready._inbox.put(_Letter(e.PassRead(crossing, "not a pass")))
    ready._turn(ready._inbox.get())
    assert ready._controller.crossing_id == "one"
    ready._turn(_Letter(e.PassRefused("one", Reason.PASS_UNKNOWN_KEY)))
    assert ready._controller.state is State.READY
    ready._turn(ready._inbox.get())
    assert ready._controller.crossing_id is None


@pytest.mark.parametrize(
    "answer",
    [
        e.CheckEnded("gone", Modality.FACE, CheckOutcome.SUCCESSFUL),
        e.AdmissionRecorded("gone"),
        e.EnrolmentNotFound("gone"),
        e.PassRefused("gone", Reason.PASS_EXPIRED),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_an_answer_that_belongs_to_no_crossing_is_on_record_and_changes_nothing(ready, answer):
    before = {**ready._status}
    with structlog.testing.capture_logs() as logged:
        ready._decide(_Letter(answer))
    assert {"event": "answer out of place", "answer": type(answer).__name__, "state": "ready", "log_level": "info"} in logged
    assert ready._status == before


def test_a_device_that_hangs_while_it_is_opened_for_the_first_time_is_named(ready, clock):
    report = ready._reports[Device.QR_CAMERA]
    ready._reports[Device.QR_CAMERA] = dataclasses.replace(report, state="starting")
    clock.now += HUNG_S + 1
    for worker in ready._workers:
        worker.beat = clock.now if worker is not ready._qr else worker.beat
    ready._desk.beat = clock.now
    ready._io.step()
    turn(ready)
    assert ready._status["devices"]["qr_camera"]["state"] == "lost"
    assert ready._status["reason"] == "qr_camera_lost"


def orders(gate) -> list[c.Command]:
    """What the board's worker was ordered to do with the doors since the last look."""
    found = []
    while (command := gate._io.take(0)) is not None:
        found.append(command)
    return found


@pytest.mark.invariant("INV-4")
@pytest.mark.parametrize("kind", ["status", "device", "prompt"])
def test_a_sink_that_raises_closes_the_lane_with_a_failure_and_stops_no_other_command(ready, sink, kind):
    sink.broken = {kind}
    orders(ready)
    inputs = dataclasses.replace(EMPTY, occupancy=Occupancy.ONE)
    ready._turn(_Letter(e.InputsRead(inputs)))
    ready._turn(_Letter(e.DeviceLost(Device.QR_CAMERA), gate_module.DeviceReport(Device.QR_CAMERA, "lost")))
    assert isinstance(ready.failure, ZeroDivisionError)
    assert ready.wait(0)
    assert isinstance(ready._io._call, c.CallOfficer)
    assert {command.door for command in orders(ready) if isinstance(command, c.CloseDoor)} == set(Door)


@pytest.mark.invariant("INV-4")
def test_a_log_that_raises_does_not_hide_the_failure(ready, sink, monkeypatch):
    class Broken:
        def __getattr__(self, _name):
            def fail(*_arguments, **_fields):
                raise BrokenPipeError

            return fail

    monkeypatch.setattr(gate_module, "log", Broken())
    ready._turn(_Letter(e.DeviceLost(Device.QR_CAMERA), gate_module.DeviceReport(Device.QR_CAMERA, "lost")))
    assert isinstance(ready.failure, BrokenPipeError)
    assert ready.wait(0)


@pytest.mark.invariant("INV-4")
def test_the_way_back_that_a_failure_opens_is_not_shut_again(ready, sink, monkeypatch):
    orders(ready)
    way_back = [c.CloseDoor(Door.EXIT), c.CloseDoor(Door.ENTRY), c.OpenDoor(Door.ENTRY, 16.0)]
    monkeypatch.setattr(ready._controller, "handle", lambda event, _now: way_back if isinstance(event, e.StopRequested) else [])
    sink.broken = {"device"}
    ready._turn(_Letter(e.DeviceLost(Device.QR_CAMERA), gate_module.DeviceReport(Device.QR_CAMERA, "lost")))
    assert ready.failure is not None
    by_door = {command.door: type(command) for command in orders(ready) if isinstance(command, c.OpenDoor | c.CloseDoor)}
    assert by_door == {Door.EXIT: c.CloseDoor, Door.ENTRY: c.OpenDoor}, "what was ordered last"


def emergency(gate) -> list[c.Command]:
    orders(gate)
    gate._turn(_Letter(e.InputsRead(dataclasses.replace(EMPTY, emergency=TriState.ACTIVE))))
    return [command for command in orders(gate) if isinstance(command, c.OpenDoor) and command.emergency]


@pytest.mark.invariant("INV-5")
def test_an_emergency_is_served_after_a_failure_of_the_core(ready, monkeypatch):
    def broken(*_arguments):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(ready._controller._lane, "absorb", broken)
        ready._turn(_Letter(e.TimerExpired()))
    assert isinstance(ready.failure, ZeroDivisionError)
    assert emergency(ready)


@pytest.mark.invariant("INV-5")
def test_an_emergency_is_served_after_a_failure_outside_the_core(ready, sink):
    sink.broken = {"status"}
    ready._turn(_Letter(e.InputsRead(dataclasses.replace(EMPTY, occupancy=Occupancy.ONE))))
    assert ready.failure is not None
    assert emergency(ready)


@pytest.mark.invariant("INV-5")
def test_what_the_core_opens_in_an_emergency_after_a_failure_reaches_the_board_each_time(ready, sink, monkeypatch):
    """It may order it again at a reading or when time has passed; nothing in between holds it back."""
    sink.broken = {"status"}
    ready._turn(_Letter(e.InputsRead(dataclasses.replace(EMPTY, occupancy=Occupancy.ONE))))
    assert ready.failure is not None
    monkeypatch.setattr(ready._controller, "handle", lambda _event, _now: [c.OpenDoor(Door.ENTRY, 11.0, emergency=True)])
    board = ready._io._board
    board.inputs = dataclasses.replace(EMPTY, emergency=TriState.ACTIVE)
    for event in (e.InputsRead(board.inputs), e.TimerExpired(), e.TimerExpired()):
        board.log.clear()
        ready._turn(_Letter(event))
        ready._io.step()
        assert ("open", Door.ENTRY) in board.log


def test_the_decision_thread_serves_until_it_is_closed(gate, sink, monkeypatch):
    handled = threading.Event()
    sink.broken = {"status"}
    gate._thread.start()
    assert gate.wait(30)
    monkeypatch.setattr(gate, "_decide", lambda _letter: handled.set())
    gate._post(e.TimerExpired())
    assert handled.wait(30)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # that it dies is the point
def test_a_decision_thread_that_died_is_a_failure(gate, monkeypatch):
    monkeypatch.setattr(gate, "_turn", lambda _letter: (_ for _ in ()).throw(SystemExit))
    gate._thread.start()
    gate._thread.join(30)
    assert gate.failure is not None


def test_an_act_whose_officer_was_told_that_it_was_not_done_is_never_done(ready, monkeypatch):
    monkeypatch.setattr(acts, "ANSWER_WITHIN_S", 0.0)
    with pytest.raises(RefusedByStateError, match="nothing was done"):
        ready.officer("acknowledge", "o7", "")
    handled = []
    monkeypatch.setattr(ready._controller, "handle", lambda event, _now: handled.append(event) or [])
    turn(ready)
    assert not [event for event in handled if isinstance(event, e.OfficerAcknowledged)]


def test_an_act_that_began_and_was_not_answered_in_time_may_have_been_done(ready, monkeypatch):
    class Begun(Future):
        def cancel(self):
            return False  # the decision thread has taken it

    monkeypatch.setattr(acts, "ANSWER_WITHIN_S", 0.0)
    monkeypatch.setattr(acts, "Future", Begun)
    with pytest.raises(UnansweredError, match="may have been carried out"):
        ready.officer("acknowledge", "o7", "")


def test_an_act_that_is_refused_is_told_and_left_to_the_control_socket_to_note(ready, monkeypatch):
    """That notes it within bounds: whoever may ask must not fill the disk, nor the queue that passes wait in."""
    submitted = []
    monkeypatch.setattr(ready._desk, "submit", submitted.append)
    answer = Future()
    ready._decide(gate_module._Letter(e.OfficerAcknowledged("o7"), answer=answer))
    assert [command.kind for command in answer.result(0)] == ["act_refused"]
    assert submitted == []


def test_a_calls_number_and_reason_are_of_one_call_for_whoever_asks_meanwhile(ready, monkeypatch):
    monkeypatch.setattr(type(ready._controller), "officer_call", (Reason.TAILGATING, 0, None))
    monkeypatch.setattr(type(ready._controller), "call_number", 7)
    ready._publish_status()
    monkeypatch.setattr(type(ready._controller), "call_number", 8)
    assert [(call["number"], call["reason"]) for call in ready.calls()] == [(7, "tailgating")]


def test_the_status_tells_everybody_that_a_call_was_taken_and_nobody_by_whom(ready, monkeypatch):
    monkeypatch.setattr(type(ready._controller), "officer_call", (Reason.TAILGATING, 1, "Chan Tai Man (uid 7)"))
    ready._publish_status()
    told = ready.status()["officer_call"]
    assert (told["reason"], told["escalation"], told["acknowledged"]) == ("tailgating", 1, True)
    assert told["since_s"] == 0.0
    monkeypatch.setattr(ready, "_called_at", ready._clock.monotonic() - 40.0)
    assert ready.status()["officer_call"]["since_s"] >= 40.0
    assert "Chan" not in json.dumps(ready.status())


def test_an_act_that_is_being_carried_out_is_waited_for(ready, monkeypatch):
    monkeypatch.setattr(gate_module, "ANSWER_WITHIN_S", 30.0)
    answered = threading.Thread(target=lambda: (_wait_for(lambda: not ready._inbox.empty()), turn(ready)))
    answered.start()
    with pytest.raises(RefusedByStateError, match=r"not possible in state .*; nothing was done"):
        ready.officer("rearm", "o7", "")
    answered.join()


def _wait_for(condition) -> None:
    limit = time.monotonic() + 30
    while not condition() and time.monotonic() < limit:
        time.sleep(0.005)


@pytest.mark.invariant("INV-4")
@pytest.mark.parametrize("device", [Device.FINGERPRINT, Device.FACE_CAMERA, Device.QR_CAMERA, Device.JOURNAL])
def test_a_worker_that_gives_no_sign_of_life_counts_as_lost_until_it_does(ready, clock, device):
    workers = {worker.device: worker for worker in ready._workers}
    clock.now += 11
    ready._io.step()
    for other, worker in [*workers.items(), (Device.JOURNAL, ready._desk)]:
        if other is not device:
            worker.beat = clock.now
    turn(ready)
    state = {name: entry["state"] for name, entry in ready._status["devices"].items()}
    assert [name for name, found in state.items() if found == "lost"] == [device.value]
    for worker in ready._workers:
        worker.beat = clock.now
        worker.step()
    ready._desk.submit(c.NoteEvent("sign_of_life"))
    ready._desk._turn()
    turn(ready)
    assert ready._status["devices"][device.value]["state"] == "ready"


@pytest.mark.invariant("INV-7")
def test_the_session_keeps_a_record_only_between_the_order_and_the_end_of_the_crossing(ready, make_record):
    ready._dispatch(c.VerifyPass("x", "T"))
    ready._dispatch(c.FindEnrolment("x", Region.HK, b"r" * 16))
    ready._session.keep("x", make_record(b"finger"))
    assert ready._session.record("x") is not None
    record = c.CrossingRecord("x", Outcome.ABORTED, None, admitted=False, issuer=None, direction=Direction.HK_TO_MO)
    ready._dispatch(c.RecordCrossing(record))
    ready._session.keep("x", make_record(b"finger"))
    assert ready._session._record is None


@pytest.mark.invariant("INV-4")
def test_the_commands_after_one_that_cannot_be_handed_on_are_handed_on(ready, sink, monkeypatch):
    sink.broken = {"prompt"}
    orders(ready)
    opening = c.OpenDoor(Door.EXIT, 9.0, emergency=True)
    monkeypatch.setattr(ready._controller, "handle", lambda event, _now: [c.ShowPrompt(Prompt.LANE_CLOSED), opening] if event == e.TimerExpired() else [])
    ready._turn(_Letter(e.TimerExpired()))
    assert opening in orders(ready)
    assert isinstance(ready.failure, ZeroDivisionError)


def test_the_status_tells_of_the_trust_as_it_is_when_asked(ready, trust):
    assert ready.status()["trust"] == {"HK": {"state": "fresh"}}
    trust.closed = TrustClosed("timestamp", "HK: closed", "import")
    assert ready.status()["trust"] == {"HK": {"state": "closed"}}
    assert ready.status()["trust_store"]["failures"] == 0


def test_the_lane_closes_while_no_region_can_be_trusted(ready, trust, clock):
    trust.closed = TrustClosed("timestamp", "HK: closed", "import")
    ready._desk._probe()
    turn(ready)
    assert (ready._status["state"], ready._status["reason"]) == ("out_of_service", "trust_lost")
    told = {"state": "lost", "code": "timestamp", "detail": "HK: closed", "remedy": "import"}
    assert ready._status["devices"]["trust"] == told
    trust.closed = None
    ready._desk._probe()
    work(ready)
    assert ready._status["state"] == "ready"


def test_whoever_watches_sees_that_a_decision_was_degraded(ready, sink):
    record = c.CrossingRecord("x", Outcome.COMPLETED, None, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO, degraded=True)
    ready._dispatch(c.RecordCrossing(record))
    assert sink.published[-1][0] == "crossing_recorded"
    assert sink.published[-1][1]["degraded"] is True


@pytest.mark.invariant("INV-2")
def test_an_officers_release_is_on_record_before_the_exit_opens(ready, board, clock, stores):
    """Killed in between, the journal would not know who let somebody through."""
    board.inputs = dataclasses.replace(EMPTY, occupancy=Occupancy.ONE)
    for _ in range(3):
        work(ready)
        clock.now += 0.4
    assert ready._status["state"] == "officer_referral"
    ready._decide(_Letter(e.OfficerReleased("by-hand", "officer 7", "papers seen")))
    ready._io.step()
    assert ("open", Door.EXIT) not in board.log
    while not ready._desk._commands.empty():
        ready._desk._turn()
    assert ("event", "officer_released") in stores.written
    ready._io.step()
    assert ("open", Door.EXIT) in board.log
