"""The conditions that rows of the table name. Each is a pure question to the facts; UNKNOWN answers none of them with yes (INV-3).

A guard that asks for trouble ("not closed") is written so that UNKNOWN is neither trouble nor clearance: it only ever
prevents progress, and deadlines end the wait.
"""

from __future__ import annotations

from gate_controller.core import events as e
from gate_controller.core.facts import AJAR, Facts
from gate_controller.core.policy import BiometricRule, PadRule
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import CheckOutcome, Device, Door, DoorPosition, Modality, Occupancy, Outcome, TriState

NEEDED_INSIDE = (Device.IO_BOARD, Device.JOURNAL, Device.FINGERPRINT, Device.FACE_CAMERA)
"""Devices without which the traveller inside cannot be decided on. What only an admission needs (trust, enrolments, the QR camera) is not among them."""


class Guards(Facts):
    """All guards. A method without arguments answers for the present moment."""

    # -- the event at hand ---------------------------------------------------------------------------------------

    def mine(self) -> bool:
        """The event belongs to the crossing under way."""
        return self.crossing is not None and getattr(self.event, "crossing_id", None) == self.crossing.crossing_id

    def forced_stop(self) -> bool:
        """The stop does not wait for an open crossing."""
        return isinstance(self.event, e.StopRequested) and self.event.now

    def being_stopped(self) -> bool:
        """A stop was asked for; the process ends as soon as the lane is idle."""
        return self.stopping

    def switched_on(self) -> bool:
        """Maintenance was switched on."""
        return isinstance(self.event, e.MaintenanceSwitched) and self.event.on

    # -- inputs --------------------------------------------------------------------------------------------------

    def emergency_reported(self) -> bool:
        """The board reports the loop open. A silent board is not an emergency (INV-5)."""
        return self.inputs.emergency is TriState.ACTIVE

    def emergency_over(self) -> bool:
        """The loop is reported whole again."""
        return self.inputs.emergency is TriState.INACTIVE

    def io_ready(self) -> bool:
        """The I/O board answers."""
        return Device.IO_BOARD not in self.missing

    def io_lost(self) -> bool:
        """The I/O board is lost: nothing is known and no door can be moved."""
        return not self.io_ready()

    def entry_closed(self) -> bool:
        """The entry is confirmed closed."""
        return self.inputs.entry_door is DoorPosition.CLOSED

    def exit_closed(self) -> bool:
        """The exit is confirmed closed."""
        return self.inputs.exit_door is DoorPosition.CLOSED

    def doors_closed(self) -> bool:
        """Both doors are confirmed closed."""
        return self.entry_closed() and self.exit_closed()

    def entry_ajar(self) -> bool:
        """The entry is known to be away from closed."""
        return self.inputs.entry_door in AJAR

    def exit_ajar(self) -> bool:
        """The exit is known to be away from closed."""
        return self.inputs.exit_door in AJAR

    def entry_forced(self) -> bool:
        """The entry was confirmed closed in this state, and has been away from closed for longer than a contact bounces."""
        return self._forced(Door.ENTRY)

    def exit_forced(self) -> bool:
        """As entry_forced, for the exit."""
        return self._forced(Door.EXIT)

    def a_door_forced(self) -> bool:
        """Either door."""
        return self.entry_forced() or self.exit_forced()

    def entry_unconfirmed(self) -> bool:
        """The entry has not been confirmed closed for longer than the policy's grace. The exit may not stay open beside it (INV-1)."""
        return self.unconfirmed(Door.ENTRY)

    def exit_unconfirmed(self) -> bool:
        """As entry_unconfirmed, for the exit."""
        return self.unconfirmed(Door.EXIT)

    def tampered(self) -> bool:
        """A housing is open."""
        return self.inputs.tamper is TriState.ACTIVE

    def doorless_entry(self) -> bool:
        """A single-door lane: only the beam in its entry tells who comes and goes there."""
        return Door.ENTRY not in self.policy.doors

    def entry_was_ajar(self) -> bool:
        """The entry was seen away from closed in this state; one without a door always is."""
        return self.entry_seen_ajar

    def exit_was_ajar(self) -> bool:
        """The exit was seen away from closed in this state."""
        return self.exit_seen_ajar

    def passed_exit_beam(self) -> bool:
        """The exit beam was interrupted in this state."""
        return self.exit_beam_broken

    def entry_beam_clear(self) -> bool:
        """Nobody stands in the entry."""
        return self.inputs.entry_beam is TriState.INACTIVE

    def entry_beam_interrupted(self) -> bool:
        """Somebody stands in the entry."""
        return self.inputs.entry_beam is TriState.ACTIVE

    def entry_beam_blind(self) -> bool:
        """Whoever is counted came past the beam of a doorless entry, which has read clear ever since it was opened to them, or clearing began."""
        return not self.entry_passed

    def exit_beam_clear(self) -> bool:
        """Nobody stands in the exit."""
        return self.inputs.exit_beam is TriState.INACTIVE

    def one_inside(self) -> bool:
        """The counter has steadily shown exactly one."""
        return self.stable(Occupancy.ONE)

    def many_inside(self) -> bool:
        """The counter has steadily shown more than one."""
        return self.stable(Occupancy.MANY)

    def somebody_inside(self) -> bool:
        """The counter has shown at least one for long enough, be it one or more by turns."""
        return self.occupied_since is not None and self.now >= self.occupied_since + self.policy.stable_s

    def walked_in(self) -> bool:
        """Somebody came in by an entry without a door: since this state was entered the exit was shut, or nobody stood in it."""
        by_exit = (self.exit_seen_ajar or self.exit_doubted) and self.exit_beam_broken
        return self.doorless_entry() and self.somebody_inside() and self.exit_closed() and not by_exit

    def nobody_inside(self) -> bool:
        """The counter has steadily shown zero."""
        return self.stable(Occupancy.ZERO)

    def inputs_unknown(self) -> bool:
        """Some input has been unknown for longer than the policy's grace."""
        return self.unknown_since is not None and self.now >= self.unknown_since + self.policy.unknown_grace_s

    def unknown_too_long(self) -> bool:
        """As inputs_unknown, or the counter has been unsettled for as long."""
        unsettled = self.now < self.occupancy_since + self.policy.stable_s and self.now >= self.settled_at + self.policy.unknown_grace_s
        return unsettled or self.inputs_unknown()

    def exit_beam_stuck(self) -> bool:
        """The exit beam has been interrupted for longer than the policy's grace."""
        return self.exit_beam_since is not None and self.now >= self.exit_beam_since + self.policy.unknown_grace_s

    def surely_one(self) -> bool:
        """Exactly one by the counter, and no sign of a second person for as long as the counter may take to settle."""
        return self.one_inside() and (self.many_seen_at is None or self.now >= self.many_seen_at + self.policy.occupancy_settle_s)

    def chamber_clear(self) -> bool:
        """Doors closed, beams clear, nobody inside: each confirmed."""
        return self.io_ready() and self.doors_closed() and self.entry_beam_clear() and self.exit_beam_clear() and self.nobody_inside()

    # -- service -------------------------------------------------------------------------------------------------

    def in_service(self) -> bool:
        """Every device works, nothing is latched, and the lane is verified empty and shut."""
        return (
            not self.missing
            and self.latched is None
            and not self.stopping
            and self.chamber_clear()
            and self.emergency_over()
            and self.inputs.tamper is TriState.INACTIVE
        )

    def must_close(self) -> bool:
        """An idle lane may not stay in service."""
        return (
            bool(self.missing)
            or self.latched is not None
            or self.stopping
            or self.tampered()
            or self.a_door_forced()
            or self.somebody_inside()
            or self.exit_beam_stuck()
            or self.unknown_too_long()
        )

    def clear_to_admit(self) -> bool:
        """At this very moment: doors confirmed closed, nobody inside, no emergency, everything known."""
        known = self.unknown_since is None and self.emergency_over() and self.exit_beam_clear()
        return known and not self.must_close() and self.doors_closed() and self.nobody_inside()

    def lost_inside(self) -> bool:
        """A device needed to decide on the traveller inside is lost, or the inputs stay unknown."""
        return any(device in self.missing for device in NEEDED_INSIDE) or self.unknown_too_long()

    # -- decision ------------------------------------------------------------------------------------------------

    def pass_known(self) -> bool:
        """The pass of this crossing was verified."""
        return self.crossing is not None and self.crossing.pass_facts is not None

    def degraded(self) -> bool:
        """The pass of this crossing was verified against a status list that is good for low-risk travellers only."""
        return self.crossing is not None and self.crossing.pass_facts is not None and self.crossing.pass_facts.degraded

    def authorised(self) -> bool:
        """Pass and enrolment entitle the holder, and the admission was ordered to be recorded."""
        return self.crossing is not None and self.crossing.authorised

    def officer_must_confirm(self) -> bool:
        """The face was right and judged live, and the rule leaves the last word to an officer."""
        return self.policy.biometric_rule is BiometricRule.FACE_ONLY_WITH_OFFICER and self.holder_present() and self.pad_met()

    def rule_met(self) -> bool:
        """All checks ended as the policy demands for a release without an officer."""
        return self.policy.biometric_rule is not BiometricRule.FACE_ONLY_WITH_OFFICER and self.holder_present() and self.pad_met()

    def holder_present(self) -> bool:
        """The biometric checks ended as the biometric rule demands. A picture of the holder may do that, too."""
        rule = self.policy.biometric_rule
        face = self._check(Modality.FACE) is CheckOutcome.SUCCESSFUL
        if rule is BiometricRule.FACE_ONLY_WITH_OFFICER:
            return face
        finger = self._check(Modality.FINGERPRINT) is CheckOutcome.SUCCESSFUL
        return face or finger if rule is BiometricRule.EITHER else face and finger

    def pad_met(self) -> bool:
        """The face before the camera was judged live; or nothing was judged, and the policy lets that pass (it is marked in the record)."""
        pad = self._check(Modality.PAD)
        return pad is CheckOutcome.SUCCESSFUL or (pad is CheckOutcome.NOT_SUPPORTED and self.policy.pad_rule is PadRule.SIGNALLED)

    def only_pad_missing(self) -> bool:
        """All that keeps the exit closed is that presentation attack detection has not ended."""
        return self.holder_present() and self._check(Modality.PAD) is None

    def release_allowed(self) -> bool:
        """INV-2: authorised, rule met and the face judged live, exactly one inside, both doors confirmed closed, no emergency, everything known and working."""
        return (
            self.crossing is not None
            and self.crossing.authorised
            and self.crossing.entered
            and self.rule_met()
            and self.surely_one()
            and self.doors_closed()
            and self.emergency_over()
            and self.inputs.tamper is TriState.INACTIVE
            and self.unknown_since is None
            and not self.lost_inside()
        )

    def officer_may_release(self) -> bool:
        """INV-1 and INV-5 bind an officer, too."""
        return self.io_ready() and self.doors_closed() and self.emergency_over()

    def may_return(self) -> bool:
        """Whoever is inside came in through the entry with a pass, and the exit was not opened since."""
        return self.crossing is not None and self.crossing.admitted and not self.crossing.exit_commanded

    def way_back_left(self) -> bool:
        """The way back may open by itself once a crossing; whoever does not take it needs an officer."""
        return self.may_return() and self.crossing is not None and not self.crossing.way_back_offered

    def io_back(self) -> bool:
        """The device that works again is the I/O board."""
        return isinstance(self.event, e.DeviceReady) and self.event.device is Device.IO_BOARD

    def emergency_latched(self) -> bool:
        """An emergency before a restart was never re-armed."""
        return self.latched is Reason.EMERGENCY

    def maintenance_latched(self) -> bool:
        """An engineer took the lane, and did not give it back."""
        return self.latched is Reason.MAINTENANCE

    def verified_empty(self) -> bool:
        """The emergency loop is whole and the counter steadily shows nobody."""
        return self.emergency_over() and self.io_ready() and self.nobody_inside()

    def counted_before(self) -> bool:
        """Exactly one was counted in before; the checks began with them."""
        return self.crossing is not None and self.crossing.entered

    def verified(self) -> bool:
        """All checks ended as the policy demands in this crossing."""
        return self.crossing is not None and self.crossing.verified

    def no_crossing(self) -> bool:
        """Nobody was admitted: whoever was inside was not this lane's traveller."""
        return self.crossing is None

    def left_late(self) -> bool:
        """Whoever was let out went just as the exit was closing, or left something in it; seen by door and beam. By a doorless entry they may have gone back."""
        late = self.reason in {Reason.NEVER_EXITED, Reason.BEAM_BLOCKED}
        return late and self.exit_seen_ajar and self.exit_beam_broken and not self.doorless_entry()

    def perhaps_beyond(self) -> bool:
        """The traveller was seen to go; or the exit was opened to them while the entry has no door, and who is inside now is not known."""
        return self.crossing is not None and (self.crossing.exited or (self.crossing.exit_commanded and self.doorless_entry()))

    def backed_out(self) -> bool:
        """The entry was seen open, or has no door; the exit never was commanded, nor in doubt."""
        return self.entry_seen_ajar and not self.exit_seen_ajar and not self.exit_doubted and self.may_return()

    def by_officer(self) -> bool:
        """An officer has let the traveller through."""
        return self.crossing is not None and self.crossing.officer is not None

    def verdict_reached(self) -> bool:
        """How the crossing ends is already decided; only the chamber has to be clear."""
        return self.verdict is not None

    def to_be_completed(self) -> bool:
        """All that is missing of a completed crossing is the chamber counted empty."""
        return self.verdict is not None and self.verdict.outcome is Outcome.COMPLETED

    # -- deadlines (states.DEADLINES) ------------------------------------------------------------------------------

    def expired_refusal_shown(self) -> bool:
        """The refusal was on the display long enough."""
        return self.refusal is not None and self.expired("refusal_shown")

    def expired_pass_check(self) -> bool:
        """The pass check took too long."""
        return self.expired("pass_check")

    def expired_door_moves(self) -> bool:
        """The commanded door should have moved by now."""
        return self.expired("door_moves")

    def expired_entry_open(self) -> bool:
        """The time to come in is over."""
        return self.expired("entry_open")

    def expired_entry_close(self) -> bool:
        """The entry should be closed by now."""
        return self.expired("entry_close")

    def expired_occupancy(self) -> bool:
        """The counter should have given a clear answer by now."""
        return self.expired("occupancy")

    def expired_identity(self) -> bool:
        """The biometric checks took too long."""
        return self.expired("identity")

    def expired_exit_open(self) -> bool:
        """The time to go out is over."""
        return self.expired("exit_open")

    def expired_clearing(self) -> bool:
        """The chamber should be clear by now."""
        return self.expired("clearing")

    def expired_return_path(self) -> bool:
        """The time to go back is over."""
        return self.expired("return_path")

    def expired_officer(self) -> bool:
        """Nobody took the call, or whoever took it did not act."""
        return self.expired("officer")

    def expired_renew(self) -> bool:
        """The doors released in an emergency are about to close."""
        return self.expired("renew")

    def idle(self) -> bool:
        """No traveller is being dealt with, nor an emergency, which a stop waits for as for a crossing."""
        return self.state in {State.OUT_OF_SERVICE, State.READY, State.MAINTENANCE} or (self.state is State.EMERGENCY and self.stop_forced)

    def _forced(self, door: Door) -> bool:
        since = self.ajar_since.get(door)
        return since is not None and door in self.seen_shut and self.now >= since + self.policy.stable_s

    def _check(self, modality: Modality) -> CheckOutcome | None:
        return self.crossing.checks.get(modality) if self.crossing is not None else None
