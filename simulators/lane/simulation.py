"""Runs world, people and officer before a lane's hardware, step by step; `LaneThread` does so in real time.

Does not start the gate, does not read its records, and decides nothing for it: outcomes come from the gate's devices.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gate_controller.core.prompts import Prompt
from gate_controller.core.values import Door
from gate_controller.ports.clock import Clock
from simulators.lane.hardware import LaneHardware
from simulators.travellers.behaviours import FOLLOWING_M, Patience, Person, Script, tailgate
from simulators.travellers.cast import CastMember
from simulators.travellers.officer import Officer, OfficerDesk, OfficerHabits
from simulators.travellers.perception import Eyes, Surroundings
from simulators.world import BOTH_DOORS, Body, CounterErrors, LaneGeometry, Lock, Pace, Passage, Scene, Violation, World

STEP_S = 0.02
"""How often the simulation is stepped in real time: a person's eyes and a lamp are no faster."""


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What one traveller (with whoever came along) really did.

    Attributes:
        name: Name in the cast.
        began_at: When they appeared, monotonic seconds.
        left_at: When they were gone.
        passages: Every passage of theirs through a door plane, in order.
        entered: They (or whoever came along) have been in the chamber.
        left_by: Door through which the traveller left the chamber last; None if they never were in it.
    """

    name: str
    began_at: float
    left_at: float
    passages: tuple[Passage, ...]
    entered: bool
    left_by: Door | None


class LaneEvents(Protocol):
    """Who is told what happens in the world. Called from the thread that steps the simulation; must not block or raise."""

    def traveller_started(self, name: str) -> None:
        """Somebody appeared and walks up to the lane."""
        ...

    def traveller_left(self, name: str, truth: GroundTruth) -> None:
        """They are gone, on whichever side."""
        ...

    def invariant_violated(self, violation: Violation) -> None:
        """The gate violated the interlock."""
        ...


@dataclass(slots=True)
class _Visit:
    member: CastMember
    began_at: float
    bodies: tuple[Body, ...]
    scripts: dict[str, Script]


class LaneSimulation:
    """A queue of travellers before one lane. `step()` may be called from one thread while others use the rest.

    Travellers come one after another: the next one appears when the one before is gone.

    Args:
        hardware: The lane's devices.
        clock: The gate's own clocks.
        cast: Who comes, in order; may be endless.
        events: Who is told.
        desk: Where the officer acts; None for a lane without an officer.
        habits: How the officer works.
        pace: How fast everything goes.
        patience: How long people put up with things.
        geometry: Where things are.
        counter_errors: How the people counter errs.
        seed: Decides when it does.
        doors: The doors there are, and their locks.

    Attributes:
        officer_on_duty: Whether the officer hears the bell; any thread may set it.
    """

    def __init__(
        self,
        *,
        hardware: LaneHardware,
        clock: Clock,
        cast: Iterable[CastMember],
        events: LaneEvents,
        desk: OfficerDesk | None = None,
        habits: OfficerHabits | None = None,
        pace: Pace | None = None,
        patience: Patience | None = None,
        geometry: LaneGeometry | None = None,
        counter_errors: CounterErrors | None = None,
        seed: int = 0,
        doors: Mapping[Door, Lock] = BOTH_DOORS,
    ) -> None:
        self.lock = threading.RLock()
        self.world = World(
            clock.monotonic(),
            geometry=geometry,
            pace=pace,
            counter_errors=counter_errors,
            seed=seed,
            doors=doors,
            on_violation=events.invariant_violated,
        )
        self._hardware = hardware
        self._clock = clock
        self._queue = iter(cast)
        self._events = events
        self._patience = patience or Patience()
        self._surroundings = Surroundings()
        self._officer = Officer(self.world, desk, habits) if desk is not None else None
        self._visit: _Visit | None = None
        self._presenter: str | None = None
        self._sent: deque[CastMember] = deque()
        self._open = False
        self._finished = False
        self.officer_on_duty = True
        self._inputs: dict[str, bool] = {}
        self._scene: Scene | None = None

    # From any thread

    @property
    def current(self) -> str | None:
        """Name of the traveller at the lane, or None."""
        visit = self._visit
        return visit.member.name if visit is not None else None

    @property
    def busy(self) -> bool:
        """Whether somebody is at the lane, or sent there."""
        with self.lock:
            return self._visit is not None or bool(self._sent)

    @property
    def presenter(self) -> str | None:
        """Name of the traveller whose code the gate was seen to check last: whom its next record is about. For reports."""
        return self._presenter

    @property
    def finished(self) -> bool:
        """Whether everybody has come and gone."""
        return self._finished

    def open_queue(self) -> None:
        """Let people come: call it when the gate is up."""
        self._open = True

    def close_queue(self) -> None:
        """Let nobody else come; whoever is at the lane goes on."""
        self._open = False

    def send(self, member: CastMember) -> None:
        """Let somebody come who is not in the queue, as soon as nobody is at the lane; their name must be new."""
        self._sent.append(member)

    def show_prompt(self, prompt: Prompt | None) -> None:
        """What the gate's display shows from now on; None while nobody can tell. Tell every change, in order."""
        if prompt is Prompt.CHECKING_CODE:
            self._presenter = self.current
        self._surroundings.prompt = prompt

    # Stepping

    def step(self) -> None:
        """Bring world, people and hardware to the clock's present moment."""
        with self.lock:
            for change in self._hardware.coil_changes():
                self.world.set_coil(change.name, change.on, max(change.at, self.world.now))
            self.world.advance(self._clock.monotonic())
            self._surroundings.wall = self._clock.wall()
            self._surroundings.reader_light = self._hardware.reader_light()
            self._step_people()
            if self._officer is not None and self.officer_on_duty:
                self._officer.step()
            self._feed_hardware()

    def _step_people(self) -> None:
        if self._visit is None and self._sent:
            self._admit(self._sent.popleft())
        elif self._visit is None and self._open and not self._finished:
            self._admit_next()
        visit = self._visit
        if visit is None:
            return
        for name, script in list(visit.scripts.items()):
            if next(script, self) is self:
                del visit.scripts[name]
        if not visit.scripts:
            self._end(visit)

    def _admit_next(self) -> None:
        member = next(self._queue, None)
        if member is None:
            self._finished = True
            return
        self._admit(member)

    def _admit(self, member: CastMember) -> None:
        body = self._body(member.name, member.face, member.speed, 0.0)
        visit = _Visit(member, self.world.now, (body,), {member.name: member.behaviour(self._person(body, member))})
        if member.companion is not None:
            follower = self._body(f"{member.name}/companion", member.companion, member.speed, FOLLOWING_M)
            visit.bodies = (body, follower)
            visit.scripts[follower.name] = tailgate(body)(self._person(follower, None))
        self._visit = visit
        self._events.traveller_started(member.name)

    def _body(self, name: str, face: str, speed: float, behind_m: float) -> Body:
        body = Body(name, self.world.geometry.queue_m - behind_m, speed_mps=self.world.pace.walking_mps * speed, face=face)
        self.world.add(body)
        return body

    def _person(self, body: Body, member: CastMember | None) -> Person:
        return Person(
            body=body,
            eyes=Eyes(self.world, self._surroundings, body),
            geometry=self.world.geometry,
            pace=self.world.pace,
            phone=member.phone if member is not None else None,
            finger=member.finger if member is not None else None,
            patience=self._patience,
        )

    def _end(self, visit: _Visit) -> None:
        names = {body.name for body in visit.bodies}
        passages = tuple(passage for passage in self.world.passages if passage.body in names)
        outward = [passage.door for passage in passages if not passage.inward and passage.body == visit.member.name]
        truth = GroundTruth(
            name=visit.member.name,
            began_at=visit.began_at,
            left_at=self.world.now,
            passages=passages,
            entered=any(passage.inward for passage in passages),
            left_by=outward[-1] if outward else None,
        )
        for body in visit.bodies:
            self.world.remove(body.name)
        self.world.passages.clear()
        self._visit = None
        self._events.traveller_left(truth.name, truth)

    def _feed_hardware(self) -> None:
        inputs = self.world.inputs()
        if inputs != self._inputs:
            self._inputs = inputs
            self._hardware.set_inputs(inputs)
        scene, before = self.world.scene(), self._scene
        self._scene = scene
        if before is None or scene.phone_text != before.phone_text:
            self._hardware.show_phone(scene.phone_text)
        if before is None or scene.faces != before.faces:
            self._hardware.show_faces(scene.faces)
        if before is None or scene.finger != before.finger:
            self._hardware.set_finger(scene.finger)


class LaneThread:
    """Steps a simulation in real time.

    Args:
        simulation: The simulation; its clock must be the real one.
        on_error: Called once with the exception if a step fails, which ends the thread: a bug in the simulation.
    """

    def __init__(self, simulation: LaneSimulation, on_error: Callable[[BaseException], None]) -> None:
        self._simulation = simulation
        self._on_error = on_error
        self._stop = threading.Event()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lane simulation", daemon=True)

    def start(self) -> None:
        """Start stepping."""
        self._thread.start()

    def wait_finished(self, timeout_s: float | None = None) -> bool:
        """Wait until everybody has come and gone (or the thread has ended); False if not in time."""
        return self._finished.wait(timeout_s)

    def stop(self) -> None:
        """Stop stepping and wait for the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(STEP_S):
                self._simulation.step()
                if self._simulation.finished:
                    self._finished.set()
        except Exception as error:  # noqa: BLE001 - a dead simulation must be heard of, whatever killed it
            self._on_error(error)
        finally:
            self._finished.set()
