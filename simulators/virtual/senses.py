"""What the sensors tell against what is so: since when the counter or a wire has been wrong, and until when. Judges nothing; the monitor asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate_controller.core.values import Door
from simulators.virtual.agenda import Agenda
from simulators.virtual.counter import BLIND, MANY, ZERO
from simulators.virtual.leaf import SHUT, WIDE

if TYPE_CHECKING:
    from simulators.virtual.lane import Lane


class Senses:
    """A record of errors, kept up with every change of a wire or of who is where.

    Args:
        agenda: Virtual time.
        stable_s: A wrong count that stands for longer is an error; for less it is the counter's latency.

    Attributes:
        shown_since: Since when whoever is inside has been shown to be there; None while the counter shows nobody.
        zero_until: Until when the counter showed nobody, so far.
    """

    def __init__(self, agenda: Agenda, stable_s: float) -> None:
        self._agenda = agenda
        self._stable_s = stable_s
        self._miscounts_since: float | None = None
        self._late_at = self._miscounted_at = -1e9
        self._wire_wrong = False
        self._wire_wrong_at = -1e9
        self.shown_since: float | None = 0.0
        self._shows_zero = True
        self.zero_until = 0.0

    def look(self, lane: Lane) -> None:
        """Something may have changed."""
        now, shown = self._agenda.now, lane.counter.shown
        inside = 0
        for body in lane.bodies:
            if body.inside:
                inside += 1
        if self._miscounts_since is not None:
            self._late_at = now
            if now - self._miscounts_since > self._stable_s:
                self._miscounted_at = now
        if shown in {BLIND, min(inside, MANY)}:
            self._miscounts_since = None
        elif self._miscounts_since is None:
            self._miscounts_since = now
        if self._shows_zero:
            self.zero_until = now
        self._shows_zero = shown == ZERO
        if inside and shown == ZERO:
            self.shown_since = None
        elif self.shown_since is None:
            self.shown_since = now
        if lane.stuck or self._wire_wrong:
            self._wire_wrong = _any_wrong(lane)
            self._wire_wrong_at = now

    def miscounts(self, reaction_s: float) -> bool:
        """The counter shows another number than there is, or did until so short a while ago that its wires cannot have been read since."""
        return self._miscounts_since is not None or self._agenda.now - self._late_at <= reaction_s

    def miscounted(self, since: float) -> bool:
        """The counter was wrong for longer than its latency, at some time since then."""
        lasting = self._miscounts_since is not None and self._agenda.now - self._miscounts_since > self._stable_s
        return lasting or self._miscounted_at >= since

    def wire_was_wrong(self, since: float) -> bool:
        """A door contact or a beam showed what was not so, at some time since then."""
        return self._wire_wrong or self._wire_wrong_at >= since

    def hidden(self, since: float, bound_s: float) -> bool:
        """Whoever is inside was shown as nobody within the bound, since then: the time in which help is due begins anew after it."""
        return self.shown_since is None or self._agenda.now - max(since, self.shown_since) <= bound_s


def _any_wrong(lane: Lane) -> bool:
    stuck = lane.stuck
    for door in Door:
        leaf = lane.leaves[door]
        beam = "entry_beam" if door is Door.ENTRY else "exit_beam"
        true = ((f"{door.value}_closed", leaf.level == SHUT), (f"{door.value}_open", leaf.level == WIDE), (beam, leaf.doorway > 0))
        if any(stuck.get(wire, level) != level for wire, level in true):
            return True
    return False
