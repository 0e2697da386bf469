"""Keeps a code that is held up for seconds from being taken as new with every frame. Only saves work: the replay memory decides (INV-8).

A text counts as out of sight when enough frames were looked at without it, over a while: a machine that stands still looks at no
frames, and a phone does not go away by that.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

FRAMES_WITHOUT = 4
"""Frames without a text before it can be out of sight: a hand that shakes spoils one or two."""


@dataclass(slots=True)
class _Sighting:
    at: float
    frame: int


class PresentationFilter:
    """Remembers texts already handed to the core for as long as they stay in sight. Thread-safe.

    Args:
        forget_s: A text out of sight for this long counts as shown anew.
    """

    def __init__(self, forget_s: float) -> None:
        self._forget_s = forget_s
        self._lock = threading.Lock()
        self._frame = 0
        self._handed_on: dict[str, _Sighting] = {}

    def new_texts(self, texts: list[str], now: float, *, quick: bool = False) -> list[str]:
        """The texts of one frame that the core has not taken while they were in sight. One that was looked at quickly takes none out of sight."""
        with self._lock:
            self._frame += not quick
            for text, sighting in list(self._handed_on.items()):
                if text in texts:
                    sighting.at, sighting.frame = now, self._frame
                elif now - sighting.at >= self._forget_s and self._frame - sighting.frame > FRAMES_WITHOUT:
                    del self._handed_on[text]
            return [text for text in texts if text not in self._handed_on]

    def holds(self, text: str) -> bool:
        """Whether the core has taken the text, and it has stayed in sight since."""
        with self._lock:
            return text in self._handed_on

    def handed_on(self, text: str, now: float) -> None:
        """The core has taken the text."""
        with self._lock:
            self._handed_on[text] = _Sighting(now, self._frame)
