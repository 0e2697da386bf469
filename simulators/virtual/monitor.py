"""The judge: invariants 1 to 6 and 8 of docs/ARCHITECTURE.md, from the truth of the world and from what went in and out of the core.

It never reads the core's state or flags. It knows who is where, which leaf is where, which coil is on, what the wires show, what was presented and truly verified, which events were
delivered and which commands came back. What no controller could know is counted by itself (`exempt`); docs/simulation.md argues each case.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.reasons import Reason
from gate_controller.core.values import UNKNOWN_INPUTS, CheckOutcome, Device, Door, DoorPosition, LaneInputs, Modality, Occupancy, Outcome, TriState
from simulators.virtual.agenda import Agenda
from simulators.virtual.body import Body
from simulators.virtual.evidence import Evidence
from simulators.virtual.leaf import AJAR, PASSABLE, SHUT, Leaf
from simulators.virtual.leave import Leave
from simulators.virtual.ledger import Ledger, Violation
from simulators.virtual.patience import Patience
from simulators.virtual.senses import Senses
from simulators.virtual.services import Presentation
from simulators.virtual.watch import REACTION_S, Watch

if TYPE_CHECKING:
    from simulators.virtual.lane import Lane

NEEDED = frozenset({Device.IO_BOARD, Device.JOURNAL, Device.FINGERPRINT, Device.FACE_CAMERA})
"""Devices whose loss leaves nothing to decide on."""

_OF_NO_INTEREST = frozenset({c.SetLamp, c.ShowPrompt, c.VerifyPass, c.FindEnrolment, c.RecordAdmission, c.GatherPadEvidence, c.EndBiometrics})


class Monitor:
    """One episode's judge.

    Attributes:
        lane: The world; set by the lane itself.
        latched: What the disk says keeps the lane closed; set by the host.
        violations: What was violated.
        exempt: How often something was seen that no controller could have known, by kind.
    """

    def __init__(self, agenda: Agenda, policy: CrossingPolicy) -> None:
        self._agenda = agenda
        self._policy = policy
        self.lane: Lane
        self.latched: Callable[[], Reason | None] = lambda: None
        self.violations: list[Violation] = []
        self.exempt: Counter[str] = Counter()
        self.ledgers: dict[str, Ledger] = {}
        self._used: dict[bytes, int] = {}
        self._reading: LaneInputs = UNKNOWN_INPUTS
        self._lost: dict[Device, None] = {}
        self._emergency = False
        self._over_since = -1e9
        self._leave = Leave()
        self._went_out_at: dict[str, float] = {}
        self._came_in_at = -1e9
        self._stepped_in: tuple[float, float] = (-1e9, -1e9)
        self._shut = dict.fromkeys(Door, True)
        self._unshut_at = dict.fromkeys(Door, -1e9)
        self._forced = dict.fromkeys(Door, False)
        self._forced_at = dict.fromkeys(Door, -1e9)
        self._mute = True
        self._alive = False
        self.watch = Watch(agenda, policy, lambda: self.lane, self._violated)
        self._evidence = Evidence(policy.stable_s)
        self.senses = Senses(agenda, policy.stable_s)
        self._exit_ordered_at = self._exit_sent_at = -1e9
        self._patience = Patience(agenda, policy, self.senses, self._violated, self.exempt)

    # -- the world's side ------------------------------------------------------------------------------------------------

    def coil(self, door: Door, on: bool) -> None:
        """A coil was switched."""
        self.watch.look()
        if not on:
            if door is Door.EXIT and self.lane.leaves[door].level == SHUT:
                self._leave.shut()  # it was ordered open and never moved
            return
        self._forced[door] = False
        other = self.lane.leaves[door.other]
        if self._emergency or self._confirmed_shut(other):
            if not self._emergency and other.level != SHUT and other.door in self._policy.doors:
                self.exempt["INV-1: a contact says closed while the leaf is not"] += 1
            return
        if self._agenda.now - self._unshut_at[door.other] <= REACTION_S:
            self.exempt["INV-1: the other door, or its contact, left its place within the reaction time"] += 1
            return
        self._violated("INV-1", f"{door.value} was switched open while {door.other.value} was not confirmed closed")

    def leaf(self, leaf: Leaf, before: int) -> None:
        """A leaf passed a threshold."""
        if leaf.level == SHUT:
            self._forced[leaf.door] = False
            if leaf.door is Door.EXIT:
                self._end_leave()
        if PASSABLE in {before, leaf.level}:
            self.watch.look()
            self._look_for_help()

    def _end_leave(self) -> None:
        """The exit is shut: leave to go ends, unless the order to open has not reached the coil yet (somebody pulled at the leaf meanwhile)."""
        leaf = self.lane.leaves[Door.EXIT]
        if leaf.level != SHUT or leaf.commanded:
            return
        if (on_its_way := self._exit_sent_at + REACTION_S - self._agenda.now) > 0:
            self._agenda.after(on_its_way, self._end_leave)
        else:
            self._leave.shut()

    def call(self, on: bool) -> None:
        """The call's coil was switched."""
        self.watch.coil(on)
        self._look_for_help()

    def forced(self, door: Door) -> None:
        """Somebody forces a door; until it is shut again, or commanded, whoever goes through it goes by force."""
        self._forced[door] = True
        self._forced_at[door] = self._agenda.now

    def wires(self) -> None:
        """The wires may have changed."""
        self.senses.look(self.lane)
        now = self._agenda.now
        for door, leaf in self.lane.leaves.items():
            shut = self.lane.position(leaf) == 0
            if shut is not self._shut[door]:
                self._shut[door] = shut
                if not shut:
                    self._unshut_at[door] = now
                    self._watch_other(door)

    def passage(self, body: Body, door: Door, inward: bool) -> None:
        """The middle of a body went through a door's plane."""
        self.wires()
        if door is Door.ENTRY and inward:
            self._stepped_in = self._agenda.now, self.senses.zero_until
        elif door is Door.EXIT and inward:
            self._came_in_at = self._agenda.now
            self._leave.give(body.name)  # whoever comes from beyond the border may go back there
        elif door is Door.EXIT:
            self._went_out_at[body.name] = self._agenda.now
            self._went_out(body)
        self._look_for_help()

    def board(self, answers: bool) -> None:
        """The board answers, or is silent."""
        self._mute = not answers
        self.watch.able(self._alive and answers)

    def process(self, alive: bool) -> None:
        """The controller's process lives, or died."""
        self._alive = alive
        self.watch.called(False)
        self.watch.emergency(False)
        self._reading = UNKNOWN_INPUTS
        self._lost = dict.fromkeys(Device)
        if alive and self._emergency and self.latched() is not Reason.EMERGENCY:
            # The doors of an emergency do not wait for a disk: a process that dies in between leaves no word of it.
            self.exempt["INV-5: the process died before an emergency was on the disk"] += 1
            self._over()
        self.watch.able(alive and not self._mute)
        self._look_for_help()

    # -- the core's side ---------------------------------------------------------------------------------------------------

    def told(self, event: e.Event, shown: Presentation | None) -> None:
        """An event is about to be delivered to the core; `shown` is the presentation that a PassRead is of."""
        if isinstance(event, e.InputsRead):
            self._reading = event.inputs
            self._evidence.reads(event.inputs, self._agenda.now)
        elif isinstance(event, e.DeviceLost):
            self._lost[event.device] = None
            if event.device is Device.IO_BOARD:
                self._reading = UNKNOWN_INPUTS
                self._evidence.reads(UNKNOWN_INPUTS, self._agenda.now)
        elif isinstance(event, e.DeviceReady):
            self._lost.pop(event.device, None)
        elif isinstance(event, e.PassRead):
            self.ledgers[event.crossing_id] = Ledger(shown, self._agenda.now)
        elif isinstance(event, e.CheckEnded):
            ledger = self.ledgers.get(event.crossing_id)
            if ledger is not None and event.modality in ledger.started:
                # The first end of a check that was started stands: a later success does not mend a failure.
                ledger.ended.setdefault(event.modality, event.outcome)
                if event.modality is Modality.PAD and event.outcome in (CheckOutcome.FAILED, CheckOutcome.UNDETERMINED):
                    ledger.ended[Modality.PAD] = event.outcome  # an alarm takes back what was judged live
        elif isinstance(event, e.AdmissionRecorded):
            self._claim(event.crossing_id)
        elif isinstance(event, e.OfficerReturned) and (current := self._current()) is not None:
            current.sent_nobody_back = not self.lane.inside

    def answered(self, event: e.Event, commands: list[c.Command]) -> None:
        """The core has answered an event with these commands."""
        reported = isinstance(event, e.InputsRead) and event.inputs.emergency is TriState.ACTIVE
        newly = reported and not self._emergency
        if reported:
            self._emergency = True
            self.watch.emergency(True)
        opened: list[Door] = []
        shut = False
        for command in commands:
            kind = type(command)
            if kind in _OF_NO_INTEREST:
                continue
            if isinstance(command, c.OpenDoor):
                opened.append(command.door)
                self._opening(event, command)
            elif isinstance(command, c.CloseDoor):
                shut |= command.door is Door.EXIT
            elif isinstance(command, c.PrepareBiometrics):
                if Door.ENTRY not in self._policy.doors:
                    self._admission(command.crossing_id)  # nothing else shows it where the entry is always open
            elif isinstance(command, c.StartCheck):
                self.ledgers[command.crossing_id].started[command.modality] = None
            elif isinstance(command, c.CallOfficer):
                self.watch.called(True)
            elif isinstance(command, c.EndOfficerCall):
                self.watch.called(False)
            elif isinstance(command, c.RecordCrossing):
                self._recorded(command.record)
            elif isinstance(command, c.NoteEvent) and command.kind == "rearmed" and self._emergency:
                self._rearmed()
        if shut:
            self._evidence.shut(called=self.watch.ordered)
        if newly:
            wanted = [door for door in self._policy.doors if self._policy.emergency_opens(door)]
            if opened != wanted:
                self._violated("INV-5", "a reported emergency did not release the doors at once")

    def failed(self, bug: Exception) -> None:
        """The core raised: fail-secure, but a bug all the same."""
        frame = traceback.extract_tb(bug.__traceback__)[-1]
        self._violated("INV-4", f"the core failed with {type(bug).__name__}: {bug} ({frame.filename.rpartition('/')[2]}, line {frame.lineno})")

    def close(self, admitted: list[str], outcomes: dict[str, list[c.CrossingRecord | None]]) -> None:
        """The episode is over: everybody admitted has exactly one outcome, and nobody is inside without an officer called."""
        self._look_for_help()
        for crossing_id in admitted:
            if len(outcomes.get(crossing_id, ())) != 1:
                self._violated("INV-6", f"{crossing_id} was admitted and has {len(outcomes.get(crossing_id, ()))} outcomes")
        for crossing_id, records in outcomes.items():
            if len(records) > 1:
                self._violated("INV-6", f"{crossing_id} has {len(records)} outcomes")

    # -- rules ----------------------------------------------------------------------------------------------------------------

    def _opening(self, event: e.Event, command: c.OpenDoor) -> None:
        reading, door = self._reading, command.door
        if door is Door.EXIT:
            self._exit_sent_at = self._agenda.now
        if command.emergency:
            if not self._emergency:
                self._violated("INV-5", f"{door.value} ordered open for an emergency that nobody reported")
            if door is Door.EXIT:
                self._leave.give_everybody()
            return
        if self._emergency and not isinstance(event, (e.OfficerReleased, e.OfficerReturned)):  # an officer may empty the chamber before the re-arm
            self._violated("INV-5", f"{door.value} ordered open in an emergency that nobody re-armed")
        if reading.door(door.other) is not DoorPosition.CLOSED:
            self._violated("INV-1", f"{door.value} ordered open while {door.other.value} is {reading.door(door.other).value} by the last reading")
        if reading.emergency is not TriState.INACTIVE:
            self._violated("INV-3", f"{door.value} ordered open while the emergency loop is {reading.emergency.value}")
        if door is Door.EXIT:
            self._exit_opening(event)
        elif isinstance(event, e.AdmissionRecorded):
            self._admission(event.crossing_id)

    def _admission(self, crossing_id: str) -> None:
        ledger = self.ledgers[crossing_id]
        ledger.openings += 1
        shown = ledger.shown
        if shown is None or shown.refused is not None or shown.enrolment is None or not ledger.claimed:
            self._violated("INV-8", f"the entry was opened for {crossing_id}, whose presentation was not accepted and claimed")
        if ledger.openings > 1:
            self._violated("INV-8", f"the entry was opened twice for {crossing_id}")
        if self._reading.occupancy is not Occupancy.ZERO:
            self._violated("INV-3", f"admitted while the counter shows {self._reading.occupancy.value}")

    def _exit_opening(self, event: e.Event) -> None:
        inside = self.lane.inside
        self._exit_ordered_at = self._agenda.now
        if (current := self._current()) is not None and current.let_out_at is None:
            current.let_out_at = self._agenda.now
        if isinstance(event, e.OfficerReleased):
            if not (event.identity.strip() and event.reason.strip()):
                self._violated("INV-2", "an officer's release without identity or reason")
            self._leave.give_everybody()
            self._evidence.let_out(decided=False)
            return
        self._evidence.let_out(decided=True)
        ledger = self._current()
        if ledger is None or ledger.shown is None or ledger.shown.refused is not None or not ledger.claimed or not ledger.meets(self._policy):
            self._violated("INV-2", "the exit was released without a complete positive decision")
            return
        reading = self._reading
        if TriState.UNKNOWN in {reading.entry_beam, reading.exit_beam, reading.tamper} or reading.occupancy is not Occupancy.ONE:
            self._violated("INV-3", f"the exit was released on unknown inputs or a count of {reading.occupancy.value}")
        if self._lost.keys() & NEEDED:
            self._violated("INV-3", "the exit was released while a device that decides is lost")
        ledger.released = True
        self._leave.give(ledger.shown.holder)
        if [body.name for body in inside] == [ledger.shown.holder]:
            if inside[0].heads > 1:
                self.exempt["INV-2: a child on the arm, whom no counter tells apart"] += 1
        elif len(inside) == 1 and inside[0].masked:
            missed = ledger.ended[Modality.PAD] is CheckOutcome.SUCCESSFUL
            self.exempt[f"INV-2: a picture of the holder, {'taken for a living face' if missed else 'where the policy lets pass what nobody judged'}"] += 1
            ledger.goes = inside[0].name
            self._leave.give(ledger.goes)
        elif self.senses.miscounts(REACTION_S):
            self.exempt["INV-2: the counter was wrong, or late, about how many are inside"] += 1
        else:
            self._violated("INV-2", f"the exit was released for {ledger.shown.holder} with {[body.name for body in inside]} inside")

    def _went_out(self, body: Body) -> None:
        if self._leave.has(body.name):
            return
        if self._forced[Door.EXIT]:
            self.exempt["INV-2: somebody forced the exit and went out"] += 1
        elif self.senses.miscounted(self._exit_ordered_at):
            self.exempt["INV-2: somebody whom the counter did not show went out"] += 1
        else:
            self._violated("INV-2", f"{body.name} went out through the exit and was not cleared")

    def _recorded(self, record: c.CrossingRecord) -> None:
        missing = self._evidence.missing(self._agenda.now)
        if record.outcome is Outcome.COMPLETED and missing is not None:
            self._violated("INV-6", f"{record.crossing_id} recorded as completed without {missing}")
        ledger = self.ledgers.get(record.crossing_id)
        holder = (ledger.goes or ledger.shown.holder) if ledger is not None and ledger.shown is not None else None
        if ledger is None or holder is None:
            return
        leaf = self.lane.leaves[Door.EXIT]
        self._leave.end(holder, shut=leaf.level == SHUT and not leaf.commanded)
        beyond = self._went_out_at.get(holder, -1.0) >= ledger.began_at
        wrong = None
        if record.outcome is Outcome.COMPLETED and not beyond:
            wrong = "recorded as completed, though the traveller did not go out through the exit on a decision"
        elif record.outcome in {Outcome.REFUSED, Outcome.RETURNED, Outcome.ABANDONED} and beyond:
            wrong = f"recorded as {record.outcome.value}, though the traveller is beyond the exit"
        if wrong is None:
            return
        mattered = ledger.began_at if ledger.let_out_at is None else ledger.let_out_at  # before that nobody goes
        if self.senses.miscounted(mattered) or self.senses.wire_was_wrong(mattered):
            self.exempt["INV-6: a sensor was wrong, and the outcome with it"] += 1
        elif record.outcome is Outcome.RETURNED and ledger.sent_nobody_back:
            self.exempt["INV-6: an officer sent back whoever was inside, and nobody was"] += 1
        elif self._came_in_at >= mattered:
            self.exempt["INV-6: somebody from beyond took the traveller's place, and a counter counts only"] += 1
        elif Door.ENTRY not in self._policy.doors and self._stepped_in[1] < self._went_out_at.get(holder, -1.0) <= self._stepped_in[0]:
            self.exempt["INV-6: somebody walked in and took the traveller's place, and the counter never showed the chamber empty in between"] += 1
        elif self._forced_at[Door.EXIT] >= ledger.began_at:
            self.exempt["INV-6: the exit was forced, and the outcome does not know who went"] += 1
        else:
            self._violated("INV-6", f"{record.crossing_id} {wrong}")

    def _over(self) -> None:
        """An emergency's doors may stand open together until it is over: from now on the time runs in which one of them must be taken back."""
        self._emergency, self._over_since = False, self._agenda.now
        for door, shut in self._shut.items():
            if not shut:
                self._watch_other(door)

    def _rearmed(self) -> None:
        self._over()
        self.watch.emergency(False)
        if self.lane.inside:
            if self.senses.miscounts(REACTION_S):
                self.exempt["INV-5: re-armed on the word of a counter that was wrong"] += 1
            else:
                self._violated("INV-5", "re-armed with somebody in the chamber")
        if self.lane.loop_open and "loop" not in self.lane.stuck and self._reading.emergency is not TriState.INACTIVE:
            self._violated("INV-5", "re-armed while the loop is open")

    def _claim(self, crossing_id: str) -> None:
        ledger = self.ledgers.get(crossing_id)
        if ledger is None or ledger.shown is None:
            return
        facts = ledger.shown.facts
        if self._used.get(facts.pass_id, -1) >= facts.issued_at:
            self._violated("INV-8", f"the presentation of {crossing_id} was claimed before")
        self._used[facts.pass_id] = facts.issued_at
        ledger.claimed = True

    # -- helpers ------------------------------------------------------------------------------------------------------------------

    def _confirmed_shut(self, leaf: Leaf) -> bool:
        return not leaf.commanded and self.lane.position(leaf) == 0

    def _watch_other(self, door: Door) -> None:
        """This door is not shut: the other must not stay commanded open."""
        if self.lane.leaves[door.other].commanded:
            since = max(self._unshut_at[door], self._over_since)
            self._agenda.after(self._policy.unknown_grace_s + REACTION_S, self._still_held, door.other, since)

    def _still_held(self, door: Door, since: float) -> None:
        """The other door has been away from closed for a while: is this one still commanded open?"""
        if not self.lane.leaves[door].commanded or self._emergency or self._shut[door.other] or max(self._unshut_at[door.other], self._over_since) != since:
            return
        if self.watch.able_since is None or self.watch.able_since > since - REACTION_S:
            self.exempt["INV-1: no board or no process to take an opening back"] += 1
        else:
            self._violated("INV-1", f"{door.value} stays commanded open while {door.other.value} is not confirmed closed")

    def _look_for_help(self) -> None:
        """INV-4: whoever is inside has a passable door or a called officer within the bound; a dead process is the service manager's to restart."""
        leaves = self.lane.leaves
        free = self.watch.calls or not self._alive or leaves[Door.ENTRY].level > AJAR or leaves[Door.EXIT].level > AJAR
        self._patience.look(helpless=not free and any(body.inside for body in self.lane.bodies))

    def _current(self) -> Ledger | None:
        return next(reversed(self.ledgers.values()), None)

    def _violated(self, invariant: str, what: str) -> None:
        self.violations.append(Violation(invariant, self._agenda.now, what))
