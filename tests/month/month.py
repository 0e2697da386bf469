"""A month without a network, in virtual time: real repositories, sticks, imports, trust store and verifier; only the clock is made up.

    headquarters publish every hour -> a stick is written -> it travels -> the gate imports it -> travellers present passes

Day 0 is the day of the gate's first import. Everything is looked at on a grid of times and, exactly to the second, just
before and at each change: each import, each new state of a region. Does not sleep, and does not draw or tell: page.py and plot.py do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from gate_controller.core.values import Direction, Region
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.services import PassAccepted
from gate_controller.ports.trust import RegionFreshness
from gate_controller.trust.cache import TrustCache
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.freshness_watch import FreshnessWatch
from gate_controller.trust.importing import import_trust
from gate_controller.trust.sources import DirectorySource
from gate_controller.trust.store import TrustStore
from simulators.authority import Authorities, Authority, Permit, derived
from simulators.authority_stick import write_stick
from simulators.phone import Phone
from simulators.repository import TrustRepository

HOUR_S, DAY_S = 3600, 86_400
DAY_0 = 1_804_118_400
"""A midnight, UTC: 2027-03-04."""
IMPORTED_AT_S = 7 * HOUR_S + HOUR_S // 2
"""Time of the day of every import."""
REVOKED_AT = DAY_0 + 5 * DAY_S + 12 * HOUR_S
"""When headquarters revoke the passes of "revoked"."""
SEED, AUDIENCE = "month", "MO-GB"


@dataclass(frozen=True, slots=True)
class Traveller:
    """Who presents a pass each time the gate is looked at: always one that was issued this long ago."""

    name: str
    traveller_class: int
    issued_ago_s: int

    @property
    def reference(self) -> bytes:
        return derived(SEED, self.name, length=16)


TRAVELLERS = (
    Traveller("low-risk", 1, HOUR_S),
    Traveller("pass issued 8 days ago", 1, 8 * DAY_S),
    Traveller("class 2", 2, HOUR_S),
    Traveller("revoked on day 5", 1, HOUR_S),
)
REVOKED = TRAVELLERS[-1]


@dataclass(frozen=True, slots=True)
class Plan:
    """How trust reaches the gate.

    Attributes:
        name: For tests.
        title: For people.
        days: How long it is watched.
        every_days: Days between two imports; None: none but the first.
        travel_s: Time from writing the stick to its import. It carries what was published at the last full hour.
        silent: Region that publishes nothing for a while.
        silent_days: From the midnight before this day until that before that day.
    """

    name: str
    title: str
    days: int = 31
    every_days: int | None = 1
    travel_s: int = 90 * 60
    silent: Region | None = None
    silent_days: tuple[int, int] = (0, 0)

    def imports(self) -> list[int]:
        """When the gate imports, seconds since the epoch."""
        return [DAY_0 + day * DAY_S + IMPORTED_AT_S for day in range(0, self.days if self.every_days else 1, self.every_days or 1)]

    def publishing(self, at: int) -> list[Region]:
        """Which regions take part in a publication."""
        begin, end = (DAY_0 + day * DAY_S for day in self.silent_days)
        return [region for region in Region if not (region is self.silent and begin <= at < end)]


DAILY = Plan("daily", "a stick each day, 90 minutes on the way")
NEVER = Plan("never", "no import after day 0", every_days=None)
SLOW = Plan("slow", "a stick each day, 3 hours on the way", days=4, travel_s=3 * HOUR_S)
SECOND = Plan("second", "a stick every second day", days=8, every_days=2)
SILENT = Plan("silent", "a stick each day; Macao publishes nothing on days 1 to 5", days=8, silent=Region.MO, silent_days=(1, 6))
PLANS = (DAILY, NEVER, SLOW, SECOND, SILENT)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the gate.

    Attributes:
        at: Seconds since the epoch.
        freshness: By region.
        decisions: "accepted", "accepted as low-risk" (its decision is marked), or the reason of the refusal, by region and traveller's name.
        told: The watch's lines, of a change.
    """

    at: int
    freshness: dict[Region, RegionFreshness]
    decisions: dict[tuple[Region, str], str]
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A value that holds for a while: `begin` is the first second of it, `end` the first after it."""

    begin: int
    end: int
    value: str


@dataclass
class Month:
    """One run."""

    plan: Plan
    samples: list[Sample] = field(default_factory=list)

    @property
    def end(self) -> int:
        return DAY_0 + self.plan.days * DAY_S

    def states(self, region: Region) -> list[Span]:
        return self._spans([(sample.at, sample.freshness[region].state.value) for sample in self.samples])

    def decisions(self, region: Region, traveller: str) -> list[Span]:
        return self._spans([(sample.at, sample.decisions[region, traveller]) for sample in self.samples])

    def at(self, moment: int) -> Sample:
        """The last look at or before a moment."""
        return [sample for sample in self.samples if sample.at <= moment][-1]

    def _spans(self, values: list[tuple[int, str]]) -> list[Span]:
        begins = [(next(group)[0], value) for value, group in groupby(values, key=lambda entry: entry[1])]
        ends = [*(begin for begin, _ in begins[1:]), self.end]
        return [Span(begin, end, value) for (begin, value), end in zip(begins, ends, strict=True)]


class NeverUsed:
    """A replay memory: every presentation here is a new one."""

    def last_presented(self, pass_id: bytes) -> None:
        return None

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        return True

    def close(self) -> None:
        pass


class Headquarters:
    """The regions' authorities, who publish at every full hour.

    Args:
        directory: Of the repository.
        plan: Who publishes.
        every_hour: Make every publication; otherwise only the last before somebody looks, the others are never seen.
    """

    def __init__(self, directory: Path, plan: Plan, *, every_hour: bool) -> None:
        self._plan = plan
        self._every_hour = every_hour
        self._revoked = False
        self._published_at = DAY_0
        self.authorities = Authorities(SEED)
        self.repository = TrustRepository(directory, self.authorities, DAY_0)

    def publish_until(self, now: int) -> None:
        """Make the publications that are due by now."""
        last = now - now % HOUR_S
        for at in range(self._published_at + HOUR_S, last + 1, HOUR_S):
            if at > REVOKED_AT and not self._revoked:
                for region in Region:
                    self.repository.revoke(region, Authority.status_index(Permit(enrolment_reference=REVOKED.reference, issued_at=0)))
                self._revoked = True
            # A silent region's last publication before its silence is seen as well.
            if self._every_hour or at == last or self._plan.publishing(at) != self._plan.publishing(at + HOUR_S):
                self.repository.publish(at, regions=self._plan.publishing(at))
                self.repository.prune()
        self._published_at = last


class Gate:
    """One gate without a network, and its clocks, which both show `now`."""

    def __init__(self, directory: Path, pinned_root: bytes, now: int) -> None:
        self.now = now
        self.budget = FreshnessBudget()
        self._cache = TrustCache(directory / "cache")
        self._pinned_root = pinned_root
        self._floor = Floor.create(directory / "floor", now)
        self.store = TrustStore(self._cache, pinned_root, self._floor, self.budget, self)
        policy = PassPolicy(
            lane_region=Region.MO,
            direction=Direction.HK_TO_MO,
            presentation_audiences=frozenset({AUDIENCE}),
            admitted_issuers=frozenset(Region),
            admitted_classes=frozenset({1, 2}),
        )
        self.verifier = OfflinePassVerifier(policy, self.store, NeverUsed())

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def take(self, stick: Path, now: int) -> None:
        self.now = now
        import_trust(DirectorySource(stick), self._cache, self._pinned_root, self._floor, self.budget, now)
        assert self.store.refresh(now), self.store.problem

    def close(self) -> None:
        self._floor.close()


class Look:
    """Presents every traveller's pass at the gate and asks it how it is."""

    def __init__(self, gate: Gate, authorities: Authorities) -> None:
        self._gate = gate
        self._issuers = authorities.issuers
        self._phones = {(region, traveller): Phone(SEED, f"{region.value} {traveller.name}", AUDIENCE) for region in Region for traveller in TRAVELLERS}
        self._watch = FreshnessWatch()

    def at(self, now: int) -> Sample:
        self._gate.now = now
        self._gate.store.observe(now)
        view = self._gate.store.current()
        freshness = {region: view.freshness(region, now) for region in Region}
        changes = [self._watch.observe(each, now) for each in freshness.values()]
        told = tuple(change.as_text() for change in changes if change is not None and not change.reminder)
        decisions = {(region, traveller.name): self._decision(region, traveller, now) for region in Region for traveller in TRAVELLERS}
        return Sample(now, freshness, decisions, told)

    def _decision(self, region: Region, traveller: Traveller, now: int) -> str:
        phone = self._phones[region, traveller]
        issued_at = now - traveller.issued_ago_s
        permit = Permit(enrolment_reference=traveller.reference, issued_at=issued_at, lifetime_s=30 * DAY_S, traveller_class=traveller.traveller_class)
        phone.obtain(self._issuers[region], permit)
        result = self._gate.verifier.verify(phone.present(now), now)
        if isinstance(result, PassAccepted):
            return "accepted as low-risk" if result.facts.degraded else "accepted"
        return result.reason.code


