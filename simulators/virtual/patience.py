"""For how long somebody inside is without help (INV-4): longer than the crossing's deadlines take together is a violation. Who is helped is the monitor's question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from gate_controller.core.policy import CrossingPolicy
from simulators.virtual.agenda import Agenda
from simulators.virtual.senses import Senses

LINE_S = 3.0
"""The line's slowness, on top of the deadlines."""


class Patience:
    """One lane's patience.

    Args:
        agenda: Virtual time.
        policy: The lane's rules; the bound is the sum of its times from the moment the entry is passable no longer to the latest deadline that calls an officer.
        senses: Whether the counter shows who is inside.
        violated: Told the invariant and what happened.
        exempt: Counts what no controller could have known.
    """

    def __init__(self, agenda: Agenda, policy: CrossingPolicy, senses: Senses, violated: Callable[[str, str], None], exempt: Counter[str]) -> None:
        self._agenda = agenda
        self._senses = senses
        self._violated = violated
        self._exempt = exempt
        times = policy.entry_open_s, policy.entry_close_s, policy.occupancy_settle_s, policy.identity_s, policy.exit_open_s, policy.clearing_s
        self._bound_s = sum(times) + LINE_S
        self._since: float | None = None
        self._excused = False

    def look(self, *, helpless: bool) -> None:
        """Somebody is inside without help, or not."""
        now = self._agenda.now
        if self._since is not None and now - self._since > self._bound_s:
            if not self._senses.hidden(self._since, self._bound_s):
                self._violated("INV-4", f"somebody was inside for {now - self._since:.0f} s with no way out and no officer called")
            elif not self._excused:
                self._exempt["INV-4: the counter did not show who is inside"] += 1
                self._excused = True
        if not helpless:
            self._since, self._excused = None, False
        elif self._since is None:
            self._since = now
