"""The lane's I/O board in virtual time: the IoBoard port over a Board, without a line, threads or sleeps.

Scripted with the wire simulator's verbs as methods. A call takes no virtual time: a time-out is raised at once and the
quarantine after it runs on the injected clock. A late reply is a lost one here; that a real driver may treat it so is
what the driver's own tests show. Does not move doors or people: whatever simulates the lane's world does, by `on_coil`,
`next_change` and `set`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gate_controller.core.values import Door, DoorPosition, Lamp, LaneInputs, Occupancy, TriState
from gate_controller.ports.clock import Clock
from gate_controller.ports.errors import (
    DeviceAbsentError,
    DeviceProtocolError,
    DeviceRejectedError,
    DeviceTimeoutError,
    DeviceUntrustedError,
)
from simulators.io_board.board import PULSE_MAX_UNITS, PULSE_UNIT_S, Board, BoardError
from simulators.io_board.faults import Faults
from simulators.wiring import IDLE_INPUTS, Coil, Input, channel_of

_DOOR_COILS = {Door.ENTRY: Coil.ENTRY_DOOR, Door.EXIT: Coil.EXIT_DOOR}
_LAMP_COILS = {Lamp.ENTRY_GREEN: Coil.ENTRY_GREEN, Lamp.ENTRY_RED: Coil.ENTRY_RED, Lamp.EXIT_GREEN: Coil.EXIT_GREEN}
_GARBLED = ("crc", "short", "wrong_unit")
_LOST = ("drop_one", "late")


class MemoryIoBoard:
    """An I/O board wired as simulators.wiring says, in virtual time; the lane starts idle.

    Args:
        clock: Virtual clock.
        quarantine_s: Seconds after a lost or garbled reply in which nothing is sent and every input is unknown.
        on_coil: Called with (coil, on) at each change of an output.
    """

    def __init__(self, clock: Clock, *, quarantine_s: float = 0.3, on_coil: Callable[[Coil, bool], None] | None = None) -> None:
        self._clock = clock
        self._quarantine_s = quarantine_s
        self._board = Board(on_coil=lambda channel, on: on_coil(Coil(channel), on) if on_coil is not None and channel in set(Coil) else None)
        for channel in IDLE_INPUTS:
            self._board.set_input(channel, level=True)
        self._faults = Faults()
        self._open = False
        self._quarantine_until = 0.0
        self._releases: set[Door] = set()

    # The simulator's verbs

    def set(self, inputs: Mapping[str, bool]) -> None:
        """Change contacts and levels by name or channel number."""
        for name, level in inputs.items():
            self._board.set_input(channel_of(name), level)

    def fault(self, name: str, **fields: Any) -> None:
        """Begin a fault (simulators.io_board.faults)."""
        self._faults.arm(name, fields)
        if name == "stuck_input":
            self._board.stick_input(channel_of(str(fields["channel"])), fields.get("value"))

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()
        self._board.free_inputs()

    def state(self) -> dict[str, Any]:
        """Inputs and coils by name, names of faults, as of now."""
        self._board.advance(self._clock.monotonic())
        return {
            "inputs": {each.name.lower(): self._board.inputs[each] for each in Input},
            "coils": {each.name.lower(): self._board.coils[each] for each in Coil},
            "faults": self._faults.names,
        }

    def next_change(self) -> float | None:
        """When a coil will go off by itself next, monotonic seconds, or None; `state()` or any call makes it happen."""
        return self._board.next_change()

    # The port

    def open(self, deadline: float) -> None:
        """See IoBoard: releases both doors and reads the coils back."""
        if self._faults.has("unplugged"):
            raise DeviceAbsentError("simulated I/O board: unplugged", "clear the fault")
        self._open = True
        self._releases |= set(Door)
        try:
            self._settle(deadline)
        except Exception:
            self._open = False
            raise

    def open_to_look(self, deadline: float) -> None:
        """See IoBoard."""
        if self._faults.has("unplugged"):
            raise DeviceAbsentError("simulated I/O board: unplugged", "clear the fault")
        self._open = True
        self._releases.clear()
        try:
            self.read(deadline)
        except Exception:
            self._open = False
            raise

    def close(self) -> None:
        """See IoBoard."""
        self._open = False

    def describe(self) -> dict[str, str]:
        """See IoBoard."""
        return {"model": "simulated I/O board in memory", "door_pulse": "timed by the board", "occupancy": "contacts"}

    def read(self, deadline: float) -> LaneInputs:
        """See IoBoard."""
        self._settle(deadline)
        inputs: list[bool] = []
        self._exchange(lambda _now: inputs.extend(self._board.inputs))
        return _lane_inputs(inputs)

    def hold_open(self, door: Door, duration_s: float, deadline: float) -> None:
        """See IoBoard. One that timed out may have been carried out, so the door is released first thing afterwards."""
        if not PULSE_UNIT_S <= duration_s <= PULSE_MAX_UNITS * PULSE_UNIT_S:
            msg = f"simulated I/O board: cannot time {duration_s} s"
            raise DeviceRejectedError(msg, "ask for 0.1 s to 3276.7 s")
        units = int(round(duration_s / PULSE_UNIT_S, 6))
        self._settle(deadline, about_to_open=door)
        try:
            self._exchange(lambda now: self._board.pulse(_DOOR_COILS[door], units, now))
        except (DeviceTimeoutError, DeviceProtocolError):
            self._releases.add(door)
            raise
        self._releases.discard(door)

    def release(self, door: Door, deadline: float) -> None:
        """See IoBoard. One that failed is carried out first thing when the board is back."""
        self._releases.add(door)
        self._settle(deadline)

    def set_lamp(self, lamp: Lamp, on: bool, deadline: float) -> None:
        """See IoBoard."""
        self._settle(deadline)
        self._exchange(lambda _now: self._board.write_coil(_LAMP_COILS[lamp], on))

    def set_officer_call(self, on: bool, deadline: float) -> None:
        """See IoBoard."""
        self._settle(deadline)
        self._exchange(lambda _now: self._board.write_coil(Coil.OFFICER_CALL, on))

    def refresh_outputs(self, deadline: float) -> bool:
        """See IoBoard. This board forgets nothing: there is nothing to set again."""
        self._settle(deadline)
        return False

    def _settle(self, deadline: float, about_to_open: Door | None = None) -> None:
        now = self._clock.monotonic()
        if not self._open:
            raise DeviceAbsentError("simulated I/O board: not open", "open it")
        if now >= deadline:
            raise DeviceTimeoutError("simulated I/O board: the deadline had passed before the request", "allow more time")
        if now < self._quarantine_until:
            raise DeviceUntrustedError("simulated I/O board: in quarantine after a lost or garbled reply", "wait")
        for door in [each for each in Door if each in self._releases and each is not about_to_open]:
            self._exchange(partial(self._switch_off, _DOOR_COILS[door]))
            self._releases.discard(door)

    def _switch_off(self, coil: Coil, _now: float) -> None:
        self._board.write_coil(coil, on=False)

    def _exchange(self, act: Callable[[float], None]) -> None:
        now = self._clock.monotonic()
        self._board.advance(now)
        if self._faults.has("unplugged"):
            self._open = False
            raise DeviceAbsentError("simulated I/O board: unplugged", "clear the fault")
        if self._faults.use("noise") is not None:
            self._distrust(now)
            raise DeviceProtocolError("simulated I/O board: bytes nobody asked for", "look for a second master")
        if self._faults.use("silent") is not None:
            self._distrust(now)
            raise DeviceTimeoutError("simulated I/O board: silent", "clear the fault")
        if self._faults.use("exception") is not None:
            raise DeviceRejectedError("simulated I/O board: refuses everything", "clear the fault")
        try:
            act(now)
        except BoardError as error:
            msg = f"simulated I/O board: exception {error.code}: {error}"
            raise DeviceRejectedError(msg, "ask for something it has") from error
        if any([self._faults.use(name) is not None for name in _LOST]):  # noqa: C419 -- each fault present is used up, not only the first
            self._distrust(now)
            raise DeviceTimeoutError("simulated I/O board: the reply was lost", "clear the fault")
        if any([self._faults.use(name) is not None for name in _GARBLED]):  # noqa: C419 -- as above
            self._distrust(now)
            raise DeviceProtocolError("simulated I/O board: the reply was garbled", "clear the fault")

    def _distrust(self, now: float) -> None:
        self._quarantine_until = now + self._quarantine_s


def _lane_inputs(inputs: list[bool]) -> LaneInputs:
    counted = [
        occupancy
        for occupancy, channel in (
            (Occupancy.ZERO, Input.OCCUPANCY_ZERO),
            (Occupancy.ONE, Input.OCCUPANCY_ONE),
            (Occupancy.MANY, Input.OCCUPANCY_MANY),
        )
        if inputs[channel]
    ]
    return LaneInputs(
        entry_door=_position(closed=inputs[Input.ENTRY_DOOR_CLOSED], opened=inputs[Input.ENTRY_DOOR_OPEN]),
        exit_door=_position(closed=inputs[Input.EXIT_DOOR_CLOSED], opened=inputs[Input.EXIT_DOOR_OPEN]),
        entry_beam=_active_unless(inputs[Input.ENTRY_BEAM_CLEAR]),
        exit_beam=_active_unless(inputs[Input.EXIT_BEAM_CLEAR]),
        emergency=_active_unless(inputs[Input.EMERGENCY_LOOP_CLOSED]),
        tamper=_active_unless(inputs[Input.TAMPER_LOOP_CLOSED]),
        occupancy=counted[0] if len(counted) == 1 else Occupancy.UNKNOWN,
    )


def _position(*, closed: bool, opened: bool) -> DoorPosition:
    match closed, opened:
        case True, False:
            return DoorPosition.CLOSED
        case False, True:
            return DoorPosition.OPEN
        case False, False:
            return DoorPosition.MOVING
        case _:
            return DoorPosition.UNKNOWN


def _active_unless(level: bool) -> TriState:
    return TriState.INACTIVE if level else TriState.ACTIVE
