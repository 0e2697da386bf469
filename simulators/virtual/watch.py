"""What the board must do within its time: hold the doors of an emergency open until the re-arm (INV-5), have the call's coil on (INV-4).

Judges coils and leaves, not commands; counts only while there is a process and a board that answers. Knows nothing of people.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gate_controller.core.policy import CrossingPolicy
from simulators.virtual.agenda import Agenda
from simulators.virtual.leaf import AJAR

if TYPE_CHECKING:
    from simulators.virtual.lane import Lane

REACTION_S = 0.6
"""From a wire's change to a coil that answers it, over a line at its slowest: what was decided on in between could not know better."""
AGAIN_S = 2.0 + 2 * REACTION_S
"""From a board that answers again, or a process that is there again, to a coil: the board is found, read, and told."""


class Watch:
    """One lane's watch.

    Args:
        agenda: Virtual time.
        policy: The lane's rules.
        lane: The world.
        violated: Told the invariant and what happened.

    Attributes:
        able_since: Since when there has been a process and a board that answers; None while there is not.
    """

    def __init__(self, agenda: Agenda, policy: CrossingPolicy, lane: Callable[[], Lane], violated: Callable[[str, str], None]) -> None:
        self._agenda = agenda
        self._wanted = [door for door in policy.doors if policy.emergency_opens(door)]
        self._violated = violated
        self._lane = lane
        self.able_since: float | None = None
        self._reported = False
        self._called = False
        self._coil = False
        self._late: dict[str, float] = {}

    def able(self, able: bool) -> None:
        """There is a process and a board that answers, or not."""
        if not able:
            self.able_since = None
        elif self.able_since is None:
            self.able_since = self._agenda.now
        self.look()

    def emergency(self, reported: bool) -> None:
        """This process was told of an emergency; it is over with the re-arm or the process."""
        self._reported = reported
        self.look()

    def called(self, called: bool) -> None:
        """An officer is to be called, or no longer."""
        self._called = called
        self.look()

    def coil(self, on: bool) -> None:
        """The call's coil was switched."""
        self._coil = on
        self.look()

    @property
    def ordered(self) -> bool:
        """An officer is to be called."""
        return self._called

    @property
    def calls(self) -> bool:
        """An officer is called: the coil is on; or it is ordered on, and there is no board to switch it (the call sits on the board's line)."""
        return self._coil or (self._called and self.able_since is None)

    def look(self) -> None:
        """Something may have changed."""
        able = self.able_since is not None
        shut = able and self._reported and any(not leaf.commanded and leaf.level <= AJAR for leaf in (self._lane().leaves[door] for door in self._wanted))
        self._watch("INV-5", shut, "an emergency is not re-armed, and a door that the policy opens is neither passable nor commanded open")
        self._watch("INV-4", able and self._called and not self._coil, "an officer is to be called, and the call's coil is off")

    def _watch(self, invariant: str, wrong: bool, what: str) -> None:
        if not wrong:
            self._late.pop(invariant, None)
        elif invariant not in self._late:
            now = self._late[invariant] = self._agenda.now
            due = max(now + REACTION_S, (now if self.able_since is None else self.able_since) + AGAIN_S)
            self._agenda.after(due - now, self._due, invariant, now, what)

    def _due(self, invariant: str, since: float, what: str) -> None:
        if self._late.get(invariant) == since:
            self._violated(invariant, what)
