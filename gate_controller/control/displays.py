"""Displays for the traveller: lines on a console, the event feed (and so the kiosk page), and several at once.

Does not decide what to show; a display that fails or hangs never reaches whoever shows a prompt.
"""

from __future__ import annotations

import queue
import threading
from typing import TextIO

import structlog

from gate_controller.control.texts import Language, text
from gate_controller.core.prompts import Prompt
from gate_controller.ports.control import EventSink
from gate_controller.ports.services import TravellerDisplay

log = structlog.get_logger("gate.control")


class ConsoleDisplay:
    """Prints each prompt as one line. A console can block (a full pipe, Ctrl-S): wrap it in a BackgroundDisplay.

    Args:
        stream: Where to print; characters it cannot encode are replaced.
        language: Language of the line.
        prefix: What the line begins with.
    """

    def __init__(self, stream: TextIO, language: Language = Language.ENGLISH, prefix: str = "display: ") -> None:
        self._stream = stream
        self._language = language
        self._prefix = prefix

    def show(self, prompt: Prompt) -> None:
        """See TravellerDisplay."""
        wording = text(prompt, self._language)
        line = f"{self._prefix}{wording.title} - {wording.detail}\n"
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(line.encode(encoding, "replace").decode(encoding))
        self._stream.flush()


class FeedDisplay:
    """Publishes each prompt as an event, from which the kiosk page shows it."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink

    def show(self, prompt: Prompt) -> None:
        """See TravellerDisplay."""
        self._sink.publish("prompt", {"prompt": prompt.value})


class FanOutDisplay:
    """Shows every prompt on several displays; what one raises is logged once until it works again, and goes no further."""

    def __init__(self, *displays: TravellerDisplay) -> None:
        self._displays = [*displays]
        self._failing: set[int] = set()

    def add(self, display: TravellerDisplay) -> None:
        """Show on that one, too, from the next prompt on; before anything is shown."""
        self._displays.append(display)

    def show(self, prompt: Prompt) -> None:
        """See TravellerDisplay."""
        for index, display in enumerate(self._displays):
            try:
                display.show(prompt)
            except Exception:
                if index not in self._failing:
                    log.exception("traveller display failed", display=type(display).__name__)
                self._failing.add(index)
            else:
                self._failing.discard(index)


class BackgroundDisplay:
    """Shows prompts on a thread of its own, for a display that may block.

    Prompts wait in order; when more wait than `depth`, the oldest is dropped: the newest is what the traveller needs.

    Args:
        display: The display that may block or fail.
        depth: Prompts that may wait.
    """

    def __init__(self, display: TravellerDisplay, depth: int = 16) -> None:
        self._display = FanOutDisplay(display)
        self._waiting: queue.Queue[Prompt | None] = queue.Queue(depth)
        self._thread = threading.Thread(target=self._run, name="traveller display", daemon=True)
        self._thread.start()

    def show(self, prompt: Prompt) -> None:
        """See TravellerDisplay; returns at once."""
        self._put(prompt)

    def close(self, timeout_s: float = 2.0) -> None:
        """Show what still waits, then end the thread; a display that hangs is left behind after `timeout_s`."""
        self._put(None)
        self._thread.join(timeout_s)

    def _put(self, item: Prompt | None) -> None:
        while True:
            try:
                self._waiting.put_nowait(item)
            except queue.Full:
                try:
                    self._waiting.get_nowait()
                except queue.Empty:
                    continue
            else:
                return

    def _run(self) -> None:
        while (prompt := self._waiting.get()) is not None:
            self._display.show(prompt)
