"""IoBoard port over Modbus RTU: doors, lamps, beams, loops and the people counter, as configured.

A door is held open by a pulse the board times itself; a controller that dies cannot keep it open. With pulse "held" the
coil is switched back by whatever call comes first after the time, and off by the board's watchdog when no call comes.

A fail-secure door is opened by its coil on, a fail-safe one by its coil off: without power, and when a watchdog switches
all coils off, it is open. So a fail-safe door is shut by a command that has to stand, as lamps and the officer's call are:
coils are read back once a second, and after a fault, and `refresh_outputs` sets again what the board has forgotten (it restarted, or its watchdog acted).

Releases are never lost: one that failed, or was asked for in quarantine, is remembered (its call still raises) and sent
before anything else once the line may be used. A `hold_open` whose reply was lost may have been carried out, so it is
undone the same way. An opening is never remembered.

Does not interlock the doors, poll by itself, or decide anything; runs no thread.
"""

from __future__ import annotations

from drivers.io_board.line import COIL_OFF, COIL_ON, ModbusLine
from drivers.io_board.mapping import lane_inputs
from drivers.io_board.options import PULSE_MAX_UNITS, PULSE_UNIT_S, IoBoardOptions, RegisterCounter
from gate_controller.core.values import Door, Lamp, LaneInputs
from gate_controller.ports.clock import Clock
from gate_controller.ports.errors import DeviceError, DeviceProtocolError, DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError

LOOK_EVERY_S = 1.0
"""How often the coils are read back."""


