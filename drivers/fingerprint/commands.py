"""The module's instructions as calls: arguments in, checked answers out.

Every acknowledge must have exactly the length its instruction gives, because nothing else tells whose answer it is. A refusal that
the caller does not expect raises DeviceRejectedError with the code's name, or DeviceUntrustedError when the module itself is in no state to be used. Holds no state and takes no decision; `reader` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.fingerprint.codes import Code, Instruction, Register, code_name, remedy
from drivers.fingerprint.link import Link
from drivers.fingerprint.packets import OVERHEAD_BYTES, PacketKind
from gate_controller.ports.errors import DeviceProtocolError, DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError

SECOND_ACKNOWLEDGE_S: Final = 0.5
"""How long the real acknowledge of Match may come after a stray 01."""
DATA_PAUSE_S: Final = 1.0
"""A pause in a row of data packets after which no more are coming."""
_UNKNOWN_INSTRUCTION: Final = {Code.UNSUPPORTED, Code.BAD_PACKET}
_UNUSABLE: Final = {Code.PASSWORD_NEEDED, Code.SENSOR_FAULT, Code.HARDWARE_FAULT, Code.EXECUTION_FAILURE}
BITS_PER_BYTE: Final = 10


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """An acknowledge packet: its code and what follows it."""

    code: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class SystemParameters:
    """Answer to ReadSysPara.

    Attributes:
        password_verified: Bit 2 of the status register; some firmware never sets it.
        capacity: Pages of the library.
        security_level: 1 to 5, 5 strictest.
        packet_bytes: Size of data packets: 32, 64, 128 or 256.
        baud: Baud rate.
    """

    password_verified: bool
    capacity: int
    security_level: int
    packet_bytes: int
    baud: int


@dataclass(frozen=True, slots=True)
class ProductInformation:
    """Answer to ProdInfo (R503 manual V1.2.2), as far as it is used."""

    model: str
    serial: str
    hardware: str
    template_bytes: int


@dataclass(frozen=True, slots=True)
class UploadedTemplate:
    """What UpChar sent. `complete` is False when its last packet never came."""

    data: bytes
    complete: bool


class Commands:
    """Instructions of one module.

    Args:
        link: The line to it.
        now: Monotonic time.
        where: How messages name the module.
    """

    def __init__(self, link: Link, now: Callable[[], float], where: str) -> None:
        self._link = link
        self._now = now
        self._where = where

    def try_password(self, password: int, deadline: float) -> int:
        """VfyPwd without settling the line first, for looking for the module; returns the code."""
        self._link.probe(bytes([Instruction.VERIFY_PASSWORD]) + password.to_bytes(4, "big"), deadline)
        return self._acknowledge(Instruction.VERIFY_PASSWORD, 0, deadline).code

    def read_parameters(self, deadline: float) -> SystemParameters:
        """ReadSysPara."""
        payload = self._transact(Instruction.READ_PARAMETERS, b"", deadline, payload_bytes=16).payload
        status, _, capacity, level = (int.from_bytes(payload[start : start + 2], "big") for start in (0, 2, 4, 6))
        size_code, baud_factor = int.from_bytes(payload[12:14], "big"), int.from_bytes(payload[14:16], "big")
        if size_code > 3:
            what = f"{self._where} reports packet size code {size_code}"
            raise DeviceProtocolError(what, "the manuals know 0 to 3; check the configured family")
        return SystemParameters(bool(status & 4), capacity, level, 32 << size_code, 9600 * baud_factor)

    def set_parameter(self, register: Register, value: int, deadline: float) -> None:
        """SetSysPara: acknowledged with the old settings, then applied and kept in flash."""
        self._transact(Instruction.SET_PARAMETER, bytes([register, value]), deadline)

    def product_information(self, deadline: float) -> ProductInformation | None:
        """ProdInfo; None from firmware that does not know it."""
        acknowledge = self._transact(Instruction.PRODUCT_INFORMATION, b"", deadline, payload_bytes=46, accepted=_UNKNOWN_INSTRUCTION)
        if acknowledge.code != Code.OK:
            return None
        payload = acknowledge.payload
        return ProductInformation(
            model=_text(payload[:16]),
            serial=_text(payload[20:28]),
            hardware=f"{payload[28]}.{payload[29]}",
            template_bytes=int.from_bytes(payload[42:44], "big"),
        )

    def check_sensor(self, deadline: float) -> None:
        """CheckSensor, where the firmware knows it."""
        self._transact(Instruction.CHECK_SENSOR, b"", deadline, accepted=_UNKNOWN_INSTRUCTION)

    def get_image(self, deadline: float) -> int:
        """GetImage: OK, NO_FINGER or CAPTURE_FAILED."""
        return self._transact(Instruction.GET_IMAGE, b"", deadline, accepted={Code.NO_FINGER, Code.CAPTURE_FAILED}).code

    def extract(self, buffer: int, deadline: float) -> int:
        """Img2Tz: OK, TOO_MESSY, TOO_FEW_FEATURES or NO_IMAGE."""
        accepted = {Code.TOO_MESSY, Code.TOO_FEW_FEATURES, Code.NO_IMAGE}
        return self._transact(Instruction.EXTRACT, bytes([buffer]), deadline, accepted=accepted).code

    def match(self, deadline: float) -> tuple[int, int]:
        """Match: (OK or NO_MATCH, score).

        Some firmware sends a 12-byte acknowledge 01 before the real one, some only that: then Match, which changes nothing in the
        module, is asked once more.
        """
        for _ in range(2):
            acknowledge: Acknowledge | None
            acknowledge = self._transact(Instruction.MATCH, b"", deadline, payload_bytes=2, accepted={Code.NO_MATCH, Code.BAD_PACKET})
            if acknowledge.code == Code.BAD_PACKET:
                acknowledge = self._second_match_acknowledge(deadline)
            if acknowledge is not None:
                if len(acknowledge.payload) != 2:
                    raise self._length_error(Instruction.MATCH, acknowledge)
                return acknowledge.code, int.from_bytes(acknowledge.payload, "big")
        what = f"{self._where} acknowledges Match only by {code_name(Code.BAD_PACKET)}"
        raise DeviceRejectedError(what, remedy(Code.BAD_PACKET))

    def _second_match_acknowledge(self, deadline: float) -> Acknowledge | None:
        try:
            acknowledge = self._acknowledge(Instruction.MATCH, 2, min(deadline, self._now() + SECOND_ACKNOWLEDGE_S))
        except DeviceTimeoutError:
            return None
        return self._accept(Instruction.MATCH, acknowledge, {Code.NO_MATCH})

    def merge(self, deadline: float) -> int:
        """RegModel: OK or MERGE_FAILED, when the captures are not of one finger."""
        return self._transact(Instruction.MERGE, b"", deadline, accepted={Code.MERGE_FAILED}).code

    def download_template(self, buffer: int, template: bytes, packet_bytes: int, deadline: float) -> int:
        """DownChar: send a template into a buffer. OK or CANNOT_RECEIVE_DATA; whether it arrived, only an upload tells.

        Raises:
            DeviceUntrustedError: The module has no such instruction (R551).
        """
        accepted = _UNKNOWN_INSTRUCTION | {Code.CANNOT_RECEIVE_DATA}
        acknowledge = self._transact(Instruction.DOWNLOAD_TEMPLATE, bytes([buffer]), deadline, accepted=accepted)
        if acknowledge.code in _UNKNOWN_INSTRUCTION:
            what = f"{self._where} takes no templates from a host: {code_name(acknowledge.code)}"
            raise DeviceUntrustedError(what, "an R551 cannot be used in a lane: fit another module; otherwise check the wiring")
        if acknowledge.code != Code.OK:
            return acknowledge.code
        for start in range(0, len(template), packet_bytes):
            is_last = start + packet_bytes >= len(template)
            self._link.send(PacketKind.LAST_DATA if is_last else PacketKind.DATA, template[start : start + packet_bytes], deadline)
        return acknowledge.code

    def upload_template(self, buffer: int, most_bytes: int, deadline: float) -> UploadedTemplate | None:
        """UpChar: read a buffer until the last data packet, `most_bytes`, or a pause; None when the module finds the buffer empty."""
        accepted = {Code.UPLOAD_FAILED, Code.TEMPLATE_EMPTY, Code.BAD_TEMPLATE}
        if self._transact(Instruction.UPLOAD_TEMPLATE, bytes([buffer]), deadline, accepted=accepted).code != Code.OK:
            return None
        data = bytearray()
        while len(data) < most_bytes:
            pause_ends = self._now() + DATA_PAUSE_S
            try:
                packet = self._link.receive(min(deadline, pause_ends))
            except DeviceTimeoutError:
                if pause_ends > deadline:
                    raise
                return UploadedTemplate(bytes(data), complete=False)
            if packet.kind not in {PacketKind.DATA, PacketKind.LAST_DATA}:
                self._link.unsettle()
                what = f"{self._where} broke off a template"
                raise DeviceProtocolError(what, "power-cycle the module")
            data += packet.data
            if packet.kind is PacketKind.LAST_DATA:
                return UploadedTemplate(bytes(data), complete=True)
        # All is there but the mark of the last packet: whatever follows answers no later command.
        self._link.unsettle()
        return UploadedTemplate(bytes(data), complete=False)

    def aura_led(self, effect: int, speed: int, colour: int, deadline: float) -> bool:
        """AuraLED, without an end; False from firmware that does not know it."""
        arguments = bytes([effect, speed, colour, 0])
        return self._transact(Instruction.AURA_LED, arguments, deadline, accepted=_UNKNOWN_INSTRUCTION).code == Code.OK

    def led(self, on: bool, deadline: float) -> bool:
        """The older modules' light; False from firmware that does not know it."""
        instruction = Instruction.LED_ON if on else Instruction.LED_OFF
        return self._transact(instruction, b"", deadline, accepted=_UNKNOWN_INSTRUCTION).code == Code.OK

    def _transact(
        self, instruction: Instruction, arguments: bytes, deadline: float, *, payload_bytes: int = 0, accepted: set[Code] | None = None
    ) -> Acknowledge:
        self._link.command(bytes([instruction]) + arguments, deadline)
        return self._accept(instruction, self._acknowledge(instruction, payload_bytes, deadline), accepted or set())

    def _acknowledge(self, instruction: Instruction, payload_bytes: int, deadline: float) -> Acknowledge:
        packet = self._link.receive(deadline)
        if packet.kind is not PacketKind.ACKNOWLEDGE or not packet.data:
            self._link.unsettle()
            what = f"{self._where} answered {instruction.name} by something else than an acknowledge"
            raise DeviceProtocolError(what, "something else may be talking on the line; power-cycle the module")
        acknowledge = Acknowledge(packet.data[0], packet.data[1:])
        # Of a refusal firmware sends either the code alone or the full length.
        allowed = {payload_bytes} if acknowledge.code == Code.OK else {0, payload_bytes}
        if len(acknowledge.payload) not in allowed:
            raise self._length_error(instruction, acknowledge)
        return acknowledge

    def _length_error(self, instruction: Instruction, acknowledge: Acknowledge) -> DeviceProtocolError:
        self._link.unsettle()
        what = f"{self._where} answered {instruction.name} with {len(acknowledge.payload)} bytes after the code"
        return DeviceProtocolError(what, "check the configured family and that nothing else talks on the line")

    def _accept(self, instruction: Instruction, acknowledge: Acknowledge, accepted: set[Code]) -> Acknowledge:
        if acknowledge.code == Code.OK or acknowledge.code in accepted:
            return acknowledge
        what = f"{self._where} refused {instruction.name}: {code_name(acknowledge.code)}"
        # These say nothing of what was asked, but that the module cannot be used as it is.
        error = DeviceUntrustedError if acknowledge.code in _UNUSABLE else DeviceRejectedError
        raise error(what, remedy(acknowledge.code))


def line_time_s(byte_count: int, packet_bytes: int, baud: int) -> float:
    """How long data takes on the line in packets of a size: 10 bits a byte, 11 bytes more a packet."""
    packets = -(-byte_count // packet_bytes)
    return (byte_count + packets * OVERHEAD_BYTES) * BITS_PER_BYTE / baud


def _text(field: bytes) -> str:
    return "".join(chr(byte) for byte in field if 0x20 <= byte < 0x7F).strip()
