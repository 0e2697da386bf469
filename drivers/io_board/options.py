"""Configuration of the Modbus I/O board: the line, the wiring, how doors are pulsed, how people are counted.

Holds no behaviour; refuses combinations that would not be safe.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

NotWired = Literal["not_wired"]
Lock = Literal["fail_safe", "fail_secure"]
PULSE_UNIT_S = 0.1
PULSE_MAX_UNITS = 0x7FFF
"""Largest duration a pulse may have, in units of 100 ms (Waveshare Modbus RTU Relay, "flash on")."""
EMERGENCY_CHARACTERS = 67
"""On the line at worst from the emergency loop's opening to a door's frame: the rest of a reading that just missed it (14 characters with the silences), another request (23),
the reading that shows it (22), the frame (8); docs/plug.md has the table."""
REQUEST_CHARACTERS = 23
"""A request, its reply and the silences between them (Modbus over serial line V1.02, 2.5.1.1: 3.5 characters each)."""
WATCHDOG_MARGIN_S = 0.3
"""Longest pause between two requests of a controller that is well, beside a lost reply and its quarantine: a poll (0.05 s at most), and a machine that is busy."""

Channel = Annotated[int, Field(ge=0, le=1999)]
Address = Annotated[int, Field(ge=0, le=0xFFFF)]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputPin(_Options):
    """One discrete input of the board."""

    channel: Channel = Field(description="Address of the discrete input (function 02), from 0.")
    active: Literal["high", "low"] = Field("high", description='Level that the name states: "high" when the input reads 1.')


class Inputs(_Options):
    """Which contact is wired to which input. What is not wired must be said in so many words: there is no silent default."""

    entry_door_closed: InputPin | NotWired = Field(
        description='Contact made while the entry door is closed; "not_wired": a lane without an entry door, whose position then reads closed.'
    )
    exit_door_closed: InputPin = Field(description="Contact made while the exit door is closed.")
    entry_door_open: InputPin | NotWired = Field(description='Contact made while the entry door is fully open; "not_wired": a door not closed is OPEN.')
    exit_door_open: InputPin | NotWired = Field(description="As entry_door_open, for the exit door.")
    entry_beam_clear: InputPin = Field(description="Level present while the entry beam is uninterrupted (normally closed).")
    exit_beam_clear: InputPin = Field(description="As entry_beam_clear, at the exit.")
    emergency_loop_closed: InputPin = Field(description="Emergency loop: made in normal service; open is an emergency.")
    tamper_loop_closed: InputPin | NotWired = Field(description='Housing contacts: made while all are shut; "not_wired": tamper is reported INACTIVE.')


class Outputs(_Options):
    """Which coil drives what. A lamp or officer call left out is not wired, and switching it does nothing."""

    entry_door: Channel | NotWired = Field(description='Coil of the entry door; "not_wired": a lane without an entry door.')
    exit_door: Channel = Field(description="Coil of the exit door.")
    entry_green: Channel | None = Field(None, description="Green lamp at the entry.")
    entry_red: Channel | None = Field(None, description="Red lamp at the entry.")
    exit_green: Channel | None = Field(None, description="Green lamp at the exit.")
    officer_call: Channel | None = Field(None, description="Lamp or buzzer that calls an officer.")


class Locks(_Options):
    """What a door does without power, which is also which level of its coil keeps it shut."""

    entry_door: Lock = Field("fail_safe", description='"fail_safe": open without power, its coil on keeps it shut; "fail_secure": as for the exit.')
    exit_door: Lock = Field("fail_secure", description='"fail_secure": shut without power, its coil on opens it; "fail_safe": as for the entry.')
    accept_open_border_without_power: bool = Field(
        False, description="Whether a lane may stand open from end to end when the board has no power: every door of it is fail-safe."
    )


class ContactCounter(_Options):
    """A people counter with three contacts, exactly one of which is made; anything else is UNKNOWN."""

    by: Literal["contacts"] = Field(description="The counter reports by contacts.")
    zero: InputPin = Field(description="Nobody in the chamber.")
    one: InputPin = Field(description="Exactly one person.")
    many: InputPin = Field(description="Two or more.")


class CounterHeartbeat(_Options):
    """A register the counter keeps changing while it is alive."""

    address: Address = Field(description="Address of the input register.")
    stale_after_s: float = Field(gt=0, le=60, description="Unchanged for longer than this, the count is UNKNOWN.")


class CounterStatus(_Options):
    """A register that says whether the counter is well."""

    address: Address = Field(description="Address of the input register.")
    healthy: int = Field(ge=0, le=0xFFFF, description="The one value that means well; with any other the count is UNKNOWN.")


class RegisterCounter(_Options):
    """A people counter with an input register (function 04): 0, 1, or the number of people."""

    by: Literal["register"] = Field(description="The counter reports through a register.")
    address: Address = Field(description="Address of the input register with the number of people.")
    most: int = Field(9, ge=2, le=0xFFFE, description="The largest believable number; above it the count is UNKNOWN.")
    heartbeat: CounterHeartbeat | None = Field(None, description="Register that shows that the counter is alive.")
    status: CounterStatus | None = Field(None, description="Register that shows that the counter is well.")


class Watchdog(_Options):
    """A holding register of the board: time without a request after which it switches every output off by itself."""

    register_address: Address = Field(description="Address of the holding register (functions 03 and 06).")
    timeout_s: float = Field(ge=0.2, le=30, description="The time; checked by reading the register back.")
    unit_ms: int = Field(1, ge=1, le=1000, description="Milliseconds that one count of the register stands for.")

    @property
    def counts(self) -> int:
        """The register's value."""
        return round(self.timeout_s * 1000 / self.unit_ms)

    @model_validator(mode="after")
    def _fits_register(self) -> Self:
        if not 1 <= self.counts <= 0xFFFF:
            msg = f"watchdog: {self.timeout_s} s is {self.counts} counts of {self.unit_ms} ms, outside 1..65535"
            raise ValueError(msg)
        return self


