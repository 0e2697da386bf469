"""The officer's habits: takes a call at once, late or not at all; comes, clears the lane, lets people through or back, re-arms. Acts by identity and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate_controller.core import events as e
from gate_controller.core.values import Door
from simulators.virtual.body import BEYOND_M, QUEUE_M

if TYPE_CHECKING:
    from simulators.virtual.episode import Episode

LOOK_AGAIN_S = 4.0
LOOKS_IN = 0.05
"""How often an officer has the entry opened to look into a chamber that is empty."""
CARELESS = 0.1
"""How often the lane is re-armed before anybody has looked."""
ROUNDS = 25
"""After so many rounds that changed nothing the officer has the controller restarted, and begins anew."""


class Officer:
    """One officer for the lane.

    Attributes:
        restarts: How often the controller had to be restarted to bring the lane back.
        rescues: How often somebody was taken out by hand, whom the lane did not see.
    """

    def __init__(self, scene: Episode) -> None:
        self._scene = scene
        self._pending = False
        self._coming = 0
        self._acting = 0
        self._round = 0
        self._acts = 0
        self.restarts = 0
        self.rescues = 0

    def called(self, pending: bool) -> None:
        """The lane calls, calls again, or needs nobody any more."""
        scene = self._scene
        if not pending:
            self._pending = False
            return
        first = not self._pending
        self._pending = True
        if first:
            self._coming += 1
            self._round = 0
        draw = scene.rng.random()
        if draw < 0.65:
            scene.agenda.after(scene.rng.uniform(2.0, 25.0), self._take, self._coming)
        elif draw < 0.9:
            scene.agenda.after(scene.rng.uniform(65.0, 150.0), self._take, self._coming)
        # else nobody heard it: the lane will call again

    def _take(self, coming: int) -> None:
        if coming == self._coming and self._pending and self._acting != coming:
            self._acting = coming
            self._scene.host.post(e.OfficerAcknowledged("officer-7"))
            self._scene.agenda.after(self._scene.rng.uniform(2.0, 15.0), self._act, coming)

    def _act(self, coming: int) -> None:
        """One round: clear what can be cleared, look, act, look again."""
        scene = self._scene
        if coming != self._coming or not self._pending:
            return
        self._round += 1
        if scene.rng.random() < CARELESS:
            scene.host.post(e.Rearmed("officer-7"))
        scene.repair()
        if self._round > ROUNDS:
            self._round = self._acting = 0
            self.restarts += 1
            scene.host.die(5.0)
            scene.agenda.after(20.0, self.called, True)
            return
        scene.agenda.after(1.2, self._decide, coming)
        scene.agenda.after(LOOK_AGAIN_S, self._act, coming)

    def _decide(self, coming: int) -> None:
        scene = self._scene
        if coming != self._coming or not self._pending:
            return
        inside = scene.lane.inside
        if not inside:
            if scene.rng.random() < LOOKS_IN:
                self._acts += 1
                scene.host.post(e.OfficerReturned(f"officer-{self._acts}", "officer-7", "a look inside"))
            else:
                scene.host.post(e.Rearmed("officer-7"))
            return
        if any(scene.lane.leaves[door].level > 1 for door in scene.lane.doors):
            self._escort(BEYOND_M if scene.lane.leaves[Door.EXIT].level > 1 else QUEUE_M)
            return
        self._acts += 1
        if scene.rng.random() < 0.4:
            scene.host.post(e.OfficerReleased(f"officer-{self._acts}", "officer-7", "documents seen"))
            self._escort(BEYOND_M)
        else:
            scene.host.post(e.OfficerReturned(f"officer-{self._acts}", "officer-7", "to the counter"))
            self._escort(QUEUE_M)
        if self._round > ROUNDS // 2:
            scene.carry_out_by_hand()
            self.rescues += 1

    def _escort(self, target_m: float) -> None:
        slow = self._scene.rng.random() < 0.2
        for body in self._scene.lane.inside:
            if body.mind is not None:
                self._scene.agenda.after(self._scene.rng.uniform(3.0, 12.0) if slow else 0.0, body.mind.escorted, target_m)
