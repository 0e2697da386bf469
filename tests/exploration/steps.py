"""What the core does in a state, asked once for each key: every event that can be told there, the core's answers, and the key it comes to.

Which events those are (time that runs out, signals one by one, answers, officers, what was not read before) is decided here; whether the answers are right is the
monitor's business, who has a memory of its own and is asked for each memory (search.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.machine import TRIGGERS
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from gate_controller.core.table import TABLE, Row
from gate_controller.core.values import Device, Occupancy
from tests.exploration.abstraction import KEPT_IN, NOW, Codec, Key, restore, somebody_only
from tests.exploration.direct import DirectController
from tests.exploration.reads import possible
from tests.exploration.unread import Unread
from tests.exploration.world import ACTS, BACK, LOST, STOP, TIMER, Told, answers, readings

ALWAYS_HEARD = (e.InputsRead, e.DeviceLost, e.DeviceReady, e.Started, e.StopRequested)
"""Events that change facts whatever the state; all others need a row, or they are without effect."""
UNKNOWN = "unknown_since"
INERT_SAMPLE = 50
"""In so many keys of each state the events without effect are told as well, to see that they have none."""


class Play(NamedTuple):
    """What was told and how the core answered, as far as a monitor takes notice.

    Attributes:
        steady: Before that, the counter has shown the same for long enough.
        outlasted: Before that, the board has ended all openings with a hold shorter than this many seconds.
        scenes: Each event, whether it answers the open crossing, and the commands that followed.
        failure: What the core failed with at the end, if it did.
    """

    steady: bool
    outlasted: float
    scenes: tuple[tuple[e.Event, bool, list[c.Command]], ...]
    failure: str


class Step(NamedTuple):
    """One transition of the core.

    Attributes:
        how: What happened, in words.
        play: Number of its play.
        after: The key it leads to; the same one when the core failed.
        seconds: How long that may take, at most, where only time passes; otherwise None.
        inert: It must be without effect.
    """

    how: tuple[str, ...]
    play: int
    after: Key
    seconds: float | None = None
    inert: bool = False


class Steps:
    """The core under one policy, state by state.

    Args:
        policy: The lane's rules; its times do not matter, but for `Step.seconds`.
        table: The rows.
    """

    def __init__(self, policy: CrossingPolicy, table: tuple[Row, ...] = TABLE) -> None:
        self.core = DirectController(policy, table)
        self.lane = self.core.lane
        rows = possible(table, policy)
        self.codec = Codec(self.lane, rows)
        self.unread = Unread(rows, policy)
        self.plays: list[Play] = []
        self._numbers: dict[Any, int] = {}
        self._said = (*ACTS, *answers(policy))
        self._triggered = {(row.trigger, source) for row in table for source in row.sources}
        self._sampled: Counter[State] = Counter()
        self._passed: list[State] = []
        self._deadlines: tuple[Key | None, dict[str, float]] = (None, {})  # of the key asked for last
        arm = self.lane.arm
        self.lane.arm = lambda state: (self._passed.append(state), arm(state))[1]  # type: ignore[method-assign] # to see which states an event leads through

    def start(self, told: Told) -> Step:
        """From a core as it is made: it is told of a start, and of devices that work but for one of each kind."""
        restore(self.lane, self.codec.decode(self.codec.encode(DirectController(self.lane.policy).lane)))
        working = [BACK[device] for device in Device if device not in {Device.IO_BOARD, Device.TRUST}]
        return self._take(self.codec.encode(self.lane), (told.label,), False, (told, *working))

    def of(self, key: Key) -> list[Step]:
        """Every step from a key; first those of time alone."""
        facts = self.codec.decode(key)
        pending = self.codec.waits(key)
        steps: list[Step] = []
        self._passed.clear()
        for names in _runs(pending):
            seconds = max(self.codec.lasts(key[0], name) for name in names)
            steps += self._told(key, self.codec.age(facts, names), names, (TIMER,), seconds)
        if left := self._left(key):
            late = self.codec.age(facts, pending)
        for told in self.events(key, facts):
            steps += self._told(key, facts, (), told)
            if left and told[-1].alone:
                # All its times are over, and the event comes before anybody has said so.
                steps += self._plainly(key, late, pending, told)
                for before in self._changes(key, facts, told):
                    steps.append(self._step(key, facts, pending, told, before=before))
        if self._sampled[key[0]] < INERT_SAMPLE:
            self._sampled[key[0]] += 1
            for told in self._said:
                if not self._heard(told.event, key):
                    steps.append(self._step(key, facts, (), (told,))._replace(inert=True))
        return steps

    def outlasted(self, key: Key, names: tuple[str, ...]) -> float:
        """Openings held for less than this many seconds have been ended by the board when the named times run out; with no names: may be by now.

        An opening outlasts each deadline that is shorter than its hold: it ends with the last of these, or whenever there is none.
        """
        if self._deadlines[0] is not key:
            self._deadlines = key, {name: self.codec.lasts(key[0], name) for name in self.codec.waits(key) if name.startswith("deadlines.")}
        deadlines = self._deadlines[1]
        if names and not deadlines.keys() & set(names):
            return 0.0
        return min((lasts for name, lasts in deadlines.items() if name not in names), default=float("inf"))

    # -- one step ----------------------------------------------------------------------------------------------------------

    def _told(self, key: Key, facts: dict[str, Any], names: tuple[str, ...], told: tuple[Told, ...], seconds: float | None = None) -> Iterator[Step]:
        """One event; if it leaves the state, also together with what was not read in it and may have changed before."""
        yield from self._plainly(key, facts, names, told, seconds)
        for before in self._changes(key, facts, told):
            yield self._step(key, facts, names, (*before, *told))

    def _changes(self, key: Key, facts: dict[str, Any], told: tuple[Told, ...]) -> list[tuple[Told, ...]]:
        """What was not read in the state and may have changed before the event that has just left it."""
        if not self._left(key):
            return []
        stops = isinstance(told[-1].event, e.StopRequested)
        return [before for before in self.unread.changes(tuple(self._passed), facts) if not (stops and before == (STOP,))]

    def _plainly(self, key: Key, facts: dict[str, Any], names: tuple[str, ...], told: tuple[Told, ...], seconds: float | None = None) -> Iterator[Step]:
        """One event; if it leaves a state that does not ask for how long something has been unknown, and comes to one that does: for any time."""
        self._passed.clear()
        yield self._step(key, facts, names, told, seconds)
        asked_in = KEPT_IN[UNKNOWN]
        if facts[UNKNOWN] is not None and key[0] not in asked_in and not asked_in.isdisjoint(self._passed):
            yield self._step(key, self.codec.age(facts, (UNKNOWN,)), (*names, UNKNOWN), told, seconds)

    def _left(self, key: Key) -> bool:
        return bool(self._passed) and self._passed != [key[0]]

    def _step(
        self, key: Key, facts: dict[str, Any], names: tuple[str, ...], tolds: tuple[Told, ...], seconds: float | None = None, before: tuple[Told, ...] = ()
    ) -> Step:
        """One event, or several at once. What is told `before` comes while no time is over yet."""
        restore(self.lane, facts)
        how = (*[told.label for told in before], *[f"{name} over" for name in names], *[told.label for told in tolds])
        return self._take(key, how, "occupancy_since" in names, self._in_order(before, names, tolds), seconds, self.outlasted(key, names) if names else 0.0)

    def _in_order(self, before: tuple[Told, ...], names: tuple[str, ...], tolds: tuple[Told, ...]) -> Iterator[Told]:
        if before:
            yield from before
            self.lane.__dict__.update(self.codec.age(self.lane.__dict__, names))
        yield from tolds

    def _take(self, key: Key, how: tuple[str, ...], steady: bool, tolds: Iterable[Told], seconds: float | None = None, outlasted: float = 0.0) -> Step:
        scenes: list[tuple[e.Event, bool, list[c.Command]]] = []
        signs: list[Any] = [steady, outlasted]
        failure = ""
        for told in self._with_calm(tolds):
            out = self.core.handle(told.event, NOW)
            scenes.append((told.event, told.mine, out))
            signs.append(told)
            signs += [SIGNS[type(command)](command) for command in out]
            if self.core.failure is not None:
                failure = f"INV-4: the core failed: {type(self.core.failure).__name__}: {self.core.failure}"
                signs.append(failure)
                self.core._failure = None
                break
        number = self._numbers.setdefault(tuple(signs), len(self.plays))
        if number == len(self.plays):
            self.plays.append(Play(steady, outlasted, tuple(scenes), failure))
        return Step(how, number, key if failure else self.codec.encode(self.lane), seconds)

    def _with_calm(self, tolds: Iterable[Told]) -> Iterator[Told]:
        yield from tolds
        yield from self.unread.calmed(self.lane)

    # -- which events ------------------------------------------------------------------------------------------------------

    def events(self, key: Key, facts: dict[str, Any]) -> Iterator[tuple[Told, ...]]:
        """What is told in a state, but for time and for what has no effect in it."""
        inputs, missing = facts["inputs"], facts["missing"]
        unread = self.unread.waiting(facts)
        somebody = somebody_only(key[0], self.codec.by_officer(key))
        if Device.IO_BOARD not in missing:
            for signal, told in readings(inputs, self.lane.policy.doors):
                if signal not in unread and not (somebody and told.event.inputs.occupancy is Occupancy.MANY):
                    yield (told,)
        yield (BACK[Device.IO_BOARD] if Device.IO_BOARD in missing else LOST[Device.IO_BOARD],)
        for device, other in ((Device.FINGERPRINT, Device.TRUST), (Device.TRUST, Device.FINGERPRINT)):
            if device.value in unread:
                continue
            if device in missing:
                yield (BACK[device],)
            else:
                yield (LOST[device], BACK[other]) if other in missing else (LOST[device],)
        if not facts["stopping"] and "stopping" not in unread:
            yield (STOP,)
        for told in self._said:
            if self._heard(told.event, key):
                yield (told,)

    def _heard(self, event: e.Event, key: Key) -> bool:
        if isinstance(event, e.CheckEnded):
            return key[0] is State.IDENTITY_CHECK
        return isinstance(event, ALWAYS_HEARD) or (TRIGGERS.get(type(event)), key[0]) in self._triggered


def _runs(pending: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield from ((name,) for name in pending)
    if len(pending) > 1:
        yield pending


def _record(command: c.RecordCrossing) -> Any:
    record = command.record
    truth = (record.admitted, record.authorised, record.entered, record.verified, record.exited, record.chamber_empty)
    return (command.__class__, record.outcome, record.reason, truth, record.officer)


SIGNS: dict[type, Callable[[Any], Any]] = {
    c.OpenDoor: lambda command: (c.OpenDoor, command.door, command.hold_s, command.emergency),
    c.CloseDoor: lambda command: (c.CloseDoor, command.door),
    c.SetLamp: lambda command: (c.SetLamp, command.lamp, command.on),
    c.StartCheck: lambda command: (c.StartCheck, command.modality),
    c.NoteEvent: lambda command: (c.NoteEvent, command.kind),
    c.RecordCrossing: _record,
} | dict.fromkeys(
    (
        c.ShowPrompt,
        c.VerifyPass,
        c.FindEnrolment,
        c.RecordAdmission,
        c.PrepareBiometrics,
        c.GatherPadEvidence,
        c.EndBiometrics,
        c.CallOfficer,
        c.EndOfficerCall,
    ),
    type,
)
"""What tells commands apart for a monitor: all that it looks at (monitor.py, `_take`). Two answers with the same signs are judged once."""
