"""The virtual controller's process and desk keep to the rules of the real ones: what a restart remembers, how a stop ends, when a store is lost."""

from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import CheckOutcome, Device, Door, Modality, Outcome
from simulators.virtual.desk import ATTEMPTS, Durable
from simulators.virtual.episode import Episode
from simulators.virtual.faults import FAULTS, KINDS, NO_PROCESS, UNREACHABLE
from simulators.virtual.profile import PROFILES


class Scene(Episode):
    """An honest traveller or some, and what the core was told."""

    def __init__(self, travellers: int = 1) -> None:
        super().__init__(PROFILES["none"], 1, 0, travellers)
        self.told: list[e.Event] = []
        told = self.monitor.told

        def listen(event: e.Event, shown: object) -> None:
            self.told.append(event)
            told(event, shown)  # type: ignore[arg-type]

        self.monitor.told = listen  # type: ignore[method-assign]
        self.host.start()

    def until(self, state: State) -> None:
        self.agenda.after(1.0, self._next)
        while self.host.state is not state:
            assert self.agenda.turn()

    def wait(self, seconds: float) -> None:
        over: list[bool] = []
        self.agenda.after(seconds, over.append, True)
        while not over:
            assert self.agenda.turn()

    def started_with(self) -> Reason | None:
        return [event for event in self.told if isinstance(event, e.Started)][-1].latched


def test_a_restart_is_told_an_emergency_first_then_a_crossing_cut_short_then_the_last_latch():
    durable = Durable()
    assert durable.latched_before() is None
    durable.write(c.NoteEvent("latched", (("reason", "door_forced"),)))
    assert durable.latched_before() is Reason.DOOR_FORCED
    durable.admitted.append("x1")
    assert durable.latched_before() is Reason.RESTARTED
    durable.write(c.NoteEvent("emergency"))
    durable.write(c.NoteEvent("latched", (("reason", "door_forced"),)))
    assert durable.latched_before() is Reason.EMERGENCY
    durable.write(c.NoteEvent("rearmed"))
    assert durable.latched_before() is Reason.RESTARTED


def test_what_a_restart_cut_short_latches_the_lane_also_over_the_next_restart():
    scene = Scene()
    scene.until(State.ENTRY_OPEN)
    scene.host.die(1.0)
    scene.wait(3.0)
    assert scene.started_with() is Reason.RESTARTED
    assert list(scene.host.durable.outcomes.values()) == [[None]]
    scene.host.die(1.0)
    scene.wait(3.0)
    assert scene.started_with() is Reason.RESTARTED
    assert scene.host.state is State.OUT_OF_SERVICE


def test_a_stop_in_good_order_writes_the_record_of_the_crossing_it_waited_for():
    scene = Scene()
    scene.until(State.IDENTITY_CHECK)
    scene.host.ask_to_stop(now=False)
    while scene.host.controller is not None:
        scene.agenda.turn()
    assert [record.outcome.value for records in scene.host.durable.outcomes.values() for record in records if record] == ["completed"]
    scene.wait(12.0)
    assert scene.started_with() is None
    assert scene.host.state is State.READY


def test_a_stop_at_once_lets_out_whoever_is_inside_and_the_way_back_stays_open_after_the_process():
    scene = Scene()
    scene.until(State.IDENTITY_CHECK)
    scene.host.ask_to_stop(now=True)
    assert scene.host.controller is None
    assert scene.lane.leaves[Door.ENTRY].commanded
    assert not scene.lane.leaves[Door.EXIT].commanded
    assert [record.outcome.value for records in scene.host.durable.outcomes.values() for record in records if record] == ["aborted"]


def test_a_stop_waits_for_a_crossing_no_longer_than_the_settings_say():
    scene = Scene()
    scene.until(State.IDENTITY_CHECK)
    scene.host.biometrics.lose(Device.FACE_CAMERA)
    scene.host.ask_to_stop(now=False)
    assert scene.host.state is State.OFFICER_REFERRAL
    scene.officer.called(False)
    scene.wait(61.0)
    assert [event.now for event in scene.told if isinstance(event, e.StopRequested)][:2] == [False, True]


