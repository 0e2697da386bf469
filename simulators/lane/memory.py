"""The lane's hardware as in-memory simulators in virtual time: no processes, threads or sleeps.

A gate is given the four devices as ports (`io_board`, `fingerprint`, `qr_camera`, `face_camera`). Does not advance the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gate_controller.ports.clock import Clock
from gate_controller.ports.devices import Family
from simulators.camera.memory import MemoryCamera
from simulators.fingerprint.memory import MemoryFingerprintReader
from simulators.io_board.memory import MemoryIoBoard
from simulators.lane.hardware import CoilChange, face_scene
from simulators.travellers.perception import ReaderLight
from simulators.wiring import Coil

_LIGHTS = {"good": ReaderLight.GOOD, "bad": ReaderLight.BAD}


class MemoryLane:
    """Implements LaneHardware over in-memory devices.

    Args:
        clock: Virtual time.
        wait: Lets virtual time pass until the absolute time it is called with (MemoryCamera); None when it passes between calls only.
        family: Family of the fingerprint reader.
        seed: Of all noise.
    """

    def __init__(self, clock: Clock, wait: Callable[[float], None] | None = None, *, family: Family = Family.R503, seed: int = 0) -> None:
        self._clock = clock
        self._changes: list[CoilChange] = []
        self.io_board = MemoryIoBoard(clock, on_coil=self._switched)
        self.fingerprint = MemoryFingerprintReader(clock, family, seed=seed)
        self.qr_camera = MemoryCamera(clock, wait, seed=seed)
        self.face_camera = MemoryCamera(clock, wait, seed=seed + 1)

    def set_inputs(self, levels: Mapping[str, bool]) -> None:
        """See LaneHardware."""
        self.io_board.set(levels)

    def coil_changes(self) -> list[CoilChange]:
        """See LaneHardware. The board's own pulses end here if their time has come."""
        self.io_board.state()
        changes, self._changes = self._changes, []
        return changes

    def show_phone(self, text: str | None) -> None:
        """See LaneHardware."""
        self.qr_camera.scene(**({"kind": "phone", "text": text} if text is not None else {"kind": "empty"}))

    def show_faces(self, people: Sequence[str]) -> None:
        """See LaneHardware. The camera shows two at most."""
        self.face_camera.scene(**face_scene(people))

    def set_finger(self, finger: str | None) -> None:
        """See LaneHardware."""
        if finger is None:
            self.fingerprint.remove()
        else:
            self.fingerprint.place(finger)

    def reader_light(self) -> ReaderLight:
        """See LaneHardware."""
        return _LIGHTS.get(self.fingerprint.state()["light"], ReaderLight.NONE)

    def _switched(self, coil: Coil, on: bool) -> None:
        self._changes.append(CoilChange(self._clock.monotonic(), coil.name.lower(), on))
