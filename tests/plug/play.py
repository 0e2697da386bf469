"""Plays one scenario, pulls the plug where it is told to, starts the controller again and lets everybody find their way out.

Notes what happened (`Story`); judge.py judges it. Real time is waited for only as events: with a limit that only a broken lane reaches.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gate_controller.cli.simulation_watch import GateWatcher, SocketDesk, WorldEvents
from gate_controller.control.client import GateClient
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import GateError
from simulators.lane.hardware import CoilChange
from simulators.lane.simulation import GroundTruth, LaneSimulation, LaneThread
from simulators.travellers.officer import OfficerHabits
from simulators.world import Pace, Violation
from tests.plug.scenarios import DOORS, Scenario, again_of, traveller_of
from tests.plug.site import GENEROUS_S, Controller, Files, Site

HURRY = 3.0
LOOK_S = 0.1
OFFICER = "officer-7"
TRAILING_S = 1.0
"""When the lane is ready again, lamps and call are still on their way to the board, one a reading."""


class StuckError(Exception):
    """Something did not come about in a generous time: what."""


@dataclass
class Story:
    """What happened.

    Attributes:
        scenario: Which.
        die_at: Where the plug was pulled; None for a whole run.
        files: What is left on disk.
        died_at: Monotonic time; None when the point was not reached.
        state: The core's state when it died.
        coils: The relays right after the death.
        inside_at_death: People truly in the chamber then.
        closed_at: When both doors' relays had dropped with no controller running; None when nobody waited for it.
        restarted_at: Monotonic time.
        inside_at_restart: People in the chamber once the new controller had looked.
        called_at: When an officer was called for them: relay and status alike.
        settled: The new controller's status then.
        claimed: Presentations the replay memory holds before the second showing.
        history: What the relays did.
        acts: What the officer did, and when.
        loop: When the emergency loop opened and closed.
        truths: What people truly did.
        violations: The world's interlock monitor.
        problems: What went wrong on the way: somebody did not get out, the lane did not come back.
        points: What the first controller passed, in its order, without its stop.
    """

    scenario: Scenario
    die_at: str | None
    files: Files
    died_at: float | None = None
    state: str = ""
    coils: dict[str, bool] = field(default_factory=dict)
    inside_at_death: int = 0
    closed_at: float | None = None
    restarted_at: float | None = None
    inside_at_restart: int = 0
    called_at: float | None = None
    settled: JsonObject = field(default_factory=dict)
    claimed: int = 0
    history: list[CoilChange] = field(default_factory=list)
    acts: list[tuple[float, str]] = field(default_factory=list)
    loop: list[tuple[float, bool]] = field(default_factory=list)
    truths: dict[str, GroundTruth] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


class _Desk(SocketDesk):
    """The control socket, with a note of every act that was sent."""

    def __init__(self, client: GateClient, acts: list[tuple[float, str]]) -> None:
        super().__init__(client)
        self._acts = acts

    def _act(self, action: str, identity: str, reason: str) -> None:
        self._acts.append((time.monotonic(), action))
        super()._act(action, identity, reason)


class Play:
    """One run of a scenario.

    Args:
        site: The lane.
        scenario: What happens.
        die_at: The point to die at; None to run through.
        linger: Restart only after the board has closed both doors by itself.
        armed_restart: Also kill the restarted controller once, at this point of its start.
    """

    def __init__(self, site: Site, scenario: Scenario, die_at: str | None = None, *, linger: bool = False, armed_restart: str | None = None) -> None:
        files = site.new_files({"policy": scenario.policy} if scenario.policy else {})
        self._site = site
        self._linger = linger
        self._armed_restart = armed_restart
        self.story = Story(scenario, die_at, files)
        self._problem: list[BaseException] = []
        self._rearmed_at = 0.0

    def run(self) -> Story:
        """Play it to its end."""
        story, began = self.story, time.monotonic()
        hardware = self._site.fresh_hardware()
        story.history = hardware.history
        client = GateClient(story.files.socket)
        traveller = traveller_of(story.scenario, self._site.member(story.scenario.kind))
        shows_again = not story.scenario.inside_at_start
        self.simulation = LaneSimulation(
            hardware=hardware,  # type: ignore[arg-type] # delegates
            clock=SystemClock(),
            cast=[traveller, *([again_of(traveller)] if shows_again else [])],
            events=WorldEvents(self._note),
            desk=_Desk(client, story.acts),
            habits=OfficerHabits(OFFICER, story.scenario.decision, walk_s=0.3, look_s=0.2, again_s=1.0),
            pace=Pace().hurried(HURRY),
        )
        thread = LaneThread(self.simulation, self._problem.append)
        thread.start()
        self._watcher: GateWatcher | None = None
        try:
            self._controller = self._start(story.die_at)
            self._first_life()
            story.points = story.files.points()
            if story.die_at is not None and story.died_at is not None:
                self._second_life()
            if shows_again and story.died_at is not None:
                self._show_again()
            self._until(lambda: not self.simulation.world.coil("officer_call"), "the officer's bell is quiet once the lane is ready")
        except StuckError as stuck:
            story.problems.append(str(stuck))
        finally:
            self._stop_watching()
            self._controller.stop(signal.SIGKILL if story.problems else signal.SIGTERM)
            thread.stop()
        story.seconds = time.monotonic() - began
        return story

    # -- the two lives ---------------------------------------------------------------------------------------------------

    def _first_life(self) -> None:
        simulation, story = self.simulation, self.story
        if story.scenario.inside_at_start:
            self._let_come("traveller")
        else:
            self._until(lambda: self._state() == "ready" or self._controller.ended(), "the lane is ready")
            self._let_come("traveller")
        self._until(lambda: self._controller.ended() or (simulation.current is None and self._state() == "ready"), "the crossing ends", tend=True)
        limit = time.monotonic() + TRAILING_S
        self._until(lambda: self._controller.ended() or time.monotonic() > limit, "the last orders reach the board")
        if not self._controller.ended():
            return
        story.died_at = time.monotonic()
        status = self._controller.wait()
        if os.WTERMSIG(status) != signal.SIGKILL:
            msg = f"the controller ended by itself: wait status {status}"
            raise StuckError(msg)
        self._stop_watching()
        story.coils = self._site.coils()
        with simulation.lock:
            story.inside_at_death = simulation.world.people_in_chamber()
        story.state = story.files.points()[-1]["state"]

    def _second_life(self) -> None:
        simulation, story = self.simulation, self.story
        if self._linger:
            self._until(lambda: not any(self._site.coils()[door] for door in DOORS), "the board closes its doors by itself")
            story.closed_at = time.monotonic()
        if self._armed_restart is not None:
            self._controller = self._start(self._armed_restart, armed=True)
            self._until(lambda: self._controller.ended() or self._settled(), "the restarted controller dies, too", tend=False)
            if self._controller.ended():
                self._controller.wait()
                self._stop_watching()
            else:
                msg = f"{self._armed_restart} is no point of a start"
                raise StuckError(msg)
        story.restarted_at = time.monotonic()
        self._controller = self._start(None, trail=False)
        self._until(lambda: self._settled() or self._controller.ended(), "nobody is left inside without an officer called")
        if self._controller.ended():
            msg = f"the controller did not start again: {story.files.log.read_text(errors='replace').strip().splitlines()[-1:]}"
            raise StuckError(msg)
        self._until(lambda: simulation.current is None and self._state() == "ready", "everybody is out and the lane is back", tend=True)

    def _settled(self) -> bool:
        """The new controller has looked at the lane: nobody is inside, or an officer is called by relay and status."""
        simulation, story = self.simulation, self.story
        with simulation.lock:
            inside, bell = simulation.world.people_in_chamber(), simulation.world.coil("officer_call")
        status = self._controller.status()
        if status is None or status["devices"]["io_board"]["state"] != "ready" or status["devices"]["journal"]["state"] != "ready":
            return False
        story.inside_at_restart = max(story.inside_at_restart, inside)
        if inside and not (bell and status["officer_call"]):
            return False
        story.settled = status
        story.called_at = time.monotonic() if inside else None
        return True

    def _show_again(self) -> None:
        story, simulation = self.story, self.simulation
        story.claimed = claims_in(story)
        self._let_come("again")
        self._until(lambda: simulation.current is None and self._state() == "ready", "the second showing ends", tend=True)

    # -- around them -----------------------------------------------------------------------------------------------------

    def _start(self, die_at: str | None, *, armed: bool = False, trail: bool = True) -> Controller:
        controller = self._site.start(self.story.files, die_at, armed=armed, trail=trail)
        self._watcher = GateWatcher(controller.client, self.simulation, lambda _kind, _what: None)
        self._watcher.start()
        return controller

    def _stop_watching(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()

    def _let_come(self, name: str) -> None:
        self.simulation.open_queue()
        self._until(lambda: self.simulation.current == name or name in self.story.truths, f"{name} comes")
        self.simulation.close_queue()

    def _state(self) -> str:
        status = self._controller.status()
        return str(status["state"]) if status is not None else ""

    def _until(self, reached: Callable[[], bool], what: str, *, tend: bool = False) -> None:
        limit = time.monotonic() + GENEROUS_S
        while not reached():
            if self._problem:
                raise self._problem[0]
            if time.monotonic() > limit:
                msg = f"not in {GENEROUS_S:g} s: {what}; the status is {self._controller.status()}"
                raise StuckError(msg)
            if tend:
                self._tend()
            time.sleep(LOOK_S)

    def _tend(self) -> None:
        """The emergency comes and goes, and somebody re-arms an empty lane."""
        story, simulation = self.story, self.simulation
        status = self._controller.status()
        if status is None:
            return
        with simulation.lock:
            empty = not simulation.world.people_in_chamber()
            if story.scenario.emergency and not story.loop and status["state"] == "identity_check":
                simulation.world.emergency_loop_closed = False
                story.loop.append((time.monotonic(), False))
            elif len(story.loop) == 1 and empty:
                simulation.world.emergency_loop_closed = True
                story.loop.append((time.monotonic(), True))
        whole = len(story.loop) != 1
        latched = status["state"] in {"out_of_service", "emergency"} and status["reason"] in {"restarted", "emergency", "left_unseen", "door_forced"}
        if empty and whole and latched and time.monotonic() > self._rearmed_at + 0.5:
            self._rearmed_at = time.monotonic()
            with contextlib.suppress(GateError):
                self._controller.client.officer("rearm", OFFICER, "")

    def _note(self, kind: str, what: object) -> None:
        if isinstance(what, GroundTruth):
            self.story.truths[what.name] = what
        elif isinstance(what, Violation):
            self.story.violations.append(what)


def claims_in(story: Story) -> int:
    """Presentations that the replay memory holds."""
    with contextlib.closing(sqlite3.connect(f"{story.files.replay.absolute().as_uri()}?mode=ro", uri=True)) as memory:
        return int(memory.execute("SELECT count(*) FROM presented").fetchone()[0])
