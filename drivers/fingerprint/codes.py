"""Instructions, registers and acknowledge codes of the protocol by name (ZFM-20 manual; R503 manual V1.2.2). Names only, no behaviour."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Instruction(IntEnum):
    """Instruction codes that the driver sends."""

    GET_IMAGE = 0x01
    EXTRACT = 0x02  # Img2Tz, GenChar
    MATCH = 0x03
    MERGE = 0x05  # RegModel
    UPLOAD_TEMPLATE = 0x08  # UpChar: module to host
    DOWNLOAD_TEMPLATE = 0x09  # DownChar: host to module
    SET_PARAMETER = 0x0E
    READ_PARAMETERS = 0x0F
    VERIFY_PASSWORD = 0x13
    AURA_LED = 0x35
    CHECK_SENSOR = 0x36
    PRODUCT_INFORMATION = 0x3C
    LED_ON = 0x50
    LED_OFF = 0x51


class Register(IntEnum):
    """System parameters that can be set."""

    BAUD = 4
    SECURITY_LEVEL = 5
    PACKET_SIZE = 6


class Code(IntEnum):
    """Acknowledge codes."""

    OK = 0x00
    BAD_PACKET = 0x01
    NO_FINGER = 0x02
    CAPTURE_FAILED = 0x03
    TOO_MESSY = 0x06
    TOO_FEW_FEATURES = 0x07
    NO_MATCH = 0x08
    NOT_FOUND = 0x09
    MERGE_FAILED = 0x0A
    BAD_PAGE = 0x0B
    BAD_TEMPLATE = 0x0C
    UPLOAD_FAILED = 0x0D
    CANNOT_RECEIVE_DATA = 0x0E
    IMAGE_UPLOAD_FAILED = 0x0F
    DELETE_FAILED = 0x10
    CLEAR_FAILED = 0x11
    WRONG_PASSWORD = 0x13
    NO_IMAGE = 0x15
    FLASH_ERROR = 0x18
    BAD_REGISTER = 0x1A
    BAD_VALUE = 0x1B
    LIBRARY_FULL = 0x1F
    ADDRESS_ERROR = 0x20
    PASSWORD_NEEDED = 0x21
    TEMPLATE_EMPTY = 0x22
    LIBRARY_EMPTY = 0x24
    TIMED_OUT = 0x26
    ALREADY_EXISTS = 0x27
    SENSOR_FAULT = 0x29
    UNSUPPORTED = 0xFC
    HARDWARE_FAULT = 0xFD
    EXECUTION_FAILURE = 0xFE


_POWER: Final = "power-cycle the module; if it stays, replace it"
_PASSWORD: Final = "set the driver's password option to the module's password"

REMEDIES: Final[dict[int, str]] = {
    Code.BAD_PACKET: "the module did not understand: check wiring, grounding and the configured family",
    Code.WRONG_PASSWORD: _PASSWORD,
    Code.PASSWORD_NEEDED: f"the module restarted and asks for its password: open it again, and {_PASSWORD}",
    Code.ADDRESS_ERROR: "set the driver's address option to the module's address",
    Code.SENSOR_FAULT: "clean the sensor and power-cycle the module; if it stays, replace it",
    Code.UNSUPPORTED: "this firmware lacks the instruction: use a module of a supported family",
    Code.HARDWARE_FAULT: _POWER,
    Code.EXECUTION_FAILURE: _POWER,
    Code.FLASH_ERROR: _POWER,
}


def code_name(code: int) -> str:
    """Name of a code for messages, e.g. "0x0e cannot receive data"."""
    try:
        name = Code(code).name.lower().replace("_", " ")
    except ValueError:
        name = "not in the manuals"
    return f"0x{code:02x} {name}"


def remedy(code: int) -> str:
    """What a person can do about a refusal with this code."""
    return REMEDIES.get(code, _POWER)
