"""The cast of a simulation: who comes, with which body, face, finger and phone, in which order. Deterministic from a seed.

The labels and expectations in it are for reports only: nothing that decides a crossing reads them. What decides is what
the phone shows, which face is before the camera, which finger lies on the sensor, and how many bodies walk in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from random import Random

from gate_controller.core.reasons import Reason
from gate_controller.core.values import Outcome, Region
from gate_controller.ports.trust import PassStatus
from simulators.authority import Authorities, Authority, Permit, derived
from simulators.phone import Phone
from simulators.travellers.behaviours import Behaviour, HeldPhone, cross, never_enter
from simulators.travellers.phones import Copy, Screenshot, WatchedPhone

PEOPLE = tuple(f"person{number:02d}" for number in range(1, 13))
"""Picture ids of the synthetic people (simulators/data/faces)."""
REFRESH_S = 15
"""How often the cast's phones sign anew: the fast end, so that a copied code is still fresh when it is shown again."""


class Kind(Enum):
    """What somebody is up to, for reports."""

    GOOD = "good"
    SCREENSHOT = "screenshot"
    UNKNOWN_ISSUER = "unknown-issuer"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    REPLAY = "replay"
    WRONG_FACE = "wrong-face"
    WRONG_FINGER = "wrong-finger"
    TAILGATER = "tailgater"
    NEVER_ENTERS = "never-enters"
    PRINT = "print"
    SCREEN_REPLAY = "screen-replay"


@dataclass(frozen=True, slots=True)
class Expected:
    """How a crossing should end, for reports and tests."""

    outcome: Outcome
    reason: Reason | None = None


EXPECTED = {
    Kind.GOOD: Expected(Outcome.COMPLETED),
    Kind.SCREENSHOT: Expected(Outcome.REFUSED, Reason.PRESENTATION_STALE),
    Kind.UNKNOWN_ISSUER: Expected(Outcome.REFUSED, Reason.PASS_UNKNOWN_KEY),
    Kind.REVOKED: Expected(Outcome.REFUSED, Reason.PASS_REVOKED),
    Kind.SUSPENDED: Expected(Outcome.REFUSED, Reason.PASS_SUSPENDED),
    Kind.REPLAY: Expected(Outcome.REFUSED, Reason.PRESENTATION_REPLAYED),
    Kind.WRONG_FACE: Expected(Outcome.RETURNED, Reason.FACE_MISMATCH),
    Kind.WRONG_FINGER: Expected(Outcome.RETURNED, Reason.FINGERPRINT_MISMATCH),
    Kind.TAILGATER: Expected(Outcome.RETURNED, Reason.TAILGATING),
    Kind.NEVER_ENTERS: Expected(Outcome.ABANDONED, Reason.NOBODY_ENTERED),
    Kind.PRINT: Expected(Outcome.RETURNED, Reason.PAD_ALARM),
    Kind.SCREEN_REPLAY: Expected(Outcome.RETURNED, Reason.PAD_ALARM),
}
PICTURES = {Kind.PRINT: "print", Kind.SCREEN_REPLAY: "replay"}
"""What those hold before the face camera who come with somebody's phone, finger (of silicone) and picture: a print, a video on a screen."""
ROUND = (Kind.GOOD,) * 3 + tuple(kind for kind in Kind if kind is not Kind.GOOD and kind not in PICTURES)
"""Who comes in each round, in some order; whoever brings a picture comes last. Fourteen together."""
STATUSES = {Kind.REVOKED: PassStatus.INVALID, Kind.SUSPENDED: PassStatus.SUSPENDED}
"""What their region publishes of their passes; of everybody else's, nothing."""


class Part(Enum):
    """What a test can swap."""

    PHONE = "phone"
    FACE = "face"
    FINGER = "finger"


