"""What rows order: each action appends commands or notes a fact of the crossing. Nothing here asks a question that a guard should ask.

The two exceptions are the interlock and the release, asserted once more where a door is commanded: a table that asked for a forbidden opening
raises `InterlockError`, and the machine turns that into a fail-secure out-of-service (INV-1, INV-2).
"""

from __future__ import annotations

from bisect import bisect_right

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.display import DisplayActions
from gate_controller.core.facts import Crossing, Verdict
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.table import Row
from gate_controller.core.values import BIOMETRICS, CheckOutcome, Door, Lamp, Modality, Occupancy, Outcome

MATCHED = frozenset(f"{modality.value}_{CheckOutcome.SUCCESSFUL.value}" for modality in BIOMETRICS)
"""Steps of checks that told it is the holder."""
HOLD_MARGIN_S = 1.0
"""A door's opening is timed by the board and must outlast the state's own deadline, which ends it earlier by a command."""

NO_CALL = frozenset({Reason.STARTING, Reason.STOPPING, Reason.MAINTENANCE})
"""Reasons for being out of service that need nobody to come."""

LAMPS: dict[State, tuple[Lamp, ...]] = {
    State.READY: (Lamp.ENTRY_GREEN,),
    State.ENTRY_OPEN: (Lamp.ENTRY_GREEN,),
    State.EXIT_OPEN: (Lamp.EXIT_GREEN,),
}
"""Lamps lit in a state; in all others only ENTRY_RED."""


def emergency_doors(policy: CrossingPolicy) -> list[c.Command]:
    """What is commanded in an emergency: the doors that the policy opens, for longer than until they are told again; the others are closed."""
    hold = policy.emergency_hold_s + HOLD_MARGIN_S
    return [c.OpenDoor(door, hold, emergency=True) if policy.emergency_opens(door) else c.CloseDoor(door) for door in policy.doors]


class InterlockError(Exception):
    """An opening was ordered that an invariant forbids: a bug in the table."""


