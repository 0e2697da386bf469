"""Faults of every kind the field knows (the nine groups of exceptions), each injected while the lane is in a state of its own choosing.

A fault begins, and ends by itself after a while or when an officer has it repaired. What travellers do wrong is in habits.py, what passes are refused for in passes.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, Door, Modality
from simulators.virtual.counter import BLIND, MANY, ONE, ZERO

if TYPE_CHECKING:
    from simulators.virtual.episode import Episode

Inject = Callable[["Episode"], None]
STORES = (Device.PASS_VERIFIER, Device.TRUST, Device.ENROLMENT, Device.JOURNAL)


def _lasting(scene: Episode) -> float:
    """Most faults are short; some stay until somebody comes."""
    return scene.rng.expovariate(1 / 3.0) if scene.rng.random() < 0.8 else scene.rng.uniform(10.0, 90.0)


def _stick(wire: str, level: int) -> Inject:
    def inject(scene: Episode) -> None:
        scene.lane.stuck[wire] = level
        scene.lane.wires()

        def end() -> None:
            if scene.lane.stuck.pop(wire, None) is not None:
                scene.lane.wires()

        scene.ends(end, _lasting(scene))

    return inject


def _disagree(door: Door) -> Inject:
    """Both contacts are made at once."""
    closed, opened = _stick(f"{door.value}_closed", 1), _stick(f"{door.value}_open", 1)

    def inject(scene: Episode) -> None:
        closed(scene)
        opened(scene)

    return inject


def _bounce(wire: str) -> Inject:
    """A contact that chatters for a moment."""

    def inject(scene: Episode) -> None:
        def flip(left: int) -> None:
            if left % 2:
                scene.lane.stuck[wire] = scene.rng.randint(0, 1)
            else:
                scene.lane.stuck.pop(wire, None)
            scene.lane.wires()
            if left:
                scene.agenda.after(scene.rng.uniform(0.01, 0.12), flip, left - 1)

        flip(2 * scene.rng.randint(1, 4) + 1)

    return inject


def _counter(shown: int) -> Inject:
    def inject(scene: Episode) -> None:
        scene.lane.counter.stuck = shown
        scene.lane.wires()

        def end() -> None:
            scene.lane.counter.stuck = None
            scene.lane.wires()

        scene.ends(end, _lasting(scene))

    return inject


def _counter_flickers(scene: Episode) -> None:
    def flip(left: int) -> None:
        scene.lane.counter.stuck = scene.rng.choice((ZERO, ONE, MANY, BLIND)) if left else None
        scene.lane.wires()
        if left:
            scene.agenda.after(scene.rng.uniform(0.05, 0.5), flip, left - 1)

    flip(scene.rng.randint(2, 12))


def _door(door: Door, kind: str) -> Inject:
    def inject(scene: Episode) -> None:
        leaf = scene.lane.leaves[door]
        travel = leaf.travel_s
        if kind == "stuck":
            leaf.stuck = True
        elif kind == "slow":
            leaf.travel_s = scene.rng.uniform(2.0, 9.0)
        leaf.act()

        def end() -> None:
            leaf.stuck = False
            leaf.travel_s = min(travel, scene.travel_s)
            leaf.act()

        scene.ends(end, _lasting(scene))

    return inject


def _forced(door: Door) -> Inject:
    def inject(scene: Episode) -> None:
        scene.force(door, scene.rng.uniform(0.05, 1.0), _lasting(scene))

    return inject


def _object(door: Door) -> Inject:
    """Something is pushed into the doorway, where the door is open."""

    def inject(scene: Episode) -> None:
        scene.drop(door)

    return inject


def _store(device: Device) -> Inject:
    def inject(scene: Episode) -> None:
        scene.host.desk.lose(device)
        scene.ends(lambda: scene.host.desk.find_again(device), _lasting(scene))

    return inject


def _reader(device: Device) -> Inject:
    def inject(scene: Episode) -> None:
        scene.host.biometrics.lose(device)
        scene.ends(lambda: scene.host.biometrics.find_again(device), _lasting(scene))

    return inject


def _camera(scene: Episode) -> None:
    scene.host.lose_camera()
    scene.ends(scene.host.find_camera, _lasting(scene))


def _answer(outcome: CheckOutcome) -> Inject:
    """A check's answer out of turn: late, doubled or of a crossing that is over."""

    def inject(scene: Episode) -> None:
        reason = None if outcome is CheckOutcome.SUCCESSFUL else Reason.IDENTITY_TIMED_OUT
        modality = scene.rng.choice((Modality.FINGERPRINT, Modality.FACE))
        crossing_id = scene.rng.choice(scene.past_crossings or ("x0",)) if outcome is CheckOutcome.SUCCESSFUL else scene.present_crossing
        scene.host.post(e.CheckEnded(crossing_id, modality, outcome, reason))

    return inject


def _stale_answers(scene: Episode) -> None:
    """Answers of the desk that belong to a crossing that is over."""
    crossing_id = scene.rng.choice(scene.past_crossings or ("x0",))
    shown = scene.any_presentation()
    if shown is None:
        return
    scene.host.post(e.PassVerified(crossing_id, shown.facts))
    if shown.enrolment is not None:
        scene.host.post(e.EnrolmentFound(crossing_id, shown.enrolment))


