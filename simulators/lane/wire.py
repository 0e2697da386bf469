"""The lane's hardware as wire simulators: four processes on pseudo-terminals and loopback ports, that can be killed and restarted.

The gate's real drivers open what they serve. Does not know what the world wants them to show: `simulation` tells it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Self

from gate_controller.ports.clock import Clock, SystemClock
from gate_controller.ports.devices import Family
from simulators.control import ControlClient, ControlError, Message
from simulators.lane.coils import CoilWatcher
from simulators.lane.feeder import Feeder
from simulators.lane.hardware import CoilChange, face_scene
from simulators.lane.process import STOP_LIMIT_S, SimulatorProcess
from simulators.travellers.perception import ReaderLight

FINGERPRINT, IO_BOARD, QR_CAMERA, FACE_CAMERA = "fingerprint", "io_board", "qr_camera", "face_camera"
DEVICES = (FINGERPRINT, IO_BOARD, QR_CAMERA, FACE_CAMERA)
TELL_LIMIT_S = 30.0
LIGHT_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the gate's drivers open; stays the same over restarts.

    Attributes:
        fingerprint: Serial port of the fingerprint module.
        io_board: Serial port of the I/O board.
        qr_camera: URL of the QR camera.
        face_camera: URL of the face camera.
    """

    fingerprint: Path
    io_board: Path
    qr_camera: str
    face_camera: str


