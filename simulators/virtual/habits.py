"""How travellers behave: the honest, the clumsy and the hostile, as one table. minds.py acts on them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gate_controller.core.values import Door


@dataclass(frozen=True, slots=True)
class Habit:
    """One way to cross, or to fail to.

    Attributes:
        name: For reports.
        weight: Share among those who misbehave.
        phone: good, replays (a copy of what somebody used before), another's.
        entering: walks, never, late (when the door is about to close), backs_out (turns round in the chamber), lingers (in the doorway),
            drops (an object in the doorway), uninvited (without a pass).
        companion: "", tailgater, later (a tailgater who comes once the check has begun), child (walks along), on_arm (a child no counter tells apart).
        finger: own, other, none, cast (of the pass's holder).
        face: own, other, none, two (a second face beside), picture (of the pass's holder, on paper or on a screen).
        inside: waits, walks_back, forces_exit, forces_entry, tampers, passes_object (through the entry), collapses, needs_help (somebody who watches the
            lane asks for an officer), leaves_object (the counter takes it for a person).
        leaving: walks, stays, late, drops (an object in the doorway), turns_back (in the doorway), lets_in (somebody from beyond).
        returning: obeys, stays.
        comes_again: How often they come again, with the same pass, when they were sent back.
    """

    name: str
    weight: float = 1.0
    phone: str = "good"
    entering: str = "walks"
    companion: str = ""
    finger: str = "own"
    face: str = "own"
    inside: str = "waits"
    leaving: str = "walks"
    returning: str = "obeys"
    comes_again: int = 0


HONEST = Habit("honest")
MISBEHAVING = (
    # Clumsy
    Habit("nobody enters", 1.5, entering="never"),
    Habit("hesitates to enter", 1.5, entering="late"),
    Habit("backs out", 1.5, entering="backs_out"),
    Habit("lingers in the entry", entering="lingers"),
    Habit("drops luggage in the entry", entering="drops"),
    Habit("forgets the finger", finger="none"),
    Habit("looks away", face="none"),
    Habit("child walks along", 1.5, companion="child"),
    Habit("child walks along and stays", 0.5, companion="child", returning="stays"),
    Habit("child on the arm", companion="on_arm"),
    Habit("wheelchair", inside="needs_help", finger="none", leaving="late"),
    Habit("walks back during the check", inside="walks_back"),
    Habit("collapses inside", 0.7, inside="collapses"),
    Habit("leaves an object in the chamber", 0.7, inside="leaves_object"),
    Habit("stays though released", 1.5, leaving="stays"),
    Habit("leaves at the last moment", 1.5, leaving="late"),
    Habit("drops luggage in the exit", leaving="drops"),
    Habit("turns back in the exit", leaving="turns_back"),
    # Hostile
    Habit("tailgates", 2.0, companion="tailgater"),
    Habit("tailgates and stays", companion="tailgater", returning="stays"),
    Habit("shows a copy", 1.5, phone="replays", finger="other", face="other"),
    Habit("shows another one's phone", phone="another's", finger="other", face="other"),
    Habit("holds up a picture", 1.5, phone="another's", finger="cast", face="picture"),
    Habit("holds up a picture and stays", 0.5, phone="another's", finger="cast", face="picture", returning="stays"),
    Habit("wrong finger", finger="other"),
    Habit("wrong face", face="other"),
    Habit("tries again and again", 0.5, finger="other", face="other", comes_again=5),
    Habit("two faces", face="two"),
    Habit("forces the exit", inside="forces_exit"),
    Habit("forces the entry", inside="forces_entry"),
    Habit("opens a housing", 0.7, inside="tampers"),
    Habit("passes an object in", 0.7, inside="passes_object"),
    Habit("lets somebody in from beyond", 1.5, leaving="lets_in"),
    Habit("wrong finger and stays", finger="other", returning="stays"),
)
"""Everybody else."""
UNINVITED = (
    Habit("walks in without a pass", 4.0, entering="uninvited"),
    Habit("walks in without a pass and stays", entering="uninvited", returning="stays"),
    Habit("followed during the check", 4.0, companion="later"),
)
"""And these, where the entry has no door."""


def somebody(rng: Random, misbehaving: float, doors: tuple[Door, ...]) -> Habit:
    """A habit; with probability `misbehaving` none of the honest."""
    if rng.random() >= misbehaving:
        return HONEST
    habits = MISBEHAVING if Door.ENTRY in doors else MISBEHAVING + UNINVITED
    return rng.choices(habits, [habit.weight for habit in habits])[0]
