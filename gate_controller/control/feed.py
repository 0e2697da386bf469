"""Events of the running gate, from the thread that decides to everybody who watches.

The publisher never waits: an event is turned into text once, put into a bounded ring, and the loop is woken.
Subscribers read the ring at their own pace, each with a cursor; who falls behind by more than the ring holds is told
how many events were missed. So memory is bounded whatever the number and the speed of the subscribers.

Does not speak HTTP, does not decide what an event may hold, and is no journal: what leaves the ring is gone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import uuid
from collections import deque
from dataclasses import dataclass

import structlog

from gate_controller.ports.clock import Clock
from gate_controller.ports.control import JsonObject

log = structlog.get_logger("gate.control")

CROSSING = "crossing_recorded"
LOST = "event_lost"
GATHER_S = 0.05
"""How long a running gate's events are gathered before those who watch are woken: a decision makes several, and should not wait for their telling."""
_TAKE_AT_MOST = 64  # events a subscriber takes under the lock at a time


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        sequence: Grows by one an event within a run.
        at: Seconds since the epoch.
        kind: Kind of ports.control.EventSink.
        fields: The fields as JSON text, fixed at the moment of publishing.
    """

    sequence: int
    at: float
    kind: str
    fields: str


@dataclass(frozen=True, slots=True)
class Latest:
    """Where the gate stands: the newest sequence number, and the last status and prompt (None before the first)."""

    sequence: int
    status: Event | None
    prompt: Event | None


@dataclass(frozen=True, slots=True)
class Taken:
    """What a subscriber takes at once: how many events it missed before these, the events, whether a heartbeat is due."""

    missed: int
    events: tuple[Event, ...]
    beat: bool


@dataclass(frozen=True, slots=True)
class Crossings:
    """Recent crossings, oldest first.

    Attributes:
        last: Number of the newest crossing of this run, 0 before the first.
        missed: Crossings asked for that the ring no longer holds.
        records: `crossing_recorded` events; their fields carry "number".
    """

    last: int
    missed: int
    records: tuple[Event, ...]


class EventFeed:
    """A `ports.control.EventSink` with any number of subscribers on one asyncio loop.

    `publish()`, `latest()` and `crossings()` may be called on any thread; the rest belongs to the loop's thread.

    Args:
        clock: Dates the events.
        events: Events kept.
        crossings: Crossing records kept, apart from the events.
        run: Name of this run, so that a client sees that numbers have begun anew; random unless given.
        gather_s: Time from an event until subscribers are woken, for all that come within it.
    """

    def __init__(self, clock: Clock, *, events: int = 1024, crossings: int = 1024, run: str | None = None, gather_s: float = 0.0) -> None:
        self.run = run or uuid.uuid4().hex
        self.clock = clock
        self._lock = threading.Lock()
        self._sequence = 0
        self._events: deque[Event] = deque(maxlen=events)
        self._crossing_count = 0
        self._crossings: deque[Event] = deque(maxlen=crossings)
        self._status: Event | None = None
        self._prompt: Event | None = None
        self._gather_s = gather_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waking = False
        self._beats = 0
        self._subscribers: set[Subscription] = set()

    def publish(self, kind: str, fields: JsonObject) -> None:
        """Publish one event; see EventSink. Fields that are not JSON are replaced by an event "event_lost" {"kind"}."""
        with self._lock:
            if kind == CROSSING:
                fields = {**fields, "number": self._crossing_count + 1}
            try:
                text = json.dumps(fields, allow_nan=False)
            except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: changed while it was read, or nested too deep
                log.error("event is not JSON and was lost", kind=str(kind), error=str(error))  # noqa: TRY400 - the traceback would show the fields
                kind, text = LOST, json.dumps({"kind": str(kind)})
            self._sequence += 1
            event = Event(self._sequence, self.clock.wall(), kind, text)
            self._events.append(event)
            if kind == "status":
                self._status = event
            elif kind == "prompt":
                self._prompt = event
            elif kind == CROSSING:
                self._crossing_count += 1
                self._crossings.append(event)
            if self._loop is not None and not self._waking:
                self._waking = True  # one wake-up in flight is enough, however fast events come
                try:
                    self._loop.call_soon_threadsafe(self._loop.call_later, self._gather_s, self._wake)
                except RuntimeError:  # the loop was closed without detach()
                    self._loop = None

    def latest(self) -> Latest:
        """Where the gate stands now."""
        with self._lock:
            return Latest(self._sequence, self._status, self._prompt)

    def crossings(self, after: int = 0) -> Crossings:
        """Crossings with a number greater than `after`, as far as the ring holds them."""
        with self._lock:
            oldest = self._crossing_count - len(self._crossings) + 1
            records = tuple(itertools.islice(self._crossings, max(0, after - oldest + 1), None))
            return Crossings(self._crossing_count, max(0, oldest - 1 - after), records)

    @property
    def subscribers(self) -> int:
        """How many listen now."""
        return len(self._subscribers)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake subscribers on `loop` from now on."""
        with self._lock:
            self._loop = loop
            self._waking = False

    def detach(self) -> None:
        """Forget the loop, before it is closed; events are still kept for the next one."""
        with self._lock:
            self._loop = None
        self._subscribers.clear()

    def beat(self) -> None:
        """Let every subscriber know that the gate lives."""
        self._beats += 1
        self._wake_all()  # one that gathers events goes on, and needs no second one beside it

    def subscribe(self, after: int | None = None) -> Subscription:
        """Subscribe from the event after number `after` on; without it, from now on."""
        subscription = Subscription(self, self.latest().sequence if after is None else after)
        self._subscribers.add(subscription)
        return subscription

    def end_subscriptions(self) -> None:
        """Tell every subscriber that there will be no more events."""
        for subscription in tuple(self._subscribers):
            subscription.close()

    def _wake(self) -> None:
        with self._lock:
            self._waking = False
        self._wake_all()

    def _wake_all(self) -> None:
        for subscription in self._subscribers:
            subscription.wake.set()

    def _after(self, cursor: int) -> tuple[int, tuple[Event, ...]]:
        with self._lock:
            oldest = self._sequence - len(self._events) + 1
            missed = max(0, oldest - 1 - cursor)
            start = max(0, cursor - oldest + 1)
            return missed, tuple(itertools.islice(self._events, start, start + _TAKE_AT_MOST))


class Subscription:
    """One subscriber's cursor; made by `EventFeed.subscribe()`, used on the loop's thread.

    Attributes:
        closed: True once no more events will come.
        wake: Set when there may be something to take.
    """

    def __init__(self, feed: EventFeed, cursor: int) -> None:
        self.closed = False
        self.wake = asyncio.Event()
        self._feed = feed
        self._cursor = cursor
        self._beats = feed._beats  # noqa: SLF001 - the two are one mechanism
        if cursor < feed.latest().sequence:
            self.wake.set()

    async def wait(self) -> None:
        """Wait until there may be something to take, or the subscription is closed."""
        await self.wake.wait()
        self.wake.clear()

    def take(self) -> Taken:
        """Take what has come, at most some dozens of events at a time; the rest wakes `wait()` again."""
        missed, events = self._feed._after(self._cursor)  # noqa: SLF001 - as above
        self._cursor += missed + len(events)
        beats, self._beats = self._beats, self._feed._beats  # noqa: SLF001 - as above
        if len(events) == _TAKE_AT_MOST:
            self.wake.set()
        return Taken(missed, events, self._beats != beats)

    def close(self) -> None:
        """Leave the feed; `wait()` returns."""
        self.closed = True
        self._feed._subscribers.discard(self)  # noqa: SLF001 - as above
        self.wake.set()
