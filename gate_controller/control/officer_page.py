"""The officers' page on a unix socket of its own: the pending call, and what an officer may do about it.

    GET  /, /officer.css, /officer.js    the page
    GET  /events                         server-sent events "status": all that the page shows, once a second and at each change
    POST /act {"action", "identity", "reason", "call"}    an officer's act; identity and reason are demanded, and the number of the call that is answered

Only an officer gets any of it, by the kernel's word (roles.py). But a browser brings along what the officer's other pages send: so a request must name a
host that the page is known by, and an act must come from the page itself. An act for a call that is over, or that came after the officer looked, is
refused. Everything else of the control API is not to be had here. Does not decide what the lane's state allows, and keeps no record: acts.py does.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Collection, Mapping
from importlib import resources

from aiohttp import web
from aiohttp.typedefs import Handler

from gate_controller.control.acts import Acts, Asked
from gate_controller.control.feed import EventFeed
from gate_controller.control.kiosk import HEADERS
from gate_controller.control.requests import IDENTITY_LENGTH, REASON_LENGTH, RequestError, caller_of, errors_as_json, line_of, read_act
from gate_controller.control.roles import DEFAULT_GROUPS, Role
from gate_controller.control.serving import Limits, frame, name_server, stream
from gate_controller.control.texts import Language, text
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.ports.control import GateControl, JsonObject
from gate_controller.ports.errors import RefusedByStateError

OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Where an SSH forward shows the page, at whatever port."""
ACT_HEADER = "X-Gate-Act"
"""A script of another page cannot send it without asking first (CORS), and nobody here says yes."""
MEMBERS = ("action", "identity", "reason", "gate", "call")
ELSEWHERE = "this address is the officers' page and nothing else; see docs/officer.md"
OFFICERS = frozenset({Role.OFFICER})
_FILES = {"/": ("officer.html", "text/html"), "/officer.css": ("officer.css", "text/css"), "/officer.js": ("officer.js", "text/javascript")}
_ADVICE = {reason.code: reason.advice for reason in Reason}
_ASKED = web.RequestKey("asked", Asked)


def officer_app(
    gate: GateControl, feed: EventFeed, acts: Acts, limits: Limits, groups: Mapping[Role, str] = DEFAULT_GROUPS, hosts: Collection[str] = ()
) -> web.Application:
    """The application for the officers' socket. The files are read now, so a broken installation shows at the start.

    Args:
        gate: The gate.
        feed: Its events.
        acts: Carries out what an officer asks for, and puts it on record.
        limits: What a client may cost.
        groups: The machine's group of each role.
        hosts: Names besides OWN_NAMES by which a reverse proxy shows the page, without ports.
    """
    names = OWN_NAMES | {host.lower() for host in hosts}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        _refuse_others_pages(request, names)
        asking = await caller_of(request, groups)  # anew at each request: who is no officer any more acts no more
        if Role.OFFICER not in asking.roles:
            raise await acts.deny("officer_page", asking, OFFICERS)
        request[_ASKED] = Asked(request, asking, Role.OFFICER)
        return await handler(request)

    async def events(request: web.Request) -> web.StreamResponse:
        return await stream(request, _frames(gate, feed), limits.write_s)

    async def act(request: web.Request) -> web.StreamResponse:
        await _refuse_incomplete(request, limits.request_s)
        return await acts.officer(request[_ASKED], lambda call: _refuse_other_call(gate, call))  # reads the body once more: aiohttp keeps it

    app = web.Application(middlewares=[errors_as_json(ELSEWHERE), guard], client_max_size=limits.body_bytes)
    app.on_response_prepare.append(name_server)
    app.on_response_prepare.append(_add_headers)
    static = resources.files("gate_controller.control").joinpath("static")
    for path, (name, content_type) in _FILES.items():
        app.router.add_get(path, _file(static.joinpath(name).read_bytes(), content_type), allow_head=False)
    app.router.add_get("/events", events, allow_head=False)
    app.router.add_post("/act", act)
    return app