class ModbusIoBoard:
    """One I/O board.

    Args:
        options: Line, wiring, times.
        clock: The gate's clock.
    """

    def __init__(self, options: IoBoardOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._line = ModbusLine(options, clock)
        self._coils = options.coils
        self._door_coils = {door: self._coils[door.value] for door in Door if door.value in self._coils}
        self._doors = {door.value: door for door in self._door_coils}
        self._shut_level = {door: getattr(options.locks, door.value) == "fail_safe" for door in self._door_coils}
        channels = [pin.channel for pin in options.pins.values()]
        self._first_input, self._input_count = min(channels), max(channels) - min(channels) + 1
        self._registers = options.counter_runs
        self._releases: set[Door] = set()
        self._held_until: dict[Door, float] = {}
        self._open_until: dict[Door, float] = {}
        self._switched: dict[str, bool] = {}
        self._fallen: list[str] = []
        self._look_at = 0.0
        self._heartbeat: tuple[int, float | None] | None = None

    def open(self, deadline: float) -> None:
        """See IoBoard: releases both doors, reads their coils back, sets the watchdog, reads every input once."""
        self._forget()
        self._releases = set(self._door_coils)
        try:
            self._line.open(deadline)
            self._settle(deadline)
            if self._options.watchdog is not None:
                self._arm_watchdog(deadline)
                kept = self._line.read_holding_register(self._options.watchdog.register_address, deadline)
                if kept != self._options.watchdog.counts:
                    msg = f"I/O board on {self._options.port}: its watchdog reads back {kept}, not {self._options.watchdog.counts}"
                    raise DeviceUntrustedError(
                        msg,
                        "compare io_board's watchdog with the board's manual",
                    )
            self.read(deadline)
        except DeviceError:
            self.close()
            raise

    def open_to_look(self, deadline: float) -> None:
        """See IoBoard: reads the coils, the watchdog's register and every input once. What its register says now is not judged: only `open()` sets it."""
        self._forget()
        try:
            self._line.open(deadline)
            self.read(deadline)
            if self._options.watchdog is not None:
                self._line.read_holding_register(self._options.watchdog.register_address, deadline)
        except DeviceError:
            self.close()
            raise

    def close(self) -> None:
        """See IoBoard. Leaves the outputs to the board: its pulses end by themselves, its watchdog ends what is held."""
        self._line.close()

    def describe(self) -> dict[str, str]:
        """See IoBoard."""
        options = self._options
        timed = {
            "flash_on": f"timed by the board (coil {options.flash_on_base:#06x}, fail-safe {options.flash_off_base:#06x}, + channel)",
            "held": "held; ended by this driver or the board's watchdog",
        }
        not_wired = [name for name in type(options.inputs).model_fields if getattr(options.inputs, name) == "not_wired"]
        return {
            "model": "Modbus RTU I/O board",
            "endpoint": options.port,
            "line": f"{options.baud} 8{options.parity}{options.stop_bits}",
            "unit": str(options.unit),
            "door_pulse": timed[options.pulse],
            "watchdog": "none" if options.watchdog is None else f"{options.watchdog.timeout_s:g} s",
            "occupancy": options.occupancy.by,
            "locks": ", ".join(f"{door.value} {getattr(options.locks, door.value)}" for door in self._door_coils),
            "not_wired": ", ".join(not_wired) or "nothing",
        }

    def read(self, deadline: float) -> LaneInputs:
        """See IoBoard. The discrete inputs are one reply; a counter's registers were read just before, in another."""
        self._settle(deadline)
        registers: dict[int, int] = {}
        for start, count in self._registers:
            registers |= dict(enumerate(self._line.read_input_registers(start, count, deadline), start))
        levels = self._line.read_inputs(self._first_input, self._input_count, deadline)
        bits = dict(enumerate(levels, self._first_input))
        return lane_inputs(self._options, bits, registers, self._is_counter_alive(registers))

    def hold_open(self, door: Door, duration_s: float, deadline: float) -> None:
        """See IoBoard. `duration_s` is rounded down to 0.1 s; a second call starts the time anew.

        Raises:
            DeviceRejectedError: The board refused, cannot time such a duration (0.1 s to 3276.7 s), or there is no such door.
            DeviceError: As `read()`.
        """
        if not PULSE_UNIT_S <= duration_s <= PULSE_MAX_UNITS * PULSE_UNIT_S:
            msg = f"{door.value} cannot be held open for {duration_s} s"
            raise DeviceRejectedError(msg, "ask for 0.1 s to 3276.7 s")
        if door not in self._door_coils:
            msg = f"{door.value} is not wired: it cannot be held open"
            raise DeviceRejectedError(msg, "set [gate] lane as the lane is built")
        units = int(round(duration_s / PULSE_UNIT_S, 6))
        self._settle(deadline, about_to_open=door)
        self._open_until[door] = self._clock.monotonic() + self._options.reply_timeout_s + units * PULSE_UNIT_S
        try:
            if self._options.pulse == "flash_on":
                base = self._options.flash_off_base if self._shut_level[door] else self._options.flash_on_base
                self._line.write_coil(base + self._door_coils[door], units, deadline)
            else:
                # Set anew each time: a board that restarted unnoticed has forgotten it.
                self._arm_watchdog(deadline)
                until = self._clock.monotonic() + units * PULSE_UNIT_S
                self._write_door(door, shut=False, deadline=deadline)
                self._held_until[door] = until
        except (DeviceTimeoutError, DeviceProtocolError):
            self._releases.add(door)
            raise
        self._releases.discard(door)

    def release(self, door: Door, deadline: float) -> None:
        """See IoBoard. When it raises, the release is kept and sent before anything else by a later call. Nothing for a door that is not wired."""
        if door in self._door_coils:
            self._releases.add(door)
        self._settle(deadline)

    def set_lamp(self, lamp: Lamp, on: bool, deadline: float) -> None:
        """See IoBoard."""
        self._switch(lamp.value, on, deadline)

    def set_officer_call(self, on: bool, deadline: float) -> None:
        """See IoBoard."""
        self._switch("officer_call", on, deadline)

    def refresh_outputs(self, deadline: float) -> bool:
        """See IoBoard. Reads the coils back once a second; what differs from the last command is written by the next calls, one each, doors first."""
        self._settle(deadline)
        while self._fallen:
            name = self._fallen.pop(0)
            if (level := self._standing_level(name)) is None:
                continue
            if name in self._doors:
                self._releases.add(self._doors[name])
                self._settle(deadline)
            else:
                self._line.write_coil(self._coils[name], COIL_ON if level else COIL_OFF, deadline)
            return True
        if self._clock.monotonic() < self._look_at:
            return False
        self._look_at = self._clock.monotonic() + LOOK_EVERY_S
        self._compare(self._read_coils(deadline))
        return True

    def _forget(self) -> None:
        """What was ordered before the board was opened: nothing of it is sent any more."""
        self._heartbeat = None
        self._held_until.clear()
        self._open_until.clear()
        self._switched.clear()
        self._fallen.clear()
        self._releases.clear()

    def _read_coils(self, deadline: float) -> list[bool]:
        return self._line.read_coils(0, max(self._coils.values()) + 1, deadline)

    def _compare(self, levels: list[bool]) -> None:
        """Remember which coils are not as they must be; `refresh_outputs` sets them."""
        self._fallen = [name for name, coil in self._coils.items() if self._standing_level(name) is (not levels[coil])]

    def _standing_level(self, name: str) -> bool | None:
        """The level that a coil must have until the next command; None while a door may be open by command, and for what was never switched."""
        if name not in self._doors:
            return self._switched.get(name)
        door = self._doors[name]
        return None if self._clock.monotonic() < self._open_until.get(door, 0.0) else self._shut_level[door]

    def _switch(self, name: str, on: bool, deadline: float) -> None:
        if name in self._coils:
            self._switched[name] = on
            self._settle(deadline)
            self._line.write_coil(self._coils[name], COIL_ON if on else COIL_OFF, deadline)

    def _settle(self, deadline: float, about_to_open: Door | None = None) -> None:
        """Do what must come before anything else: due releases, then proof that replies are in order again.

        Args:
            deadline: Of the call.
            about_to_open: A door that is commanded anew next: an older release of it is not sent now, but kept until
                that command was acknowledged.
        """
        self._line.check()
        now = self._clock.monotonic()
        self._releases |= {door for door, until in self._held_until.items() if until <= now}
        released = [door for door in Door if door in self._releases and door is not about_to_open]
        for door in released:
            self._write_door(door, shut=True, deadline=deadline)
        if self._line.suspect:
            levels = self._read_coils(deadline)
            reads = {door: levels[self._door_coils[door]] for door in released}
            if wrong := [f"{door.value}, whose coil still reads {'on' if on else 'off'}" for door, on in reads.items() if on is not self._shut_level[door]]:
                msg = f"I/O board on {self._options.port}: released {' and '.join(wrong)}"
                raise DeviceUntrustedError(
                    msg,
                    "compare io_board's outputs with the board; another master may be on the line",
                )
            self._line.resynchronised()
            self._compare(levels)
        for door in released:
            self._releases.discard(door)
            self._held_until.pop(door, None)
            self._open_until.pop(door, None)

    def _write_door(self, door: Door, *, shut: bool, deadline: float) -> None:
        level = self._shut_level[door] is shut
        self._line.write_coil(self._door_coils[door], COIL_ON if level else COIL_OFF, deadline)

    def _arm_watchdog(self, deadline: float) -> None:
        if self._options.watchdog is not None:
            self._line.write_holding_register(self._options.watchdog.register_address, self._options.watchdog.counts, deadline)

    def _is_counter_alive(self, registers: dict[int, int]) -> bool:
        counter = self._options.occupancy
        if not isinstance(counter, RegisterCounter) or counter.heartbeat is None:
            return True
        value, now = registers[counter.heartbeat.address], self._clock.monotonic()
        if self._heartbeat is None:
            self._heartbeat = (value, None)
        elif value != self._heartbeat[0]:
            self._heartbeat = (value, now)
        changed_at = self._heartbeat[1]
        return changed_at is not None and now - changed_at <= counter.heartbeat.stale_after_s
