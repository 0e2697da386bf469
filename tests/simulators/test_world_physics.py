"""The world's physics, as properties over whatever coils, people and faults do to it."""

from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_controller.core.values import Door, Occupancy
from simulators.world import INPUTS, Body, CounterErrors, LaneGeometry, OccupancyCounter, Pace, Place, World

AT = LaneGeometry()


@dataclass(frozen=True)
class Deed:
    """Something done to the world, and how long it is then left alone."""

    what: str
    which: int
    to_m: float
    for_s: float


deeds = st.lists(
    st.builds(
        Deed,
        what=st.sampled_from(["coil", "walk", "stick", "force", "object", "free"]),
        which=st.integers(0, 2),
        to_m=st.floats(AT.queue_m, AT.beyond_m),
        for_s=st.floats(0.0, 2.0),
    ),
    max_size=25,
)


def people(world):
    for n in range(3):
        world.add(Body(f"p{n}", AT.queue_m - n, speed_mps=1.3, face=f"person0{n + 1}"))


def do(world, deed):
    door = Door.ENTRY if deed.which % 2 else Door.EXIT
    if deed.what == "coil":
        world.set_coil(door.value, not world.coil(door.value), world.now)
    elif deed.what == "walk":
        world.body(f"p{deed.which}").target_m = deed.to_m
    elif deed.what == "stick":
        world.faults.stuck_doors ^= {door}
    elif deed.what == "force":
        world.faults.forced_doors[door] = 0.8
    elif deed.what == "object":
        world.faults.objects ^= {door}
    else:
        world.faults.clear()


def walk(world, name, to_m, seconds):
    world.body(name).target_m = to_m
    world.advance(world.now + seconds)


@settings(max_examples=40, deadline=None)
@given(deeds)
def test_whatever_happens_leaves_stay_in_bounds_contacts_exclude_each_other_and_nobody_vanishes(script):
    world = World()
    people(world)
    for deed in script:
        do(world, deed)
        before = {body.name: body.position_m for body in world.bodies()}
        for _ in range(5):
            world.advance(world.now + deed.for_s / 5)
            inputs = world.inputs()
            assert set(inputs) == set(INPUTS)
            for door in Door:
                assert 0.0 <= world.leaf(door).position <= 1.0
                assert not (inputs[f"{door.value}_closed"] and inputs[f"{door.value}_open"])
            assert sum(inputs[f"occupancy_{value}"] for value in ("zero", "one", "many")) == 1
            places = [world.where(body.name) for body in world.bodies()]
            assert len(places) == 3
            assert world.people_in_chamber() == places.count(Place.CHAMBER)
        for body in world.bodies():
            assert abs(body.position_m - before[body.name]) <= body.speed_mps * (deed.for_s + 0.011)


@settings(max_examples=40, deadline=None)
@given(deeds)
def test_nobody_goes_through_a_shut_door_and_no_door_shuts_on_anybody(script):
    world = World()
    people(world)
    for deed in script:
        do(world, deed)
        end = world.now + deed.for_s
        while world.now < end - 0.01:
            places = {body.name: world.where(body.name) for body in world.bodies()}
            shut = {door for door in Door if not world.leaf(door).passable}
            in_doorway = {door: {b.name for b in world.bodies() if b.overlaps(AT.plane_m(door), AT.plane_m(door))} for door in Door}
            world.advance(world.now + 0.01)
            for door in Door:
                through = {p.body for p in world.passages if p.door is door and p.at == world.now}
                assert not (through - in_doorway[door] and door in shut), "went through a leaf nobody fits through"
                if in_doorway[door]:
                    assert not world.leaf(door).closed_contact, "shut on somebody"
            moved = {name for name, place in places.items() if world.where(name) is not place}
            assert moved == {p.body for p in world.passages if p.at == world.now}, "changed place without a passage"


@settings(max_examples=40, deadline=None)
@given(deeds, st.lists(st.integers(1, 40), min_size=1, max_size=10))
def test_the_result_does_not_depend_on_how_time_is_cut(script, cuts):
    # Deeds happen at multiples of the tick in both worlds; only the calls between them differ.
    coarse, fine = World(seed=5), World(seed=5)
    people(coarse)
    people(fine)
    ticks = 0
    for deed in script:
        do(coarse, deed)
        do(fine, deed)
        end = ticks + round(deed.for_s * 100)
        coarse.advance(end * 0.01)
        n = 0
        while ticks < end:
            ticks = min(end, ticks + cuts[n % len(cuts)])
            fine.advance(ticks * 0.01)
            n += 1
        assert fine.inputs() == coarse.inputs()
        assert [body.position_m for body in fine.bodies()] == [body.position_m for body in coarse.bodies()]
    assert fine.passages == coarse.passages


def test_a_door_takes_its_time_and_its_contacts_tell():
    world = World(pace=Pace(door_travel_s=0.6))
    world.set_coil("exit_door", True, 0.0)
    world.advance(0.3)
    inputs = world.inputs()
    assert (inputs["exit_door_closed"], inputs["exit_door_open"]) == (False, False)
    world.advance(0.62)
    assert world.inputs()["exit_door_open"]
    world.set_coil("exit_door", False, 0.62)
    world.advance(1.3)
    assert world.inputs()["exit_door_closed"]


