"""What people hold up besides their own phone: a screenshot, a copy of somebody else's code. Signs nothing."""

from __future__ import annotations

from typing import Protocol

from simulators.phone import Phone


class ShowsText(Protocol):
    """Anything that shows a QR text."""

    def text_at(self, now: float) -> str:
        """QR text at `now`, seconds since the epoch."""
        ...


class OpenedPhone:
    """A phone whose holder opens the pass when they first show it: who crossed a moment ago has another code by now.

    Args:
        phone: The phone.
    """

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._is_open = False

    def text_at(self, now: float) -> str:
        """What the phone shows."""
        if not self._is_open:
            self._is_open = True
            self._phone.open(now)
        return self._phone.text_at(now)


class WatchedPhone:
    """Somebody's phone, with somebody else looking over their shoulder.

    Args:
        phone: The phone.
    """

    def __init__(self, phone: ShowsText) -> None:
        self._phone = phone
        self.first_shown = ""

    def opened(self) -> WatchedPhone:
        """The same phone when its holder opens the pass anew; nobody has looked yet."""
        return WatchedPhone(OpenedPhone(self._phone) if isinstance(self._phone, Phone) else self._phone)

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
