"""The handlers of the control API that act on the gate, or tell what not everybody may know.

Every act is noted (act_log.py), whether it was carried out, refused by the lane's state, or denied. Does not decide what the state allows: the gate does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from gate_controller.control.act_log import DENIED, DONE, FAILED, REFUSED, UNKNOWN, Act, ActLog
from gate_controller.control.feed import EventFeed
from gate_controller.control.requests import COUNTERS, GATE_LENGTH, IDENTITY_LENGTH, REASON_LENGTH, DeniedError, RequestError, answer, line_of, read_act
from gate_controller.control.roles import Caller, Role
from gate_controller.control.routes import OPERATORS_ACTS
from gate_controller.control.schemas import ACTIONS
from gate_controller.control.serving import Limits
from gate_controller.ports.control import CAMERAS, DEVICES, MOVES_PEOPLE, GateControl, JsonObject
from gate_controller.ports.devices import Image
from gate_controller.ports.errors import DeviceError, GateError, RefusedByStateError, UnansweredError

JPEG_QUALITY = 85
DENYING = 2
"""Threads that note what was denied. Not those that carry acts out: a journal that hangs could hold all of them up with what was not even allowed."""
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose caller is known, and has a role that allows the call (but `whoami` needs none)."""

    request: web.Request
    caller: Caller
    role: Role | None