def test_a_store_is_lost_once_something_is_asked_of_it():
    scene = Scene()
    scene.wait(2.0)
    scene.host.desk.fail(Device.ENROLMENT, at_once=False)
    assert e.DeviceLost(Device.ENROLMENT, "store") not in scene.told
    scene.agenda.after(1.0, scene._next)
    scene.wait(6.0)
    assert e.DeviceLost(Device.ENROLMENT, "store") in scene.told
    scene.told.clear()
    scene.host.desk.mend(Device.ENROLMENT)
    scene.wait(2.0)
    assert e.DeviceReady(Device.ENROLMENT) in scene.told


@pytest.mark.invariant("INV-6")
def test_what_could_not_be_written_is_written_first_when_the_journal_works_again():
    scene = Scene()
    scene.until(State.EXIT_OPEN)
    scene.host.desk.fail(Device.JOURNAL, at_once=False)
    scene.wait(60.0)
    assert not scene.host.durable.outcomes
    assert not scene.host.desk.settled
    scene.host.desk.mend(Device.JOURNAL)
    scene.wait(2.0)
    written = [(crossing_id, len(records)) for crossing_id, records in scene.host.durable.outcomes.items()]
    assert written[0] == ("x1", 1), "what an officer did meanwhile comes after it"


def test_a_pass_that_failed_inside_too_often_is_refused():
    scene = Scene()
    scene.until(State.READY)
    shown = scene.phones.show("t9", 9, 0.0)
    scene.host.desk.presentations[shown.text] = shown
    scene.host.desk._failed[shown.facts.pass_id] = [scene.agenda.now] * ATTEMPTS
    scene.host.desk.submit(c.VerifyPass("x9", shown.text))
    scene.wait(1.0)
    assert e.PassRefused("x9", Reason.REPEATED_ATTEMPTS) in scene.told


def test_the_first_end_of_a_check_counts_and_nobody_hears_one_without_a_process():
    scene = Scene()
    scene.until(State.IDENTITY_CHECK)
    scene.host.die(5.0)
    assert not scene.host.post(e.CheckEnded("x1", Modality.FACE, CheckOutcome.SUCCESSFUL, None))


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_tells_whether_there_was_anything_for_it_to_befall(kind: str):
    scene = Scene()
    scene.until(State.IDENTITY_CHECK)
    assert FAULTS[kind](scene)
    dead = Scene()
    dead.until(State.IDENTITY_CHECK)
    dead.host.die(5.0)
    assert FAULTS[kind](dead) is ((kind, NO_PROCESS) not in UNREACHABLE)


@pytest.mark.parametrize("rows", range(5))
def test_a_bug_in_the_core_closes_the_crossing_and_ends_the_process_which_comes_back(rows: int):
    scene = Scene()
    scene.until(State.IDENTITY_CHECK)
    broken = scene.host.controller
    assert broken is not None
    assert scene.host.break_core(rows)
    while scene.host.controller is broken:
        assert scene.agenda.turn()
    assert [(record.outcome, record.reason) for record in scene.host.records] == [(Outcome.ABORTED, Reason.INTERNAL_ERROR)]
    assert scene.host.reasons[Reason.INTERNAL_ERROR.code] >= 1
    assert not scene.host.break_core(rows)
    while scene.host.state is not State.OFFICER_REFERRAL:  # somebody is inside
        assert scene.agenda.turn()
    assert scene.started_with() is Reason.INTERNAL_ERROR
    assert not scene.monitor.violations


def test_a_bug_that_nobody_put_there_is_a_violation():
    scene = Scene()
    scene.until(State.IDENTITY_CHECK)
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError("rows chase each other")
    scene.monitor.failed(raised.value)
    assert [violation.invariant for violation in scene.monitor.violations] == ["INV-4"]
