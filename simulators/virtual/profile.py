"""How often things go wrong, and how long things take. Values only; every draw is from the episode's own seeded source."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from gate_controller.core.states import State


@dataclass(frozen=True, slots=True)
class Latency:
    """A lognormal latency, with rare spikes.

    Attributes:
        median_s: Half of the draws are below.
        sigma: Standard deviation of the logarithm.
        spike_rate: Share of draws that are spikes, 0..1.
        spike_s: Least and greatest length of a spike, evenly distributed.
    """

    median_s: float
    sigma: float = 0.4
    spike_rate: float = 0.0
    spike_s: tuple[float, float] = (1.0, 10.0)

    def draw(self, rng: Random) -> float:
        """One latency in seconds."""
        if self.spike_rate and rng.random() < self.spike_rate:
            return rng.uniform(*self.spike_s)
        return self.median_s * math.exp(self.sigma * rng.gauss(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Profile:
    """One fault profile.

    Attributes:
        name: none, mild or harsh.
        misbehaving: Share of travellers who are clumsy or hostile.
        refused: Share of presentations that are not to be accepted.
        fault_rates: For each state: how likely a fault of some kind is injected after it was entered.
        dead_fault_rate: How likely one is injected after the controller's process died.
        fault_within_s: ... and within how many seconds after that, evenly distributed.
        counter_blind: Share of counter changes after which it shows nothing for a while.
        counter_miscount: ... after which it shows one too many or too few for a while.
        false_non_match: Share of checks of the right person that fail.
        false_alarm: Share of living faces that presentation attack detection takes for a picture, or cannot tell from one.
        missed_attack: Share of pictures that it takes for a living face.
        no_judge: Share of lanes without it, among those whose policy lets that pass.
        maintenance: Share of travellers before whom an engineer takes the lane.
        single_door: Share of episodes whose lane has a single door, the exit.
        *_latency: Latencies of the parts.
    """

    name: str
    misbehaving: float
    refused: float
    fault_rates: dict[State, float] = field(default_factory=dict)
    fault_within_s: dict[State, float] = field(default_factory=dict)
    dead_fault_rate: float = 0.0
    counter_blind: float = 0.0
    counter_miscount: float = 0.0
    false_non_match: float = 0.0
    false_alarm: float = 0.0
    missed_attack: float = 0.0
    no_judge: float = 0.0
    maintenance: float = 0.0
    single_door: float = 0.0
    counter_latency: Latency = Latency(0.15, 0.3)
    exchange_latency: Latency = Latency(0.008, 0.3)
    verify_latency: Latency = Latency(0.004)
    enrolment_latency: Latency = Latency(0.001)
    admission_latency: Latency = Latency(0.012)
    record_latency: Latency = Latency(0.012)
    finger_latency: Latency = Latency(1.1, 0.35)
    face_latency: Latency = Latency(0.9, 0.35)
    pad_latency: Latency = Latency(0.4, 0.35)
    qr_latency: Latency = Latency(0.12, 0.4)


_WITHIN = {
    State.OUT_OF_SERVICE: 3.0,
    State.READY: 1.5,
    State.PASS_CHECK: 0.02,
    State.ENTRY_OPEN: 3.0,
    State.OCCUPANCY_CHECK: 0.6,
    State.IDENTITY_CHECK: 1.5,
    State.EXIT_OPEN: 2.0,
    State.CLEARING: 0.8,
    State.RETURN_PATH: 3.0,
    State.OFFICER_REFERRAL: 10.0,
    State.EMERGENCY: 10.0,
    State.MAINTENANCE: 8.0,
}
_HARSH = {
    State.OUT_OF_SERVICE: 0.15,
    State.READY: 0.02,
    State.PASS_CHECK: 0.03,
    State.ENTRY_OPEN: 0.05,
    State.OCCUPANCY_CHECK: 0.05,
    State.IDENTITY_CHECK: 0.06,
    State.EXIT_OPEN: 0.06,
    State.CLEARING: 0.06,
    State.RETURN_PATH: 0.1,
    State.OFFICER_REFERRAL: 0.1,
    State.EMERGENCY: 0.9,
    State.MAINTENANCE: 0.9,
}
PROFILES = {
    "none": Profile("none", misbehaving=0.0, refused=0.0),
    "mild": Profile(
        "mild",
        misbehaving=0.1,
        refused=0.05,
        fault_rates={state: rate / 10 for state, rate in _HARSH.items()},
        fault_within_s=_WITHIN,
        counter_blind=0.002,
        counter_miscount=0.002,
        false_non_match=0.01,
        false_alarm=0.01,
        missed_attack=0.02,
        no_judge=0.3,
        maintenance=0.001,
        single_door=0.05,
        dead_fault_rate=0.06,
        exchange_latency=Latency(0.008, 0.3, 0.001, (0.05, 0.3)),
        verify_latency=Latency(0.004, 0.4, 0.001, (0.5, 4.0)),
    ),
    "harsh": Profile(
        "harsh",
        misbehaving=0.3,
        refused=0.14,
        fault_rates=_HARSH,
        fault_within_s=_WITHIN,
        counter_blind=0.01,
        counter_miscount=0.01,
        false_non_match=0.02,
        false_alarm=0.02,
        missed_attack=0.05,
        no_judge=0.3,
        maintenance=0.05,
        single_door=0.05,
        dead_fault_rate=0.6,
        counter_latency=Latency(0.15, 0.5, 0.005, (0.5, 1.5)),
        exchange_latency=Latency(0.01, 0.6, 0.005, (0.05, 0.4)),
        verify_latency=Latency(0.006, 0.8, 0.004, (0.5, 30.0)),
        enrolment_latency=Latency(0.002, 0.8, 0.003, (0.5, 30.0)),
        admission_latency=Latency(0.02, 0.8, 0.003, (0.5, 30.0)),
        record_latency=Latency(0.02, 0.8, 0.005, (0.5, 5.0)),
        finger_latency=Latency(1.1, 0.6, 0.01, (15.0, 40.0)),
        face_latency=Latency(0.9, 0.6, 0.01, (15.0, 40.0)),
        pad_latency=Latency(0.4, 0.6, 0.01, (15.0, 40.0)),
        qr_latency=Latency(0.15, 0.8, 0.005, (1.0, 5.0)),
    ),
}
"""The profiles by name."""
