"""What the handlers of the control API share: reading requests, and answers in JSON.

Does not know what a request asks for.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import GateError

IDENTITY_LENGTH = 64
REASON_LENGTH = 200
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


def problem(status: int, what: str, remedy: str) -> web.Response:
    """An error's answer."""
    return answer({"error": what, "remedy": remedy}, status)


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
