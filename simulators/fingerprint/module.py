"""A serial fingerprint module (ZhianTec protocol) as a pure state machine: bytes and the time in, bytes out.

Written from the ZFM-20 and R503 manuals, independently of the driver. Does not open devices, pace bytes or look at a clock; `wire` does.

Behaviour that is always there: power-on announces itself with 55 once booted, and everything before that is lost; with a password set,
everything but VfyPwd gives 21 after power-on; SetSysPara is acknowledged with the old settings; packets of another address are ignored;
a data packet longer than the set size, damaged or out of turn spoils the transfer; data packets are never acknowledged; a template that is
all FF, broken or of another family is refused (the buffer is then empty); the page of a failed search is garbage on an R503; on an R503
UpChar, DownChar, Load and Store ignore the buffer id.

What else can be wrong with it, each by its name, stands in `faults`; `python -m simulators.fingerprint ctl SOCKET fault list` prints it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gate_controller.ports.devices import Family
from simulators.fingerprint.families import PROFILES
from simulators.fingerprint.faults import EVENTS, Faults
from simulators.fingerprint.instructions import BAD_PACKET, EXTRACT, GET_IMAGE, MATCH, NO_FINGER, NO_IMAGE, OK, Instructions, Reception, Reply
from simulators.fingerprint.packets import Deframer, Frame, Identifier, frame_bytes
from simulators.fingerprint.state import Device, Flash, Ram, Sensor

_INTER_BYTE_S: Final = 1.0
"""A packet that stops midway for longer than this is forgotten."""
_UPLOAD_TEMPLATE: Final = 0x08


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Bytes the module sends: after a delay, at the baud rate it had when it decided to."""

    data: bytes
    after_s: float
    baud: int


@dataclass
class _Transfer:
    """Data packets being received."""

    what: Reception
    buffer: int
    data: bytearray
    spoilt: bool = False


