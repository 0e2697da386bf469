"""The lane's controller: the table driven by `transitions`. The only module that imports it.

`handle(event, now)` takes one event and returns the commands it leads to; `next_deadline()` says when to send a TimerExpired. An exception
inside becomes a fail-secure out-of-service that lasts until a restart, never a half-made transition: the commands of the broken step
are dropped, both doors are closed and an officer is called (INV-4). In an emergency the policy's doors are opened instead, and held until
the restart, with nothing of what may be broken (INV-5). Keeps no clock and starts no timer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from operator import methodcaller

from transitions import Event, Machine

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.actions import Actions, emergency_doors
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.table import EVALUATE, TABLE, Row
from gate_controller.core.values import UNKNOWN_INPUTS, Device, Lamp, LaneInputs, TriState

TRIGGERS: dict[type, str] = {
    e.DeviceReady: "device_ready",
    e.PassRead: "pass_read",
    e.PassVerified: "pass_verified",
    e.PassRefused: "pass_refused",
    e.EnrolmentFound: "enrolment_found",
    e.EnrolmentNotFound: "enrolment_not_found",
    e.AdmissionRecorded: "admission_recorded",
    e.CheckEnded: "check_ended",
    e.CheckProgressed: "check_progressed",
    e.OfficerAcknowledged: "officer_acknowledged",
    e.AssistanceRequested: "assistance_requested",
    e.OfficerReturned: "officer_returned",
    e.OfficerReleased: "officer_released",
    e.Rearmed: "rearmed",
    e.MaintenanceSwitched: "maintenance_switched",
    e.StopRequested: "stop_requested",
}
"""Events that have rows of their own; all others change facts, and `evaluate` acts on them."""

Asked = tuple[tuple[Callable[[Actions], object], bool], ...]
"""The guards of a row, and what each must answer."""
ACTS = (e.OfficerAcknowledged, e.AssistanceRequested, e.OfficerReturned, e.OfficerReleased, e.Rearmed, e.MaintenanceSwitched)
MOST_ROWS = 16
"""No event leads through more rows than this; more means rows that chase each other."""


@lru_cache(maxsize=4)
def _choices(table: tuple[Row, ...]) -> dict[tuple[str, State], list[tuple[Asked, Event]]]:
    """The rows to try, by trigger and state. Made once for all controllers: the machine has no model of its own, each trigger is handed one."""
    machine = Machine(model=None, states=State, initial=State.OUT_OF_SERVICE, auto_transitions=False, ignore_invalid_triggers=True, send_event=False)
    choices: dict[tuple[str, State], list[tuple[Asked, Event]]] = {}
    for number, row in enumerate(table):
        name = f"row_{number}"  # a trigger of its own: which row applies is looked up in _try, the transition is made by `transitions`
        machine.add_transition(name, list(row.sources), row.target, before=partial(_apply, row), after=partial(_enter, row))
        asked = tuple((methodcaller(guard.removeprefix("!")), not guard.startswith("!")) for guard in row.when)
        for source in row.sources:
            choices.setdefault((row.trigger, source), []).append((asked, machine.events[name]))
    return choices


def _refused(event: e.Event, state: State) -> c.NoteEvent:
    return c.NoteEvent("act_refused", (("act", TRIGGERS[type(event)]), ("identity", getattr(event, "identity", "")), ("state", state.value)))


def _apply(row: Row, lane: Actions) -> None:
    lane.apply(row)


def _enter(row: Row, lane: Actions) -> None:
    if row.target is not None:
        lane.enter(row.target)


class Controller:
    """One lane. Not thread-safe: one thread hands it events.

    Args:
        policy: The lane's rules.
        table: The rows; another table than TABLE is for checking the checks (mutations).
    """

    def __init__(self, policy: CrossingPolicy, table: tuple[Row, ...] = TABLE) -> None:
        self._lane = Actions(policy)
        self._failure: Exception | None = None
        self._held_until: float | None = None
        """After a bug in an emergency: when the openings of its doors are renewed."""
        self._choices = _choices(table)

    def handle(self, event: e.Event, now: float) -> list[c.Command]:
        """Take one event at monotonic time `now` (seconds) and return what must be done, in order."""
        if self._failure is not None:
            return self._handle_failed(event, now)
        lane = self._lane
        try:
            lane.absorb(event, now)
            if isinstance(event, e.Started):
                lane.enter(State.OUT_OF_SERVICE)
            trigger = TRIGGERS.get(type(event))
            taken = trigger is not None and self._is_meant(event) and self._try(trigger)
            if isinstance(event, ACTS) and not taken:
                lane.out.append(_refused(event, lane.state))
            for _ in range(MOST_ROWS):
                if not self._try(EVALUATE):
                    break
            else:
                msg = f"rows chase each other in {lane.state.value}"
                raise RuntimeError(msg)  # noqa: TRY301 - handled right below like any other bug
        except Exception as error:  # noqa: BLE001 - any bug at all must end fail-secure
            return self._fail(error, event, now)
        out, lane.out = lane.out, []
        return out

    def _is_meant(self, event: e.Event) -> bool:
        """An officer's act may say which call it answers, or by 0 that nobody is called: it is for nobody else who is inside by now."""
        call = getattr(event, "call", None)
        return call is None or call == (self.call_number or 0)

    def _try(self, trigger: str) -> bool:
        """Take the first row of this trigger whose guards hold; False when there is none."""
        lane = self._lane
        for asked, transition in self._choices.get((trigger, lane.state), ()):
            for guard, wanted in asked:
                if bool(guard(lane)) is not wanted:
                    break
            else:
                return bool(transition.trigger(lane, lane))
        return False

    def next_deadline(self) -> float | None:
        """Monotonic time at which a TimerExpired is due; None when nothing waits for time alone."""
        return self._held_until if self._failure is not None else self._lane.next_deadline()

    def _fail(self, error: Exception, event: e.Event, now: float) -> list[c.Command]:
        self._failure = error
        lane = self._lane
        if isinstance(event, e.InputsRead):
            lane.inputs = event.inputs  # what broke may have been the taking in
        emergency = lane.state is State.EMERGENCY or lane.inputs.emergency is TriState.ACTIVE
        # What was already noted or recorded did happen; only what was to be moved or shown is dropped.
        kept: list[c.Command] = [command for command in lane.out if isinstance(command, (c.RecordCrossing, c.NoteEvent))]
        noted = any(isinstance(command, c.NoteEvent) and command.kind == "emergency" for command in kept)
        out = [*(self._hold_emergency_doors(now) if emergency else map(c.CloseDoor, lane.policy.doors)), *kept]
        if emergency and not noted:
            out.append(c.NoteEvent("emergency"))  # so that the next start waits for the re-arm
        lane.out = []
        out.append(c.NoteEvent("latched", (("reason", Reason.INTERNAL_ERROR.code),)))  # whoever was inside may be there still; and a bug may strike again
        lane.reason = Reason.INTERNAL_ERROR
        lane.verdict = None
        if lane.crossing is not None:
            out.append(c.EndBiometrics(lane.crossing.crossing_id))
        lane._row_reason = Reason.INTERNAL_ERROR  # noqa: SLF001 - finish() names it in the record
        with suppress(Exception):  # what broke may be needed for the record; the next start finds the admission without an outcome
            lane.finish()
        out += lane.out
        prompt = Prompt.EMERGENCY_EXIT if emergency else Prompt.LANE_CLOSED
        lane._called = (Reason.INTERNAL_ERROR, 0)  # noqa: SLF001 - the status names it
        lane.acknowledged_by, lane.call_number = None, max(lane.call_number + 1, int(now * 1000))  # whoever took an earlier call has not taken this one
        out += [c.SetLamp(lamp, lamp is Lamp.ENTRY_RED) for lamp in Lamp]
        out += [c.CallOfficer(Reason.INTERNAL_ERROR), c.ShowPrompt(prompt), c.NoteEvent("internal_error", (("type", type(error).__name__),))]
        return out

    def _handle_failed(self, event: e.Event, now: float) -> list[c.Command]:
        """After a bug only an emergency is still served, until the restart: a failed core cannot be re-armed."""
        before, held_until = self._lane.inputs, self._held_until
        if isinstance(event, ACTS):
            return [_refused(event, self.state)]
        match event:
            case e.InputsRead(inputs):
                self._lane.inputs = inputs
            case e.DeviceLost(Device.IO_BOARD):
                self._lane.inputs = UNKNOWN_INPUTS
        reported = self._lane.inputs.emergency is TriState.ACTIVE and before.emergency is not TriState.ACTIVE
        due = held_until is not None and (now >= held_until or event == e.DeviceReady(Device.IO_BOARD))
        if not (reported or due):
            return []
        return [*self._hold_emergency_doors(now), *([c.NoteEvent("emergency")] if held_until is None else [])]

    def _hold_emergency_doors(self, now: float) -> list[c.Command]:
        self._held_until = now + self._lane.policy.emergency_hold_s
        return emergency_doors(self._lane.policy)

    # -- what a status shows ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state; after a bug OUT_OF_SERVICE, or EMERGENCY while the doors of one are held."""
        if self._failure is not None:
            return State.OUT_OF_SERVICE if self._held_until is None else State.EMERGENCY
        return self._lane.state

    @property
    def reason(self) -> Reason | None:
        """Why the state was entered, where a reason applies."""
        return self._lane.reason

    @property
    def failure(self) -> Exception | None:
        """The bug that closed the lane, or None."""
        return self._failure

    @property
    def inputs(self) -> LaneInputs:
        """The latest inputs."""
        return self._lane.inputs

    @property
    def prompt(self) -> Prompt | None:
        """What the display shows."""
        return self._lane.prompt

    @property
    def officer_call(self) -> tuple[Reason, int, str | None] | None:
        """The pending call: reason, escalation, who acknowledged it."""
        called = self._lane.called
        return None if called is None else (called[0], called[1], self._lane.acknowledged_by)

    @property
    def call_number(self) -> int | None:
        """Which call is pending: an officer's act names it, so that it is carried out for no other. None when nobody is called."""
        return self._lane.call_number if self._lane.call_pending() else None

    @property
    def crossing_id(self) -> str | None:
        """Id of the crossing under way."""
        return self._lane.crossing.crossing_id if self._lane.crossing is not None else None

    @property
    def idle(self) -> bool:
        """No traveller is being dealt with."""
        return self._failure is not None or self._lane.idle()
