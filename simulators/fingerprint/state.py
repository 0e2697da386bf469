"""What a module remembers: flash survives a loss of power, RAM does not; and the sensor with the finger on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gate_controller.ports.devices import Family
from simulators.fingerprint import fingers
from simulators.fingerprint.families import OLD_R503_TEMPLATE_BYTES, Profile
from simulators.fingerprint.faults import Faults

NOTEPAD_PAGES = 16
NOTEPAD_PAGE_BYTES = 32


@dataclass
class Flash:
    """Settings and library.

    Attributes:
        size_code: 0..3 for data packets of 32, 64, 128, 256 bytes.
        library: Templates by page.
    """

    baud: int = 57600
    security_level: int = 3
    size_code: int = 2
    password: int = 0
    address: int = 0xFFFFFFFF
    library: dict[int, bytes] = field(default_factory=dict)
    notepad: bytearray = field(default_factory=lambda: bytearray(NOTEPAD_PAGES * NOTEPAD_PAGE_BYTES))

    @property
    def packet_bytes(self) -> int:
        """Size of data packets."""
        return 32 << self.size_code


@dataclass
class Ram:
    """Buffers and status.

    Attributes:
        unlocked: The password was given, or none is set.
        verified: VfyPwd succeeded since power-on (status bit 2).
        passed: The last comparison was a match (status bit 1).
        image: Image buffer.
        chars: CharBuffers by id; without a ModelBuffer they hold zeros at power-on, as RAM does.
        model: ModelBuffer, where there is one.
        extracted: What Img2Tz made last.
        light: What the light shows, for whoever watches the simulation.
    """

    unlocked: bool
    chars: dict[int, bytes]
    verified: bool = False
    passed: bool = False
    image: bytes | None = None
    model: bytes | None = None
    extracted: bytes | None = None
    light: str = "off"


class Sensor:
    """The glass: which finger lies on it, and a new capture for every image taken."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self._profile = profile
        self._seed = seed
        self._touches = 0
        self.finger: str | None = None

    def place(self, finger: str) -> None:
        """Lay a finger on the glass.

        Raises:
            ValueError: The name's condition does not exist.
        """
        fingers.condition_of(finger)
        self.finger = finger

    def capture(self) -> bytes | None:
        """An image, or None when it cannot be taken. Only while a finger is there."""
        if self.finger is None:
            raise ValueError("no finger lies on the glass")
        self._touches += 1
        touch = f"{self._seed} {self._touches}"
        captured = fingers.capture(self.finger, touch)
        if captured.condition is fingers.Condition.MOVING:
            return None
        return fingers.image_of(captured, self._profile.image_bytes, touch)


@dataclass
class Device:
    """Everything the instructions act on."""

    profile: Profile
    flash: Flash
    ram: Ram
    sensor: Sensor
    faults: Faults

    @property
    def template_bytes(self) -> int:
        """Template size of this module and firmware."""
        if self.profile.family is Family.R503 and "old_firmware" in self.faults:
            return OLD_R503_TEMPLATE_BYTES
        return self.profile.template_bytes

    def power_on_ram(self) -> Ram:
        """RAM as it is after power-on."""
        chars = {} if self.profile.has_model_buffer else {number: bytes(self.template_bytes) for number in range(1, self.profile.char_buffers + 1)}
        return Ram(unlocked=self.flash.password == 0, chars=chars)

    def views(self, template: bytes | None) -> list[fingers.Features] | None:
        """Views of a template of this module, or None when it is missing or broken."""
        return None if template is None else fingers.decode_template(template, self.profile.family, self.template_bytes)

    def template(self, views: list[fingers.Features]) -> bytes:
        """A template of this module."""
        return fingers.encode_template(views, self.profile.family, self.template_bytes)
