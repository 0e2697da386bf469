"""What people hold up besides their own phone: a screenshot, a copy of somebody else's code. Signs nothing."""

from __future__ import annotations

from typing import Protocol


class ShowsText(Protocol):
    """Anything that shows a QR text."""

    def text_at(self, now: float) -> str:
        """QR text at `now`, seconds since the epoch."""
        ...


class WatchedPhone:
    """Somebody's phone, with somebody else looking over their shoulder.

    Args:
        phone: The phone.
    """

    def __init__(self, phone: ShowsText) -> None:
        self._phone = phone
        self.first_shown = ""

    def text_at(self, now: float) -> str:
        """What the phone shows; the first text is remembered as `first_shown`."""
        text = self._phone.text_at(now)
        self.first_shown = self.first_shown or text
        return text


class Copy:
    """A picture of the code that `victim` showed first; nothing before they showed one.

    Not of a later one: the phone may sign anew while it is still held up, after the gate has taken the code, and that code nobody has used yet.

    Args:
        victim: The phone that was looked at.
    """

    def __init__(self, victim: WatchedPhone) -> None:
        self._victim = victim

    def text_at(self, now: float) -> str:  # noqa: ARG002 - a picture does not change with time
        """The copied text."""
        return self._victim.first_shown


class Screenshot:
    """A screenshot of a phone, taken `age_s` before it is shown for the first time.

    Args:
        phone: The phone it was taken of.
        age_s: Its age when it is first shown, seconds.
    """

    def __init__(self, phone: ShowsText, age_s: float) -> None:
        self._phone = phone
        self._age_s = age_s
        self._text = ""

    def text_at(self, now: float) -> str:
        """The text on the screenshot."""
        if not self._text:
            self._text = self._phone.text_at(now - self._age_s)
        return self._text
