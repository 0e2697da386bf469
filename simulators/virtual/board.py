"""The I/O board and the worker that polls it, as the core experiences them: readings that come late, openings timed by the board, silence.

Keeps to the rules of the real worker: a reading that fails makes every input unknown at once, a lasting silence loses the board, an opening is looked at
once more where it is sent and never repeated (but for an emergency's), closings are repeated until the board took them. Polls only when a wire changed: in between a poll
would read the same.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.values import UNKNOWN_INPUTS, Device, Door, DoorPosition, LaneInputs
from simulators.virtual.agenda import Agenda
from simulators.virtual.lane import Lane
from simulators.virtual.profile import Profile

if TYPE_CHECKING:
    from simulators.virtual.monitor import Monitor

POLL_S = 0.03
LOST_AFTER_S = 1.0
OPEN_WITHIN_S = 1.0
NOTED_WITHIN_S = 0.5
REPLY_TIMEOUT_S = 0.1


class Board:
    """One board on its line.

    Args:
        agenda: Virtual time.
        rng: Source of latencies.
        lane: What it is wired to.
        profile: Latencies.
        monitor: Told when it is silent, and what it read.
        post: Where events for the core go.
    """

    def __init__(self, agenda: Agenda, rng: Random, lane: Lane, profile: Profile, monitor: Monitor, post: Callable[[e.Event], object]) -> None:
        self._agenda = agenda
        self._rng = rng
        self._lane = lane
        self._latency = profile.exchange_latency
        self._monitor = monitor
        self._post = post
        self._pulse = dict.fromkeys(Door, 0)
        self._last: LaneInputs | None = None
        self._process = 0
        self._polling = False
        self._changed = False
        self._silence = 0
        self._silent = True
        self._deaf = True
        self._lost = True
        self._attached = False
        self._free_at = 0.0
        self._owed: dict[Door, c.OpenDoor | None] = {}
        self._queued: dict[int, tuple[Door, c.OpenDoor | None, float, list[bool] | None]] = {}
        self._orders = 0
        self._ordered_open: dict[Door, c.OpenDoor] = {}
        self._call = self._calling = False
        lane.on_wires = self._touch

    @property
    def answers(self) -> bool:
        """It answers now."""
        return not self._silent

    # -- life of the controller's process ---------------------------------------------------------------------------------

    def attach(self) -> None:
        """A new process opens the board: both doors released; ready after the first good reading."""
        self._process += 1
        self._last, self._polling, self._changed = None, False, False
        self._call = False
        self._forget()
        self._lost = self._attached = True
        if not self._silent or self._process == 1:
            self._silent = False
            self._reopen(self._process, self._silence)

    def leave(self) -> None:
        """The process ends in good order: closes both doors, but for one whose last order was to open; that is left to the board's timer."""
        if self._lost or (self._silent and self._deaf):
            return
        for door, opening, ordered_at, _ in list(self._queued.values()):
            if opening is not None and door in self._ordered_open:
                self._carry_out(door, opening, ordered_at)
        for door in Door:
            if door not in self._ordered_open:
                self._switch_off(door, self._pulse[door])

    def detach(self) -> None:
        """The process is gone: what reached the board goes on until the board's own timers end it."""
        self._process += 1
        self._lost, self._attached = True, False
        self._forget()

    def _forget(self) -> None:
        self._owed, self._queued, self._ordered_open = {}, {}, {}

    # -- silence -----------------------------------------------------------------------------------------------------------

    def fall_silent(self, lasts_s: float, *, deaf: bool = True, power_lost: bool = False) -> None:
        """No reply for `lasts_s` seconds; one that is not deaf still takes orders; without power the coils drop, too."""
        self._silence += 1
        self._silent, self._deaf, self._polling = True, deaf, False
        self._monitor.board(answers=False)
        if power_lost:
            for door in Door:
                self._switch_off(door, self._pulse[door])
            self._switch_call(on=False)
        self._agenda.after(REPLY_TIMEOUT_S, self._unknown, self._process, self._silence)
        self._agenda.after(LOST_AFTER_S, self._lose, self._process, self._silence)
        self._agenda.after(lasts_s, self._speak, self._silence)

    def garble(self) -> bool:
        """One reply cannot be understood; the next one can. False if there is none: the board is silent, or nobody asks it."""
        asked = not self._silent and not self._lost
        if asked:
            self._agenda.after(self._rng.uniform(0, POLL_S), self._unknown, self._process, self._silence)
        return asked

    def _unknown(self, process: int, silence: int) -> None:
        if process != self._process or silence != self._silence or self._last is UNKNOWN_INPUTS or self._lost:
            return
        self._last = UNKNOWN_INPUTS
        self._post(e.InputsRead(UNKNOWN_INPUTS))
        if not self._silent:
            self._touch()

    def _lose(self, process: int, silence: int) -> None:
        if process == self._process and silence == self._silence and self._silent and not self._lost:
            self._lost = True
            self._post(e.DeviceLost(Device.IO_BOARD, "timeout"))

    def _speak(self, silence: int) -> None:
        if silence != self._silence:
            return
        self._silence += 1
        self._silent = False
        self._monitor.board(answers=True)
        if not self._attached:
            return
        if self._lost:
            self._agenda.after(self._rng.uniform(0.05, 2.0), self._reopen, self._process, self._silence)
        else:
            for door, opening in self._ordered_open.items():
                if opening.emergency:
                    self._owed[door] = opening  # the relay may have dropped
            self._send_owed()
            self._wish()
            self._touch()

    def _reopen(self, process: int, silence: int) -> None:
        if process != self._process or silence != self._silence or self._silent:
            return
        self._lost = False
        self._queued = {}  # meant for the time before
        for door in Door:
            self._switch_off(door, self._pulse[door])
        self._send_owed()
        self._wish()
        self._last = None
        self._polling = False
        self._touch()

    # -- readings ------------------------------------------------------------------------------------------------------------

    def _touch(self) -> None:
        if self._silent or self._lost:
            return
        if self._polling:
            self._changed = True
            return
        self._polling = True
        self._changed = False
        # The moment of the sample within the polling period, then the rest of the exchange.
        self._agenda.after(self._rng.random() * POLL_S, self._sample, self._process, self._silence)

    def _sample(self, process: int, silence: int) -> None:
        if process != self._process or silence != self._silence:
            return
        self._changed = False
        self._agenda.after(self._latency.draw(self._rng), self._deliver, process, silence, self._lane.reading())

    def _deliver(self, process: int, silence: int, reading: LaneInputs) -> None:
        if process != self._process or silence != self._silence:
            return
        self._polling = False
        if reading is not self._last:
            if self._last is None:
                self._post(e.DeviceReady(Device.IO_BOARD))
            self._last = reading
            self._post(e.InputsRead(reading))
        if self._changed:
            self._touch()

    # -- the call --------------------------------------------------------------------------------------------------------------

    def call(self, on: bool) -> None:
        """An officer is to be called, or no longer: kept as a wish, and written again to a board that was silent, for it may have forgotten."""
        self._call = on
        self._wish()

    def _wish(self) -> None:
        self._agenda.after(2 * POLL_S, self._write_call, self._process)

    def _write_call(self, process: int) -> None:
        if process == self._process and not self._silent and not self._lost:
            self._switch_call(self._call)

    def _switch_call(self, on: bool) -> None:
        if on is not self._calling:
            self._calling = on
            self._monitor.call(on)

    # -- commands --------------------------------------------------------------------------------------------------------------

    def submit(self, command: c.OpenDoor | c.CloseDoor, once: list[bool] | None = None) -> None:
        """Send an order for a door, in turn; an opening with `once` waits until that is no longer empty, but not longer than NOTED_WITHIN_S."""
        opening, now = (command if isinstance(command, c.OpenDoor) else None), self._agenda.now
        if opening is not None:
            self._ordered_open[command.door] = opening
        else:
            self._ordered_open.pop(command.door, None)
        self._orders += 1
        self._queued[self._orders] = command.door, opening, now, once
        self._free_at = max(now, self._free_at) + self._exchange() / 2
        self._agenda.after(self._free_at - now, self._send, self._process, self._orders)

    def _exchange(self) -> float:
        return self._rng.random() * POLL_S + self._latency.draw(self._rng)

    def _send(self, process: int, number: int) -> None:
        order = self._queued.pop(number, None) if process == self._process else None
        if order is None:
            return
        door, opening, ordered_at, once = order
        if once is not None and not once and self._agenda.now <= ordered_at + NOTED_WITHIN_S:
            if door in self._ordered_open:
                self._queued[number] = order
                self._agenda.after(POLL_S, self._send, process, number)
            return
        self._carry_out(door, opening, ordered_at)

    def _send_owed(self) -> None:
        for door, opening in self._owed.items():
            self._agenda.after(self._exchange(), self._send_again, self._process, door, opening)
        self._owed = {}

    def _send_again(self, process: int, door: Door, opening: c.OpenDoor | None) -> None:
        if process == self._process and (opening is None or door in self._ordered_open):
            self._carry_out(door, opening, self._agenda.now)

    def _carry_out(self, door: Door, opening: c.OpenDoor | None, ordered_at: float) -> None:
        if self._lost:
            return
        if self._silent:
            if opening is None or opening.emergency:
                self._owed[door] = opening
            else:
                self._owed[door] = None  # it may or may not have been carried out: the door is released first thing afterwards
            if self._deaf:
                return
        else:
            self._owed.pop(door, None)
        if opening is None:
            self._switch_off(door, self._pulse[door])
            return
        if not opening.emergency and (
            self._agenda.now > ordered_at + OPEN_WITHIN_S or self._last is None or self._last.door(door.other) is not DoorPosition.CLOSED
        ):
            self._ordered_open.pop(door, None)
            return
        self._pulse[door] += 1
        self._lane.coil(door, on=True)
        self._agenda.after(opening.hold_s, self._switch_off, door, self._pulse[door])

    def _switch_off(self, door: Door, pulse: int) -> None:
        if pulse == self._pulse[door]:
            self._lane.coil(door, on=False)
