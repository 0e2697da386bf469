"""A person at a simulated enrolment desk: wire simulators of the camera and the fingerprint module, and somebody who does as told.

The person hears the desk's instructions, as the person before a real one would read them, and acts on the simulated world alone. Knows nothing of
what the desk decides.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from gate_controller.ports.devices import Family
from simulators.control import ControlClient
from simulators.fingerprint.process import FingerprintProcess
from simulators.lane.process import SimulatorProcess

FINGERS = {
    0: "unknown",
    1: "right-thumb",
    2: "right-index",
    3: "right-middle",
    4: "right-ring",
    5: "right-little",
    6: "left-thumb",
    7: "left-index",
    8: "left-middle",
    9: "left-ring",
    10: "left-little",
}
"""Names of the finger positions of ISO/IEC 19794-2, as the cast's fingers are called."""

WIDTH, HEIGHT = 960, 720
"""Of the camera: an enrolment asks for more pixels between the eyes than a lane."""
_DRAWN_WITHIN_S = 60.0
"""The scene's first frames; a machine that is busy otherwise takes some seconds."""

_LAY_DOWN = frozenset({"place_finger", "place_finger_again", "place_finger_to_check"})
_TAKE_AWAY = frozenset(
    {
        "lift_finger",
        "finger_too_dry",
        "wipe_finger",
        "finger_still",
        "same_finger_please",
        "another_finger_please",
        "finger_taken",
        "finger_given_up",
        "reader_tried_again",
        "stay_in_view",
        "alone_please",
    }
)


class ObedientHand:
    """Lays down the finger that is asked for, and lifts it when asked, or when the next one is asked for.

    Args:
        name: Whose hand: fingers are called "<name>/right-index".
        place: Lays a finger on the sensor.
        remove: Lifts it.
    """

    def __init__(self, name: str, place: Callable[[str], object], remove: Callable[[], object]) -> None:
        self._name = name
        self._place = place
        self._remove = remove

    def hear(self, instruction: str, finger: int | None) -> None:
        """Act on one instruction of the desk (gate_controller.enrolment.desk.instructions)."""
        if instruction in _LAY_DOWN and finger is not None:
            self._place(f"{self._name}/{FINGERS[finger]}")
        elif instruction in _TAKE_AWAY:
            self._remove()


class SimulatedDesk:
    """The desk's devices as wire simulators, with a person before them. A context manager: leaving it leaves no process, socket or file.

    Args:
        person: Picture id of the face, "person01" to "person12".
        hand: Whose fingers, as the cast of a simulation calls them ("traveller-01"); the person's own if not given.
        family: Family of the fingerprint module.
        picture: "live", or what is held before the camera instead of the person: "print" or "screen".

    Attributes:
        directory: The run's files; removed at the end.

    Raises:
        ControlError: A simulator did not come up.
    """

    def __init__(self, person: str, hand: str | None = None, family: Family = Family.R503, picture: str = "live") -> None:
        self._person = person
        self._hand_of = hand or person
        self._family = family
        self._shown = picture
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.directory = Path(tempfile.mkdtemp(prefix="desk-"))
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            control = self.directory / "camera.control"
            size = ["--width", str(WIDTH), "--height", str(HEIGHT)]
            camera = SimulatorProcess("face camera", ["simulators.camera", *size], control, self.directory / "camera.log")
            stack.callback(camera.stop)
            camera.start()
            self._module = stack.enter_context(FingerprintProcess(self._family, self.directory))
            self.camera = camera.wait_ready()
            client = ControlClient(control, timeout_s=_DRAWN_WITHIN_S)
            stack.callback(client.close)
            client.ask("scene", kind="face", person=self._person, picture=self._shown)
            self._hand = ObedientHand(self._hand_of, lambda finger: self._module.ask("place", finger=finger), lambda: self._module.ask("remove"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def devices(self) -> dict[str, dict[str, str | int]]:
        """The tables of [devices] that differ from the simulated configuration's."""
        camera: dict[str, str | int] = {"source": self.camera, "width": WIDTH, "height": HEIGHT}
        return {"face_camera": camera, "fingerprint": {"port": str(self._module.link), "family": self._family.value}}

    def hear(self, instruction: str, finger: int | None) -> None:
        """What the desk says reaches the person."""
        self._hand.hear(instruction, finger)
