"""How often one user is answered: what only reads waits for its turn, so that watching a lane does not slow its decisions.

The lane decides in the same interpreter as the control server answers; each answer is half a millisecond that a decision may have to wait for. A user's
requests take turns in the order they came, none is refused. Does not pace what acts, and does not know what is asked for.
"""

from __future__ import annotations

import asyncio

MANY_USERS = 64
"""Users whose turns are remembered; who had no turn lately is forgotten first."""


class Pace:
    """Turns of one user: so many at once, then one after the other (a leaky bucket as a meter; ITU-T I.371, annex A, the virtual scheduling algorithm).

    Args:
        per_s: Turns a second, of one user.
        at_once: Turns that may be taken at once after a pause.
    """

    def __init__(self, per_s: float, at_once: int) -> None:
        self._every_s = 1 / per_s
        self._ahead_s = at_once / per_s
        self._due: dict[int, float] = {}

    def wait_s(self, user: int, now: float) -> float:
        """Take the next turn: seconds until it comes, 0 for at once.

        Args:
            user: Whose turn.
            now: Seconds of a clock that does not go back.
        """
        if user not in self._due and len(self._due) >= MANY_USERS:
            self._due = {each: due for each, due in self._due.items() if due > now}
        due = max(self._due.get(user, 0.0), now) + self._every_s
        self._due[user] = due
        return max(0.0, due - self._ahead_s - now)

    async def turn(self, user: int) -> None:
        """Wait for the user's turn, on the running loop. Who leaves before it comes gives it back."""
        wait_s = self.wait_s(user, asyncio.get_running_loop().time())
        if wait_s > 0:
            try:
                await asyncio.sleep(wait_s)
            except asyncio.CancelledError:
                self._due[user] = self._due.get(user, 0.0) - self._every_s
                raise