class Module:
    """One module with its power on from the start; call `power_on` for its boot announcement.

    Args:
        family: Which family it is.
        seed: Seeds capture noise, random numbers and what the garbling faults hit.
        baud: Baud rate in flash.
        password: Password in flash; 0 is none.
        imaging_s: How long it takes to image a finger that is there.
        extraction_s: How long it takes to make features of an image.
    """

    def __init__(self, family: Family, *, seed: int = 0, baud: int = 57600, password: int = 0, imaging_s: float = 0.0, extraction_s: float = 0.0) -> None:
        self._own_s = {GET_IMAGE: (imaging_s, NO_FINGER), EXTRACT: (extraction_s, NO_IMAGE)}
        profile = PROFILES[family]
        self._rng = random.Random(seed)
        self._sensor = Sensor(profile, seed)
        self._device = Device(profile, Flash(baud=baud, password=password), Ram(unlocked=False, chars={}), self._sensor, Faults())
        self._device.ram = self._device.power_on_ram()
        self._instructions = Instructions(self._device, self._rng)
        self._deframer = Deframer()
        self._transfer: _Transfer | None = None
        self._ready_at = float("-inf")
        self._last_byte_at = float("-inf")
        self._commands = 0
        self._boots = 0

    @property
    def baud(self) -> int:
        """Baud rate it listens and talks at."""
        return self._device.flash.baud

    @property
    def faults(self) -> Faults:
        """Its active conditions."""
        return self._device.faults

    def place(self, finger: str) -> None:
        """Lay a finger on the glass, in place of the one that is there.

        Raises:
            ValueError: The name's condition does not exist.
        """
        self._sensor.place(finger)

    def remove(self) -> None:
        """Lift the finger."""
        self._sensor.finger = None

    def state(self) -> dict[str, Any]:
        """What whoever watches the simulation may see."""
        flash = self._device.flash
        return {
            "finger": self._sensor.finger,
            "light": self._device.ram.light,
            "faults": self.faults.active,
            "family": self._device.profile.family.value,
            "baud": flash.baud,
            "security_level": flash.security_level,
            "packet_bytes": flash.packet_bytes,
            "stored": sorted(flash.library),
            "commands": self._commands,
            "boots": self._boots,
        }

    def is_ready(self, now: float) -> bool:
        """Whether it has booted and hears."""
        return now >= self._ready_at

    def power_on(self, now: float) -> list[Outgoing]:
        """Lose what RAM held and boot."""
        self._device.ram = self._device.power_on_ram()
        self._deframer.reset()
        self._transfer = None
        self._boots += 1
        boot_s = self._rng.uniform(*self._device.profile.boot_s)
        self._ready_at = now + boot_s
        if "no_boot_byte" in self.faults:
            return []
        announcement = b"\x00\x55" if "boot_zero" in self.faults else b"\x55"
        return [Outgoing(announcement, boot_s, self.baud)]

    def fault(self, name: str, parameters: Mapping[str, float], now: float) -> list[Outgoing]:
        """Set a condition or let an event happen.

        Raises:
            ValueError: There is no such fault, or a parameter is missing or out of range.
        """
        if name not in EVENTS:
            self.faults.add(name, parameters)
            return []
        flash = self._device.flash
        if name == "power_cycle":
            return self.power_on(now)
        if name == "foreign_password":
            flash.password = int(parameters.get("password", 0x01020304))
            self._device.ram.unlocked = self._device.ram.verified = False
        elif name == "level_lowered":
            flash.security_level = int(parameters.get("level", 1))
        elif name == "wrong_baud":
            flash.baud = int(parameters.get("baud", 9600))
        elif name == "noise":
            return [Outgoing(b"\xef\x01\xff\x07\x00" + self._rng.randbytes(11), 0.0, self.baud)]
        return []

    def factory_reset(self) -> None:
        """Flash as it left the factory, RAM as after power-on, no finger, no faults."""
        self.faults.clear()
        self.remove()
        self._device.flash = Flash()
        self._device.ram = self._device.power_on_ram()
        self._ready_at = float("-inf")
        self._deframer.reset()
        self._transfer = None

    def receive(self, data: bytes, now: float) -> list[Outgoing]:
        """Take in bytes from the line and give what the module sends because of them."""
        if not self.is_ready(now):
            return []
        if now - self._last_byte_at > _INTER_BYTE_S:
            self._deframer.reset()
        self._last_byte_at = now
        outgoing: list[Outgoing] = []
        for frame in self._deframer.feed(data):
            outgoing += self._take(frame, now)
        return outgoing

    def _take(self, frame: Frame, now: float) -> list[Outgoing]:
        if frame.intact and frame.address != self._device.flash.address:
            return []
        if self._transfer is not None and (not frame.intact or frame.identifier in {Identifier.DATA, Identifier.LAST_DATA}):
            self._take_data(self._transfer, frame)
            return []
        self._transfer = None
        if frame.intact and frame.identifier != Identifier.COMMAND:
            return []
        self._commands += 1
        if self.faults.strike("silent"):
            return []
        return self._answer(frame, now)

    def _take_data(self, transfer: _Transfer, frame: Frame) -> None:
        if self._is_lost(transfer, frame) or not frame.intact or len(frame.data) > self._device.flash.packet_bytes:
            transfer.spoilt = True
        else:
            transfer.data += frame.data
        if frame.identifier != Identifier.LAST_DATA:
            return
        self._transfer = None
        if transfer.spoilt:
            # What the buffer held before stays: the manuals promise nothing else, and this is the dangerous case.
            return
        if transfer.what is Reception.IMAGE:
            self._instructions.receive_image(bytes(transfer.data))
        else:
            self._instructions.receive_template(transfer.buffer, bytes(transfer.data))

    def _is_lost(self, transfer: _Transfer, frame: Frame) -> bool:
        if transfer.what is not Reception.TEMPLATE:
            return False
        limits = [size for size in (64, 128, 256) if f"downchar_fails_{size}" in self.faults]
        return "downchar_lost" in self.faults or len(frame.data) >= min(limits, default=257)

    def _answer(self, frame: Frame, now: float) -> list[Outgoing]:
        reply = self._instructions.execute(frame.data) if frame.intact else Reply(BAD_PACKET)
        instruction = frame.data[0] if frame.intact and frame.data else -1
        baud = self.baud
        sent = self._frames(reply, instruction)
        own_s, unless = self._own_s.get(instruction, (0.0, -1))
        delay_s = own_s if reply.code != unless else 0.0
        late_s = self.faults.parameter("slow", "delay_s", 0.3)
        delay_s += late_s if self.faults.strike("slow") else 0.0
        outgoing = [Outgoing(self._spoil(data), delay_s, baud) for data in sent]
        if reply.then is not None:
            reply.then()
        if reply.receives is not None:
            self._transfer = _Transfer(*reply.receives, bytearray())
        if reply.restart:
            outgoing += self.power_on(now)
        return outgoing

    def _frames(self, reply: Reply, instruction: int) -> list[bytes]:
        address = self._device.flash.address
        frames = []
        if "other_address" in self.faults:
            frames.append(Frame(address ^ 0x00FF, Identifier.ACKNOWLEDGE, b"\x00"))
        is_match = instruction == MATCH
        only_01 = is_match and self.faults.strike("match_only_01")
        if only_01 or (is_match and self.faults.strike("match_stray_01")):
            frames.append(Frame(address, Identifier.ACKNOWLEDGE, bytes([BAD_PACKET])))
        if not only_01:
            frames.append(Frame(address, Identifier.ACKNOWLEDGE, bytes([reply.code]) + reply.payload))
        if reply.data is not None and reply.code == OK:
            frames += self._data_frames(reply.data, instruction)
        return [frame_bytes(frame) for frame in frames]

    def _data_frames(self, data: bytes, instruction: int) -> list[Frame]:
        address, size = self._device.flash.address, self._device.flash.packet_bytes
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        frames = [Frame(address, Identifier.DATA, piece) for piece in pieces[:-1]]
        if instruction == _UPLOAD_TEMPLATE and "upchar_short" in self.faults:
            return frames
        endless = instruction == _UPLOAD_TEMPLATE and "upchar_endless" in self.faults
        return [*frames, Frame(address, Identifier.DATA if endless else Identifier.LAST_DATA, pieces[-1])]

    def _spoil(self, data: bytes) -> bytes:
        if self.faults.strike("garbled"):
            position = self._rng.randrange(len(data))
            data = data[:position] + bytes([data[position] ^ 1 << self._rng.randrange(8)]) + data[position + 1 :]
        if self.faults.strike("truncated"):
            data = data[: len(data) // 2]
        return data
