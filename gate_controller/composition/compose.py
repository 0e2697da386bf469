"""Puts one gate together from its configuration: drivers by entry point, services, runtime, control server.

The only module that knows concrete parts. Opens stores (a gate without them cannot start) but no device: devices may come and go.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import structlog

from gate_controller.composition.registry import load_drivers
from gate_controller.control.displays import BackgroundDisplay, ConsoleDisplay, FanOutDisplay
from gate_controller.control.feed import EventFeed
from gate_controller.control.server import ControlServer
from gate_controller.enrolment import MasterKey, SealedEnrolmentStore
from gate_controller.journal import JournalReader, SqliteJournal
from gate_controller.passes.replay import SqliteReplayMemory
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.clock import Clock
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.services import TravellerDisplay
from gate_controller.runtime.desk import Stores
from gate_controller.runtime.gate import Devices, Gate
from gate_controller.runtime.options import RuntimeOptions
from gate_controller.settings.load import Settings, load
from gate_controller.trust.directory import load_key_directory

log = structlog.get_logger("gate.composition")


class ComposedGate:
    """A gate and what serves it. A context manager: leaving it leaves no thread, socket or open file.

    Attributes:
        gate: The running gate.
        gate_id: Its name.
        stop_drain_s: How long an open crossing may take to end when the gate is asked to stop.
    """

    def __init__(self, gate: Gate, server: ControlServer, stack: contextlib.ExitStack, gate_id: str, stop_drain_s: float) -> None:
        self.gate = gate
        self.gate_id = gate_id
        self.stop_drain_s = stop_drain_s
        self._server = server
        self._stack = stack

    def start(self) -> None:
        """Serve, then open the lane.

        Raises:
            ListenError: The control socket or the kiosk's port is in use or not permitted.
        """
        self._server.start()
        self._stack.callback(self._server.stop)
        self.gate.start()
        self._stack.callback(self.gate.close)

    @property
    def kiosk_url(self) -> str | None:
        """Address of the kiosk page, once started."""
        return self._server.kiosk_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()


def compose(config: Path, clock: Clock, prompts: TextIO | None = None) -> ComposedGate:
    """Read the configuration and put the gate together.

    Args:
        config: The configuration file.
        clock: The gate's clocks.
        prompts: Where to print what the traveller is told, besides the kiosk page.

    Raises:
        ConfigurationError: The configuration cannot be used: every message names file and line.
        StoreError: Keys or a store cannot be used.
    """
    settings = load(config, load_drivers())
    with contextlib.ExitStack() as stack:
        devices = _devices(settings, clock)
        stores = _stores(settings, clock, stack)
        feed = EventFeed(clock)
        gate = Gate(
            settings.crossing_policy(),
            _runtime_options(settings, devices),
            devices,
            stores,
            _display(prompts, stack),
            feed,
            clock,
            emergency_latched=_emergency_latched(settings.journal.path),
        )
        kiosk_port = settings.kiosk.port if settings.kiosk.enabled else None
        server = ControlServer(gate, feed, socket_path=settings.control.socket, kiosk_port=kiosk_port)
        return ComposedGate(gate, server, stack.pop_all(), settings.gate.id, settings.gate.stop_drain_s)


def _devices(settings: Settings, clock: Clock) -> Devices:
    context = DriverContext(clock=clock, models=settings.models.directory, warn=lambda line: log.warning("driver", warning=line))

    def build(device: str) -> Any:
        configured = settings.equipment[device]
        return configured.driver.build(configured.options, context)

    return Devices(
        qr_camera=build("qr_camera"),
        qr_decoder=build("qr_decoder"),
        face_camera=build("face_camera"),
        face_matcher=build("face_matcher"),
        fingerprint=build("fingerprint"),
        io_board=build("io_board"),
    )


def _stores(settings: Settings, clock: Clock, stack: contextlib.ExitStack) -> Stores:
    gate, policy = settings.gate, settings.policy
    keys = load_key_directory(settings.keys.directory, settings.keys.pinned_root, minimum_version=settings.keys.minimum_version)
    # A new memory in service cannot know what was used before it; in a simulation nothing can have been.
    blind_until = None if gate.mode == "simulation" else int(clock.wall()) + policy.presentation.skew_s
    replay = SqliteReplayMemory(settings.replay.path, blind_until=blind_until)
    stack.callback(replay.close)
    section = settings.enrolment
    master = MasterKey.from_file(section.master_key_file) if section.master_key_file else MasterKey.from_credential(str(section.master_key_credential))
    enrolment = SealedEnrolmentStore(section.store, master)
    stack.callback(enrolment.close)
    journal = SqliteJournal(settings.journal.path)
    stack.callback(journal.close)
    verifier = OfflinePassVerifier(
        PassPolicy(
            lane_region=gate.region,
            direction=gate.direction,
            presentation_audiences=settings.audiences(),
            admitted_issuers=settings.admitted_issuers(),
            admitted_classes=frozenset(policy.admission.classes),
            pass_audience=policy.presentation.pass_audience,
            ttl_s=policy.presentation.ttl_s,
            skew_s=policy.presentation.skew_s,
        ),
        keys,
        replay,
    )
    return Stores(verifier, replay, enrolment, journal)


def _runtime_options(settings: Settings, devices: Devices) -> RuntimeOptions:
    runtime, biometrics = settings.runtime, settings.policy.biometrics
    return RuntimeOptions(
        gate_id=settings.gate.id,
        face_threshold=settings.face_threshold(devices.face_matcher.model.name),
        face_frames=biometrics.face_frames,
        face_attempts=biometrics.face_attempts,
        face_minimum_quality=biometrics.face_minimum_quality,
        fingerprint_attempts=biometrics.fingerprint_attempts,
        poll_s=runtime.poll_s,
        io_lost_after_s=runtime.io_lost_after_s,
        idle_poll_s=runtime.idle_poll_s,
        forget_presentation_s=runtime.forget_presentation_s,
        retry_s=runtime.retry_s,
    )


def _display(prompts: TextIO | None, stack: contextlib.ExitStack) -> TravellerDisplay:
    if prompts is None:
        return FanOutDisplay()  # the kiosk page is fed by the events themselves
    display = BackgroundDisplay(ConsoleDisplay(prompts))
    stack.callback(display.close)
    return display


def _emergency_latched(path: Path) -> bool:
    """Whether the journal's last word on emergencies is that there is one (INV-5 holds over a restart)."""
    with JournalReader(path) as journal:
        return journal.last_event_of("emergency", "rearmed") == "emergency"
