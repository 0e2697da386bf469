"""The controller's process in virtual time: hands events to the core, carries out its commands, dies and comes back.

Does what the real runtime does, and nothing more: a phone held up while the lane is busy is not handed on, a timer wakes the core at the time it asked for, a stop ends the
process as soon as the lane is idle, a bug in the core at once. Decides nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.machine import Controller
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.table import TABLE, Row
from gate_controller.core.values import Device
from simulators.virtual.agenda import Agenda
from simulators.virtual.board import Board
from simulators.virtual.desk import BY_HAND, Desk, Durable
from simulators.virtual.lane import Lane
from simulators.virtual.monitor import Monitor
from simulators.virtual.profile import Profile
from simulators.virtual.services import Biometrics, Look, Presentation

DRAIN_S = 60.0
"""An open crossing may take so long to end when the process is to stop: the default of the settings."""


_REASON = re.compile(r"<Reason\.\w+: \('(\w+)'.*?\)>")
_MEMBER = re.compile(r"<\w+\.\w+: '?(\w+)'?>")


class InjectedError(Exception):
    """A bug that the simulation put into the core."""


class _Rows(dict[tuple[str, State], Any]):
    """The core's rows, which can be looked up so many times more before a bug is met."""

    def __init__(self, rows: dict[tuple[str, State], Any], left: int) -> None:
        super().__init__(rows)
        self._left = left

    def get(self, key: Any, default: Any = None) -> Any:
        self._left -= 1
        if self._left < 0:
            msg = "a bug put in by the simulation"
            raise InjectedError(msg)
        return super().get(key, default)


