"""The half-duplex line to one module: packets out, packets in, each before a deadline, and never an answer to an older question.

A module answers commands in the order they came, but says nothing of which command an answer is for. So after anything irregular (a
timeout, damage, bytes nobody asked for) the line is unsettled, and before the next command it is settled again: wait until it is silent,
ask for the system parameters (the only answer with 17 bytes), drop whatever comes before that answer, and wait for silence once more. Never
are two such questions open at a time, so the answer cannot be that of a former one.

Does not retry commands and does not interpret acknowledge codes, except that of the settling command.
"""

from __future__ import annotations

from typing import Final

from drivers.fingerprint.codes import Code, Instruction
from drivers.fingerprint.packets import Packet, PacketError, PacketKind, PacketParser, encode
from drivers.fingerprint.serial_port import BytePort, PortOpener
from gate_controller.ports.clock import Clock
from gate_controller.ports.errors import DeviceAbsentError, DeviceProtocolError, DeviceTimeoutError

SILENCE_S: Final = 0.02
"""Silence that ends a burst: USB adapters hold bytes back for up to 16 ms."""

LATEST_ANSWER_S: Final = 3.0
"""No module answers later than this after a command (the slowest, taking an image, stays below a second)."""

_QUESTION: Final = bytes([Instruction.READ_PARAMETERS])
_ANSWER_BYTES: Final = 17
_BOOT_BYTE: Final = 0x55


class Link:
    """One line to one module.

    Args:
        open_port: Opens the port at a baud rate.
        clock: Time; deadlines are absolute values of its monotonic().
        address: Address of the module.
        where: How messages name the module.
    """

    def __init__(self, open_port: PortOpener, clock: Clock, address: int, where: str) -> None:
        self._open_port = open_port
        self._clock = clock
        self._address = address
        self._where = where
        self._port: BytePort | None = None
        self._parser = PacketParser(address)
        self._unsettled = False
        self._asked_at: float | None = None  # when the ReadSysPara that has no answer yet was sent, for whatever purpose
        self.boot_seen = False
        """A 55 came outside any packet since the last open() or forget_boot(): the module has started anew."""

    def open(self, baud: int) -> None:
        """Open the port.

        Raises:
            DeviceAbsentError, DevicePermissionError, DeviceBusyError: It cannot be opened.
        """
        self.close()
        self._port = self._open_port(baud)
        self._parser.reset()
        self._unsettled = True
        self._asked_at = None
        self.boot_seen = False

    def close(self) -> None:
        """Let go of the port. Never raises."""
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def set_baud(self, baud: int) -> None:
        """Talk at another rate from now on."""
        self._opened().set_baud(baud)
        self._parser.reset()
        self._unsettled = True

    def forget_boot(self) -> None:
        """From now on a start of the module is a surprise again."""
        self.boot_seen = False

    def unsettle(self) -> None:
        """Settle the line before the next command."""
        self._unsettled = True

    def command(self, data: bytes, deadline: float) -> None:
        """Send a command on a settled line.

        Raises:
            DeviceTimeoutError: The line could not be settled, or would not take the bytes, before the deadline.
            DeviceAbsentError: The device is gone.
        """
        self._look_for_unsolicited()
        if self._unsettled:
            self._settle(deadline)
        self._command(data, deadline)

    def probe(self, data: bytes, deadline: float) -> None:
        """Send a command after mere silence: for looking for a module that may not be there."""
        self._drain(deadline)
        self.send(PacketKind.COMMAND, data, deadline)

    def send(self, kind: PacketKind, data: bytes, deadline: float) -> None:
        """Send one packet.

        Raises:
            DeviceTimeoutError: The line would not take it before the deadline.
            DeviceAbsentError: The device is gone.
        """
        remaining = encode(Packet(kind, data), self._address)
        while remaining:
            taken = self._opened().write(remaining, self._time_left(deadline))
            remaining = remaining[taken:]

    def receive(self, deadline: float) -> Packet:
        """The next packet from the module.

        Raises:
            DeviceTimeoutError: None is complete before the deadline.
            DeviceProtocolError: What came breaks the packet format.
            DeviceAbsentError: The device is gone.
        """
        try:
            while True:
                packet = self._parser.next_packet()
                self._note_noise()
                if packet is not None:
                    self._note_answer(packet)
                    return packet
                self._parser.feed(self._opened().read(self._time_left(deadline)))
        except PacketError as error:
            self._unsettled = True
            what = f"{self._where} sent a damaged packet: {error}"
            raise DeviceProtocolError(what, "check wiring, grounding and cable length of the serial line") from error

    def _opened(self) -> BytePort:
        if self._port is None:
            what = f"{self._where} is not open"
            raise DeviceAbsentError(what, "it must be opened first; see why the last attempt to open it failed")
        return self._port

    def _time_left(self, deadline: float) -> float:
        left = deadline - self._clock.monotonic()
        if left <= 0:
            self._unsettled = True
            what = f"{self._where} did not answer in time"
            raise DeviceTimeoutError(what, "check its power and cable; power-cycle the module if it stays silent")
        return left

    def _note_noise(self) -> None:
        if _BOOT_BYTE in self._parser.noise:
            self.boot_seen = True
        self._parser.noise.clear()

    def _look_for_unsolicited(self) -> None:
        """Half duplex: whatever waits before a command is sent answers none."""
        data = self._opened().read(0.0)
        if data:
            self._discard(data)
            self._unsettled = True

    def _discard(self, data: bytes) -> None:
        self._parser.feed(data)
        try:
            while (packet := self._parser.next_packet()) is not None:
                self._note_answer(packet)
        except PacketError:
            self._parser.reset()
        self._note_noise()

    def _drain(self, deadline: float) -> None:
        """Read until it is silent; the deadline holds to within SILENCE_S, because a shorter silence proves nothing."""
        while data := self._opened().read(SILENCE_S):
            self._discard(data)
            self._time_left(deadline)
        self._parser.reset()

    def _settle(self, deadline: float) -> None:
        self._drain(deadline)
        if self._asked_at is None:
            self._command(_QUESTION, deadline)
        while self._asked_at is not None:
            try:
                self.receive(min(deadline, self._asked_at + LATEST_ANSWER_S))
            except DeviceProtocolError:
                continue
            except DeviceTimeoutError:
                if self._clock.monotonic() >= deadline:
                    raise
                self._command(_QUESTION, deadline)  # the former one, or its answer, was lost
        self._drain(deadline)
        self._unsettled = False

    def _command(self, data: bytes, deadline: float) -> None:
        self.send(PacketKind.COMMAND, data, deadline)
        if data == _QUESTION:
            self._asked_at = self._clock.monotonic()

    def _note_answer(self, packet: Packet) -> None:
        # A locked module answers everything by 21; whoever asks next is told so.
        is_answer = packet.kind is PacketKind.ACKNOWLEDGE and (len(packet.data) == _ANSWER_BYTES or packet.data == bytes([Code.PASSWORD_NEEDED]))
        if is_answer:
            self._asked_at = None
