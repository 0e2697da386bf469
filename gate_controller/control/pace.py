"""How often the control socket answers: what only reads waits for its turn, so that watching a lane does not slow its decisions.

The lane decides in the same interpreter as the control server answers; each answer is half a millisecond that a decision may have to wait for. Requests
take turns in the order they came, those of one user first, then those of all users together; none is refused. Does not know what is asked for, and does
not pace connecting itself: only who has a role can connect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

MANY_USERS = 64
"""Users whose turns are remembered; who had no turn lately is forgotten first."""
LONGEST_S = 2.0
"""Longest wait for each of the two turns: less together than clients wait for an answer. All connections of one user together wait less; only who asks and
hangs up, over and over, would get farther behind, or put others there."""


class Pace:
    """Turns of each user: so many at once, then one after the other (a leaky bucket as a meter; ITU-T I.371, annex A, the virtual scheduling algorithm).

    Args:
        per_s: Turns a second, of one user.
        at_once: Turns that may be taken at once after a pause.
    """

    def __init__(self, per_s: float, at_once: int) -> None:
        self._every_s = 1 / per_s
        self._ahead_s = at_once / per_s
        self._due: dict[Hashable, float] = {}

    def wait_s(self, user: Hashable, now: float) -> float:
        """Take the next turn: seconds until it comes, 0 for at once. It is taken, whether it is waited for or not.

        Args:
            user: Whose turn.
            now: Seconds of a clock that does not go back.
        """
        if user not in self._due and len(self._due) >= MANY_USERS:
            self._due = {each: due for each, due in self._due.items() if due > now}
        due = min(max(self._due.get(user, 0.0), now) + self._every_s, now + self._ahead_s + LONGEST_S)
        self._due[user] = due
        return max(0.0, due - self._ahead_s - now)


class Turns:
    """Turns of each user, and of all of them together.

    Args:
        each: Those of each user.
        together: Those of all, as of one user; None: nobody waits for others.
    """

    def __init__(self, each: Pace, together: Pace | None = None) -> None:
        self._each = each
        self._together = together

    async def turn(self, user: Hashable) -> None:
        """Wait for the user's turn, on the running loop."""
        for pace, whose in ((self._each, user), (self._together, None)):
            wait_s = pace.wait_s(whose, asyncio.get_running_loop().time()) if pace is not None else 0
            if wait_s > 0:
                await asyncio.sleep(wait_s)