class IoBoardOptions(_Options):
    """Options of driver io_board.modbus."""

    port: str = Field(min_length=1, pattern=r"^/", description="Serial device, best a stable name under /dev (udev).")
    baud: Literal[9600, 19200, 38400, 57600, 115200] = Field(9600, description="Speed of the line.")
    parity: Literal["N", "E", "O"] = Field("N", description="Parity: none, even, odd.")
    stop_bits: Literal[1, 2] = Field(1, description="Stop bits.")
    unit: int = Field(1, ge=1, le=247, description="Modbus address of the board.")
    reply_timeout_s: float = Field(0.2, ge=0.02, le=5, description="Longest wait for one reply; above the board's worst latency.")
    quarantine_s: float = Field(0.3, ge=0.02, le=5, description="Silence after a lost or garbled reply: no request, every input unknown.")
    inputs: Inputs = Field(description="Wiring of the contacts.")
    outputs: Outputs = Field(description="Wiring of the coils.")
    locks: Locks = Field(default_factory=Locks, description="Fail-safe or fail-secure, a door.")
    occupancy: Annotated[ContactCounter | RegisterCounter, Field(discriminator="by")] = Field(description="The people counter.")
    pulse: Literal["flash_on", "held"] = Field(
        "flash_on",
        description='How a door is held open: "flash_on": the board times the pulse; "held": the coil is written on and off, only with a watchdog.',
    )
    flash_on_base: Address = Field(0x0200, description="Coil address of the on-pulse of channel 0, for a fail-secure door (Waveshare: 0x0200).")
    flash_off_base: Address = Field(0x0400, description="Coil address of the off-pulse of channel 0, for a fail-safe door (Waveshare: 0x0400).")
    watchdog: Watchdog | None = Field(None, description="The board's own watchdog, if it has one.")

    @property
    def pins(self) -> dict[str, InputPin]:
        """Every wired discrete input by name."""
        wired: dict[str, InputPin] = {}
        for name in Inputs.model_fields:
            pin = getattr(self.inputs, name)
            if isinstance(pin, InputPin):
                wired[name] = pin
        if isinstance(self.occupancy, ContactCounter):
            wired |= {"occupancy_zero": self.occupancy.zero, "occupancy_one": self.occupancy.one, "occupancy_many": self.occupancy.many}
        return wired

    @property
    def coils(self) -> dict[str, int]:
        """Every wired coil by name."""
        return {name: channel for name in Outputs.model_fields if isinstance(channel := getattr(self.outputs, name), int)}

    @property
    def has_entry_door(self) -> bool:
        """Whether the lane has an entry door, as far as it is wired."""
        return self.outputs.entry_door != "not_wired"

    @property
    def character_s(self) -> float:
        """Seconds one character takes on the line: start bit, 8 data bits, parity, stop bits."""
        return (1 + 8 + (self.parity != "N") + self.stop_bits) / self.baud

    @property
    def counter_runs(self) -> list[tuple[int, int]]:
        """The counter's registers, as (first address, how many) of each read: boards refuse one that touches a register they do not have."""
        if not isinstance(self.occupancy, RegisterCounter):
            return []
        parts = (self.occupancy, self.occupancy.heartbeat, self.occupancy.status)
        runs: list[tuple[int, int]] = []
        for address in sorted({part.address for part in parts if part is not None}):
            if runs and address == sum(runs[-1]):
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((address, 1))
        return runs

    def emergency_line_s(self, doors: int) -> float:
        """Seconds on the line, at worst, from the emergency loop's opening until the frames that open so many doors are written; the program's own time is not in it."""
        further = len(self.counter_runs) + doors - 1
        longer = 2 * max(0, self._input_bytes - 2)  # of both readings; the table has 16 inputs
        return (EMERGENCY_CHARACTERS + REQUEST_CHARACTERS * further + longer) * self.character_s

    @property
    def _input_bytes(self) -> int:
        """Bytes of a reading that hold the inputs: all channels from the first to the last that is wired."""
        channels = [pin.channel for pin in self.pins.values()]
        return (max(channels) - min(channels) + 8) // 8

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.pulse == "held" and self.watchdog is None:
            msg = (
                'pulse = "held" needs a watchdog: the board would keep a door open for ever if this controller died. '
                'Use a board that times pulses (pulse = "flash_on"), or configure the watchdog of the board'
            )
            raise ValueError(msg)
        self._doors_are_safe_without_power()
        wired = {name for name in ("entry_door_closed", "entry_door_open") if isinstance(getattr(self.inputs, name), InputPin)}
        if (wired and not self.has_entry_door) or (self.has_entry_door and "entry_door_closed" not in wired):
            msg = (
                "an entry door is wired in part: entry_door of outputs and entry_door_closed of inputs belong together. "
                'For a lane without an entry door say "not_wired" for both, and for entry_door_open'
            )
            raise ValueError(msg)
        for name in ("flash_on_base", "flash_off_base"):
            base, most = getattr(self, name), max(self.coils.values())
            if self.pulse == "flash_on" and base <= most:
                msg = f"{name} = {base:#06x} lies among the coils: a duration would be written as a plain level, and the door stay open"
                raise ValueError(msg)
        if abs(self.flash_on_base - self.flash_off_base) <= max(self.coils.values()):
            msg = f"flash_off_base = {self.flash_off_base:#06x} overlaps the pulses of flash_on_base: one channel's would be taken for another's"
            raise ValueError(msg)
        for what, channels in (
            ("inputs", {name: pin.channel for name, pin in self.pins.items()}),
            ("outputs", self.coils),
        ):
            for channel, count in Counter(channels.values()).items():
                if count > 1:
                    names = ", ".join(name for name, each in channels.items() if each == channel)
                    msg = f"{what}: channel {channel} is given to {names}; each needs its own"
                    raise ValueError(msg)
        line_s = (8 + 5 + self._input_bytes) * self.character_s
        if self.reply_timeout_s <= line_s:
            msg = f"reply_timeout_s = {self.reply_timeout_s}: request and reply alone take {line_s:.3f} s on this line; allow that and the board's latency"
            raise ValueError(msg)
        return self

    def _doors_are_safe_without_power(self) -> None:
        doors = [name for name in Locks.model_fields if name in self.coils]
        fail_safe = [name for name in doors if getattr(self.locks, name) == "fail_safe"]
        if fail_safe == doors and not self.locks.accept_open_border_without_power:
            msg = (
                f'locks: {" and ".join(doors)} fail-safe, and no other door: whoever cuts the power of the board has an open border. Make exit_door "fail_secure", '
                "or set accept_open_border_without_power = true if the border is guarded by other means"
            )
            raise ValueError(msg)
        if self.watchdog is None:
            return
        if fail_safe:
            msg = (
                f"locks: {fail_safe[0]} fail-safe with a watchdog: the board would open it whenever it hears nothing of this controller, even beside an open exit. "
                'Make it "fail_secure", or use a board that times pulses (pulse = "flash_on") and leave out the watchdog'
            )
            raise ValueError(msg)
        least_s = round(self.reply_timeout_s + self.quarantine_s + WATCHDOG_MARGIN_S, 6)
        if self.watchdog.timeout_s < least_s:
            msg = (
                f"watchdog: timeout_s = {self.watchdog.timeout_s:g}: one lost reply would let it act. Make it at least {least_s:g}: "
                f"reply_timeout_s + quarantine_s + {WATCHDOG_MARGIN_S:g} s"
            )
            raise ValueError(msg)
