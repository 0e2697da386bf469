"""A reported emergency wins in every state, and only a re-arm with a verified-empty chamber ends it (INV-5)."""

from __future__ import annotations

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import Device, Door, Occupancy, Outcome, TriState

pytestmark = pytest.mark.invariant("INV-5")


def doors(out):
    return [(type(command).__name__, command.door) for command in out if isinstance(command, (c.OpenDoor, c.CloseDoor))]


@pytest.mark.parametrize("stage", ["ready", "admit", "enter", "verify"])
def test_it_wins_everywhere_and_opens_what_the_policy_opens(lane, stage):
    if stage != "ready":
        lane.admit()
    if stage in {"enter", "verify"}:
        lane.enter()
    if stage == "verify":
        lane.verify()
    out = lane.see(emergency=TriState.ACTIVE)
    assert lane.state is State.EMERGENCY
    assert doors(out)[-2:] == [("CloseDoor", Door.EXIT), ("OpenDoor", Door.ENTRY)]
    if stage != "ready":
        assert lane.record().outcome is Outcome.EMERGENCY


def test_the_doors_are_held_until_the_rearm(lane):
    lane.see(emergency=TriState.ACTIVE)
    out = lane.wait(25)
    assert [kind for kind in doors(out) if kind[1] is Door.ENTRY] == [("OpenDoor", Door.ENTRY)] * 2


def test_a_silent_board_is_no_emergency(lane):
    lane.tell(e.DeviceLost(Device.IO_BOARD, "timeout"))
    assert lane.state is State.OUT_OF_SERVICE
    assert lane.ordered(c.OpenDoor) == []


def test_rearm_needs_the_loop_whole_and_the_chamber_empty(lane):
    lane.see(emergency=TriState.ACTIVE, occupancy=Occupancy.ONE)
    lane.wait(1)
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.EMERGENCY
    lane.see(emergency=TriState.INACTIVE)
    lane.wait(1)
    assert lane.state is State.EMERGENCY, "it never ends by itself"
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.EMERGENCY
    lane.see(occupancy=Occupancy.ZERO)
    lane.wait(1)
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.READY


def test_an_emergency_before_a_restart_still_needs_the_rearm(new_lane):
    lane = new_lane()
    lane.tell(e.Started(Reason.EMERGENCY))
    for device in Device:
        lane.tell(e.DeviceReady(device))
    lane.see()
    lane.wait(5)
    assert lane.state is State.OUT_OF_SERVICE
    lane.tell(e.Rearmed("officer 7"))
    assert lane.state is State.READY
