"""The fingerprint reader's test on its worker, with the real driver and a module at the speed of a real one, in virtual time."""

import threading
from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.ports.devices import Family
from gate_controller.ports.errors import RefusedByStateError
from gate_controller.runtime.device_tests import FINGERPRINT_WITHIN_S
from gate_controller.runtime.fingerprint_worker import FingerprintWorker
from gate_controller.runtime.options import RuntimeOptions
from gate_controller.runtime.worker import Surroundings
from tests.drivers.fingerprint_rig import Rig

PATIENCE_S = 30.0
IMAGING_S, EXTRACTION_S = 0.3, 0.4
"""Of a real R503."""


class Trial:
    """A worker between whose steps a test runs, as `DeviceWorker.run` lets it."""

    def __init__(self, session, baud, finger="ada/right-index"):
        self.rig = Rig(Family.R503, {"baud": baud}, module_baud=baud, imaging_s=IMAGING_S, extraction_s=EXTRACTION_S)
        self.rig.open()
        if finger:
            self.rig.module.place(finger)
        self.worker = FingerprintWorker(
            self.rig.reader, session, Surroundings(self.rig.clock, lambda *_: None, RuntimeOptions("MO-SIM-1", 0.4, idle_poll_s=0.0))
        )
        self.allowed = True
        self.found = self.error = None
        self.turns = []

    def _ask(self):
        try:
            self.found = self.worker.errands.run(self.worker.examine, self._is_allowed)
        except RefusedByStateError as error:
            self.error = error

    def _is_allowed(self):
        if not self.allowed:
            raise RefusedByStateError("not in maintenance", "")

    def run(self, until_turn=None, command=None):
        """All steps and turns until the answer, or until that turn."""
        asking = threading.Thread(target=self._ask)
        asking.start()
        while self.worker.errands._waiting.empty():
            asking.join(0.001)
        self.began = self.rig.clock.monotonic()
        while asking.is_alive():
            before = self.rig.clock.monotonic()
            self.worker.step()
            if self.turns:
                assert self.rig.clock.monotonic() == before, "an idle worker touches nothing between a test's turns"
            if len(self.turns) == until_turn:
                self.allowed = False
                if command is not None:
                    self.worker.submit(command)
                    self.worker.step()
            self.worker.errands.turn()
            self.turns.append(self.rig.clock.monotonic() - before)
            if not self.worker.errands.at_work:
                asking.join(PATIENCE_S)
        self.took = self.rig.clock.monotonic() - self.began
        return self


@pytest.mark.parametrize(("baud", "within_s"), [(57600, 8.0), (9600, 15.0)])
def test_a_finger_on_a_real_modules_sensor_is_tested_in_good_time(session, baud, within_s):
    tested = Trial(session, baud).run()
    assert tested.found["values"]["print"] == "usable"
    assert tested.found["values"]["takes_templates"] == "yes"
    assert tested.took < within_s < FINGERPRINT_WITHIN_S
    assert max(tested.turns) < 8.0


def test_without_a_finger_it_is_not_seen_whether_templates_are_taken(session):
    tested = Trial(session, 57600, finger=None).run()
    assert (tested.found["result"], tested.found["values"]["takes_templates"]) == ("pass", "not seen")


def test_a_lane_given_back_between_two_turns_leaves_no_print_and_no_light(session):
    tested = Trial(session, 57600).run(until_turn=6)
    assert isinstance(tested.error, RefusedByStateError)
    assert not any(isinstance(value, bytes) for value in vars(tested.rig.reader).values())
    assert tested.rig.module.state()["light"] == "off"


def test_a_traveller_who_comes_while_a_test_still_runs_has_their_reference_loaded(session, make_record):
    """The lane was given back during a long turn: what the test tidies up must not take away what the lane has just loaded."""
    trial = Trial(session, 57600)
    session.expect("x")
    session.keep("x", replace(make_record(b"first"), fingers=(trial.rig.template("ada/right-index"),)))
    trial.run(until_turn=6, command=c.PrepareBiometrics("x"))
    assert isinstance(trial.error, RefusedByStateError)
    assert trial.rig.reader._has_reference


def test_smaller_packets_are_a_finding(session):
    tested = Trial(session, 57600)
    tested.rig.fault("downchar_fails_128")
    tested.run()
    assert tested.found["result"] == "warn"
    assert any("packets of 64 bytes" in line for line in tested.found["findings"])
