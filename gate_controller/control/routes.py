"""The control API as a table: each call with who may make it, what it takes and what it answers.

The server serves this table and nothing else (api.py), and the OpenAPI document is made from it (openapi.py). Does not handle anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gate_controller.control import schemas
from gate_controller.control.roles import Caller, Role
from gate_controller.control.schemas import Schema
from gate_controller.ports.control import CAMERAS, DEVICES

JSON, EVENTS, METRICS, JPEG = "application/json", "text/event-stream", "text/plain", "image/jpeg"
READERS = frozenset({Role.READ})
ANYBODY: frozenset[Role] = frozenset()
OPERATORS_ACTS = frozenset({"acknowledge", "assist"})
"""The acts of an officer that an operator may do, too: none of them moves a door."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: of the path if it is named there, else of the query."""

    name: str
    schema: Schema
    description: str


@dataclass(frozen=True, slots=True)
class Route:
    """One call.

    Attributes:
        name: The handler's name, and the operation's id.
        method: GET or POST.
        path: With {parameters}.
        roles: Who may make it: any of these; none named: anybody who can connect.
        summary: One line.
        description: What else there is to say.
        answer: Schema of the answer; None: it is not JSON.
        media: Type of the answer.
        parameters: Of path and query.
        body: Schema of the body, for an act.
        refusals: What may be answered besides 400, 403 and 503, and why.
    """

    name: str
    method: str
    path: str
    roles: frozenset[Role]
    summary: str
    description: str = ""
    answer: Schema | None = None
    media: str = JSON
    parameters: tuple[Parameter, ...] = ()
    body: Schema | None = None
    refusals: Mapping[int, str] = field(default_factory=dict)

    def role_of(self, caller: Caller) -> Role | None:
        """The caller's role that allows the call; None: none does."""
        return next((role for role in Role if role in self.roles & caller.roles), None)


_AFTER = Parameter("after", schemas.COUNTER, "Go on after this number")
_RUN = Parameter("run", schemas.TEXT, "The run that the number belongs to; a restart begins anew")
_STATE = {409: "the state of the lane does not allow it; nothing was done"}

ROUTES: tuple[Route, ...] = (
    Route("status", "GET", "/v1/status", READERS, "The lane as it is", answer=schemas.STATUS),
    Route(
        "events",
        "GET",
        "/v1/events",
        READERS,
        "What happens, as it happens (server-sent events)",
        'First "connected" {"run", "sequence"}, then the last status and prompt or, with after= (or Last-Event-ID), what came since. "heartbeat" {} comes '
        'every second while the gate decides; "lagged" {"missed"} if more came than is kept: ask for the status again. The others are {"sequence", "at", '
        '"fields"}.',
        media=EVENTS,
        parameters=(_AFTER, _RUN),
    ),
    Route("crossings", "GET", "/v1/crossings", READERS, "Recent crossings, without who crossed", answer=schemas.CROSSINGS, parameters=(_AFTER, _RUN)),
    Route("metrics", "GET", "/v1/metrics", READERS, "Metrics in Prometheus' text format", media=METRICS),
    Route("openapi", "GET", "/v1/openapi.json", READERS, "This document", answer=schemas.ANYTHING),
    Route("whoami", "GET", "/v1/whoami", ANYBODY, "Who asks, and in which roles", answer=schemas.WHOAMI),
    Route(
        "officer",
        "POST",
        "/v1/officer",
        frozenset({Role.OPERATOR, Role.OFFICER}),
        "An officer's act",
        "An operator may acknowledge and assist; the others are an officer's. Whether the lane's state allows an act, the gate decides.",
        answer=schemas.ACTED,
        body=schemas.OFFICER,
        refusals=_STATE,
    ),
    Route("calls", "GET", "/v1/officer/calls", frozenset({Role.OPERATOR, Role.OFFICER}), "Who is to come, and why", answer=schemas.CALLS),
    Route(
        "maintenance",
        "POST",
        "/v1/maintenance",
        frozenset({Role.ENGINEER}),
        "Take the lane, or give it back",
        "Only an idle lane with nobody inside can be taken. An emergency ends it.",
        answer=schemas.SWITCHED,
        body=schemas.MAINTENANCE,
        refusals=_STATE,
    ),
    Route("diagnostics", "GET", "/v1/diagnostics", frozenset({Role.ENGINEER}), "Devices, inputs, stores, trust and queues", answer=schemas.DIAGNOSTICS),
    Route(
        "test_device",
        "POST",
        "/v1/devices/{device}/test",
        frozenset({Role.ENGINEER}),
        "Let a device's own worker try it",
        "In maintenance only. Takes up to 10 seconds. A device that does not answer is a result, not an error.",
        answer=schemas.TESTED,
        parameters=(Parameter("device", schemas.one_of(*DEVICES), "The device"),),
        body=schemas.TEST,
        refusals=_STATE,
    ),
    Route(
        "snapshot",
        "GET",
        "/v1/cameras/{camera}/snapshot",
        frozenset({Role.ENGINEER}),
        "What a camera sees now",
        "In maintenance only, and only while the counter says that nobody is inside. Journalled; the picture is kept nowhere.",
        media=JPEG,
        parameters=(Parameter("camera", schemas.one_of(*CAMERAS), "The camera"),),
        refusals=_STATE,
    ),
)
