"""What a person may do to the lane from the panel: alarms, cables, doors, cameras. Each is switched on and off; travellers are plays.py's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gate_controller.core.values import Door, Occupancy
from simulators.control import ControlError
from simulators.lane.simulation import LaneSimulation
from simulators.panel.plays import PlayError
from simulators.world import World


class Simulators(Protocol):
    """The wire simulators, as simulators.lane.wire.WireLane has them."""

    def ask(self, name: str, verb: str, /, **fields: Any) -> Any:
        """Send one request to a simulator; raises ControlError."""
        ...


@dataclass(frozen=True, slots=True)
class Mishap:
    """One thing that may happen to the lane.

    Attributes:
        label: For the switch.
        hint: What it is, in one line.
        device: The simulator that has it, with the name of its fault; None when it is in the world.
        turn: Brings it about in the world, or undoes it.
    """

    label: str
    hint: str
    device: tuple[str, str] | None = None
    turn: Callable[[World, bool], None] | None = None


def _alarm(world: World, on: bool) -> None:
    world.emergency_loop_closed = not on


def _tamper(world: World, on: bool) -> None:
    world.tamper_loop_closed = not on


def _bag(world: World, on: bool) -> None:
    (world.faults.objects.add if on else world.faults.objects.discard)(Door.EXIT)


def _stuck(world: World, on: bool) -> None:
    (world.faults.stuck_doors.add if on else world.faults.stuck_doors.discard)(Door.EXIT)


def _blind(world: World, on: bool) -> None:
    world.faults.counter = Occupancy.UNKNOWN if on else None


MISHAPS: Mapping[str, Mishap] = {
    "fire_alarm": Mishap("Fire alarm", "The emergency loop opens: the entry opens at once, the exit if the policy says so", turn=_alarm),
    "tamper": Mishap("Cabinet opened", "The tamper loop opens", turn=_tamper),
    "bag": Mishap("Bag in the exit", "Something is left behind in the exit doorway", turn=_bag),
    "stuck_exit": Mishap("Exit door stuck", "The leaf of the exit door does not move", turn=_stuck),
    "blind_counter": Mishap("People counter blind", "The counter gives no answer", turn=_blind),
    "fingerprint_cable": Mishap("Fingerprint cable", "The fingerprint module is unplugged", device=("fingerprint", "unplugged")),
    "io_cable": Mishap("I/O board cable", "The I/O board is unplugged", device=("io_board", "unplugged")),
    "qr_cable": Mishap("QR camera cable", "The QR camera is unplugged", device=("qr_camera", "drop")),
    "face_cable": Mishap("Face camera cable", "The face camera is unplugged", device=("face_camera", "drop")),
    "face_covered": Mishap("Face camera covered", "Somebody holds a hand over the lens", device=("face_camera", "black")),
}


class Mishaps:
    """The mishaps that are on. Used by one thread at a time.

    Args:
        simulation: The world.
        lane: Its simulated devices.
    """

    def __init__(self, simulation: LaneSimulation, lane: Simulators) -> None:
        self._simulation = simulation
        self._lane = lane
        self._on: set[str] = set()

    @property
    def on(self) -> list[str]:
        """Names of those that are on."""
        return [name for name in MISHAPS if name in self._on]

    def turn(self, name: str, *, on: bool) -> None:
        """Bring a mishap about, or undo it.

        Raises:
            PlayError: There is no such mishap, or its simulator does not answer.
        """
        mishap = MISHAPS.get(name)
        if mishap is None:
            raise PlayError("there is no such mishap")
        (self._on.add if on else self._on.discard)(name)
        if mishap.turn is not None:
            with self._simulation.lock:
                mishap.turn(self._simulation.world, on)
        if mishap.device is not None:
            try:
                self._tell(mishap.device[0])
            except ControlError as error:
                msg = f"the simulator of the {mishap.device[0].replace('_', ' ')} does not answer"
                raise PlayError(msg) from error

    def _tell(self, device: str) -> None:
        """A simulator clears all of its faults at once, so those that stay are set anew."""
        self._lane.ask(device, "clear")
        for name in self.on:
            fault = MISHAPS[name].device
            if fault is not None and fault[0] == device:
                self._lane.ask(device, "fault", name=fault[1])