class Actions(DisplayActions):
    """All other actions, and what entering a state does."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._lit: frozenset[Lamp] | None = None
        self._called: tuple[Reason, int] | None = None

    def apply(self, row: Row) -> None:
        """Carry out a row's left side: reason, outcome, actions; in this order."""
        self._row_reason = getattr(self, row.reason)() if isinstance(row.reason, str) else row.reason
        if row.outcome is not None:
            self.verdict = Verdict(row.outcome, self._row_reason)
        for name in row.do:
            getattr(self, name)()

    def enter(self, target: State) -> None:
        """Enter a state: deadlines, lamps, and what ENTER lists for it."""
        self.reason = self._row_reason
        self.arm(target)
        for name in ENTER[target]:
            getattr(self, name)()
        lit = frozenset(LAMPS.get(target, (Lamp.ENTRY_RED,)))
        if lit != self._lit:
            self.out.extend(c.SetLamp(lamp, lamp in lit) for lamp in Lamp if self._lit is None or (lamp in lit) != (lamp in self._lit))
            self._lit = lit

    # -- doors -----------------------------------------------------------------------------------------------------

    def open_entry(self) -> None:
        """Open the entry for as long as the state entered next may last."""
        self._open(Door.ENTRY, max(self.policy.entry_open_s, self.policy.return_path_s) + HOLD_MARGIN_S)

    def open_exit(self) -> None:
        """Open the exit: on a complete positive decision (INV-2) or by an officer's hand."""
        if not (self.by_officer() or (self.crossing is not None and self.crossing.verified)):
            raise InterlockError("exit ordered open without a decision")
        self._open(Door.EXIT, self.policy.exit_open_s + HOLD_MARGIN_S)
        if self.crossing is not None:
            self.crossing.exit_commanded = True
        self._step("exit_commanded")

    def close_entry(self) -> None:
        """End the entry's opening."""
        self._close(Door.ENTRY)

    def close_exit(self) -> None:
        """End the exit's opening."""
        self._close(Door.EXIT)

    def close_both(self) -> None:
        """End every opening."""
        self.close_exit()
        self.close_entry()

    def let_out(self) -> None:
        """A forced stop leaves nobody locked in: the way back is opened for as long as the board holds it."""
        if self.forced_stop() and self._perhaps_inside() and self.may_return() and self.exit_closed() and self.io_ready():
            self._open(Door.ENTRY, self.policy.return_path_s + HOLD_MARGIN_S)

    def hold_emergency_doors(self) -> None:
        """Open the doors that the policy opens in an emergency, again and again; close the others."""
        self.rearm("renew")
        self.out += emergency_doors(self.policy)

    def _close(self, door: Door) -> None:
        if door in self.policy.doors:
            self.out.append(c.CloseDoor(door))

    def _open(self, door: Door, hold_s: float) -> None:
        if door not in self.policy.doors:
            return  # a doorless entry is open
        other_closed = self.exit_closed() if door is Door.ENTRY else self.entry_closed()
        if not other_closed or self.emergency_reported():
            msg = f"{door.value} ordered open while the other is not confirmed closed"
            raise InterlockError(msg)
        self.out.append(c.OpenDoor(door, hold_s))

    # -- the crossing --------------------------------------------------------------------------------------------------

    def begin_crossing(self) -> None:
        """Begin a crossing with the text just read."""
        self.crossing = Crossing(self._event_crossing_id(), self.now)
        self.refusal = None
        self._step("pass_read")

    def verify_pass(self) -> None:
        """Have the text verified."""
        if isinstance(self.event, e.PassRead):
            self.out.append(c.VerifyPass(self.event.crossing_id, self.event.text))

    def note_pass(self) -> None:
        """Keep the facts of the verified pass."""
        if isinstance(self.event, e.PassVerified):
            self._crossing().pass_facts = self.event.facts
            self._step("pass_verified")

    def find_enrolment(self) -> None:
        """Have the enrolment looked up."""
        crossing = self._crossing()
        facts = crossing.pass_facts
        if facts is not None:
            self.out.append(c.FindEnrolment(crossing.crossing_id, facts.issuer, facts.enrolment_reference))

    def authorise(self) -> None:
        """Pass and enrolment entitle the holder."""
        if isinstance(self.event, e.EnrolmentFound):
            self._crossing().authorised = True
            self._step("authorised")

    def record_admission(self) -> None:
        """Claim the presentation and journal the admission before a door opens (INV-6, INV-8)."""
        crossing = self._crossing()
        facts = crossing.pass_facts
        if facts is not None:
            command = c.RecordAdmission(
                crossing.crossing_id, facts.pass_id, facts.issued_at, facts.pass_expires_at, facts.issuer, self.policy.direction, facts.degraded
            )
            self.out.append(command)

    def admit(self) -> None:
        """The traveller may come in."""
        self._crossing().admitted = True
        self._step("admitted")

    def prepare_biometrics(self) -> None:
        """Load the template and watch the face while the traveller walks in."""
        crossing = self._crossing()
        crossing.biometrics_running = True
        self.out += [c.PrepareBiometrics(crossing.crossing_id), c.GatherPadEvidence(crossing.crossing_id)]

    def start_checks(self) -> None:
        """All checks, at the same time."""
        crossing = self._crossing()
        self.out.extend(c.StartCheck(crossing.crossing_id, modality, self.policy.identity_s) for modality in Modality)

    def end_biometrics(self) -> None:
        """Stop what still runs; templates and images of the crossing are forgotten (INV-7)."""
        if self.crossing is not None and self.crossing.biometrics_running:
            self.crossing.biometrics_running = False
            self.out.append(c.EndBiometrics(self.crossing.crossing_id))

    def note_entered(self) -> None:
        """One person, counted, with the entry closed behind."""
        self._crossing().entered = True
        self._step("entered")

    def note_pad_awaited(self) -> None:
        """From here on the exit waits for presentation attack detection alone; the record tells how long. Noted once, whatever is told meanwhile.

        A match may be told late, together with the judgement that it waited for: then it waited from the match on, or from the other check's end.
        """
        crossing, event = self._crossing(), self.event
        if all(step.name != "pad_awaited" for step in crossing.steps) and isinstance(event, e.CheckEnded):
            before = [step.at_s for step in crossing.steps[:-1] if step.name in MATCHED]
            at_s = max([self.now - event.held_s - crossing.began_at, *before])
            crossing.steps.insert(bisect_right(crossing.steps, at_s, key=lambda step: step.at_s), c.Step("pad_awaited", at_s))

    def note_verified(self) -> None:
        """All checks ended as the policy demands."""
        self._crossing().verified = True
        self._step("verified")

    def note_exited(self) -> None:
        """Seen leaving through the exit."""
        if self.crossing is not None:
            self.crossing.exited = True
        self._step("exited")

    def doubt_exit(self) -> None:
        """Who was seen leaving may be inside again."""
        self._crossing().exited = False
        self._step("exit_doubted")

    def note_cleared(self) -> None:
        """Counted empty with both doors closed."""
        self._step("chamber_empty")

    def annul(self) -> None:
        """The outcome fixed so far no longer stands."""
        self.verdict = None

    def finish(self) -> None:
        """Record the crossing, exactly once (INV-6)."""
        crossing, verdict = self.crossing, self.verdict
        self.crossing, self.verdict = None, None
        if crossing is None:
            return
        verdict = verdict or Verdict(Outcome.ABORTED, self._row_reason or Reason.INTERNAL_ERROR)
        record = c.CrossingRecord(
            crossing_id=crossing.crossing_id,
            outcome=verdict.outcome,
            reason=verdict.reason,
            admitted=crossing.admitted,
            issuer=crossing.pass_facts.issuer if crossing.pass_facts else None,
            direction=self.policy.direction,
            authorised=crossing.authorised,
            entered=crossing.entered,
            verified=crossing.verified,
            exited=crossing.exited,
            chamber_empty=self.chamber_clear(),
            steps=tuple(crossing.steps),
            checks=dict(crossing.checks),
            officer=crossing.officer,
            officer_reason=crossing.officer_reason,
            # A refusal for a stale list comes from the verifier without facts.
            degraded=verdict.reason is Reason.PASS_STATUS_STALE or (crossing.pass_facts is not None and crossing.pass_facts.degraded),
        )
        self.out.append(c.RecordCrossing(record))

    # -- people --------------------------------------------------------------------------------------------------------

    def call(self) -> None:
        """Call an officer, unless one is called for this reason already. For another reason it is another call: what was said to the first does not answer it."""
        reason = self.reason or Reason.INTERNAL_ERROR
        if self._called is None:
            self.escalation = 0
        if self._called is None or self._called[0] is not reason:
            self.acknowledged_by = None
            self.call_number = max(self.call_number + 1, int(self.now * 1000))
            self._called = (reason, self.escalation)
            self.out.append(c.CallOfficer(reason, self.escalation))

    def call_pending(self) -> bool:
        """Guard: an officer is called already."""
        return self._called is not None

    def call_if_needed(self) -> None:
        """Call an officer if the reason for being out of service needs one. A counter that gives no answer ends no call (INV-3), unless an officer has looked."""
        if self.reason not in NO_CALL or self._perhaps_inside():
            self.call()
        elif self.inputs.occupancy is not Occupancy.UNKNOWN or isinstance(self.event, e.Rearmed):
            self.end_call()

    def escalate(self) -> None:
        """Nobody came: call again, louder."""
        self.rearm("officer")
        if self._called is not None:
            self.acknowledged_by = None
            self.escalation += 1
            self._called = (self._called[0], self.escalation)
            self.out.append(c.CallOfficer(self._called[0], self.escalation))

    def note_nobody_came(self) -> None:
        """Nobody came, and the way back is opened instead, once a crossing; the call goes on, louder."""
        if self.crossing is not None:
            self.crossing.way_back_offered = True
        self.escalate()
        self._note("officer_did_not_come", reason=self.reason.code if self.reason else "")

    def acknowledge(self) -> None:
        """An officer took the call. One that is taken stays theirs until it is repeated: nobody puts the repeat off, or another officer aside, by taking it again."""
        if isinstance(self.event, e.OfficerAcknowledged) and self.acknowledged_by is not None:
            self._note("act_refused", act="officer_acknowledged", identity=self.event.identity, state=self.state.value)
        elif isinstance(self.event, e.OfficerAcknowledged):
            self.acknowledged_by = self.event.identity
            if "officer" in self.deadlines:
                self.deadlines["officer"] = self.now + self.policy.officer_attend_s
            self._note("officer_acknowledged", identity=self.event.identity)

    def note_assistance(self) -> None:
        """Journal who asked for an officer inside."""
        self._note("assistance_requested", identity=getattr(self.event, "identity", ""))

    def by_officer_hand(self) -> None:
        """An officer decided, by identity and reason; a crossing is opened for the record where there is none."""
        if isinstance(self.event, (e.OfficerReleased, e.OfficerReturned)):
            if self.crossing is None:
                self.crossing = Crossing(self.event.crossing_id, self.now)
            self.crossing.officer = self.event.identity
            self.crossing.officer_reason = self.event.reason
            self._note(
                "officer_released" if isinstance(self.event, e.OfficerReleased) else "officer_returned",
                identity=self.event.identity,
                reason=self.event.reason,
                crossing_id=self.crossing.crossing_id,
            )

    def end_call(self) -> None:
        """The call is over."""
        if self._called is not None:
            self._called = None
            self.out.append(c.EndOfficerCall())

    def end_call_if_empty(self) -> None:
        """The call is over if the counter steadily shows nobody."""
        if self.nobody_inside():
            self.end_call()

    def latch(self) -> None:
        """Only an officer's re-arm brings the lane back, also after a restart. An emergency that was never re-armed stays the reason."""
        if not self.emergency_latched():
            self.latched = self._row_reason
        self._note("latched", reason=self._row_reason.code if self._row_reason else "")

    def note_rearmed(self) -> None:
        """An officer re-armed the lane: nothing is latched any more. But an emergency's re-arm takes the lane from no engineer."""
        kept = self.latched if self.state is State.EMERGENCY and self.maintenance_latched() else None
        self.latched = None
        self._note("rearmed", identity=getattr(self.event, "identity", ""))
        if kept is not None:
            self.latched = kept
            self._note("latched", reason=kept.code)

    def note_rearm_refused(self) -> None:
        """The emergency still stands, or the chamber is not verified empty."""
        self._note("rearm_refused", identity=getattr(self.event, "identity", ""))

    def note_emergency(self) -> None:
        """Journal the emergency."""
        self._note("emergency")

    def note_maintenance(self) -> None:
        """Journal who has the lane. It stays theirs over an emergency and a restart: only the engineer, or an officer's re-arm, gives it back."""
        if not isinstance(self.event, e.MaintenanceSwitched):
            return
        self._note("maintenance_on" if self.event.on else "maintenance_off", identity=self.event.identity)
        if self.event.on and self.latched is None:
            self.latched = Reason.MAINTENANCE
            self._note("latched", reason=Reason.MAINTENANCE.code)
        elif not self.event.on and self.maintenance_latched():
            self.latched = None

    # -- helpers -------------------------------------------------------------------------------------------------------

    @property
    def called(self) -> tuple[Reason, int] | None:
        """The officer call that is pending: reason and escalation."""
        return self._called

    def _note(self, kind: str, **fields: str) -> None:
        self.out.append(c.NoteEvent(kind, tuple(sorted(fields.items()))))

    def _step(self, name: str) -> None:
        if self.crossing is not None:
            self.crossing.steps.append(c.Step(name, self.now - self.crossing.began_at))

    def _perhaps_inside(self) -> bool:
        return self.crossing is not None and self.crossing.admitted and not self.chamber_clear()

    def _crossing(self) -> Crossing:
        if self.crossing is None:
            raise InterlockError("a row needs a crossing where there is none")
        return self.crossing

    def _event_crossing_id(self) -> str:
        return str(getattr(self.event, "crossing_id", ""))


ENTER: dict[State, tuple[str, ...]] = {
    State.OUT_OF_SERVICE: ("close_both", "let_out", "end_biometrics", "call_if_needed", "finish", "show_closed"),
    State.READY: ("end_biometrics", "finish", "end_call", "show_ready"),
    State.PASS_CHECK: ("show_checking",),
    State.ENTRY_OPEN: ("show_step_in",),
    State.OCCUPANCY_CHECK: ("show_wait_inside",),
    State.IDENTITY_CHECK: ("show_finger_and_face", "start_checks"),
    State.EXIT_OPEN: ("end_biometrics", "show_step_out"),
    State.CLEARING: ("end_biometrics",),
    State.RETURN_PATH: ("end_biometrics", "open_entry", "show_go_back"),
    State.OFFICER_REFERRAL: ("close_both", "end_biometrics", "call", "show_wait_for_officer"),
    State.EMERGENCY: ("hold_emergency_doors", "note_emergency", "end_biometrics", "finish", "call", "show_reason"),
    State.MAINTENANCE: ("close_both", "finish", "end_call_if_empty", "show_closed"),
}
"""What entering a state does, in this order."""
