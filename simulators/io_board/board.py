"""Model of an I/O board: coils with pulse timers, discrete inputs, registers. Pure; time is handed in.

Two kinds of board exist in the field, and a Board is one of them:

* a relay board that times pulses itself ("flash on" and "flash off": coil address 0x0200 or 0x0400 + channel takes a
  duration in units of 100 ms), without a watchdog (Waveshare Modbus RTU Relay, development protocol V2/V3);
* a remote-I/O module without pulses, with a watchdog in a holding register: milliseconds without a request after
  which every output goes off, 0 (the default after power-up) means never.

Does not model: bounce, the relays' switching time, settings kept over a power cut, Waveshare's toggle (0x5500) and
all-channels (0x00FF) writes, which it refuses; no caller needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

PULSE_UNIT_S = 0.1
PULSE_MAX_UNITS = 0x7FFF


class BoardError(ValueError):
    """The board refuses a request; `code` is the Modbus exception code (Application Protocol V1.1b3, section 7)."""

    code = 4


class IllegalFunctionError(BoardError):
    """This board has no such function."""

    code = 1


class IllegalAddressError(BoardError):
    """This board has no such coil, input or register."""

    code = 2


class IllegalValueError(BoardError):
    """A quantity or value the board does not take."""

    code = 3


class Board:
    """State of one board.

    Args:
        coils: Number of coils, from channel 0.
        inputs: Number of discrete inputs, from channel 0.
        registers: Number of input registers, from address 0.
        watchdog_register: None for the kind with pulses; the holding register of the watchdog for the other kind.
        on_coil: Called with (channel, on) at each change of a coil.
    """

    def __init__(
        self,
        *,
        coils: int = 8,
        inputs: int = 16,
        registers: int = 8,
        watchdog_register: int | None = None,
        on_coil: Callable[[int, bool], None] | None = None,
    ) -> None:
        self.coils = [False] * coils
        self.registers = [0] * registers
        self.watchdog_register = watchdog_register
        self.watchdog_ms = 0
        self.on_coil = on_coil
        self._wired = [False] * inputs
        self._stuck: dict[int, bool] = {}
        self._pulse_ends: dict[int, tuple[float, bool]] = {}
        self._heard_at = 0.0

    @property
    def has_pulses(self) -> bool:
        """Whether this board times pulses itself."""
        return self.watchdog_register is None

    @property
    def inputs(self) -> list[bool]:
        """The discrete inputs as the board reports them, by channel."""
        return [self._stuck.get(channel, level) for channel, level in enumerate(self._wired)]

    def set_input(self, channel: int, level: bool) -> None:
        """Change what is wired to an input; a stuck input goes on reporting what it reported."""
        _check_range(channel, 1, len(self._wired))
        self._wired[channel] = level

    def stick_input(self, channel: int, level: bool | None = None) -> None:
        """Make an input report `level` (None: what it reports now) whatever happens to its wire."""
        _check_range(channel, 1, len(self._wired))
        self._stuck[channel] = self.inputs[channel] if level is None else level

    def free_inputs(self) -> None:
        """End all stuck inputs."""
        self._stuck.clear()

    def set_register(self, address: int, value: int) -> None:
        """Set an input register, 0..65535."""
        _check_range(address, 1, len(self.registers))
        if not 0 <= value <= 0xFFFF:
            msg = f"a register holds 0..65535, not {value}"
            raise IllegalValueError(msg)
        self.registers[address] = value

    def power_cycle(self) -> None:
        """Power off and on: every coil off, no pulse, no watchdog. What is wired to it stays as it is."""
        self.watchdog_ms = 0
        for channel in range(len(self.coils)):
            self._switch(channel, on=False)

    def hear(self, now: float) -> None:
        """A valid request reached the board: the watchdog starts anew."""
        self.advance(now)
        self._heard_at = now

    def advance(self, now: float) -> None:
        """End the pulses whose time is over, in their order, and let the watchdog act."""
        for channel, (end, level) in sorted(self._pulse_ends.items(), key=lambda item: item[1]):
            if end <= now:
                self._switch(channel, on=level)
        if self.watchdog_ms and now >= self._heard_at + self.watchdog_ms / 1000:
            for channel in range(len(self.coils)):
                self._switch(channel, on=False)

    def next_change(self) -> float | None:
        """When `advance` has something to do next, or None."""
        times = [end for end, _ in self._pulse_ends.values()]
        if self.watchdog_ms and any(self.coils):
            times.append(self._heard_at + self.watchdog_ms / 1000)
        return min(times, default=None)

    def write_coil(self, channel: int, on: bool) -> None:
        """Switch a coil; ends its pulse."""
        _check_range(channel, 1, len(self.coils))
        self._switch(channel, on=on)

    def write_coils(self, start: int, levels: Iterable[bool]) -> None:
        """Switch consecutive coils; all or none."""
        wanted = list(levels)
        _check_range(start, len(wanted), len(self.coils))
        for offset, on in enumerate(wanted):
            self._switch(start + offset, on=on)

    def pulse(self, channel: int, units: int, now: float, *, on: bool = True) -> None:
        """Switch a coil on (or off) for `units` of 100 ms, then back; a pulse on a pulsing coil starts the time anew."""
        if not self.has_pulses:
            raise IllegalAddressError("this board has no pulses")
        _check_range(channel, 1, len(self.coils))
        if not 1 <= units <= PULSE_MAX_UNITS:
            msg = f"a pulse lasts 1..{PULSE_MAX_UNITS} units, not {units}"
            raise IllegalValueError(msg)
        self._switch(channel, on=on)
        self._pulse_ends[channel] = (now + units * PULSE_UNIT_S, not on)

    def read_coils(self, start: int, count: int) -> list[bool]:
        """Levels of consecutive coils."""
        _check_range(start, count, len(self.coils))
        return self.coils[start : start + count]

    def read_inputs(self, start: int, count: int) -> list[bool]:
        """Levels of consecutive discrete inputs."""
        _check_range(start, count, len(self._wired))
        return self.inputs[start : start + count]

    def read_registers(self, start: int, count: int) -> list[int]:
        """Values of consecutive input registers."""
        _check_range(start, count, len(self.registers))
        return self.registers[start : start + count]

    def read_holding(self, address: int, count: int) -> list[int]:
        """Values of holding registers: only the watchdog's exists, and only on a board that has one."""
        self._check_holding(address, count)
        return [self.watchdog_ms]

    def write_holding(self, address: int, value: int) -> None:
        """Set the watchdog, ms; 0 switches it off."""
        self._check_holding(address, 1)
        self.watchdog_ms = value

    def _check_holding(self, address: int, count: int) -> None:
        if self.watchdog_register is None:
            raise IllegalFunctionError("this board has no holding registers")
        if (address, count) != (self.watchdog_register, 1):
            msg = f"no holding registers {address}..{address + count - 1}"
            raise IllegalAddressError(msg)

    def _switch(self, channel: int, *, on: bool) -> None:
        self._pulse_ends.pop(channel, None)
        if self.coils[channel] != on:
            self.coils[channel] = on
            if self.on_coil is not None:
                self.on_coil(channel, on)


def _check_range(start: int, count: int, size: int) -> None:
    if not 0 <= start <= start + count <= size:
        msg = f"{start}..{start + count - 1} is not within 0..{size - 1}"
        raise IllegalAddressError(msg)