def test_a_closing_leaf_turns_back_from_whoever_stands_in_the_doorway_and_shuts_after_they_moved_on():
    world = World()
    world.add(Body("p", AT.reader_m, speed_mps=1.0))
    world.set_coil("entry_door", True, 0.0)
    walk(world, "p", 0.0, 2.0)
    assert not world.inputs()["entry_beam_clear"]
    world.set_coil("entry_door", False, world.now)
    world.advance(world.now + 3.0)
    assert world.leaf(Door.ENTRY).position == 1.0
    walk(world, "p", AT.stand_m, 3.0)
    assert world.inputs()["entry_door_closed"]
    assert world.inputs()["entry_beam_clear"]
    assert world.inputs()["occupancy_one"]


def test_the_counter_is_late_and_tells_two_from_one():
    world = World(pace=Pace(counter_latency_s=0.5))
    world.set_coil("entry_door", True, 0.0)
    world.add(Body("a", AT.reader_m, speed_mps=2.0))
    world.add(Body("b", AT.reader_m - 0.5, speed_mps=2.0))
    world.body("a").target_m = AT.stand_m
    world.body("b").target_m = 0.4
    seen = []
    for n in range(1, 400):
        world.advance(n * 0.01)
        inputs = world.inputs()
        value = next(v for v in ("zero", "one", "many") if inputs[f"occupancy_{v}"])
        if not seen or seen[-1][0] != value:
            seen.append((value, world.now))
    entries = [passage.at for passage in world.passages if passage.inward]
    assert [value for value, _ in seen] == ["zero", "one", "many"]
    assert [at for _, at in seen[1:]] == pytest.approx([at + 0.5 for at in entries], abs=0.011)


def test_counter_errors_follow_the_seed_and_heal():
    def readings(seed):
        counter = OccupancyCounter(0.1, CounterErrors(miscount_rate=0.5, blind_rate=0.2, duration_s=0.3), Random(seed))
        got = []
        for n in range(200):
            counter.observe(n * 0.1, (n // 10) % 3)
            got.append(counter.reading(n * 0.1))
        return got

    assert readings(1) == readings(1)
    assert readings(1) != readings(2)
    assert None in readings(1)
    for n, reading in enumerate(readings(1)):
        if n % 10 == 9:  # 0.9 s after the change: latency and error are over
            assert reading == (n // 10) % 3


@pytest.mark.parametrize(("fault", "expected"), [(Occupancy.MANY, "occupancy_many"), (Occupancy.ZERO, "occupancy_zero"), (Occupancy.UNKNOWN, None)])
def test_a_broken_counter_says_what_the_fault_says(fault, expected):
    world = World()
    world.faults.counter = fault
    levels = world.inputs()
    assert [name for name in INPUTS if name.startswith("occupancy") and levels[name]] == ([expected] if expected else [])


def test_faults_of_contacts_doors_and_beams_reach_the_inputs():
    world = World()
    world.faults.stuck_inputs["exit_door_closed"] = False
    world.faults.objects.add(Door.ENTRY)
    world.faults.stuck_doors.add(Door.ENTRY)
    world.set_coil("entry_door", True, 0.0)
    world.advance(5.0)
    inputs = world.inputs()
    assert inputs["entry_door_closed"]
    assert not inputs["entry_beam_clear"]
    assert not inputs["exit_door_closed"]
    assert world.faults.names() == ("entry_door stuck", "exit_door_closed stuck at 0", "object in entry_door")
    world.faults.clear()
    world.advance(6.0)
    assert world.inputs()["entry_door_open"]


def test_loops_are_closed_until_somebody_opens_them():
    world = World()
    world.emergency_loop_closed = False
    assert not world.inputs()["emergency_loop_closed"]
    assert world.inputs()["tamper_loop_closed"]


def test_only_who_is_near_a_device_is_seen_by_it():
    world = World()
    world.add(Body("a", AT.queue_m, speed_mps=2.0, face="person01", phone_text="TEXT"))
    assert world.scene().phone_text is None
    walk(world, "a", AT.reader_m, 2.0)
    assert world.scene().phone_text == "TEXT"
    assert world.scene().faces == ()
    world.set_coil("entry_door", True, world.now)
    world.body("a").phone_text, world.body("a").finger = None, "f"
    walk(world, "a", AT.stand_m, 3.0)
    world.add(Body("b", AT.queue_m, speed_mps=2.0, face="person02"))
    walk(world, "b", 0.3, 3.0)
    scene = world.scene()
    assert (scene.faces, scene.finger) == (("person01", "person02"), "f")
    world.body("a").target_m = AT.queue_m  # turns round
    assert world.scene().faces == ("person02",)


def test_nobody_vanishes_from_the_chamber_or_appears_in_it():
    world = World()
    world.add(Body("a", AT.reader_m, speed_mps=2.0))
    world.set_coil("entry_door", True, 0.0)
    walk(world, "a", AT.stand_m, 3.0)
    with pytest.raises(ValueError, match="inside the lane"):
        world.remove("a")
    with pytest.raises(ValueError, match="inside the lane"):
        world.add(Body("b", AT.stand_m, speed_mps=1.0))
    with pytest.raises(ValueError, match="already here"):
        world.add(Body("a", AT.queue_m, speed_mps=1.0))


def test_a_lane_without_such_a_coil_says_so():
    with pytest.raises(KeyError, match="siren"):
        World().set_coil("siren", True, 0.0)


def test_hurry_makes_everything_faster_and_refuses_nonsense():
    pace = Pace().hurried(2.0)
    assert (pace.walking_mps, pace.door_travel_s) == (2 * Pace().walking_mps, Pace().door_travel_s / 2)
    with pytest.raises(ValueError, match="hurry"):
        Pace().hurried(0.0)
