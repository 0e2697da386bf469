"""The board's side of Modbus RTU: frames, checksum, and one request carried out on a Board.

Sources: MODBUS Application Protocol V1.1b3 (functions, exception codes), MODBUS over Serial Line V1.02 (frames).
Written anew for the simulator and by hand, rather than with the library the driver uses: that library's server hands
out a single-coil value as a bool, so the duration of a pulse (0x0200 + channel) never reaches its data store, and a
fault in its framing would hide on both sides of a test.

Does not know about serial ports, time on the line or faults.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from simulators.io_board.board import Board, BoardError, IllegalAddressError, IllegalFunctionError, IllegalValueError

SHORTEST_FRAME = 4
PULSE_ON_BASE = 0x0200
PULSE_OFF_BASE = 0x0400
COIL_ON = 0xFF00
COIL_OFF = 0x0000
_FIXED_LENGTH = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8}
_BYTE_COUNT_AT = 6
_COUNTED = (15, 16)


def crc16(data: bytes) -> bytes:
    """CRC-16/MODBUS of `data`, low byte first as it goes on the line (Serial Line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def frame(unit: int, pdu: bytes) -> bytes:
    """Address, PDU, checksum."""
    body = bytes([unit]) + pdu
    return body + crc16(body)


def request_length(received: bytes) -> int | None:
    """Length of the request that begins with `received`; None while it cannot be told.

    Functions this board does not have are told apart by the silence after them, as hardware does for all.
    """
    if len(received) < 2:
        return None
    function = received[1]
    if function in _COUNTED:
        return 9 + received[_BYTE_COUNT_AT] if len(received) > _BYTE_COUNT_AT else None
    return _FIXED_LENGTH.get(function)


def is_intact(received: bytes) -> bool:
    """Whether `received` is a frame with the right checksum."""
    return len(received) >= SHORTEST_FRAME and crc16(received[:-2]) == received[-2:]


def exception(function: int, code: int) -> bytes:
    """PDU of an exception reply."""
    return bytes([function | 0x80, code])


def answer(board: Board, pdu: bytes, now: float) -> bytes:
    """Carry out one request.

    Args:
        board: The board it is meant for.
        pdu: Function code and data, checksum already checked.
        now: Monotonic seconds.

    Returns:
        The PDU of the reply or of the exception reply. Never raises on any `pdu`.
    """
    function = pdu[0]
    try:
        handler = _HANDLERS.get(function)
        if handler is None:
            msg = f"no function {function}"
            raise IllegalFunctionError(msg)
        try:
            return bytes([function]) + handler(board, pdu[1:], now)
        except struct.error:
            raise IllegalValueError("wrong length") from None
    except BoardError as error:
        return exception(function, error.code)


def _read_bits(read: Callable[[Board], Callable[[int, int], list[bool]]]) -> Callable[[Board, bytes, float], bytes]:
    def handle(board: Board, data: bytes, _now: float) -> bytes:
        start, count = struct.unpack(">HH", data)
        _check_quantity(count, 2000)
        return _counted(_pack(read(board)(start, count)))

    return handle


def _read_registers(read: Callable[[Board], Callable[[int, int], list[int]]]) -> Callable[[Board, bytes, float], bytes]:
    def handle(board: Board, data: bytes, _now: float) -> bytes:
        start, count = struct.unpack(">HH", data)
        _check_quantity(count, 125)
        values = read(board)(start, count)
        return _counted(struct.pack(f">{len(values)}H", *values))

    return handle


def _write_coil(board: Board, data: bytes, now: float) -> bytes:
    address, value = struct.unpack(">HH", data)
    if board.has_pulses and PULSE_ON_BASE <= address < PULSE_ON_BASE + len(board.coils):
        board.pulse(address - PULSE_ON_BASE, value, now)
    elif board.has_pulses and PULSE_OFF_BASE <= address < PULSE_OFF_BASE + len(board.coils):
        board.pulse(address - PULSE_OFF_BASE, value, now, on=False)
    elif address >= len(board.coils):
        msg = f"no coil {address}"
        raise IllegalAddressError(msg)
    elif value not in (COIL_ON, COIL_OFF):
        msg = f"a coil takes 0xFF00 or 0x0000, not {value:#06x}"
        raise IllegalValueError(msg)
    else:
        board.write_coil(address, value == COIL_ON)
    return data


def _write_register(board: Board, data: bytes, _now: float) -> bytes:
    address, value = struct.unpack(">HH", data)
    board.write_holding(address, value)
    return data


def _write_coils(board: Board, data: bytes, _now: float) -> bytes:
    start, count, size = struct.unpack(">HHB", data[:5])
    _check_quantity(count, 0x07B0)
    if size != (count + 7) // 8 or len(data) != 5 + size:
        raise IllegalValueError("byte count does not match the quantity")
    bits = int.from_bytes(data[5:], "little")
    board.write_coils(start, [bool(bits >> offset & 1) for offset in range(count)])
    return data[:4]


def _check_quantity(count: int, most: int) -> None:
    if not 1 <= count <= most:
        msg = f"quantity {count} is not within 1..{most}"
        raise IllegalValueError(msg)


def _pack(bits: list[bool]) -> bytes:
    return sum(1 << offset for offset, bit in enumerate(bits) if bit).to_bytes((len(bits) + 7) // 8, "little")


def _counted(data: bytes) -> bytes:
    return bytes([len(data)]) + data


_HANDLERS: dict[int, Callable[[Board, bytes, float], bytes]] = {
    1: _read_bits(lambda board: board.read_coils),
    2: _read_bits(lambda board: board.read_inputs),
    3: _read_registers(lambda board: board.read_holding),
    4: _read_registers(lambda board: board.read_registers),
    5: _write_coil,
    6: _write_register,
    15: _write_coils,
}
