"""Faults of every kind the field knows (the nine groups of exceptions), each injected while the lane is in a state of its own choosing.

A fault begins, and ends by itself after a while or when an officer has it repaired. It tells whether there was anything for it to befall; only then it counts as injected. What travellers
do wrong is in habits.py, what passes are refused for in passes.py.
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

Inject = Callable[["Episode"], bool]
NO_PROCESS = "no process"
"""The state of a controller that is dead."""
STORES = (Device.PASS_VERIFIER, Device.TRUST, Device.ENROLMENT, Device.JOURNAL)


def _lasting(scene: Episode) -> float:
    """Most faults are short; some stay until somebody comes."""
    return scene.rng.expovariate(1 / 3.0) if scene.rng.random() < 0.8 else scene.rng.uniform(10.0, 90.0)


def _stick(wire: str, level: int) -> Inject:
    def inject(scene: Episode) -> bool:
        scene.lane.stuck[wire] = level
        scene.lane.wires()

        def end() -> None:
            if scene.lane.stuck.pop(wire, None) is not None:
                scene.lane.wires()

        scene.ends(end, _lasting(scene))
        return True

    return inject


def _of_entry(inject: Inject) -> Inject:
    """A fault of the entry door, where the lane has one."""
    return lambda scene: Door.ENTRY in scene.lane.doors and inject(scene)


def _disagree(door: Door) -> Inject:
    """Both contacts are made at once."""
    closed, opened = _stick(f"{door.value}_closed", 1), _stick(f"{door.value}_open", 1)

    def inject(scene: Episode) -> bool:
        return closed(scene) and opened(scene)

    return inject


def _bounce(wire: str) -> Inject:
    """A contact that chatters for a moment."""

    def inject(scene: Episode) -> bool:
        def flip(left: int) -> None:
            if left % 2:
                scene.lane.stuck[wire] = scene.rng.randint(0, 1)
            else:
                scene.lane.stuck.pop(wire, None)
            scene.lane.wires()
            if left:
                scene.agenda.after(scene.rng.uniform(0.01, 0.12), flip, left - 1)

        flip(2 * scene.rng.randint(1, 4) + 1)
        return True

    return inject


def _counter(shown: int) -> Inject:
    def inject(scene: Episode) -> bool:
        scene.lane.counter.stuck = shown
        scene.lane.wires()

        def end() -> None:
            scene.lane.counter.stuck = None
            scene.lane.wires()

        scene.ends(end, _lasting(scene))
        return True

    return inject


def _counter_flickers(scene: Episode) -> bool:
    def flip(left: int) -> None:
        scene.lane.counter.stuck = scene.rng.choice((ZERO, ONE, MANY, BLIND)) if left else None
        scene.lane.wires()
        if left:
            scene.agenda.after(scene.rng.uniform(0.05, 0.5), flip, left - 1)

    flip(scene.rng.randint(2, 12))
    return True


def _door(door: Door, kind: str) -> Inject:
    def inject(scene: Episode) -> bool:
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
        return True

    return inject


def _forced(door: Door) -> Inject:
    def inject(scene: Episode) -> bool:
        scene.force(door, scene.rng.uniform(0.05, 1.0), _lasting(scene))
        return True

    return inject


def _object(door: Door) -> Inject:
    """Something is pushed into the doorway, or leans against the door: the curtain of light is before it, too."""

    def inject(scene: Episode) -> bool:
        scene.interrupt(door, scene.rng.uniform(1.0, 40.0))
        return True

    return inject


def _store(device: Device) -> Inject:
    def inject(scene: Episode) -> bool:
        scene.host.desk.fail(device, at_once=scene.rng.random() < 0.7)
        scene.ends(lambda: scene.host.desk.mend(device), _lasting(scene))
        return True

    return inject


def _reader(device: Device) -> Inject:
    def inject(scene: Episode) -> bool:
        scene.host.biometrics.lose(device)
        scene.ends(lambda: scene.host.biometrics.find_again(device), _lasting(scene))
        return True

    return inject


def _judge(scene: Episode) -> bool:
    """Presentation attack detection gives nothing: not installed, or its judge failed."""
    if not scene.host.biometrics.judge:
        return False
    scene.host.biometrics.judge = False

    def end() -> None:
        scene.host.biometrics.judge = True

    scene.ends(end, _lasting(scene))
    return True


def _camera(scene: Episode) -> bool:
    scene.host.lose_camera()
    scene.ends(scene.host.find_camera, _lasting(scene))
    return True


def _answer(outcome: CheckOutcome) -> Inject:
    """A check's answer out of turn: late, doubled or of a crossing that is over."""

    def inject(scene: Episode) -> bool:
        reason = None if outcome is CheckOutcome.SUCCESSFUL else Reason.IDENTITY_TIMED_OUT
        modality = scene.rng.choice(tuple(Modality))
        crossing_id = scene.rng.choice(scene.past_crossings or ("x0",)) if outcome is CheckOutcome.SUCCESSFUL else scene.present_crossing
        return scene.host.post(e.CheckEnded(crossing_id, modality, outcome, reason))

    return inject


def _stale_answers(scene: Episode) -> bool:
    """Answers of the desk that belong to a crossing that is over."""
    crossing_id = scene.rng.choice(scene.past_crossings or ("x0",))
    shown = scene.any_presentation()
    if shown is None or not scene.host.post(e.PassVerified(crossing_id, shown.facts)):
        return False
    if shown.enrolment is not None:
        scene.host.post(e.EnrolmentFound(crossing_id, shown.enrolment))
    return True


