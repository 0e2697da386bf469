"""gatectl pass verify: a QR text against the configured gate's policy, trust and replay memory.

Reads them and changes none: a pass that is verified here is not used up. Asks no daemon and decodes no picture (passes.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gate_controller.composition.passes import pass_policy
from gate_controller.composition.trust import TrustInForce, trust_in_force, trust_parts
from gate_controller.core.values import Region
from gate_controller.passes.replay import SqliteReplayMemory
from gate_controller.passes.verifier import Check, OfflinePassVerifier
from gate_controller.ports.services import PassAccepted, PassRejected, ReplayMemory, VerificationStep, VerifyingKey
from gate_controller.ports.trust import PassStatus, RegionFreshness, TrustView
from gate_controller.settings import Settings
from gate_controller.trust.floor import Floor


@dataclass(frozen=True, slots=True)
class Verification:
    """What the gate would have said.

    Attributes:
        gate: Its name.
        at: The time it was judged by, seconds since the epoch.
        in_force: The trust.
        result: The verifier's own.
        steps: Its steps, with what could not be performed here.
    """

    gate: str
    at: float
    in_force: TrustInForce
    result: PassAccepted | PassRejected
    steps: tuple[VerificationStep, ...]

    def freshness(self, region: Region) -> RegionFreshness:
        """How fresh the trust is at the latest time seen."""
        return self.in_force.view.freshness(region, self.in_force.latest_seen)


def verify_as_configured(settings: Settings, text: str, wall: float, at: float | None) -> Verification:
    """Verify a QR text as the gate would.

    Args:
        settings: The gate's configuration.
        text: The text.
        wall: The time now, seconds since the epoch.
        at: Judge the pass as if it were this time; the trust in the cache is then as fresh as it is now, or will be then. None: now.

    Raises:
        GateError: The configuration, the trust or the replay memory cannot be used.
    """
    now = wall if at is None else at
    policy, parts = pass_policy(settings), trust_parts(settings)
    with contextlib.closing(Floor.open(parts.floor, "read")) as floor:
        in_force = trust_in_force(parts, floor, max(wall, now))
    with _replays(settings.replay.path) as replays:
        verifier = OfflinePassVerifier(policy, _Cached(in_force, judged_by_the_clock=at is None), replays or _NoMemory())
        result = verifier.verify(text, now)
    steps = result.steps if replays is not None else _without_replay(result.steps, settings.replay.path)
    return Verification(settings.gate.id, now, in_force, result, steps)


def shown_time(at: float) -> str:
    """A time, seconds since the epoch, for people."""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return f"{at:.0f} s since the epoch"


class _Cached:
    """Trust and its only view in one: what is in the cache."""

    def __init__(self, in_force: TrustInForce, *, judged_by_the_clock: bool) -> None:
        self._view = in_force.view
        self._not_before = 0.0 if judged_by_the_clock else in_force.latest_seen
        self.versions = in_force.view.versions
        self.latest = in_force.view.latest if judged_by_the_clock else 0.0

    def current(self) -> TrustView:
        return self

    def observe(self, wall: float) -> None:
        """Nothing is written."""

    def lookup(self, protected: bytes) -> VerifyingKey | None:
        return self._view.lookup(protected)

    def status(self, region: Region, uri: str, index: int) -> PassStatus | None:
        return self._view.status(region, uri, index)

    def freshness(self, region: Region, now: float) -> RegionFreshness:
        # With --at, an earlier time is not a clock that is behind.
        return self._view.freshness(region, max(now, self._not_before))


class _NoMemory:
    """A replay memory that has not been made yet."""

    def last_presented(self, pass_id: bytes) -> int | None:  # noqa: ARG002
        return None

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""


@contextlib.contextmanager
def _replays(path: Path) -> Iterator[ReplayMemory | None]:
    if not path.exists():
        yield None
        return
    with SqliteReplayMemory(path, blind_until=None, read_only=True) as memory:
        yield memory


def _without_replay(steps: tuple[VerificationStep, ...], path: Path) -> tuple[VerificationStep, ...]:
    step = VerificationStep(Check.REPLAY.number, Check.REPLAY.label, passed=None, detail=f"not performed: there is no replay memory {path} yet")
    return tuple(step if each.number == step.number and each.passed else each for each in steps)
