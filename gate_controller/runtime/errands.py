"""What an engineer has a device's own worker do: no other thread ever touches a device.

An errand runs between two steps of the worker, one turn at a time, so that whatever is more urgent (an emergency's doors) is not held up by more than a turn.
Whether it is allowed is asked again right before each turn: an engineer may have given the lane back meanwhile. Does not know the devices.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from gate_controller.ports.errors import DeviceTimeoutError, GateError, RefusedByStateError

ANSWER_WITHIN_S = 26.0
"""Longer than any errand takes (the fingerprint reader's 20 s), and than a device that is being opened keeps its worker before (5 s)."""
Turns = Generator[None, None, Any]
"""One device's work: yields between its turns, returns what was found. A turn takes a second or so, the longest the time of a template on a slow line (8 s)."""


@dataclass(slots=True, eq=False)
class _Errand:
    work: Callable[[], Turns]
    allowed: Callable[[], None]
    answer: Future[Any] = field(default_factory=Future)
    turns: Turns | None = None


class Errands:
    """The errands of one worker."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_Errand] = queue.SimpleQueue()
        self._now: _Errand | None = None

    @property
    def at_work(self) -> bool:
        """Whether one has begun and not ended: what an idle worker does must not come between its turns. For the worker's thread."""
        return self._now is not None

    def run(self, work: Callable[[], Turns], allowed: Callable[[], None]) -> Any:
        """Have the worker do it, and wait for what it finds. For any thread but the worker's.

        Args:
            work: Called on the worker's thread.
            allowed: Raises RefusedByStateError when it is not; likewise.

        Raises:
            RefusedByStateError: Not, or no longer, allowed.
            DeviceError: The device failed, or its worker did not come to it.
        """
        errand = _Errand(work, allowed)
        self._waiting.put(errand)
        try:
            return errand.answer.result(timeout=ANSWER_WITHIN_S)
        except TimeoutError as error:
            errand.answer.cancel()
            raise DeviceTimeoutError("the device's worker did not come to it", "look at `gatectl status`; restart the controller if it lasts") from error

    def turn(self) -> None:
        """One turn of the errand at hand, if there is one. For the worker's thread.

        Raises:
            GateError: The device failed: its worker takes it for lost, as after any other call.
        """
        errand = self._now or self._next()
        if errand is None:
            return
        self._now = errand
        try:
            errand.allowed()
            errand.turns = errand.turns or errand.work()
            next(errand.turns)
        except StopIteration as end:
            self._end()
            errand.answer.set_result(end.value)
        except RefusedByStateError as error:
            self._end()
            errand.answer.set_exception(error)
        except Exception as error:
            self._end()
            errand.answer.set_exception(error if isinstance(error, GateError) else RuntimeError("a bug in a device's test"))
            raise

    def stop(self) -> None:
        """End the one at hand before the device is used for something else: what it tidies up must not undo that. For the worker's thread."""
        if self._now is not None:
            errand = self._now
            try:
                self._end()
            finally:
                errand.answer.set_exception(RefusedByStateError("the lane needs the device; the test has ended", "gatectl maintenance on"))

    def fail(self, error: GateError) -> None:
        """The device is lost: whoever waits is told. For the worker's thread."""
        while (errand := self._now or self._next()) is not None:
            self._end()
            errand.answer.set_exception(error)

    def _next(self) -> _Errand | None:
        while True:
            try:
                errand = self._waiting.get_nowait()
            except queue.Empty:
                return None
            if errand.answer.set_running_or_notify_cancel():
                return errand

    def _end(self) -> None:
        if self._now is not None and self._now.turns is not None:
            self._now.turns.close()
        self._now = None
