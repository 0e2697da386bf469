"""The instructions of a module: what each does to buffers, library and settings, and what it answers.

Does not frame packets or keep time; `module` does. Unknown instructions, wrong argument lengths and refused values are
answered with the codes of the manuals, never ignored.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gate_controller.ports.devices import Family
from simulators.fingerprint import fingers
from simulators.fingerprint.state import NOTEPAD_PAGE_BYTES, NOTEPAD_PAGES, Device, Ram

OK: Final = 0x00
BAD_PACKET: Final = 0x01
NO_FINGER: Final = 0x02
NO_IMAGE: Final = 0x15
PASSWORD_NEEDED: Final = 0x21
UNSUPPORTED: Final = 0xFC
GET_IMAGE: Final = 0x01
EXTRACT: Final = 0x02
MATCH: Final = 0x03
VERIFY_PASSWORD: Final = 0x13


class Reception(Enum):
    """What the data packets after an acknowledge are for."""

    TEMPLATE = "template"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        code: Acknowledge code.
        payload: What follows the code.
        data: Sent in data packets after the acknowledge.
        receives: What the module waits for after the acknowledge, and the buffer it is for.
        then: Done after the acknowledge has left.
        restart: The module restarts after the acknowledge.
    """

    code: int
    payload: bytes = b""
    data: bytes | None = None
    receives: tuple[Reception, int] | None = None
    then: Callable[[], None] | None = None
    restart: bool = False


Handler = Callable[[bytes], Reply]


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


