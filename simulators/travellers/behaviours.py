"""How people behave in the lane: small scripts in virtual time.

A script is a generator that looks (`me.eyes`), acts (`me.body`, `me.hold_up_phone()`) and yields until the next moment. It
knows nothing of the gate but what a person perceives, and nothing of how its crossing is expected to end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

from gate_controller.core.prompts import Prompt
from gate_controller.core.values import Door
from simulators.travellers.perception import BACK, LIFT, NOT_NOW, REFUSALS, Eyes, ReaderLight
from simulators.world import Body, LaneGeometry, Pace, Place

Script = Generator[None, None, None]
Behaviour = Callable[["Person"], Script]

FOLLOWING_M = 0.5
"""How close a tailgater walks behind the one in front, centre to centre."""


class HeldPhone(Protocol):
    """What the phone in somebody's hand shows."""

    def text_at(self, now: float) -> str:
        """QR text at `now`, seconds since the epoch; "" while it shows none."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long people put up with things, in seconds.

    Attributes:
        queue_s: Waiting for a lane that does not invite.
        door_s: Holding the phone up without an answer.
        red_s: Holding the phone up while the red lamp shines, without a display: people take that for a no.
        green_s: Holding the phone up when the lamp was red and is green again with the door shut, likewise.
        go_back_s: Standing inside while the entry stays open.
        press_s: Pressing the finger without an answer of the reader.
        lift_s: Between two presses.
    """

    queue_s: float = 120.0
    door_s: float = 20.0
    red_s: float = 6.0
    green_s: float = 1.5
    go_back_s: float = 4.0
    press_s: float = 4.0
    lift_s: float = 0.6


HELD_S = 10.0
"""So long a phone is held up before its holder looks whether it shows another code."""


@dataclass(slots=True)
class Person:
    """Somebody with a body, eyes, a phone and a finger.

    Attributes:
        body: Their body in the world.
        eyes: What they perceive.
        geometry: Where things are.
        pace: How fast they react.
        phone: The phone in their hand; None for somebody without.
        finger: The finger they would put on the sensor; None for somebody who would not.
        patience: How long they put up with things.
    """

    body: Body
    eyes: Eyes
    geometry: LaneGeometry
    pace: Pace
    phone: HeldPhone | None = None
    finger: str | None = None
    patience: Patience = Patience()
    _looks_again_at: float = 0.0

    def hold_up_phone(self) -> None:
        """Hold the phone before the reader: what it shows now, and what it then shows when it has been held for a while.

        Not at each moment: a phone that signs anew just while its refusal is read would be refused twice, which is right, and happens once in so many.
        """
        if self.body.phone_text is None or self.eyes.now >= self._looks_again_at:
            self.body.phone_text = (self.phone.text_at(self.eyes.wall) or None) if self.phone else None
            self._looks_again_at = self.eyes.now + HELD_S

    def lower_phone(self) -> None:
        """Take the phone away."""
        self.body.phone_text = None

    def walk_to(self, to_m: float) -> None:
        """Start walking there; the body walks on while the person looks."""
        self.body.target_m = to_m

    def is_at(self, at_m: float) -> bool:
        """Whether I have got there."""
        return abs(self.body.position_m - at_m) < 1e-6

    def wait(self, seconds: float) -> Script:
        """Let time pass."""
        until = self.eyes.now + seconds
        while self.eyes.now < until:
            yield


def cross(me: Person) -> Script:
    """Walk up, show the phone, go in, give finger and face, go out: what a good traveller does, and most others, too."""
    if (yield from _get_admitted(me)):
        yield from _go_through(me)
    yield from _leave(me)


def never_enter(me: Person) -> Script:
    """Show the phone, then stay outside and walk away once the entry has closed again."""
    if (yield from _get_admitted(me)):
        while not me.eyes.entry_is_over():
            yield
    yield from _leave(me)


def tailgate(leader: Body) -> Behaviour:
    """Walk in right behind `leader` without a pass of one's own, and out by whatever way opens."""

    def follow(me: Person) -> Script:
        me.walk_to(me.geometry.reader_m - FOLLOWING_M)
        while not me.eyes.may_come_in():
            if leader.position_m < me.body.position_m:
                yield from _leave(me)
                return
            yield
        stand = me.geometry.stand_m - FOLLOWING_M
        while me.eyes.place is Place.QUEUE and not me.eyes.entry_is_over():
            me.walk_to(min(stand, leader.position_m - FOLLOWING_M))
            yield
        yield from _stay_inside(me, stand)
        yield from _leave(me)

    return follow


