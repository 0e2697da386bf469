"""The devices and terms of an enrolment desk, out of a gate's configuration. Opens nothing, and knows no concrete driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gate_controller.enrolment.desk.face import FaceDemands, SecondModel
from gate_controller.enrolment.desk.instructions import Said
from gate_controller.enrolment.desk.liveness import Judgement
from gate_controller.enrolment.desk.session import POSITIONS, DeskSession, DeskTerms
from gate_controller.ports.clock import Clock
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import ConfigurationError
from gate_controller.ports.pad import PadLimits
from gate_controller.runtime.options import LANE_TIME_ZONE
from gate_controller.settings import Settings

_ABOVE_THE_LANE = 0.3
"""How much better a face must be than a lane asks for, as a quality score."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a desk has around it.

    Attributes:
        clock: Time.
        pause: Lets time pass, in seconds.
        show: Shows one instruction to the person.
        warn: Told in one line what a driver can do without.
    """

    clock: Clock
    pause: Callable[[float], None]
    show: Callable[[Said], None]
    warn: Callable[[str], None]


def desk_session(settings: Settings, around: Surroundings, positions: tuple[int, ...] = POSITIONS) -> DeskSession:
    """The desk of a configuration that was loaded with drivers. Of its devices the face camera, the fingerprint reader and the judge are used.

    Args:
        settings: The configuration.
        around: What the desk has around it.
        positions: Which fingers, in this order.

    Raises:
        ConfigurationError: The fingerprint driver cannot enrol, both face models are one, or the policy has no threshold for one of them.
    """
    context = DriverContext(clock=around.clock, models=settings.models.directory, warn=around.warn)

    def build(device: str) -> Any:
        configured = settings.equipment[device]
        return configured.driver.build(configured.options, context)

    reader = build("fingerprint")
    if not callable(getattr(reader, "merge", None)):
        what = f'[devices.fingerprint] driver = "{settings.equipment["fingerprint"].driver_name.partition(".")[2]}" cannot enrol'
        raise ConfigurationError(what, "use a reader whose driver makes templates (gate_controller.ports.enroller)")
    matcher = build("face_matcher")
    second = build("face_matcher_2") if "face_matcher_2" in settings.equipment else None
    if second is not None and second.model.clashes_with(matcher.model):
        what = "[devices.face_matcher_2] has the model, its name or its weights, of [devices.face_matcher]"
        raise ConfigurationError(what, "name another driver or model, or leave it out")
    policy = settings.policy
    biometrics = policy.biometrics
    limits = PadLimits(biometrics.pad_live_at, biometrics.pad_attack_at, biometrics.pad_least_frames, biometrics.pad_least_span_s)
    demands = FaceDemands(settings.face_threshold(matcher.model.name))
    least_score = max(demands.least_score, min(1.0, biometrics.face_minimum_quality + _ABOVE_THE_LANE))
    return DeskSession(
        build("face_camera"),
        matcher,
        reader,
        DeskTerms(
            policy.admission.minimum_age,
            FaceDemands(demands.threshold, least_score),
            positions=positions,
            simulated=settings.gate.mode == "simulation",
        ),
        around.clock,
        around.pause,
        around.show,
        lambda: datetime.fromtimestamp(around.clock.wall(), LANE_TIME_ZONE).date(),
        Judgement(build("pad"), limits, biometrics.pad_decide_within_s) if "pad" in settings.equipment else None,
        SecondModel(second, settings.face_threshold(second.model.name)) if second is not None else None,
    )
