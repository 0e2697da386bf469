"""One episode: a fresh lane and some tens of travellers, a pure function of profile, seed and number. Ties the parts together; judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

from gate_controller.core import events as e
from gate_controller.core.policy import BiometricRule, CrossingPolicy, LaneKind, PadRule
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.table import TABLE, Row
from gate_controller.core.values import CheckOutcome, Direction, Door, Modality, Outcome, Region
from simulators.virtual.agenda import Agenda
from simulators.virtual.body import BEYOND_M, OUTSIDE, QUEUE_M, READER_M, STAND_M, Body
from simulators.virtual.faults import FAULTS, KINDS, NO_PROCESS, maintenance
from simulators.virtual.habits import somebody
from simulators.virtual.host import Host
from simulators.virtual.lane import Lane
from simulators.virtual.ledger import Violation
from simulators.virtual.minds import Mind, Traveller
from simulators.virtual.monitor import Monitor
from simulators.virtual.officer import Officer
from simulators.virtual.passes import Phones
from simulators.virtual.profile import Profile
from simulators.virtual.result import Result
from simulators.virtual.services import Presentation

AT_ONCE_S = 0.02
"""Within this long after a state was entered nothing that it ordered has happened yet."""
PATIENCE_S = (60.0, 240.0)
"""How long somebody waits before a closed lane."""
MOST_S = 40_000.0
"""Virtual seconds after which an episode must be over; longer is a lane that never comes back."""


class Episode:
    """See the module's docstring.

    Args:
        profile: Fault profile.
        seed: Seed of the run.
        number: Number of the episode.
        travellers: How many come.
        table: The core's rows.
        policy: The lane's rules; by default they vary from episode to episode.
        arrivals_s: Mean time between arrivals; 0 for a queue that never ends.
    """

    def __init__(
        self,
        profile: Profile,
        seed: int,
        number: int,
        travellers: int,
        *,
        table: tuple[Row, ...] = TABLE,
        policy: CrossingPolicy | None = None,
        arrivals_s: float = 0.0,
    ) -> None:
        self.rng: Random = Random(f"{seed}/{number}")
        self.number = number
        self.profile = profile
        self.agenda = Agenda()
        self.policy = policy or self._some_policy()
        self.travel_s = self.rng.uniform(0.5, 0.9)
        self.monitor = Monitor(self.agenda, self.policy)
        self.lane = Lane(self.agenda, self.rng, profile, self.monitor, self.travel_s, self.policy.doors)
        self.host: Host = Host(self.agenda, self.rng, profile, self.policy, self.lane, self.monitor, self.look, table)
        self.host.biometrics.judge = self.policy.pad_rule is PadRule.REQUIRED or self.rng.random() >= profile.no_judge
        self.officer = Officer(self)
        self.phones = Phones(self.rng, self.policy)
        self.faults: Counter[tuple[str, str]] = Counter()
        self.habits: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.expected = ""
        self._travellers = travellers
        self._arrivals_s = arrivals_s
        self._come = 0
        self._front: Traveller | None = None
        self._followed: Traveller | None = None
        self._repairs: dict[int, Callable[[], None]] = {}
        self._repaired = 0
        self._presented: list[Presentation] = []
        self._over = False
        self._next_at = 0.0
        self.lane.on_passable = self._passable
        self.host.on_prompt = self._prompted
        self.host.on_call = self.officer.called
        self.host.on_state = self._entered
        self.host.on_death = self._died

    def _some_policy(self) -> CrossingPolicy:
        rng = self.rng
        rule = rng.choices(list(BiometricRule), (8, 1, 1))[0] if self.profile.name != "none" else BiometricRule.BOTH
        region, direction = rng.choice(((Region.MO, Direction.HK_TO_MO), (Region.HK, Direction.MO_TO_HK)))
        lane = LaneKind.SINGLE_DOOR if rng.random() < self.profile.single_door else LaneKind.TWO_DOOR
        entry, leaving = rng.choices(((True, False), (True, True), (False, True)), (6, 3, 1))[0]
        policy = CrossingPolicy(region, direction, lane, emergency_opens_entry=entry, emergency_opens_exit=leaving)
        return replace(policy, biometric_rule=rule, pad_rule=rng.choices(list(PadRule), (8, 2))[0])

    # -- the run -------------------------------------------------------------------------------------------------------------

    def run(self, trace: Callable[[str], None] | None = None) -> Result:
        """Play it to its end."""
        self.host.trace = trace
        self.host.say(f"LANE {', '.join(self._kinds())}")
        self.host.start()
        self.agenda.after(1.0, self._next)
        agenda, monitor = self.agenda, self.monitor
        while not self._over and agenda.now < MOST_S and not monitor.violations:
            if not agenda.turn():
                break
        if not self._over and not monitor.violations:
            monitor.violations.append(Violation("INV-4", agenda.now, f"the lane never came back: {self.host.state}, {self._front and self._front.habit.name}"))
        if not monitor.violations:
            monitor.close(self.host.durable.admitted, self.host.durable.outcomes)
        return self._result()

    def _result(self) -> Result:
        durable = self.host.durable
        ended = {
            crossing_id: records[0].outcome.value if records[0] is not None else Outcome.ABORTED.value for crossing_id, records in durable.outcomes.items()
        }
        self.host.reasons[Reason.RESTARTED.code] += sum(records[0] is None for records in durable.outcomes.values())
        self.others["refused, and the record died with the process"] += sum(record.crossing_id not in ended for record in self.host.records)
        self.others["officer restarted the controller"] += self.officer.restarts
        self.others["rescued by hand"] += self.officer.rescues
        result = Result(
            travellers=self._come,
            seconds=self.agenda.now,
            events=self.host.handled,
            calls=self.agenda.served,
            violations=[(self.number, violation) for violation in self.monitor.violations],
            outcomes=Counter(ended.values()),
            admissions=len(durable.admitted),
            admitted=Counter(ended[crossing_id] for crossing_id in durable.admitted if crossing_id in ended),
            reasons=self.host.reasons,
            visits=Counter({state.value: count for state, count in self.host.visits.items()}),
            habits=self.habits,
            exempt=self.monitor.exempt,
            others=self.others,
            reached=sum(record is not None and record.entered for record, *_ in durable.outcomes.values()),
            lanes=Counter(dict.fromkeys(self._kinds(), len(ended))),
            faults=self.faults,
            crossings=self.host.records,
        )
        result.seal(self.number, self.host.records)
        return result

    def _kinds(self) -> tuple[str, ...]:
        policy = self.policy
        emergency = [door.value for door in policy.doors if policy.emergency_opens(door)]
        rules = f"biometric rule {policy.biometric_rule.value}", f"attack detection {policy.pad_rule.value}"
        return policy.lane.value, policy.direction.name.lower(), *rules, f"an emergency opens {' and '.join(emergency) or 'no door'}"

    # -- who comes -------------------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """The next traveller steps up to the reader; after the last one the lane is left to come to rest."""
        if self._come >= self._travellers:
            self.agenda.after(1.0, self._wind_down, 0)
            return
        if self._arrivals_s:
            self._next_at += self.rng.expovariate(1 / self._arrivals_s)
            if self._next_at > self.agenda.now:
                self.agenda.after(self._next_at - self.agenda.now, self._step_up)
                return
        self._step_up()

    def _step_up(self) -> None:
        self._come += 1
        rng = self.rng
        habit = somebody(rng, self.profile.misbehaving, self.lane.doors)
        self.habits[habit.name] += 1
        heads = 2 if habit.companion == "on_arm" else 1
        body = Body(f"t{self._come}", QUEUE_M, rng.uniform(0.8, 1.6), heads, masked=habit.face == "picture")
        self._arrive(Traveller(self, body, habit, self._come))
        if rng.random() < self.profile.maintenance:
            maintenance(self)

    def _arrive(self, traveller: Traveller) -> None:
        self._front = traveller
        self.host.say(f"TRAVELLER {traveller.body.name} {traveller.habit.name}")
        self.lane.appear(traveller.body)
        self.lane.walk(traveller.body, READER_M)
        self.agenda.after(self.rng.uniform(*PATIENCE_S), self._impatient, traveller)

    def _impatient(self, traveller: Traveller) -> None:
        if not traveller.admitted and not traveller.gone:
            traveller.give_up()

    def left(self, mind: Mind) -> None:
        """Somebody has gone their way; whoever stands behind them steps up, if they have not yet. Some come again."""
        if isinstance(mind, Traveller) and mind is self._front and mind.comes_again > 0 and mind.admitted and mind.body.zone == OUTSIDE:
            body = Body(mind.body.name, QUEUE_M, mind.body.pace_mps, masked=mind.body.masked)
            self.agenda.after(self.rng.uniform(1.0, 5.0), self._arrive, Traveller(self, body, mind.habit, mind.number, mind.comes_again - 1))
        elif mind is self._front and mind is not self._followed:
            self.agenda.after(0.2, self._next)

    def _wind_down(self, rounds: int) -> None:
        """Everything is repaired, everybody leaves, the journal is written."""
        self.repair()
        idle = self.host.controller is not None and self.host.controller.idle
        if (idle and not self.lane.inside and self.host.desk.settled and self.host.state is not State.EMERGENCY) or rounds > 200:
            if rounds <= 200:
                self._over = True
            return
        self.agenda.after(5.0, self._wind_down, rounds + 1)

    # -- what people and devices perceive -----------------------------------------------------------------------------------------

    def _prompted(self, prompt: Prompt) -> None:
        for body in self.lane.bodies:
            if body.mind is not None:
                body.mind.prompted(prompt)

    def _passable(self, door: Door) -> None:
        for body in list(self.lane.bodies):
            if body.mind is not None and body.inside:
                body.mind.passable(door)

    def look(self, modality: Modality) -> tuple[CheckOutcome, Reason | None] | None:
        """What a biometric device has before it."""
        for body in self.lane.bodies:
            if body.inside and isinstance(body.mind, Traveller):
                return body.mind.check(modality)
        return None

    def present(self, traveller: Traveller) -> Presentation:
        """The traveller's phone makes a code."""
        if traveller.habit.phone == "replays" and self._presented:
            shown = self.rng.choice(self._presented)
            self.expected = shown.holder
            return shown
        shown = self.phones.show(traveller.body.name, traveller.number, self.profile.refused)
        if traveller.habit.phone == "another's":
            shown = replace(shown, holder=f"{shown.holder}'s friend")
        self.expected = shown.holder
        self._presented.append(shown)
        self.host.desk.presentations[shown.text] = shown
        self.host.desk.enrolments[shown.facts.enrolment_reference] = shown.enrolment
        return shown

    def any_presentation(self) -> Presentation | None:
        """One that was shown before."""
        return self.rng.choice(self._presented) if self._presented else None

    @property
    def present_crossing(self) -> str:
        """Id of the crossing begun last."""
        return next(reversed(self.monitor.ledgers), "x0")

    @property
    def past_crossings(self) -> list[str]:
        """Ids of crossings before that."""
        return list(self.monitor.ledgers)[:-1]

    # -- faults ----------------------------------------------------------------------------------------------------------------------

    def _entered(self, state: State) -> None:
        if state is State.IDENTITY_CHECK and self._front is not self._followed and self._come < self._travellers and not self._front_comes_again():
            self._followed = self._front  # the entry has closed: the next one steps up to the reader and waits there
            self.agenda.after(self.rng.uniform(0.3, 2.0), self._next)
        rate = self.profile.fault_rates.get(state, 0.0)
        if rate and self.rng.random() < rate:
            kind = KINDS[self.rng.randrange(len(KINDS))]
            # Many at the very moment, before the order that goes with the state has reached the board.
            within = AT_ONCE_S if self.rng.random() < 0.3 else self.profile.fault_within_s[state]
            self.agenda.after(self.rng.random() * within, self._inject, kind)

    def _front_comes_again(self) -> bool:
        """Whoever does not let the next one step up behind them."""
        return self._front is not None and self._front.comes_again > 0

    def _died(self) -> None:
        if self.rng.random() < self.profile.dead_fault_rate:
            self.agenda.after(self.rng.random(), self._inject, KINDS[self.rng.randrange(len(KINDS))])

    def _inject(self, kind: str) -> None:
        if self._over:
            return
        state = self.host.state
        self.host.say(f"FAULT {kind}")
        if FAULTS[kind](self):
            self.faults[kind, state.value if state is not None else NO_PROCESS] += 1

    def ends(self, end: Callable[[], None], after_s: float) -> None:
        """A fault that ends by itself after a while, or when it is repaired before that."""
        self._repaired += 1
        number = self._repaired
        self._repairs[number] = end
        self.agenda.after(after_s, self._end, number)

    def _end(self, number: int) -> None:
        end = self._repairs.pop(number, None)
        if end is not None:
            end()

    def repair(self) -> None:
        """An officer and a technician have come: everything that is broken is mended, every object taken away."""
        for number in list(self._repairs):
            self._end(number)

    # -- what people do to the lane -------------------------------------------------------------------------------------------------------

    def force(self, door: Door, to: float, lasts_s: float) -> None:
        """Somebody forces a door and holds it."""
        leaf = self.lane.leaves[door]
        leaf.forced_to = to
        self.monitor.forced(door)
        leaf.act()

        def let_go() -> None:
            leaf.forced_to = 0.0
            leaf.act()

        self.ends(let_go, lasts_s)

    def drop(self, door: Door) -> None:
        """An object falls into a doorway, if the door is open."""
        if self.lane.leaves[door].level > 1:
            self.interrupt(door, self.rng.uniform(1.0, 40.0))

    def interrupt(self, door: Door, lasts_s: float) -> None:
        """Something interrupts the curtain of light and obstructs the leaf."""
        self.lane.obstruct(door, 1)
        self.ends(lambda: self.lane.obstruct(door, -1), lasts_s)

    def leave_object(self) -> None:
        """Luggage in the chamber that the counter takes for a person."""
        self.lane.counter.extra += 1
        self.lane.recount()

        def take_away() -> None:
            self.lane.counter.extra -= 1
            self.lane.recount()

        self.ends(take_away, self.rng.uniform(5.0, 120.0))

    def open_housing(self, lasts_s: float) -> None:
        """Somebody opens a housing."""
        self.lane.housing_open = True
        self.lane.wires()

        def shut() -> None:
            self.lane.housing_open = False
            self.lane.wires()

        self.ends(shut, lasts_s)

    def ask_for_assistance(self) -> None:
        """Somebody who watches the lane sees that the traveller cannot go on alone."""
        self.host.post(e.AssistanceRequested("officer-7"))

    def follow(self, leader: Traveller) -> None:
        """Somebody walks in close behind."""
        body = Body(f"{leader.body.name}+", QUEUE_M + 0.4, leader.body.pace_mps * self.rng.uniform(0.9, 1.4))
        mind = Mind(self, body, leader.habit)
        self.lane.appear(body)
        self.agenda.after(self.rng.uniform(0.0, 0.8), mind.go, STAND_M - 0.4)

    def come_from_beyond(self) -> None:
        """Somebody tries to come in through the exit."""
        body = Body(f"r{len(self.lane.bodies)}@{self.agenda.now:.3f}", BEYOND_M, 1.4)
        mind = Mind(self, body)
        self.lane.appear(body)
        mind.go(STAND_M + 0.3)
        self.agenda.after(self.rng.uniform(5.0, 20.0), self._think_better, mind)

    def _think_better(self, mind: Mind) -> None:
        """Whoever did not get in goes away."""
        if not mind.gone and not mind.body.inside:
            mind.go(BEYOND_M if mind.body.zone > OUTSIDE else QUEUE_M)

    def carry_out_by_hand(self) -> None:
        """An officer opens the entry with the mechanical key and takes everybody out."""
        self.force(Door.ENTRY, 1.0, 6.0)
        for body in self.lane.inside:
            if body.mind is not None:
                body.mind.escorted(QUEUE_M)
