"""Puts one gate together from its configuration: drivers by entry point, services, runtime.

The only module that knows concrete parts. Opens the stores that can be opened (late.py: the others close the lane, by name) but no device: devices
may come and go.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from gate_controller.composition.enrolment import master_key
from gate_controller.composition.journal import latched_before, open_journal
from gate_controller.composition.late import FlooredTrust, LateEnrolments, LateJournal, LateReplayMemory, LateTrust
from gate_controller.composition.passes import pass_policy
from gate_controller.composition.registry import load_drivers
from gate_controller.composition.trust import opened_own_floor, trust_parts
from gate_controller.enrolment import Enrolments
from gate_controller.passes.replay import SqliteReplayMemory
from gate_controller.passes.verifier import OfflinePassVerifier
from gate_controller.ports.clock import Clock
from gate_controller.ports.control import EventSink
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.services import TravellerDisplay
from gate_controller.runtime.desk import Stores
from gate_controller.runtime.devices import Devices
from gate_controller.runtime.gate import Gate
from gate_controller.runtime.options import RuntimeOptions
from gate_controller.settings.load import Settings, load
from gate_controller.settings.problems import InvalidConfigurationError
from gate_controller.trust.floor import Floor
from gate_controller.trust.monitor import FreshnessMonitor
from gate_controller.trust.store import TrustStore
from gate_controller.trust.watch import TrustWatcher

log = structlog.get_logger("gate.composition")


class ComposedGate:
    """A gate with its stores. A context manager: leaving it leaves no thread and no open file.

    Attributes:
        gate: The gate; `gate.start()` opens the lane.
        settings: The configuration it was made from.
    """

    def __init__(self, gate: Gate, settings: Settings, stack: contextlib.ExitStack) -> None:
        self.gate = gate
        self.settings = settings
        self._stack = stack

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.gate.close()
        self._stack.close()


def compose(config: Path, clock: Clock, sink: EventSink, display: TravellerDisplay) -> ComposedGate:
    """Read the configuration and put the gate together.

    Args:
        config: The configuration file.
        clock: The gate's clocks.
        sink: Where the gate publishes its events.
        display: What the traveller sees and hears, besides whatever follows the events.

    Raises:
        ConfigurationError: The configuration cannot be used: every message names file and line.
        StoreHeldError: Another gate controller writes the journal.
    """
    settings = load(config, load_drivers())
    with contextlib.ExitStack() as stack:
        stores = _stores(settings, clock, stack)  # first: a second gate is told at once, the face models take a second to load
        devices = _devices(settings, clock)
        gate = Gate(
            settings.crossing_policy(),
            _runtime_options(settings, devices),
            devices,
            stores,
            display,
            sink,
            clock,
            latched=latched_before(settings.journal.path),
        )
        return ComposedGate(gate, settings, stack.pop_all())


def _devices(settings: Settings, clock: Clock) -> Devices:
    context = DriverContext(clock=clock, models=settings.models.directory, warn=lambda line: log.warning("driver", warning=line))

    def build(device: str) -> Any:
        configured = settings.equipment[device]
        return configured.driver.build(configured.options, context)

    def build_if_any(device: str) -> Any:
        return build(device) if device in settings.equipment else None

    devices = Devices(
        qr_camera=build("qr_camera"),
        qr_decoder=build("qr_decoder"),
        face_camera=build("face_camera"),
        face_matcher=build("face_matcher"),
        fingerprint=build("fingerprint"),
        io_board=build("io_board"),
        face_matcher_2=build_if_any("face_matcher_2"),
        pad=build_if_any("pad"),
        pad_challenge=build_if_any("pad_challenge"),
    )
    second = devices.face_matcher_2
    if second is not None and second.model.clashes_with(devices.face_matcher.model):
        text = f'has "{second.model.name}", name or weights of the first: it would agree with itself, or be judged by the first one\'s threshold'
        raise InvalidConfigurationError([settings.source.problem(("devices", "face_matcher_2"), text, "name another driver or model, or leave it out")])
    log.info("presentation attack detection", judge=devices.pad.name if devices.pad is not None else "none")
    return devices


def _stores(settings: Settings, clock: Clock, stack: contextlib.ExitStack) -> Stores:
    gate, policy = settings.gate, settings.policy
    parts = trust_parts(settings)

    def open_trust() -> FlooredTrust:
        with contextlib.ExitStack() as opened:
            floor = opened.enter_context(contextlib.closing(Floor.open(parts.floor)))
            own = None
            if parts.own_floor is not None:
                own = opened.enter_context(contextlib.closing(opened_own_floor(parts.own_floor, clock.wall())))
            store = TrustStore(parts.cache, parts.pinned_root, floor, parts.budget, clock, own)
            return FlooredTrust(opened.pop_all(), store)

    trust = LateTrust(open_trust)
    stack.callback(trust.close)

    def open_replay() -> SqliteReplayMemory:
        # A new memory in service cannot know what was used before it, by whatever clock; in a simulation nothing can have been.
        blind_until = None if gate.mode == "simulation" else int(max(clock.wall(), trust.require().latest_seen)) + policy.presentation.skew_s
        return SqliteReplayMemory(settings.replay.path, blind_until=blind_until)

    replay = LateReplayMemory(open_replay)
    stack.callback(replay.close)
    enrolment = LateEnrolments(lambda: Enrolments(settings.enrolment.store, master_key(settings)))
    stack.callback(enrolment.close)
    journal = LateJournal(lambda: open_journal(settings, clock))
    stack.callback(journal.close)
    verifier = OfflinePassVerifier(pass_policy(settings), trust, replay)
    watcher = TrustWatcher(trust, clock)
    watcher.start()
    stack.callback(watcher.stop)
    return Stores(verifier, replay, enrolment, journal, FreshnessMonitor(trust, settings.admitted_issuers()))


def _runtime_options(settings: Settings, devices: Devices) -> RuntimeOptions:
    runtime, biometrics = settings.runtime, settings.policy.biometrics
    return RuntimeOptions(
        gate_id=settings.gate.id,
        face_threshold=settings.face_threshold(devices.face_matcher.model.name),
        face_threshold_2=settings.face_threshold(devices.face_matcher_2.model.name) if devices.face_matcher_2 is not None else 0.0,
        face_frames=biometrics.face_frames,
        face_attempts=biometrics.face_attempts,
        face_minimum_quality=biometrics.face_minimum_quality,
        pad_live_at=biometrics.pad_live_at,
        pad_attack_at=biometrics.pad_attack_at,
        pad_least_frames=biometrics.pad_least_frames,
        pad_least_span_s=biometrics.pad_least_span_s,
        pad_decide_within_s=biometrics.pad_decide_within_s,
        pad_challenge=biometrics.pad_challenge,
        pad_challenge_after_s=biometrics.pad_challenge_after_s,
        pad_challenges=biometrics.pad_challenges,
        fingerprint_attempts=biometrics.fingerprint_attempts,
        attempts=settings.policy.admission.attempts,
        attempts_within_s=settings.policy.admission.attempts_within_s,
        poll_s=runtime.poll_s,
        io_lost_after_s=runtime.io_lost_after_s,
        camera_lost_after_s=runtime.camera_lost_after_s,
        idle_poll_s=runtime.idle_poll_s,
        forget_presentation_s=runtime.forget_presentation_s,
        retry_s=runtime.retry_s,
    )
