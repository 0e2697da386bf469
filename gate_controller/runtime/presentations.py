"""Keeps a code that is held up for seconds from being taken as new with every frame. Only saves work: the replay memory decides (INV-8)."""

from __future__ import annotations


class PresentationFilter:
    """Remembers texts already handed to the core for as long as they stay in sight.

    Args:
        forget_s: A text out of sight for this long counts as shown anew.
    """

    def __init__(self, forget_s: float) -> None:
        self._forget_s = forget_s
        self._seen: dict[str, float] = {}

    def is_new(self, text: str, now: float) -> bool:
        """Whether the text was not handed on while in sight; seeing it keeps it in sight."""
        self._seen = {known: at for known, at in self._seen.items() if now - at < self._forget_s}
        if text in self._seen:
            self._seen[text] = now
            return False
        return True

    def handed_on(self, text: str, now: float) -> None:
        """The core has taken the text."""
        self._seen[text] = now
