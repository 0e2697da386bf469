"""Hypothesis plays the lane rule by rule against the exploration's monitor, in real virtual time: what the exploration leaves out (texts, ids, how long
things take, the order in which times run out) varies here. `make test-long` plays 10,000 examples of each policy.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.machine import Controller
from gate_controller.core.policy import BiometricRule, CrossingPolicy, LaneKind, PadRule
from gate_controller.core.reasons import Reason
from gate_controller.core.values import UNKNOWN_INPUTS, CheckOutcome, Device, Direction, Door, DoorPosition, Modality, Occupancy, Region, TriState
from tests.exploration.monitor import Monitor
from tests.exploration.world import ADULT, CALM, CHILD, FIRST_ANSWERS, PASS, TOGETHER

EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "25"))
POLICIES = {
    "both": {"biometric_rule": BiometricRule.BOTH},
    "either, exit opens": {"biometric_rule": BiometricRule.EITHER, "emergency_opens_exit": True, "pad_rule": PadRule.SIGNALLED},
    "officer confirms": {"biometric_rule": BiometricRule.FACE_ONLY_WITH_OFFICER},
    "single door": {"lane": LaneKind.SINGLE_DOOR},
}
SIGNALS = {
    "entry_door": list(DoorPosition),
    "exit_door": list(DoorPosition),
    "entry_beam": list(TriState),
    "exit_beam": list(TriState),
    "emergency": [TriState.INACTIVE, TriState.ACTIVE],
    "tamper": [TriState.INACTIVE, TriState.ACTIVE],
    "occupancy": list(Occupancy),
}


class LaneMachine(RuleBasedStateMachine):
    """One lane, told whatever comes to mind."""

    policy = CrossingPolicy(Region.MO, Direction.HK_TO_MO)

    @initialize(latched=st.sampled_from([None, None, None, Reason.EMERGENCY, Reason.DOOR_FORCED]), ready=st.booleans())
    def start(self, latched, ready):
        self.core, self.monitor = Controller(self.policy), Monitor(self.policy)
        self.now, self.number, self.inputs, self.counted_at = 100.0, 0, UNKNOWN_INPUTS, 100.0
        self.held_until = {}
        self.tell(e.Started(latched))
        if ready:
            for device in Device:
                self.tell(e.DeviceReady(device))
            self.see(CALM)
            self.pass_time(1.0)

    # -- how things are told -----------------------------------------------------------------------------------------------

    def tell(self, event, mine=False):
        if isinstance(event, e.InputsRead) and Door.ENTRY not in self.policy.doors and event.inputs != UNKNOWN_INPUTS:
            event = e.InputsRead(replace(event.inputs, entry_door=DoorPosition.CLOSED))
        if isinstance(event, e.DeviceLost) and event.device is Device.IO_BOARD:
            self.inputs = UNKNOWN_INPUTS
        self.monitor.hears(event, mine)
        commands = self.core.handle(event, self.now)
        assert self.core.failure is None, f"the core failed: {self.core.failure!r}"
        self.held_until |= {command.door: self.now + command.hold_s for command in commands if isinstance(command, c.OpenDoor)}
        self.monitor.judge(event, commands)

    def see(self, inputs):
        if inputs.occupancy is not self.inputs.occupancy:
            self.counted_at = self.now
        self.inputs = inputs
        self.tell(e.InputsRead(inputs))

    def pass_time(self, seconds):
        until = self.now + seconds
        while (due := self.core.next_deadline()) is not None and due <= until:
            assert due > self.now, "a deadline that is over already would be told for ever"
            self.look_at_the_clock(due)
            self.tell(e.TimerExpired())
        self.look_at_the_clock(until)

    def look_at_the_clock(self, now):
        self.now = now
        if now >= self.counted_at + self.policy.stable_s:
            self.monitor.counter_is_steady()
        self.the_board_ends_openings()
        self.monitor.look_at_emergency()

    def the_board_ends_openings(self):
        if self.now >= self.held_until.get(Door.ENTRY, self.now + 1.0):
            self.monitor.entry_open = 0.0
        if self.now >= self.held_until.get(Door.EXIT, self.now + 1.0):
            self.monitor.exit_open = 0.0

    @property
    def name(self):
        return f"x{self.number}"

    # -- what may happen -----------------------------------------------------------------------------------------------------

    @rule(signal=st.sampled_from(list(SIGNALS)), pick=st.integers(0, 3))
    def a_signal_changes(self, signal, pick):
        values = SIGNALS[signal]
        self.see(replace(self.inputs, **{signal: values[pick % len(values)]}))

    @rule(changes=st.sampled_from(TOGETHER))
    def signals_change_together(self, changes):
        self.see(replace(self.inputs, **changes))

    @rule(inputs=st.sampled_from([UNKNOWN_INPUTS, *FIRST_ANSWERS]))
    def all_signals_change(self, inputs):
        self.see(inputs)

    @rule(seconds=st.sampled_from([0.1, 0.29, 0.31, 1.0, 3.0, 9.0, 70.0]))
    def time_passes(self, seconds):
        self.pass_time(seconds)

    @precondition(lambda self: self.core.next_deadline() is not None)
    @rule()
    def time_passes_to_the_next_deadline(self):
        self.pass_time(self.core.next_deadline() - self.now)

    @precondition(lambda self: self.core.next_deadline() is not None)
    @rule(signal=st.sampled_from(list(SIGNALS)), pick=st.integers(0, 3))
    def a_signal_changes_just_when_a_time_is_over(self, signal, pick):
        self.look_at_the_clock(self.core.next_deadline())
        self.a_signal_changes(signal, pick)

    @rule()
    def everything_is_well_again(self):
        for device in Device:
            self.tell(e.DeviceReady(device))
        self.see(CALM)
        self.pass_time(0.4)

    @rule(device=st.sampled_from(list(Device)), works=st.booleans())
    def a_device_changes(self, device, works):
        self.tell(e.DeviceReady(device) if works else e.DeviceLost(device, "absent"))

    @rule(answers=st.sampled_from([1, 2, 3, 4, 4, 4]))
    def a_pass_is_shown(self, answers):
        if self.core.crossing_id is None:
            self.number += 1
        self.tell(e.PassRead(self.name, "T"))
        chain = (e.PassVerified(self.name, PASS), e.EnrolmentFound(self.name, ADULT), e.AdmissionRecorded(self.name))
        for event in chain[: answers - 1]:
            self.tell(event, mine=True)

    @rule(
        answer=st.sampled_from([e.PassVerified, e.PassRefused, e.EnrolmentFound, e.EnrolmentNotFound, e.AdmissionRecorded]),
        child=st.booleans(),
        late=st.sampled_from([0, 0, 0, 1]),
    )
    def an_answer_comes(self, answer, child, late):
        name = f"x{self.number - late}"
        with_what = {e.PassVerified: (PASS,), e.PassRefused: (Reason.PASS_EXPIRED,), e.EnrolmentFound: (CHILD if child else ADULT,)}
        self.tell(answer(name, *with_what.get(answer, ())), mine=not late)

    @rule(
        late=st.sampled_from([0, 0, 0, 1]),
        order=st.permutations(list(Modality)),
        outcomes=st.lists(st.sampled_from([CheckOutcome.SUCCESSFUL] * 8 + list(CheckOutcome)), min_size=3, max_size=3),
    )
    def checks_end(self, late, order, outcomes):
        for modality, outcome in zip(order, outcomes, strict=True):
            reason = None if outcome is CheckOutcome.SUCCESSFUL else Reason.FACE_MISMATCH
            self.tell(e.CheckEnded(f"x{self.number - late}", modality, outcome, reason), mine=not late)

    @rule()
    def somebody_walks_in(self):
        self.see(replace(self.inputs, entry_door=DoorPosition.OPEN))
        self.see(replace(self.inputs, entry_beam=TriState.ACTIVE))
        self.see(replace(self.inputs, entry_beam=TriState.INACTIVE, occupancy=Occupancy.ONE))
        self.pass_time(0.4)
        self.see(replace(self.inputs, entry_door=DoorPosition.CLOSED))

    @rule()
    def somebody_walks_out(self):
        self.see(replace(self.inputs, exit_door=DoorPosition.OPEN))
        self.see(replace(self.inputs, exit_beam=TriState.ACTIVE))
        self.see(replace(self.inputs, exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO))
        self.pass_time(0.4)
        self.see(replace(self.inputs, exit_door=DoorPosition.CLOSED))

    @rule(act=st.sampled_from([e.OfficerAcknowledged, e.AssistanceRequested, e.Rearmed]))
    def an_officer_acts(self, act):
        self.tell(act("officer 7"))

    @rule(act=st.sampled_from([e.OfficerReturned, e.OfficerReleased]))
    def an_officer_decides(self, act):
        if self.core.crossing_id is None:
            self.number += 1
        self.tell(act(self.name, "officer 7", "seen by eye"))

    @rule(on=st.booleans())
    def an_engineer_comes_or_goes(self, on):
        self.tell(e.MaintenanceSwitched(on, "engineer 3"))

    def teardown(self):
        if hasattr(self, "core"):
            self.tell(e.StopRequested(now=True))


@pytest.mark.invariant("INV-1")
@pytest.mark.invariant("INV-2")
@pytest.mark.invariant("INV-3")
@pytest.mark.invariant("INV-5")
@pytest.mark.invariant("INV-6")
@pytest.mark.invariant("INV-8")
@pytest.mark.parametrize("policy", POLICIES)
def test_whatever_is_told_in_whatever_order_the_monitor_is_content(policy):
    machine = type("LaneMachine", (LaneMachine,), {"policy": replace(LaneMachine.policy, **POLICIES[policy])})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    )