def _get_admitted(me: Person) -> Generator[None, None, bool]:
    """Walk to the reader, show the phone; returns whether the entry opened."""
    me.walk_to(me.geometry.reader_m)
    while not me.is_at(me.geometry.reader_m):
        yield
    give_up = me.eyes.now + me.patience.queue_s
    while me.eyes.now < give_up:
        if me.eyes.lane_invites():
            admitted = yield from _show_phone(me)
            if admitted is not None:
                return admitted
        yield
    return False


def _show_phone(me: Person) -> Generator[None, None, bool | None]:
    """Hold the phone up until the entry opens (True), the answer is no (False), or the lane closes (None)."""
    yield from me.wait(me.pace.hesitation_s)
    began = me.eyes.now
    lamp = _LampWatch(me)
    answer: bool | None = False
    while me.eyes.now < began + me.patience.door_s:
        if me.eyes.may_come_in():
            answer = True
            break
        if me.eyes.prompt in REFUSALS or lamp.says_no():
            break
        if me.eyes.prompt in NOT_NOW or not me.eyes.closed(Door.EXIT):
            answer = None
            break
        me.hold_up_phone()
        yield
    me.lower_phone()
    return answer


class _LampWatch:
    """Reads the answer to a held-up phone off the lamps alone, for lanes whose display says nothing."""

    def __init__(self, me: Person) -> None:
        self._me = me
        self._was_red = False
        self._red = False
        self._since = me.eyes.now

    def says_no(self) -> bool:
        """Whether the lamp has been red for long, or has gone back to green without the door moving."""
        me = self._me
        red = me.eyes.lamp("entry_red")
        if red != self._red:
            self._red, self._since = red, me.eyes.now
            self._was_red |= red
        if me.eyes.prompt is not None or not me.eyes.closed(Door.ENTRY):
            return False
        for_s = me.eyes.now - self._since
        return for_s > me.patience.red_s if red else self._was_red and for_s > me.patience.green_s


def _go_through(me: Person) -> Script:
    while me.eyes.place is Place.QUEUE and not me.eyes.entry_is_over():
        me.walk_to(me.geometry.stand_m)
        yield
    yield from _stay_inside(me, me.geometry.stand_m)


def _stay_inside(me: Person, stand_m: float) -> Script:
    """Stand at `stand_m` with face and finger until a door lets me out; returns when I am out of the chamber."""
    entered_at = me.eyes.now
    entry_was_shut = False
    hand = _hand(me)
    while me.eyes.place is Place.CHAMBER:
        entry_was_shut |= me.eyes.closed(Door.ENTRY)
        if me.eyes.open(Door.EXIT):
            me.body.finger = None
            me.walk_to(me.geometry.beyond_m)
        elif me.eyes.open(Door.ENTRY) and _sent_back(me, entered_at, entry_was_shut=entry_was_shut):
            me.body.finger = None
            me.walk_to(me.geometry.queue_m)
        else:
            me.walk_to(stand_m)
            if me.is_at(stand_m):
                next(hand, None)
        yield
    me.body.finger = None


def _sent_back(me: Person, entered_at: float, *, entry_was_shut: bool) -> bool:
    """Whether the open entry means me: it opened again, the display says so, or it has stayed open for too long."""
    if entry_was_shut or me.eyes.prompt in BACK:
        return True
    return me.eyes.prompt is None and me.eyes.now > entered_at + me.patience.go_back_s


def _hand(me: Person) -> Script:
    """Put the finger down once the entry is shut; lift it when reader or display ask for it, and try again."""
    while not me.eyes.entry_is_over():
        yield
    yield from me.wait(me.pace.hesitation_s)
    while me.finger is not None and me.eyes.prompt is not Prompt.WAIT_FOR_OFFICER:
        me.body.finger = me.finger
        yield from _press(me)
        me.body.finger = None
        yield from me.wait(me.patience.lift_s)


def _press(me: Person) -> Script:
    """Keep the finger down until asked to lift it, or until nothing has happened for too long."""
    pressed_at = me.eyes.now
    heeded = _asked_to_lift(me)  # what was asked after the attempt before may still be in sight
    while me.eyes.now < pressed_at + me.patience.press_s and me.eyes.prompt is not Prompt.WAIT_FOR_OFFICER:
        asked = _asked_to_lift(me)
        if asked and not heeded:
            return
        heeded &= asked
        yield


def _asked_to_lift(me: Person) -> bool:
    """What the display says counts; the light only where there is none: it stays red until the next check."""
    if me.eyes.prompt is not None:
        return me.eyes.prompt in LIFT
    return me.eyes.reader_light is ReaderLight.BAD


def _leave(me: Person) -> Script:
    """Walk away on the side I am on, until I am gone."""
    me.lower_phone()
    me.body.finger = None
    away_m = me.geometry.beyond_m if me.eyes.place is Place.BEYOND else me.geometry.queue_m
    me.walk_to(away_m)
    while not me.is_at(away_m):
        yield
