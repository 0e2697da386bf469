"""The people counter over the chamber: late, now and then wrong or blind. Sees bodies, never who they are."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from simulators.virtual.agenda import Agenda
from simulators.virtual.profile import Profile

ZERO, ONE, MANY, BLIND = range(4)
"""Which of its three contacts is made; BLIND is none."""


class Counter:
    """Reports each change after a latency.

    Attributes:
        shown: What its contacts show.
        stuck: What they show whatever is under it, or None.
        extra: Objects in the chamber that it takes for people.
    """

    __slots__ = ("_agenda", "_changed", "_due", "_profile", "_rng", "_seen", "_shown", "_version", "extra", "stuck")

    def __init__(self, agenda: Agenda, rng: Random, profile: Profile, changed: Callable[[], None]) -> None:
        self._agenda = agenda
        self._rng = rng
        self._profile = profile
        self._changed = changed
        self._shown = ZERO
        self._seen = 0
        self._due = 0.0
        self._version = 0
        self.stuck: int | None = None
        self.extra = 0

    @property
    def shown(self) -> int:
        """What its contacts show."""
        return self._shown if self.stuck is None else self.stuck

    def observe(self, bodies: int) -> None:
        """So many bodies are in the chamber now."""
        bodies += self.extra
        if bodies == self._seen:
            return
        self._seen = bodies
        latency = self._profile.counter_latency.draw(self._rng)
        # A later change never shows before an earlier one.
        self._due = max(self._agenda.now + latency, self._due)
        self._version += 1
        draw = self._rng.random()
        wrong = BLIND if draw < self._profile.counter_blind else None
        if wrong is None and draw < self._profile.counter_blind + self._profile.counter_miscount:
            wrong = _contact(max(0, bodies + self._rng.choice((-1, 1))))
        delay = self._due - self._agenda.now
        if wrong is None:
            self._agenda.after(delay, self._show, _contact(bodies))
            return
        self._agenda.after(delay, self._show, wrong)
        self._agenda.after(delay + self._rng.uniform(0.2, 4.0), self._correct, self._version, _contact(bodies))

    def _show(self, contact: int) -> None:
        if contact != self._shown:
            self._shown = contact
            self._changed()

    def _correct(self, version: int, contact: int) -> None:
        """The end of an error; after a later change that one's own report counts."""
        if version == self._version:
            self._show(contact)


def _contact(bodies: int) -> int:
    return min(bodies, MANY)
