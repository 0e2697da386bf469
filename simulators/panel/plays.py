"""What a person may choose on the panel: who comes, and with which trick. Casts travellers; moves nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from gate_controller.core.values import Region
from simulators.travellers.behaviours import HeldPhone, never_enter
from simulators.travellers.cast import EXPECTED, PEOPLE, PICTURES, Cast, CastMember, Kind
from simulators.travellers.phones import Copy, Screenshot, WatchedPhone

CAST = 42
"""Three rounds: enough for six travellers to choose from, and for one of each with a pass that is not accepted."""
SCREENSHOT_AGE_S = 300.0


class PlayError(Exception):
    """A play that cannot be: what is wrong, in one line for the person at the panel."""


@dataclass(frozen=True, slots=True)
class Trick:
    """One thing a traveller may try.

    Attributes:
        label: For the button.
        hint: What they do, in one line.
        kind: What it is in a cast; its expected end goes with it.
    """

    label: str
    hint: str
    kind: Kind


TRICKS: Mapping[str, Trick] = {
    "none": Trick("Honest", "Own phone, own finger, own face", Kind.GOOD),
    "screenshot": Trick("Screenshot", "Shows a picture of the own code, five minutes old", Kind.SCREENSHOT),
    "copy": Trick("Copied code", "Shows the code that the traveller before has used", Kind.REPLAY),
    "revoked": Trick("Revoked pass", "Shows a pass that its region has revoked", Kind.REVOKED),
    "suspended": Trick("Suspended pass", "Shows a pass that its region has suspended", Kind.SUSPENDED),
    "forged": Trick("Forged pass", "Shows a pass that no region has signed", Kind.UNKNOWN_ISSUER),
    "wrong_finger": Trick("Wrong finger", "Lays a finger on the sensor that is not enrolled", Kind.WRONG_FINGER),
    "wrong_face": Trick("Somebody else's face", "A stranger with the owner's phone and finger", Kind.WRONG_FACE),
    "photo": Trick("Photo held up", "A stranger holds a print of the owner before the camera", Kind.PRINT),
    "video": Trick("Video on a screen", "A stranger holds a screen with a video of the owner", Kind.SCREEN_REPLAY),
    "tailgate": Trick("Tailgating", "Somebody without a pass walks in right behind", Kind.TAILGATER),
    "never_enter": Trick("Changes their mind", "Shows the code and never walks in", Kind.NEVER_ENTERS),
}
_PASSES = {"revoked": Kind.REVOKED, "suspended": Kind.SUSPENDED, "forged": Kind.UNKNOWN_ISSUER}


@dataclass(frozen=True, slots=True)
class Guest:
    """A traveller to choose.

    Attributes:
        id: For the panel.
        person: Picture id of the face.
        region: Region of the pass.
    """

    id: str
    person: str
    region: Region


class Casting:
    """Makes one traveller a play. Used by one thread at a time.

    Args:
        cast: Of the simulation, CAST long: whom the gate knows.
        seed: Decides whose face a stranger has.

    Raises:
        ValueError: The cast is too short.
    """

    def __init__(self, cast: Cast, seed: int = 0) -> None:
        good = {member.face: member for member in cast.members if member.kind is Kind.GOOD}  # nobody twice
        self._members = dict(zip("abcdef", good.values(), strict=False))
        try:
            self._phones = {trick: next(member.phone for member in cast.members if member.kind is kind) for trick, kind in _PASSES.items()}
        except StopIteration:
            msg = f"a cast of {len(cast.members)} is too short to play with"
            raise ValueError(msg) from None
        self._random = Random(seed)
        self._played = 0
        self._last: WatchedPhone | None = None
        self.guests = tuple(Guest(id_, member.face, member.region) for id_, member in self._members.items())

    def member(self, guest: str, trick: str) -> CastMember:
        """The traveller of one play, with a name of their own.

        Raises:
            PlayError: No such guest or trick, or the trick needs somebody who was there before.
        """
        if guest not in self._members or trick not in TRICKS:
            raise PlayError("there is no such traveller or trick")
        owner, kind = self._members[guest], TRICKS[trick].kind
        phone = self._phone(owner, trick)
        if trick == "none":
            self._last = phone if isinstance(phone, WatchedPhone) else None
        self._played += 1
        stranger = self._random.choice([person for person in PEOPLE if person != owner.face])
        return replace(
            owner,
            name=f"{self._played:02d}-{kind.value}",
            kind=kind,
            phone=phone,
            face=f"{owner.face}/{PICTURES[kind]}" if kind in PICTURES else stranger if trick == "wrong_face" else owner.face,
            finger=f"{owner.finger.partition('/')[0]}/left-middle" if trick == "wrong_finger" else owner.finger,
            companion=stranger if trick == "tailgate" else None,
            behaviour=never_enter if trick == "never_enter" else owner.behaviour,
            expected=EXPECTED[kind],
        )

    def _phone(self, owner: CastMember, trick: str) -> HeldPhone:
        match trick:
            case "screenshot":
                return Screenshot(owner.phone, SCREENSHOT_AGE_S)
            case "copy":
                if self._last is None or not self._last.first_shown:
                    raise PlayError("nobody has shown a code yet: send an honest traveller first")
                return Copy(self._last)
            case "revoked" | "suspended" | "forged":
                return self._phones[trick]
            case _:
                return owner.phone.opened() if isinstance(owner.phone, WatchedPhone) else owner.phone
