"""What happens in the lane whose plug is pulled: who comes, what the officer does, and when the emergency loop opens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gate_controller.core.values import Door
from simulators.travellers.behaviours import Person, Script, _leave, _stay_inside, cross, never_enter
from simulators.travellers.cast import CastMember, Kind
from simulators.travellers.officer import Decision
from simulators.travellers.phones import Copy, WatchedPhone


@dataclass(frozen=True)
class Scenario:
    """One story.

    Attributes:
        name: For the table.
        kind: Who comes.
        ends: Outcome and reason of the crossing when nobody pulls the plug.
        decision: What the officer does with whoever is inside.
        inside_at_start: The traveller is in the chamber when the controller starts: it knows of no crossing.
        emergency: The loop opens while the traveller is being checked.
        policy: Sections of the policy that differ.
    """

    name: str
    kind: Kind
    ends: tuple[str, str | None]
    decision: Decision = Decision.RETURN
    inside_at_start: bool = False
    emergency: bool = False
    policy: dict[str, Any] = field(default_factory=dict)


GOOD = Scenario("good crossing", Kind.GOOD, ("completed", None))
SCENARIOS = (
    GOOD,
    Scenario("refused at the pass check", Kind.SCREENSHOT, ("refused", "presentation_stale")),
    Scenario("abandoned: nobody enters", Kind.NEVER_ENTERS, ("abandoned", "nobody_entered")),
    Scenario("return path: two came in", Kind.TAILGATER, ("returned", "tailgating")),
    Scenario("referral, sent back by the officer", Kind.WRONG_FINGER, ("returned", "fingerprint_mismatch")),
    Scenario("referral, let through by the officer", Kind.WRONG_FINGER, ("released_by_officer", "officer_released"), decision=Decision.RELEASE),
    Scenario("emergency during the checks", Kind.GOOD, ("emergency", "emergency"), emergency=True),
    Scenario("no crossing known, let through by hand", Kind.GOOD, ("released_by_officer", "officer_released"), Decision.RELEASE, inside_at_start=True),
    Scenario("no crossing known, sent back by hand", Kind.GOOD, ("returned", "reverse_entry"), inside_at_start=True),
)


class HeldStill(WatchedPhone):
    """A phone that goes on showing the presentation it showed first, also to the next controller."""

    def text_at(self, now: float) -> str:
        return self.first_shown or super().text_at(now)


def found_inside(me: Person) -> Script:
    """Stand in the chamber, whoever knows of it, and leave by whatever way opens."""
    me.body.position_m = me.geometry.stand_m - 0.1  # a step away: only a body that moves is counted
    yield from _stay_inside(me, me.geometry.stand_m)
    yield from _leave(me)


def traveller_of(scenario: Scenario, member: CastMember) -> CastMember:
    """The one who comes, with a phone that is watched."""
    phone = HeldStill(member.phone)
    behaviour = found_inside if scenario.inside_at_start else never_enter if scenario.kind is Kind.NEVER_ENTERS else cross
    return replace(member, name="traveller", phone=phone, behaviour=behaviour, speed=1.0)


def again_of(traveller: CastMember) -> CastMember:
    """Somebody who shows the very same presentation once more, and does not come in if it opens the door."""
    assert isinstance(traveller.phone, WatchedPhone)
    return replace(traveller, name="again", phone=Copy(traveller.phone), behaviour=never_enter, companion=None)


DOORS = tuple(door.value for door in Door)
