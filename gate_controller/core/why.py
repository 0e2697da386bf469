"""Why: the reasons that depend on the facts, and the guards that ask whether there is one.

Rows name these methods in quotes where a fixed reason would not do.
"""

from __future__ import annotations

from gate_controller.core import events as e
from gate_controller.core.facts import DEVICE_LOST
from gate_controller.core.guards import NEEDED_INSIDE, Guards
from gate_controller.core.policy import BiometricRule
from gate_controller.core.reasons import Reason
from gate_controller.core.values import BIOMETRICS, UNKNOWN_INPUTS, CheckOutcome, DoorPosition, Modality, Occupancy, TriState


class Why(Guards):
    """All reasons asked of the facts."""

    def closed_reason_changed(self) -> bool:
        """The reason for being out of service is no longer the one shown."""
        return self.reason is not self.closed_reason()

    def eligible(self) -> bool:
        """Pass and enrolment entitle the holder to use this lane."""
        return self.ineligible_reason() is None

    def check_failed(self) -> bool:
        """The checks can no longer all end as the policy demands."""
        return self.failed_check() is not None

    def closed_reason(self) -> Reason:
        """Why the lane is (or must go) out of service: the gravest first."""
        for device in DEVICE_LOST:
            if device in self.missing:
                return self.missing[device]
        if self.latched is not None:
            return self.latched
        if self.emergency_reported():
            return Reason.EMERGENCY
        if self.tampered():
            return Reason.TAMPER
        if self.entry_ajar() and self.exit_ajar():
            return Reason.BOTH_DOORS_OPEN
        if self.entry_ajar() or self.exit_ajar():
            return Reason.ENTRY_DOOR_DID_NOT_CLOSE if self.entry_ajar() else Reason.EXIT_DOOR_DID_NOT_CLOSE
        if self.somebody_inside():
            return Reason.REVERSE_ENTRY
        if self.unknown_too_long():
            return self.unknown_reason()
        if self.stopping:
            return Reason.STOPPING
        if TriState.ACTIVE in {self.inputs.entry_beam, self.inputs.exit_beam}:
            return Reason.BEAM_BLOCKED
        return Reason.STARTING

    def lost_reason(self) -> Reason:
        """Which device needed inside is lost."""
        return next((self.missing[device] for device in NEEDED_INSIDE if device in self.missing), self.unknown_reason())

    def unknown_reason(self) -> Reason:
        """What of the lane is unknown: everything, a door, or the counter."""
        if DoorPosition.UNKNOWN in {self.inputs.entry_door, self.inputs.exit_door}:
            return self.doubt_reason()
        # An input that is unknown is named before a counter that only does not settle.
        return Reason.INPUTS_UNKNOWN if self.inputs_unknown() and self.inputs.occupancy is not Occupancy.UNKNOWN else Reason.OCCUPANCY_UNKNOWN

    def doubt_reason(self) -> Reason:
        """Why a door that should be closed is not confirmed so: its contacts, unless nothing at all is known."""
        return Reason.INPUTS_UNKNOWN if self.inputs == UNKNOWN_INPUTS else Reason.DOOR_SENSORS_DISAGREE

    def forced_reason(self) -> Reason:
        """An exit forced while the entry is open: worse where the entry has a door, which should have excluded it."""
        return Reason.DOOR_FORCED if self.doorless_entry() else Reason.BOTH_DOORS_OPEN

    def event_reason(self) -> Reason:
        """The reason the event carries."""
        reason = getattr(self.event, "reason", None)
        return reason if isinstance(reason, Reason) else Reason.INTERNAL_ERROR

    def present_reason(self) -> Reason:
        """The reason already known for what is going on."""
        return self.reason or Reason.INTERNAL_ERROR

    def ineligible_reason(self) -> Reason | None:
        """Why the enrolment does not entitle to this lane, or None. The first that applies."""
        event, policy = self.event, self.policy
        if not isinstance(event, e.EnrolmentFound):
            return Reason.NOT_ENROLLED
        facts = event.facts
        fingers_needed = policy.biometric_rule is BiometricRule.BOTH
        rules = (
            (facts.suspended, Reason.ENROLMENT_SUSPENDED),
            (policy.region not in facts.registered_with, Reason.NOT_REGISTERED_HERE),
            (facts.registered_for_s < policy.registered_min_s, Reason.REGISTERED_TOO_RECENTLY),
            (facts.age_years < policy.minimum_age, Reason.UNDER_AGE),
            (self.degraded() and facts.age_years < policy.low_risk_minimum_age, Reason.PASS_STATUS_STALE),
            (not facts.face or (fingers_needed and facts.fingers < 1), Reason.NO_TEMPLATE),
        )
        return next((reason for applies, reason in rules if applies), None)

    def failed_check(self) -> Reason | None:
        """Why the checks can no longer all end as the policy demands, or None. A suspected picture first, whatever else failed."""
        if self.crossing is None:
            return None
        if self.crossing.checks.get(Modality.PAD) is CheckOutcome.FAILED:
            return Reason.PAD_ALARM
        if Reason.SEVERAL_FACES in self.crossing.check_reasons.values():
            return Reason.SEVERAL_FACES  # a second person is in there, whatever the rule asks for
        rule = self.policy.biometric_rule
        needed = {Modality.FACE} if rule is BiometricRule.FACE_ONLY_WITH_OFFICER else set(BIOMETRICS)
        ended = {each: outcome for each, outcome in self.crossing.checks.items() if each in needed and outcome is not CheckOutcome.SUCCESSFUL}
        if not (ended.keys() == needed if rule is BiometricRule.EITHER else ended):
            pad_ended = Modality.PAD in self.crossing.checks
            return self.crossing.check_reasons.get(Modality.PAD, Reason.PAD_UNDETERMINED) if pad_ended and not self.pad_met() else None
        # A mismatch says more than a capture that did not come about.
        worst = min(ended, key=lambda modality: (ended[modality] is not CheckOutcome.FAILED, modality.value))
        return self.crossing.check_reasons.get(worst, Reason.IDENTITY_TIMED_OUT)

    def unclear_reason(self) -> Reason:
        """Why the chamber is not clear though it should be."""
        if self.exit_ajar():
            return Reason.EXIT_DOOR_DID_NOT_CLOSE
        if self.entry_ajar():
            return Reason.ENTRY_DOOR_DID_NOT_CLOSE
        if self.somebody_inside():
            return Reason.REVERSE_ENTRY if self.crossing is not None and self.crossing.exit_commanded else Reason.STAYED_INSIDE
        if TriState.ACTIVE in {self.inputs.entry_beam, self.inputs.exit_beam}:
            return Reason.BEAM_BLOCKED
        return Reason.OCCUPANCY_UNKNOWN

    def return_reason(self) -> Reason:
        """Why the way back did not end."""
        return Reason.STAYED_INSIDE if self.somebody_inside() else self.unclear_reason()
