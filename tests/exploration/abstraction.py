"""A state of the core as a key: what can still matter, and nothing else; and back from a key to a core in that state.

Time is reduced to one bit for each thing that is waited for: its time is over, or it is not. `now` stands still at 0; what is
pending began at 0, what is over began AGES ago. Which fact is left out in which state, and why nothing is lost, is argued in docs/exploration.md and
checked by walks beside a core that forgets nothing (test_abstraction.py). A fact that the core gains later is part of every key until somebody
argues otherwise. Explores nothing itself.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from enum import Enum
from typing import Any

from gate_controller.core.actions import Actions
from gate_controller.core.facts import DEVICE_LOST, Crossing, Facts, Verdict
from gate_controller.core.guards import Guards
from gate_controller.core.reasons import Reason
from gate_controller.core.states import DEADLINES, State
from gate_controller.core.table import TABLE, Row
from gate_controller.core.values import UNKNOWN_INPUTS, Device, Door, DoorPosition, Modality, Occupancy, Outcome, PassFacts, Region
from tests.exploration.reads import asked_in

NOW = 0.0
AGES = 1e6
"""Longer than every time of a policy, in seconds."""
PENDING, OVER = 0, 1

ID = "x"
"""Every crossing is called this once it is kept; a stale answer bears another id."""
PASS = PassFacts(b"p" * 16, b"e" * 16, Region.HK, 1, 1_800_000_000, 1_799_990_000, 1_800_090_000)
SOME = Reason.DOOR_FORCED
"""Stands for every reason that only a record or a display would show."""

NEVER_KEPT: dict[str, Any] = {
    "now": NOW,
    "acknowledged_by": None,
    "escalation": 0,
    "call_number": 0,
    "stop_forced": False,
    "_prompt": None,
    "_row_reason": Reason.STARTING,
}
"""Facts that no guard reads before they are written, or that only number a call: with what a core gets instead."""
NOT_FACTS = {"policy", "event", "out", "armed_for"}
OUT, READY, PASSING = State.OUT_OF_SERVICE, State.READY, State.PASS_CHECK
INSIDE = {State.ENTRY_OPEN, State.OCCUPANCY_CHECK, State.IDENTITY_CHECK}
KEPT_IN: dict[str, set[State]] = {
    "many_seen_at": INSIDE,
    "settled_at": {READY, PASSING, *INSIDE},
    "unknown_since": {OUT, READY, PASSING, *INSIDE, State.EXIT_OPEN},
    "exit_beam_since": {READY, PASSING},
    "refusal": {READY},
}
"""Facts that matter in these states only; elsewhere what is pending stays pending, and is over when the state is left, or not (steps.py)."""
DECIDING = {PASSING, *INSIDE}
"""Where pass, entry and checks are asked for."""
STOPPING = {OUT, READY, PASSING}
"""Where it is asked for whether a stop was requested; elsewhere that waits (unread.py)."""
SOMEBODY = {OUT, State.CLEARING, State.RETURN_PATH, State.OFFICER_REFERRAL, State.EMERGENCY, State.MAINTENANCE}
"""Where the counter is asked for nobody and for somebody, but not for how many; and where an officer has opened the exit (`somebody_only`)."""
MOVES = {State.ENTRY_OPEN: "entry_seen_ajar", State.RETURN_PATH: "entry_seen_ajar", State.EXIT_OPEN: "exit_seen_ajar"}
"""Where a door has a time to move in, which does not matter once it has moved."""
CALLING = {OUT, State.OFFICER_REFERRAL}
"""Where the same call may be made again for another reason."""

Key = tuple[Any, ...]


def _written_by_arm() -> frozenset[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(Facts.arm)))
    return frozenset(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))


BEGUN_ANEW = _written_by_arm() - NOT_FACTS
"""Facts that begin anew whenever a state is entered: they matter only to the rows of the state they belong to."""


def _told_apart() -> frozenset[Reason]:
    trees = [ast.parse(textwrap.dedent(inspect.getsource(method))) for name, method in inspect.getmembers(Guards, inspect.isfunction) if name != "__init__"]
    asking = [tree for tree in trees if any(ast.unparse(node) == "self.reason" for node in ast.walk(tree))]
    names = {node.attr for tree in asking for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Reason"}
    return frozenset(Reason[name] for name in names)


TOLD_APART = _told_apart()
"""Reasons that a guard asks for by name; it asks for them together, and one stands for all."""
ONE_OF_THEM = min(TOLD_APART, key=lambda reason: reason.name)


class Codec:
    """Keys of one lane's core.

    Args:
        lane: A core's facts as it was made: what has no meaning in a state is given back as it is here.
        table: The rows whose guards decide which facts have a meaning in a state.
    """

    def __init__(self, lane: Actions, table: tuple[Row, ...] = TABLE) -> None:
        made = Actions(lane.policy).__dict__
        self._policy = lane.policy
        self.names = tuple(sorted(set(made) - NOT_FACTS - set(NEVER_KEPT)))
        self._made = {name: made[name] for name in self.names}
        asked = {state: asked_in(state, table) for state in State}
        self.meaningful = {state: [(name, _kind(name, self._made[name])) for name in self.names if _means(name, state, asked[state])] for state in State}
        self._place_of_crossing = {state: [name for name, _ in self.meaningful[state]].index("crossing") + 1 for state in State}
        self._lasts: dict[tuple[State, str], float] = {}
        self._forced = {state: frozenset(door for door in Door if f"{door.value.removesuffix('_door')}_forced" in asked[state]) for state in State}

    def encode(self, lane: Actions) -> Key:
        """The key of the state a core is in."""
        state, own = lane.state, lane.__dict__
        self._tidy(lane, state)
        key: list[Any] = [state]
        for name, kind in self.meaningful[state]:
            value = own[name]
            if kind == "value":
                pass
            elif kind == "time":
                value = None if value is None else OVER if value < -1.0 else PENDING
            elif kind == "map":
                value = _frozen(value) if value else ()
            elif kind == "set":
                value = frozenset(value)
            elif kind == "crossing":
                value = None if value is None else _crossing_key(value, state)
            key.append(value)
        return tuple(key)

    def decode(self, key: Key) -> dict[str, Any]:
        """Facts of a core in that state; containers are copied by `restore` before a core may use them."""
        state = key[0]
        facts = {**self._made, **NEVER_KEPT, "state": state, "armed_for": state}
        for (name, kind), value in zip(self.meaningful[state], key[1:], strict=True):
            facts[name] = _thawed(kind, value)
        if facts["inputs"] == UNKNOWN_INPUTS:
            facts["inputs"] = UNKNOWN_INPUTS  # the very object, also for a key that comes from another process
        if "_called" in facts and facts["_called"] is not None:
            facts["_called"] = (facts["reason"] if facts["_called"] == "same" else Reason.INTERNAL_ERROR, 0)
        for name, places in KEPT_IN.items():
            if state not in places and name != "refusal":
                facts[name] = _as_told(name, facts)
        return facts

    def waits(self, key: Key) -> tuple[str, ...]:
        """What time alone would change in this state, by name."""
        named = []
        officer = self.by_officer(key)
        for (name, kind), value in zip(self.meaningful[key[0]], key[1:], strict=True):
            if kind == "time" and value == PENDING and not (name == "occupied_since" and somebody_only(key[0], officer)):
                named.append(name)
            elif kind == "map" and value:
                named += [
                    f"{name}.{each.value if isinstance(each, Enum) else each}" for each, bit in value if bit is PENDING or (bit == PENDING and type(bit) is int)
                ]
        return tuple(named)

    def by_officer(self, key: Key) -> bool:
        """Whether an officer let the traveller through."""
        crossing = key[self._place_of_crossing[key[0]]]
        return crossing is not None and crossing[1]

    def lasts(self, state: State, name: str) -> float:
        """How long it takes until the named time is over, at most, in seconds."""
        if (known := self._lasts.get((state, name))) is not None:
            return known
        fact, _, each = name.partition(".")
        times = DEADLINES[state][each] if fact == "deadlines" else (LASTS[fact],)
        total = float(sum(getattr(self._policy, time) for time in times))
        return self._lasts.setdefault((state, name), max(total, self._policy.officer_attend_s) if each == "officer" else total)

    def age(self, facts: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        """The same facts after the named times are over."""
        aged = dict(facts)
        for name in names:
            fact, _, each = name.partition(".")
            if not each:
                aged[fact] = -AGES
            elif fact == "deadlines":
                aged[fact] = {**aged[fact], each: -1.0}
            else:
                aged[fact] = {**aged[fact], Door(each): -AGES}
        if "occupancy_since" in names and facts["occupied_since"] is not None:
            aged["occupied_since"] = -AGES  # somebody has been shown for at least as long as this number of people
        return aged

    def _tidy(self, lane: Actions, state: State) -> None:
        """Forget what cannot matter though its fact can (docs/exploration.md, "What a key leaves out")."""
        counted = lane.inputs.occupancy
        if somebody_only(state, lane.by_officer()) and counted is not Occupancy.ZERO:
            lane.occupancy_since = -AGES if lane.occupied_since is None else lane.occupied_since
        if state in MOVES and getattr(lane, MOVES[state]):
            lane.deadlines["door_moves"] = -1.0
        if lane.occupancy_since < -1.0:
            lane.settled_at = -AGES
            lane.occupied_since = None if lane.occupied_since is None else -AGES
        if state not in STOPPING:
            lane.stopping = False
        if lane.many_seen_at is not None and lane.many_seen_at < -1.0:
            lane.many_seen_at = None
        if state is not OUT:
            for device, why in lane.missing.items():
                if why is Reason.STARTING:
                    lane.missing[device] = DEVICE_LOST[device]
        forced = self._forced[state]
        if lane.ajar_since:
            lane.ajar_since = {door: since for door, since in lane.ajar_since.items() if door in forced and door in lane.seen_shut}
        if lane.unconfirmed_since:
            lane.unconfirmed_since = {d: s for d, s in lane.unconfirmed_since.items() if state in UNCONFIRMED[d]}
        lane.seen_shut &= forced
        told_apart = lane.reason in TOLD_APART
        if state is State.OFFICER_REFERRAL:
            told_apart = self._tidy_referral(lane, told_apart)
        self._tidy_crossing(lane, state, told_apart and state is State.OFFICER_REFERRAL)
        called = lane._called
        if called is not None:
            lane._called = "same" if state in CALLING and called[0] is lane.reason else "other"
        if lane.latched not in {None, Reason.EMERGENCY, Reason.MAINTENANCE}:
            lane.reason = SOME if lane.reason is lane.latched else lane.reason
            lane.latched = SOME
        if state is State.OFFICER_REFERRAL:
            lane.reason = ONE_OF_THEM if told_apart else SOME
        elif state is not OUT:
            lane.reason = None
        elif lane.stopping:
            lane.reason = SOME  # it is not asked for any more
        if lane.verdict is not None:
            lane.verdict = VERDICTS[lane.verdict.outcome]
        if lane.refusal is not None:
            lane.refusal = SOME

    def _tidy_referral(self, lane: Actions, told_apart: bool) -> bool:
        """What was seen of the doors tells how the chamber became empty: only while that is open, and for whoever came in by the entry or may have left late."""
        undecided = lane.crossing is not None and lane.verdict is None
        told_apart = told_apart and undecided
        may_have_gone_back = undecided and lane.may_return() and not lane.exit_seen_ajar and not lane.exit_doubted
        lane.entry_seen_ajar &= may_have_gone_back
        lane.exit_doubted = not may_have_gone_back
        if not told_apart:
            lane.exit_beam_broken = False
            lane.exit_seen_ajar = False
        return told_apart

    @staticmethod
    def _tidy_crossing(lane: Actions, state: State, told_apart: bool) -> None:
        """What was verified, who decided and whether the way back was offered: kept while something may still follow from it."""
        crossing = lane.crossing
        if crossing is None or state in DECIDING:
            return
        if not lane.may_return():
            crossing.way_back_offered = False
            if state is not State.RETURN_PATH:
                lane.unconfirmed_since.pop(Door.EXIT, None)
        outcome = lane.verdict.outcome if lane.verdict is not None else None
        if outcome is not Outcome.COMPLETED:
            crossing.exited = False
        if crossing.officer is not None and outcome is not Outcome.COMPLETED:
            crossing.verified = False  # rows ask for the officer first
        if state is State.EXIT_OPEN or told_apart:
            return
        if outcome is not Outcome.COMPLETED:
            crossing.verified = False
        if outcome is not Outcome.RELEASED_BY_OFFICER:
            crossing.officer = None


LASTS = {
    "ajar_since": "stable_s",
    "occupancy_since": "stable_s",
    "occupied_since": "stable_s",
    "many_seen_at": "occupancy_settle_s",
    "exit_beam_since": "unknown_grace_s",
    "settled_at": "unknown_grace_s",
    "unconfirmed_since": "unknown_grace_s",
    "unknown_since": "unknown_grace_s",
}
"""By which time of the policy what is pending is over."""


def somebody_only(state: State, by_officer: bool) -> bool:
    """Whether the counter is asked for nobody and for somebody, but not for how many."""
    return state in SOMEBODY or (state is State.EXIT_OPEN and by_officer)


UNCONFIRMED = {
    Door.ENTRY: {State.EXIT_OPEN},
    Door.EXIT: {*INSIDE, State.RETURN_PATH, State.OFFICER_REFERRAL, State.CLEARING},
}
"""Where it matters for how long a door has not been confirmed closed."""
TOLD = {Outcome.COMPLETED, Outcome.REFUSED, Outcome.RELEASED_BY_OFFICER}
"""Outcomes that a monitor asks evidence for; ABORTED stands for every other."""
VERDICTS = {outcome: Verdict(outcome if outcome in TOLD else Outcome.ABORTED, None if outcome is Outcome.COMPLETED else SOME) for outcome in Outcome}


def restore(lane: Actions, facts: dict[str, Any]) -> None:
    """Bring a core into a state."""
    own = lane.__dict__
    own.update(facts)
    own["out"] = []
    for name in COPIED:
        if name in facts:
            own[name] = facts[name].copy()
    if facts["crossing"] is not None:
        own["crossing"] = _crossing(facts["crossing"])
    shut = own["seen_shut"]
    inputs = own["inputs"]
    if inputs.entry_door is DoorPosition.CLOSED:
        shut.add(Door.ENTRY)
    if inputs.exit_door is DoorPosition.CLOSED:
        shut.add(Door.EXIT)


COPIED = ("ajar_since", "unconfirmed_since", "missing", "deadlines", "seen_shut")


def _means(name: str, state: State, asked: frozenset[str]) -> bool:
    if name == "state":
        return False
    if name in KEPT_IN and state not in KEPT_IN[name]:
        return False
    return name not in BEGUN_ANEW or name in asked or name == "deadlines"


def _kind(name: str, made: Any) -> str:
    if name == "crossing":
        return "crossing"
    if name.endswith(("_since", "_at")) and not isinstance(made, dict):
        return "time"
    if isinstance(made, dict):
        return "map"
    return "set" if isinstance(made, set) else "value"


def _frozen(value: dict[Any, Any]) -> tuple[tuple[Any, Any], ...]:
    """Times become bits; the order of a dict is of no account."""
    if len(value) == 1:
        return tuple([(each, _bit(at)) for each, at in value.items()])
    return tuple(sorted([(each, _bit(at)) for each, at in value.items()], key=_by_name))


def _bit(at: Any) -> Any:
    # A since-time that is over lies AGES back; a deadline that is over lies at or before now, a pending one later.
    if at.__class__ is not float:
        return at
    return OVER if at < -0.5 else PENDING


def _thawed(kind: str, value: Any) -> Any:
    if kind == "time":
        return None if value is None else _at(value)
    if kind == "map":
        return {each: (_deadline(bit) if isinstance(each, str) else _at(bit)) if bit.__class__ is int else bit for each, bit in value}
    return set(value) if kind == "set" else value


def _deadline(bit: int) -> float:
    return -1.0 if bit else AGES


def _at(bit: int) -> float:
    return -AGES if bit else NOW


def _as_told(name: str, facts: dict[str, Any]) -> float | None:
    """A pending time where its fact is left out: as the inputs would begin it now."""
    inputs = facts["inputs"]
    match name:
        case "many_seen_at":
            return None
        case "exit_beam_since":
            return NOW if inputs.exit_beam.value == "active" else None
        case "unknown_since":
            return NOW if any(getattr(inputs, signal).value == "unknown" for signal in inputs.__slots__) else None
    return NOW


_NAMES = {each: each.value for kind in (Door, Device, Modality) for each in kind}


def _by_name(item: tuple[Any, Any]) -> str:
    return _NAMES.get(item[0], item[0])


_DROPPED = {"crossing_id", "began_at", "steps", "officer_reason", "check_reasons"}
_KEPT = tuple(name for name in Crossing.__dataclass_fields__ if name not in _DROPPED and name not in {"pass_facts", "officer", "checks"})


def _crossing_key(crossing: Crossing, state: State) -> tuple[Any, ...]:
    """What is asked of a crossing. Once nothing is decided on pass and checks any more, they are only written into the record."""
    checks = tuple(sorted(crossing.checks.items(), key=_by_name)) if state is State.IDENTITY_CHECK else ()
    if state not in DECIDING:
        crossing.pass_facts, crossing.authorised, crossing.entered = None, False, False
    return (crossing.pass_facts is not None, crossing.officer is not None, checks, *[getattr(crossing, name) for name in _KEPT])


def _crossing(kept: tuple[Any, ...]) -> Crossing:
    passed, officer, checks, *rest = kept
    crossing = Crossing(ID, NOW, PASS if passed else None, **dict(zip(_KEPT, rest, strict=True)))
    if officer:
        crossing.officer, crossing.officer_reason = "o", "r"
    if checks:
        crossing.checks = dict(checks)
    return crossing
