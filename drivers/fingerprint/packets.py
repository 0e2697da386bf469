"""Packet layer of the ZhianTec protocol (ZFM-20 and R503 manuals, "Data package format"), sans I/O.

Packet, big-endian: start code EF01, address 4, identifier 1, length 2 (of data and checksum), data, checksum 2 (sum of identifier, both
length bytes and data, modulo 65536). Does not know instructions, read ports or keep time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAX_DATA_BYTES: Final = 256
"""Largest data field of a packet; a longer length can only be damage."""

OVERHEAD_BYTES: Final = 11
"""Bytes of a packet beside its data."""

_START: Final = b"\xef\x01"
_HEADER_BYTES: Final = 9
_CHECKSUM_BYTES: Final = 2


class PacketError(Exception):
    """Bytes that break the packet format: wrong checksum, impossible length, unknown identifier."""


class PacketKind(IntEnum):
    """Packet identifier."""

    COMMAND = 0x01
    DATA = 0x02
    ACKNOWLEDGE = 0x07
    LAST_DATA = 0x08


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: its identifier and 0 to 256 bytes of data."""

    kind: PacketKind
    data: bytes


def encode(packet: Packet, address: int) -> bytes:
    """The packet as it goes over the line.

    Raises:
        PacketError: More than 256 bytes of data, or an address that does not fit 32 bits.
    """
    if len(packet.data) > MAX_DATA_BYTES:
        msg = f"{len(packet.data)} bytes do not fit a packet"
        raise PacketError(msg)
    if not 0 <= address <= 0xFFFFFFFF:
        raise PacketError("an address has 32 bits")
    summed = bytes([packet.kind]) + (len(packet.data) + _CHECKSUM_BYTES).to_bytes(2, "big") + packet.data
    return _START + address.to_bytes(4, "big") + summed + _checksum(summed)


class PacketParser:
    """Finds the packets of one address in a stream of bytes.

    Packets of other addresses are passed over. Bytes between packets go to `noise`.

    Args:
        address: Address of the module listened to.
    """

    def __init__(self, address: int) -> None:
        self._address = address
        self._buffer = bytearray()
        self.noise = bytearray()
        """Bytes outside packets since the last reset, e.g. the 55 of a module that starts."""

    def feed(self, data: bytes) -> None:
        """Take in bytes from the line."""
        self._buffer += data

    def reset(self) -> None:
        """Forget everything taken in."""
        self._buffer.clear()
        self.noise.clear()

    def next_packet(self) -> Packet | None:
        """The next complete packet, or None until more bytes come.

        Raises:
            PacketError: The bytes at the front break the format; the next call looks on behind their start code.
        """
        while True:
            raw = self._next_raw()
            if raw is None:
                return None
            if int.from_bytes(raw[2:6], "big") != self._address:
                continue
            try:
                kind = PacketKind(raw[6])
            except ValueError:
                msg = f"packet identifier {raw[6]:02x}"
                raise PacketError(msg) from None
            return Packet(kind, raw[_HEADER_BYTES:-_CHECKSUM_BYTES])

    def _next_raw(self) -> bytes | None:
        self._skip_to_start()
        if len(self._buffer) < _HEADER_BYTES:
            return None
        length = int.from_bytes(self._buffer[7:9], "big")
        if not _CHECKSUM_BYTES <= length <= MAX_DATA_BYTES + _CHECKSUM_BYTES:
            del self._buffer[: len(_START)]
            msg = f"packet length {length}"
            raise PacketError(msg)
        if len(self._buffer) < _HEADER_BYTES + length:
            return None
        raw = bytes(self._buffer[: _HEADER_BYTES + length])
        if _checksum(raw[6:-_CHECKSUM_BYTES]) != raw[-_CHECKSUM_BYTES:]:
            del self._buffer[: len(_START)]
            raise PacketError("packet checksum")
        del self._buffer[: len(raw)]
        return raw

    def _skip_to_start(self) -> None:
        start = self._buffer.find(_START)
        if start < 0:
            # A lone EF at the end may be the first half of a start code.
            start = len(self._buffer) - self._buffer.endswith(_START[:1])
        self.noise += self._buffer[:start]
        del self._buffer[:start]


def _checksum(summed: bytes) -> bytes:
    # 16-bit mask: the sum of a full packet of FF stays below 65536, but nothing in the manuals says it must.
    return (sum(summed) & 0xFFFF).to_bytes(2, "big")
