"""How often a pass was let in and its holder sent back again: whoever fails that often goes to the counter.

Counts only what happened inside, with a presentation that the phone had just signed: a refusal at the entry can be brought about by anybody who
has photographed the code, and must not lock its holder out. Keeps no pass: a keyed digest, with a key that ends with the process.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import deque

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Outcome

HIS_OWN = frozenset(
    {
        Reason.FINGERPRINT_MISMATCH,
        Reason.FINGERPRINT_NOT_CAPTURED,
        Reason.FACE_MISMATCH,
        Reason.FACE_NOT_CAPTURED,
        Reason.SEVERAL_FACES,
        Reason.PAD_ALARM,
        Reason.TAILGATING,
        Reason.IDENTITY_TIMED_OUT,
        Reason.STAYED_INSIDE,
    }
)
"""Reasons that lie with whoever was inside; a lost device or a stuck door is not held against anybody.

Nor is an undetermined judgement of attack detection: a camera that shakes, a plain wall or a busy machine gives it to living people, and a lane like that would
lock out one honest traveller after the other. Who holds up a picture gains no unwatched try by it: each calls an officer, none opens the exit, an alarm counts.
"""
MOST = 10_000
"""Passes remembered; the one that failed longest ago is forgotten first."""


class Attempts:
    """Failed attempts by pass.

    Args:
        limit: So many are too many.
        within_s: They count for so long.
    """

    def __init__(self, limit: int, within_s: float) -> None:
        self._limit = limit
        self._within_s = within_s
        self._key = secrets.token_bytes(32)
        self._open: tuple[str, bytes] | None = None
        self._failed: dict[bytes, deque[float]] = {}

    def begin(self, crossing_id: str, pass_id: bytes) -> None:
        """A pass was verified for this crossing; the lane has one at a time."""
        self._open = (crossing_id, self._digest(pass_id))

    def end(self, record: CrossingRecord, now: float) -> None:
        """The crossing ended, at monotonic time `now` (seconds)."""
        if self._open is None or self._open[0] != record.crossing_id:
            return
        digest, self._open = self._open[1], None
        if record.outcome is not Outcome.RETURNED or record.reason not in HIS_OWN:
            return
        times = self._failed.pop(digest, deque(maxlen=self._limit))
        times.append(now)
        self._failed[digest] = times  # the newest at the end
        if len(self._failed) > MOST:
            del self._failed[next(iter(self._failed))]

    def too_many(self, pass_id: bytes, now: float) -> bool:
        """Whether the pass failed too often of late."""
        times = self._failed.get(self._digest(pass_id), ())
        return sum(now - at < self._within_s for at in times) >= self._limit

    def _digest(self, pass_id: bytes) -> bytes:
        return hashlib.blake2b(pass_id, key=self._key, digest_size=16).digest()
