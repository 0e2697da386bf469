"""One person before the camera without interruption: whose face was judged is whose face is compared.

Presentation attack detection watches a face for seconds, a comparison takes an instant. So every probe of a run is compared with the run's first:
when somebody else's face (or a picture of one) comes before the camera, the run ends, and with it all that was earned in it.

Keeps embeddings for the crossing, and images where a second model may have to see them; the worker drops what decides nothing any more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from gate_controller.ports.devices import FaceMatcher, FaceProbe, FaceTemplate, Image

VERIFY_EVERY_S = 0.3
"""The face is compared with the run's first at least this often; frames in between count only so long."""
GOOD = 0.5
"""A worse probe that does not resemble the first tells nothing: it is dropped, and does not end the run."""
FRESH_S = 1.0
"""Of the probes from before a check, only those no older than this count for it."""
_KEPT = 30


@dataclass(frozen=True, slots=True)
class Taken:
    """A probe of the run.

    Attributes:
        stamp: Monotonic seconds of its frame.
        probe: The face.
        image: Its frame, where a second model will be asked; else None.
    """

    stamp: float
    probe: FaceProbe = field(repr=False)
    image: Image | None = field(default=None, repr=False)


class Whose(Enum):
    """Whether a probe goes on with the run."""

    SAME = auto()
    OTHER = auto()
    """Somebody else's: the run has begun anew, with this probe."""
    UNCLEAR = auto()
    """Too poor to tell."""


class Run:
    """Used by the face worker's thread.

    Args:
        matcher: Compares probes.
        threshold: Largest distance that counts as the same face, the policy's.
    """

    def __init__(self, matcher: FaceMatcher, threshold: float) -> None:
        self._matcher = matcher
        self._threshold = threshold
        self._taken: deque[Taken] = deque(maxlen=_KEPT)
        self.forget()

    def forget(self) -> None:
        """The run ended; the next probe begins another."""
        self._first: FaceTemplate | None = None
        self._verified: float | None = None
        self._taken.clear()

    def due(self, stamp: float) -> bool:
        """Whether the face of a frame must be compared before the frame counts."""
        return self._verified is None or not 0 <= stamp - self._verified < VERIFY_EVERY_S

    def take(self, taken: Taken) -> Whose:
        """Go on with a probe, or begin anew with it."""
        whose = Whose.SAME
        if self._first is not None and not self._matcher.compare(taken.probe, self._first) <= self._threshold:
            if taken.probe.quality.score < GOOD:
                return Whose.UNCLEAR
            self.forget()
            whose = Whose.OTHER
        if self._first is None:
            self._first = self._matcher.template(taken.probe)
        self._verified = taken.stamp
        self._taken.append(taken)
        return whose

    @property
    def taken(self) -> list[Taken]:
        """The newest probes that nothing was decided by yet."""
        return list(self._taken)

    def drop_before(self, stamp: float) -> None:
        """Older probes decide nothing; the person stays."""
        while self._taken and self._taken[0].stamp < stamp:
            self._taken.popleft()

    def decided(self) -> None:
        """Something was decided by the probes so far: another decision wants others."""
        self._taken.clear()