def _officer_out_of_turn(scene: Episode) -> None:
    act = scene.rng.randrange(5)
    who = "officer-9"
    if act == 0:
        scene.host.post(e.OfficerAcknowledged(who))
    elif act == 1:
        scene.host.post(e.Rearmed(who))
    elif act == 2:
        scene.host.post(e.AssistanceRequested(who))
    elif act == 3:
        scene.host.post(e.OfficerReturned(f"officer-x{int(scene.agenda.now * 1000)}", who, "mistake"))
    else:
        scene.host.post(e.OfficerReleased(f"officer-x{int(scene.agenda.now * 1000)}", who, "mistake"))


def maintenance(scene: Episode) -> None:
    """An engineer takes the lane, and gives it back after a while."""
    scene.host.post(e.MaintenanceSwitched(True, "engineer-3"))
    scene.agenda.after(scene.rng.uniform(5.0, 40.0), scene.host.post, e.MaintenanceSwitched(False, "engineer-3"))


def _stop(now: bool) -> Inject:
    def inject(scene: Episode) -> None:
        scene.host.ask_to_stop(now=now)

    return inject


def _emergency(lasts_s: tuple[float, float]) -> Inject:
    def inject(scene: Episode) -> None:
        scene.lane.loop_open = True
        scene.lane.wires()

        def end() -> None:
            scene.lane.loop_open = False
            scene.lane.wires()

        scene.ends(end, scene.rng.uniform(*lasts_s))

    return inject


def _power(scene: Episode) -> None:
    scene.host.die(scene.rng.uniform(2.0, 20.0))


def _both_power(scene: Episode) -> None:
    lasts = scene.rng.uniform(2.0, 20.0)
    scene.host.board.fall_silent(lasts, power_lost=True)
    scene.host.die(lasts)


FAULTS: dict[str, Inject] = {
    # Sensors (group 6)
    "entry contact stuck closed": _stick("entry_door_closed", 1),
    "entry contact stuck open": _stick("entry_door_closed", 0),
    "exit contact stuck closed": _stick("exit_door_closed", 1),
    "exit contact stuck open": _stick("exit_door_closed", 0),
    "entry contacts disagree": _disagree(Door.ENTRY),
    "exit contacts disagree": _disagree(Door.EXIT),
    "entry contact bounces": _bounce("entry_door_closed"),
    "exit contact bounces": _bounce("exit_door_closed"),
    "entry beam blocked": _stick("entry_beam", 1),
    "exit beam blocked": _stick("exit_beam", 1),
    "entry beam blind": _stick("entry_beam", 0),
    "exit beam blind": _stick("exit_beam", 0),
    # The counter (group 3)
    "counter blind": _counter(BLIND),
    "counter stuck at zero": _counter(ZERO),
    "counter stuck at one": _counter(ONE),
    "counter stuck at many": _counter(MANY),
    "counter flickers": _counter_flickers,
    # Doors (group 6)
    "entry stuck": _door(Door.ENTRY, "stuck"),
    "exit stuck": _door(Door.EXIT, "stuck"),
    "entry slow": _door(Door.ENTRY, "slow"),
    "exit slow": _door(Door.EXIT, "slow"),
    "entry forced": _forced(Door.ENTRY),
    "exit forced": _forced(Door.EXIT),
    "entry obstructed": _object(Door.ENTRY),
    "exit obstructed": _object(Door.EXIT),
    # Devices (group 7)
    "board garbled": lambda scene: scene.host.board.garble(),
    "board silent": lambda scene: scene.host.board.fall_silent(scene.rng.uniform(0.05, 0.95), deaf=scene.rng.random() < 0.5),
    "board lost": lambda scene: scene.host.board.fall_silent(scene.rng.uniform(1.2, 25.0), deaf=scene.rng.random() < 0.5),
    "board without power": lambda scene: scene.host.board.fall_silent(scene.rng.uniform(0.5, 15.0), power_lost=True),
    "fingerprint reader lost": _reader(Device.FINGERPRINT),
    "face camera lost": _reader(Device.FACE_CAMERA),
    "QR camera lost": _camera,
    "housing opened": lambda scene: scene.open_housing(_lasting(scene)),
    "check aborted": _answer(CheckOutcome.ABORTED),
    "check answered for another crossing": _answer(CheckOutcome.SUCCESSFUL),
    "desk answers for another crossing": _stale_answers,
    # Stores and system (groups 2 and 8)
    "pass verifier lost": _store(Device.PASS_VERIFIER),
    "trust lost": _store(Device.TRUST),
    "enrolment lost": _store(Device.ENROLMENT),
    "journal lost, disk full": _store(Device.JOURNAL),
    "process killed": _power,
    "power lost": _both_power,
    "stop": _stop(now=False),
    "stop at once": _stop(now=True),
    "maintenance": maintenance,
    # Emergency and people (groups 5 and 9)
    "emergency": _emergency((2.0, 60.0)),
    "emergency flickers": _emergency((0.02, 0.5)),
    "officer acts out of turn": _officer_out_of_turn,
    "somebody comes from beyond": lambda scene: scene.come_from_beyond(),
}
"""Every kind by name."""
KINDS = tuple(FAULTS)