class Host:
    """One gate PC.

    Args:
        agenda: Virtual time.
        rng: Source of latencies.
        profile: Latencies.
        policy: The lane's rules.
        lane: The world.
        monitor: The judge.
        look: What the biometric devices find.
        table: The core's rows.

    Attributes:
        durable: What is on the disk.
        shown: What is held up before the QR camera.
        prompt: What the display shows.
        reasons: Codes that were given, and how often.
        visits: States that were entered, and how often.
        records: Outcomes and reasons, as recorded.
        on_prompt, on_call, on_state, on_death: Told of what people and injectors can perceive.
        trace: Told of every event and its commands, or None.
    """

    def __init__(
        self,
        agenda: Agenda,
        rng: Random,
        profile: Profile,
        policy: CrossingPolicy,
        lane: Lane,
        monitor: Monitor,
        look: Look,
        table: tuple[Row, ...] = TABLE,
    ) -> None:
        self._agenda = agenda
        self._rng = rng
        self._profile = profile
        self._policy = policy
        self._table = table
        self._monitor = monitor
        self.durable = Durable()
        monitor.latched = self.durable.latched_before
        self.board: Board = Board(agenda, rng, lane, profile, monitor, self.post)
        self.desk: Desk = Desk(agenda, rng, profile, self.durable, self.post)
        self.biometrics: Biometrics = Biometrics(agenda, rng, profile, look, self.post)
        self.controller: Controller | None = None
        self.prompt: Prompt | None = None
        self.shown: Presentation | None = None
        self.camera_lost = False
        self.stopping = False
        self._forced = False
        self.reasons: Counter[str] = Counter()
        self.visits: Counter[State] = Counter()
        self.records: list[c.CrossingRecord] = []
        self.handled = 0
        self.on_prompt: Callable[[Prompt], None] = lambda _prompt: None
        self.on_call: Callable[[bool], None] = lambda _pending: None
        self.on_state: Callable[[State], None] = lambda _state: None
        self.on_death: Callable[[], None] = lambda: None
        self.trace: Callable[[str], None] | None = None
        self._means: dict[type, Callable[[Any], object]] = {
            c.OpenDoor: self._open,
            c.CloseDoor: self.board.submit,
            c.ShowPrompt: lambda command: self._show(command.prompt),
            c.VerifyPass: self.desk.submit,
            c.FindEnrolment: self.desk.submit,
            c.RecordAdmission: self.desk.submit,
            c.NoteEvent: self._note,
            c.RecordCrossing: self._record,
            c.StartCheck: self.biometrics.submit,
            c.EndBiometrics: self.biometrics.submit,
            c.CallOfficer: self._call,
            c.EndOfficerCall: lambda _command: self._end_call(),
        }
        self._act_noted: list[bool] | None = None
        self._crossings = 0
        self._taken = ""
        self._timer = 0
        self._due: float | None = None
        self._wakes_at: float | None = None
        self._reading = False

    @property
    def state(self) -> State | None:
        """Where the controller is; None while there is none."""
        return self.controller.state if self.controller is not None else None

    # -- life ------------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A new process, with what the journal knows of a latch."""
        if self.controller is not None:
            return
        self.controller = Controller(self._policy, self._table)
        if self.controller.reason is not None:
            self.reasons[self.controller.reason.code] += 1
        self.stopping, self._forced, self._taken = False, False, ""
        self._monitor.process(alive=True)
        self.post(e.Started(self.durable.latched_before()))
        self.board.attach()
        self.desk.attach()
        for device, working in (
            (Device.FINGERPRINT, Device.FINGERPRINT not in self.biometrics.lost),
            (Device.FACE_CAMERA, Device.FACE_CAMERA not in self.biometrics.lost),
            (Device.QR_CAMERA, not self.camera_lost),
        ):
            if working:
                self.post(e.DeviceReady(device))

    def die(self, restart_s: float) -> bool:
        """The process is gone (power, kill -9, or its own end) and is started again after `restart_s`; False if there was none."""
        if self.controller is None:
            return False
        self.say("the process dies")
        self.controller = None
        self.on_death()
        self._timer += 1
        self._due = self._wakes_at = None
        self.board.detach()
        self.desk.detach()
        self.biometrics.detach()
        self._monitor.process(alive=False)
        self._show(Prompt.LANE_CLOSED)
        self.on_call(False)
        self._agenda.after(restart_s, self.start)
        return True

    # -- events ----------------------------------------------------------------------------------------------------------------

    def post(self, event: e.Event) -> bool:
        """Hand an event to the core, carry out what it answers, and set the timer it asks for; False if there is no process that hears it."""
        controller = self.controller
        if controller is None:
            return False
        before = controller.state
        if isinstance(event, e.PassRead) and before is not State.READY:
            return True
        now = self._agenda.now
        self._monitor.told(event, self.shown if isinstance(event, e.PassRead) else None)
        self.handled += 1
        commands = controller.handle(event, now)
        if controller.failure is not None and not isinstance(controller.failure, InjectedError):
            self._monitor.failed(controller.failure)
        if self.trace is not None:
            self._tell(event, before, commands)
        self._monitor.answered(event, commands)
        self._act_noted = None
        for command in commands:
            carry_out = self._means.get(type(command))
            if carry_out is not None:
                carry_out(command)
        self._set_timer(controller)
        state = controller.state
        if state is not before:
            self.visits[state] += 1
            reason = controller.reason
            if reason is not None:
                self.reasons[reason.code] += 1
            self.on_state(state)
            if state is State.READY and self.shown is not None:
                self.look_for_code()
        if controller is self.controller and controller.failure is not None:
            self._leave()
        elif self.stopping and controller is self.controller and controller.idle:
            self._end(controller)
        return True

    def ask_to_stop(self, now: bool) -> bool:
        """The service manager stops the process, at the latest when the time for an open crossing is over; it is started again later."""
        controller = self.controller
        if controller is None:
            return False
        second, self.stopping = self.stopping, True
        if not second:
            self._agenda.after(DRAIN_S, self._force, controller)
            self.post(e.StopRequested(now=False))
        if now or second:
            self._force(controller)
        return True

    def _force(self, controller: Controller) -> None:
        """The crossing may take no longer; said once, at the latest when the process ends."""
        if controller is self.controller and not self._forced:
            self._forced = True
            self.post(e.StopRequested(now=True))

    def _end(self, controller: Controller) -> None:
        """The process ends in good order: what it owes is written, and the doors are closed but for those just ordered open."""
        self.stopping = False
        self._force(controller)
        self._leave()

    def _leave(self) -> None:
        self.desk.end()
        self.board.leave()
        self.die(self._rng.uniform(1.0, 10.0))

    def break_core(self, left: int) -> bool:
        """Put a bug into the core, met after `left` more rows were looked up; False if there is no core to break."""
        controller = self.controller
        if controller is None:
            return False
        controller._choices = _Rows(controller._choices, left)  # noqa: SLF001 - a bug is where nobody provided for one
        return self.post(e.TimerExpired())

    def _set_timer(self, controller: Controller) -> None:
        self._due = controller.next_deadline()
        if self._due is not None and (self._wakes_at is None or self._due < self._wakes_at):
            self._wake_at(self._due)

    def _wake_at(self, due: float) -> None:
        self._wakes_at = due
        self._timer += 1
        self._agenda.after(due - self._agenda.now, self._wake, self._timer)

    def _wake(self, timer: int) -> None:
        """Too early is no harm: the core has put its deadline off since, and is woken then."""
        if timer != self._timer:
            return
        self._wakes_at = None
        if self._due is None:
            return
        if self._due > self._agenda.now:
            self._wake_at(self._due)
        else:
            self.post(e.TimerExpired())

    def hold_up(self, shown: Presentation | None) -> None:
        """Somebody holds a phone before the reader (or, with None, puts it away)."""
        self.shown = shown
        if shown is not None:
            self.look_for_code()

    def look_for_code(self) -> None:
        """The QR worker looks while the lane is ready; it sees a code after a while."""
        if not self._reading and self.state is State.READY:
            self._reading = True
            self._agenda.after(self._profile.qr_latency.draw(self._rng), self._read)

    def _read(self) -> None:
        self._reading = False
        shown = self.shown
        if shown is None or self.camera_lost or self.state is not State.READY or shown.text == self._taken:
            return
        self._crossings += 1
        crossing_id = f"x{self._crossings}"
        self.post(e.PassRead(crossing_id, shown.text))
        if self.controller is not None and self.controller.crossing_id == crossing_id:
            self._taken = shown.text
        elif self.shown is shown:
            self._agenda.after(0.2, self.look_for_code)

    def lose_camera(self) -> None:
        """The QR camera is unplugged."""
        self.camera_lost = True
        self.post(e.DeviceLost(Device.QR_CAMERA, "absent"))

    def find_camera(self) -> None:
        """It is back."""
        self.camera_lost = False
        self.post(e.DeviceReady(Device.QR_CAMERA))
        self.look_for_code()

    # -- commands ----------------------------------------------------------------------------------------------------------------

    def _record(self, command: c.RecordCrossing) -> None:
        self.desk.submit(command)
        self.records.append(command.record)
        if command.record.reason is not None:
            self.reasons[command.record.reason.code] += 1

    def _open(self, command: c.OpenDoor) -> None:
        self.board.submit(command, once=None if command.emergency else self._act_noted)

    def _note(self, command: c.NoteEvent) -> None:
        noted = self.desk.submit(command)
        if command.kind in BY_HAND:
            self._act_noted = noted  # who let somebody out, and why, is on record before the door opens
        if command.kind == Reason.OFFICER_DID_NOT_COME.code:  # an event of its own; the crossing keeps the reason of the call
            self.reasons[command.kind] += 1

    def _call(self, command: c.CallOfficer) -> None:
        self.reasons[command.reason.code] += 1
        self.board.call(True)
        self.on_call(True)

    def _end_call(self) -> None:
        self.board.call(False)
        self.on_call(False)

    def _show(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.on_prompt(prompt)

    # -- trace -----------------------------------------------------------------------------------------------------------------------

    def _tell(self, event: e.Event, before: State, commands: list[c.Command]) -> None:
        controller = self.controller
        if controller is None:
            return
        after = controller.state
        change = before.value if after is before else f"{before.value} -> {after.value} ({controller.reason.code if controller.reason else ''})"
        self.say(f"{_readable(event)}  [{change}]")
        orders = ", ".join(_readable(command) for command in commands if not isinstance(command, c.SetLamp))
        if orders:
            self.say(f"  => {orders}")

    def say(self, text: str) -> None:
        """Write a line into the trace."""
        if self.trace is not None:
            self.trace(f"{self._agenda.now:10.3f}  {text}")


def _readable(what: e.Event | c.Command) -> str:
    """As its repr, with the values of enumerations instead of theirs."""
    return _MEMBER.sub(r"\1", _REASON.sub(r"\1", repr(what)))