def _officer_out_of_turn(scene: Episode) -> bool:
    who, number = "officer-9", f"officer-x{int(scene.agenda.now * 1000)}"
    acts: tuple[e.Event, ...] = (
        e.OfficerAcknowledged(who),
        e.Rearmed(who),
        e.AssistanceRequested(who),
        e.OfficerReturned(number, who, "mistake"),
        e.OfficerReleased(number, who, "mistake"),
    )
    return scene.host.post(scene.rng.choice(acts))


def maintenance(scene: Episode) -> bool:
    """An engineer takes the lane, and gives it back after a while."""
    if not scene.host.post(e.MaintenanceSwitched(True, "engineer-3")):
        return False
    scene.agenda.after(scene.rng.uniform(5.0, 40.0), scene.host.post, e.MaintenanceSwitched(False, "engineer-3"))
    return True


def _stop(now: bool) -> Inject:
    def inject(scene: Episode) -> bool:
        return scene.host.ask_to_stop(now=now)

    return inject


def _emergency(lasts_s: tuple[float, float]) -> Inject:
    def inject(scene: Episode) -> bool:
        scene.lane.loop_open = True
        scene.lane.wires()

        def end() -> None:
            scene.lane.loop_open = False
            scene.lane.wires()

        scene.ends(end, scene.rng.uniform(*lasts_s))
        return True

    return inject


def _killed(scene: Episode) -> bool:
    return scene.host.die(scene.rng.uniform(2.0, 20.0))


def _bug(scene: Episode) -> bool:
    """The core meets a bug, at once or in the middle of what comes next: the process ends, and is started again."""
    return scene.host.break_core(scene.rng.randint(0, 4))


def _silence(least_s: float, most_s: float, *, power_lost: bool = False) -> Inject:
    def inject(scene: Episode) -> bool:
        scene.host.board.fall_silent(scene.rng.uniform(least_s, most_s), deaf=power_lost or scene.rng.random() < 0.5, power_lost=power_lost)
        return True

    return inject


def _power(scene: Episode) -> bool:
    """Board and gate PC lose power together; a PC that is off already stays off."""
    lasts = scene.rng.uniform(2.0, 20.0)
    scene.host.board.fall_silent(lasts, power_lost=True)
    scene.host.die(lasts)
    return True


def _from_beyond(scene: Episode) -> bool:
    scene.come_from_beyond()
    return True


def _housing(scene: Episode) -> bool:
    scene.open_housing(_lasting(scene))
    return True


FAULTS: dict[str, Inject] = {
    # Sensors (group 6)
    "entry contact stuck closed": _of_entry(_stick("entry_door_closed", 1)),
    "entry contact stuck open": _of_entry(_stick("entry_door_closed", 0)),
    "exit contact stuck closed": _stick("exit_door_closed", 1),
    "exit contact stuck open": _stick("exit_door_closed", 0),
    "entry contacts disagree": _of_entry(_disagree(Door.ENTRY)),
    "exit contacts disagree": _disagree(Door.EXIT),
    "entry contact bounces": _of_entry(_bounce("entry_door_closed")),
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
    "entry stuck": _of_entry(_door(Door.ENTRY, "stuck")),
    "exit stuck": _door(Door.EXIT, "stuck"),
    "entry slow": _of_entry(_door(Door.ENTRY, "slow")),
    "exit slow": _door(Door.EXIT, "slow"),
    "entry forced": _of_entry(_forced(Door.ENTRY)),
    "exit forced": _forced(Door.EXIT),
    "entry obstructed": _object(Door.ENTRY),
    "exit obstructed": _object(Door.EXIT),
    # Devices (group 7)
    "board garbled": lambda scene: scene.host.board.garble(),
    "board silent": _silence(0.05, 0.95),
    "board lost": _silence(1.2, 25.0),
    "board without power": _silence(0.5, 15.0, power_lost=True),
    "fingerprint reader lost": _reader(Device.FINGERPRINT),
    "face camera lost": _reader(Device.FACE_CAMERA),
    "judge gives nothing": _judge,
    "QR camera lost": _camera,
    "housing opened": _housing,
    "check aborted": _answer(CheckOutcome.ABORTED),
    "check answered for another crossing": _answer(CheckOutcome.SUCCESSFUL),
    "desk answers for another crossing": _stale_answers,
    # Stores and system (groups 2 and 8)
    "pass verifier lost": _store(Device.PASS_VERIFIER),
    "trust lost": _store(Device.TRUST),
    "enrolment lost": _store(Device.ENROLMENT),
    "journal lost, disk full": _store(Device.JOURNAL),
    "process killed": _killed,
    "power lost": _power,
    "bug in the core": _bug,
    "stop": _stop(now=False),
    "stop at once": _stop(now=True),
    "maintenance": maintenance,
    # Emergency and people (groups 5 and 9)
    "emergency": _emergency((2.0, 60.0)),
    "emergency flickers": _emergency((0.02, 0.5)),
    "officer acts out of turn": _officer_out_of_turn,
    "somebody comes from beyond": _from_beyond,
}
"""Every kind by name."""
KINDS = tuple(FAULTS)
_TOLD = "an event needs a process that hears it"
UNREACHABLE: dict[tuple[str, str], str] = {
    (kind, NO_PROCESS): why
    for kind, why in (
        ("process killed", "there is none to kill"),
        ("bug in the core", "there is none to break"),
        ("stop", "there is none to stop"),
        ("stop at once", "there is none to stop"),
        ("board garbled", "nobody reads a reply"),
        ("check aborted", _TOLD),
        ("check answered for another crossing", _TOLD),
        ("desk answers for another crossing", _TOLD),
        ("maintenance", _TOLD),
        ("officer acts out of turn", _TOLD),
    )
}
"""Pairs of fault and state that cannot be, and why not."""
