"""What the control API and the officers' page share: who asks, reading requests, answers and errors in JSON.

Does not know what a request asks for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gate_controller.control.roles import Caller, Role, caller_as, credentials
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import GateError, RefusedByStateError

log = structlog.get_logger("gate.control")

IDENTITY_LENGTH = 64
REASON_LENGTH = 200
GATE_LENGTH = 64
_LOOKING_UP = ThreadPoolExecutor(16, thread_name_prefix="control caller")
"""Asks the user database, which may take its time; apart from acts, which may wait for a journal that hangs, and neither is to hold up the other."""
_ASKED: dict[Hashable, asyncio.Future[Caller]] = {}
"""Users who are being looked up: one at a time each, for all their connections, so that many of one user's do not take the threads that another's act waits for."""
COUNTERS = 2**53
"""Above the largest integer that JSON keeps everywhere (RFC 8259 section 6)."""


class RequestError(Exception):
    """A request that makes no sense; answered with 400."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class DeniedError(GateError):
    """A request that none of the caller's roles allows; answered with 403."""


def answer(body: JsonObject, status: int = 200) -> web.Response:
    """An answer in JSON that nobody keeps."""
    return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})


def answer_text(body: str) -> web.Response:
    """The same of what is JSON already."""
    return web.Response(text=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def problem(status: int, what: str, remedy: str) -> web.Response:
    """An error's answer."""
    return answer({"error": what, "remedy": remedy}, status)


def errors_as_json(no_such_thing: str) -> Middleware:
    """Answers every error of a handler as JSON.

    Args:
        no_such_thing: The remedy where the path or the method is not there.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            refuse_body(request)
            return await handler(request)
        except web.HTTPException as error:
            return problem(error.status, error.reason, no_such_thing)
        except RequestError as error:
            return problem(400, error.what, error.remedy)
        except DeniedError as error:
            return problem(403, error.what, error.remedy)
        except RefusedByStateError as error:
            return problem(409, error.what, error.remedy)
        except GateError as error:
            return problem(503, error.what, error.remedy)
        except Exception:
            log.exception("request failed", method=request.method, route=request.path)
            return problem(500, "internal error", "see the gate controller's log")

    return guard


async def caller_of(request: web.Request, groups: Mapping[Role, str]) -> Caller:
    """Who is at the other end of the request's connection, as the machine's user database says now.

    Raises:
        RequestError: The client has gone.
    """
    connection = request.get_extra_info("socket")
    loop = asyncio.get_running_loop()
    try:
        if connection is None:
            raise ConnectionError
        uid, gid = credentials(connection)
        wanted = (loop, uid, gid, tuple(groups.items()))
        asked = _ASKED.get(wanted)
        if asked is None:
            asked = _ASKED[wanted] = loop.run_in_executor(_LOOKING_UP, caller_as, uid, gid, groups)
            asked.add_done_callback(lambda _: _ASKED.pop(wanted))
        return await asyncio.shield(asked)
    except OSError as error:
        raise RequestError("the client has gone", "ask again") from error


def refuse_body(request: web.Request) -> None:
    """Only an act has a body.

    Raises:
        RequestError: There is one where none belongs.
    """
    if request.method != "POST" and request.can_read_body:
        raise RequestError("this request takes no body", "send it without one")


async def read_act(request: web.Request, within_s: float, names: tuple[str, ...]) -> JsonObject:
    """The JSON object of an act.

    Args:
        request: The request.
        within_s: Time the client has to send it.
        names: Its members; others are refused.

    Raises:
        RequestError: It does not come, is not JSON, or is another object.
    """
    wanted = "{" + ", ".join(f'"{name}"' for name in names) + "}"
    try:
        async with asyncio.timeout(within_s):
            body = await request.read()
        act = json.loads(body)
    except TimeoutError as error:
        raise RequestError("the body did not come in time", "send it with the request") from error
    except (ValueError, RecursionError) as error:
        raise RequestError("the body is not JSON", f"send {wanted}") from error
    if not isinstance(act, dict) or not act.keys() <= set(names):
        raise RequestError("the body is not what this request takes", f"send {wanted} and nothing else")
    return act


def line_of(act: JsonObject, name: str, limit: int, *, needed: bool = False) -> str:
    """A member that is one line of text, without white space around it; empty when it is not there.

    Raises:
        RequestError: It is something else, or longer than `limit` characters, or `needed` and empty.
    """
    value: Any = act.get(name, "")
    if not isinstance(value, str) or len(value) > limit or not value.isprintable():
        what = f"{name} is not one line of text"
        raise RequestError(what, f"at most {limit} printable characters")
    if needed and not value.strip():
        what = f"{name} is empty"
        raise RequestError(what, f"say {'who acts' if name == 'identity' else 'why'}: it is journalled")
    return value.strip()


def is_counter(text: str) -> bool:
    """Whether it is the number of an event or a crossing."""
    return text.isascii() and text.isdecimal() and len(text) < 17 and int(text) < COUNTERS


def counter(request: web.Request, name: str) -> int | None:
    """A number of the query; None when it is not there.

    Raises:
        RequestError: It is not a number of an event or a crossing.
    """
    text = request.query.get(name)
    if text is not None and not is_counter(text):
        what = f"{name} is not the number of an event or a crossing"
        raise RequestError(what, f"a whole number from 0 to {COUNTERS - 1}")
    return None if text is None else int(text)
