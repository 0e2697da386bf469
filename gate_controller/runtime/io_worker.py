"""Doors, lamps and inputs: polls the board, sends commands, keeps lamps and officer call as they should be.

A line at 9600 baud carries one request in 24 ms, and an emergency must have opened a door 100 ms after its input (INV-5). So between two readings there is at
most one closing, call, lamp or look at the outputs besides a door that is ordered open, none after a reading in which an emergency is new; and in an emergency
doors are opened before others are closed. Otherwise a door that is to be closed is closed before the other one is opened (INV-1), whatever was sent already.

A reading that fails makes every input unknown at once (INV-3); the board counts as lost when that lasts. It may also mean that the board restarted: call and
lamps are sent anew. Door openings, but for an emergency's, are never repeated: an opening that may or may not have reached the board shows in the door's
position, and nowhere else. Closings are repeated until the board took them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

import structlog

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.values import UNKNOWN_INPUTS, Device, Door, DoorPosition, Lamp, LaneInputs, TriState
from gate_controller.ports.devices import IoBoard
from gate_controller.ports.errors import DeviceError, DeviceProtocolError, DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError
from gate_controller.runtime.device_tests import board_test
from gate_controller.runtime.errands import Turns
from gate_controller.runtime.worker import DeviceWorker, Surroundings

CALL_WITHIN_S = 2.0
"""Deadline of one exchange with the board; its driver's own reply time-out is the shorter one."""

OPEN_WITHIN_S = 1.0
"""An opening that could not be sent for this long is dropped: what it was decided on is no longer known to hold."""
DECIDED_WITHIN_S = 0.01
"""After a reading in which an emergency is new the line is kept free for what the decision thread orders, until it has been silent this long."""
QUARANTINE_POLL_S = 0.01
"""How often a line in quarantine is asked whether it may be used again; nothing is sent for it."""
NOTED_WITHIN_S = 0.5
"""An opening waits this long for the note it must come after; then whoever is inside is let out without."""
LEAVE_WITHIN_S, LEAVE_TRIES = 2.0, 100
"""How long, and how often, a board that does not answer is told anew what it is to be left with."""
PASSING = (DeviceTimeoutError, DeviceProtocolError, DeviceUntrustedError)
"""A missing, a garbled or a late answer: nothing is known at once, but the board is lost only when it lasts."""
log = structlog.get_logger("gate.io")


