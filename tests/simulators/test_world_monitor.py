"""The monitor of the interlock: catches bad controllers, and leaves good ones and emergencies alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_controller.core.values import Door
from simulators.world import POWER, Lock, Violation, ViolationKind, World


def kinds(world):
    return [(violation.kind, violation.door) for violation in world.monitor.violations]


@pytest.mark.invariant("INV-1")
def test_a_controller_that_opens_both_doors_is_caught_at_once():
    told = []
    world = World(on_violation=told.append)
    world.set_coil("entry_door", True, 1.0)
    world.set_coil("exit_door", True, 1.0)
    assert kinds(world) == [(ViolationKind.OPENED, Door.EXIT)]
    assert told == world.monitor.violations
    assert str(told[0]) == "exit_door opened at 1.00 s while entry_door was not confirmed closed"


@pytest.mark.invariant("INV-1")
def test_a_controller_that_opens_the_exit_while_the_entry_is_still_closing_is_caught():
    world = World()
    world.set_coil("entry_door", True, 0.0)
    world.set_coil("entry_door", False, 2.0)
    world.set_coil("exit_door", True, 2.3)
    assert kinds(world) == [(ViolationKind.OPENED, Door.EXIT)]


def test_a_controller_that_waits_for_the_closed_contact_is_not_accused():
    world = World()
    for n in range(5):
        at = n * 10.0
        world.set_coil("entry_door", True, at)
        world.set_coil("entry_door", False, at + 2.0)
        world.set_coil("exit_door", True, at + 4.0)
        world.set_coil("exit_door", False, at + 6.0)
    assert kinds(world) == []


@pytest.mark.invariant("INV-1")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Door), st.booleans(), st.integers(0, 90)), max_size=30))
def test_violations_are_exactly_the_openings_against_an_unconfirmed_door(script):
    # A controller that switches at random; the expectation is computed from leaf positions alone.
    world = World()
    expected = []
    now = 0.0
    for door, on, pause in script:
        now += pause / 100
        world.advance(now)
        others_leaf = world.leaf(door.other)
        if on and not world.coil(door.value) and (world.coil(door.other.value) or not others_leaf.closed_contact):
            expected.append(door)
        world.set_coil(door.value, on, now)
    assert [door for kind, door in kinds(world) if kind is ViolationKind.OPENED] == expected


@pytest.mark.invariant("INV-1")
@pytest.mark.parametrize(("contact", "level"), [("entry_door_closed", False), ("entry_door_open", True)])
def test_opening_against_a_contact_that_does_not_confirm_is_a_violation_even_if_the_leaf_is_shut(contact, level):
    world = World()
    world.faults.stuck_inputs[contact] = level
    world.set_coil("exit_door", True, 1.0)
    assert kinds(world) == [(ViolationKind.OPENED, Door.EXIT)]
    assert world.monitor.violations[0].faults == (f"{contact} stuck at {int(level)}",)


@pytest.mark.invariant("INV-1")
def test_a_contact_that_lies_is_seen_through_and_named():
    world = World()
    world.set_coil("entry_door", True, 0.0)
    world.advance(1.0)
    world.faults.stuck_inputs |= {"entry_door_closed": True, "entry_door_open": False}
    world.set_coil("entry_door", False, 1.0)
    world.set_coil("exit_door", True, 1.2)
    assert isinstance(world.monitor.violations[0], Violation)
    assert "entry_door_closed stuck at 1" in str(world.monitor.violations[0])


@pytest.mark.invariant("INV-1")
@pytest.mark.parametrize(("reacts_after_s", "expected"), [(0.3, []), (3.0, [(ViolationKind.HELD, Door.EXIT)])])
def test_a_forced_door_is_no_violation_if_the_other_command_is_taken_back_in_time(reacts_after_s, expected):
    world = World()
    world.set_coil("exit_door", True, 0.0)
    world.advance(2.0)
    world.faults.forced_doors[Door.ENTRY] = 0.7
    world.set_coil("exit_door", False, 2.0 + reacts_after_s)
    world.advance(9.0)
    assert kinds(world) == expected


def test_an_emergency_excuses_open_doors_until_they_are_shut_again_and_no_longer():
    world = World()
    world.emergency_loop_closed = False
    world.set_coil("entry_door", True, 1.0)
    world.set_coil("exit_door", True, 1.0)
    world.advance(3.0)
    world.emergency_loop_closed = True
    world.advance(10.0)
    assert kinds(world) == []
    assert world.monitor.emergency
    for coil in ("entry_door", "exit_door"):
        world.set_coil(coil, False, 10.0)
    world.advance(15.0)
    assert not world.monitor.emergency
    for coil in ("entry_door", "exit_door"):
        world.set_coil(coil, True, 15.0)
    assert kinds(world) == [(ViolationKind.OPENED, Door.EXIT)]


def test_what_opens_for_want_of_power_was_not_commanded():
    world = World(doors={Door.ENTRY: Lock.FAIL_SAFE, Door.EXIT: Lock.FAIL_SECURE})
    assert world.leaf(Door.ENTRY).open_contact, "without a controller a fail-safe door is open"
    world.set_coil("entry_door", True, 0.0)
    world.advance(2.0)
    assert world.leaf(Door.ENTRY).closed_contact
    world.set_coil("exit_door", True, 2.0)
    world.advance(4.0)
    world.set_coil(POWER, False, 4.0)
    world.advance(6.0)
    assert (world.leaf(Door.ENTRY).open_contact, world.leaf(Door.EXIT).closed_contact) == (True, True)
    assert world.monitor.violations == []


def test_a_fail_safe_door_is_commanded_open_by_its_coil_off():
    world = World(doors={Door.ENTRY: Lock.FAIL_SAFE, Door.EXIT: Lock.FAIL_SECURE})
    world.set_coil("entry_door", True, 0.0)
    world.set_coil("exit_door", True, 2.0)
    world.advance(4.0)
    world.set_coil("entry_door", False, 4.0)
    assert [(violation.door, violation.kind) for violation in world.monitor.violations] == [(Door.ENTRY, ViolationKind.OPENED)]


def test_an_entry_without_a_door_is_open_and_excludes_nothing():
    world = World(doors={Door.EXIT: Lock.FAIL_SECURE})
    world.set_coil("exit_door", True, 0.0)
    world.advance(2.0)
    levels = world.inputs()
    assert (world.leaf(Door.ENTRY).passable, world.leaf(Door.EXIT).open_contact) == (True, True)
    assert (levels["entry_door_closed"], levels["entry_door_open"]) == (False, False)
    assert world.monitor.violations == []
