"""What people ask of a running gate: an officer's acts, and an engineer who takes the lane. Each is an event that the decision thread answers.

Does not decide what the lane's state allows: the core does.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.machine import Controller
from gate_controller.core.states import State
from gate_controller.ports.clock import Clock
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import RefusedByStateError, UnansweredError

ANSWER_WITHIN_S = 2.0
Answer = Future[list[c.Command]]
REFUSALS = frozenset({"act_refused", "rearm_refused"})


class Acts:
    """Asks the decision thread; for any thread.

    Args:
        put: Hands an event to the decision thread, which sets the future to the commands that followed.
        state: The lane's state.
        clock: The gate's clocks.
    """

    def __init__(self, put: Callable[[e.Event, Answer], None], state: Callable[[], State], clock: Clock) -> None:
        self._put = put
        self._state = state
        self._clock = clock

    def officer(self, action: str, identity: str, reason: str, uid: int | None, call: int | None = None) -> None:
        """See ports.control.GateControl."""
        if not identity.strip():
            raise ValueError("an officer acts by identity: it must not be empty")
        if action == "release" and not reason.strip():
            raise ValueError("a release needs a reason")
        crossing_id = f"officer-{int(self._clock.wall() * 1000):x}"
        who = _who(identity, uid)
        acts: dict[str, e.Event] = {
            "acknowledge": e.OfficerAcknowledged(who, call),
            "assist": e.AssistanceRequested(who, call),
            "release": e.OfficerReleased(crossing_id, who, reason, call),
            "return": e.OfficerReturned(crossing_id, who, reason, call),
            "rearm": e.Rearmed(who, call),
        }
        if action not in acts:
            msg = f"unknown act {action!r}: one of {', '.join(acts)}"
            raise ValueError(msg)
        self._ask(
            acts[action],
            action,
            "both doors must be confirmed closed, the emergency over, and the call the one that is pending, and not taken yet; see `gatectl officer calls`",
        )

    def maintenance(self, on: bool, identity: str, uid: int | None) -> None:
        """See ports.control.GateControl."""
        if not identity.strip():
            raise ValueError("an engineer acts by identity: it must not be empty")
        remedy = "wait until the lane is idle and nobody is inside; see `gatectl status`" if on else "the lane is not in maintenance; see `gatectl status`"
        self._ask(e.MaintenanceSwitched(on, _who(identity, uid)), f"maintenance {'on' if on else 'off'}", remedy)

    def _ask(self, event: e.Event, act: str, remedy: str) -> None:
        answer: Answer = Future()
        self._put(event, answer)
        try:
            commands = answer.result(timeout=ANSWER_WITHIN_S)
        except TimeoutError as error:
            if answer.cancel():
                raise RefusedByStateError("the gate did not answer; nothing was done", "look at `gatectl status`") from error
            commands = _late(answer)  # it is being carried out just now
        if any(map(is_refusal, commands)):
            msg = f"{act} is not possible in state {self._state().value}; nothing was done"
            raise RefusedByStateError(msg, remedy)


def is_refusal(command: c.Command) -> bool:
    """Whether the core says by it that an act was not possible."""
    return isinstance(command, c.NoteEvent) and command.kind in REFUSALS


def pending_call(controller: Controller, called_at: float | None) -> tuple[JsonObject, float | None] | None:
    """The call as it is now, and since when (monotonic seconds); None: nobody is called. For the decision thread: number and reason must be of one call."""
    call = controller.officer_call
    if call is None:
        return None
    prompt = controller.prompt.value if controller.prompt is not None else None
    where = {"state": controller.state.value, "prompt": prompt}
    return {"number": controller.call_number, "reason": call[0].code, "since_s": 0.0, "acknowledged": call[2], "escalations": call[1], **where}, called_at


def calls_of(pending: tuple[JsonObject, float | None] | None, now: float) -> list[JsonObject]:
    """See ports.control.GateControl.calls(). Times are monotonic seconds."""
    if pending is None:
        return []
    call, called_at = pending
    return [{**call, "since_s": round(now - called_at, 1) if called_at is not None else 0.0}]


def _who(identity: str, uid: int | None) -> str:
    return identity if uid is None else f"{identity} (uid {uid})"


def _late(answer: Answer) -> list[c.Command]:
    try:
        return answer.result(timeout=ANSWER_WITHIN_S)
    except TimeoutError as error:
        raise UnansweredError("the gate did not answer; the act may have been carried out", "look at the lane and at `gatectl status`") from error