def snapshot(gate: GateControl) -> JsonObject:
    """All that the page shows. No personal data but who took the call, which an officer may know.

    {"gate", "region", "direction", "state", "reason": null | {"code", "text"}, "prompt": what the traveller reads in English, "occupancy", "doors",
    "since_s", "lost": [device], "call": null | {"number", "reason": {"code", "text"}, "since_s", "acknowledged", "escalations"}}

    Raises:
        GateError: The gate does not decide any more.
    """
    status, calls = gate.status(), gate.calls()
    call = calls[0] if calls else None
    kept = {name: status.get(name) for name in ("gate", "region", "direction", "state", "occupancy", "doors", "since_s")}
    return {
        **kept,
        "reason": _in_words(status.get("reason")),
        "prompt": _told(status.get("prompt")),
        "lost": sorted(name for name, device in status.get("devices", {}).items() if device.get("state") == "lost"),
        "call": None
        if call is None
        else {
            "number": call.get("number"),
            "reason": _in_words(call["reason"]),
            "since_s": call["since_s"],
            "acknowledged": call["acknowledged"],
            "escalations": call["escalations"],
        },
    }


def _in_words(code: str | None) -> JsonObject | None:
    """A reason's code, and what it means without the steps of a standard that it may begin with."""
    return None if code is None else {"code": code, "text": re.sub(r"^step \d+: ", "", _ADVICE.get(code, ""))}


def _told(prompt: str | None) -> str:
    if prompt not in {each.value for each in Prompt}:
        return ""
    wording = text(Prompt(prompt), Language.ENGLISH)
    return f"{wording.title}. {wording.detail}."


def _refuse_others_pages(request: web.Request, names: Collection[str]) -> None:
    """Refuse what another page of the officer's browser sends (CSRF), or a name that was made to resolve to here (DNS rebinding).

    Raises:
        HTTPMisdirectedRequest: The page is not known by that name.
        HTTPForbidden: It does not come from this page.
    """
    host = request.headers.get("Host", "").lower()
    if re.sub(r":\d{1,5}$", "", host) not in names:
        raise web.HTTPMisdirectedRequest
    opens_page = request.method == "GET" and request.path == "/"  # by a link, too: it shows, and does nothing
    if not opens_page and request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise web.HTTPForbidden
    if request.method == "POST":
        is_own = request.headers.get("Origin", "").lower() in {f"http://{host}", f"https://{host}"}
        if not is_own or request.content_type != "application/json" or request.headers.get(ACT_HEADER) != "1":
            raise web.HTTPForbidden


async def _refuse_incomplete(request: web.Request, within_s: float) -> None:
    """Refuse an act without identity and reason, or one that does not say at which gate, and which call it answers.

    Raises:
        RequestError: Something is missing.
    """
    body = await read_act(request, within_s, MEMBERS)
    line_of(body, "identity", IDENTITY_LENGTH, needed=True)
    line_of(body, "reason", REASON_LENGTH, needed=True)
    if not body.get("gate"):
        raise RequestError("the act does not say at which gate", "load the page anew: it is of an older version")
    if "call" not in body:
        raise RequestError("the act does not say which call it answers", 'send "call": its number, or null where nobody is called')


def _refuse_other_call(gate: GateControl, answered: int | None) -> None:
    """Refuse an act that answers a call that is over, or none although one is pending by now. May be called on any thread.

    Raises:
        RefusedByStateError: It does.
    """
    pending = next((call.get("number") for call in gate.calls()), None)
    if answered != pending:
        what = f"call {answered} is over" if answered is not None else "an officer has been called since"
        now = "nobody is called now" if pending is None else f"call {pending} is pending now, perhaps for somebody else"
        msg = f"{what}; {now}; nothing was done"
        raise RefusedByStateError(msg, "look at the lane again")


def _file(body: bytes, content_type: str) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return handler


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _frames(gate: GateControl, feed: EventFeed) -> AsyncGenerator[bytes, None]:
    """What the page shows; nothing while the gate cannot say how it is: the page says so after 3 s."""
    subscription = feed.subscribe()
    shown: JsonObject | None = None
    try:
        while True:
            closed = subscription.closed
            beat = subscription.take().beat
            try:
                now = snapshot(gate)
            except Exception:  # noqa: BLE001 - the server's heartbeat says so in the log
                now = None
            if now is not None and (beat or _without_times(now) != shown):
                shown = _without_times(now)
                yield frame("status", json.dumps(now))
            if closed:
                return
            await subscription.wait()
    finally:
        subscription.close()


def _without_times(told: JsonObject) -> JsonObject:
    call = told["call"]
    return {**told, "since_s": None, "call": None if call is None else {**call, "since_s": None}}