class Acts:
    """The handlers, by the names of their routes.

    Args:
        gate: The gate.
        feed: Where watchers learn of acts.
        log: Where acts are noted.
        limits: What a client may cost.
        about: What the daemon knows of itself: members of the diagnostics.
        turn: Waits for a user's turn. Acts do not; what is denied does.
        act_turn: Waits for a user's turn to act, which nobody's reading and no other user's acts put off.
    """

    def __init__(
        self,
        gate: GateControl,
        feed: EventFeed,
        log: ActLog,
        limits: Limits,
        about: Callable[[], JsonObject],
        turn: Callable[[int], Awaitable[None]],
        act_turn: Callable[[int], Awaitable[None]],
    ) -> None:
        self._gate = gate
        self._feed = feed
        self._log = log
        self._limits = limits
        self._about = about
        self._turn = turn
        self._act_turn = act_turn
        self._denying = ThreadPoolExecutor(DENYING, thread_name_prefix="control denial")

    async def deny(self, name: str, caller: Caller, roles: frozenset[Role]) -> DeniedError:
        """Note a call that only these roles allow; the error to answer with."""
        await self._turn(caller.uid)
        await asyncio.get_running_loop().run_in_executor(self._denying, self._log.note, Act(name, caller, None), DENIED)
        needed = [role.value for role in Role if role in roles]
        has = ", ".join(caller.names) or "none"
        remedy = f"put the user into a role's group, as shipped: sudo adduser USER gate-{needed[0]}"
        return DeniedError(f"it needs the role {' or '.join(needed)}; roles of user {caller.uid}: {has}", remedy)

    async def officer(self, asked: Asked, refuse: Callable[[int | None], None] | None = None) -> web.Response:
        """See routes.ROUTES.

        Args:
            asked: The request.
            refuse: Given the number of the call that is answered, or None; may raise RefusedByStateError, which is on record like the gate's own.
        """
        body = await read_act(asked.request, self._limits.request_s, ("action", "identity", "reason", "gate", "call"))
        action, identity, reason = (line_of(body, name, limit) for name, limit in (("action", 16), ("identity", IDENTITY_LENGTH), ("reason", REASON_LENGTH)))
        call, gate = body.get("call"), line_of(body, "gate", GATE_LENGTH)
        if call is not None and (type(call) is not int or not 0 <= call < COUNTERS):
            raise RequestError("call is not the number of a call", "leave it out, or take it from gatectl officer calls")
        if action not in ACTIONS:
            raise RequestError("unknown action", f"one of {', '.join(ACTIONS)}")
        name, uid = f"officer.{action}", asked.caller.uid
        if Role.OFFICER not in asked.caller.roles and action not in OPERATORS_ACTS:
            raise await self.deny(name, asked.caller, frozenset({Role.OFFICER}))
        if call is None and refuse is None and action in MOVES_PEOPLE:
            what = f"{action} without call: it might be for whoever came after"
            raise RequestError(what, "the number as GET /v1/officer/calls tells it, or 0: nobody is called")
        role = Role.OFFICER if Role.OFFICER in asked.caller.roles else asked.role

        def act_now() -> None:
            own = self._gate.status().get("gate") if gate else gate
            if gate != own:
                msg = f"this is gate {own}, not {gate}; nothing was done"
                raise RefusedByStateError(msg, "a forwarded port or socket leads to another gate than before: look at the lane again")
            if refuse is not None:
                refuse(call)
            meant = 0 if call is None and refuse is not None else call  # whoever had to say which call, and said none, means that
            self._gate.officer(action, identity, reason, uid, **({} if meant is None else {"call": meant}))
            self._feed.publish("officer_acted", {"action": action, "uid": uid})  # identity and reason go to the journal only

        try:
            await self._carry_out(Act(name, asked.caller, role, identity, reason), act_now)
        except ValueError as error:
            what = f"{action}: {error}"
            raise RequestError(what, "see gatectl officer --help") from error
        return answer({"accepted": True, "action": action, "uid": uid})

    async def calls(self, _asked: Asked) -> web.Response:
        """See routes.ROUTES."""
        return answer({"calls": await asyncio.to_thread(self._gate.calls)})

    async def maintenance(self, asked: Asked) -> web.Response:
        """See routes.ROUTES."""
        body = await read_act(asked.request, self._limits.request_s, ("on", "identity", "reason"))
        on, uid = body.get("on"), asked.caller.uid
        if not isinstance(on, bool):
            raise RequestError('"on" is not true or false', "true takes the lane, false gives it back")
        identity, reason = line_of(body, "identity", IDENTITY_LENGTH, needed=True), line_of(body, "reason", REASON_LENGTH, needed=True)

        def switch() -> None:
            self._gate.maintenance(on, identity, uid)
            self._feed.publish("maintenance_switched", {"on": on, "uid": uid})

        await self._carry_out(Act(f"maintenance.{'on' if on else 'off'}", asked.caller, asked.role, identity, reason), switch)
        return answer({"accepted": True, "on": on, "uid": uid})

    async def diagnostics(self, _asked: Asked) -> web.Response:
        """See routes.ROUTES."""
        return answer(await asyncio.to_thread(self._diagnose))

    async def test_device(self, asked: Asked) -> web.Response:
        """See routes.ROUTES."""
        device = _known(asked.request.match_info["device"], DEVICES)
        body = await read_act(asked.request, self._limits.request_s, ("reason",))
        reason = line_of(body, "reason", REASON_LENGTH, needed=True)
        act = Act(f"test_device.{device}", asked.caller, asked.role, reason=reason)
        return answer(await self._carry_out(act, lambda: self._gate.test_device(device)))

    async def snapshot(self, asked: Asked) -> web.Response:
        """See routes.ROUTES. The picture is handed out only after the note of it."""
        camera = _known(asked.request.match_info["camera"], CAMERAS)
        picture = await self._carry_out(Act(f"snapshot.{camera}", asked.caller, asked.role), lambda: _as_jpeg(self._gate.snapshot(camera)))
        return web.Response(body=picture, content_type="image/jpeg", headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})

    def _diagnose(self) -> JsonObject:
        about, found = self._about(), self._gate.diagnostics()
        drivers = about.pop("drivers", {})
        devices = [{**device, "driver": drivers.get(device["device"])} for device in found["devices"]]
        stores = {**found["stores"], "disks": about.pop("disks", {})}
        queues = {**found["queues"], **about.pop("queues", {}), "subscribers": self._feed.subscribers}
        return {**about, **found, "devices": devices, "stores": stores, "queues": queues}

    async def _carry_out(self, act: Act, work: Callable[[], Answer]) -> Answer:
        """In a thread: a gate that takes its time must not delay other clients' heartbeats."""

        def carry_out() -> Answer:
            try:
                result = work()
            except GateError as error:
                outcomes = {RefusedByStateError: REFUSED, UnansweredError: UNKNOWN}
                self._log.note(act, outcomes.get(type(error), FAILED))
                raise
            self._log.note(act, DONE)
            return result

        await self._act_turn(act.caller.uid)
        return await asyncio.to_thread(carry_out)


def _known(name: str, names: tuple[str, ...]) -> str:
    if name not in names:
        raise web.HTTPNotFound
    return name


def _as_jpeg(picture: Image) -> bytes:
    import cv2  # the drivers have loaded it already

    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise DeviceError("the picture cannot be written as JPEG", "this is a bug: send a support bundle")
    return data.tobytes()