@dataclass(frozen=True, slots=True)
class Override:
    """Give `traveller` the phone, face or finger of the traveller named `of`, as the cast had them at first."""

    traveller: str
    part: Part
    of: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody an authority has enrolled.

    Attributes:
        reference: Enrolment reference, 16 bytes.
        region: Region whose pass they hold.
        birth_date: Date of birth.
        registered_at: Seconds since the epoch.
        face: Picture id of the enrolled face.
        finger: Name of the enrolled finger.
    """

    reference: bytes = field(repr=False)
    region: Region
    birth_date: date = field(repr=False)
    registered_at: int
    face: str
    finger: str


@dataclass(frozen=True, slots=True)
class CastMember:
    """One traveller as they come to the lane.

    Attributes:
        name: Unique in the cast.
        kind: For reports only.
        region: Region written in the pass; for reports only.
        behaviour: What they do.
        phone: What they hold up.
        face: Picture id of what is before the camera: their face, or PERSON/PICTURE for a picture of somebody's.
        finger: The finger they lay on the sensor.
        companion: Picture id of the face of whoever walks in behind them, or None.
        speed: Walking speed relative to the lane's pace.
        expected: For reports only.
    """

    name: str
    kind: Kind
    region: Region
    behaviour: Behaviour
    phone: HeldPhone
    face: str
    finger: str
    companion: str | None
    speed: float
    expected: Expected


@dataclass(frozen=True, slots=True)
class PublishedStatus:
    """What a region's status list says of one pass: its place in the list, and the status."""

    region: Region
    index: int
    status: PassStatus


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody who comes, in order; everybody who is enrolled; every pass that is not valid."""

    members: tuple[CastMember, ...]
    identities: tuple[Identity, ...]
    statuses: tuple[PublishedStatus, ...] = ()

    def member(self, name: str) -> CastMember:
        """The member of that name.

        Raises:
            KeyError: There is none.
        """
        for member in self.members:
            if member.name == name:
                return member
        raise KeyError(name)

    def with_overrides(self, overrides: Iterable[Override]) -> Cast:
        """The same cast with parts swapped; each override takes from this cast, so two of them make an exchange.

        Raises:
            KeyError: A traveller that an override names is not in the cast.
        """
        members = {member.name: member for member in self.members}
        for override in overrides:
            taker, giver = members[override.traveller], self.member(override.of)
            match override.part:
                case Part.PHONE:
                    taker = replace(taker, phone=giver.phone)
                case Part.FACE:
                    taker = replace(taker, face=giver.face)
                case Part.FINGER:
                    taker = replace(taker, finger=giver.finger)
            members[override.traveller] = taker
        return replace(self, members=tuple(members.values()))


def build_cast(*, seed: int, count: int, region: Region, now: float, authorities: Authorities, audience: str) -> Cast:
    """The first `count` travellers of rounds of fourteen.

    Args:
        seed: Decides order, people, ages, speeds and keys of the phones. The beginning of a longer cast is the shorter one.
        count: How many travellers.
        region: Region of the lane; two of three good travellers come from the other one.
        now: Seconds since the epoch; passes were obtained some hours before.
        authorities: Who issues the passes.
        audience: Checkpoint or gate that the phones present to.

    Raises:
        ValueError: The count is negative.
    """
    if count < 0:
        msg = f"{count} travellers cannot come"
        raise ValueError(msg)
    casting = _Casting(Random(seed), region, now, authorities, audience)
    while len(casting.members) < count:
        casting.add_round()
    members = tuple(casting.members[:count])
    identities = tuple(identity for identity, user in casting.identities if user < count)
    return Cast(members, identities, tuple(status for status, user in casting.statuses if user < count))


class _Casting:
    def __init__(self, random: Random, region: Region, now: float, authorities: Authorities, audience: str) -> None:
        self._random = random
        self._visitors = Region.HK if region is Region.MO else Region.MO
        self._region = region
        self._now = now
        self._authorities = authorities
        self._audience = audience
        self.members: list[CastMember] = []
        self.identities: list[tuple[Identity, int]] = []
        self.statuses: list[tuple[PublishedStatus, int]] = []

    def add_round(self) -> None:
        """Twelve more, in an order of their own; whoever shows a copy comes right after a good traveller, their victim. Then the two with a picture."""
        order: list[Kind] = [kind for kind in ROUND if kind is not Kind.REPLAY]
        self._random.shuffle(order)
        victim = self._random.choice([place for place, kind in enumerate(order) if kind is Kind.GOOD])
        order.insert(victim + 1, Kind.REPLAY)
        faces = self._random.sample(PEOPLE, len(PEOPLE))
        good_regions = [self._visitors, self._visitors, self._region]
        self._random.shuffle(good_regions)
        for kind in (*order, *PICTURES):
            self._add(kind, faces, good_regions)

    def _add(self, kind: Kind, faces: list[str], good_regions: list[Region]) -> None:
        number, draw = len(self.members) + 1, self._random
        # Whoever is refused for the pass alone never comes before the camera, and there are only so many faces.
        # Of whoever brings a picture only that is seen.
        face = draw.choice(PEOPLE) if kind in STATUSES or kind in PICTURES else faces.pop()
        region = self._draw_region(kind, good_regions)
        issuer = self._authorities.forger if kind is Kind.UNKNOWN_ISSUER else self._authorities.issuers[region]
        identity = self._identity(number, issuer.region, faces[0] if kind is Kind.WRONG_FACE else face)
        phone: HeldPhone = WatchedPhone(self._phone(number, issuer, identity))
        if kind is Kind.SCREENSHOT:
            phone = Screenshot(phone, age_s=draw.uniform(180.0, 600.0))
        elif kind is Kind.REPLAY:
            victim = self.members[-1].phone
            phone = Copy(victim) if isinstance(victim, WatchedPhone) else phone
        if kind not in {Kind.UNKNOWN_ISSUER, Kind.REPLAY}:
            self.identities.append((identity, len(self.members)))
        if kind in STATUSES:
            self.statuses.append((PublishedStatus(region, number, STATUSES[kind]), len(self.members)))
        self.members.append(
            CastMember(
                name=f"{number:02d}-{kind.value}",
                kind=kind,
                region=issuer.region,
                behaviour=never_enter if kind is Kind.NEVER_ENTERS else cross,
                phone=phone,
                face=f"{face}/{PICTURES[kind]}" if kind in PICTURES else face,
                finger=f"traveller-{number:02d}/left-middle" if kind is Kind.WRONG_FINGER else identity.finger,
                companion=faces.pop() if kind is Kind.TAILGATER else None,
                speed=draw.uniform(0.9, 1.15),
                expected=EXPECTED[kind],
            )
        )

    def _draw_region(self, kind: Kind, good_regions: list[Region]) -> Region:
        if kind is Kind.GOOD:
            return good_regions.pop()
        if kind in STATUSES:  # one in each region's list
            return self._visitors if kind is Kind.REVOKED else self._region
        return self._random.choice([self._visitors, self._visitors, self._region])

    def _identity(self, number: int, region: Region, face: str) -> Identity:
        draw = self._random
        today = datetime.fromtimestamp(self._now, UTC).date()
        return Identity(
            reference=derived(self._authorities.seed, "reference", number, draw.getrandbits(64), length=16),
            region=region,
            birth_date=today - timedelta(days=draw.randint(19 * 366, 80 * 365)),
            registered_at=int(self._now) - draw.randint(30, 400) * 86400,
            face=face,
            finger=f"traveller-{number:02d}/right-index",
        )

    def _phone(self, number: int, issuer: Authority, identity: Identity) -> Phone:
        phone = Phone(self._authorities.seed, f"phone {number} {self._random.getrandbits(64)}", self._audience, refresh_s=REFRESH_S)
        issued_at = int(self._now) - self._random.randint(3600, 6 * 3600)
        # A place of its own in the list: nobody else is revoked with it.
        phone.obtain(issuer, Permit(enrolment_reference=identity.reference, issued_at=issued_at, status_index=number))
        return phone
