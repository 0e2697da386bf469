"""The device side of the packet layer: bytes to frames and back. Never raises, whatever comes in.

Frame, big-endian: EF01, address 4, identifier 1, length 2 (of what follows, checksum included), data, checksum 2 (identifier + both
length bytes + data, modulo 65536). Does not know instructions or addresses: it frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAX_DATA_BYTES: Final = 256


class Identifier(IntEnum):
    """What a frame is."""

    COMMAND = 0x01
    DATA = 0x02
    ACKNOWLEDGE = 0x07
    LAST_DATA = 0x08


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came. `intact` is False when its checksum is wrong; its fields are then not to be trusted."""

    address: int
    identifier: int
    data: bytes
    intact: bool = True


def frame_bytes(frame: Frame) -> bytes:
    """The frame on the line, with a right checksum."""
    counted = bytes([frame.identifier]) + (len(frame.data) + 2).to_bytes(2, "big") + frame.data
    return b"\xef\x01" + frame.address.to_bytes(4, "big") + counted + (sum(counted) & 0xFFFF).to_bytes(2, "big")


class Deframer:
    """Cuts a stream into frames; skips what is between them."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def reset(self) -> None:
        """Forget a frame that has begun and never ended."""
        self._pending.clear()

    @property
    def midway(self) -> bool:
        """Whether a frame has begun."""
        return bool(self._pending)

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in and give the frames they complete."""
        self._pending += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        while True:
            start = self._pending.find(b"\xef\x01")
            if start < 0:
                # A lone EF at the end may be half a start code.
                del self._pending[: len(self._pending) - self._pending.endswith(b"\xef")]
                return None
            del self._pending[:start]
            if len(self._pending) < 9:
                return None
            length = int.from_bytes(self._pending[7:9], "big")
            if 2 <= length <= MAX_DATA_BYTES + 2:
                break
            del self._pending[:2]
        if len(self._pending) < 9 + length:
            return None
        raw = bytes(self._pending[: 9 + length])
        intact = sum(raw[6:-2]) & 0xFFFF == int.from_bytes(raw[-2:], "big")
        # After damage the next frame may begin anywhere, so only the start code is passed over.
        del self._pending[: len(raw) if intact else 2]
        return Frame(int.from_bytes(raw[2:6], "big"), raw[6], raw[9:-2], intact)