class WireLane:
    """Four wire simulators in a private temporary directory. `start()` and `restart()` belong to a thread that outlives the lane.

    Args:
        family: Family of the fingerprint module.
        clock: Dates the changes of the coils.
        paced: Whether the fingerprint module's bytes take as long as on its line.
        io_paced: Whether the I/O board's do.
    """

    def __init__(self, *, family: Family = Family.R503, clock: Clock | None = None, paced: bool = True, io_paced: bool = False) -> None:
        self._clock = clock or SystemClock()
        self._arguments = {
            FINGERPRINT: ["--family", family.value, *(["--paced"] if paced else [])],
            IO_BOARD: ["--paced"] if io_paced else [],
            QR_CAMERA: [],
            FACE_CAMERA: ["--width", "640", "--height", "480"],  # portraits are this size; more pixels only cost a busy laptop time
        }
        self._ports: dict[str, str] = {}
        self._directory: Path | None = None
        self._processes: dict[str, SimulatorProcess] = {}
        self._feeders: dict[str, Feeder] = {}
        self._coils: CoilWatcher | None = None
        self._moving = threading.RLock()

    # Starting, dying, stopping

    def start(self) -> Endpoints:
        """Start all four and wait until they serve.

        Raises:
            ControlError: One did not come up; nothing is left running then.
        """
        with self._moving:
            self._directory = Path(tempfile.mkdtemp(prefix="lane-"))
            try:
                for name in DEVICES:
                    self._launch(name)
                for name in DEVICES:
                    self._await(name)
            except BaseException:
                self.stop()
                raise
            return self.endpoints

    def stop(self) -> None:
        """End all of it; leaves no process, socket or file. Harmless when nothing runs."""
        with self._moving:
            if self._coils is not None:
                self._coils.stop()
                self._coils = None
            for feeder in self._feeders.values():
                feeder.stop()
            self._feeders.clear()
            for process in self._processes.values():
                process.stop()
            self._processes.clear()
            self._ports.clear()
            if self._directory is not None:
                shutil.rmtree(self._directory, ignore_errors=True)
                self._directory = None

    def kill(self, name: str) -> None:
        """Kill one simulator (kill -9) and return when it is dead; its relays have dropped then.

        Raises:
            KeyError: The lane has no such device.
        """
        with self._moving:
            self._processes[name].kill()
            self._await_relays(name)

    def restart(self, name: str) -> None:
        """Start one simulator again after it died; returns when it shows the world as it is now.

        Raises:
            KeyError: The lane has no such device.
            ControlError: It runs already, or did not come up.
        """
        with self._moving:
            if not self._processes[name].alive:
                self._await_relays(name)
            self._processes[name].start()
            self._await(name)

    def alive(self, name: str) -> bool:
        """Whether that simulator runs."""
        with self._moving:
            return self._processes[name].alive

    def pid(self, name: str) -> int | None:
        """Process id of one simulator, None while it is dead."""
        return self._processes[name].pid

    def ask(self, name: str, verb: str, /, **fields: Any) -> Message:
        """Send one request of one's own to a simulator: a fault, a question.

        Raises:
            ControlError: It refused, or is not there.
        """
        client = ControlClient(self._processes[name].control)
        try:
            return client.ask(verb, **fields)
        finally:
            client.close()

    @property
    def endpoints(self) -> Endpoints:
        """What the drivers open.

        Raises:
            ControlError: The lane was not started.
        """
        if self._directory is None or len(self._ports) < 2:
            raise ControlError("the lane's simulators are not running")
        return Endpoints(self._directory / FINGERPRINT, self._directory / IO_BOARD, self._ports[QR_CAMERA], self._ports[FACE_CAMERA])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, name: str) -> None:
        assert self._directory is not None
        module = "camera" if name in {QR_CAMERA, FACE_CAMERA} else name
        arguments = [f"simulators.{module}", *self._arguments[name]]
        if name in {FINGERPRINT, IO_BOARD}:
            arguments += ["--link", str(self._directory / name)]
        control = self._directory / f"{name}.control"
        self._processes[name] = SimulatorProcess(name, arguments, control, self._directory / f"{name}.log")
        self._processes[name].start()

    def _await(self, name: str) -> None:
        ready = self._processes[name].wait_ready()
        if name in {QR_CAMERA, FACE_CAMERA} and name not in self._ports:
            # From now on the same port: what the gate's configuration names must come back after a restart.
            self._ports[name] = ready
            self._processes[name].arguments += ["--port", ready.rpartition(":")[2].partition("/")[0]]
        control = self._processes[name].control
        if name not in self._feeders:
            self._feeders[name] = Feeder(name, control, LIGHT_POLL_S if name == FINGERPRINT else None)
        if name == IO_BOARD:
            if self._coils is None:
                self._coils = CoilWatcher(control, self._clock)
            self._coils.connect(TELL_LIMIT_S)
        self._feeders[name].connect(TELL_LIMIT_S)

    def _await_relays(self, name: str) -> None:
        if name == IO_BOARD and self._coils is not None:
            self._coils.wait_lost(STOP_LIMIT_S)

    # LaneHardware

    def set_inputs(self, levels: Mapping[str, bool]) -> None:
        """See LaneHardware."""
        self._want(IO_BOARD, "inputs", "set", inputs=dict(levels))

    def coil_changes(self) -> list[CoilChange]:
        """See LaneHardware."""
        coils = self._coils
        return coils.take() if coils is not None else []

    def show_phone(self, text: str | None) -> None:
        """See LaneHardware."""
        self._want(QR_CAMERA, "scene", "scene", **({"kind": "phone", "text": text, **pose_of(text)} if text is not None else {"kind": "empty"}))

    def show_faces(self, people: Sequence[str]) -> None:
        """See LaneHardware. The camera shows two at most."""
        self._want(FACE_CAMERA, "scene", "scene", **face_scene(people))

    def set_finger(self, finger: str | None) -> None:
        """See LaneHardware."""
        if finger is None:
            self._want(FINGERPRINT, "finger", "remove")
        else:
            self._want(FINGERPRINT, "finger", "place", finger=finger)

    def reader_light(self) -> ReaderLight:
        """See LaneHardware; as it was a moment ago."""
        feeder = self._feeders.get(FINGERPRINT)
        light = str(feeder.state.get("light", "")) if feeder is not None else ""
        if "red" in light:
            return ReaderLight.BAD
        return ReaderLight.GOOD if "green" in light else ReaderLight.NONE

    def _want(self, name: str, key: str, verb: str, **fields: Any) -> None:
        with contextlib.suppress(KeyError):  # before start() and after stop() there is nobody to tell
            self._feeders[name].want(key, verb, **fields)


def pose_of(text: str) -> dict[str, float]:
    """How a hand holds a phone: a little turned, tilted, out of focus and under a lamp; the same for the same code."""
    hand = Random(text)
    return {
        "tilt_deg": round(hand.uniform(-25, 25), 1),
        "roll_deg": round(hand.uniform(-12, 12), 1),
        "blur": round(hand.uniform(0.4, 1.0), 2),
        "glare": round(hand.uniform(0.0, 0.25), 2),
    }
