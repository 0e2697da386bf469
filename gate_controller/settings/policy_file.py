"""policy.toml: what a lane admits, demands and waits for. Names are those of core.policy.CrossingPolicy where it has them.

Does not apply any rule: the core, the verifier and the runtime do.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from gate_controller.core.policy import BiometricRule, CrossingPolicy, LaneKind, PadRule
from gate_controller.core.values import Direction, Region
from gate_controller.settings.types import Section

MAX_FMR = 0.001
"""Largest false match rate a threshold may stand for (BSI TR-03121-3.1: FMR of at most 0.1 %)."""

MAX_DECISION_THRESHOLDS = {"sface-2021dec": 1.0876, "dlib-resnet-v1": 0.40}
"""Largest decision threshold known to be safe, by model, whatever rate a policy claims for it; L2 distances.

sface-2021dec: FMR 1e-3 among the 545 East Asian images of LFW. dlib-resnet-v1: 0.40; the customary 0.6 accepts 40 % of
impostors of the same origin there. SFace's are measured with the face drivers, which state the same figures (drivers.face); dlib's with its own
detector, and not measured again with the drivers' YuNet. A model that is not here is bounded by the rate its policy states.
"""

TravellerClass = Literal[1, 2]


class AdmissionSection(Section):
    """Who may use the lane."""

    issuers: dict[Region, Annotated[frozenset[Region], Field(min_length=1)]] = Field(
        description="For the lanes of each region, whose passes they admit, e.g. MO = ['HK']: residents use the other side's lanes"
    )
    classes: Annotated[frozenset[TravellerClass], Field(min_length=1)] = Field(
        description="Traveller classes admitted: 1 permanent residents, 2 other residents"
    )
    minimum_age: int = Field(ge=0, le=120, description="Completed years of age")
    registered_min_s: float = Field(ge=0, le=30 * 86400, description="A registration is usable only this long after it was made")
    attempts: int = Field(ge=1, le=100, description="Crossings of one pass that failed inside, for a reason of the traveller's; then it is refused")
    attempts_within_s: float = Field(gt=0, le=86400, description="Failed crossings count for so long")


class PresentationSection(Section):
    """What a QR code must be."""

    pass_audience: str = Field(pattern=r"^[A-Z]{2,16}$", description="Audience that a pass must name: the scheme's")
    ttl_s: int = Field(ge=1, le=600, description="Oldest presentation accepted, after it was signed by the phone")
    skew_s: int = Field(ge=0, le=600, description="How far a phone's clock may run ahead of the gate's")
    static_passes: bool = Field(description="Whether a pass without a presentation, e.g. printed, is admitted: whoever photographs it has it")


_DAY_S = 86400


class FreshnessSection(Section):
    """How old what is known of the regions' keys and status lists may be. An expiry that the regions signed always counts beside it."""

    status_stale_s: int = Field(ge=60, le=14 * _DAY_S, description="A region's status list older than this is announced as stale, at full service")
    status_degraded_s: int = Field(ge=60, le=14 * _DAY_S, description="Older than this, only the region's low-risk travellers are cleared")
    status_closed_s: int = Field(ge=60, le=14 * _DAY_S, description="Older than this, no pass of the region is accepted")
    warn_timestamp_s: int = Field(ge=60, le=60 * _DAY_S, description="Announced as stale so long before the timestamp expires, which closes the lane")
    warn_snapshot_s: int = Field(ge=60, le=60 * _DAY_S, description="The same for the snapshot")
    warn_role_s: int = Field(ge=60, le=60 * _DAY_S, description="The same for a region's own list of keys, for the top-level targets and for the root")
    warn_key_s: int = Field(ge=60, le=60 * _DAY_S, description="The same for the last of a region's keys")
    longest_timestamp_s: int = Field(ge=60, le=30 * _DAY_S, description="A timestamp that is valid longer than this from its import on is refused")
    longest_snapshot_s: int = Field(ge=60, le=90 * _DAY_S, description="The same for the snapshot")
    longest_role_s: int = Field(ge=60, le=400 * _DAY_S, description="The same for a region's own list of keys, and for the top-level targets")
    clock_tolerance_s: int = Field(ge=1, le=3600, description="How far the gate's clock may stand behind what was signed or seen before; else the lane closes")
    low_risk_classes: frozenset[TravellerClass] = Field(description="Traveller classes of low risk; none: a degraded region is refused as a whole")
    low_risk_minimum_age: int = Field(ge=0, le=120, description="Completed years of age of a traveller of low risk, at least")
    low_risk_pass_issued_s: int = Field(ge=60, le=90 * _DAY_S, description="The pass of a traveller of low risk was issued less than this long ago")

    @field_validator("status_degraded_s")
    @classmethod
    def _warns_before_it_restricts(cls, value: int, info: ValidationInfo) -> int:
        if value <= info.data.get("status_stale_s", 0):
            raise ValueError("Input should be more than status_stale_s: a warning comes before the first refusal")
        return value

    @field_validator("status_closed_s")
    @classmethod
    def _closes_last(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("status_degraded_s", 0):
            raise ValueError("Input should be at least status_degraded_s; the same, and there is no degraded service")
        return value

    @field_validator("clock_tolerance_s")
    @classmethod
    def _is_short(cls, value: int, info: ValidationInfo) -> int:
        if value >= info.data.get("status_stale_s", math.inf):
            raise ValueError("Input should be less than status_stale_s")
        return value

    @field_validator("longest_timestamp_s", "longest_snapshot_s", "longest_role_s")
    @classmethod
    def _leaves_time_without_a_warning(cls, value: int, info: ValidationInfo) -> int:
        warning = str(info.field_name).replace("longest", "warn")
        if value <= info.data.get(warning, 0):
            message = f"Input should be more than {warning}: else what is just imported could be stale at once"
            raise ValueError(message)
        return value


class BiometricsSection(Section):
    """What the traveller must prove inside."""

    biometric_rule: BiometricRule = Field(description="Which checks must succeed; face_only_with_officer also needs an officer's release")
    fingerprint_attempts: int = Field(ge=1, le=10, description="Matches computed before the fingerprint check fails")
    fingerprint_security_level: int = Field(ge=3, le=5, description="Least security level the fingerprint module may be set to, 5 strictest")
    face_attempts: int = Field(ge=1, le=10, description="Decisions before the face check fails")
    face_frames: int = Field(ge=1, le=30, description="Usable frames looked at before one decision")
    face_minimum_quality: float = Field(ge=0, le=1, description="Frames of a lower quality score are not used")
    pad_rule: PadRule = Field(
        description="What the exit asks of presentation attack detection; signalled: passes where it did not run, and is marked in the record"
    )
    pad_live_at: float = Field(ge=0, le=1, description="A score of presentation attack detection (0 live, 1 attack) up to this is live")
    pad_attack_at: float = Field(ge=0, le=1, description="A score from this on is an attack; between the two it is undetermined")
    pad_least_frames: int = Field(ge=1, le=300, description="With fewer frames of the face nothing is decided")
    pad_least_span_s: float = Field(ge=0, le=10, description="And with frames that cover less time than this")
    pad_decide_within_s: float = Field(gt=0, le=30, description="Live counts only when reached within so much evidence: asking until it pleases is an attack")
    pad_challenge: bool = Field(description="Whether a traveller whose face stays undetermined is asked to turn the head or to blink")
    pad_challenge_after_s: float = Field(gt=0, le=60, description="So long after the check began")
    pad_challenges: int = Field(ge=1, le=5, description="How many of these must be met, one after the other")

    @field_validator("pad_attack_at")
    @classmethod
    def _an_attack_is_not_live(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("pad_live_at", -1):
            raise ValueError("Input should be more than pad_live_at: one score cannot be both")
        return value

    @field_validator("pad_decide_within_s")
    @classmethod
    def _live_can_be_reached(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("pad_least_span_s", 0):
            raise ValueError("Input should be more than pad_least_span_s: else nobody could be judged live in time")
        return value


class FaceThreshold(Section):
    """From which distance on two faces are different people, for one model."""

    decision_threshold: float = Field(gt=0, lt=2, description="Largest L2 distance of unit vectors that counts as the same face")
    fmr: float = Field(gt=0, le=1, description=f"False match rate the threshold stands for, or its upper bound; in production at most {MAX_FMR}")
    population: str = Field(min_length=1, max_length=200, description="Whom the rate was measured on, and what it costs (FNMR)")


class TimesSection(Section):
    """How long each part of a crossing may take."""

    pass_check_s: float = Field(gt=0, le=10, description="From a QR text to the entry command, at most")
    refusal_shown_s: float = Field(gt=0, le=30, description="How long a refusal stays on the display")
    door_open_s: float = Field(gt=0, le=30, description="A door must have left its closed position this long after its command")
    entry_open_s: float = Field(gt=0, le=60, description="The entry stays open this long for the traveller to come in")
    entry_close_s: float = Field(gt=0, le=60, description="The entry must be closed this long after the traveller is in")
    stable_s: float = Field(gt=0, le=5, description="A counter value counts after it stood this long")
    occupancy_settle_s: float = Field(gt=0, le=30, description="The counter must give a clear answer this long after the entry closed")
    unknown_grace_s: float = Field(gt=0, le=5, description="Inputs may be unknown this long before the lane closes")
    identity_s: float = Field(gt=0, le=120, description="All checks together, at most")
    exit_open_s: float = Field(gt=0, le=60, description="The exit stays open this long")
    clearing_s: float = Field(gt=0, le=60, description="Doors closed and chamber empty this long after the traveller left")
    return_path_s: float = Field(gt=0, le=120, description="The entry stays open this long for the way back")
    officer_acknowledge_s: float = Field(gt=0, le=600, description="A call escalates when nobody took it for this long")
    officer_attend_s: float = Field(gt=0, le=3600, description="And again when whoever took it did not act for this long")

    @field_validator("entry_open_s", "exit_open_s", "return_path_s")
    @classmethod
    def _doors_have_time_to_open(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("door_open_s", 0):
            raise ValueError("Input should be more than door_open_s: a door that opens in time must not be called stuck")
        return value

    @field_validator("occupancy_settle_s")
    @classmethod
    def _counter_has_time_to_settle(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("stable_s", 0):
            raise ValueError("Input should be more than stable_s: else no count could ever be clear in time")
        return value


class EmergencySection(Section):
    """What the doors do in an emergency. Fire release is hard-wired beside this program."""

    emergency_opens_entry: bool = Field(description="Command the entry open in an emergency; of no effect in a single-door lane")
    emergency_opens_exit: bool = Field(description="Command the exit, which is the border side, open in an emergency: the operator's decision")
    emergency_hold_s: float = Field(ge=1, le=60, description="Length of each of those openings; renewed until the lane is re-armed")


class PolicyFile(Section):
    """The whole of policy.toml, after a simulation's overrides."""

    admission: AdmissionSection = Field(description="Who may use the lane")
    presentation: PresentationSection = Field(description="What a QR code must be")
    freshness: FreshnessSection = Field(description="How old what is known of the regions' keys and status lists may be")
    biometrics: BiometricsSection = Field(description="What the traveller must prove inside")
    face: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")], FaceThreshold] = Field(
        description="Decision thresholds by the name of the face model, as templates carry it"
    )
    times: TimesSection = Field(description="How long each part of a crossing may take")
    emergency: EmergencySection = Field(description="What the doors do in an emergency")

    def crossing_policy(self, region: Region, direction: Direction, lane: LaneKind) -> CrossingPolicy:
        """What the core decides by: every field of CrossingPolicy that bears a key's name."""
        named = {field.name for field in fields(CrossingPolicy)}
        values = {}
        for section in (self.admission, self.freshness, self.biometrics, self.times, self.emergency):
            values.update({name: value for name, value in section if name in named})
        return CrossingPolicy(region=region, direction=direction, lane=lane, **values)
