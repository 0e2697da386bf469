"""The fingerprint worker over the real driver and a simulated module, in virtual time at the speed of the line: several fingers, bad ones, a new traveller."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.values import CheckOutcome, Modality
from gate_controller.ports.devices import Family
from gate_controller.runtime.fingerprint_worker import FingerprintWorker
from gate_controller.runtime.options import RuntimeOptions
from gate_controller.runtime.worker import Surroundings
from tests.drivers.fingerprint_rig import Rig

THUMB, INDEX = "ada/right-thumb", "ada/right-index"


class Lane:
    """One worker, one module, and somebody's hand."""

    def __init__(self, family, session, inbox, make_record):
        self.rig = Rig(family)
        self.rig.open()
        self.inbox, self.session = inbox, session
        self.record = make_record(b"")
        options = RuntimeOptions("gate-test", face_threshold=1.0, idle_poll_s=0.0)
        self.worker = FingerprintWorker(self.rig.reader, session, Surroundings(self.rig.clock, inbox, options))
        self.worker._stopping.wait = lambda _seconds: True

    def enter(self, crossing_id, *fingers):
        """Somebody with these enrolled fingers, by position, walks in; the template goes into the module meanwhile."""
        templates = tuple(replace(self.rig.template(finger), position=position) for position, finger in fingers)
        self.session.expect(crossing_id)
        self.session.keep(crossing_id, replace(self.record, fingers=templates))
        self.worker.submit(c.PrepareBiometrics(crossing_id))
        self.worker.step()
        self.worker.submit(c.StartCheck(crossing_id, Modality.FINGERPRINT, 60.0))
        self.steps(2)

    def steps(self, count=4):
        for _ in range(count):
            self.worker.step()

    def press(self, finger):
        self.rig.module.place(finger)
        self.steps()

    def lift(self):
        self.rig.module.remove()
        self.steps()

    def leave(self, crossing_id):
        self.lift()
        self.worker.submit(c.EndBiometrics(crossing_id))
        self.worker.step()
        self.session.forget()

    @property
    def ended(self):
        return [(event.outcome, event.reason) for event in self.inbox.of(e.CheckEnded)]

    @property
    def told(self):
        return [event.prompt for event in self.inbox.of(e.CheckProgressed)]


@pytest.fixture(params=Family, ids=lambda family: family.value)
def lane(request, session, inbox, make_record):
    return Lane(request.param, session, inbox, make_record)


def test_who_lays_on_the_second_best_finger_is_asked_for_it_and_passes(lane):
    lane.enter("x", (1, THUMB), (2, INDEX))
    lane.press(INDEX)
    lane.lift()
    assert lane.ended == []
    assert lane.told == [Prompt.TRY_RIGHT_INDEX, Prompt.LIFT_FINGER, Prompt.TRY_RIGHT_INDEX]
    lane.press(INDEX)
    assert lane.ended == [(CheckOutcome.SUCCESSFUL, None)]


def test_a_finger_that_stays_where_it_is_is_never_tried_against_the_next_template(lane):
    lane.enter("x", (1, THUMB), (2, INDEX))
    lane.press(INDEX)
    lane.steps(20)
    assert lane.ended == []
    assert lane.told[-1] is Prompt.LIFT_FINGER


def test_a_dry_thumb_gives_way_to_the_index(lane):
    lane.enter("x", (1, THUMB), (2, INDEX))
    for _ in range(2):
        lane.press(f"{THUMB}#dry")
        lane.lift()
    assert lane.told == [Prompt.PRESS_FINGER, Prompt.TRY_RIGHT_INDEX, Prompt.LIFT_FINGER, Prompt.TRY_RIGHT_INDEX]
    lane.press(INDEX)
    assert lane.ended == [(CheckOutcome.SUCCESSFUL, None)]


def test_a_thumb_that_is_pressed_harder_passes(lane):
    lane.enter("x", (1, THUMB))
    lane.press(f"{THUMB}#dry")
    lane.press(THUMB)  # without lifting: no match was computed yet
    assert lane.told == [Prompt.PRESS_FINGER]
    assert lane.ended == [(CheckOutcome.SUCCESSFUL, None)]


@pytest.mark.invariant("INV-2")
def test_the_next_traveller_is_compared_with_their_own_finger_only(lane):
    lane.enter("x", (1, THUMB))
    lane.press(THUMB)
    lane.leave("x")
    lane.enter("y", (1, "bob/right-thumb"))
    lane.press(THUMB)
    assert lane.ended == [(CheckOutcome.SUCCESSFUL, None)]
    assert lane.told == [Prompt.TRY_FINGER_AGAIN, Prompt.LIFT_FINGER]
    lane.lift()
    lane.press("bob/right-thumb")
    assert lane.ended == 2 * [(CheckOutcome.SUCCESSFUL, None)]