class IoWorker(DeviceWorker):
    """The board's worker. `last_read` is the monotonic time of the last good reading."""

    urgent = True

    def __init__(self, board: IoBoard, around: Surroundings) -> None:
        super().__init__(Device.IO_BOARD, board, around)
        self._board = board
        self.last_read = around.clock.monotonic()
        self._inputs: LaneInputs | None = None
        self._known: LaneInputs | None = None
        self._lamps: dict[Lamp, bool] = {}
        self._lamps_sent: dict[Lamp, bool] = {}
        self._call: c.CallOfficer | c.EndOfficerCall = c.EndOfficerCall()
        self._call_sent: c.CallOfficer | c.EndOfficerCall | None = None
        self._closings: list[Door] = []
        self._ordered_at: dict[Door, float] = {}
        self._ordered_open: set[Door] = set()
        self._owed: dict[Door, c.OpenDoor] = {}
        self._latest: dict[Door, tuple[c.OpenDoor, threading.Event | None]] = {}
        self._refused: set[Door] = set()
        self._read_anew = threading.Event()
        self._may_write = True
        self.readings: deque[float] = deque(maxlen=64)
        """How long the last good readings took, seconds."""

    def opened(self) -> None:
        """Everything is sent anew to a board that was away; it counts as ready after its first good reading."""
        self._lamps_sent, self._call_sent, self._inputs, self._known = {}, None, None, None
        self._closings = []
        while self.take(0) is not None:
            pass  # commands for doors meant for the time before; open() has released both

    def step(self) -> None:
        """Commands, a reading, a lamp, commands again; then wait for the next command until the next reading is due.

        What is queued is carried out however slow the readings are: with readings slower than `poll_s` no time is left to wait for commands.
        """
        due, alarm = self.clock.monotonic() + self.around.options.poll_s, False
        self._obey_queued()
        try:
            if self._inputs == UNKNOWN_INPUTS:
                self._close_a_door()  # what is owed does not wait for a board that cannot be read
            alarm = self._read()
            if not alarm:
                self._close_a_door()
                self._send_a_wish()
                self._refresh_outputs()
        except PASSING as error:
            self._doubt()
            if self.clock.monotonic() - self.last_read > self.around.options.io_lost_after_s:
                raise
            if isinstance(error, DeviceUntrustedError):
                self._stopping.wait(min(QUARANTINE_POLL_S, self.around.options.poll_s))
                return
        self._obey_queued()
        while alarm and (command := self.take(DECIDED_WITHIN_S)) is not None:
            self._obey(command)
        while (wait_s := due - self.clock.monotonic()) > 0:
            command = self.take(wait_s)
            if command is not None:
                self._obey(command)

    def submit(self, command: c.Command, once: threading.Event | None = None, decided_at: float | None = None) -> None:
        """Lamps and call are kept as a wish, so that a board that comes back gets them again; each further call (an escalation) is written anew. Doors are queued.

        An opening with `once` waits until that is set; no emergency's does, and none for longer than NOTED_WITHIN_S. It grows old from `decided_at` on
        (monotonic seconds; by default from now).
        """
        match command:
            case c.SetLamp(lamp, on):
                self._lamps[lamp] = on
            case c.CallOfficer() | c.EndOfficerCall():
                self._call = command
            case c.OpenDoor(door):
                self._ordered_at[door] = self.clock.monotonic() if decided_at is None else decided_at
                self._latest[door] = (command, None if command.emergency else once)
                self._ordered_open.add(door)  # last: the worker takes it for a sign that the others are there
                super().submit(command)
            case c.CloseDoor(door):
                self._ordered_open.discard(door)
                super().submit(command)
            case _:
                super().submit(command)

    def examine(self) -> Turns:
        """See DeviceWorker. Looks at the readings that are taken anyway: one more would hold up an emergency's doors."""
        return board_test(self.readings, lambda: self.newest)

    @property
    def newest(self) -> LaneInputs:
        """What was read last, though the decision thread may not have taken it yet; unknown while the board does not answer."""
        return self._inputs or UNKNOWN_INPUTS

    def read_anew(self) -> None:
        """Post the next reading even if it shows what the last one did: the decision thread has forgotten it. For any thread."""
        self._read_anew.set()

    def lost(self) -> None:
        """Nothing is known any more."""
        self._doubt()

    def leave(self) -> None:
        """Before letting go, if the board still listens: close both doors, then switch the call and the lamps as they were last ordered.

        A door whose last order was to open (an emergency, the way out at a stop) is left to the board's timer. The call's relay stays as it is left:
        whoever is inside of a lane without a controller is still called for (INV-4).
        """
        if not self._is_open:
            return
        limit, tries = self.clock.monotonic() + LEAVE_WITHIN_S, iter(range(LEAVE_TRIES))

        def insist(act: Callable[[], object]) -> None:
            self._insist(act, limit, tries)

        openings = [*self._owed.values(), *(command for command in iter(lambda: self.take(0), None) if isinstance(command, c.OpenDoor))]
        self._owed = {}
        for opening in openings:
            if opening.emergency and self._still_ordered(opening):
                insist(partial(self._board.hold_open, opening.door, opening.hold_s, self._deadline()))
        self._closings = [door for door in (Door.EXIT, Door.ENTRY) if door not in self._ordered_open]
        for door in tuple(self._closings):
            insist(partial(self._close, door))
        for opening in openings:
            if not opening.emergency and self._still_ordered(opening):
                if opening.door.other in self._ordered_open:
                    self._ordered_open.discard(opening.door)  # an emergency has opened it
                else:
                    if self._inputs in {None, UNKNOWN_INPUTS}:
                        insist(self._read)  # a lost answer must not cost whoever is inside the way back
                    self._latest[opening.door] = (opening, None)  # no note is waited for any more
                    insist(partial(self._obey, opening))  # one that the board refuses costs nobody the call
                if opening.door not in self._ordered_open:
                    self._closings.append(opening.door)
                    insist(partial(self._close, opening.door))
        if self._call_sent is not self._call:
            insist(partial(self._ring, self._call))
        for lamp, on in self._lamps.items():
            if self._lamps_sent.get(lamp) is not on:
                insist(partial(self._light, lamp, on))

    def _insist(self, act: Callable[[], object], limit: float, tries: Iterator[int]) -> None:
        """Do it, again and again while answers are missing and there is time; what the board refuses keeps nothing else from being tried."""
        while True:
            try:
                act()
            except PASSING:
                if self.clock.monotonic() > limit or next(tries, None) is None:
                    return  # the board's own timers close the doors
                threading.Event().wait(QUARANTINE_POLL_S)
            except DeviceError as error:
                log.warning("the board refuses what it was to be left with", code=error.code)
                return
            else:
                return

    def _obey_queued(self) -> None:
        owed, self._owed = self._owed, {}
        for opening in owed.values():
            self._obey(opening)
        while (command := self.take(0)) is not None:
            self._obey(command)

    def _obey(self, command: c.Command) -> None:
        try:
            match command:
                case c.OpenDoor() if not self._still_ordered(command):
                    pass  # closed, or ordered anew, while it was in the queue
                case c.OpenDoor(door) if (objection := self._objection(command)) is not None:
                    self._ordered_open.discard(door)
                    log.warning("opening dropped", door=door.value, why=objection)
                case c.OpenDoor(door) if self._must_wait(command):
                    self._owed[door] = command
                case c.OpenDoor(door, hold_s):
                    self._closings = [closing for closing in self._closings if closing is not door]
                    if not command.emergency:
                        self._close(door.other)
                    self._board.hold_open(door, hold_s, self._deadline())
                    self._refused.discard(door)
                case c.CloseDoor(door):
                    if door not in self._closings:
                        self._closings.append(door)
                    if not _in_emergency(self._inputs):  # else after the next reading: what is to be opened may stand behind it in the queue
                        self._close_a_door()
                case _:
                    pass
        except PASSING:
            self._doubt()
            if isinstance(command, c.OpenDoor) and command.emergency:
                self._owed[command.door] = command  # the one opening that is repeated: people are to get out (INV-5)
        except DeviceRejectedError as error:
            if not (isinstance(command, c.OpenDoor) and command.emergency):
                raise
            self._owed[command.door] = command  # and the board is not lost over it: the other door is to open, and the inputs are to be read
            if command.door not in self._refused:
                self._refused.add(command.door)
                log.warning("the board refuses to open a door in an emergency", door=command.door.value, what=error.what, remedy=error.remedy)

    def _still_ordered(self, opening: c.OpenDoor) -> bool:
        return opening.door in self._ordered_open and self._latest[opening.door][0] is opening

    def _must_wait(self, command: c.OpenDoor) -> bool:
        latest, once = self._latest[command.door]
        waits = latest is command and once is not None and not once.is_set()
        return waits and self.clock.monotonic() <= self._ordered_at[command.door] + NOTED_WITHIN_S

    def _objection(self, command: c.OpenDoor) -> str | None:
        """Why an opening must not be carried out any more; an emergency's always is.

        What the core decided on may be older than this worker's newest reading: the doors are looked at once more where the opening is sent (INV-1).
        """
        if command.emergency:
            return None
        if self.clock.monotonic() > self._ordered_at.get(command.door, 0.0) + OPEN_WITHIN_S:
            return "too late"
        if self.clock.monotonic() > self.last_read + self.around.options.io_lost_after_s:
            return "the lane was not seen since"
        if _in_emergency(self._known):
            return "an emergency: it opens the doors of the policy, and no other"
        if self._inputs is None or self._inputs.door(command.door.other) is not DoorPosition.CLOSED:
            return "the other door is not known to be closed"
        return None

    def _close_a_door(self) -> None:
        if self._closings and self._may_write:
            self._close(self._closings[0])

    def _close(self, door: Door) -> None:
        """Close a door that is still to be closed, whatever was sent since the last reading."""
        if door in self._closings:
            self._may_write = False
            self._board.release(door, self._deadline())
            self._closings.remove(door)

    def _read(self) -> bool:
        """Read and publish; whether an emergency is new in it. One that was there before replies were lost is not."""
        before, self._may_write = self._known, True
        began = self.clock.monotonic()
        inputs = self._board.read(self._deadline())
        took = self.clock.monotonic() - began
        self.readings.append(took)
        if took > self.around.options.io_lost_after_s:
            self._doubt()  # this thread stood still over it: it shows the lane of before
            return False
        self.last_read = began
        self._known = inputs
        self.ready()
        if self._read_anew.is_set():
            self._read_anew.clear()
            self._inputs = None
        self._publish(inputs)
        return _in_emergency(inputs) and not _in_emergency(before)

    def _send_a_wish(self) -> None:
        """Bring the call, or else one lamp, to what it should be; not while a door waits to be commanded, which 25 ms of the line for a lamp would hold up."""
        if not self._may_write or not self._commands.empty():
            return
        call = self._call
        if self._call_sent is not call:
            self._may_write = False
            self._ring(call)
            return
        for lamp, on in list(self._lamps.items()):
            if self._lamps_sent.get(lamp) is not on:
                self._may_write = False
                self._light(lamp, on)
                return

    def _ring(self, call: c.CallOfficer | c.EndOfficerCall) -> None:
        self._board.set_officer_call(isinstance(call, c.CallOfficer), self._deadline())
        self._call_sent = call

    def _light(self, lamp: Lamp, on: bool) -> None:
        self._board.set_lamp(lamp, on, self._deadline())
        self._lamps_sent[lamp] = on

    def _refresh_outputs(self) -> None:
        """Let the board's outputs be compared, when nothing else is to be sent: never in an emergency nor while a door may have to be opened."""
        if self._may_write and not self._owed and self._commands.empty() and not _in_emergency(self._known):
            self._may_write = not self._board.refresh_outputs(self._deadline())

    def _doubt(self) -> None:
        """An answer is missing or wrong: no input is known, nor whether the board restarted and forgot its outputs."""
        self._lamps_sent, self._call_sent = {}, None
        for door in tuple(self._ordered_open):
            if (latest := self._latest[door][0]).emergency:
                self._owed[door] = latest  # until the core closes it; that it opens once more than needed harms nobody (INV-5)
        self._publish(UNKNOWN_INPUTS)

    def _publish(self, inputs: LaneInputs) -> None:
        if inputs != self._inputs:
            self._inputs = inputs
            self.around.post(e.InputsRead(inputs))

    def _deadline(self) -> float:
        return self.clock.monotonic() + CALL_WITHIN_S


def _in_emergency(inputs: LaneInputs | None) -> bool:
    return inputs is not None and inputs.emergency is TriState.ACTIVE
