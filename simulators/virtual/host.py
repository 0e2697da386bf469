"""The controller's process in virtual time: hands events to the core, carries out its commands, dies and comes back.

Does what the real runtime does, and nothing more: a phone held up while the lane is busy is not handed on, a timer wakes the core at the time it asked for, a stop ends the
process as soon as the lane is idle. Decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.machine import Controller
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.prompts import Prompt
from gate_controller.core.states import State
from gate_controller.core.table import TABLE, Row
from gate_controller.core.values import Device
from simulators.virtual.agenda import Agenda
from simulators.virtual.board import Board
from simulators.virtual.lane import Lane
from simulators.virtual.monitor import Monitor
from simulators.virtual.profile import Profile
from simulators.virtual.services import Biometrics, Desk, Durable, Look, Presentation


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
        self.reasons: Counter[str] = Counter()
        self.visits: Counter[State] = Counter()
        self.records: list[c.CrossingRecord] = []
        self.handled = 0
        self.on_prompt: Callable[[Prompt], None] = lambda _prompt: None
        self.on_call: Callable[[bool], None] = lambda _pending: None
        self.on_state: Callable[[State], None] = lambda _state: None
        self.on_death: Callable[[], None] = lambda: None
        self.trace: Callable[[str], None] | None = None
        self._crossings = 0
        self._taken = ""
        self._timer = 0
        self._timer_at: float | None = None
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
        self.stopping = False
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

    def die(self, restart_s: float) -> None:
        """The process is gone (power, kill -9, or its own end) and is started again after `restart_s`."""
        if self.controller is None:
            return
        self._say("the process dies")
        self.controller = None
        self.on_death()
        self._timer += 1
        self._timer_at = None
        self.board.detach()
        self.desk.detach()
        self.biometrics.detach()
        self._monitor.process(alive=False)
        self._show(Prompt.LANE_CLOSED)
        self.on_call(False)
        self._agenda.after(restart_s, self.start)

    # -- events ----------------------------------------------------------------------------------------------------------------

    def post(self, event: e.Event) -> None:
        """Hand an event to the core, carry out what it answers, and set the timer it asks for."""
        controller = self.controller
        if controller is None:
            return
        before = controller.state
        if isinstance(event, e.PassRead) and before is not State.READY:
            return
        now = self._agenda.now
        self._monitor.told(event, self.shown if isinstance(event, e.PassRead) else None)
        self.handled += 1
        commands = controller.handle(event, now)
        if controller.failure is not None:
            self._monitor.failed(controller.failure)
        if self.trace is not None:
            self._tell(event, before, commands)
        self._monitor.answered(event, commands)
        for command in commands:
            self._carry_out(command)
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
        if self.stopping and controller is self.controller and controller.idle:
            self.die(self._rng.uniform(1.0, 10.0))

    def ask_to_stop(self, now: bool) -> None:
        """The service manager stops the process; it is started again later."""
        if self.controller is not None:
            self.stopping = True
            self.post(e.StopRequested(now))

    def _set_timer(self, controller: Controller) -> None:
        due = controller.next_deadline()
        if due != self._timer_at:
            self._timer_at = due
            self._timer += 1
            if due is not None:
                self._agenda.after(due - self._agenda.now, self._wake, self._timer)

    def _wake(self, timer: int) -> None:
        if timer == self._timer:
            self._timer_at = None
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

    def _carry_out(self, command: c.Command) -> None:
        if isinstance(command, (c.OpenDoor, c.CloseDoor)):
            self.board.submit(command)
        elif isinstance(command, c.ShowPrompt):
            self._show(command.prompt)
        elif isinstance(command, (c.VerifyPass, c.FindEnrolment, c.RecordAdmission, c.NoteEvent)):
            self.desk.submit(command)
        elif isinstance(command, c.RecordCrossing):
            self.desk.submit(command)
            self.records.append(command.record)
            if command.record.reason is not None:
                self.reasons[command.record.reason.code] += 1
        elif isinstance(command, (c.StartCheck, c.EndBiometrics)):
            self.biometrics.submit(command)
        elif isinstance(command, c.CallOfficer):
            self.reasons[command.reason.code] += 1
            self.on_call(True)
        elif isinstance(command, c.EndOfficerCall):
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
        orders = ", ".join(str(command) for command in commands if not isinstance(command, c.SetLamp))
        self._say(f"{event}  [{change}]" + (f"\n{'':>12}=> {orders}" if orders else ""))

    def _say(self, text: str) -> None:
        if self.trace is not None:
            self.trace(f"{self._agenda.now:10.3f}  {text}")
