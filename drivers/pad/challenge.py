"""A challenge at random: turn your head to a side, or blink, within a window of time. Judged by five landmarks and the eyes' openness.

A flat picture cannot do it by being turned: foreshortening moves nose and eyes alike. A recording does it by chance, once in as many times as
there are kinds; so ask twice. A puppet that follows the prompt (a live deep fake on a screen) can do it: the passive cues must see the screen.
Asks nothing by itself: prompts are the display's. A challenge costs seconds, excludes some people (necks, eyes), and needs an officer for those.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from drivers.pad import eyes
from drivers.pad.options import ChallengeOptions
from drivers.pad.presentation import check_image, sound
from gate_controller.ports.devices import Frame
from gate_controller.ports.errors import DeviceRejectedError
from gate_controller.ports.pad import ChallengeKind, ChallengeOutcome, FacePlace

_REST_FRAMES = 6
_KEPT = 45
Draw = Callable[[Sequence[ChallengeKind]], ChallengeKind]
"""Draws one at random: `secrets.choice` in a gate."""


def turn(face: FacePlace) -> float:
    """How far the head is turned: the nose's distance from between the eyes along the line of the eyes, in eye distances.

    Above 0: to the traveller's left, which is the right of a picture that is not mirrored. On the portraits of the synthetic
    people turned by 12 degrees: 0.15 in the middle, from 0.02 to 0.23.
    """
    right, left, nose = (face.landmarks[index].astype(np.float64) for index in range(3))
    along = left - right
    return float((nose - (right + left) / 2) @ along / max(1.0, float(along @ along)))


class LandmarkChallenger:
    """A PadChallenger.

    Args:
        options: Windows and limits.
        draw: Chooses the challenge.
    """

    def __init__(self, options: ChallengeOptions, draw: Draw) -> None:
        self._options = options
        self._draw = draw
        self.begin()

    def begin(self) -> None:
        """See PadChallenger."""
        self._turns: deque[float] = deque(maxlen=_KEPT)
        self._openings: deque[float] = deque(maxlen=_KEPT)
        self._kind: ChallengeKind | None = None
        self._outcome = ChallengeOutcome.PENDING
        self._asked = self._rest_turn = self._rest_open = 0.0
        self._closed_since: float | None = None
        self._stamp = -np.inf

    def observe(self, frame: Frame, face: FacePlace | None) -> None:
        """See PadChallenger."""
        check_image(frame.image)
        if not frame.stamp > self._stamp:
            msg = f"stamp {frame.stamp:g} after {self._stamp:g}: stamps grow"
            raise ValueError(msg)
        self._stamp = frame.stamp
        if face is None or not sound(face):
            return
        try:
            turned, opened = turn(face), eyes.openness(frame.image, face)
        except (cv2.error, np.linalg.LinAlgError) as error:
            msg = f"the challenge failed on a {frame.image.shape[1]}x{frame.image.shape[0]} frame: {' '.join(str(error).split())}"
            raise DeviceRejectedError(msg, "report this frame size as a bug") from error
        if self._kind is None:
            self._turns.append(turned)
            if opened is not None:
                self._openings.append(opened)
        elif self._outcome is ChallengeOutcome.PENDING:
            self._judge(self._kind, frame.stamp - self._asked, turned - self._rest_turn, opened)

    def ask(self, now: float) -> ChallengeKind | None:
        """See PadChallenger. Asking again draws again; the face at rest is the one before the first."""
        if len(self._turns) < _REST_FRAMES or len(self._openings) < _REST_FRAMES:
            return None
        self._rest_turn, self._rest_open = float(np.median(self._turns)), float(np.median(self._openings))
        self._kind = self._draw([ChallengeKind(kind) for kind in self._options.kinds])
        self._asked, self._outcome, self._closed_since = now, ChallengeOutcome.PENDING, None
        return self._kind

    def outcome(self, now: float) -> ChallengeOutcome:
        """See PadChallenger."""
        if self._kind is not None and self._outcome is ChallengeOutcome.PENDING and now - self._asked > self._options.window_s:
            self._outcome = ChallengeOutcome.FAILED
        return self._outcome

    def _judge(self, kind: ChallengeKind, after_s: float, turned: float, opened: float | None) -> None:
        if after_s > self._options.window_s:
            self._outcome = ChallengeOutcome.FAILED
            return
        done = self._done(kind, after_s, turned, opened)
        if done is not None:
            # Nobody reads a prompt and acts on it at once: what came too soon was no answer.
            in_time = done and after_s >= self._options.reaction_s
            self._outcome = ChallengeOutcome.MET if in_time else ChallengeOutcome.FAILED

    def _done(self, kind: ChallengeKind, after_s: float, turned: float, opened: float | None) -> bool | None:
        """True: done. False: something else was done. None: nothing yet."""
        side = turned if kind is ChallengeKind.TURN_LEFT else -turned
        if kind is ChallengeKind.BLINK:
            if abs(turned) > self._options.turn:
                return False
            return self._blinked(after_s, opened)
        if abs(side) <= self._options.turn:
            return None
        return side > 0

    def _blinked(self, after_s: float, opened: float | None) -> bool | None:
        if opened is None:
            return None
        if opened < self._options.closed * self._rest_open:
            # Blinking without being asked is human: a blink that began too soon is no answer, and no offence.
            if self._closed_since is None and after_s >= self._options.reaction_s:
                self._closed_since = after_s
        elif self._closed_since is not None:
            return True
        return None
