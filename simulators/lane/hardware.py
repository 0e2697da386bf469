"""What the world needs of the lane's simulated hardware, whichever kind it is. Holds no physics and no people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from simulators.travellers.perception import ReaderLight


@dataclass(frozen=True, slots=True)
class CoilChange:
    """A coil was switched.

    Attributes:
        at: Monotonic seconds.
        name: Name of the coil (world.COILS), or world.POWER for the board's power.
        on: Its new level.
    """

    at: float
    name: str
    on: bool


def face_scene(people: Sequence[str]) -> dict[str, Any]:
    """The face camera's scene (simulators.camera) for these picture ids, nearest first: PERSON, or PERSON/PICTURE. It shows two at most."""
    if not people:
        return {"kind": "empty"}
    person, _, picture = people[0].partition("/")
    second = people[1].partition("/")[0] if len(people) > 1 else None
    return {"kind": "face", "person": person, "picture": picture or "live", "second": second}


class LaneHardware(Protocol):
    """The lane's devices from the physical side. A device that is dead for now takes no notice and is told when it is back."""

    def set_inputs(self, levels: Mapping[str, bool]) -> None:
        """Set all discrete inputs, by name (world.INPUTS)."""
        ...

    def coil_changes(self) -> list[CoilChange]:
        """Coils switched since the last call, in order. A board that died has dropped all of its relays."""
        ...

    def show_phone(self, text: str | None) -> None:
        """Hold a phone with this QR text before the QR camera, or nothing."""
        ...

    def show_faces(self, people: Sequence[str]) -> None:
        """Let the face camera see these people (picture ids), nearest first; nobody when empty."""
        ...

    def set_finger(self, finger: str | None) -> None:
        """Lay this finger on the sensor, or none."""
        ...

    def reader_light(self) -> ReaderLight:
        """What the fingerprint reader's light tells."""
        ...