class Instructions:
    """Executes commands on a device."""

    def __init__(self, device: Device, rng: random.Random) -> None:
        self._device = device
        self._rng = rng
        older = device.profile.family is not Family.R503
        self._unknown = BAD_PACKET if older else UNSUPPORTED
        # opcode: (length of the arguments, handler)
        self._table: dict[int, tuple[int, Handler]] = {
            GET_IMAGE: (0, self._get_image),
            EXTRACT: (1, self._extract),
            MATCH: (0, self._match),
            0x04: (5, self._search),
            0x05: (0, self._merge),
            0x06: (3, self._store),
            0x07: (3, self._load),
            0x08: (1, self._upload_template),
            0x09: (1, self._download_template),
            0x0A: (0, self._upload_image),
            0x0B: (0, lambda _: Reply(OK, receives=(Reception.IMAGE, 0))),
            0x0C: (4, self._delete),
            0x0D: (0, self._empty),
            0x0E: (2, self._set_parameter),
            0x0F: (0, self._read_parameters),
            0x12: (4, self._set_password),
            VERIFY_PASSWORD: (4, self._verify_password),
            0x14: (0, lambda _: Reply(OK, self._rng.randbytes(4))),
            0x15: (4, self._set_address),
            0x18: (1 + NOTEPAD_PAGE_BYTES, self._write_notepad),
            0x19: (1, self._read_notepad),
            0x1B: (5, self._fast_search),
            0x1D: (0, lambda _: Reply(OK, _u16(len(device.flash.library)))),
            0x1F: (1, self._index),
        }
        if older:
            self._table |= {
                0x50: (0, lambda _: self._show("on")),
                0x51: (0, lambda _: self._show("off")),
                0x53: (0, lambda _: Reply(0x55)),
            }
        else:
            self._table |= {
                0x30: (0, lambda _: Reply(OK)),
                0x35: (4, self._aura),
                0x36: (0, lambda _: Reply(0x29 if "sensor_fault" in device.faults else OK)),
                0x39: (0, lambda _: Reply(OK, b"SIMULATED ALGORITHM".ljust(32, b"\0"))),
                0x3A: (0, lambda _: Reply(OK, b"SIMULATED FIRMWARE".ljust(32, b"\0"))),
                0x3C: (0, self._product_information),
                0x3D: (0, lambda _: Reply(OK, restart=True)),
                0x40: (0, lambda _: Reply(OK)),
            }

    def execute(self, command: bytes) -> Reply:
        """Carry out one command: instruction and arguments."""
        if not command:
            return Reply(BAD_PACKET)
        faults = self._device.faults
        instruction, arguments = command[0], command[1:]
        if faults.parameter("answer", "instruction", -1) == instruction:
            code = int(faults.parameter("answer", "code", 0))
            faults.strike("answer")
            return Reply(code, bytes(_acknowledge_bytes(instruction)))
        if not self._device.ram.unlocked and instruction != VERIFY_PASSWORD:
            return Reply(PASSWORD_NEEDED)
        length, handler = self._table.get(instruction, (0, None))
        if handler is None or ("r551" in faults and instruction in {0x09, 0x1B}):
            return Reply(self._unknown)
        return handler(arguments) if len(arguments) == length else Reply(BAD_PACKET)

    def receive_template(self, buffer: int, data: bytes) -> None:
        """Take in what DownChar announced; a template that is broken, foreign or all FF leaves the buffer empty."""
        template = data if self._device.views(data) is not None else None
        if self._device.profile.has_model_buffer:
            self._ram.model = template
        else:
            self._ram.chars[self._char(buffer)] = template or bytes(self._device.template_bytes)

    def receive_image(self, data: bytes) -> None:
        """Take in what DownImage announced."""
        self._ram.image = data if len(data) == self._device.profile.image_bytes else None

    @property
    def _ram(self) -> Ram:
        return self._device.ram

    def _char(self, number: int) -> int:
        if self._device.profile.has_model_buffer:
            return number if 1 <= number <= self._device.profile.char_buffers else 1
        return 1 if number == 1 else 2

    def _show(self, light: str) -> Reply:
        self._ram.light = light
        return Reply(OK)

    def _get_image(self, _: bytes) -> Reply:
        self._ram.image = None
        if "sensor_fault" in self._device.faults:
            return Reply(0x29)
        if self._device.sensor.finger is None:
            return Reply(NO_FINGER)
        self._ram.image = self._device.sensor.capture()
        return Reply(OK if self._ram.image is not None else 0x03)

    def _extract(self, arguments: bytes) -> Reply:
        if self._ram.image is None:
            return Reply(NO_IMAGE)
        features = fingers.extract(self._ram.image)
        if isinstance(features, fingers.Unreadable):
            return Reply(0x06 if features is fingers.Unreadable.TOO_MESSY else 0x07)
        template = self._device.template([features])
        self._ram.chars[self._char(arguments[0])] = template
        self._ram.extracted = template
        return Reply(OK)

    def _probe_and_reference(self) -> tuple[bytes | None, bytes | None]:
        if self._device.profile.has_model_buffer:
            return self._ram.extracted, self._ram.model
        return self._ram.chars[1], self._ram.chars[2]

    def _match(self, _: bytes) -> Reply:
        probe, reference = self._probe_and_reference()
        if probe is None or reference is None:
            return Reply(0x22, _u16(0))
        score = self._score(probe, reference)
        self._ram.passed = score >= fingers.threshold(self._device.flash.security_level)
        if self._ram.passed and self._device.faults.strike("score_zero"):
            score = 0
        return Reply(OK if self._ram.passed else 0x08, _u16(score))

    def _score(self, probe: bytes, reference: bytes) -> int:
        # Zeroed RAM is not a template: it resembles nothing, and is no error.
        first, second = self._device.views(probe), self._device.views(reference)
        return 0 if first is None or second is None else fingers.compare(first, second)

    def _search(self, arguments: bytes) -> Reply:
        buffer, start, count = arguments[0], int.from_bytes(arguments[1:3], "big"), int.from_bytes(arguments[3:5], "big")
        probe = self._ram.extracted if self._device.profile.has_model_buffer else self._ram.chars[self._char(buffer)]
        scores = {page: self._score(probe or b"", template) for page, template in self._device.flash.library.items() if start <= page < start + count}
        best = max(scores, key=lambda page: scores[page], default=None)
        self._ram.passed = best is not None and scores[best] >= fingers.threshold(self._device.flash.security_level)
        if best is None or not self._ram.passed:
            return Reply(0x09, _u16(self._device.profile.not_found_page) + _u16(0))
        return Reply(OK, _u16(best) + _u16(scores[best]))

    def _fast_search(self, arguments: bytes) -> Reply:
        return self._search(arguments)

    def _merge(self, _: bytes) -> Reply:
        device = self._device
        captures = [views for number in sorted(self._ram.chars) if (views := device.views(self._ram.chars[number])) is not None]
        if device.profile.has_model_buffer:
            self._ram.chars.clear()
        if len(captures) < 2 or not all(fingers.is_same_finger(captures[0], other) for other in captures[1:]):
            return Reply(0x0A)
        template = device.template([views[0] for views in captures])
        if device.profile.has_model_buffer:
            self._ram.model = template
        else:
            self._ram.chars = {1: template, 2: template}
        return Reply(OK)

    def _held(self, buffer: int) -> bytes | None:
        return self._ram.model if self._device.profile.has_model_buffer else self._ram.chars[self._char(buffer)]

    def _store(self, arguments: bytes) -> Reply:
        page = int.from_bytes(arguments[1:3], "big")
        if page >= self._device.profile.capacity:
            return Reply(0x0B)
        template = self._held(arguments[0])
        if template is None or self._device.views(template) is None:
            return Reply(0x22 if self._device.profile.has_model_buffer else 0x0C)
        self._device.flash.library[page] = template
        return Reply(OK)

    def _load(self, arguments: bytes) -> Reply:
        page = int.from_bytes(arguments[1:3], "big")
        if page >= self._device.profile.capacity:
            return Reply(0x0B)
        template = self._device.flash.library.get(page)
        if template is None:
            return Reply(0x0C)
        if self._device.profile.has_model_buffer:
            self._ram.model = template
        else:
            self._ram.chars[self._char(arguments[0])] = template
        return Reply(OK)

    def _upload_template(self, arguments: bytes) -> Reply:
        template = self._held(arguments[0])
        if template is None:
            return Reply(0x22)
        if "empty_upchar_refused" in self._device.faults and not any(template):
            return Reply(0x0D)
        return Reply(OK, data=template)

    def _download_template(self, arguments: bytes) -> Reply:
        if self._device.faults.strike("downchar_refused"):
            return Reply(0x0E)
        return Reply(OK, receives=(Reception.TEMPLATE, arguments[0]))

    def _upload_image(self, _: bytes) -> Reply:
        return Reply(0x0F) if self._ram.image is None else Reply(OK, data=self._ram.image)

    def _delete(self, arguments: bytes) -> Reply:
        page, count = int.from_bytes(arguments[:2], "big"), int.from_bytes(arguments[2:], "big")
        if page + count > self._device.profile.capacity:
            return Reply(0x10)
        for number in range(page, page + count):
            self._device.flash.library.pop(number, None)
        return Reply(OK)

    def _empty(self, _: bytes) -> Reply:
        self._device.flash.library.clear()
        return Reply(OK)

    def _set_parameter(self, arguments: bytes) -> Reply:
        register, value = arguments
        limits = {4: (1, 12), 5: (1, 5), 6: (0, 3)}
        if register not in limits:
            return Reply(0x1A)
        lowest, highest = limits[register]
        if not lowest <= value <= highest:
            return Reply(0x1B)

        def apply() -> None:
            flash = self._device.flash
            if register == 4:
                flash.baud = value * 9600
            elif register == 5:
                flash.security_level = value
            else:
                flash.size_code = value

        return Reply(OK, then=None if "settings_ignored" in self._device.faults else apply)

    def _read_parameters(self, _: bytes) -> Reply:
        flash, ram = self._device.flash, self._ram
        status = ram.passed << 1 | ram.verified << 2 | (ram.image is not None) << 3
        if "no_status_bits" in self._device.faults:
            status = 0
        fields = (status, self._device.profile.system_id, self._device.profile.capacity, flash.security_level)
        tail = _u16(flash.size_code) + _u16(flash.baud // 9600)
        return Reply(OK, b"".join(map(_u16, fields)) + flash.address.to_bytes(4, "big") + tail)

    def _set_password(self, arguments: bytes) -> Reply:
        self._device.flash.password = int.from_bytes(arguments, "big")
        return Reply(OK)

    def _verify_password(self, arguments: bytes) -> Reply:
        if int.from_bytes(arguments, "big") != self._device.flash.password:
            return Reply(0x13)
        self._ram.unlocked = self._ram.verified = True
        return Reply(OK)

    def _set_address(self, arguments: bytes) -> Reply:
        # Its acknowledge already carries the new address.
        self._device.flash.address = int.from_bytes(arguments, "big")
        return Reply(OK)

    def _write_notepad(self, arguments: bytes) -> Reply:
        if arguments[0] >= NOTEPAD_PAGES:
            return Reply(0x18)
        start = arguments[0] * NOTEPAD_PAGE_BYTES
        self._device.flash.notepad[start : start + NOTEPAD_PAGE_BYTES] = arguments[1:]
        return Reply(OK)

    def _read_notepad(self, arguments: bytes) -> Reply:
        start = arguments[0] % NOTEPAD_PAGES * NOTEPAD_PAGE_BYTES
        return Reply(OK, bytes(self._device.flash.notepad[start : start + NOTEPAD_PAGE_BYTES]))

    def _index(self, arguments: bytes) -> Reply:
        bits = bytearray(32)
        for page in self._device.flash.library:
            if page // 256 == arguments[0]:
                bits[page % 256 // 8] |= 1 << page % 8
        return Reply(OK, bytes(bits))

    def _aura(self, arguments: bytes) -> Reply:
        effects = {1: "breathing", 2: "flashing", 3: "on", 4: "off", 5: "fading on", 6: "fading off"}
        colours = {1: "red", 2: "blue", 3: "purple", 4: "green", 5: "yellow", 6: "cyan", 7: "white"}
        effect, colour = effects.get(arguments[0]), colours.get(arguments[2])
        if effect is None or colour is None:
            return Reply(0x1B)
        return self._show("off" if effect == "off" else f"{effect} {colour}")

    def _product_information(self, _: bytes) -> Reply:
        profile = self._device.profile
        if "old_firmware" in self._device.faults:
            return Reply(UNSUPPORTED)
        texts = profile.model.encode().ljust(16, b"\0") + b"SIM1" + b"00000001" + b"\x01\x00" + b"SIMGLASS"
        numbers = (profile.image_width, profile.image_height, self._device.template_bytes, profile.capacity)
        return Reply(OK, texts + b"".join(map(_u16, numbers)))


def _acknowledge_bytes(instruction: int) -> int:
    # These acknowledges keep their length whatever the code is.
    return {MATCH: 2, 0x04: 4, 0x1B: 4, 0x1D: 2}.get(instruction, 0)