def run(plan: Plan, scratch: Path, *, step_s: int = HOUR_S, every_hour: bool = True) -> Month:
    """One month.

    Args:
        plan: How trust reaches the gate.
        scratch: An empty directory.
        step_s: The grid of looks.
        every_hour: See Headquarters.
    """
    stick = scratch / "stick"
    stick.mkdir()
    headquarters = Headquarters(scratch / "headquarters", plan, every_hour=every_hour)
    gate = Gate(scratch, headquarters.repository.first_root, DAY_0)
    look, month = Look(gate, headquarters.authorities), Month(plan)
    imports = plan.imports()
    try:
        now = DAY_0
        while now < month.end:
            if imports and now == imports[0]:
                imports.pop(0)
                headquarters.publish_until(now - plan.travel_s)
                write_stick(headquarters.repository, stick)
                gate.take(stick, now)
            month.samples.append(look.at(now))
            now = _next(now, step_s, imports, gate)
    finally:
        gate.close()
    return month


def _next(now: int, step_s: int, imports: list[int], gate: Gate) -> int:
    """The next moment to look at: on the grid, or a change and the second before it."""
    view = gate.store.current()
    changes = [*imports[:1], *(int(at) for region in Region if (at := view.freshness(region, now).next_at) is not None)]
    moments = {now - now % step_s + step_s, *(at - before for at in changes for before in (0, 1))}
    return min(moment for moment in moments if moment > now)
