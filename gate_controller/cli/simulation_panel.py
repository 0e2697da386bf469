"""The simulator panel beside a simulated gate: `gatectl simulate` on a terminal, without a number of travellers.

Refuses a gate that is not a simulation. Decides nothing: a person plays, the gate answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import webbrowser
from collections.abc import Callable, Iterator

from gate_controller.cli.simulation import Plan, SimulatedGate
from gate_controller.core.reasons import Reason
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import ConfigurationError
from gate_controller.settings import load
from simulators.lane.simulation import GroundTruth
from simulators.panel.plays import CAST, Casting
from simulators.panel.site import PanelSite

IDENTITY = "officer-1"
WHY = "decided by whoever plays at the simulator panel"
_ADVICE = {reason.code: reason.advice for reason in Reason}


class PanelGate:
    """The gate that is played with, as simulators.panel.site.PlayedGate.

    Args:
        gate: The simulated checkpoint.
        kiosk_port: Port of its kiosk page.
    """

    def __init__(self, gate: SimulatedGate, kiosk_port: int) -> None:
        self._gate = gate
        endpoints = gate.lane.endpoints
        self.kiosk_url = f"http://127.0.0.1:{kiosk_port}/"
        self.cameras = {"qr": endpoints.qr_camera, "face": endpoints.face_camera}

    def officer(self, action: str) -> None:
        """See PlayedGate."""
        client = self._gate.client
        client.officer(action, IDENTITY, WHY, client.pending_call())

    def crash(self) -> None:
        """See PlayedGate."""
        self._gate.crash()


def playable(plan: Plan) -> Plan:
    """The same plan with a cast to choose from, and with a kiosk page whose port stays the same when the controller is crashed."""
    return dataclasses.replace(plan, travellers=CAST, kiosk_port=plan.kiosk_port or _free_port())


@contextlib.contextmanager
def panel(gate: SimulatedGate, port: int) -> Iterator[PanelSite]:
    """Serve the panel of a simulated gate.

    Raises:
        ConfigurationError: The gate is not a simulation, or the port cannot be had.
    """
    settings = load(gate.config)
    if settings.gate.mode != "simulation":
        raise ConfigurationError(f"{gate.config}: the gate is not a simulation", "the panel exists for `gatectl simulate` alone")  # noqa: EM102
    site = PanelSite(gate.simulation, gate.lane, PanelGate(gate, settings.kiosk.port), Casting(gate.cast, gate.plan.seed), port)
    try:
        site.start()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)  # asyncio puts the address into strerror, once more
        raise ConfigurationError(f"panel on 127.0.0.1:{port}: {why}", "choose another with --panel-port, or leave it out with --no-panel") from error  # noqa: EM102
    try:
        yield site
    finally:
        site.stop()


def play(gate: SimulatedGate, site: PanelSite, report: Callable[[JsonObject], None]) -> None:
    """Show what happens until somebody interrupts.

    Args:
        gate: The simulated checkpoint.
        site: Its panel.
        report: Given each crossing as the panel shows it.

    Raises:
        GateError: The daemon ended by itself.
    """
    for kind, what in gate.happenings():
        match kind, what:
            case "event", ("status", dict() as fields):
                site.tell("status", {**fields, "attack_detection": gate.plan.pad})
                site.tell("gate", {"answers": True})
            case "event", ("gone", _):
                site.tell("gate", {"answers": False})
            case "record", (str() as name, dict() as record):
                crossing = {**record, "name": name, "advice": _ADVICE.get(record.get("reason") or "", "")}
                site.tell("crossing", crossing)
                report(crossing)
            case "truth", GroundTruth() as truth:
                site.tell("left", {"name": truth.name, "by": truth.left_by.value if truth.left_by else None})
            case _:
                pass


def show(url: str) -> bool:
    """Open the page where there is a screen; whether a browser was found."""
    return any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY")) and webbrowser.open(url)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
